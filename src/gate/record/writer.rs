//! Writing what was noted: one transaction for counts and events, so that both are there or neither.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::networks::Networks;
use super::pending::{Amount, Batch, Pending};
use super::reports::{self, Reports};
use super::slot::{Budget, Captured, Cell, Slot, Used};
use super::{LeftOut, RecordError, Waiting, lock};
use crate::clock::Moment;
use crate::db::events::Event;
use crate::db::usage::{Count, Step};
use crate::db::{self, Conn, Db};
use crate::domain::ids::{KeyId, OrgId};
use crate::domain::sent::{ADDRESS, CLIENT, METHOD, PATH, REQUEST_ID, harmless};
use crate::domain::time::Timestamp;
use crate::domain::token::KeyFormat;
use crate::domain::verdict::Verdict;

/// Counts per transaction at most: some 30 ms, in which SQLite lets nobody else write.
const COUNTS_MAX: usize = 2000;
/// Events per transaction at most.
const EVENTS_MAX: usize = 1000;
/// Uses per round at most.
const USES_MAX: usize = 1000;
/// Room of a slot that is kept although it is empty.
const ROOM_MAX: usize = 16_384;
/// Rows of the backlog that are added up at once at most.
const BACKLOG_ROWS_MAX: i64 = 200;
/// So many rounds after the backlog was found empty it is looked at again: another process may have left something.
const BACKLOG_LOOKS: u32 = 120;
/// So many rounds are added up together while much is going on: ten seconds.
const BACKLOG_EVERY: u32 = 20;

pub(super) struct Writer {
    db: Db,
    format: KeyFormat,
    /// Events that wait at most.
    events_max: usize,
    pending: Pending,
    spare: Slot,
    networks: Networks,
    /// Rounds until the backlog is looked at.
    until_backlog: u32,
    /// Checks that share the event of another, as far as that is written.
    not_stored: u64,
}

