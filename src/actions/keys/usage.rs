//! What pages tell of the use of keys: a day of many at a glance, and all about one.

use std::collections::HashMap;

use super::stats::{Point, Stats, key_stats, key_traffic, refused_since_revoked, series};
use super::{KeyView, load_key};
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::db::events::EventFilter;
use crate::db::usage::{Counted, Step};
use crate::domain::ids::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;

pub use crate::db::events::Event;

/// How many of the last requests the page of a key shows.
const RECENT: i64 = 50;

/// A day of a key at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The last 24 hours, by the hour, the oldest first; nothing where there was no request in them.
    pub points: Vec<Point>,
    /// Requests with the current secret among them.
    pub current: i64,
    /// Requests with the secret before it.
    pub previous: i64,
    /// How often it was refused since it was revoked, to the hour; nothing for a key that was not.
    pub refused_since_revoked: Option<i64>,
}

/// The last 24 hours of each of several keys that the caller may see, in their order, for a page of them.
///
/// # Errors
/// The database's own failure.
pub fn pulses(scope: &mut OrgScope<'_>, keys: &[KeyView]) -> Result<Vec<Pulse>, AppError> {
    let (now, day) = (scope.now, Span::hours(23));
    let keys = || keys.iter().map(|view| &view.key);
    let ids: Vec<&KeyId> = keys().map(|key| &key.id).collect();
    let mut hours: HashMap<KeyId, Vec<Counted>> = HashMap::new();
    for hour in db::usage::list_hours_of(scope.conn, &scope.org.id, &ids, now.minus(day))? {
        let counted = Counted { at: hour.at, secret: hour.secret, outcome: hour.outcome, count: hour.count };
        hours.entry(hour.key).or_default().push(counted);
    }
    let revoked = keys().filter_map(|key| Some((key.id.clone(), key.revoked.as_ref()?.at)));
    let revoked: Vec<_> = revoked.collect();
    let code = Verdict::Revoked.code();
    let refused = db::usage::count_refused_of(scope.conn, &scope.org.id, &revoked, code)?;
    let pulse = |key: &ApiKey| {
        let counts = hours.get(&key.id).map(Vec::as_slice).unwrap_or_default();
        let requests = |secret: Option<i64>| {
            let mut sum = Point::empty(now);
            let counts = counts.iter().filter(|counted| Some(counted.secret) == secret);
            counts.for_each(|counted| sum.add(&counted.outcome, counted.count));
            sum.requests()
        };
        Pulse {
            points: if counts.is_empty() { Vec::new() } else { series(counts.iter(), Step::Hour, day, now) },
            current: requests(Some(key.current.hash.tag())),
            previous: requests(key.previous.as_ref().map(|old| old.hash.tag())),
            refused_since_revoked: key.revoked.as_ref().map(|_| refused.get(&key.id).copied().unwrap_or_default()),
        }
    };
    Ok(keys().map(pulse).collect())
}

/// All that the page of a key tells of its use.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyUsage {
    /// The last 24 hours.
    pub day: Stats,
    /// The time that was asked for, by the hour, the oldest first.
    pub points: Vec<Point>,
    /// Its last requests, the newest first.
    pub recent: Vec<Event>,
    /// How often it was refused since it was revoked; nothing for a key that was not.
    pub refused_since_revoked: Option<i64>,
}

/// All that the page of a key tells of its use, with a course of time for the last `range`.
///
/// # Errors
/// Not found, not allowed to see it, or a time that is too long.
pub fn key_usage(scope: &mut OrgScope<'_>, id: &KeyId, range: Span) -> Result<KeyUsage, AppError> {
    let day = key_stats(scope, id, Span::hours(24))?;
    let points = if range == Span::hours(24) { day.series.clone() } else { key_stats(scope, id, range)?.series };
    let filter = EventFilter { key: Some(id.clone()), ..EventFilter::default() };
    Ok(KeyUsage {
        day,
        points,
        recent: db::events::list_events(scope.conn, &scope.org.id, &filter, None, RECENT)?,
        refused_since_revoked: refused_since_revoked(scope, id)?,
    })
}

/// What the two secrets of a key are used for while both work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationTraffic {
    /// Requests with the new secret since it was made.
    pub current: i64,
    /// Requests with the old secret in the last hour.
    pub previous_in_hour: i64,
}

/// What the two secrets of a key are used for; nothing while there is only one.
///
/// # Errors
/// Not found, or not allowed to see it.
pub fn rotation_traffic(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<Option<RotationTraffic>, AppError> {
    let key = load_key(scope, id)?;
    if key.secret_in_grace(scope.now).is_none() {
        return Ok(None);
    }
    let since = scope.now.since(key.current.created_at).max(Span::minutes(1));
    let (all, hour) = (key_traffic(scope, id, since)?, key_traffic(scope, id, Span::hours(1))?);
    Ok(Some(RotationTraffic {
        current: Point::sum(&all.current).requests(),
        previous_in_hour: Point::sum(&hour.previous).requests(),
    }))
}
