//! What was taken from the slots and is not written yet, within bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::pieces::{CELLS_PIECE, Pace};
use super::slot::{Captured, Cell, Cells, Counted, SecretOf, Slot};
use super::uses::Uses;
use super::{LeftOut, Waiting};
use crate::clock::Moment;
use crate::db::usage::Step;
use crate::domain::time::Timestamp;

/// Counts by the minute at most; beyond that they are merged by the hour.
const MINUTES_MAX: usize = 500_000;
/// Counts by the hour at most.
const HOURS_MAX: usize = 1_000_000;
/// Different counts of half a second that are added to the tables at once at most.
const DIRECT_MAX: usize = 256;
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
    minutes: Cells<Cell, Amount>,
    /// To be added to an hour only.
    hours: Cells<Cell, Amount>,
    owed: HashMap<Arc<str>, Owed>,
    fresh: Vec<Captured>,
    events: VecDeque<Captured>,
    pub(super) uses: Uses,
    lost: u64,
    /// Those that were lost since the start, and told of.
    lost_in_all: u64,
}

fn add(counts: &mut Cells<Cell, Amount>, cell: Cell, amount: Amount) {
    match counts.get_mut(&cell) {
        Some(known) => known.count = known.count.saturating_add(amount.count),
        None => drop(counts.insert(cell, amount)),
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
        let (counts, events) = (self.minutes.len() + self.hours.len(), self.events.len());
        let waiting = Waiting { counts, events, uses: self.uses.depth(), reports: 0 };
        (waiting, LeftOut { counts: self.lost_in_all, ..LeftOut::default() })
    }

    /// Takes out up to so many counts and events, to be written.
    pub(super) fn batch(&mut self, counts_max: usize, events_max: usize) -> Batch {
        // A few are added at once, so that pages show them; very many wait in the database and are added up together.
        let is_busy = self.minutes.len() > DIRECT_MAX;
        let minutes = if is_busy { Vec::new() } else { take_some(&mut self.minutes, counts_max) };
        let hours = take_some(&mut self.hours, counts_max - minutes.len());
        let events = self.events.drain(..self.events.len().min(events_max)).collect();
        let backlog = if is_busy { self.minutes.drain().collect() } else { Vec::new() };
        Batch { minutes, hours, events, backlog }
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&mut self, batch: Batch) {
        for (cell, amount) in batch.minutes.into_iter().chain(batch.backlog) {
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
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.minutes.is_empty() && self.hours.is_empty() && self.events.is_empty() && self.backlog.is_empty()
    }
}

fn take_some(counts: &mut Cells<Cell, Amount>, max: usize) -> Vec<(Cell, Amount)> {
    if counts.len() <= max {
        return counts.drain().collect();
    }
    let cells: Vec<Cell> = counts.keys().take(max).copied().collect();
    cells.into_iter().filter_map(|cell| counts.remove_entry(&cell)).collect()
}
