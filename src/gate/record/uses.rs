//! When secrets were last let in, as far as the database may not know it yet.

use std::collections::VecDeque;
use std::time::Duration;

use super::parted::Parted;
use super::slot::{SecretOf, Used};
use crate::clock::Moment;

/// Secrets that are remembered at most; the next use of one that is left out brings it back.
const KNOWN_MAX: usize = 200_000;
/// A secret's last use is written at most this often.
const EVERY: Duration = Duration::from_secs(60);

/// A use that is due, and since when.
#[derive(Debug)]
pub(super) struct Due {
    since: Moment,
    pub(super) secret: SecretOf,
    pub(super) used: Used,
}

/// Each known secret stands in one of the two queues, or is being written.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// What is to be written; nothing where it was written within the last minute and there is nothing new.
    known: Parted<SecretOf, Option<Used>>,
    /// Those of which nothing was written lately, and since when they are due.
    fresh: VecDeque<(Moment, SecretOf)>,
    /// The others, and when they are due again.
    written: VecDeque<(Moment, SecretOf)>,
    /// How many there are to be written.
    waiting: usize,
}

impl Uses {
    /// Notes that a secret was let in.
    pub(super) fn add(&mut self, secret: SecretOf, used: Used, now: Moment) {
        if let Some(known) = self.known.part(&secret).get_mut(&secret) {
            match known {
                Some(known) => return known.merge(used),
                nothing => *nothing = Some(used),
            }
        } else if self.known.len() >= KNOWN_MAX {
            return;
        } else {
            self.known.part(&secret).insert(secret, Some(used));
            self.fresh.push_back((now, secret));
        }
        self.waiting += 1;
    }

    /// How many wait to be written.
    pub(super) fn depth(&self) -> usize {
        self.waiting
    }

    /// Whether some have been due for longer than they should wait.
    pub(super) fn is_late(&self, now: Moment) -> bool {
        [&self.fresh, &self.written].iter().any(|queue| queue.front().is_some_and(|(due, _)| now.since(*due) > EVERY))
    }

    /// All that waits is due from now on.
    pub(super) fn hasten(&mut self, now: Moment) {
        let Self { known, fresh, written, .. } = self;
        written.retain(|(_, secret)| {
            let waits = matches!(known.part(secret).get(secret), Some(Some(_)));
            if waits {
                fresh.push_back((now, *secret));
            }
            !waits
        });
    }

    /// Takes out up to `limit` uses, those first that have been due the longest. Each comes back with `done` or `put_back`.
    pub(super) fn take(&mut self, limit: usize, now: Moment) -> Vec<Due> {
        let mut due = Vec::new();
        while due.len() < limit {
            let Some((since, secret)) = self.pop(now) else { break };
            match self.known.part(&secret).get_mut(&secret).and_then(Option::take) {
                Some(used) => due.push(Due { since, secret, used }),
                None => drop(self.known.part(&secret).remove(&secret)),
            }
        }
        self.waiting -= due.len();
        due
    }

    fn pop(&mut self, now: Moment) -> Option<(Moment, SecretOf)> {
        let again = self.written.front().filter(|(due, _)| *due <= now);
        match (self.fresh.front(), again) {
            (Some((fresh, _)), Some((again, _))) if again < fresh => self.written.pop_front(),
            (None, Some(_)) => self.written.pop_front(),
            _ => self.fresh.pop_front(),
        }
    }

    /// These uses were written.
    pub(super) fn done(&mut self, uses: &[Due], now: Moment) {
        // Where all room is taken, what was written makes some for those that found none.
        let is_full = self.known.len() >= KNOWN_MAX;
        for Due { secret, .. } in uses {
            if is_full {
                self.known.part(secret).remove(secret);
            } else {
                self.written.push_back((now.plus(EVERY), *secret));
            }
        }
    }

