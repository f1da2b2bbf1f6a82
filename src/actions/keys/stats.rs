//! What a key was used for: sums, reasons of refusals, and the course of time.

use std::collections::BTreeMap;

use super::load_key;
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::db::usage::{Counted, MINUTES_KEPT, Step};
use crate::domain::ids::KeyId;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;

/// Up to so long a time is shown by the minute.
const BY_MINUTE_MAX: Span = Span::hours(3);
/// The longest time that statistics are given for.
const STATS_MAX: Span = Span::days(366);

/// What happened within one minute or hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Its start.
    pub at: Timestamp,
    /// Requests that were let in.
    pub served: i64,
    /// Requests that were refused.
    pub refused: i64,
    /// Of those let in, how many the upstream reported as failed: 4xx or 5xx.
    pub failed: i64,
    /// Of those let in, how many the upstream reported as well answered.
    pub fine: i64,
}

impl Point {
    /// A time in which nothing happened.
    #[must_use]
    pub const fn empty(at: Timestamp) -> Self {
        Self { at, served: 0, refused: 0, failed: 0, fine: 0 }
    }

    /// All requests, let in or not.
    #[must_use]
    pub const fn requests(&self) -> i64 {
        self.served.saturating_add(self.refused)
    }

    /// How many the upstream reported on.
    #[must_use]
    pub const fn reported(&self) -> i64 {
        self.failed.saturating_add(self.fine)
    }

    /// How many were refused or failed. An upstream that reports good answers too is taken to report on all, and a report is kept
    /// only where the event is: what failed of those reported then stands for all that were let in. One that tells of failures
    /// only is taken at its word.
    #[must_use]
    pub fn errors(&self) -> i64 {
        let failed = match self.fine {
            0 => self.failed.min(self.served),
            _ => (self.failed as f64 / self.reported() as f64 * self.served as f64).round() as i64,
        };
        self.refused.saturating_add(failed)
    }

    /// [`Self::errors`] as a part of all requests: from 0 to 1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        match self.requests() {
            0 => 0.0,
            all => self.errors() as f64 / all as f64,
        }
    }

    /// All of them together, at the first one's time.
    #[must_use]
    pub fn sum(points: &[Self]) -> Self {
        let first = Self::empty(points.first().map_or(Timestamp::from_micros(0), |point| point.at));
        points.iter().fold(first, |sum, point| Self {
            at: sum.at,
            served: sum.served.saturating_add(point.served),
            refused: sum.refused.saturating_add(point.refused),
            failed: sum.failed.saturating_add(point.failed),
            fine: sum.fine.saturating_add(point.fine),
        })
    }

    pub(super) fn add(&mut self, outcome: &str, count: i64) {
        let place = match Kind::of(outcome) {
            Kind::Served => &mut self.served,
            Kind::Refused => &mut self.refused,
            Kind::Failed => &mut self.failed,
            Kind::Fine => &mut self.fine,
        };
        *place = place.saturating_add(count);
    }
}

enum Kind {
    Served,
    Refused,
    /// Reported by the upstream as failed; counted as served already.
    Failed,
    /// Reported by the upstream as well answered; counted as served already.
    Fine,
}

impl Kind {
    fn of(outcome: &str) -> Self {
        match outcome {
            "STATUS_4XX" | "STATUS_5XX" => Self::Failed,
            "STATUS_2XX" | "STATUS_3XX" => Self::Fine,
            code if code == Verdict::Valid.code() => Self::Served,
            _ => Self::Refused,
        }
    }
}

/// The statistics of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Requests that were let in.
    pub served: i64,
    /// Requests that were refused, by the verdict's code.
    pub refused: BTreeMap<String, i64>,
    /// [`Point::error_rate`] of all of it.
    pub error_rate: f64,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// How long each point of the series is.
    pub step: Step,
    /// Without gaps, the oldest first.
    pub series: Vec<Point>,
}

