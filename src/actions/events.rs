//! Looking at checked requests: a page of them, and those that come.

use std::collections::{HashMap, HashSet};

use super::keys::load_key;
use super::{AppError, Ctx, FieldErrors, OrgScope, Who, look_in};
use crate::db::events::{EventFilter, StatusFilter};
use crate::db::keys::KeyLabel;
use crate::db::{self, Conn};
use crate::domain::ids::{KeyId, OrgId, UserId};
use crate::domain::policy;
use crate::domain::session::is_alive;
use crate::domain::time::{Span, Timestamp, parse_duration};
use crate::domain::verdict::Verdict;

pub use crate::db::events::{Event, Line, Lines};
pub use crate::db::reports::Report;

/// Since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Span),
    At(Timestamp),
}

/// Which events somebody wants to see.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only of this key.
    pub key: Option<KeyId>,
    status: Option<StatusFilter>,
    outcome: Option<String>,
    since: Option<Since>,
}

impl Since {
    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(at) => at,
        }
    }
}

impl Wanted {
    /// Reads a filter as it is typed: a key's id; `200`, `4xx` or a verdict's code; `10m` or a moment. What is empty is not
    /// asked for.
    ///
    /// # Errors
    /// A sentence for each part that cannot be read.
    pub fn read(key: &str, status: &str, since: &str) -> Result<Self, FieldErrors> {
        let (key, status, since) = (key.trim(), status.trim(), since.trim());
        let (mut wanted, mut errors) = (Self::default(), FieldErrors::new());
        wanted.key = (!key.is_empty()).then(|| KeyId(key.to_owned()));
        if let Some(code) = Verdict::ALL.iter().map(|verdict| verdict.code()).find(|code| *code == status) {
            wanted.outcome = Some(code.to_owned());
        } else if !status.is_empty() {
            wanted.status = read_status(status);
            if wanted.status.is_none() {
                errors.push(("status", "Write a status like 200 or 4xx, or a code like RATE_LIMITED.".to_owned()));
            }
        }
        if !since.is_empty() {
            let ago = parse_duration(since).map(Since::Ago);
            match ago.or_else(|_| Timestamp::parse(since).map(Since::At)) {
                Ok(since) => wanted.since = Some(since),
                Err(_) => errors.push(("since", "Write 10m, 24h or 7d, or a moment like 2027-02-19T14:00:00Z.".into())),
            }
        }
        if errors.is_empty() { Ok(wanted) } else { Err(errors) }
    }

    /// The filter of the query, narrowed to what the caller may see.
    fn filter(&self, scope: &mut OrgScope<'_>) -> Result<EventFilter, AppError> {
        policy::may_see_logs(&scope.actor)?;
        if let Some(id) = &self.key {
            load_key(scope, id)?;
        }
        let owner = (!policy::sees_all_keys(&scope.actor)).then(|| scope.actor.user.clone());
        let since = self.since.map(|since| since.moment(scope.now));
        let (key, outcome) = (self.key.clone(), self.outcome.clone());
        Ok(EventFilter { key, owner, status: self.status, outcome, since })
    }
}

fn read_status(text: &str) -> Option<StatusFilter> {
    let (digit, rest) = text.split_at_checked(1)?;
    let digit: i64 = digit.parse().ok().filter(|digit| (1..=5).contains(digit))?;
    if rest.eq_ignore_ascii_case("xx") {
        return Some(StatusFilter::Class(digit));
    }
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(StatusFilter::Exactly)
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The newest.
    Newest,
    /// Those before this number.
    Before(i64),
    /// Those after this number.
    After(i64),
}

/// Names of the keys of some events.
#[derive(Debug, Clone, Default)]
pub struct Labels(HashMap<String, KeyLabel>);

impl Labels {
    fn of<'e>(scope: &mut OrgScope<'_>, events: impl Iterator<Item = &'e Event>) -> Result<Self, AppError> {
        let mut ids: Vec<&str> = events.map(|event| event.key.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let labels = db::keys::list_key_labels(scope.conn, &scope.org.id, &ids)?;
        Ok(Self(labels.into_iter().map(|label| (label.id.clone(), label)).collect()))
    }

    /// The name of a key.
    #[must_use]
    pub fn name(&self, key: &KeyId) -> &str {
        self.0.get(key.as_str()).map_or("", |label| label.name.as_str())
    }

    /// The environment of a key.
    #[must_use]
    pub fn environment(&self, key: &KeyId) -> &str {
        self.0.get(key.as_str()).map_or("", |label| label.environment.as_str())
    }
}

/// A page of events, the newest first.
#[derive(Debug, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// Names of their keys.
    pub labels: Labels,
    /// A stream that goes on after this number misses nothing that is not on this page.
    pub upto: i64,
}

/// Up to `limit` events that the caller may see.
///
/// # Errors
/// `NotFound` or `Denied` for the key that was asked for.
pub fn list_events(scope: &mut OrgScope<'_>, wanted: &Wanted, place: Place, limit: i64) -> Result<EventPage, AppError> {
    let filter = wanted.filter(scope)?;
    // Read first, so that nothing lies between the page and the stream that follows.
    let upto = db::events::last_number(scope.conn)?;
    let org = scope.org.id.clone();
    let events = match place {
        Place::Newest => db::events::list_events(scope.conn, &org, &filter, Some(upto + 1), limit)?,
        Place::Before(seq) => db::events::list_events(scope.conn, &org, &filter, Some(seq), limit)?,
        Place::After(seq) => db::events::list_events_after(scope.conn, &org, &filter, seq, limit)?,
    };
    let labels = Labels::of(scope, events.iter())?;
    Ok(EventPage { events, labels, upto })
}

