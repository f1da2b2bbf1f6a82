//! What the checks of one thread left since the slot was last emptied.

use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::Note;
use super::parted::Parted;
use super::texts::{Text, Texts};
use crate::domain::sent::{ADDRESS, CLIENT, METHOD, PATH, REQUEST_ID, beginning, without_query};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// So many first events of a key and verdict, from each slot, may be stored from what is kept back for them.
const EARLY: u64 = 4;
/// So many checks are remembered one after the other before they are counted.
const LOG_MAX: usize = 256;
/// Counts in all slots together at most: some 100 MB, without their texts. Empty room comes on top, for as long as `Spare` keeps it.
const CELLS_MAX: i64 = 1_000_000;
const MINUTE: i64 = 60_000_000;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) key: [u8; 8],
    pub(super) secret: i64,
    /// The start of the minute.
    pub(super) at: i64,
    pub(super) verdict: Verdict,
}

impl Hash for Cell {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.key));
        state.write_u64(self.secret.cast_unsigned() ^ self.at.cast_unsigned().rotate_left(20) ^ self.verdict as u64);
    }
}

/// A secret by its key and `SecretHash::tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretOf {
    pub(super) key: [u8; 8],
    pub(super) secret: i64,
}

impl Hash for SecretOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.key));
        state.write_u64(self.secret.cast_unsigned());
    }
}

/// What was counted in a cell.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) count: u64,
    pub(super) org: Arc<str>,
    /// Only where it was let in.
    pub(super) used: Option<Used>,
}

/// The same while it is counted.
#[derive(Debug)]
struct Tally {
    count: u64,
    org: Arc<str>,
    used: Option<InSlot>,
}

/// The same as [`Used`]. It only says where address and client stand: to look at them for each check, which is far away, or
/// to ask for memory for each cell, took longer than to count.
#[derive(Debug)]
struct InSlot {
    first: Timestamp,
    last: Timestamp,
    text: Text,
}

/// When a secret was let in, and from where last.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Address and client in one text, which takes one allocation.
    text: String,
    address_bytes: usize,
}

impl Used {
    pub(super) fn new((first, last): (Timestamp, Timestamp), (address, client): (&str, &str)) -> Self {
        Self { first, last, text: [address, client].concat(), address_bytes: address.len() }
    }

    /// Takes over what another slot saw of the same secret.
    pub(super) fn merge(&mut self, mut other: Self) {
        other.first = other.first.min(self.first);
        if other.last >= self.last {
            *self = other;
        } else {
            self.first = other.first;
        }
    }

    pub(super) fn address(&self) -> &str {
        self.text.get(..self.address_bytes).unwrap_or_default()
    }

    pub(super) fn client(&self) -> &str {
        self.text.get(self.address_bytes..).unwrap_or_default()
    }
}

/// An event that will be stored.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) cell: Cell,
    pub(super) org: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) address: String,
    pub(super) client: String,
    pub(super) request_id: String,
    pub(super) weight: u64,
}

impl Captured {
    fn new(note: &Note<'_>, cell: Cell) -> Self {
        let seen = note.seen;
        Self {
            cell,
            org: note.org.clone(),
            at: note.at,
            method: beginning(seen.method, METHOD).to_owned(),
            path: beginning(without_query(seen.path), PATH).to_owned(),
            address: beginning(seen.address, ADDRESS).to_owned(),
            client: beginning(seen.client, CLIENT).to_owned(),
            request_id: beginning(seen.request_id, REQUEST_ID).to_owned(),
            weight: 1,
        }
    }
}

/// How much may be kept until the slots are emptied the next time, by all threads together.
#[derive(Debug)]
pub(super) struct Budget {
    per_window: i64,
    /// For the first events of a key.
    early: AtomicI64,
    /// For any.
    any: AtomicI64,
    cells: AtomicI64,
}

fn take_one(pool: &AtomicI64) -> bool {
    // Looked at first: once it is empty nobody writes to it, so that it stays in every core's cache.
    pool.load(Ordering::Relaxed) > 0 && pool.fetch_sub(1, Ordering::Relaxed) > 0
}

impl Budget {
    pub(super) fn new(events_per_second: u32) -> Self {
        let budget = Self {
            per_window: (i64::from(events_per_second) + 1) / 2,
            early: AtomicI64::new(0),
            any: AtomicI64::new(0),
            cells: AtomicI64::new(CELLS_MAX),
        };
        budget.refill();
        budget
    }

    /// A new window begins.
    pub(super) fn refill(&self) {
        let early = self.per_window / 5;
        self.early.store(early, Ordering::Relaxed);
        self.any.store(self.per_window - early, Ordering::Relaxed);
    }

    pub(super) fn give_back_cells(&self, count: usize) {
        self.cells.fetch_add(i64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
    }
}

/// A check that is not counted yet.
#[derive(Debug)]
struct Logged {
    key: [u8; 8],
    secret: i64,
    at: Timestamp,
    org: Arc<str>,
    verdict: Verdict,
    text: Text,
}

/// A check is written behind the one before, and counted with some others later: all keys' counts do not fit into near memory, and
/// a look into far memory takes as long as a good part of a check. Looks for checks that have nothing to do with each other overlap.
#[derive(Debug, Default)]
pub(super) struct Slot {
    log: Vec<Logged>,
    texts: Texts,
    cells: Parted<Cell, Tally>,
    pub(super) events: Vec<Captured>,
    /// Checks for which there was no room at all.
    pub(super) lost: u64,
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.log.is_empty() && self.cells.is_empty() && self.lost == 0
    }

