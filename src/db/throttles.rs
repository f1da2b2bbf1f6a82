//! Counting failures per bucket.

use diesel::prelude::*;

use super::conn::Both;
use super::schema::throttles;
use super::{Conn, DbResult};
use crate::domain::throttle::Throttle;
use crate::domain::time::Timestamp;

/// A bucket, which no other transaction can change until this one ends. Lock buckets always in the order source,
/// account, pair: two transactions that each wait for the other would both fail.
pub fn lock_throttle(conn: &mut Conn, bucket: &str) -> DbResult<Throttle> {
    let empty = diesel::insert_into(throttles::table)
        .values((
            throttles::bucket.eq(bucket.to_owned()),
            throttles::failures.eq(0),
            throttles::since.eq(0),
            throttles::blocked_until.eq(0),
        ))
        .on_conflict_do_nothing();
    Both(empty).execute(conn)?;
    diesel::update(throttles::table.find(bucket)).set(throttles::failures.eq(throttles::failures)).execute(conn)?;
    let (_, failures, since, until): (String, i64, i64, i64) = throttles::table.find(bucket).first(conn)?;
    Ok(Throttle { failures, since: Timestamp::from_micros(since), blocked_until: Timestamp::from_micros(until) })
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

/// Clears away buckets in which nothing happened lately.
pub fn delete_old_throttles(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    diesel::delete(
        throttles::table
            .filter(throttles::since.lt(before.as_micros()))
            .filter(throttles::blocked_until.lt(before.as_micros())),
    )
    .execute(conn)
}