    /// These uses could not be written.
    pub(super) fn put_back(&mut self, uses: Vec<Due>) {
        for Due { since, secret, used } in uses.into_iter().rev() {
            self.known.part(&secret).insert(secret, Some(used));
            self.fresh.push_front((since, secret));
            self.waiting += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn secret(number: i64) -> SecretOf {
        SecretOf { key: *b"AAAAAAAA", secret: number }
    }

    fn used(at: i64) -> Used {
        let at = Timestamp::from_micros(at);
        Used::new((at, at), ("192.0.2.1", "curl"))
    }

    fn taken(uses: &mut Uses, limit: usize, now: Moment) -> Vec<(i64, i64)> {
        let due = uses.take(limit, now);
        uses.done(&due, now);
        due.iter().map(|due| (due.secret.secret, due.used.last.as_micros())).collect()
    }

    #[test]
    fn a_use_is_written_at_once_and_further_ones_a_minute_later() {
        let (mut uses, start) = (Uses::default(), Moment::now());
        for (number, at) in [(1, 10), (1, 12), (1, 11), (2, 20)] {
            uses.add(secret(number), used(at), start);
        }
        assert_eq!(uses.depth(), 2);
        assert_eq!(taken(&mut uses, 1, start), [(1, 12)]);
        uses.add(secret(1), used(13), start);
        assert_eq!(taken(&mut uses, 9, start), [(2, 20)]);
        assert_eq!((taken(&mut uses, 9, start.plus(EVERY / 2)), uses.depth()), (vec![], 1));
        assert_eq!(taken(&mut uses, 9, start.plus(EVERY)), [(1, 13)]);
        // Nothing new for a minute: it is forgotten, and its next use is a first one again.
        let later = start.plus(3 * EVERY);
        assert_eq!((taken(&mut uses, 9, later), uses.known.len()), (vec![], 0));
        uses.add(secret(1), used(14), later);
        assert_eq!(taken(&mut uses, 9, later), [(1, 14)]);
    }

    #[test]
    fn what_has_been_due_the_longest_is_first() {
        let (mut uses, start) = (Uses::default(), Moment::now());
        uses.add(secret(1), used(1), start);
        assert_eq!(taken(&mut uses, 9, start), [(1, 1)]);
        uses.add(secret(1), used(2), start);
        uses.add(secret(2), used(3), start.plus(EVERY / 2));
        uses.add(secret(3), used(4), start.plus(2 * EVERY));
        let late = start.plus(2 * EVERY);
        assert!(uses.is_late(late) && !uses.is_late(start.plus(EVERY)));
        assert_eq!(taken(&mut uses, 9, late), [(2, 3), (1, 2), (3, 4)]);
        assert!(!uses.is_late(late));
    }

    #[test]
    fn what_could_not_be_written_is_due_at_once_and_all_is_when_asked() {
        let (mut uses, start) = (Uses::default(), Moment::now());
        (1..=3).for_each(|number| uses.add(secret(number), used(number), start));
        let due = uses.take(2, start);
        uses.put_back(due);
        assert_eq!(uses.depth(), 3);
        assert_eq!(taken(&mut uses, 9, start), [(1, 1), (2, 2), (3, 3)]);
        uses.add(secret(2), used(4), start);
        assert_eq!(taken(&mut uses, 9, start), []);
        uses.hasten(start);
        assert_eq!(taken(&mut uses, 9, start), [(2, 4)]);
        // What was written stays known: its next use waits for its minute.
        uses.add(secret(1), used(5), start);
        assert_eq!(taken(&mut uses, 9, start), []);
    }

    #[test]
    fn where_there_is_no_room_those_left_out_have_their_turn_later() {
        let (mut uses, start) = (Uses::default(), Moment::now());
        let most = i64::try_from(KNOWN_MAX).unwrap();
        (0..most + 10).for_each(|number| uses.add(secret(number), used(1), start));
        assert_eq!(uses.depth(), KNOWN_MAX);
        // Those that are known are brought up to date even so.
        uses.add(secret(0), used(2), start);
        assert_eq!(taken(&mut uses, 10, start)[0], (0, 2));
        (most..most + 10).for_each(|number| uses.add(secret(number), used(3), start));
        assert_eq!(uses.depth(), KNOWN_MAX);
        let all = taken(&mut uses, KNOWN_MAX, start);
        assert_eq!((all.len(), all.last()), (KNOWN_MAX, Some(&(most + 9, 3))));
    }
}
