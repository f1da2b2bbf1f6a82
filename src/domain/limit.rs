//! How many requests a minute: the *generic cell rate algorithm* of ITU-T Recommendation I.371, annex A, in its form
//! of virtual scheduling.
//!
//! A quota of `q` a minute is an *increment* `T` = 60 s / q and a *limit* `τ` = (q − 1) · T. All that is kept is one
//! number, the *theoretical arrival time* `TAT` of the next request. One at `now` conforms when `TAT ≤ now + τ`, and
//! then `TAT` becomes `max(TAT, now) + T`; one that does not conform changes nothing. So the whole quota of a minute
//! may come at once, after which one request is let in every `T`: `q` + ⌊w / T⌋ at most in a span `w`, the first of
//! them at its beginning. There is no edge of a minute at which everything starts anew.

/// Nanoseconds of a minute; times are counted in nanoseconds so that `T` of an odd quota is nearly exact.
const MINUTE: i64 = 60_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// A quota, as the algorithm needs it. Copied about; making one costs a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// `T`, rounded up: never more than the quota.
    increment: i64,
    /// `τ`.
    limit: i64,
}

/// How a request fared, or would fare, against one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether this limit lets it in.
    pub allowed: bool,
    /// Requests a minute.
    pub limit: u32,
    /// How many more may come right now.
    pub remaining: u32,
    /// Seconds until one request would be let in, at least 1, when it was not; else until the quota is whole again.
    pub reset_seconds: u32,
}

impl Rate {
    /// The whole quota.
    #[must_use]
    pub fn per_minute(quota: u32) -> Self {
        Self::share(quota, 1)
    }

    /// What one of `nodes` may give of a quota that none of them counts alone. All of them together let in the quota in
    /// the long run; at once each may give its part, rounded down but at least one request.
    #[must_use]
    pub fn share(quota: u32, nodes: u32) -> Self {
        let (quota, nodes) = (quota.max(1), nodes.max(1));
        let minute = MINUTE.saturating_mul(i64::from(nodes));
        let increment = (minute.saturating_add(i64::from(quota) - 1) / i64::from(quota)).max(1);
        let burst = i64::from((quota / nodes).max(1));
        Self { increment, limit: increment.saturating_mul(burst - 1) }
    }

    /// The `TAT` after one more request at `now`; nothing when it does not conform.
    #[must_use]
    pub fn after(self, tat: i64, now: i64) -> Option<i64> {
        (tat <= now.saturating_add(self.limit)).then(|| tat.max(now).saturating_add(self.increment))
    }

    /// The `TAT` after one more request that nobody asks this limit about: at most that of a bucket with nothing left.
    #[must_use]
    pub fn charged(self, tat: i64, now: i64) -> i64 {
        let empty = now.saturating_add(self.limit).saturating_add(self.increment);
        tat.max(now).saturating_add(self.increment).min(empty.max(tat))
    }

    /// The `TAT` without the request that had made it `after`; nothing when that request weighs nothing any more,
    /// because the bucket was whole in between. Without such a moment each request adds exactly one increment.
    #[must_use]
    pub fn without(self, tat: i64, after: i64) -> Option<i64> {
        (tat >= after && (tat - after) % self.increment == 0).then(|| tat - self.increment)
    }

    /// How many more may come at `now`.
    #[must_use]
    pub fn remaining(self, tat: i64, now: i64) -> u32 {
        let room = now.saturating_add(self.limit).saturating_sub(tat.max(now));
        if room < 0 { 0 } else { u32::try_from(room / self.increment + 1).unwrap_or(u32::MAX) }
    }

    /// How a request at `now` fared that left `tat` behind, in the words of a limit of `quota`.
    #[must_use]
    pub fn taken(self, allowed: bool, tat: i64, now: i64, quota: u32) -> Taken {
        let wait = if allowed { tat.saturating_sub(now) } else { tat.saturating_sub(now).saturating_sub(self.limit) };
        let at_least = u32::from(!allowed);
        let remaining = if allowed { self.remaining(tat, now).min(quota) } else { 0 };
        Taken { allowed, limit: quota, remaining, reset_seconds: whole_seconds(wait).max(at_least) }
    }
}

