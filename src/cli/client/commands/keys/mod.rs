//! `keys`: the life of a key.

mod create;
mod list;
mod revoke;
mod rotate;
mod stats;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// Create a key and show its secret once
    Create(create::CreateArgs),
    /// List the active keys of the active profile
    List(list::ListArgs),
    /// Show what a key was used for, and how much it has left
    Stats(stats::StatsArgs),
    /// Give a key a new secret
    Rotate(rotate::RotateArgs),
    /// Revoke keys at once and for good
    Revoke(revoke::RevokeArgs),
}

pub(super) fn run(context: &Context, command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::Create(args) => create::run(context, &args),
        KeysCommand::List(args) => list::run(context, &args),
        KeysCommand::Stats(args) => stats::run(context, &args),
        KeysCommand::Rotate(args) => rotate::run(context, &args),
        KeysCommand::Revoke(args) => revoke::run(context, &args),
    }
}

pub(super) fn not_yet() -> CliError {
    CliError::new("This version of the command line cannot do that yet; the page can.")
}
