//! `completions`: the completion script of a shell, on stdout.

use clap::Args;
use clap_complete::{Shell, generate};

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `completions SHELL`
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(context: &Context, args: &CompletionsArgs, mut tree: clap::Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut tree, context.brand.cli.clone(), &mut script);
    context.out.data(String::from_utf8_lossy(&script).trim_end())
}