/// Asks whether the caller may follow these events. Returns the organization, the number of the last line there is, and the
/// one after which a stream begins that goes on from nowhere: that line, or where `since` lies.
///
/// # Errors
/// `SignIn`, `NotFound` or `Denied`.
pub fn begin_stream(scope: &mut OrgScope<'_>, wanted: &Wanted) -> Result<(OrgId, i64, i64), AppError> {
    wanted.filter(scope)?;
    let org = scope.org.id.clone();
    let begin = match wanted.since {
        Some(since) => db::events::number_before(scope.conn, &org, since.moment(scope.now))?,
        None => db::events::last_number(scope.conn)?,
    };
    Ok((org, db::events::last_number(scope.conn)?, begin))
}

/// The lines after a number, `limit` at most. Asks again who the caller is and what they may see: a stream may be older
/// than the end of a session, a key, a membership or a plan.
///
/// # Errors
/// `SignIn`, `NotFound` or `Denied` when they may not any more.
pub fn lines_after(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    (who, slug): (&Who, &str),
    wanted: &Wanted,
    after: i64,
    limit: i64,
) -> Result<(Lines, Labels, Timestamp), AppError> {
    if let Who::Person { user, session } = who {
        let now = db::now(conn, ctx.clock)?;
        let sessions = db::sessions::list_sessions(conn, user)?;
        let found = sessions.iter().find(|found| found.id == *session);
        found.filter(|found| is_alive(found.created_at, found.last_seen_at, now)).ok_or(AppError::SignIn)?;
    }
    look_in(conn, ctx, who, slug, |scope| {
        let plan = scope.plan();
        if scope.actor.by_key && !policy::plan_lets_keys(&plan, scope.ctx.rules.on_downgrade) {
            return Err(policy::Denied::PlanRequired { plan: plan.name }.into());
        }
        // Where a stream begins was decided once: a moment that moves on with the clock would leave lines out.
        let filter = EventFilter { since: None, ..wanted.filter(scope)? };
        let org = scope.org.id.clone();
        let lines = db::events::list_lines_after(scope.conn, &org, &filter, after, limit)?;
        let labels = Labels::of(scope, lines.lines.iter().map(|line| &line.event))?;
        Ok((lines, labels, scope.now))
    })
}

/// By what right somebody follows the events of an organization.
pub type Right = (Who, OrgId);

/// Those of these rights that were taken away: the credential was revoked, paused or signed out, or its person does not
/// belong any more. Deadlines are not looked at: whoever reads for a credential does that.
///
/// # Errors
/// The database's own failure.
pub fn ended_rights(conn: &mut Conn, rights: &[Right]) -> Result<HashSet<Right>, AppError> {
    let (mut keys, mut tokens, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
    for (who, _) in rights {
        match who {
            Who::Key { id } => keys.push(id.as_str()),
            Who::Cli { token, .. } => tokens.push(token.as_str()),
            Who::Person { session, .. } => sessions.push(session.as_str()),
        }
    }
    let keys = db::keys::list_unended(conn, &keys)?;
    let tokens = db::cli_tokens::list_unended(conn, &tokens)?;
    let sessions = db::sessions::list_existing(conn, &sessions)?;
    let person = |who: &Who| match who {
        Who::Key { id } => keys.get(id.as_str()).cloned(),
        Who::Cli { user, token } => tokens.contains(token.as_str()).then(|| user.clone()),
        Who::Person { user, session } => sessions.contains(session.as_str()).then(|| user.clone()),
    };
    let people: Vec<Option<UserId>> = rights.iter().map(|(who, _)| person(who)).collect();
    let mut names: Vec<&str> = people.iter().flatten().map(UserId::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let places = db::orgs::list_places(conn, &names)?;
    let is_left = |org: &OrgId, user: Option<UserId>| user.is_some_and(|user| places.contains(&(org.clone(), user)));
    let ended = rights.iter().zip(people).filter(|((_, org), user)| !is_left(org, user.clone()));
    Ok(ended.map(|(right, _)| right.clone()).collect())
}

/// The number of the last line of all.
///
/// # Errors
/// The database's own failure.
pub fn last_line(conn: &mut Conn) -> Result<i64, AppError> {
    Ok(db::events::last_number(conn)?)
}

/// The number of the last line of an organization.
///
/// # Errors
/// The database's own failure.
pub fn last_line_of(conn: &mut Conn, org: &str) -> Result<i64, AppError> {
    Ok(db::events::last_number_of(conn, org)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_as_they_are_typed() {
        let status = |text: &str| Wanted::read("", text, "").map(|wanted| (wanted.status, wanted.outcome));
        assert_eq!(status(""), Ok((None, None)));
        assert_eq!(status("204"), Ok((Some(StatusFilter::Exactly(204)), None)));
        assert_eq!(status("4XX"), Ok((Some(StatusFilter::Class(4)), None)));
        assert_eq!(status("RATE_LIMITED"), Ok((None, Some("RATE_LIMITED".to_owned()))));
        for wrong in ["0xx", "6xx", "20", "2000", "+20", "4x", "OTHER", "ü"] {
            assert!(status(wrong).is_err(), "{wrong}");
        }
        let since = |text: &str| Wanted::read("", "", text).map(|wanted| wanted.since);
        assert_eq!(since("10m"), Ok(Some(Since::Ago(Span::minutes(10)))));
        let at = Timestamp::parse("2026-11-21T14:00:00Z").unwrap();
        assert_eq!(since("2026-11-21T14:00:00Z"), Ok(Some(Since::At(at))));
        assert!(since("yesterday").is_err());
    }
}