fn key_text(key: &[u8; 8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

impl Writer {
    pub(super) fn new(db: Db, format: KeyFormat, events_per_second: u32) -> Self {
        let events_max = (events_per_second as usize).saturating_mul(10).clamp(100, 50_000);
        let (pending, spare, networks) = (Pending::default(), Slot::default(), Networks::default());
        Self { db, format, events_max, pending, spare, networks, until_backlog: 0, not_stored: 0 }
    }

    /// Takes over what a slot holds. Its lock is held only while it is exchanged for an empty one.
    pub(super) fn take(&mut self, slot: &Mutex<Slot>, budget: &Budget) {
        {
            let mut slot = lock(slot);
            if slot.is_empty() {
                return;
            }
            std::mem::swap(&mut *slot, &mut self.spare);
        }
        self.spare.close(budget);
        budget.give_back_cells(self.spare.cells.len());
        self.pending.take(&mut self.spare);
        if self.spare.cells.capacity() > ROOM_MAX {
            self.spare = Slot::default();
        }
    }

    pub(super) fn settle(&mut self, all: bool) {
        self.pending.settle(self.events_max, all);
    }

    pub(super) fn depth(&self) -> (Waiting, LeftOut) {
        let (waiting, left_out) = self.pending.depth();
        (waiting, LeftOut { events: self.not_stored, ..left_out })
    }

    /// Writes all that waits, in as many transactions as it takes.
    pub(super) fn write(&mut self, all: bool) -> Result<(), RecordError> {
        loop {
            let batch = self.pending.batch(COUNTS_MAX, EVENTS_MAX);
            if batch.is_empty() {
                break;
            }
            if !batch.backlog.is_empty() {
                self.until_backlog = self.until_backlog.min(BACKLOG_EVERY);
            }
            if let Err(error) = self.store(&batch) {
                self.pending.put_back(batch);
                return Err(error);
            }
            for event in batch.events.iter().filter(|event| event.cell.verdict == Verdict::Valid) {
                self.networks.note(event.cell.key, &event.address, event.at);
            }
            let shared = batch.events.iter().map(|event| event.weight.saturating_sub(1));
            self.not_stored = shared.fold(self.not_stored, u64::saturating_add);
        }
        self.write_uses(all)
    }

    /// Notes from which networks keys were used that were not used from there before.
    pub(super) fn write_networks(&mut self) -> Result<(), RecordError> {
        let uses = self.networks.take();
        if uses.is_empty() {
            return Ok(());
        }
        let written: Result<(), RecordError> =
            self.db.run(|conn| Ok(db::alerts::sweeps::insert_networks(conn, &uses)?));
        if written.is_err() {
            self.networks.put_back(uses);
        }
        written
    }

    /// Notes what upstreams reported of what is written.
    pub(super) fn write_reports(&self, waiting: &Mutex<Reports>) -> Result<(), RecordError> {
        reports::write(&self.db, waiting)
    }

    fn store(&self, batch: &Batch) -> Result<(), RecordError> {
        let mut hours: Vec<Count<'_>> = batch.minutes.iter().map(count).collect();
        let minutes = hours.clone();
        hours.extend(batch.hours.iter().map(count));
        let backlog = backlog_rows(&batch.backlog);
        let mut events: Vec<Event> = batch.events.iter().map(|captured| self.event(captured)).collect();
        self.db.run(|conn| {
            db::write(conn, |conn| {
                db::events::bound_waiting(conn)?;
                let numbers = i64::try_from(events.len() + backlog.len()).unwrap_or_default();
                let before = db::events::take_numbers(conn, numbers)?;
                db::usage::add_counts(conn, Step::Minute, &minutes)?;
                db::usage::add_counts(conn, Step::Hour, &hours)?;
                db::backlog::insert_backlog(conn, &backlog, before)?;
                let before = before + i64::try_from(backlog.len()).unwrap_or_default();
                db::events::insert_events(conn, &mut events, before)?;
                Ok(())
            })
        })
    }

    /// Adds up some of the backlog, where there is any: as many counts as one round may add.
    pub(super) fn work_off(&mut self) -> Result<(), RecordError> {
        if self.until_backlog > 0 {
            self.until_backlog -= 1;
            return Ok(());
        }
        let mut added = 0;
        while added < COUNTS_MAX {
            let worked_off = self.db.run(|conn| -> Result<Option<usize>, RecordError> {
                let Some(part) = db::backlog::find_oldest_part(conn)? else { return Ok(None) };
                db::write(conn, |conn| work_off_part(conn, part)).map(Some)
            })?;
            match worked_off {
                Some(counts) => added += counts.max(1),
                None => {
                    self.until_backlog = BACKLOG_LOOKS;
                    break;
                }
            }
        }
        Ok(())
    }

    fn event(&self, captured: &Captured) -> Event {
        let harmless = |text: &str, bytes| harmless(text, bytes, &self.format);
        Event {
            seq: 0,
            at: captured.at,
            org: OrgId(captured.org.to_string()),
            key: KeyId(key_text(&captured.cell.key).to_owned()),
            secret: captured.cell.secret,
            method: harmless(&captured.method, METHOD),
            path: harmless(&captured.path, PATH),
            outcome: captured.cell.verdict.code().to_owned(),
            status: refusal_status(captured.cell.verdict),
            duration_ms: None,
            address: harmless(&captured.address, ADDRESS),
            client: harmless(&captured.client, CLIENT),
            request_id: harmless(&captured.request_id, REQUEST_ID),
            weight: i64::try_from(captured.weight).unwrap_or(i64::MAX),
            reported_seq: None,
        }
    }

    fn write_uses(&mut self, all: bool) -> Result<(), RecordError> {
        loop {
            let now = Moment::now();
            let due = self.pending.due_uses(USES_MAX, all, now);
            if due.is_empty() {
                return Ok(());
            }
            let uses: Vec<db::keys::Used> =
                due.iter().map(|((key, secret), used)| self.used(key, *secret, used)).collect();
            let written: Result<(), RecordError> = self.db.run(|conn| Ok(db::keys::mark_used(conn, &uses)?));
            match written {
                Ok(()) => {
                    for ((key, _), used) in &due {
                        self.networks.note(*key, used.address(), used.last);
                    }
                    self.pending.uses_written(&due, now);
                }
                Err(error) => {
                    self.pending.put_back_uses(due);
                    return Err(error);
                }
            }
            if !all {
                return Ok(());
            }
        }
    }

    fn used(&self, key: &[u8; 8], secret: i64, used: &Used) -> db::keys::Used {
        db::keys::Used {
            key: key_text(key).to_owned(),
            secret,
            first: used.first,
            last: used.last,
            address: harmless(used.address(), ADDRESS, &self.format),
            client: harmless(used.client(), CLIENT, &self.format),
        }
    }
}

/// Adds up the counts of a part, as many as one transaction may add; the others are put back as one row. Returns how many.
fn work_off_part(conn: &mut Conn, part: u8) -> Result<usize, RecordError> {
    db::events::bound_waiting(conn)?;
    let before = db::events::take_numbers(conn, 1)?;
    let rows = db::backlog::take_backlog(conn, part, BACKLOG_ROWS_MAX)?;
    let mut sums: BTreeMap<(&str, Timestamp, i64, &str, &str), i64> = BTreeMap::new();
    for count in rows.iter().flat_map(|row| db::backlog::decode(row)) {
        *sums.entry((count.key, count.at, count.secret, count.outcome, count.org)).or_default() += count.count;
    }
    let sum = |((key, at, secret, outcome, org), count)| Count { key, at, secret, outcome, org, count };
    let counts: Vec<Count<'_>> = sums.into_iter().map(sum).collect();
    let (now, later) = counts.split_at(counts.len().min(COUNTS_MAX));
    db::usage::add_counts(conn, Step::Minute, now)?;
    db::usage::add_counts(conn, Step::Hour, now)?;
    if !later.is_empty() {
        db::backlog::insert_backlog(conn, &[(part, db::backlog::encode(later))], before)?;
    }
    Ok(now.len())
}

/// The rows of the backlog for these counts: those of a key always lie in the same part.
fn backlog_rows(counts: &[(Cell, Amount)]) -> Vec<(u8, String)> {
    let mut parts: BTreeMap<u8, Vec<Count<'_>>> = BTreeMap::new();
    for entry in counts {
        let part =
            entry.0.key.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)) % db::backlog::PARTS;
        parts.entry(part).or_default().push(count(entry));
    }
    parts.into_iter().map(|(part, counts)| (part, db::backlog::encode(&counts))).collect()
}

fn count((cell, amount): &(Cell, Amount)) -> Count<'_> {
    Count {
        key: key_text(&cell.key),
        at: Timestamp::from_micros(cell.at),
        secret: cell.secret,
        outcome: cell.verdict.code(),
        org: &amount.org,
        count: i64::try_from(amount.count).unwrap_or(i64::MAX),
    }
}

/// What the holder of a refused key is answered with.
fn refusal_status(verdict: Verdict) -> Option<i64> {
    match verdict {
        Verdict::Valid => None,
        Verdict::PlanRequired | Verdict::RoleTooLow => Some(403),
        Verdict::RateLimited => Some(429),
        _ => Some(401),
    }
}
