//! One file per command: its arguments, and what it does.

pub(super) mod api_key;
pub(super) mod auth;
pub(super) mod completions;
pub(super) mod init;
pub(super) mod keys;
pub(super) mod logs;
pub(super) mod man;
pub(super) mod orgs;
pub(super) mod profiles;
pub(super) mod whoami;

use super::args::ClientCommand;
use super::context::Context;
use crate::cli::CliError;

/// Runs a command.
pub(super) fn run(context: &Context, command: ClientCommand, tree: clap::Command) -> Result<(), CliError> {
    match command {
        ClientCommand::Auth(command) => auth::run(context, command),
        ClientCommand::Whoami(args) => whoami::run(context, &args),
        ClientCommand::Orgs(command) => orgs::run(context, command),
        ClientCommand::Profiles(command) => profiles::run(context, command),
        ClientCommand::Init(args) => init::run(context, &args),
        ClientCommand::Keys(command) => keys::run(context, command),
        ClientCommand::ApiKey(command) => api_key::run(context, command),
        ClientCommand::Logs(command) => logs::run(context, command),
        ClientCommand::Completions(args) => completions::run(context, &args, tree),
        ClientCommand::Man(args) => man::run(context, &args, tree),
    }
}
