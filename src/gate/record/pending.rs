//! What was taken from the slots and is not written yet, within bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::parted::Parted;
use super::pieces::{CELLS_PIECE, Pace};
use super::slot::{Captured, Cell, Counted, SecretOf, Slot};
use super::uses::Uses;
use super::writer::key_text;
use super::{LeftOut, Waiting};
use crate::clock::Moment;
use crate::db::backlog::stretch_of;
use crate::db::usage::Step;
use crate::domain::time::Timestamp;

/// Counts by the minute at most; beyond that they are merged by the hour.
const MINUTES_MAX: usize = 500_000;
/// Counts by the hour at most.
const HOURS_MAX: usize = 1_000_000;
/// Different counts of half a second that are added to the tables at once at most.
const DIRECT_MAX: usize = 256;
/// Different counts of the backlog that are written in one transaction, more or less: SQLite writes its pages at the end, all
/// at once.
const BACKLOG_MAX: usize = 4096;
/// How many windows checks may wait for an event of their organization that stands for them.
const WAITS_MAX: u32 = 20;

/// How often something was counted, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Amount {
    pub(super) org: Arc<str>,
    pub(super) count: u64,
}

/// Checks of an organization for which no stored event stands yet.
#[derive(Debug)]
struct Owed {
    checks: u64,
    last: Cell,
    waited: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    /// To be added to a minute and its hour.
    minutes: Parted<Cell, Amount>,
    /// To be added to an hour only.
    hours: Parted<Cell, Amount>,
    /// Counts by the minute that are to wait in the database, a transaction's in each: of keys that lie side by side.
    backlog: Vec<Vec<(Cell, Amount)>>,
    /// How many they were when they were divided.
    backlog_in_all: usize,
    owed: HashMap<Arc<str>, Owed>,
    fresh: Vec<Captured>,
    events: VecDeque<Captured>,
    pub(super) uses: Uses,
    lost: u64,
    /// Those that were lost since the start, and told of.
    lost_in_all: u64,
}

fn add(counts: &mut Parted<Cell, Amount>, cell: Cell, amount: Amount) {
    let part = counts.part(&cell);
    match part.get_mut(&cell) {
        Some(known) => known.count = known.count.saturating_add(amount.count),
        None => drop(part.insert(cell, amount)),
    }
}

impl Pending {
    /// Takes over what a slot holds.
    pub(super) fn take(&mut self, slot: &mut Slot, pace: &Pace) {
        let now = Moment::now();
        for (number, (cell, Counted { count, org, used })) in slot.drain().enumerate() {
            if number % CELLS_PIECE == CELLS_PIECE - 1 {
                pace.rest();
            }
            match self.owed.get_mut(&org) {
                Some(owed) => (owed.checks, owed.last) = (owed.checks.saturating_add(count), cell),
                None => drop(self.owed.insert(org.clone(), Owed { checks: count, last: cell, waited: 0 })),
            }
            if let Some(used) = used {
                self.uses.add(SecretOf { key: cell.key, secret: cell.secret }, used, now);
            }
            add(&mut self.minutes, cell, Amount { org, count });
        }
        self.fresh.append(&mut slot.events);
        self.lost += std::mem::take(&mut slot.lost);
    }

    /// Lets the new events stand for all checks that were not stored, and keeps everything within its bounds. With `all`,
    /// no check is left without an event that stands for it.
    pub(super) fn settle(&mut self, events_max: usize, all: bool) {
        self.fresh.sort_by_key(|event| event.at);
        for event in &self.fresh {
            if let Some(owed) = self.owed.get_mut(&event.org) {
                owed.checks = owed.checks.saturating_sub(1);
            }
        }
        for event in self.fresh.iter_mut().rev() {
            if let Some(owed) = self.owed.get_mut(&event.org) {
                event.weight += std::mem::take(&mut owed.checks);
            }
        }
        self.events.extend(self.fresh.drain(..));
        self.owed.retain(|_, owed| owed.checks > 0);
        while self.events.len() > events_max
            && let Some(event) = self.events.pop_front()
        {
            let owed = self.owed.entry(event.org).or_insert(Owed { checks: 0, last: event.cell, waited: 0 });
            owed.checks = owed.checks.saturating_add(event.weight);
        }
        self.stand_in(if all { usize::MAX } else { events_max / 20 }, all);
        self.bound_counts();
    }

    /// Makes an event of what is known where none was stored for too long.
    fn stand_in(&mut self, limit: usize, all: bool) {
        for owed in self.owed.values_mut() {
            owed.waited = owed.waited.saturating_add(1);
        }
        let late = self.owed.iter().filter(|(_, owed)| all || owed.waited > WAITS_MAX);
        let orgs: Vec<Arc<str>> = late.map(|(org, _)| org.clone()).take(limit).collect();
        for org in orgs {
            let Some(owed) = self.owed.remove(&org) else { continue };
            self.events.push_back(Captured {
                cell: owed.last,
                org,
                at: Timestamp::from_micros(owed.last.at),
                method: String::new(),
                path: String::new(),
                address: String::new(),
                client: String::new(),
                request_id: String::new(),
                weight: owed.checks,
            });
        }
    }

    fn bound_counts(&mut self) {
        if self.minutes.len() > MINUTES_MAX {
            for (cell, amount) in self.minutes.drain() {
                let hour = Timestamp::from_micros(cell.at).floor(Step::Hour.span()).as_micros();
                let cell = Cell { at: hour, ..cell };
                if self.hours.len() < HOURS_MAX || self.hours.contains_key(&cell) {
                    add(&mut self.hours, cell, amount);
                } else {
                    self.lost = self.lost.saturating_add(amount.count);
                }
            }
        }
        if self.lost > 0 {
            let checks = std::mem::take(&mut self.lost);
            self.lost_in_all = self.lost_in_all.saturating_add(checks);
            tracing::error!(checks, "there was no memory left to count these checks in");
        }
    }

