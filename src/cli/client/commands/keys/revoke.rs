//! `keys revoke`.

use clap::Args;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys revoke`
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

pub(super) fn run(_: &Context, _: &RevokeArgs) -> Result<(), CliError> {
    Err(super::not_yet())
}