/// The traffic of a key by its two secrets, from the oldest to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// Of the current secret.
    pub current: Vec<Point>,
    /// Of the one before it.
    pub previous: Vec<Point>,
    /// When the one before it was last let in, to the minute, within the time that was asked for.
    pub previous_used_at: Option<Timestamp>,
}

/// Counts within `since`, exact to the minute as far as minutes are kept, and the step in which to show them.
fn counts(scope: &mut OrgScope<'_>, id: &KeyId, since: Span) -> Result<(Vec<Counted>, Step), AppError> {
    let stored = if since < MINUTES_KEPT { Step::Minute } else { Step::Hour };
    let from = scope.now.minus(since);
    let counts = db::usage::list_counts(scope.conn, &scope.org.id, id, stored, from)?;
    Ok((counts, if since <= BY_MINUTE_MAX { Step::Minute } else { Step::Hour }))
}

/// Points without gaps from `since` ago until now.
pub(super) fn series<'c>(
    counts: impl Iterator<Item = &'c Counted>,
    step: Step,
    since: Span,
    now: Timestamp,
) -> Vec<Point> {
    let first = now.minus(since).floor(step.span());
    let mut points = Vec::new();
    let mut at = first;
    while at <= now {
        points.push(Point::empty(at));
        at = at.plus(step.span());
    }
    for counted in counts {
        let place = counted.at.since(first).as_seconds() / step.span().as_seconds().max(1);
        let place = usize::try_from(place).ok().filter(|_| counted.at >= first);
        if let Some(point) = place.and_then(|place| points.get_mut(place)) {
            point.add(&counted.outcome, counted.count);
        }
    }
    points
}

/// The statistics of a key for the last `since`.
///
/// # Errors
/// Not found, not allowed to see it, or a time that is too long.
pub fn key_stats(scope: &mut OrgScope<'_>, id: &KeyId, since: Span) -> Result<Stats, AppError> {
    let key = load_key(scope, id)?;
    if since < Span::minutes(1) || since > STATS_MAX {
        return Err(AppError::field("since", "since is a length of time from 1m to 366d."));
    }
    let (counts, step) = counts(scope, id, since)?;
    let mut total = Point::empty(scope.now);
    let mut refused = BTreeMap::new();
    for counted in &counts {
        total.add(&counted.outcome, counted.count);
        if matches!(Kind::of(&counted.outcome), Kind::Refused) {
            *refused.entry(counted.outcome.clone()).or_insert(0) += counted.count;
        }
    }
    Ok(Stats {
        served: total.served,
        refused,
        error_rate: total.error_rate(),
        last_used_at: key.last_use.map(|used| used.at),
        step,
        series: series(counts.iter(), step, since, scope.now),
    })
}

/// The traffic of a key for the last `since`, its old secret apart from its current one.
///
/// # Errors
/// Not found, or not allowed to see it.
pub fn key_traffic(scope: &mut OrgScope<'_>, id: &KeyId, since: Span) -> Result<Traffic, AppError> {
    let key = load_key(scope, id)?;
    let (counts, step) = counts(scope, id, since)?;
    let (current, previous) = (key.current.hash.tag(), key.previous.map(|old| old.hash.tag()));
    let of = |secret: Option<i64>| counts.iter().filter(move |counted| Some(counted.secret) == secret);
    let valid = Verdict::Valid.code();
    Ok(Traffic {
        current: series(of(Some(current)), step, since, scope.now),
        previous: series(of(previous), step, since, scope.now),
        previous_used_at: of(previous).filter(|counted| counted.outcome == valid).map(|counted| counted.at).max(),
    })
}

/// How often a key was refused since it was revoked; nothing for one that was not.
///
/// # Errors
/// Not found, or not allowed to see it.
pub fn refused_since_revoked(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<Option<i64>, AppError> {
    let Some(revoked) = load_key(scope, id)?.revoked else { return Ok(None) };
    let code = Verdict::Revoked.code();
    Ok(Some(db::usage::count_refused(scope.conn, &scope.org.id, id, code, revoked.at, scope.now)?))
}
