//! How often each secret was used, by the minute and by the hour. Counts are only ever added to.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::batch::{Row, Value, execute_many};
use super::conn::{MultiBackend, on_each, one_of};
use super::schema::{usage_hours, usage_minutes};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId};
use crate::domain::time::{Span, Timestamp};

/// How finely something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// By the minute; kept for two days.
    Minute,
    /// By the hour; kept as long as the operator wants.
    Hour,
}

impl Step {
    /// How long it is.
    #[must_use]
    pub const fn span(self) -> Span {
        match self {
            Self::Minute => Span::minutes(1),
            Self::Hour => Span::hours(1),
        }
    }
}

/// How long counts by the minute are kept; those by the hour are kept longer.
pub const MINUTES_KEPT: Span = Span::hours(48);

/// An addition to one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<'a> {
    /// Whose key it is.
    pub key: &'a str,
    /// The start of the minute or the hour.
    pub at: Timestamp,
    /// Which of the key's secrets: `SecretHash::tag`.
    pub secret: i64,
    /// A verdict's code, or `STATUS_2XX` and so on for what an upstream reported.
    pub outcome: &'a str,
    /// The key's organization.
    pub org: &'a str,
    /// How many.
    pub count: i64,
}

impl Row for Count<'_> {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        values.extend([
            Value::Text(self.org),
            Value::Text(self.key),
            Value::Number(self.secret),
            Value::Number(self.at.as_micros()),
            Value::Text(self.outcome),
            Value::Number(self.count),
        ]);
    }
}

const INTO_MINUTES: &str = "INSERT INTO usage_minutes (org_id, key_id, secret, at, outcome, count)";
const ADD_MINUTES: &str =
    " ON CONFLICT (key_id, at, secret, outcome) DO UPDATE SET count = usage_minutes.count + excluded.count";
const INTO_HOURS: &str = "INSERT INTO usage_hours (org_id, key_id, secret, at, outcome, count)";
const ADD_HOURS: &str =
    " ON CONFLICT (key_id, at, secret, outcome) DO UPDATE SET count = usage_hours.count + excluded.count";

/// Each count once, with the sum of those that differ in nothing else, in the order of their keys.
#[must_use]
pub fn summed(mut counts: Vec<Count<'_>>) -> Vec<Count<'_>> {
    // Equal ones lie side by side then, whatever they count.
    counts.sort_unstable();
    counts.dedup_by(|later, first| {
        let same =
            (later.key, later.at, later.secret, later.outcome) == (first.key, first.at, first.secret, first.outcome);
        if same {
            first.count = first.count.saturating_add(later.count);
        }
        same
    });
    counts
}

/// Each count of a minute or hour once, in the order in which every writer goes through them.
#[must_use]
pub fn in_order<'a>(counts: impl Iterator<Item = Count<'a>>, step: Step) -> Vec<Count<'a>> {
    summed(counts.map(|count| Count { at: count.at.floor(step.span()), ..count }).collect())
}

/// Adds to many counts. Two writers never wait for each other in a circle, because each goes through them in one order.
pub fn add_counts(conn: &mut Conn, step: Step, counts: &[Count<'_>]) -> DbResult<()> {
    // One statement must not touch a row twice.
    let counts = in_order(counts.iter().copied(), step);
    let (head, tail) = match step {
        Step::Minute => (INTO_MINUTES, ADD_MINUTES),
        Step::Hour => (INTO_HOURS, ADD_HOURS),
    };
    execute_many(conn, head, &counts, tail).map(|_| ())
}

/// A count of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The start of its minute or hour.
    pub at: Timestamp,
    /// Which secret was presented: `SecretHash::tag`.
    pub secret: i64,
    /// A verdict's code, or `STATUS_2XX` and so on.
    pub outcome: String,
    /// How many.
    pub count: i64,
}

/// The counts of a key from `since` on, in order of time.
pub fn list_counts(conn: &mut Conn, org: &OrgId, key: &KeyId, step: Step, since: Timestamp) -> DbResult<Vec<Counted>> {
    let since = since.floor(step.span()).as_micros();
    let rows: Vec<(i64, i64, String, i64)> = match step {
        Step::Minute => usage_minutes::table
            .filter(usage_minutes::key_id.eq(key.as_str()))
            .filter(usage_minutes::org_id.eq(org.as_str()))
            .filter(usage_minutes::at.ge(since))
            .order((usage_minutes::at, usage_minutes::secret, usage_minutes::outcome))
            .select((usage_minutes::at, usage_minutes::secret, usage_minutes::outcome, usage_minutes::count))
            .load(conn)?,
        Step::Hour => usage_hours::table
            .filter(usage_hours::key_id.eq(key.as_str()))
            .filter(usage_hours::org_id.eq(org.as_str()))
            .filter(usage_hours::at.ge(since))
            .order((usage_hours::at, usage_hours::secret, usage_hours::outcome))
            .select((usage_hours::at, usage_hours::secret, usage_hours::outcome, usage_hours::count))
            .load(conn)?,
    };
    let read = |(at, secret, outcome, count)| Counted { at: Timestamp::from_micros(at), secret, outcome, count };
    Ok(rows.into_iter().map(read).collect())
}

/// What one key of several did within an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHour {
    /// The key.
    pub key: KeyId,
    /// The start of the hour.
    pub at: Timestamp,
    /// Which secret was presented: `SecretHash::tag`.
    pub secret: i64,
    /// A verdict's code, or `STATUS_2XX` and so on.
    pub outcome: String,
    /// How many.
    pub count: i64,
}

