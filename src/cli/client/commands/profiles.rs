//! `profiles`: what keys are bound to, and which one is active in this folder.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::answers::{Listing, Profile};
use crate::cli::client::context::{Context, Session};
use crate::cli::client::project::Project;
use crate::cli::client::text::clean;

/// `profiles …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ProfilesCommand {
    /// List the organization's profiles
    List,
    /// Create a profile
    Create(CreateArgs),
    /// Make a profile the active one of this folder
    Use(UseArgs),
}

/// `profiles create NAME`
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The new profile's name
    name: String,
}

/// `profiles use ID`
#[derive(Debug, Args)]
pub(in crate::cli) struct UseArgs {
    /// The profile's id, or its name
    id: String,
}

pub(super) fn run(context: &Context, command: ProfilesCommand) -> Result<(), CliError> {
    let session = context.session()?;
    match command {
        ProfilesCommand::List => list(&session),
        ProfilesCommand::Create(args) => create(&session, &args.name),
        ProfilesCommand::Use(args) => choose(&session, &args.id),
    }
}

fn list(session: &Session<'_>) -> Result<(), CliError> {
    let mut answer: Value = session.http.get("/v1/profiles", &[])?;
    let found = parse(session, &answer)?;
    let active = session.profile.as_ref().map(|profile| profile.value.as_str());
    let out = session.out();
    if out.is_json() {
        for profile in answer.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten() {
            let is_active = active.is_some() && profile.get("id").and_then(Value::as_str) == active;
            if let Value::Object(fields) = profile {
                fields.insert("active".to_owned(), json!(is_active));
            }
        }
        return out.json(&answer);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|profile| {
            let created = if out.is_for_a_person() { profile.created_at.day() } else { profile.created_at.to_string() };
            let mark = if active == Some(profile.id.as_str()) { "*" } else { "" };
            vec![profile.id.clone(), profile.name.clone(), created, mark.to_owned()]
        })
        .collect();
    out.table(&["ID", "NAME", "CREATED", "ACTIVE"], &rows)
}

fn parse(session: &Session<'_>, answer: &Value) -> Result<Vec<Profile>, CliError> {
    let listing: Result<Listing<Profile>, _> = serde_json::from_value(answer.clone());
    listing
        .map(|listing| listing.data)
        .map_err(|_| CliError::new(format!("{} does not list profiles as expected.", session.server.origin)))
}

fn create(session: &Session<'_>, name: &str) -> Result<(), CliError> {
    let answer: Value = session.http.post("/v1/profiles", &json!({ "name": name }))?;
    let out = session.out();
    if out.is_json() {
        return out.json(&answer);
    }
    let id = clean(answer.get("id").and_then(Value::as_str).unwrap_or_default());
    out.talk(&format!("Created profile “{}”.", clean(name)));
    out.data(&id)?;
    out.talk(&format!("Make it this folder's: {} profiles use {id}", session.context.brand.cli));
    Ok(())
}

/// The profile of this id or, if only one has it, this name.
///
/// # Errors
/// When there is none or there are several.
pub(super) fn find(session: &Session<'_>, text: &str) -> Result<Profile, CliError> {
    let found = parse(session, &session.http.get("/v1/profiles", &[])?)?;
    if let Some(profile) = found.iter().find(|profile| profile.id == text) {
        return Ok(profile.clone());
    }
    let named: Vec<&Profile> = found.iter().filter(|profile| profile.name == text).collect();
    match named.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(CliError::not_found(format!(
            "There is no profile “{}” in this organization. Look: {} profiles list",
            clean(text),
            session.context.brand.cli
        ))),
        several => {
            let ids: Vec<&str> = several.iter().map(|profile| profile.id.as_str()).collect();
            Err(CliError::usage(format!("“{}” is more than one profile. Give the id: {}", clean(text), ids.join(", "))))
        }
    }
}

fn choose(session: &Session<'_>, id: &str) -> Result<(), CliError> {
    let (context, out) = (session.context, session.out());
    let profile = find(session, id)?;
    let path = context.folder.join(&context.brand.project_file);
    let made = Project { path, server: None, org: None, profile: None };
    let mut project = session.project.clone().unwrap_or(made);
    if project.server.as_ref().is_some_and(|server| *server != session.server.origin) {
        return Err(CliError::usage(format!(
            "{} belongs to another server. Choose the profile there, or write the file anew: {} init",
            project.shown(&context.folder),
            context.brand.cli
        )));
    }
    project.server = Some(session.server.origin.clone());
    project.profile = Some(profile.id.clone());
    project.write()?;
    let file = project.shown(&context.folder);
    if out.is_json() {
        let path = project.path.display().to_string();
        out.json(&json!({"profile": {"id": profile.id, "name": profile.name}, "project_file": path}))?;
    }
    out.talk(&format!("{file} now says profile {} (“{}”).", profile.id, clean(&profile.name)));
    Ok(())
}
