//! Counting failures per bucket.

use diesel::prelude::*;

use super::conn::Both;
use super::schema::throttles;
use super::{Conn, DbResult};
use crate::domain::time::Timestamp;

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Failures since `since`.
    pub failures: i64,
    /// When counting began.
    pub since: Timestamp,
    /// Until when attempts are refused.
    pub blocked_until: Timestamp,
}

/// A bucket, if anything was counted in it.
pub fn find_throttle(conn: &mut Conn, bucket: &str) -> DbResult<Option<Throttle>> {
    let row: Option<(String, i64, i64, i64)> = throttles::table.find(bucket).first(conn).optional()?;
    Ok(row.map(|(_, failures, since, until)| Throttle {
        failures,
        since: Timestamp::from_micros(since),
        blocked_until: Timestamp::from_micros(until),
    }))
}

/// Puts a bucket in place.
pub fn put_throttle(conn: &mut Conn, bucket: &str, throttle: Throttle) -> DbResult<()> {
    let values = (
        throttles::failures.eq(throttle.failures),
        throttles::since.eq(throttle.since.as_micros()),
        throttles::blocked_until.eq(throttle.blocked_until.as_micros()),
    );
    let upsert = diesel::insert_into(throttles::table)
        .values((throttles::bucket.eq(bucket.to_owned()), values))
        .on_conflict(throttles::bucket)
        .do_update()
        .set(values);
    Both(upsert).execute(conn).map(|_| ())
}

/// Forgets a bucket.
pub fn delete_throttle(conn: &mut Conn, bucket: &str) -> DbResult<()> {
    diesel::delete(throttles::table.find(bucket)).execute(conn).map(|_| ())
}

/// Clears away buckets in which nothing happened lately.
pub fn delete_old_throttles(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    diesel::delete(
        throttles::table
            .filter(throttles::since.lt(before.as_micros()))
            .filter(throttles::blocked_until.lt(before.as_micros())),
    )
    .execute(conn)
}
