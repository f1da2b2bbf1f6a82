//! `whoami`: who the server takes you for, by which credential, and which file had a say.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::answers::WhoAmI;
use crate::cli::client::context::{Context, NamedBy, Session};
use crate::cli::client::credential::Source;
use crate::cli::client::out::Look;
use crate::cli::client::text::clean;

/// It takes no arguments of its own.
#[derive(Debug, Args)]
pub(in crate::cli) struct WhoamiArgs {}

pub(super) fn run(context: &Context, _: &WhoamiArgs) -> Result<(), CliError> {
    let session = context.session()?;
    let answer: Value = session.http.get("/v1/whoami", &[])?;
    let parsed: WhoAmI = serde_json::from_value(answer.clone())
        .map_err(|_| CliError::new(format!("{} does not say who you are as expected.", session.server.origin)))?;
    if session.out().is_json() {
        return session.out().json(&with_sources(answer, &session));
    }
    print(&session, &parsed)
}

/// The server's own answer, and what only this machine knows.
fn with_sources(mut answer: Value, session: &Session<'_>) -> Value {
    if let Value::Object(fields) = &mut answer {
        let project = session.project.as_ref().map(|project| project.path.display().to_string());
        let chosen = session.profile.as_ref().map(|profile| json!({"id": profile.value, "from": profile.by}));
        fields.insert("server".to_owned(), json!(session.server.origin.as_str()));
        fields.insert("server_from".to_owned(), json!(named_by(session)));
        fields.insert("credential_from".to_owned(), json!(source_word(&session.credential.source)));
        fields.insert("active_profile".to_owned(), json!(chosen));
        fields.insert("project_file".to_owned(), json!(project));
    }
    answer
}

fn source_word(source: &Source) -> String {
    match source {
        Source::KeyFile(path) => format!("--key-file {path}"),
        Source::Variable(name) => name.clone(),
        Source::Stored(storage) => storage.as_str().to_owned(),
    }
}

fn named_by(session: &Session<'_>) -> String {
    match &session.server.by {
        NamedBy::Flag => "--server".to_owned(),
        NamedBy::Variable(name) => name.clone(),
        NamedBy::ProjectFile => file(session).unwrap_or_default(),
        NamedBy::LastSignIn => "the last sign-in".to_owned(),
    }
}

fn file(session: &Session<'_>) -> Option<String> {
    session.project.as_ref().map(|project| project.shown(&session.context.folder))
}

fn print(session: &Session<'_>, who: &WhoAmI) -> Result<(), CliError> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(user) = &who.user {
        rows.push(("User", format!("{} <{}>", user.name, user.email)));
    }
    if let Some(org) = &who.org {
        let by = session.org.as_ref().map(|org| format!(", by {}", org.by)).unwrap_or_default();
        rows.push(("Organization", format!("{} ({}, plan {}{by})", org.name, org.slug, org.plan)));
    }
    rows.extend(who.role.clone().map(|role| ("Role", role)));
    rows.push(("Server", format!("{} (by {})", session.server.origin, named_by(session))));
    let kind = match who.credential.kind.as_str() {
        "api_key" => "API key",
        "cli_token" => "sign-in",
        "service_token" => "service token",
        other => other,
    };
    let named = format!("{kind} {} “{}”", who.credential.id, who.credential.name);
    rows.push(("Credential", format!("{named}, from {}", session.credential.source_text())));
    if let Some(profile) = &who.profile {
        rows.push(("Key's profile", format!("{} ({})", profile.name, profile.id)));
    }
    rows.extend(who.environment.clone().map(|environment| ("Environment", environment)));
    let active = session.profile.as_ref().map(|profile| format!("{} (by {})", profile.value, profile.by));
    rows.push(("Active profile", active.unwrap_or_else(|| "none".to_owned())));
    rows.push(("Project file", file(session).unwrap_or_else(|| "none".to_owned())));
    let out = session.out();
    for (label, value) in rows {
        out.data(&format!("{}  {}", out.out(&format!("{label:<15}"), Look::Faint), clean(&value)))?;
    }
    Ok(())
}
