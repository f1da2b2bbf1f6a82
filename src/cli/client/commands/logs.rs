//! `logs`: requests as they are checked.

use clap::{Args, Subcommand};

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `logs …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogsCommand {
    /// Follow requests as they are checked
    Tail(TailArgs),
}

/// `logs tail`
#[derive(Debug, Args)]
pub(in crate::cli) struct TailArgs {
    /// Only requests with this key
    #[arg(long, value_name = "ID")]
    pub(super) key: Option<String>,
    /// Only requests that ended so, such as 4xx or 429
    #[arg(long, value_name = "STATUS")]
    pub(super) status: Option<String>,
    /// Only requests to this path; * stands for anything
    #[arg(long, value_name = "PATH")]
    pub(super) path: Option<String>,
    /// Begin so long ago, such as 10m
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
}

pub(super) fn run(_: &Context, _: LogsCommand) -> Result<(), CliError> {
    Err(super::keys::not_yet())
}
