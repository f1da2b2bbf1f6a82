//! `keys revoke`.

use clap::Args;
use serde_json::{Value, json};

use super::{is_in_use, last_use, named};
use crate::cli::client::answers::Key;
use crate::cli::client::context::{Context, Session};
use crate::cli::client::ids::{find_key, refuse_secret};
use crate::cli::client::text::clean;
use crate::cli::{CliError, ExitCode};

/// `keys revoke`
#[derive(Debug, Args)]
pub(in crate::cli) struct RevokeArgs {
    /// The keys' ids or names
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Revoke without asking
    #[arg(short, long)]
    yes: bool,
    /// Note why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// What became of one of the ids.
struct Outcome {
    /// As it was typed.
    typed: String,
    key: Option<Key>,
    /// Whether it was this command that revoked it, or why it is not revoked.
    result: Result<bool, CliError>,
}

pub(in crate::cli::client::commands) fn run(context: &Context, args: &RevokeArgs) -> Result<(), CliError> {
    // Before anything is done: a secret on the command line is a mistake as a whole.
    args.ids.iter().try_for_each(|id| refuse_secret(id, &context.brand.cli))?;
    let session = context.session()?;
    let mut outcomes = Vec::new();
    let mut keys: Vec<Key> = Vec::new();
    for typed in &args.ids {
        match find_key(&session, typed) {
            Ok(key) if keys.iter().any(|known| known.id == key.id) => {}
            Ok(key) => keys.push(key),
            Err(error) if ends_everything(&error) => return Err(error),
            Err(error) => outcomes.push(Outcome { typed: typed.clone(), key: None, result: Err(error) }),
        }
    }
    let agreed = if args.yes { vec![true; keys.len()] } else { ask(&session, &keys)? };
    for (key, agreed) in keys.into_iter().zip(agreed) {
        let result = if !agreed {
            Err(CliError::cancelled(format!("{} was not revoked.", named(&key))))
        } else if key.status == "revoked" {
            Ok(false)
        } else {
            revoke(&session, &key, args.reason.as_deref())
        };
        outcomes.push(Outcome { typed: key.id.clone(), key: Some(key), result });
    }
    report(&session, outcomes)
}

/// What fails for one id like this fails for each.
fn ends_everything(error: &CliError) -> bool {
    matches!(error.code, ExitCode::SignIn | ExitCode::Network)
}

/// Shows what would be revoked and asks: for the name of a key that is in use, for a yes otherwise. Which of them to revoke.
fn ask(session: &Session<'_>, keys: &[Key]) -> Result<Vec<bool>, CliError> {
    let out = session.out();
    let now = session.context.clock.now();
    let is_idle = |key: &Key| key.status != "revoked" && !is_in_use(key, now);
    if !out.may_ask() && keys.iter().any(|key| key.status != "revoked") {
        return Err(CliError::usage("Pass --yes to revoke without a prompt."));
    }
    let mut agreed = vec![true; keys.len()];
    for key in keys.iter().filter(|key| key.status != "revoked") {
        out.talk(&format!("{}  {}  {}", named(key), clean(&key.preview), last_use(key, now)));
    }
    let idle: Vec<&Key> = keys.iter().filter(|key| is_idle(key)).collect();
    if !idle.is_empty() {
        let which = match idle.as_slice() {
            [only] => named(only),
            several => format!("these {} keys that are not in use", several.len()),
        };
        let yes = out.confirm(&format!("Revoke {which}? Requests get 401 at once, for good."), "Pass --yes.")?;
        for (key, agreed) in keys.iter().zip(&mut agreed) {
            *agreed = if is_idle(key) { yes } else { *agreed };
        }
    }
    for (key, agreed) in keys.iter().zip(&mut agreed) {
        if key.status != "revoked" && is_in_use(key, now) {
            let name = clean(&key.name);
            let typed = out.ask(&format!("“{name}” is in use. Type its name to revoke it"), "Pass --yes.")?;
            *agreed = typed.trim().to_lowercase() == key.name.to_lowercase();
        }
    }
    Ok(agreed)
}

fn revoke(session: &Session<'_>, key: &Key, reason: Option<&str>) -> Result<bool, CliError> {
    let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
    let _: Value = session.http.post(&format!("/v1/keys/{}/revoke", key.id), &body)?;
    Ok(true)
}

/// A line for each id; an error if one of them is not revoked now, with the exit code that they have in common.
fn report(session: &Session<'_>, outcomes: Vec<Outcome>) -> Result<(), CliError> {
    let out = session.out();
    if out.is_json() {
        let data: Vec<Value> = outcomes.iter().map(object).collect();
        out.json(&json!({ "data": data }))?;
    }
    let (is_single, all) = (outcomes.len() == 1, outcomes.len());
    let mut codes = Vec::new();
    for Outcome { key, result, .. } in outcomes {
        match (result, key) {
            (Ok(true), Some(key)) => out.talk(&format!("Revoked {}. The next request with it gets 401.", named(&key))),
            (Ok(_), Some(key)) => out.talk(&format!("{} was revoked before.", named(&key))),
            (Ok(_), None) => {}
            (Err(error), _) if is_single => return Err(error),
            (Err(error), _) => {
                codes.push(error.code);
                if !out.is_json() {
                    out.error(&error);
                }
            }
        }
    }
    let Some(first) = codes.first() else { return Ok(()) };
    let code = if codes.iter().all(|code| code == first) { *first } else { ExitCode::Error };
    // For people each of them was told above.
    let message = if out.is_json() { format!("{} of {all} keys are not revoked.", codes.len()) } else { String::new() };
    Err(CliError::of(code, message))
}

fn object(outcome: &Outcome) -> Value {
    let (status, error) = match &outcome.result {
        Ok(true) => ("revoked", None),
        Ok(false) => ("already_revoked", None),
        Err(error) => ("failed", Some(error)),
    };
    let code = |error: &CliError| {
        error.fault.as_ref().map_or_else(|| error.code.word().to_owned(), |fault| fault.code.clone())
    };
    json!({
        "id": outcome.key.as_ref().map_or(outcome.typed.as_str(), |key| key.id.as_str()),
        "name": outcome.key.as_ref().map(|key| key.name.as_str()),
        "status": status,
        "error": error.map(|error| json!({"code": code(error), "message": error.message})),
    })
}
