//! How much time goes to what can wait, so that checks are not slowed down by what is written about them. Rests come on top.

use std::time::Duration;

/// Of a round of half a second while very many keys are used, and checks want all there is.
const BUSY: Duration = Duration::from_millis(10);
/// Of a round otherwise: `kill -9` loses what was noted meanwhile.
const CALM: Duration = Duration::from_millis(40);

/// What is owed is forgotten beyond this: time also passes while a database does not answer or the machine sleeps.
const OWED_MAX: Duration = Duration::from_millis(500);

/// The time one kind of work has left. What it takes beyond that is taken from the rounds that follow.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    left: Duration,
    owed: Duration,
}

impl Allowance {
    /// A round begins.
    pub(super) fn renew(&mut self, is_busy: bool) {
        let of_round = if is_busy { BUSY } else { CALM };
        self.left = of_round.saturating_sub(self.owed);
        self.owed = self.owed.saturating_sub(of_round);
    }

    /// Whether more may be done.
    pub(super) fn is_left(&self) -> bool {
        !self.left.is_zero()
    }

    /// So much time was taken.
    pub(super) fn spend(&mut self, time: Duration) {
        self.owed = (self.owed + time.saturating_sub(self.left)).min(OWED_MAX);
        self.left = self.left.saturating_sub(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_many_rounds_no_more_is_taken_than_allowed() {
        let mut allowance = Allowance::default();
        assert!(!allowance.is_left());
        let mut taken = Duration::ZERO;
        for _ in 0..100 {
            allowance.renew(true);
            while allowance.is_left() {
                allowance.spend(Duration::from_millis(33));
                taken += Duration::from_millis(33);
            }
        }
        assert!((BUSY * 95..BUSY * 100 + Duration::from_millis(33)).contains(&taken), "{taken:?}");
    }

    #[test]
    fn an_hour_of_sleep_is_soon_forgotten() {
        let mut allowance = Allowance::default();
        allowance.renew(false);
        assert_eq!(allowance.left, CALM);
        allowance.spend(Duration::from_hours(1));
        let rounds = (0..100).take_while(|_| {
            allowance.renew(false);
            !allowance.is_left()
        });
        assert_eq!(rounds.count(), 12);
    }
}
