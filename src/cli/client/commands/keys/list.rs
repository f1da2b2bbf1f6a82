//! `keys list`.

use clap::Args;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// List revoked and expired keys too
    #[arg(long)]
    pub(super) all: bool,
}

pub(super) fn run(_: &Context, _: &ListArgs) -> Result<(), CliError> {
    Err(super::not_yet())
}
