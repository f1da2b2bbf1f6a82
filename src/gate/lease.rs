//! Whether this process may answer from memory right now, and what time the database's clock shows.

use std::sync::atomic::{AtomicI64, Ordering};

use super::protocol::{self, Held};
use crate::clock::{Clock, uptime};
use crate::domain::time::{Span, Timestamp};

/// How long a lease lasts from the moment its renewal was sent.
pub const LEASE: Span = Span::micros(protocol::LEASE);
/// How long whoever waits for a lease to run out waits.
pub(super) const LEASE_OVER: Span = Span::micros(protocol::LEASE_OVER);

/// The lease of this process. Cheap to ask from any thread.
pub(super) struct Lease {
    /// What the follower holds.
    pub(super) held: Held,
    /// The database's time less the uptime; `i64::MIN` where the process's own clock is the database's.
    ahead: AtomicI64,
    clock: Clock,
}

/// This process must not answer from memory: it may have missed a change.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this node holds no lease")]
pub struct NoLease;

impl Lease {
    pub(super) fn new(clock: Clock) -> Self {
        Self { held: Held::new(), ahead: AtomicI64::new(i64::MIN), clock }
    }

    /// Sets the database's time by what it said after `asked` by the uptime: so the estimate is never behind it.
    pub(super) fn set_time(&self, database: Timestamp, asked: i64) {
        self.ahead.store(database.as_micros() - asked, Ordering::Relaxed);
    }

    /// Whether it is held at `uptime`: see [`Held::covers`].
    pub(super) fn check(&self, uptime: i64) -> Result<(), NoLease> {
        if self.held.covers(uptime) { Ok(()) } else { Err(NoLease) }
    }

    /// The database's time at `uptime`.
    pub(super) fn time_at(&self, uptime: i64) -> Timestamp {
        if let Some(at) = self.clock.fixed_at() {
            return at;
        }
        match self.ahead.load(Ordering::Relaxed) {
            i64::MIN => self.clock.now(),
            ahead => Timestamp::from_micros(uptime + ahead + self.clock.offset_micros()),
        }
    }

    /// Seconds for which it is still held, negative when it is not; nothing where no lease is needed.
    pub(super) fn seconds_left(&self) -> Option<f64> {
        match self.held.until() {
            i64::MAX => None,
            until => Some((until - uptime()) as f64 / 1e6),
        }
    }
}

impl super::Gate {
    /// What time it is by the clock that decides limits and deadlines: the database's, as near as this process knows it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.lease.time_at(uptime())
    }
}
