//! `keys create`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::secret::{self, EnvArgs, Way};
use super::with_advice;
use crate::cli::CliError;
use crate::cli::client::answers::Key;
use crate::cli::client::commands::profiles;
use crate::cli::client::context::{Context, Session};
use crate::cli::client::env_file::Reason;
use crate::cli::client::ids::refuse_secret;
use crate::cli::client::text::clean;

/// `keys create`
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// What the key is for
    #[arg(short, long)]
    name: String,
    /// Make it for this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<String>,
    /// Let it expire after this time, such as 90d, on this date, or never
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Note something about it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    env_file: EnvArgs,
}

/// What of a created key JSON shows, besides its secret.
const SHOWN: &[&str] =
    &["id", "name", "preview", "profile", "environment", "note", "created_at", "expires_at", "created_by", "status"];

pub(super) fn run(context: &Context, args: &CreateArgs) -> Result<(), CliError> {
    let session = context.session()?;
    let chosen = session.must_have_profile()?;
    let profile = profiles::find(&session, &chosen.value)?;
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(args.name));
    body.insert("profile".to_owned(), json!(profile.id));
    for (field, value) in [("environment", &args.env), ("expires_at", &args.expires), ("note", &args.note)] {
        if let Some(value) = value {
            body.insert(field.to_owned(), json!(value));
        }
    }
    let way = Way::prepare(&session, &args.env_file, Reason::Created)?;
    let place = format!("in profile “{}” ({}, from {})", clean(&profile.name), profile.id, chosen.by);
    create(&session, &args.name, body, &place, &way)
}

/// `api-key create`: without a profile that is named, in the organization's first one.
pub(in crate::cli::client::commands) fn create_in_organization(context: &Context, name: &str) -> Result<(), CliError> {
    let session = context.session()?;
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(name));
    let mut place = String::new();
    if let Some(chosen) = &session.profile {
        let profile = profiles::find(&session, &chosen.value)?;
        place = format!("in profile “{}” ({}, from {})", clean(&profile.name), profile.id, chosen.by);
        body.insert("profile".to_owned(), json!(profile.id));
    }
    create(&session, name, body, &place, &Way::to_the_terminal(&session))
}

fn create(
    session: &Session<'_>,
    name: &str,
    body: Map<String, Value>,
    place: &str,
    way: &Way<'_>,
) -> Result<(), CliError> {
    let (cli, out) = (&session.context.brand.cli, session.out());
    refuse_secret(name, cli)?;
    let space = if place.is_empty() { "" } else { " " };
    out.talk(&format!("Creating “{}”{space}{place} on {} …", clean(name), session.server.origin.host()));
    let created: Result<Value, CliError> = session.http.post("/v1/keys", &Value::Object(body));
    let mut answer = created.map_err(|error| with_advice(session, error))?;
    let secret = secret::take(&mut answer, session)?;
    if let Value::Object(fields) = &mut answer {
        fields.retain(|field, _| SHOWN.contains(&field.as_str()));
    }
    let id = answer.get("id").and_then(Value::as_str).map(clean).unwrap_or_default();
    let mut words = vec![format!("Shown once, and never again. If you lose it: {cli} keys rotate {id}")];
    let variable = session.context.brand.key_variable();
    words.push(format!("Your backend sends it as “Authorization: Bearer ${variable}”; it has no place in a browser."));
    if let Some(until) = serde_json::from_value::<Key>(answer.clone()).ok().and_then(|key| key.expires_at) {
        words.push(format!("It expires on {}.", until.human()));
    }
    way.go(&secret, answer, &words)?;
    out.talk(&format!("Next: {cli} keys stats {id}   ·   {cli} logs tail --key {id}"));
    Ok(())
}
