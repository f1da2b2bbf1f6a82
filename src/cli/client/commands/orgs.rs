//! `orgs`: the organizations of the person who is signed in, and which one commands act in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::answers::{Listing, Org, WhoAmI};
use crate::cli::client::context::{Context, Session};
use crate::cli::client::credential::Source;
use crate::cli::client::project::is_name;
use crate::cli::client::text::clean;

/// `orgs …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum OrgsCommand {
    /// List your organizations
    List,
    /// Act in this organization from now on
    Use(UseArgs),
}

/// `orgs use SLUG`
#[derive(Debug, Args)]
pub(in crate::cli) struct UseArgs {
    /// The organization's slug, as in its address
    slug: String,
}

pub(super) fn run(context: &Context, command: OrgsCommand) -> Result<(), CliError> {
    let session = context.session()?;
    match command {
        OrgsCommand::List => list(&session),
        OrgsCommand::Use(args) => choose(&session, &args.slug),
    }
}

fn list(session: &Session<'_>) -> Result<(), CliError> {
    let answer: Value = session.http.get("/v1/orgs", &[])?;
    let found = parse(session, &answer)?;
    let here = active_slug(session, &found)?;
    let out = session.out();
    if out.is_json() {
        return out.json(&with_active(answer, here.as_deref()));
    }
    let row = |org: &Org| {
        let mark = if here.as_deref() == Some(org.slug.as_str()) { "*" } else { "" };
        let role = org.role.clone().unwrap_or_default();
        let keys = org.active_keys.map_or_else(String::new, |keys| match keys.max {
            Some(max) => format!("{} of {max}", keys.count),
            None => keys.count.to_string(),
        });
        vec![org.slug.clone(), org.name.clone(), role, org.plan.clone(), keys, mark.to_owned()]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    out.table(&["SLUG", "NAME", "ROLE", "PLAN", "ACTIVE KEYS", "HERE"], &rows)
}

fn parse(session: &Session<'_>, answer: &Value) -> Result<Vec<Org>, CliError> {
    let listing: Result<Listing<Org>, _> = serde_json::from_value(answer.clone());
    listing
        .map(|listing| listing.data)
        .map_err(|_| CliError::new(format!("{} does not list organizations as expected.", session.server.origin)))
}

/// Where commands act: in the one that was named, else where the server says.
fn active_slug(session: &Session<'_>, found: &[Org]) -> Result<Option<String>, CliError> {
    if let Some(named) = &session.org {
        return Ok(Some(named.value.clone()));
    }
    if let [only] = found {
        return Ok(Some(only.slug.clone()));
    }
    let who: WhoAmI = session.http.get("/v1/whoami", &[])?;
    Ok(who.org.map(|org| org.slug))
}

fn with_active(mut answer: Value, here: Option<&str>) -> Value {
    for org in answer.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten() {
        let is_here = here.is_some() && org.get("slug").and_then(Value::as_str) == here;
        if let Value::Object(fields) = org {
            fields.insert("active".to_owned(), json!(is_here));
        }
    }
    answer
}

fn choose(session: &Session<'_>, slug: &str) -> Result<(), CliError> {
    let (context, out) = (session.context, session.out());
    if !session.credential.is_person {
        return Err(CliError::usage(format!(
            "The key from {} belongs to one organization and acts there only. To choose among yours, sign in: {} auth login",
            session.credential.source_text(),
            context.brand.cli
        )));
    }
    if !matches!(session.credential.source, Source::Stored(_)) {
        return Err(CliError::usage(format!(
            "The choice is kept with a sign-in, and {} goes before it. Pass --org {slug} instead.",
            session.credential.source_text()
        )));
    }
    if !is_name(slug) {
        return Err(CliError::usage("A slug holds letters, digits and - only."));
    }
    let http = context.http(&session.server.origin)?;
    let refused = session.credential.refused_text(context, &session.server);
    // Without an organization: the one chosen before may be gone.
    let http = http.with_credential(session.credential.secret.clone(), refused);
    let found = parse(session, &http.get("/v1/orgs", &[])?)?;
    let Some(org) = found.iter().find(|org| org.slug == slug) else {
        let slugs: Vec<String> = found.iter().map(|org| clean(&org.slug)).collect();
        return Err(CliError::not_found(format!(
            "You are not in an organization “{slug}”. Yours: {}",
            slugs.join(", ")
        )));
    };
    context.store().choose_org(&session.server.origin, slug)?;
    if out.is_json() {
        out.json(&json!({"server": session.server.origin.as_str(), "org": {"slug": org.slug, "name": org.name}}))?;
    }
    out.talk(&format!("Commands act in {} ({slug}) from now on.", clean(&org.name)));
    let by_file = session.project.as_ref().filter(|project| project.org.as_ref().is_some_and(|other| other != slug));
    if let Some(project) = by_file {
        let file = project.shown(&context.folder);
        out.warn(&format!("In this folder {file} still says {}.", project.org.clone().unwrap_or_default()));
    }
    Ok(())
}
