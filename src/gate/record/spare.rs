//! How a slot is emptied.

use std::sync::Mutex;

use super::lock;
use super::slot::{Budget, Slot};

/// The slot that another is exchanged for. Each slot has one of its own, so that both keep the room that its thread needs.
#[derive(Debug, Default)]
pub(super) struct Spare(Slot);

impl Spare {
    /// Gives what the slot holds to `taker`, who takes everything out. The slot's lock is held only while it is exchanged for an
    /// empty one.
    pub(super) fn take(&mut self, slot: &Mutex<Slot>, budget: &Budget, taker: impl FnOnce(&mut Slot)) {
        {
            let mut slot = lock(slot);
            // Room that nobody uses any more is given back, of the one in this round and of the other in the next.
            if slot.is_empty() && !slot.has_room_to_spare(0) && !self.0.has_room_to_spare(0) {
                return;
            }
            std::mem::swap(&mut *slot, &mut self.0);
        }
        self.0.close(budget);
        let held = self.0.len();
        budget.give_back_cells(held);
        taker(&mut self.0);
        self.0.begin_anew(held);
    }
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
            [&*lock(&slot), &spare.0].map(|slot| slot.has_room_to_spare(0))
        };
        assert_eq!(round(100), [false, false]);
        assert_eq!(round(40_000), [false, true], "the room of the slot that was emptied is kept");
        assert_eq!(round(40_000), [true, true]);
        assert_eq!(round(30_000), [true, true], "somewhat less is no reason to begin anew");
        assert_eq!(round(100), [true, false], "far less is");
        assert_eq!(round(0), [false, false], "nobody keeps room while nothing is checked");
        assert_eq!(round(40_000), [false, true]);
        assert_eq!(round(0), [true, false]);
        assert_eq!(round(0), [false, false]);
    }
}
