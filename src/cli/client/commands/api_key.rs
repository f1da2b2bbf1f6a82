//! `api-key`: the same keys as `keys`, seen from the organization.

use clap::{Args, Subcommand};

use super::keys::{create, list, revoke};
use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `api-key …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ApiKeyCommand {
    /// Create an API key and show its secret once
    Create(CreateArgs),
    /// List the organization's active API keys
    List(ListArgs),
    /// Revoke API keys at once and for good
    Revoke(revoke::RevokeArgs),
}

/// `api-key create`
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// What the key is for
    #[arg(short, long)]
    name: String,
}

/// `api-key list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// List revoked and expired keys too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(context: &Context, command: ApiKeyCommand) -> Result<(), CliError> {
    match command {
        ApiKeyCommand::Create(args) => create::create_in_organization(context, &args.name),
        ApiKeyCommand::List(args) => list::list_of_organization(context, args.all),
        ApiKeyCommand::Revoke(args) => revoke::run(context, &args),
    }
}
