//! `man`: a manual page per command, as files.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;
use serde_json::json;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `man DIR`
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// The folder to write into, made if need be
    dir: PathBuf,
}

pub(super) fn run(context: &Context, args: &ManArgs, mut tree: clap::Command) -> Result<(), CliError> {
    let failed = |why: std::io::Error| CliError::new(format!("{}: {why}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    tree.build();
    let mut written = Vec::new();
    let mut waiting = vec![tree];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
        // Built above, so each knows its whole name: `keyrack-keys-list`.
        let page = Man::new(command);
        let (file, mut bytes) = (page.get_filename(), Vec::new());
        page.render(&mut bytes).map_err(failed)?;
        std::fs::write(args.dir.join(&file), bytes).map_err(failed)?;
        written.push(file);
    }
    written.sort();
    if context.out.is_json() {
        return context.out.json(&json!({"dir": args.dir.display().to_string(), "files": written}));
    }
    context.out.talk(&format!("Wrote {} manual pages into {}", written.len(), args.dir.display()));
    Ok(())
}
