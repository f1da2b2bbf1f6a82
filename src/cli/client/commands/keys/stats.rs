//! `keys stats`.

use clap::Args;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `keys stats`
#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// The key's id or name
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Count from so long ago
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(super) since: String,
    /// Show it anew every few seconds
    #[arg(long)]
    pub(super) watch: bool,
}

pub(super) fn run(_: &Context, _: &StatsArgs) -> Result<(), CliError> {
    Err(super::not_yet())
}