/// Rounded up; nothing is less than none.
fn whole_seconds(nanos: i64) -> u32 {
    let seconds = nanos.max(0) / SECOND + i64::from(nanos.max(0) % SECOND > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets in as many as it can at `now`.
    fn drain(rate: Rate, tat: &mut i64, now: i64) -> u32 {
        let mut count = 0;
        while let Some(after) = rate.after(*tat, now) {
            *tat = after;
            count += 1;
        }
        count
    }

    #[test]
    fn the_whole_quota_may_come_at_once_and_then_one_every_increment() {
        for quota in [1, 2, 7, 60, 600, 999_983] {
            let (rate, mut tat, now) = (Rate::per_minute(quota), 0, 5 * SECOND);
            assert_eq!(rate.remaining(tat, now), quota);
            assert_eq!(drain(rate, &mut tat, now), quota);
            assert_eq!(drain(rate, &mut tat, now + rate.increment - 1), 0);
            assert_eq!(drain(rate, &mut tat, now + rate.increment), 1);
            assert_eq!(drain(rate, &mut tat, now + 10 * MINUTE), quota);
        }
    }

    #[test]
    fn the_wait_that_is_named_is_enough_and_no_second_too_long() {
        for quota in [1, 7, 13, 60, 600, 100_000] {
            let (rate, mut tat, now) = (Rate::per_minute(quota), 0, 123_456_789);
            drain(rate, &mut tat, now);
            let refused = rate.taken(false, tat, now, quota);
            let wait = i64::from(refused.reset_seconds) * SECOND;
            assert!(rate.after(tat, now + wait).is_some(), "{quota}");
            assert!(wait == SECOND || rate.after(tat, now + wait - SECOND).is_none(), "{quota}");
            assert_eq!((refused.allowed, refused.remaining, refused.limit), (false, 0, quota));
        }
    }

    #[test]
    fn what_is_left_and_when_it_is_whole_again_are_told() {
        let rate = Rate::per_minute(600);
        let tat = rate.after(0, 0).unwrap();
        let taken = rate.taken(true, tat, 0, 600);
        assert_eq!(taken, Taken { allowed: true, limit: 600, remaining: 599, reset_seconds: 1 });
        let taken = rate.taken(true, 30 * SECOND, 0, 600);
        assert_eq!((taken.remaining, taken.reset_seconds), (300, 30));
    }

    #[test]
    fn nodes_that_share_give_no_more_than_the_quota_in_the_long_run() {
        for (quota, nodes) in [(600, 3), (10, 3), (7, 2), (3, 5), (1, 9), (u32::MAX, 4)] {
            let rate = Rate::share(quota, nodes);
            let hour = i64::from(nodes) * (60 * MINUTE / rate.increment);
            assert!(hour <= i64::from(quota) * 60, "{quota} by {nodes}: {hour}");
            if quota < u32::MAX {
                assert_eq!(drain(rate, &mut 0, 0), (quota / nodes).max(1));
            }
        }
    }

    #[test]
    fn what_was_given_back_was_never_taken_unless_the_bucket_was_whole_since() {
        let rate = Rate::per_minute(60);
        let first = rate.after(0, SECOND).unwrap();
        let second = rate.after(first, SECOND + 5).unwrap();
        assert_eq!(rate.without(second, first), Some(first));
        let much_later = rate.after(first, MINUTE + 5).unwrap();
        assert_eq!(rate.without(much_later, first), None);
    }

    #[test]
    fn numbers_at_the_edge_neither_overflow_nor_let_everybody_in() {
        for quota in [1, u32::MAX] {
            let rate = Rate::share(quota, u32::MAX);
            assert!(rate.after(i64::MAX, 0).is_none());
            assert!(rate.after(0, i64::MAX).is_some());
            assert_eq!(rate.remaining(i64::MAX, 0), 0);
            assert_eq!(rate.taken(false, i64::MAX, 0, quota).remaining, 0);
            assert_eq!(rate.charged(i64::MAX, 0), i64::MAX);
        }
    }
}
