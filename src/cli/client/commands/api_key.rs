//! `api-key`: the same keys as `keys`, seen from the organization.

use clap::{Args, Subcommand};

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `api-key …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ApiKeyCommand {
    /// Create an API key
    Create(CreateArgs),
    /// List the organization's active API keys
    List(ListArgs),
    /// Revoke API keys at once and for good
    Revoke(RevokeArgs),
}

/// `api-key create`
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// What the key is for
    #[arg(short, long)]
    pub(super) name: String,
}

/// `api-key list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// List revoked and expired keys too
    #[arg(long)]
    pub(super) all: bool,
}

/// `api-key revoke`
#[derive(Debug, Args)]
pub(in crate::cli) struct RevokeArgs {
    /// The keys' ids or names
    #[arg(required = true, value_name = "ID")]
    pub(super) ids: Vec<String>,
    /// Revoke without asking
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Note why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

pub(super) fn run(_: &Context, _: ApiKeyCommand) -> Result<(), CliError> {
    Err(super::keys::not_yet())
}
