//! `keys rotate`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys rotate`
#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArgs {
    /// The key's id or name
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Let the old secret work so long: 24h, 1h, 7d or now
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(super) grace: String,
    /// Rotate without asking
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Write the secret into this file without asking; .env.local if none is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "no_write_env")]
    pub(super) write_env: Option<Option<PathBuf>>,
    /// Do not offer to write the secret into a file
    #[arg(long)]
    pub(super) no_write_env: bool,
}

pub(super) fn run(_: &Context, _: &RotateArgs) -> Result<(), CliError> {
    Err(super::not_yet())
}
