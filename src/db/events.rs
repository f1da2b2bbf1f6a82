//! One row per checked request, or per several when there were too many: then the row says how many it stands for.

use diesel::backend::Backend;
use diesel::connection::SimpleConnection;
use diesel::deserialize::FromStaticSqlRow;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::batch::{Row, Value, execute_many};
use super::conn::{on_each, prepared};
use super::schema::{api_keys, event_counter, events};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId, UserId};
use crate::domain::time::Timestamp;

pub use super::reports::{Report, list_known_requests, report_outcomes, status_class};

/// A checked request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order in which events became visible; given when it is stored.
    pub seq: i64,
    /// When the check was made.
    pub at: Timestamp,
    /// The key's organization.
    pub org: OrgId,
    /// The key.
    pub key: KeyId,
    /// Which of its secrets: `SecretHash::tag`.
    pub secret: i64,
    /// The request's method.
    pub method: String,
    /// The request's path, without a query.
    pub path: String,
    /// The verdict's code.
    pub outcome: String,
    /// What a refused request was answered with; what the upstream reported of one that was let in.
    pub status: Option<i64>,
    /// How long the upstream took, where it reported.
    pub duration_ms: Option<i64>,
    /// Where the request came from.
    pub address: String,
    /// What the client calls itself.
    pub client: String,
    /// The request's id.
    pub request_id: String,
    /// How many checks of the organization this row stands for; more than 1 where not every one was stored.
    pub weight: i64,
    /// The place at which the upstream's report became visible.
    pub reported_seq: Option<i64>,
}

/// Which status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// Exactly this one.
    Exactly(i64),
    /// All that begin with this digit: 4 for 400 to 499.
    Class(i64),
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only of this key.
    pub key: Option<KeyId>,
    /// Only of keys that act as this person.
    pub owner: Option<UserId>,
    /// Only with these status codes.
    pub status: Option<StatusFilter>,
    /// Only with this verdict's code.
    pub outcome: Option<String>,
    /// Only from here on.
    pub since: Option<Timestamp>,
}

/// What a stream may go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// In their order.
    pub lines: Vec<Line>,
    /// Every line up to this number was looked at.
    pub upto: i64,
    /// Whether there may be more than were asked for.
    pub has_more: bool,
}

/// A line of a stream: an event, or an event again now that its outcome was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its place in the stream.
    pub number: i64,
    /// Whether this is the report.
    pub is_report: bool,
    /// The event as it is now.
    pub event: Event,
}

impl Row for Event {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        values.extend([
            Value::Number(self.seq),
            Value::Number(self.at.as_micros()),
            Value::Text(self.org.as_str()),
            Value::Text(self.key.as_str()),
            Value::Number(self.secret),
            Value::Text(&self.method),
            Value::Text(&self.path),
            Value::Text(&self.outcome),
            Value::MaybeNumber(self.status),
            Value::Text(&self.address),
            Value::Text(&self.client),
            Value::Text(&self.request_id),
            Value::Number(self.weight),
        ]);
    }
}

const INTO_EVENTS: &str = "INSERT INTO events (seq, at, org_id, key_id, secret, method, path, outcome, status, address, \
                           client, request_id, weight)";

/// Takes `count` numbers in a row and holds the counter until the transaction ends, so that numbers become visible in
/// their order. Take them before anything else is locked. Returns the number before the first.
pub fn take_numbers(conn: &mut Conn, count: i64) -> DbResult<i64> {
    let take = diesel::update(event_counter::table.find(1))
        .set(event_counter::seq.eq(event_counter::seq + count))
        .returning(event_counter::seq);
    let last: i64 = on_each!(conn, conn => prepared!(take).get_result(conn))?;
    Ok(last - count)
}

/// The number of the last line that can be seen, as the start of a stream.
pub fn last_number(conn: &mut Conn) -> DbResult<i64> {
    event_counter::table.find(1).select(event_counter::seq).first(conn)
}

/// Lets the numbers go on after `seq`, if they are not past it already: a stream never sees one twice.
pub fn raise_numbers(conn: &mut Conn, seq: i64) -> DbResult<()> {
    diesel::update(event_counter::table.find(1).filter(event_counter::seq.lt(seq)))
        .set(event_counter::seq.eq(seq))
        .execute(conn)
        .map(|_| ())
}

/// Stores events under the numbers after `before`, in their order.
pub fn insert_events(conn: &mut Conn, events: &mut [Event], before: i64) -> DbResult<()> {
    for (event, seq) in events.iter_mut().zip(before + 1..) {
        event.seq = seq;
    }
    execute_many(conn, INTO_EVENTS, events, "").map(|_| ())
}

/// The columns of the table, in their order.
type Columns = (
    i64,
    i64,
    String,
    String,
    i64,
    String,
    String,
    String,
    Option<i64>,
    Option<i64>,
    String,
    String,
    String,
    i64,
    Option<i64>,
);

impl<ST, DB: Backend> Queryable<ST, DB> for Event
where
    Columns: FromStaticSqlRow<ST, DB>,
{
    type Row = Columns;

    fn build(row: Columns) -> diesel::deserialize::Result<Self> {
        Ok(Self {
            seq: row.0,
            at: Timestamp::from_micros(row.1),
            org: OrgId(row.2),
            key: KeyId(row.3),
            secret: row.4,
            method: row.5,
            path: row.6,
            outcome: row.7,
            status: row.8,
            duration_ms: row.9,
            address: row.10,
            client: row.11,
            request_id: row.12,
            weight: row.13,
            reported_seq: row.14,
        })
    }
}

