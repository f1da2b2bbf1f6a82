//! The command line: what `keyrack` understands, and the exit codes that scripts rely on.
//!
//! `server` holds the commands that open the database, `client` those that speak HTTP to a server; `tree` puts them together, or
//! leaves the server's out when the program is started under another product's name. Data goes to stdout, talk to stderr.

mod client;
mod exit;
mod log;
mod output;
mod reference;
mod server;
mod tree;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use exit::{CliError, ExitCode, Fault};
pub use reference::reference;

use client::{ClientCommand, Globals};
use tree::Parsed;

use crate::settings::{Settings, Sources};

/// Serve the API-keys half of a SaaS product, look after it, and use it
///
/// Without a command it serves. Settings come from flags, from KEYRACK_* variables, from keyrack.toml and from defaults,
/// in this order; `keyrack config dump` shows which came from where. The commands from `auth` on speak to a server that
/// runs already.
#[derive(Debug, Parser)]
#[command(name = "keyrack", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    globals: Globals,
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

/// The ids of the flags above, for whoever must leave them out of a help.
const SETTINGS_IDS: &[&str] = &["config", "listen", "database_url", "public_url"];

impl SettingsArgs {
    /// The first of these flags that was given, as it is written.
    fn given(&self) -> Option<&'static str> {
        let given = [
            (self.config.is_some(), "--config"),
            (self.listen.is_some(), "--listen"),
            (self.database_url.is_some(), "--database-url"),
            (self.public_url.is_some(), "--public-url"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }

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
    /// Save all data into one file, while servers go on
    ///
    /// The file restores into SQLite and PostgreSQL alike. It holds e-mail addresses and password hashes and no key; only its
    /// owner may read it. An earlier backup of that name is replaced; any other file is left alone.
    Backup {
        /// Write this file, or stdout for `-`
        file: PathBuf,
    },
    /// Put a backup in place, without bringing back what was revoked since
    ///
    /// All or nothing: whatever goes wrong, the database stays as it was. A backup of an older version is brought up to date.
    /// Everybody signs in again afterwards.
    Restore(server::RestoreArgs),
    /// Print the rules by which a secret scanner finds this installation's keys
    ScannerRules {
        /// Choose the scanner
        #[arg(value_enum)]
        scanner: server::Scanner,
    },
    /// Do what needs no sign-in, only access to the database
    #[command(subcommand)]
    Admin(server::AdminCommand),
    #[command(flatten)]
    Client(ClientCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting, its value and where it came from, secrets hidden
    Dump,
}

/// Runs the command that the arguments name; the first of them is the name that the program was started under.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let (brand, env) = client::introduce(args.first().map_or(OsStr::new(""), OsString::as_os_str));
    let parsed = tree::parse(&brand, &args);
    match parsed {
        Ok(Parsed::Server(cli)) => run_server(*cli),
        Ok(Parsed::Client(given)) => {
            let (command, globals) = *given;
            let tree = tree::of(&brand);
            client::run(command, globals, brand, env, tree)
        }
        Err(error) if error.use_stderr() && args.iter().any(|arg| arg == "--json") => {
            let message = error.render().to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
            let globals = Globals { json: true, ..Globals::default() };
            client::manners(&globals, &env).error(&CliError::usage(message));
            ExitCode::Usage
        }
        Err(error) => {
            // Printing can only fail because nobody reads any more.
            let _ = error.print();
            if error.use_stderr() { ExitCode::Usage } else { ExitCode::Ok }
        }
    }
}

fn run_server(cli: Cli) -> ExitCode {
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
        Command::ScannerRules { scanner } => server::scanner_rules(&settings, scanner),
        Command::Healthcheck => server::healthcheck(&settings),
        Command::Doctor => Ok(server::doctor(Ok(settings))),
        Command::Config(ConfigCommand::Dump) => {
            output::data(settings.dump().trim_end());
            Ok(ExitCode::Ok)
        }
        Command::Backup { file } => server::backup(&settings, &file),
        Command::Restore(args) => server::restore(&settings, &args),
        Command::Admin(command) => server::admin(&settings, command),
        // It was taken out where the arguments were read.
        Command::Client(_) => Err(CliError::usage("this command needs no settings of the server")),
    }
}
