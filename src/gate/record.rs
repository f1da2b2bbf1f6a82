//! What is remembered of every check: exact counts, a bounded number of events, and when keys were last used.
//!
//! A check only adds to memory: each thread has a slot of its own, so no two wait for each other. One thread empties the
//! slots every half second and writes what it found, in one transaction where it is not very much. Whatever cannot be
//! written stays in memory, within bounds, and is tried again; no verdict ever depends on it.

mod allowance;
mod checkpoints;
mod networks;
mod parted;
mod pending;
mod pieces;
mod reports;
mod slot;
mod spare;
mod texts;
mod uses;
mod writer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use super::Seen;
use crate::clock::Moment;
use crate::db::reports::Report;
use crate::db::{Db, DbError, PoolError};
use crate::domain::time::Timestamp;
use crate::domain::token::KeyFormat;
use crate::domain::verdict::Verdict;
use reports::Reports;
use slot::{Budget, Slot};
use writer::Writer;

/// A check of a key that was recognised.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The characters of the key's id.
    pub key: [u8; 8],
    /// The id of its organization.
    pub org: &'a Arc<str>,
    /// Which of the key's secrets was presented: `SecretHash::tag`.
    pub secret: i64,
    /// The decision.
    pub verdict: Verdict,
    /// When it was made.
    pub at: Timestamp,
    /// What was checked.
    pub seen: &'a Seen<'a>,
}

/// How often the slots are emptied, where writing takes no longer: `kill -9` loses less than a second.
const EVERY: Duration = Duration::from_millis(500);
/// Between two rounds at least, so that others come to the database as well.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Threads beyond these share a slot.
const SLOTS: usize = 16;

/// A slot on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Apart(Mutex<Slot>);

/// Why something could not be written. It is still in memory.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// No connection.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// How much waits to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Counts.
    pub counts: usize,
    /// Events.
    pub events: usize,
    /// Last uses of secrets.
    pub uses: usize,
    /// What upstreams reported.
    pub reports: usize,
}

/// What was not written and never will be, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Checks that there was no memory to count.
    pub counts: u64,
    /// Checks that were counted, but too many for an event of their own each.
    pub events: u64,
    /// Reports whose event was looked for in vain: most likely it was not stored.
    pub reports: u64,
}

/// Remembers checks. When it goes, what it holds is written.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

struct Shared {
    slots: [Apart; SLOTS],
    budget: Budget,
    writer: Mutex<Writer>,
    reports: Mutex<Reports>,
    /// As it stood after the last writing; of reports nothing.
    depth: Mutex<(Waiting, LeftOut)>,
    stopped: Mutex<bool>,
    stop: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind a lock here is counts, which a panic elsewhere does not make wrong.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The slot of the calling thread.
fn slot_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
    }
    NUMBER.with(|number| *number)
}

impl Recorder {
    /// Writes to this database; stores up to `events_per_second` events. Keys of this format are looked for in what clients
    /// send, and never stored.
    #[must_use]
    pub fn new(db: Db, format: KeyFormat, events_per_second: u32) -> Self {
        let shared = Shared {
            slots: std::array::from_fn(|_| Apart::default()),
            budget: Budget::new(events_per_second),
            writer: Mutex::new(Writer::new(db, format, events_per_second)),
            reports: Mutex::default(),
            depth: Mutex::default(),
            stopped: Mutex::new(false),
            stop: Condvar::new(),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Begins to write regularly, on a thread of its own. Without it only `flush` writes.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(&self) -> std::io::Result<()> {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let shared = self.shared.clone();
            *thread =
                Some(std::thread::Builder::new().name("recorder".to_owned()).spawn(move || shared.write_regularly())?);
        }
        Ok(())
    }

    /// Notes a check. Never waits for the database.
    pub fn note(&self, note: &Note<'_>) {
        if let Some(slot) = self.shared.slots.get(slot_number()) {
            lock(&slot.0).note(note, &self.shared.budget);
        }
    }

    /// Takes in what upstreams report of requests, to be written with the next flush after their events. Returns how many
    /// there was room for.
    #[must_use]
    pub fn report(&self, reports: Vec<Report>) -> usize {
        lock(&self.shared.reports).add(reports)
    }

    /// Writes everything that was noted before.
    ///
    /// # Errors
    /// What could not be written stays and is tried again.
    pub fn flush(&self) -> Result<(), RecordError> {
        self.shared.write(true)
    }

    /// How much waits to be written.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting { reports: lock(&self.shared.reports).depth().0, ..lock(&self.shared.depth).0 }
    }

    /// What was not written and never will be.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        LeftOut { reports: lock(&self.shared.reports).depth().1, ..lock(&self.shared.depth).1 }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        *lock(&self.shared.stopped) = true;
        self.shared.stop.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // A thread that panicked has said so; the last flush is then made here.
            let _ = thread.join();
            if let Err(error) = self.flush() {
                tracing::warn!(%error, "the last counts could not be written");
            }
        }
    }
}

impl Shared {
    fn write_regularly(&self) {
        let (mut is_failing, mut pause) = (false, EVERY);
        let mut stopped = lock(&self.stopped);
        while !*stopped {
            let waited = self.stop.wait_timeout(stopped, pause).unwrap_or_else(PoisonError::into_inner);
            drop(waited);
            let began = Moment::now();
            match self.write(false) {
                Ok(()) if is_failing => {
                    is_failing = false;
                    tracing::info!("counts and events are written again");
                }
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::warn!(%error, "counts and events cannot be written; they are kept in memory");
                }
                Ok(()) | Err(_) => {}
            }
            // What is noted while a round is written waits for the rest of it, and must not wait for a whole pause besides.
            pause = EVERY.saturating_sub(began.elapsed()).max(PAUSE_MIN);
            stopped = lock(&self.stopped);
        }
    }

    fn write(&self, all: bool) -> Result<(), RecordError> {
        let mut writer = lock(&self.writer);
        writer.pace.begin(all);
        for (number, slot) in self.slots.iter().enumerate() {
            writer.take(number, &slot.0, &self.budget);
        }
        if writer.depth().0 != Waiting::default() {
            writer.pace.rest();
        }
        writer.settle(all);
        self.budget.refill();
        let mut result = writer.write(all);
        if result.is_ok() {
            result = writer.write_networks(all);
        }
        if result.is_ok() {
            result = writer.write_reports(&self.reports);
        }
        if !all && result.is_ok() {
            result = writer.work_off();
        }
        *lock(&self.depth) = writer.depth();
        result
    }
}
