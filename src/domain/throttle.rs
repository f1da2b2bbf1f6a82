//! How many failed sign-ins are too many, for whom, and for how long.
//!
//! Nobody can lock anybody else out: the growing wait counts failures of one account *from one source*, and the limit
//! on an account as a whole does not hold for sources its person signed in from before.

use super::time::{Span, Timestamp};

/// How a bucket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Failures counted.
    pub failures: i64,
    /// When counting began; for `Pair`, when the last failure was.
    pub since: Timestamp,
    /// Until when attempts are refused.
    pub blocked_until: Timestamp,
}

impl Throttle {
    /// Nothing counted.
    pub const NONE: Self =
        Self { failures: 0, since: Timestamp::from_micros(0), blocked_until: Timestamp::from_micros(0) };
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// One source, whichever accounts it tries.
    Source,
    /// One account, wherever from.
    Account,
    /// One account from one source.
    Pair,
    /// New accounts from one source.
    SignUp,
    /// Devices that ask to be let in, or wrong codes of such, from one source.
    Device,
    /// Wrong codes that one person typed.
    Guess,
}

const PAIR_FREE: i64 = 5;
const PAIR_WAIT_MINUTES: [i64; 5] = [1, 2, 4, 8, 15];
const PAIR_FORGOTTEN_AFTER: Span = Span::hours(1);

/// The longest that any bucket matters after its last failure.
pub const FORGOTTEN_AFTER: Span = Span::hours(2);

impl Bucket {
    /// Failures allowed in a window of this length; nothing for the pair, whose wait grows instead.
    const fn window(self) -> Option<(i64, Span)> {
        match self {
            Self::Source => Some((30, Span::minutes(15))),
            Self::Account => Some((100, Span::hours(1))),
            Self::SignUp => Some((10, Span::hours(1))),
            Self::Device => Some((30, Span::minutes(15))),
            Self::Guess => Some((10, Span::minutes(15))),
            Self::Pair => None,
        }
    }

    /// Whether an attempt at `now` is let in.
    ///
    /// # Errors
    /// When the next one is.
    pub fn admits(self, throttle: &Throttle, now: Timestamp) -> Result<(), Timestamp> {
        if throttle.blocked_until > now { Err(throttle.blocked_until) } else { Ok(()) }
    }

    /// The bucket after one more failure at `now`.
    #[must_use]
    pub fn after_failure(self, throttle: &Throttle, now: Timestamp) -> Throttle {
        let Some((max, window)) = self.window() else { return pair_after_failure(throttle, now) };
        let is_old = throttle.failures == 0 || now.since(throttle.since) >= window;
        let (failures, since) = if is_old { (1, now) } else { (throttle.failures + 1, throttle.since) };
        let blocked_until = if failures >= max { since.plus(window) } else { Throttle::NONE.blocked_until };
        Throttle { failures, since, blocked_until }
    }

    /// The bucket after an attempt counted as a failure turned out well.
    #[must_use]
    pub fn after_success(self, throttle: &Throttle) -> Throttle {
        let Some((max, _)) = self.window() else { return Throttle::NONE };
        let failures = (throttle.failures - 1).max(0);
        let blocked_until = if failures >= max { throttle.blocked_until } else { Throttle::NONE.blocked_until };
        Throttle { failures, blocked_until, ..*throttle }
    }
}

fn pair_after_failure(throttle: &Throttle, now: Timestamp) -> Throttle {
    let is_old = now.since(throttle.since.max(throttle.blocked_until)) >= PAIR_FORGOTTEN_AFTER;
    let failures = if is_old { 1 } else { throttle.failures + 1 };
    let step = usize::try_from(failures - PAIR_FREE).ok();
    let minutes = step.map_or(0, |step| PAIR_WAIT_MINUTES[step.min(PAIR_WAIT_MINUTES.len() - 1)]);
    Throttle { failures, since: now, blocked_until: now.plus(Span::minutes(minutes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_795_255_200_000_000);

    #[test]
    fn after_five_failures_the_wait_of_a_pair_doubles_up_to_fifteen_minutes() {
        let (mut throttle, mut now, mut waits) = (Throttle::NONE, START, Vec::new());
        for _ in 0..11 {
            assert!(Bucket::Pair.admits(&throttle, now).is_ok());
            throttle = Bucket::Pair.after_failure(&throttle, now);
            waits.push(throttle.blocked_until.since(now).as_seconds() / 60);
            now = now.max(throttle.blocked_until);
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15]);
        let later = now.plus(Span::hours(1));
        assert_eq!(Bucket::Pair.after_failure(&throttle, later).failures, 1);
    }

    #[test]
    fn a_source_has_thirty_failures_in_fifteen_minutes() {
        let mut throttle = Throttle::NONE;
        for second in 0..30 {
            let now = START.plus(Span::seconds(second));
            assert!(Bucket::Source.admits(&throttle, now).is_ok());
            throttle = Bucket::Source.after_failure(&throttle, now);
        }
        let end = START.plus(Span::minutes(15));
        assert_eq!(Bucket::Source.admits(&throttle, START.plus(Span::minutes(1))), Err(end));
        assert!(Bucket::Source.admits(&throttle, end).is_ok());
        assert_eq!(Bucket::Source.after_failure(&throttle, end).failures, 1);
    }

    #[test]
    fn a_good_attempt_gives_back_what_was_counted_for_it() {
        let mut throttle = Throttle::NONE;
        for _ in 0..30 {
            throttle = Bucket::Source.after_failure(&throttle, START);
        }
        assert!(Bucket::Source.admits(&throttle, START).is_err());
        let after = Bucket::Source.after_success(&throttle);
        assert_eq!(after.failures, 29);
        assert!(Bucket::Source.admits(&after, START).is_ok());
        assert_eq!(Bucket::Pair.after_success(&throttle), Throttle::NONE);
    }
}
