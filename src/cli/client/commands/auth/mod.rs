//! `auth`: signing in as a person, and out again.

mod device;
mod login;
mod logout;
mod status;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::client::context::Context;

/// `auth …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuthCommand {
    /// Sign in through the browser
    Login(login::LoginArgs),
    /// End the sign-in, on the server and here
    Logout(logout::LogoutArgs),
    /// Show where you are signed in
    Status(status::StatusArgs),
}

pub(super) fn run(context: &Context, command: AuthCommand) -> Result<(), CliError> {
    match command {
        AuthCommand::Login(args) => login::run(context, &args),
        AuthCommand::Logout(args) => logout::run(context, &args),
        AuthCommand::Status(args) => status::run(context, &args),
    }
}
