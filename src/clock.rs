//! The only reader of the clock, cut to microseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

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
        // By way of the C library, where tests of whole servers put another time in its place; rustix goes past it.
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond() + self.offset_micros())
    }
}

/// A moment of a clock that nobody sets and that goes on while the machine sleeps or the process is stopped: to tell how
/// long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    nanos: i64,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Self { nanos: now.tv_sec * 1_000_000_000 + now.tv_nsec }
    }

    /// In microseconds of that clock.
    #[must_use]
    pub const fn uptime(self) -> i64 {
        self.nanos / 1000
    }

    /// How long ago `earlier` was then; nothing if it was later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos - earlier.nanos).unwrap_or(0))
    }

    /// So much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        Self { nanos: self.nanos.saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)) }
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().since(self)
    }
}

/// Now, in microseconds of the clock of [`Moment`].
#[must_use]
pub fn uptime() -> i64 {
    Moment::now().uptime()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_tell_how_long_it_took() {
        let earlier = Moment { nanos: 5_999 };
        let later = Moment { nanos: 8_000 };
        assert_eq!(earlier.plus(Duration::from_nanos(2_001)), later);
        assert_eq!((later.since(earlier), earlier.since(later)), (Duration::from_nanos(2_001), Duration::ZERO));
        assert_eq!((earlier.uptime(), later.uptime()), (5, 8));
        assert!(Moment::now().elapsed() < Duration::from_secs(60));
    }
}