    /// How much waits, and how many checks were never counted.
    pub(super) fn depth(&self) -> (Waiting, LeftOut) {
        let backlog: usize = self.backlog.iter().map(Vec::len).sum();
        let (counts, events) = (self.minutes.len() + self.hours.len() + backlog, self.events.len());
        let waiting = Waiting { counts, events, uses: self.uses.depth(), reports: 0 };
        (waiting, LeftOut { counts: self.lost_in_all, ..LeftOut::default() })
    }

    /// Takes out up to so many counts and events, to be written.
    pub(super) fn batch(&mut self, counts_max: usize, events_max: usize, pace: &Pace) -> Batch {
        // A few are added at once, so that pages show them; very many wait in the database and are added up together.
        if self.minutes.len() > DIRECT_MAX {
            self.leave_for_later(pace);
        }
        let minutes = take_some(&mut self.minutes, counts_max);
        let hours = take_some(&mut self.hours, counts_max - minutes.len());
        let events = self.events.drain(..self.events.len().min(events_max)).collect();
        let backlog = self.backlog.pop().unwrap_or_default();
        Batch { minutes, hours, events, backlog, backlog_in_all: self.backlog_in_all }
    }

    /// Divides the counts of minutes for the backlog.
    fn leave_for_later(&mut self, pace: &Pace) {
        self.backlog_in_all = self.minutes.len();
        let stretches = self.minutes.len().div_ceil(BACKLOG_MAX);
        let first = self.backlog.len();
        self.backlog.resize_with(first + stretches, || Vec::with_capacity(BACKLOG_MAX));
        for (number, (cell, amount)) in self.minutes.drain().enumerate() {
            if number % CELLS_PIECE == CELLS_PIECE - 1 {
                pace.rest();
            }
            self.backlog[first + stretch_of(key_text(&cell.key), stretches)].push((cell, amount));
        }
        // Keys that begin alike leave some empty, and an empty batch is the end.
        self.backlog.retain(|stretch| !stretch.is_empty());
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let backlog = self.backlog.drain(..).flatten();
        for (cell, amount) in batch.minutes.into_iter().chain(batch.backlog).chain(backlog) {
            add(&mut self.minutes, cell, amount);
        }
        for (cell, amount) in batch.hours {
            add(&mut self.hours, cell, amount);
        }
        for event in batch.events.into_iter().rev() {
            self.events.push_front(event);
        }
    }
}

/// What is written in one transaction.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) minutes: Vec<(Cell, Amount)>,
    pub(super) hours: Vec<(Cell, Amount)>,
    pub(super) events: Vec<Captured>,
    /// Counts by the minute for which there is no time now.
    pub(super) backlog: Vec<(Cell, Amount)>,
    /// How many go there in this round.
    pub(super) backlog_in_all: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.minutes.is_empty() && self.hours.is_empty() && self.events.is_empty() && self.backlog.is_empty()
    }
}

fn take_some(counts: &mut Parted<Cell, Amount>, max: usize) -> Vec<(Cell, Amount)> {
    if counts.len() <= max {
        return counts.drain().collect();
    }
    let cells: Vec<Cell> = counts.keys().take(max).copied().collect();
    cells.into_iter().filter_map(|cell| counts.part(&cell).remove_entry(&cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::BASE62;
    use crate::domain::verdict::Verdict;

    #[test]
    fn very_many_counts_are_written_in_stretches_of_keys_and_none_is_lost_where_one_fails() {
        let mut pending = Pending::default();
        let many = BACKLOG_MAX * 2 + 100;
        for number in 0..many {
            let digit = |place: u32| BASE62[number / 62_usize.pow(place) % 62];
            let key = [digit(0), digit(1), digit(2), b'a', b'a', b'a', b'a', b'a'];
            let cell = Cell { key, secret: 1, at: 0, verdict: Verdict::Valid };
            add(&mut pending.minutes, cell, Amount { org: "org_a".into(), count: 2 });
        }
        let first = pending.batch(2000, 1000, &Pace::default());
        let second = pending.batch(2000, 1000, &Pace::default());
        assert_eq!(pending.depth().0.counts, many - first.backlog.len() - second.backlog.len());
        let ends = |batch: &Batch| {
            let keys = || batch.backlog.iter().map(|(cell, _)| cell.key);
            (keys().min().unwrap(), keys().max().unwrap())
        };
        assert!(ends(&second).1 < ends(&first).0, "each holds keys that lie side by side");
        assert!([&first, &second].iter().all(|batch| (many / 4..many / 2).contains(&batch.backlog.len())));

        // Keys that begin alike: all lie in one of three stretches.
        let mut alike = Pending::default();
        for number in 0..many {
            let cell = Cell { key: *b"AAAAAAAA", secret: number as i64, at: 0, verdict: Verdict::Valid };
            add(&mut alike.minutes, cell, Amount { org: "org_a".into(), count: 1 });
        }
        assert_eq!(alike.batch(2000, 1000, &Pace::default()).backlog.len(), many);
        assert!(alike.batch(2000, 1000, &Pace::default()).is_empty());

        // What is counted meanwhile is added to what comes back.
        let (cell, amount) = second.backlog[0].clone();
        add(&mut pending.minutes, cell, amount);
        let left = many - first.backlog.len();
        pending.put_back(second);
        assert_eq!((pending.minutes.len(), pending.backlog.len()), (left, 0));
        assert_eq!(pending.minutes.values_mut().map(|amount| amount.count).sum::<u64>() as usize, 2 * left + 2);
    }
}