    pub(super) fn note(&mut self, note: &Note<'_>, budget: &Budget) {
        let Note { key, secret, at, verdict, seen, .. } = *note;
        let text = match verdict {
            Verdict::Valid => self.texts.put((beginning(seen.address, ADDRESS), beginning(seen.client, CLIENT))),
            _ => Text::default(),
        };
        self.log.push(Logged { key, secret, at, org: note.org.clone(), verdict, text });
        if take_one(&budget.any) || self.is_early(cell_of(key, secret, at, verdict), budget) {
            self.events.push(Captured::new(note, cell_of(key, secret, at, verdict)));
        }
        if self.log.len() >= LOG_MAX {
            self.count(budget);
        }
    }

    /// Whether this is one of the first of its cell, and there is an event left for those.
    fn is_early(&mut self, cell: Cell, budget: &Budget) -> bool {
        if budget.early.load(Ordering::Relaxed) <= 0 {
            return false;
        }
        self.count(budget);
        let tally = self.cells.part(&cell).get(&cell);
        tally.is_some_and(|tally| tally.count <= EARLY) && take_one(&budget.early)
    }

    /// Counts the last, and forgets events of checks that there was no room to count: none is there without the other.
    pub(super) fn close(&mut self, budget: &Budget) {
        self.count(budget);
        if self.lost > 0 {
            let Self { cells, events, .. } = self;
            events.retain(|event| cells.contains_key(&event.cell));
        }
    }

    /// Counts what was only written down.
    fn count(&mut self, budget: &Budget) {
        for Logged { key, secret, at, org, verdict, text } in self.log.drain(..) {
            let cell = cell_of(key, secret, at, verdict);
            let tally = match self.cells.part(&cell).entry(cell) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(_) if !take_one(&budget.cells) => {
                    self.lost += 1;
                    continue;
                }
                Entry::Vacant(entry) => entry.insert(Tally { count: 0, org, used: None }),
            };
            tally.count += 1;
            if verdict == Verdict::Valid {
                let used = tally.used.get_or_insert(InSlot { first: at, last: at, text });
                used.first = used.first.min(at);
                if at >= used.last {
                    (used.last, used.text) = (at, text);
                }
            }
        }
        if self.texts.are_many() {
            // The log is empty: nothing else names any.
            let used = self.cells.values_mut().filter_map(|tally| tally.used.as_mut());
            self.texts.keep(used.map(|used| &mut used.text));
        }
    }

    /// Takes out what was counted.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Cell, Counted)> {
        let Self { cells, texts, .. } = self;
        cells.drain().map(|(cell, Tally { count, org, used })| {
            let used = used.map(|used| Used::new((used.first, used.last), texts.get(used.text)));
            (cell, Counted { count, org, used })
        })
    }

    /// Forgets all, and gives the room for it back where asked to.
    pub(super) fn begin_anew(&mut self, gives_back: bool) {
        if gives_back {
            *self = Self::default();
        }
        self.log.clear();
        self.cells.clear();
        self.texts.begin_anew();
    }

    /// How many counts there is room for.
    pub(super) fn room(&self) -> usize {
        self.cells.capacity()
    }

    /// How many counts there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }
}

fn cell_of(key: [u8; 8], secret: i64, at: Timestamp, verdict: Verdict) -> Cell {
    let micros = at.as_micros();
    Cell { key, secret, at: micros - micros.rem_euclid(MINUTE), verdict }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::Seen;
    use super::*;

    /// The first seven keys are used a few times, seven others very often, each time from somewhere else.
    #[test]
    fn each_key_was_last_used_from_where_it_was() {
        let (budget, org, mut slot) = (Budget::new(0), Arc::<str>::from("org_acme"), Slot::default());
        let client = |round: i64, number: i64| format!("{number:0250} {round}");
        let key = |number: i64| if number < 70 { number % 7 } else { 7 + number % 7 };
        // More than there is room for, so that those that no key names any more are left out several times.
        let many = 7 * 8000;
        for round in 0..2 {
            for number in 0..many {
                let (client, at) = (client(round, number), Timestamp::from_micros(number));
                let seen = Seen { address: "192.0.2.1", client: &client, ..Seen::default() };
                let key = key(number).to_le_bytes();
                slot.note(&Note { key, org: &org, secret: 0, verdict: Verdict::Valid, at, seen: &seen }, &budget);
                assert!(!slot.log.is_empty() || !slot.texts.are_many());
            }
            slot.close(&budget);
            let used: HashMap<[u8; 8], Counted> = slot.drain().map(|(cell, counted)| (cell.key, counted)).collect();
            slot.begin_anew(false);
            assert_eq!(used.len(), 14);
            for last in (63..70).chain(many - 7..many) {
                let first = if last < 70 { last % 7 } else { 70 + last % 7 };
                let used = used[&key(last).to_le_bytes()].used.as_ref().unwrap();
                assert_eq!((used.first.as_micros(), used.last.as_micros()), (first, last));
                assert_eq!((used.address(), used.client()), ("192.0.2.1", &*client(round, last)));
            }
        }
    }

    #[test]
    fn a_check_that_there_is_no_room_to_count_leaves_no_event() {
        let (budget, org, seen) = (Budget::new(100), Arc::<str>::from("org_acme"), Seen::default());
        budget.cells.store(1, Ordering::Relaxed);
        let (mut slot, at) = (Slot::default(), Timestamp::from_micros(0));
        for key in [*b"AAAAAAAA", *b"BBBBBBBB"] {
            slot.note(&Note { key, org: &org, secret: 0, verdict: Verdict::Revoked, at, seen: &seen }, &budget);
        }
        slot.close(&budget);
        assert_eq!((slot.cells.len(), slot.lost, slot.events.len()), (1, 1, 1));
    }
}
