//! `auth status`: every sign-in of this machine, where it is kept, and until when it holds.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::context::Context;
use crate::cli::client::origin::Origin;
use crate::cli::client::store::Login;

/// `auth status`
#[derive(Debug, Args)]
pub(in crate::cli) struct StatusArgs {}

pub(super) fn run(context: &Context, _: &StatusArgs) -> Result<(), CliError> {
    let store = context.store();
    let (logins, newest) = (store.logins()?, store.last()?);
    let variable = context.brand.key_variable();
    let has_key = context.env.get(&variable).is_some();
    let out = &context.out;
    if out.is_json() {
        let key = has_key.then_some(variable.as_str());
        let list: Vec<Value> = logins.iter().map(|(origin, login)| object(context, origin, login, &newest)).collect();
        out.json(&json!({"data": list, "api_key_from": key}))?;
    } else if !logins.is_empty() {
        let rows: Vec<Vec<String>> =
            logins.iter().map(|(origin, login)| row(context, origin, login, &newest)).collect();
        out.table(&["SERVER", "AS", "ORGANIZATION", "KEPT IN", "EXPIRES", "NEWEST"], &rows)?;
    }
    if has_key {
        out.talk(&format!("{variable} is set, and goes before every sign-in."));
    }
    if logins.is_empty() && !has_key {
        let cli = &context.brand.cli;
        return Err(CliError::sign_in(format!("You are not signed in. Sign in: {cli} auth login --server URL")));
    }
    Ok(())
}

fn object(context: &Context, origin: &Origin, login: &Login, newest: &Option<Origin>) -> Value {
    json!({
        "server": origin.as_str(),
        "user": {"email": login.email, "name": login.name},
        "org": login.org,
        "storage": login.storage.as_str(),
        "expires_at": login.expires_at.map(|at| at.to_string()),
        "expired": login.expires_at.is_some_and(|at| at <= context.clock.now()),
        "newest": newest.as_ref() == Some(origin),
    })
}

fn row(context: &Context, origin: &Origin, login: &Login, newest: &Option<Origin>) -> Vec<String> {
    let expires = match login.expires_at {
        Some(at) if at <= context.clock.now() => "expired".to_owned(),
        Some(at) if context.out.is_for_a_person() => at.human(),
        Some(at) => at.to_string(),
        None => "never".to_owned(),
    };
    let kept = match login.storage {
        crate::cli::client::store::Storage::Keyring => "system keyring",
        crate::cli::client::store::Storage::File => "file, unencrypted",
    };
    let mark = if newest.as_ref() == Some(origin) { "*" } else { "" };
    let org = login.org.clone().unwrap_or_default();
    vec![origin.to_string(), login.email.clone(), org, kept.to_owned(), expires, mark.to_owned()]
}
