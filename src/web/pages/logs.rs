//! Logs: the checked requests of an organization's keys, as a page and live.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{SignedIn, draw, see_other};
use crate::actions::AppError;
use crate::actions::events::{self as deeds, Event, EventPage, Labels, Line, Place, Wanted};
use crate::actions::keys::{KeyFilter, list_keys_after};
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::web::streams::{self, Watch};
use crate::web::views::logs::{LogLine, LogRow, LogsPage};
use crate::web::views::{Choice, Errors, Nav};
use crate::web::{Query, State};

/// Rows per page.
const ROWS: usize = 50;
/// Keys to choose from at most; others are reached from their own pages.
const KEYS_MAX: i64 = 100;

const STATUSES: [(&str, &str); 10] = [
    ("", "Any"),
    ("VALID", "Let in"),
    ("2xx", "2xx"),
    ("3xx", "3xx"),
    ("4xx", "4xx"),
    ("5xx", "5xx"),
    ("REVOKED", "Revoked"),
    ("EXPIRED", "Expired"),
    ("RATE_LIMITED", "Rate limited"),
    ("FORBIDDEN", "Forbidden"),
];

const SINCE: [(&str, &str, &str); 5] = [
    ("", "Any time", ""),
    ("15m", "Last 15 minutes", "No requests in the last 15 minutes."),
    ("1h", "Last hour", "No requests in the last hour."),
    ("24h", "Last 24 hours", "No requests in the last 24 hours."),
    ("7d", "Last 7 days", "No requests in the last 7 days."),
];

/// What was asked for.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LogsQuery {
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    since: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    live: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    before: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    after: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_event_id: String,
}

