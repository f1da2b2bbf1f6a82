//! Numbers about the check for `/metrics`. No key, person or path is ever among them.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::record::{LeftOut, Waiting};
use crate::domain::verdict::Verdict;

/// Threads that count apart; more of them share.
const SLOTS: usize = 16;
const BOUNDS: usize = 13;
const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;

/// Upper bounds in nanoseconds, ascending. What is above the last is counted apart.
pub type Bounds = [u64; BOUNDS];

/// From a microsecond to half a second: what a check takes, and what waiting for Redis adds.
const OF_CHECKS: Bounds = [
    MICRO,
    2_500,
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    MILLI,
    5 * MILLI,
    25 * MILLI,
    100 * MILLI,
    500 * MILLI,
];

/// How many there were of each label, and how long they took. Each thread counts in memory of its own, so counting
/// costs two additions that no other thread waits for.
#[derive(Debug)]
pub struct Histogram<const LABELS: usize> {
    bounds: &'static Bounds,
    slots: [Slot<LABELS>; SLOTS],
}

/// Two cache lines apart from the next: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Slot<const LABELS: usize> {
    counts: [[AtomicU64; BOUNDS + 1]; LABELS],
    nanos: AtomicU64,
}

/// A histogram as it stood.
#[derive(Debug)]
pub struct Counted<const LABELS: usize> {
    /// The upper bounds in nanoseconds.
    pub bounds: &'static Bounds,
    /// For each label, how many fell under each bound and not under the one before; the last is for those above all.
    pub counts: [[u64; BOUNDS + 1]; LABELS],
    /// What all of them took together.
    pub nanos: u64,
}

impl<const LABELS: usize> Histogram<LABELS> {
    /// Empty.
    #[must_use]
    pub fn new(bounds: &'static Bounds) -> Self {
        let slot = |_| Slot { counts: from_fn(|_| from_fn(|_| AtomicU64::new(0))), nanos: AtomicU64::new(0) };
        Self { bounds, slots: from_fn(slot) }
    }

    /// Counts one. A label that there is not is not counted.
    pub fn observe(&self, label: usize, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        let slot = &self.slots[slot_of_thread()];
        if let Some(count) = slot.counts.get(label).and_then(|counts| counts.get(bucket)) {
            count.fetch_add(1, Ordering::Relaxed);
            slot.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// All that was counted. Requests that end meanwhile may be missing in a part of it.
    #[must_use]
    pub fn read(&self) -> Counted<LABELS> {
        let sum = |of: &dyn Fn(&Slot<LABELS>) -> &AtomicU64| {
            self.slots.iter().map(|slot| of(slot).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
        };
        let counts = from_fn(|label| from_fn(|bucket| sum(&|slot| &slot.counts[label][bucket])));
        Counted { bounds: self.bounds, counts, nanos: sum(&|slot| &slot.nanos) }
    }
}

/// Threads take slots in turn when they first count.
fn slot_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
    }
    MINE.with(|mine| *mine)
}

/// The verdicts by their reason, as the label says it.
const VERDICTS: [(Verdict, &str); 11] = [
    (Verdict::Valid, "valid"),
    (Verdict::Malformed, "malformed"),
    (Verdict::NotFound, "not_found"),
    (Verdict::Revoked, "revoked"),
    (Verdict::Expired, "expired"),
    (Verdict::Paused, "paused"),
    (Verdict::OwnerGone, "owner_gone"),
    (Verdict::PlanRequired, "plan_required"),
    (Verdict::RoleTooLow, "role_too_low"),
    (Verdict::RateLimited, "rate_limited"),
    (Verdict::NotInUrl, "not_in_url"),
];

/// Stands where a verdict would, for checks that were not made.
const NO_LEASE: usize = LABELS - 1;
const LABELS: usize = 16;

/// How checks ended and how long they took.
#[derive(Debug)]
pub struct CheckMetrics(Histogram<LABELS>);

impl Default for CheckMetrics {
    fn default() -> Self {
        Self(Histogram::new(&OF_CHECKS))
    }
}

impl CheckMetrics {
    /// Counts one check.
    pub fn observe(&self, verdict: Verdict, elapsed: Duration) {
        self.0.observe(verdict as usize, elapsed);
    }

    /// Counts one that was not made, for want of a lease.
    pub fn observe_no_lease(&self) {
        self.0.observe(NO_LEASE, Duration::ZERO);
    }

    /// All that was counted.
    #[must_use]
    pub fn read(&self) -> Checks {
        self.0.read()
    }
}

/// Checks as they were counted.
pub type Checks = Counted<LABELS>;

impl Checks {
    /// How often there was each verdict, and none for want of a lease.
    #[must_use]
    pub fn by_verdict(&self) -> Vec<(&'static str, u64)> {
        let count = |label: usize| self.counts[label].iter().sum();
        let verdicts = VERDICTS.into_iter().map(|(verdict, name)| (name, count(verdict as usize)));
        verdicts.chain([("no_lease", count(NO_LEASE))]).collect()
    }
}

/// How the gate stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauges {
    /// Keys in memory.
    pub keys: usize,
    /// Organizations in memory.
    pub orgs: usize,
    /// Nodes alive, this one included.
    pub nodes: usize,
    /// Whether checks are answered.
    pub lease_held: bool,
    /// Seconds since the lease was renewed; nothing where none is needed.
    pub lease_age_seconds: Option<f64>,
    /// Whether limits are counted together with other nodes.
    pub limits_shared: bool,
    /// What is noted of checks and not written yet.
    pub waiting: Waiting,
    /// What of it was not written and never will be.
    pub left_out: LeftOut,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_once_under_the_first_bound_that_holds_it() {
        let metrics = CheckMetrics::default();
        for nanos in [0, 1_000, 1_001, 2_500, 600 * MILLI] {
            metrics.observe(Verdict::Valid, Duration::from_nanos(nanos));
        }
        metrics.observe(Verdict::PlanRequired, Duration::MAX);
        let counted = metrics.read();
        let of_valid = counted.counts[Verdict::Valid as usize];
        assert_eq!((of_valid[0], of_valid[1], of_valid[2], of_valid[BOUNDS]), (2, 2, 0, 1));
        assert_eq!(counted.counts[Verdict::PlanRequired as usize][BOUNDS], 1);
        assert!(OF_CHECKS.is_sorted());
    }

    #[test]
    fn every_verdict_has_a_place_and_a_name_of_its_own() {
        assert!(Verdict::ALL.iter().all(|verdict| VERDICTS.iter().any(|(named, _)| named == verdict)));
        for (at, (verdict, name)) in VERDICTS.iter().enumerate() {
            assert!((*verdict as usize) < NO_LEASE);
            assert!(VERDICTS[at + 1..].iter().all(|(other, text)| other != verdict && text != name));
        }
    }

    #[test]
    fn threads_count_all_of_it() {
        let metrics = CheckMetrics::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| metrics.observe(Verdict::Revoked, Duration::from_nanos(7))));
            }
        });
        let counted = metrics.read();
        assert_eq!((counted.counts[Verdict::Revoked as usize][0], counted.nanos), (20_000, 140_000));
    }
}
