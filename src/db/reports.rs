//! What upstreams report of requests that were let in.

use std::collections::HashMap;

use diesel::prelude::*;

use super::batch::{Row, Value, execute_many};
use super::events::take_numbers;
use super::schema::events;
use super::usage::{Count, Step, add_counts};
use super::{Conn, DbResult};
use crate::domain::time::Timestamp;

/// What an upstream says of a request that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The request's id, as the gate gave it.
    pub request_id: String,
    /// What it was answered with.
    pub status: i64,
    /// How long that took.
    pub duration_ms: Option<i64>,
}

/// What is set on the row of this number.
struct Outcome {
    seq: i64,
    status: i64,
    duration_ms: Option<i64>,
    reported_seq: i64,
}

impl Row for Outcome {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        values.extend([
            Value::Number(self.seq),
            Value::Number(self.status),
            Value::MaybeNumber(self.duration_ms),
            Value::Number(self.reported_seq),
        ]);
    }
}

const SET_OUTCOMES: &str = "UPDATE events SET status = v.column2, duration_ms = v.column3, reported_seq = v.column4 \
                            FROM (";

/// The event that a report is about.
#[derive(Queryable)]
struct About {
    request_id: String,
    seq: i64,
    at: i64,
    org_id: String,
    key_id: String,
    secret: i64,
}

/// Which of these requests are stored.
pub fn list_known_requests(conn: &mut Conn, ids: &[&str]) -> DbResult<Vec<String>> {
    events::table.filter(events::request_id.eq_any(ids)).select(events::request_id).load(conn)
}

/// Notes what upstreams report of requests that were let in, the first report of each, and counts it. Reports of requests
/// that were not stored or are gone, or whose id requests of several keys have, are passed over. Call it in a transaction. Returns how many were noted.
pub fn report_outcomes(conn: &mut Conn, valid: &str, reports: &[Report]) -> DbResult<usize> {
    let most = i64::try_from(reports.len()).unwrap_or(i64::MAX);
    let mut number = take_numbers(conn, most)?;
    let ids: Vec<&str> = reports.iter().map(|report| report.request_id.as_str()).collect();
    let rows: Vec<About> = events::table
        .filter(events::request_id.eq_any(ids))
        .filter(events::outcome.eq(valid))
        .filter(events::reported_seq.is_null())
        .select((events::request_id, events::seq, events::at, events::org_id, events::key_id, events::secret))
        .load(conn)?;
    let mut by_id: HashMap<&str, Option<&About>> = HashMap::with_capacity(rows.len());
    for row in &rows {
        // Of two keys' requests with one id, which somebody who knows the other's can make, nobody knows which is meant.
        let is_same = |known: &Option<&About>| known.is_some_and(|known| known.key_id == row.key_id);
        by_id
            .entry(&row.request_id)
            .and_modify(|known| *known = Some(row).filter(|_| is_same(known)))
            .or_insert(Some(row));
    }
    let (mut outcomes, mut counts) = (Vec::new(), Vec::new());
    for report in reports {
        let Some(Some(row)) = by_id.remove(report.request_id.as_str()) else { continue };
        number += 1;
        let (status, duration_ms) = (report.status, report.duration_ms);
        outcomes.push(Outcome { seq: row.seq, status, duration_ms, reported_seq: number });
        counts.push(Count {
            key: &row.key_id,
            at: Timestamp::from_micros(row.at),
            secret: row.secret,
            outcome: status_class(status),
            org: &row.org_id,
            count: 1,
        });
    }
    add_counts(conn, Step::Minute, &counts)?;
    add_counts(conn, Step::Hour, &counts)?;
    execute_many(conn, SET_OUTCOMES, &outcomes, ") AS v WHERE events.seq = v.column1 AND events.reported_seq IS NULL")
}

/// Under which outcome a reported status is counted.
#[must_use]
pub const fn status_class(status: i64) -> &'static str {
    match status {
        ..300 => "STATUS_2XX",
        300..400 => "STATUS_3XX",
        400..500 => "STATUS_4XX",
        _ => "STATUS_5XX",
    }
}
