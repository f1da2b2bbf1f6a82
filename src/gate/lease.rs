//! Whether this process may answer from memory right now, and what time the database's clock shows.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::{Clock, uptime};
use crate::domain::time::{Span, Timestamp};

/// How long a lease lasts from the moment its renewal was sent.
pub const LEASE: Span = Span::seconds(3);
/// How long whoever waits for a lease to run out waits: longer by what two clocks may drift apart and a thread may be
/// late.
pub(super) const LEASE_OVER: Span = Span::millis(3300);

/// The lease of this process. Cheap to ask from any thread.
pub(super) struct Lease {
    /// The uptime at which it ends; `i64::MAX` where there is one process and no lease is needed.
    until: AtomicI64,
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
        Self { until: AtomicI64::new(0), ahead: AtomicI64::new(i64::MIN), clock }
    }

    /// Holds until this uptime. Everything that was applied before is seen by whoever then finds the lease held.
    pub(super) fn hold(&self, until: i64) {
        self.until.store(until, Ordering::Release);
    }

    /// Gives it up.
    pub(super) fn drop_now(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Sets the database's time by what it said after `asked` by the uptime: so the estimate is never behind it.
    pub(super) fn set_time(&self, database: Timestamp, asked: i64) {
        self.ahead.store(database.as_micros() - asked, Ordering::Relaxed);
    }

    /// Whether it is held at `uptime`, which the caller has read after the request came in and before it looks a key
    /// up: then the index holds every change whose call had returned when the request came in.
    pub(super) fn check(&self, uptime: i64) -> Result<(), NoLease> {
        if uptime < self.until.load(Ordering::Acquire) { Ok(()) } else { Err(NoLease) }
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
        match self.until.load(Ordering::Acquire) {
            i64::MAX => None,
            until => Some((until - uptime()) as f64 / 1e6),
        }
    }
}
