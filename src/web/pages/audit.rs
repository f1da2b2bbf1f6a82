//! Settings → Audit log: reading, filtering, taking away.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit_words::{ACTIONS, action_words, credential_words, via_words};
use super::{SignedIn, draw, see_other, time};
use crate::actions::AppError;
use crate::actions::people::{self as deeds, AuditFilter, AuditFormat, AuditPage as Found, ChainState};
use crate::domain::audit::AuditEntry;
use crate::domain::time::{Span, Timestamp};
use crate::web::views::audit::{AuditPage, AuditRow, Change};
use crate::web::views::{Choice, Errors, Nav, Pager};
use crate::web::{Query, State};

/// What was asked for.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct AuditQuery {
    #[serde(skip_serializing_if = "String::is_empty")]
    q: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    action: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    since: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    until: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    before: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    format: String,
}

impl AuditQuery {
    fn any(&self) -> bool {
        [&self.q, &self.actor, &self.action, &self.since, &self.until].iter().any(|text| !text.trim().is_empty())
    }

    /// The filter, with a sentence for each field that cannot be read.
    fn filter(&self, errors: &mut Errors) -> AuditFilter {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut day = |field: &'static str, text: &str| match Timestamp::parse(text) {
            _ if text.trim().is_empty() => None,
            Ok(end) if text.trim().len() == 10 => Some(end),
            Ok(_) | Err(_) => {
                errors.add(field, "Write a date like 2027-02-19.");
                None
            }
        };
        AuditFilter {
            // A plain date means its last second; the first is a day less a second before.
            since: day("since", &self.since).map(|end| end.plus(Span::seconds(1)).minus(Span::days(1))),
            until: day("until", &self.until).map(|end| end.plus(Span::seconds(1))),
            actor: some(&self.actor),
            action: some(&self.action),
            text: some(&self.q),
            before_seq: self.before.parse().ok(),
        }
    }

    fn address(&self, path: &str, change: impl FnOnce(&mut Self)) -> String {
        let mut query = self.clone();
        change(&mut query);
        match serde_html_form::to_string(&query) {
            Ok(text) if !text.is_empty() => format!("{path}?{text}"),
            _ => path.to_owned(),
        }
    }
}

/// `GET /orgs/{org}/settings/audit`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn show(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    query: Query<AuditQuery>,
) -> Result<HttpResponse, AppError> {
    let (query, mut errors) = (query.0, Errors::none());
    let filter = query.filter(&mut errors);
    let look = me.look(&state, &slug, move |scope| {
        let found = deeds::list_audit(scope, &filter)?;
        Ok((found, deeds::audit_actors(scope)?, deeds::verify_audit(scope)?, scope.now))
    });
    let ((found, actors, chain, now), account) = look.await?;
    let url = format!("/orgs/{slug}/settings/audit");
    if let Some(id) = state.rules.format.find_key(&query.q) {
        // A whole key was pasted into the search: it must not stand in the page, its links or the history.
        return Ok(see_other(me.htmx, &query.address(&url, |query| query.q = id.to_string())));
    }
    let export = |format: &str| {
        query.address(&format!("{url}/export"), |query| {
            format.clone_into(&mut query.format);
            query.before.clear();
        })
    };
    let page = AuditPage {
        chrome: me.chrome(&state, &account, Some(&slug), Nav::Audit)?,
        actor: choices(
            "Everyone",
            actors.into_iter().chain([("server".to_owned(), "Server".to_owned())]),
            &query.actor,
        ),
        action: choices("Any action", ACTIONS.iter().map(|(id, text)| ((*id).into(), (*text).into())), &query.action),
        since: query.since.clone(),
        until: query.until.clone(),
        q: query.q.clone(),
        any: query.any(),
        rows: found.entries.iter().map(|entry| row(entry, now)).collect(),
        pager: pager(&url, &query, &found),
        csv_url: export("csv"),
        jsonl_url: export("jsonl"),
        chain: chain_words(&chain),
        chain_ok: chain.lines.is_ok(),
        url,
        errors,
    };
    draw(me.htmx, if page.errors.any() { 422 } else { 200 }, &page)
}

