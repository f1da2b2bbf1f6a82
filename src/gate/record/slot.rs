//! What the checks of one thread left since the slot was last emptied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::Note;
use crate::domain::sent::{ADDRESS, CLIENT, METHOD, PATH, REQUEST_ID, beginning, without_query};
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// So many first events of a key and verdict are stored from each slot before the loud ones get any more.
const EARLY: u64 = 4;
/// Counts in all slots together at most: some 100 MB.
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

/// A hash for ids and hashes that this server chose at random itself: nobody can make them collide on purpose.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

pub(super) type Cells<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

/// What was counted in a cell.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    pub(super) org: Arc<str>,
    /// Only where it was let in.
    pub(super) used: Option<Used>,
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
    fn new(note: &Note<'_>) -> Self {
        let mut used = Self { first: note.at, last: note.at, text: String::new(), address_bytes: 0 };
        used.put(note);
        used
    }

    fn put(&mut self, note: &Note<'_>) {
        let (address, client) = (beginning(note.seen.address, ADDRESS), beginning(note.seen.client, CLIENT));
        if self.address() != address || self.client() != client {
            self.text.clear();
            self.text.reserve(address.len() + client.len());
            self.text.push_str(address);
            self.text.push_str(client);
            self.address_bytes = address.len();
        }
    }

    fn add(&mut self, note: &Note<'_>) {
        self.first = self.first.min(note.at);
        if note.at >= self.last {
            self.last = note.at;
            self.put(note);
        }
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

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) cells: Cells<Cell, Tally>,
    pub(super) events: Vec<Captured>,
    /// Checks for which there was no room at all.
    pub(super) lost: u64,
}

impl Slot {
    pub(super) fn note(&mut self, note: &Note<'_>, budget: &Budget) {
        let micros = note.at.as_micros();
        let cell =
            Cell { key: note.key, secret: note.secret, at: micros - micros.rem_euclid(MINUTE), verdict: note.verdict };
        let tally = match self.cells.entry(cell) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(_) if !take_one(&budget.cells) => {
                self.lost += 1;
                return;
            }
            Entry::Vacant(entry) => entry.insert(Tally { count: 0, org: note.org.clone(), used: None }),
        };
        tally.count += 1;
        if note.verdict == Verdict::Valid {
            match &mut tally.used {
                Some(used) => used.add(note),
                None => tally.used = Some(Used::new(note)),
            }
        }
        if (tally.count <= EARLY && take_one(&budget.early)) || take_one(&budget.any) {
            self.events.push(Captured::new(note, cell));
        }
    }
}
