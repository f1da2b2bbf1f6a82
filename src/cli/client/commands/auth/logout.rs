//! `auth logout`: ends the sign-in on the server, then here.

use clap::Args;
use serde_json::json;

use crate::cli::client::context::{Context, Server};
use crate::cli::client::origin::Origin;
use crate::cli::client::store::{Kind, Store};
use crate::cli::{CliError, ExitCode};

/// `auth logout`
#[derive(Debug, Args)]
pub(in crate::cli) struct LogoutArgs {
    /// Only forget the sign-in here, for a server that is gone
    #[arg(long)]
    local: bool,
}

pub(super) fn run(context: &Context, args: &LogoutArgs) -> Result<(), CliError> {
    let mut store = context.store();
    let server = context.server(&store, context.project()?.as_ref())?;
    let login = server.as_ref().map(|server| store.login(&server.origin)).transpose()?.flatten();
    let Some((Server { origin, .. }, login)) = server.as_ref().zip(login) else {
        context.out.talk("You are not signed in there.");
        return if context.out.is_json() {
            context.out.json(&json!({"server": null, "signed_out": false}))
        } else {
            Ok(())
        };
    };
    // A key that was handed over is not the sign-in's to end.
    let is_person = login.kind == Kind::Person;
    if is_person && !args.local {
        end_on_server(context, &store, origin)?;
    }
    store.forget(origin)?;
    if context.out.is_json() {
        context.out.json(&json!({"server": origin.as_str(), "signed_out": true}))?;
    }
    context.out.talk(&format!("Signed out of {}.", origin.host()));
    if is_person && args.local {
        context.out.warn("The server was not told: the sign-in stays valid there until it expires or is ended on the page of sessions.");
    }
    Ok(())
}

fn end_on_server(context: &Context, store: &Store, origin: &Origin) -> Result<(), CliError> {
    let Some(token) = store.token(origin)? else { return Ok(()) };
    let http = context.http(origin)?.with_credential(token, String::new());
    let answer = http.send("POST", "/v1/device/revoke", None, &[]).map_err(|error| still_here(context, error))?;
    match answer.status {
        // 401: it has ended already.
        200..=299 | 401 => Ok(()),
        _ => Err(still_here(context, http.fault(&answer))),
    }
}

fn still_here(context: &Context, mut error: CliError) -> CliError {
    error.message.push_str(&format!(
        "\nYou are still signed in. To forget it here all the same: {} auth logout --local",
        context.brand.cli
    ));
    if error.code == ExitCode::NotFound {
        error.code = ExitCode::Error;
    }
    error
}
