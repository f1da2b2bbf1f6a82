//! `keys list`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::answers::{ActiveKeys, Key, Listing, Org, WhoAmI};
use crate::cli::client::commands::profiles;
use crate::cli::client::context::{Context, Session};
use crate::domain::time::Timestamp;

const PAGE: &str = "200";

/// `keys list`
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// List revoked and expired keys too
    #[arg(long)]
    all: bool,
}

/// From where keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// A profile.
    Profile,
    /// The whole organization.
    Organization,
}

pub(super) fn run(context: &Context, args: &ListArgs) -> Result<(), CliError> {
    let session = context.session()?;
    let profile = profiles::find(&session, &session.must_have_profile()?.value)?;
    list(&session, Some(&profile.id), args.all, View::Profile)
}

/// `api-key list`: of every profile, unless one is named on the command line.
pub(in crate::cli::client::commands) fn list_of_organization(context: &Context, all: bool) -> Result<(), CliError> {
    let session = context.session()?;
    let named = context.globals.profile.as_deref().map(|named| profiles::find(&session, named)).transpose()?;
    list(&session, named.as_ref().map(|profile| profile.id.as_str()), all, View::Organization)
}

fn list(session: &Session<'_>, profile: Option<&str>, all: bool, view: View) -> Result<(), CliError> {
    let objects = fetch(session, profile, all)?;
    let org = find_org(session)?;
    let active = org.as_ref().and_then(|org| org.active_keys);
    let out = session.out();
    if out.is_json() {
        let active = active.map(|active| json!({"count": active.count, "max": active.max}));
        return out.json(&json!({"data": objects, "active_keys": active}));
    }
    let keys: Result<Vec<Key>, _> = objects.into_iter().map(serde_json::from_value).collect();
    let keys = keys.map_err(|_| CliError::new(format!("{} does not list keys as expected.", session.server.origin)))?;
    if keys.is_empty() && out.is_for_a_person() {
        let cli = &session.context.brand.cli;
        out.talk(&format!("No {}keys here. Create one: {cli} keys create -n NAME", if all { "" } else { "active " }));
    } else {
        let now = session.context.clock.now();
        // A builder sees nobody's but their own.
        let is_builder = org.as_ref().and_then(|org| org.role.as_deref()) == Some("builder");
        let with_maker = !(is_builder && out.is_for_a_person());
        draw(session, &keys, view, with_maker, now)?;
    }
    if let Some(active) = active {
        out.talk(&footer(active));
    }
    Ok(())
}

fn draw(session: &Session<'_>, keys: &[Key], view: View, with_maker: bool, now: Timestamp) -> Result<(), CliError> {
    let out = session.out();
    let is_for_a_person = out.is_for_a_person();
    let last_used = |key: &Key| match key.last_used_at {
        Some(at) if is_for_a_person => at.ago(now),
        Some(at) => at.to_string(),
        None if is_for_a_person => "Never".to_owned(),
        None => String::new(),
    };
    let (headings, rows): (Vec<&str>, Vec<Vec<String>>) = match view {
        View::Profile => {
            let row = |key: &Key| {
                let (name, preview, environment) = (key.name.clone(), key.preview.clone(), key.environment.clone());
                vec![name, preview, environment, last_used(key), key.status.clone(), key.id.clone()]
            };
            (vec!["NAME", "KEY", "ENV", "LAST USED", "STATUS", "ID"], keys.iter().map(row).collect())
        }
        View::Organization => {
            let mut headings = vec!["NAME", "KEY PREVIEW", "CREATED AT"];
            headings.extend(with_maker.then_some("CREATED BY"));
            headings.extend(["LAST USED", "STATUS", "ID"]);
            let row = |key: &Key| {
                let created = if is_for_a_person { key.created_at.day() } else { key.created_at.to_string() };
                let mut row = vec![key.name.clone(), key.preview.clone(), created];
                row.extend(with_maker.then(|| key.created_by.name.clone()));
                row.extend([last_used(key), key.status.clone(), key.id.clone()]);
                row
            };
            (headings, keys.iter().map(row).collect())
        }
    };
    out.table(&headings, &rows)
}

/// `3 of 5 active`: the limit is the account's, whatever profile is shown.
fn footer(active: ActiveKeys) -> String {
    match active.max {
        Some(max) => format!("{} of {max} active", active.count),
        None => format!("{} active", active.count),
    }
}

fn fetch(session: &Session<'_>, profile: Option<&str>, all: bool) -> Result<Vec<Value>, CliError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit", PAGE)];
        query.extend(profile.map(|profile| ("profile", profile)));
        query.extend(all.then_some(("all", "true")));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: Listing<Value> = session.http.get("/v1/keys", &query)?;
        found.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// The organization that this command acts in, with the caller's role and its count of keys.
fn find_org(session: &Session<'_>) -> Result<Option<Org>, CliError> {
    let found: Listing<Org> = session.http.get("/v1/orgs", &[])?;
    let mut orgs = found.data;
    if orgs.len() < 2 {
        return Ok(orgs.pop());
    }
    let slug = match &session.org {
        Some(org) => Some(org.value.clone()),
        None => session.http.get::<WhoAmI>("/v1/whoami", &[])?.org.map(|org| org.slug),
    };
    Ok(orgs.into_iter().find(|org| Some(&org.slug) == slug.as_ref()))
}
