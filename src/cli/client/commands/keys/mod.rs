//! `keys`: the life of a key.

pub(super) mod create;
pub(super) mod list;
pub(super) mod revoke;
mod rotate;
mod secret;
mod stats;

use clap::Subcommand;

use crate::cli::CliError;
use crate::cli::client::answers::Key;
use crate::cli::client::context::{Context, Session};
use crate::cli::client::text::clean;
use crate::domain::time::{Span, Timestamp};

/// `keys …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeysCommand {
    /// Create a key and show its secret once
    Create(create::CreateArgs),
    /// List the active keys of the active profile
    List(list::ListArgs),
    /// Show what a key was used for, and how much it has left
    Stats(stats::StatsArgs),
    /// Give a key a new secret
    Rotate(rotate::RotateArgs),
    /// Revoke keys at once and for good
    Revoke(revoke::RevokeArgs),
}

pub(super) fn run(context: &Context, command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::Create(args) => create::run(context, &args),
        KeysCommand::List(args) => list::run(context, &args),
        KeysCommand::Stats(args) => stats::run(context, &args),
        KeysCommand::Rotate(args) => rotate::run(context, &args),
        KeysCommand::Revoke(args) => revoke::run(context, &args),
    }
}

/// `“ci” (BRTRKFsL)`.
fn named(key: &Key) -> String {
    format!("“{}” ({})", clean(&key.name), clean(&key.id))
}

/// `used 5 min ago`, in the middle of a sentence.
fn last_use(key: &Key, now: Timestamp) -> String {
    match key.last_used_at {
        Some(at) => {
            let ago = at.ago(now);
            // `Just now` and `Yesterday` begin a sentence; a date does not.
            let is_date = ago.starts_with(|c: char| c.is_ascii_digit()) && !ago.ends_with("ago");
            if is_date { format!("last used on {ago}") } else { format!("last used {}", ago.to_lowercase()) }
        }
        None => "never used".to_owned(),
    }
}

/// Whether requests with it came in the last day: whoever ends it cuts something off.
fn is_in_use(key: &Key, now: Timestamp) -> bool {
    key.last_used_at.is_some_and(|at| now.since(at) < Span::hours(24))
}

/// An error of the server with what to do next.
fn with_advice(session: &Session<'_>, mut error: CliError) -> CliError {
    let cli = &session.context.brand.cli;
    let advice = match error.fault.as_ref().map(|fault| fault.code.as_str()) {
        Some("KEY_LIMIT_REACHED") => Some(format!("See which one is not needed: {cli} keys list{}", plans(session))),
        Some("PLAN_REQUIRED") => Some(format!("Ask an owner to change the plan{}", plans(session))),
        _ => None,
    };
    if let Some(advice) = advice {
        error.message.push('\n');
        error.message.push_str(&advice);
    }
    error
}

fn plans(session: &Session<'_>) -> String {
    let of_org =
        || session.org.as_ref().map(|org| format!("{}/orgs/{}/settings/plan", session.server.origin, org.value));
    let url = session.context.brand.plans_url.clone().or_else(of_org);
    url.map(|url| format!("\nPlans: {}", clean(&url))).unwrap_or_default()
}
