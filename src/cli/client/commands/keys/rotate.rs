//! `keys rotate`.

use clap::Args;
use serde_json::{Value, json};

use super::secret::{self, EnvArgs, Way};
use super::{last_use, named, with_advice};
use crate::cli::CliError;
use crate::cli::client::answers::Key;
use crate::cli::client::context::{Context, Session};
use crate::cli::client::env_file::Reason;
use crate::cli::client::ids::find_key;
use crate::cli::client::text::clean;
use crate::domain::key::Grace;
use crate::domain::time::Timestamp;

/// `keys rotate`
#[derive(Debug, Args)]
pub(in crate::cli) struct RotateArgs {
    /// The key's id or name
    #[arg(value_name = "ID")]
    id: String,
    /// Let the old secret work so long: 24h, 1h, 7d or now
    #[arg(long, value_name = "TIME", default_value = "24h")]
    grace: String,
    /// Rotate without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    env_file: EnvArgs,
}

pub(super) fn run(context: &Context, args: &RotateArgs) -> Result<(), CliError> {
    let grace = Grace::parse(&args.grace).map_err(|why| CliError::usage(format!("--grace: {why}")))?;
    let session = context.session()?;
    let key = find_key(&session, &args.id)?;
    let out = session.out();
    out.talk(&format!("{}: {}", named(&key), evidence(&session, &key)));
    if grace == Grace::Now && !args.yes {
        let question = format!("Stop the current secret of {} now? Requests with it get 401 at once.", named(&key));
        if !out.confirm(&question, "Pass --yes to stop the current secret without a prompt.")? {
            return Err(CliError::cancelled("Nothing was changed."));
        }
    }
    let way = Way::prepare(&session, &args.env_file, Reason::Rotated(&key.id))?;
    let grace = if grace == Grace::Now { "now" } else { args.grace.as_str() };
    let path = format!("/v1/keys/{}/rotate", key.id);
    let rotated: Result<Value, CliError> = session.http.post(&path, &json!({ "grace": grace }));
    let mut answer = rotated.map_err(|error| explained(&session, &key, error))?;
    let secret = secret::take(&mut answer, &session)?;
    let words = words(&session, &key, &answer);
    way.go(&secret, answer, &words)
}

/// What the key was used for in the last hour: what a rotation touches.
fn evidence(session: &Session<'_>, key: &Key) -> String {
    let last = last_use(key, session.context.clock.now());
    let path = format!("/v1/keys/{}/stats", key.id);
    let stats = session.http.get::<Value>(&path, &[("since", "1h")]).ok();
    // Evidence helps to decide; a rotation goes on without it.
    let Some(stats) = stats else { return format!("{last}.") };
    let served = stats.get("served").and_then(Value::as_u64).unwrap_or_default();
    let refused = stats.get("refused").and_then(Value::as_object);
    let refused: u64 = refused.map(|refused| refused.values().filter_map(Value::as_u64).sum()).unwrap_or_default();
    match served + refused {
        0 => format!("{last}, no requests in the last hour."),
        1 => format!("{last}, 1 request in the last hour."),
        count => format!("{last}, {count} requests in the last hour."),
    }
}

fn explained(session: &Session<'_>, key: &Key, error: CliError) -> CliError {
    let mut error = with_advice(session, error);
    if key.status == "rotating" && error.fault.as_ref().is_some_and(|fault| fault.code == "CONFLICT") {
        let cli = &session.context.brand.cli;
        error.message.push_str(&format!("\nTo stop the old secret now: {cli} keys rotate {} --grace now", key.id));
    }
    error
}

fn words(session: &Session<'_>, key: &Key, answer: &Value) -> Vec<String> {
    let cli = &session.context.brand.cli;
    let until: Option<Timestamp> =
        answer.get("previous_valid_until").and_then(|until| serde_json::from_value(until.clone()).ok());
    let old = answer.pointer("/rotation/previous_last4").and_then(Value::as_str).map(clean).unwrap_or_default();
    let old = if old.is_empty() { "Old secret".to_owned() } else { format!("Old secret (…{old})") };
    let fate = match until {
        Some(until) => format!("{old} works until {}. Check it: {cli} keys stats {}", until.human(), key.id),
        None => format!("{old} stopped working."),
    };
    vec!["Shown once, and never again.".to_owned(), fate]
}