impl LogsQuery {
    fn place(&self) -> Place {
        let before = self.before.parse().ok().map(Place::Before);
        before.or_else(|| self.after.parse().ok().map(Place::After)).unwrap_or(Place::Newest)
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

/// A page with the ways on from it.
struct Found {
    page: EventPage,
    has_newer: bool,
    has_older: bool,
    keys: Vec<(String, String)>,
    sees_all: bool,
}

fn find(scope: &mut crate::actions::OrgScope<'_>, wanted: Option<&Wanted>, place: Place) -> Result<Found, AppError> {
    policy::may_see_logs(&scope.actor)?;
    let limit = ROWS as i64 + 1;
    let (mut page, mut place) = (EventPage::default(), place);
    if let Some(wanted) = wanted {
        page = deeds::list_events(scope, wanted, place, limit)?;
        if matches!(place, Place::After(_)) && page.events.len() <= ROWS {
            // Few are newer: then the newest page has them, and is full.
            place = Place::Newest;
            page = deeds::list_events(scope, wanted, place, limit)?;
        }
    }
    let has_one_more = page.events.len() > ROWS;
    let (has_newer, has_older) = match place {
        Place::Newest => (false, has_one_more),
        Place::Before(_) => (true, has_one_more),
        Place::After(_) => (has_one_more, true),
    };
    if has_one_more {
        page.events.remove(if matches!(place, Place::After(_)) { 0 } else { ROWS });
    }
    let filter = KeyFilter { with_ended: true, ..KeyFilter::default() };
    let keys = list_keys_after(scope, filter, None, KEYS_MAX)?;
    let keys = keys.into_iter().map(|view| (view.key.id.to_string(), view.key.name)).collect();
    Ok(Found { page, has_newer, has_older, keys, sees_all: policy::sees_all_keys(&scope.actor) })
}

/// `GET /orgs/{org}/logs`.
///
/// # Errors
/// `NotFound` for outsiders and for a key that is not there, `Denied` for a colleague's.
pub async fn show(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    query: Query<LogsQuery>,
) -> Result<HttpResponse, AppError> {
    let query = query.0;
    let url = format!("/orgs/{slug}/logs");
    if let Some(id) = state.rules.format.find_key(&query.key) {
        // A whole key was pasted: it must not stand in the page, its links or the history.
        return Ok(see_other(me.htmx, &query.address(&url, |query| query.key = id.to_string())));
    }
    let (wanted, errors) = match Wanted::read(&query.key, &query.status, &query.since) {
        Ok(wanted) => (Some(wanted), Errors::none()),
        Err(fields) => {
            let mut errors = Errors::none();
            fields.into_iter().for_each(|(field, text)| errors.add(field, text));
            (None, errors)
        }
    };
    let place = query.place();
    let (found, account) = me.look(&state, &slug, move |scope| find(scope, wanted.as_ref(), place)).await?;
    let chrome = me.chrome(&state, &account, Some(&slug), Nav::Logs)?;
    let page = LogsPage { chrome, errors, ..page_of(&state, &slug, &url, &query, &found) };
    draw(me.htmx, if page.errors.any() { 422 } else { 200 }, &page)
}

fn page_of(state: &State, slug: &str, url: &str, query: &LogsQuery, found: &Found) -> LogsPage {
    let plain = LogsQuery { before: String::new(), after: String::new(), ..query.clone() };
    let filters = LogsQuery { live: String::new(), ..plain.clone() };
    let is_newest = !found.has_newer;
    let is_live = is_newest && query.live == "1";
    let stream = filters.address(&format!("{url}/stream"), |query| {
        query.since.clear();
        query.last_event_id = found.page.upto.to_string();
    });
    let (first, last) = (found.page.events.first(), found.page.events.last());
    let row = |event: &Event| row(state, slug, event, &found.page.labels);
    LogsPage {
        url: url.to_owned(),
        intro: if found.sees_all {
            "Requests that came with a key of this organization."
        } else {
            "Requests that came with one of your keys."
        }
        .to_owned(),
        key: key_choices(&query.key, &found.keys),
        status: choices(STATUSES.iter().copied(), &query.status),
        since: choices(SINCE.iter().map(|(value, label, _)| (*value, *label)), &query.since),
        any: [&query.key, &query.status, &query.since].iter().any(|text| !text.trim().is_empty()),
        rows: found.page.events.iter().map(row).collect(),
        empty: empty_words(query),
        retention: format!("Requests are kept for {}.", state.rules.events_kept.human()),
        newest_url: plain.address(url, |_| ()),
        newer_url: first
            .filter(|_| found.has_newer)
            .map(|first| filters.address(url, |query| query.after = first.seq.to_string())),
        older_url: last
            .filter(|_| found.has_older)
            .map(|last| filters.address(url, |query| query.before = last.seq.to_string())),
        live_on: (!is_live).then(|| filters.address(url, |query| query.live = "1".to_owned())),
        live_off: is_live.then(|| filters.address(url, |_| ())),
        stream: is_live.then_some(stream),
        ..LogsPage::default()
    }
}

fn choices<'a>(known: impl Iterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> = known.map(|(value, label)| Choice::new(value, label, value == chosen)).collect();
    if !choices.iter().any(|choice| choice.selected) {
        choices.push(Choice::new(chosen, chosen, true));
    }
    choices
}

fn key_choices(chosen: &str, keys: &[(String, String)]) -> Vec<Choice> {
    let known = keys.iter().map(|(id, name)| (id.as_str(), name.as_str()));
    choices([("", "All keys")].into_iter().chain(known), chosen.trim())
}

fn empty_words(query: &LogsQuery) -> String {
    let since = SINCE.iter().find(|(value, ..)| *value == query.since && !value.is_empty());
    match since {
        Some((.., words)) if query.key.is_empty() && query.status.is_empty() => (*words).to_owned(),
        _ if [&query.key, &query.status, &query.since].iter().all(|text| text.is_empty()) => {
            "No requests yet".to_owned()
        }
        _ => "No requests match these filters".to_owned(),
    }
}

fn row(state: &State, slug: &str, event: &Event, labels: &Labels) -> LogRow {
    let iso = event.at.to_string();
    let is_let_in = event.outcome == Verdict::Valid.code();
    let failed = event.status.is_some_and(|status| status >= 400);
    let status = match (event.status, is_let_in) {
        (Some(status), true) => status.to_string(),
        (None, true) => "Let in".to_owned(),
        (Some(status), false) => format!("{status} {}", outcome_words(&event.outcome)),
        (None, false) => outcome_words(&event.outcome).to_owned(),
    };
    LogRow {
        id: event.seq.to_string(),
        clock: format!("{} UTC", iso.get(11..19).unwrap_or_default()),
        iso,
        day: event.at.day(),
        method: event.method.clone(),
        path: event.path.clone(),
        stands_for: (event.weight > 1).then(|| format!("stands for {} requests", event.weight)),
        key_name: Some(labels.name(&event.key))
            .filter(|name| !name.is_empty())
            .unwrap_or(event.key.as_str())
            .to_owned(),
        key_preview: state.rules.format.mask(labels.environment(&event.key), event.key.as_str()),
        key_url: format!("/orgs/{slug}/logs?key={}", event.key),
        kind: match (is_let_in, event.status) {
            (false, _) | (true, Some(500..)) => "revoked",
            (true, Some(400..500)) => "expired",
            (true, Some(_)) => "active",
            (true, None) => "",
        },
        status,
        took: event.duration_ms.map(|duration| format!("{duration} ms")).unwrap_or_default(),
        is_error: !is_let_in || failed,
        address: event.address.clone(),
        client: event.client.clone(),
        request_id: event.request_id.clone(),
    }
}

fn outcome_words(code: &str) -> &str {
    match code {
        "REVOKED" => "Revoked",
        "EXPIRED" => "Expired",
        "RATE_LIMITED" => "Rate limited",
        "FORBIDDEN" => "Forbidden",
        "PLAN_REQUIRED" => "Plan required",
        _ => code,
    }
}

fn draw_line(watch: &Watch, line: &Line, labels: &Labels, _: Timestamp) -> Result<String, AppError> {
    let line = LogLine { row: row(&watch.state, &watch.slug, &line.event, labels) };
    line.html().map_err(|error| AppError::Internal(anyhow::Error::new(error)))
}

/// `GET /orgs/{org}/logs/stream`: the rows of the page as they come.
///
/// # Errors
/// As `show`, and `RateLimited` with too many streams.
pub async fn stream(
    req: HttpRequest,
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    query: Query<LogsQuery>,
) -> Result<HttpResponse, AppError> {
    let query = query.0;
    let from = streams::last_event_id(&req, Some(&query.last_event_id))?;
    let wanted = Wanted::read(&query.key, &query.status, "").map_err(AppError::Invalid)?;
    let (who, slug) = (me.who(), slug.into_inner());
    streams::respond(&req, Watch { state, who, slug, origin: me.origin, wanted, draw: draw_line }, from).await
}