fn filtered<'a>(org: &'a OrgId, filter: &'a EventFilter) -> events::BoxedQuery<'a, super::conn::MultiBackend> {
    let mut query = events::table.filter(events::org_id.eq(org.as_str())).into_boxed();
    if let Some(key) = &filter.key {
        query = query.filter(events::key_id.eq(key.as_str()));
    }
    if let Some(owner) = &filter.owner {
        let keys = api_keys::table
            .filter(api_keys::org_id.eq(org.as_str()))
            .filter(api_keys::owner_id.eq(owner.as_str()))
            .select(api_keys::id);
        query = query.filter(events::key_id.eq_any(keys));
    }
    let range = match filter.status {
        None => None,
        Some(StatusFilter::Exactly(status)) => Some((status, status)),
        Some(StatusFilter::Class(digit)) => Some((digit * 100, digit * 100 + 99)),
    };
    if let Some((first, last)) = range {
        query = query.filter(events::status.ge(first)).filter(events::status.le(last));
    }
    if let Some(outcome) = &filter.outcome {
        query = query.filter(events::outcome.eq(outcome));
    }
    if let Some(since) = filter.since {
        query = query.filter(events::at.ge(since.as_micros()));
    }
    query
}

/// Events before a number, the newest first, `limit` at most.
pub fn list_events(
    conn: &mut Conn,
    org: &OrgId,
    filter: &EventFilter,
    before: Option<i64>,
    limit: i64,
) -> DbResult<Vec<Event>> {
    let mut query = filtered(org, filter);
    if let Some(before) = before {
        query = query.filter(events::seq.lt(before));
    }
    query.order(events::seq.desc()).limit(limit).load(conn)
}

/// The next events after a number, `limit` at most, the newest first.
pub fn list_events_after(
    conn: &mut Conn,
    org: &OrgId,
    filter: &EventFilter,
    after: i64,
    limit: i64,
) -> DbResult<Vec<Event>> {
    let mut events: Vec<Event> =
        filtered(org, filter).filter(events::seq.gt(after)).order(events::seq).limit(limit).load(conn)?;
    events.reverse();
    Ok(events)
}

/// The lines of a stream after a number, in order, `limit` at most: events, and events again whose outcome was reported.
/// Whoever goes on after `upto` misses none and sees none twice.
pub fn list_lines_after(conn: &mut Conn, org: &OrgId, filter: &EventFilter, after: i64, limit: i64) -> DbResult<Lines> {
    // Read first, and nothing beyond it: between two queries more lines may become visible, and the second would show a
    // later one than the first.
    let last = last_number(conn)?;
    let new: Vec<Event> = filtered(org, filter)
        .filter(events::seq.gt(after))
        .filter(events::seq.le(last))
        .order(events::seq)
        .limit(limit)
        .load(conn)?;
    let reported: Vec<Event> = filtered(org, filter)
        .filter(events::reported_seq.gt(after))
        .filter(events::reported_seq.le(last))
        .order(events::reported_seq)
        .limit(limit)
        .load(conn)?;
    let new = new.into_iter().map(|event| Line { number: event.seq, is_report: false, event });
    let reported = reported.into_iter().map(|event| {
        let number = event.reported_seq.unwrap_or_default();
        Line { number, is_report: true, event }
    });
    let mut lines: Vec<Line> = new.chain(reported).collect();
    lines.sort_by_key(|line| line.number);
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = lines.len() >= most;
    lines.truncate(most);
    let upto = lines.last().filter(|_| has_more).map_or(last, |line| line.number);
    Ok(Lines { lines, upto, has_more })
}

/// The number before an organization's first event of a moment or later; of the last line where there is none. Events are
/// stored in the order in which they were taken in, which is not quite that of their times: it is the first in that order.
pub fn number_before(conn: &mut Conn, org: &OrgId, since: Timestamp) -> DbResult<i64> {
    let last = last_number(conn)?;
    let since = events::table.filter(events::org_id.eq(org.as_str())).filter(events::at.ge(since.as_micros()));
    let first: Option<i64> = since.select(diesel::dsl::min(events::seq)).first(conn)?;
    Ok(first.map_or(last, |first| last.min(first - 1)))
}

/// The number of the last line of an organization; 0 before the first.
pub fn last_number_of(conn: &mut Conn, org: &str) -> DbResult<i64> {
    let events = events::table.filter(events::org_id.eq(org));
    let new: Option<i64> = events.select(diesel::dsl::max(events::seq)).first(conn)?;
    let reported: Option<i64> =
        events.filter(events::reported_seq.is_not_null()).select(diesel::dsl::max(events::reported_seq)).first(conn)?;
    Ok(new.max(reported).unwrap_or_default())
}

/// Clears away `limit` events at most from before a moment. Returns how many.
pub fn delete_events(conn: &mut Conn, before: Timestamp, limit: i64) -> DbResult<usize> {
    diesel::sql_query("DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < $1 ORDER BY at LIMIT $2)")
        .bind::<BigInt, _>(before.as_micros())
        .bind::<BigInt, _>(limit)
        .execute(conn)
}

/// Bounds how long this transaction waits for others, and others for it: they only count, and can do so later. A process
/// that is stopped in the middle loses its transaction.
pub fn bound_waiting(conn: &mut Conn) -> DbResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(pg) => {
            pg.batch_execute("SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '5s'")
        }
    }
}
