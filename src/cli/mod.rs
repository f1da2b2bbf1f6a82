//! The command line: what `keyrack` understands, and the exit codes that scripts rely on.
//!
//! `server` holds the commands that open the database. Data goes to stdout, talk to stderr.

mod exit;
mod log;
mod output;
mod server;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use exit::{CliError, ExitCode};

use crate::settings::{Settings, Sources};

/// Serve the API-keys half of a SaaS product, and look after it
///
/// Without a command it serves. Settings come from flags, from KEYRACK_* variables, from keyrack.toml and from defaults,
/// in this order; `keyrack config dump` shows which came from where.
#[derive(Debug, Parser)]
#[command(name = "keyrack", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Settings that are often wanted for one run.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
struct SettingsArgs {
    /// Read settings from this file instead of ./keyrack.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this address and port
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Use this database: sqlite://PATH or postgres://…
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Tell people this address of the site
    #[arg(long, global = true, value_name = "URL")]
    public_url: Option<String>,
}

impl SettingsArgs {
    fn load(&self) -> Result<Settings, CliError> {
        let given = [("listen", &self.listen), ("database_url", &self.database_url), ("public_url", &self.public_url)];
        let flags = given.into_iter().filter_map(|(path, value)| value.clone().map(|value| (path, value))).collect();
        Ok(Settings::load(&Sources::of_process(flags, self.config.clone()))?)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve pages and the API until stopped
    ///
    /// Opens the database, brings its schema up to date, and listens. While no account exists it prints a link for
    /// creating the owner's; KEYRACK_ADMIN_EMAIL and KEYRACK_ADMIN_PASSWORD_FILE create it without anybody there.
    Serve,
    /// Serve a made-up installation with people, keys and a history, gone when it ends
    Demo,
    /// Bring the database's schema up to date and stop
    Migrate,
    /// Ask the running server whether it is ready, and say so by the exit code
    Healthcheck,
    /// Check settings, database, and every rule that stored data must obey
    Doctor,
    /// Show the settings in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Do what needs no sign-in, only access to the database
    #[command(subcommand)]
    Admin(server::AdminCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, its value and where it came from, secrets hidden
    Dump,
}

/// Runs the command that the arguments name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail because nobody reads any more.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok };
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            for line in error.message.lines() {
                output::talk(&format!("error: {line}"));
            }
            error.code
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, CliError> {
    let command = cli.command.unwrap_or(Command::Serve);
    if let Command::Doctor = command {
        return Ok(server::doctor(cli.settings.load()));
    }
    let settings = cli.settings.load()?;
    match command {
        Command::Serve => server::serve(settings),
        Command::Demo => server::demo(&settings),
        Command::Migrate => server::migrate(&settings),
        Command::Healthcheck => server::healthcheck(&settings),
        Command::Doctor => Ok(server::doctor(Ok(settings))),
        Command::Config(ConfigCommand::Dump) => {
            output::data(settings.dump().trim_end());
            Ok(ExitCode::Ok)
        }
        Command::Admin(command) => server::admin(&settings, command),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_is_imperative_and_has_no_full_stop() {
        let mut waiting = vec![Cli::command()];
        while let Some(command) = waiting.pop() {
            let texts = command.get_arguments().filter_map(|argument| argument.get_help().map(ToString::to_string));
            for text in texts.chain(command.get_about().map(ToString::to_string)) {
                assert!(!text.ends_with('.') && text.starts_with(char::is_uppercase), "{}: {text}", command.get_name());
            }
            waiting.extend(command.get_subcommands().cloned());
        }
    }
}
