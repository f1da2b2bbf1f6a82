//! What the client half understands: every command and flag of the contract. A word here is a promise to scripts.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::commands::{api_key, auth, completions, init, keys, logs, man, orgs, profiles, whoami};

/// Flags that every command of the client takes, before or after its name.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(in crate::cli) struct Globals {
    /// Print JSON instead of text, errors included
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
    /// Print only data and errors
    #[arg(short, long, global = true)]
    pub(in crate::cli) quiet: bool,
    /// Use no colours
    #[arg(long, global = true)]
    pub(in crate::cli) no_color: bool,
    /// Never ask; fail instead
    #[arg(long, global = true)]
    pub(in crate::cli) no_input: bool,
    /// Act in this organization
    #[arg(long, global = true, value_name = "SLUG")]
    pub(in crate::cli) org: Option<String>,
    /// Use this profile instead of the project file's
    #[arg(long, global = true, value_name = "ID")]
    pub(in crate::cli) profile: Option<String>,
    /// Talk to this server
    #[arg(long, global = true, value_name = "URL")]
    pub(in crate::cli) server: Option<String>,
    /// Read the API key from this file; - is standard input
    #[arg(long, global = true, value_name = "FILE")]
    pub(in crate::cli) key_file: Option<PathBuf>,
}

/// The ids of the flags above, for whoever must leave them out of a help.
pub(in crate::cli) const GLOBAL_IDS: &[&str] =
    &["json", "quiet", "no_color", "no_input", "org", "profile", "server", "key_file"];

impl Globals {
    /// The first of these flags that was given, as it is written.
    pub(in crate::cli) fn given(&self) -> Option<&'static str> {
        let given = [
            (self.json, "--json"),
            (self.quiet, "--quiet"),
            (self.no_color, "--no-color"),
            (self.no_input, "--no-input"),
            (self.org.is_some(), "--org"),
            (self.profile.is_some(), "--profile"),
            (self.server.is_some(), "--server"),
            (self.key_file.is_some(), "--key-file"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// The commands that speak HTTP to a server.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ClientCommand {
    /// Sign in and out
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// Say who you are to the server, and by which credential
    Whoami(whoami::WhoamiArgs),
    /// List your organizations and choose one
    #[command(subcommand)]
    Orgs(orgs::OrgsCommand),
    /// List, create and choose profiles
    #[command(subcommand)]
    Profiles(profiles::ProfilesCommand),
    /// Write the project file, which names server, organization and profile
    Init(init::InitArgs),
    /// Create, list, watch, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Manage the API keys of the whole organization
    #[command(subcommand, name = "api-key")]
    ApiKey(api_key::ApiKeyCommand),
    /// Watch requests as they are checked
    #[command(subcommand)]
    Logs(logs::LogsCommand),
    /// Print the completion script of a shell
    Completions(completions::CompletionsArgs),
    /// Write manual pages into a folder
    Man(man::ManArgs),
}
