//! The only reader of the clock, cut to microseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::time::Timestamp;

/// What time it is. Tests move it, and the demonstration does while it makes up a past; a running server cannot.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset: Option<Arc<AtomicI64>>,
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, moved by as many microseconds as `offset` holds at each reading.
    #[must_use]
    pub fn shifted(offset: Arc<AtomicI64>) -> Self {
        Self { offset: Some(offset), fixed: None }
    }

    /// A clock that stands still at as many microseconds since the epoch as `at` holds. For tests of exact deadlines.
    #[must_use]
    pub fn fixed(at: Arc<AtomicI64>) -> Self {
        Self { offset: None, fixed: Some(at) }
    }

    /// Where this clock stands still, if it does: then no other clock is asked.
    #[must_use]
    pub fn fixed_at(&self) -> Option<Timestamp> {
        self.fixed.as_ref().map(|at| Timestamp::from_micros(at.load(Ordering::SeqCst)))
    }

    /// How far this clock is moved, in microseconds.
    #[must_use]
    pub fn offset_micros(&self) -> i64 {
        self.offset.as_ref().map_or(0, |offset| offset.load(Ordering::SeqCst))
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        if let Some(at) = self.fixed_at() {
            return at;
        }
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond() + self.offset_micros())
    }
}

/// Microseconds of a clock that nobody sets and that goes on while the machine sleeps or the process is stopped.
#[must_use]
pub fn uptime() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}
