//! How a slot is emptied.

use std::sync::Mutex;

use super::lock;
use super::slot::{Budget, Slot};

/// Room for counts that is kept although it is empty: some megabyte.
const ROOM: usize = 8_000;
/// More is kept if it is at most so many times what was used of it last.
const ROOM_FOLD: usize = 4;

/// Room is given back after so many rounds in which far less would have done: ten minutes. To grow to it again would hold
/// up the checks whenever they come after a pause.
const PATIENCE: u32 = 1200;

/// More room than for so many counts, some 25 MB, is not kept for later.
const ROOM_MAX: usize = 250_000;

/// The slot that another is exchanged for. Each slot has one of its own, so that both keep the room that its thread needs.
#[derive(Debug, Default)]
pub(super) struct Spare {
    slot: Slot,
    /// For how many rounds there has been far more room than was used.
    rounds: u32,
}

impl Spare {
    /// Gives what the slot holds to `taker`, who takes everything out. The slot's lock is held only while it is exchanged for an
    /// empty one.
    pub(super) fn take(&mut self, slot: &Mutex<Slot>, budget: &Budget, taker: impl FnOnce(&mut Slot)) {
        let room = {
            let mut slot = lock(slot);
            let room = slot.room().max(self.slot.room());
            if slot.is_empty() && (!is_too_much(room, 0) || (self.rounds < PATIENCE && room <= ROOM_MAX)) {
                self.rounds = if is_too_much(room, 0) { self.rounds + 1 } else { 0 };
                return;
            }
            std::mem::swap(&mut *slot, &mut self.slot);
            room
        };
        self.slot.close(budget);
        let held = self.slot.len();
        budget.give_back_cells(held);
        taker(&mut self.slot);
        self.rounds = if is_too_much(room, held) { self.rounds.saturating_add(1) } else { 0 };
        // Of this one in this round, and of the other in the next.
        let gives_back = (self.rounds > PATIENCE || room > ROOM_MAX) && is_too_much(self.slot.room(), held);
        self.slot.begin_anew(gives_back);
    }
}

/// Whether it is far more than so many counts need.
fn is_too_much(room: usize, held: usize) -> bool {
    room > ROOM.max(held.saturating_mul(ROOM_FOLD))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Note, Seen};
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::domain::verdict::Verdict;

    fn note_many(slot: &Mutex<Slot>, many: usize, budget: &Budget) {
        let (org, at, seen) = (Arc::<str>::from("org_acme"), Timestamp::from_micros(0), Seen::default());
        for number in 0..many {
            let key = number.to_le_bytes();
            lock(slot).note(&Note { key, org: &org, secret: 0, verdict: Verdict::Revoked, at, seen: &seen }, budget);
        }
    }

    #[test]
    fn room_is_kept_while_it_is_used_and_given_back_afterwards() {
        let (budget, slot, mut spare) = (Budget::new(0), Mutex::new(Slot::default()), Spare::default());
        let mut round = |many: usize| {
            note_many(&slot, many, &budget);
            let mut taken = 0;
            spare.take(&slot, &budget, |slot| taken = slot.drain().count());
            assert_eq!(taken, many);
            [lock(&slot).room(), spare.slot.room()].map(|room| is_too_much(room, 0))
        };
        assert_eq!(round(100), [false, false]);
        assert_eq!(round(40_000), [false, true], "the room of the slot that was emptied is kept");
        assert_eq!(round(40_000), [true, true]);
        for less in [100, 0] {
            for _ in 0..PATIENCE {
                assert_eq!(round(less), [true, true], "it may be needed again");
            }
            assert_eq!(round(30_000), [true, true], "as it is now");
        }
        for (less, last) in [(100, [true, false]), (0, [true, false])] {
            round(40_000);
            round(40_000);
            for _ in 0..PATIENCE {
                round(less);
            }
            assert_eq!(round(less), last, "nobody has needed it for long");
            assert_eq!(round(less), [false, false]);
        }
        for less in [100, 0] {
            assert_eq!(round(ROOM_MAX + 1), [false, true]);
            assert_eq!(round(less), [true, false]);
            assert_eq!(round(less), [false, false], "so much is not kept");
        }
    }
}
