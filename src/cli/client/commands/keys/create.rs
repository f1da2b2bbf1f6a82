//! `keys create`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys create`
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// What the key is for
    #[arg(short, long)]
    pub(super) name: String,
    /// Make it for this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) env: Option<String>,
    /// Let it expire after this time, such as 90d, or never
    #[arg(long, value_name = "TIME")]
    pub(super) expires: Option<String>,
    /// Note something about it
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
    /// Write the secret into this file without asking; .env.local if none is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "no_write_env")]
    pub(super) write_env: Option<Option<PathBuf>>,
    /// Do not offer to write the secret into a file
    #[arg(long)]
    pub(super) no_write_env: bool,
}

pub(super) fn run(_: &Context, _: &CreateArgs) -> Result<(), CliError> {
    Err(super::not_yet())
}
