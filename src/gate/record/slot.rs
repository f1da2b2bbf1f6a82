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

/// So many first events of a key and verdict, from each slot, may be stored from what is kept back for them.
const EARLY: u64 = 4;
/// So many checks are remembered one after the other before they are counted.
const LOG_MAX: usize = 256;
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
    /// `text` is address and client.
    pub(super) fn new(at: Timestamp, text: &str, address_bytes: usize) -> Self {
        Self { first: at, last: at, text: text.to_owned(), address_bytes }
    }

    fn add(&mut self, at: Timestamp, text: &str, address_bytes: usize) {
        self.first = self.first.min(at);
        if at < self.last {
            return;
        }
        self.last = at;
        if self.text != text {
            self.text.clear();
            self.text.push_str(text);
        }
        self.address_bytes = address_bytes;
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

/// Address and client, one behind the other in the slot's texts.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    begin: usize,
    address_bytes: usize,
    bytes: usize,
}

/// A check is written behind the one before, and counted with some others later: all keys' counts do not fit into near memory, and
/// a look into far memory takes as long as a good part of a check. Looks for checks that have nothing to do with each other overlap.
#[derive(Debug, Default)]
pub(super) struct Slot {
    log: Vec<Logged>,
    texts: String,
    last_text: Text,
    pub(super) cells: Cells<Cell, Tally>,
    pub(super) events: Vec<Captured>,
    /// Checks for which there was no room at all.
    pub(super) lost: u64,
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.log.is_empty() && self.cells.is_empty() && self.lost == 0
    }

    pub(super) fn note(&mut self, note: &Note<'_>, budget: &Budget) {
        let text = if note.verdict == Verdict::Valid { self.text_of(note) } else { Text::default() };
        let Note { key, secret, at, verdict, .. } = *note;
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
        self.cells.get(&cell).is_some_and(|tally| tally.count <= EARLY) && take_one(&budget.early)
    }

    /// Where address and client stand; most often they are those of the check before.
    fn text_of(&mut self, note: &Note<'_>) -> Text {
        let (address, client) = (beginning(note.seen.address, ADDRESS), beginning(note.seen.client, CLIENT));
        let Text { begin, address_bytes, bytes } = self.last_text;
        let (known_address, known_client) = self.texts[begin..begin + bytes].split_at(address_bytes);
        if known_address != address || known_client != client {
            let (begin, bytes) = (self.texts.len(), address.len() + client.len());
            self.last_text = Text { begin, address_bytes: address.len(), bytes };
            self.texts.push_str(address);
            self.texts.push_str(client);
        }
        self.last_text
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
            let tally = match self.cells.entry(cell_of(key, secret, at, verdict)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(_) if !take_one(&budget.cells) => {
                    self.lost += 1;
                    continue;
                }
                Entry::Vacant(entry) => entry.insert(Tally { count: 0, org, used: None }),
            };
            tally.count += 1;
            if verdict == Verdict::Valid {
                let Text { begin, address_bytes, bytes } = text;
                let text = &self.texts[begin..begin + bytes];
                match &mut tally.used {
                    Some(used) => used.add(at, text, address_bytes),
                    None => tally.used = Some(Used::new(at, text, address_bytes)),
                }
            }
        }
        self.texts.clear();
        self.last_text = Text::default();
    }
}

fn cell_of(key: [u8; 8], secret: i64, at: Timestamp, verdict: Verdict) -> Cell {
    let micros = at.as_micros();
    Cell { key, secret, at: micros - micros.rem_euclid(MINUTE), verdict }
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::*;

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