/// The hours of many keys at once from `since` on, by key and time: for a page of sparklines.
pub fn list_hours_of(conn: &mut Conn, org: &OrgId, keys: &[&KeyId], since: Timestamp) -> DbResult<Vec<KeyHour>> {
    let ids: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let query = usage_hours::table
        .filter(one_of(usage_hours::key_id, ids))
        .filter(usage_hours::org_id.eq(org.as_str()))
        .filter(usage_hours::at.ge(since.floor(Step::Hour.span()).as_micros()))
        .order((usage_hours::key_id, usage_hours::at, usage_hours::secret, usage_hours::outcome))
        .select((usage_hours::key_id, usage_hours::at, usage_hours::secret, usage_hours::outcome, usage_hours::count));
    let rows = on_each!(conn, conn => query.load::<(String, i64, i64, String, i64)>(conn))?;
    let read = |(key, at, secret, outcome, count)| {
        let at = Timestamp::from_micros(at);
        KeyHour { key: KeyId(key), at, secret, outcome, count }
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How often each of several keys was refused with this code, each from a moment of its own on, to the hour.
pub fn count_refused_of(
    conn: &mut Conn,
    org: &OrgId,
    keys: &[(KeyId, Timestamp)],
    outcome: &str,
) -> DbResult<HashMap<KeyId, i64>> {
    let total = diesel::dsl::sql::<BigInt>("CAST(SUM(usage_hours.count) AS BIGINT)");
    let mut query = usage_hours::table
        .group_by(usage_hours::key_id)
        .select((usage_hours::key_id, total))
        .into_boxed::<MultiBackend>();
    for (key, since) in keys {
        query = query.or_filter(
            usage_hours::key_id
                .eq(key.as_str())
                .and(usage_hours::at.ge(since.floor(Step::Hour.span()).as_micros()))
                .and(usage_hours::outcome.eq(outcome))
                .and(usage_hours::org_id.eq(org.as_str())),
        );
    }
    let rows: Vec<(String, i64)> = if keys.is_empty() { Vec::new() } else { query.load(conn)? };
    Ok(rows.into_iter().map(|(key, count)| (KeyId(key), count)).collect())
}

/// How often an organization's keys were refused with this code from `since` on, to the hour.
pub fn count_refused_in_org(conn: &mut Conn, org: &OrgId, outcome: &str, since: Timestamp) -> DbResult<i64> {
    let total = diesel::dsl::sql::<Nullable<BigInt>>("CAST(SUM(usage_hours.count) AS BIGINT)");
    let sum: Option<i64> = usage_hours::table
        .filter(usage_hours::org_id.eq(org.as_str()))
        .filter(usage_hours::at.ge(since.floor(Step::Hour.span()).as_micros()))
        .filter(usage_hours::outcome.eq(outcome))
        .select(total)
        .first(conn)?;
    Ok(sum.unwrap_or(0))
}

/// How often a key was refused with this code from `since` on; to the minute while that is known, else to the hour.
pub fn count_refused(
    conn: &mut Conn,
    org: &OrgId,
    key: &KeyId,
    outcome: &str,
    since: Timestamp,
    now: Timestamp,
) -> DbResult<i64> {
    let minutes_known = now.since(since) < MINUTES_KEPT;
    let hour = since.floor(Step::Hour.span());
    let mut total = 0;
    for counted in list_counts(conn, org, key, Step::Hour, since)? {
        if counted.outcome == outcome && !(minutes_known && counted.at == hour) {
            total += counted.count;
        }
    }
    if minutes_known {
        let end = hour.plus(Step::Hour.span());
        for counted in list_counts(conn, org, key, Step::Minute, since)? {
            if counted.outcome == outcome && counted.at < end {
                total += counted.count;
            }
        }
    }
    Ok(total)
}

/// When a secret of a key was last let in, to the minute, within what is kept.
pub fn find_last_use_of_secret(
    conn: &mut Conn,
    org: &OrgId,
    key: &KeyId,
    secret: i64,
    valid: &str,
) -> DbResult<Option<Timestamp>> {
    let at: Option<i64> = usage_minutes::table
        .filter(usage_minutes::key_id.eq(key.as_str()))
        .filter(usage_minutes::org_id.eq(org.as_str()))
        .filter(usage_minutes::secret.eq(secret))
        .filter(usage_minutes::outcome.eq(valid))
        .select(diesel::dsl::max(usage_minutes::at))
        .first(conn)?;
    Ok(at.map(Timestamp::from_micros))
}

/// Clears away `limit` counts at most from before a moment. Returns how many rows.
pub fn delete_counts(conn: &mut Conn, step: Step, before: Timestamp, limit: i64) -> DbResult<usize> {
    let query = match step {
        Step::Minute => {
            "DELETE FROM usage_minutes WHERE (key_id, at, secret, outcome) IN \
             (SELECT key_id, at, secret, outcome FROM usage_minutes WHERE at < $1 ORDER BY at LIMIT $2)"
        }
        Step::Hour => {
            "DELETE FROM usage_hours WHERE (key_id, at, secret, outcome) IN \
             (SELECT key_id, at, secret, outcome FROM usage_hours WHERE at < $1 ORDER BY at LIMIT $2)"
        }
    };
    diesel::sql_query(query).bind::<BigInt, _>(before.as_micros()).bind::<BigInt, _>(limit).execute(conn)
}