fn choices(any: &str, known: impl Iterator<Item = (String, String)>, chosen: &str) -> Vec<Choice> {
    let mut choices = vec![Choice::new("", any, chosen.is_empty())];
    choices.extend(known.map(|(id, text)| {
        let is_chosen = id == chosen;
        Choice::new(id, text, is_chosen)
    }));
    choices
}

fn chain_words(chain: &ChainState) -> String {
    match &chain.lines {
        Ok(1) => format!("Chain intact: 1 entry, head {}…", short(&chain.head)),
        Ok(count) if *count > chain.checked => {
            format!("Chain intact in its last {} of {count} entries, head {}…", chain.checked, short(&chain.head))
        }
        Ok(count) => format!("Chain intact: {count} entries, head {}…", short(&chain.head)),
        Err(what) => format!("Chain broken: {what}. Somebody changed the database behind Keyrack."),
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn pager(url: &str, query: &AuditQuery, found: &Found) -> Pager {
    let ends = found.entries.first().zip(found.entries.last());
    let is_whole = found.next.is_none() && query.before.is_empty();
    Pager {
        text: match ends {
            Some((first, last)) if !is_whole => format!("Entries {} to {}", first.seq, last.seq),
            Some(_) | None => String::new(),
        },
        previous: (!query.before.is_empty()).then(|| query.address(url, |query| query.before.clear())),
        next: found.next.map(|seq| query.address(url, |query| query.before = seq.to_string())),
    }
}

fn row(entry: &AuditEntry, now: Timestamp) -> AuditRow {
    AuditRow {
        seq: entry.seq.to_string(),
        at: time(entry.at, now),
        actor: entry.actor_name.clone(),
        credential: credential_words(&entry.credential),
        action: action_words(&entry.action).to_owned(),
        action_code: entry.action.clone(),
        object: entry.object_name.clone(),
        object_id: entry.object_id.clone(),
        changes: changes(&entry.before, &entry.after),
        address: entry.address.clone(),
        via: via_words(&entry.via).to_owned(),
        request_id: entry.request_id.clone(),
        hash: entry.hash.clone(),
    }
}

/// Every field of either side, once, in the order of their names.
fn changes(before: &str, after: &str) -> Vec<Change> {
    let side = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (side(before), side(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |fields: &serde_json::Map<String, Value>, name: &str| match fields.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let change =
        |name: &String| Change { field: name.replace('_', " "), before: of(&before, name), after: of(&after, name) };
    names.into_iter().map(change).collect()
}

/// `GET …/audit/export`: what the filters leave, as a file.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn export(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    query: Query<AuditQuery>,
) -> Result<HttpResponse, AppError> {
    let (format, kind, ending) = match query.0.format.as_str() {
        "" | "csv" => (AuditFormat::Csv, "text/csv; charset=utf-8", "csv"),
        "jsonl" => (AuditFormat::JsonLines, "application/x-ndjson; charset=utf-8", "jsonl"),
        _ => return Err(AppError::BadRequest("The log comes as csv or jsonl.".to_owned())),
    };
    let mut errors = Errors::none();
    let filter = AuditFilter { before_seq: None, ..query.0.filter(&mut errors) };
    if let Some(error) = errors.fields.first() {
        return Err(AppError::BadRequest(error.text.clone()));
    }
    let (text, _) = me.look(&state, &slug, move |scope| deeds::export_audit(scope, &filter, format)).await?;
    let mut res = HttpResponse::Ok().content_type(kind).body(text);
    let name = format!("attachment; filename=\"{slug}-audit-{}.{ending}\"", state.clock.now().iso_day());
    if let Ok(value) = HeaderValue::from_str(&name) {
        res.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(res)
}
