//! Writing what was noted: one transaction for counts and events, so that both are there or neither. Where very many keys are used
//! it takes several, in each of which some of the counts are.

use std::sync::Mutex;
use std::time::Duration;

use super::allowance::Allowance;
use super::checkpoints::Checkpoints;
use super::networks::Networks;
use super::pending::{Amount, Batch, Pending};
use super::pieces::{self, BACKLOG_READ, EVENTS_MADE, Pace};
use super::reports::{self, Reports};
use super::slot::{Budget, Captured, Cell, SecretOf, Slot, Used};
use super::spare::Spare;
use super::{LeftOut, RecordError, SLOTS, Waiting};
use crate::clock::Moment;
use crate::db::events::Event;
use crate::db::usage::{Count, Step, in_order};
use crate::db::{self, Conn, Db};
use crate::domain::ids::{KeyId, OrgId};
use crate::domain::sent::{ADDRESS, CLIENT, METHOD, PATH, REQUEST_ID, harmless};
use crate::domain::time::{Span, Timestamp};
use crate::domain::token::KeyFormat;
use crate::domain::verdict::Verdict;

/// Counts per transaction at most: some 30 ms, and a fifth of a second of rests at most. SQLite lets nobody else write meanwhile; of
/// a usual round it is a hundredth of a second.
const COUNTS_MAX: usize = 2000;
/// Events per transaction at most.
const EVENTS_MAX: usize = 1000;
/// Uses per transaction at most: most of the time that a few take is one wait for the disk.
const USES_MAX: usize = 500;
/// The same on SQLite where others are to be let run between: the end of a transaction writes each page that it changed, two for
/// most keys, all at once.
const USES_PIECE: usize = 16;
/// The same where some have waited for too long, as they do on a slow disk.
const USES_PIECE_LATE: usize = 128;
/// Networks per round at most. On SQLite they are written in as small pieces as uses.
const NETWORKS_MAX: usize = 256;
/// Rows of a part of the backlog that are added up at once at most: those of 100 seconds, where one server runs.
const BACKLOG_ROWS_MAX: usize = 200;
/// What is added up together with counts that are this much younger has waited for too long.
const BACKLOG_AGE_MAX: Span = Span::minutes(2);
/// So many rounds after the backlog was found empty it is looked at again: another process may have left something.
const BACKLOG_LOOKS: u32 = 120;
/// So many rounds are added up together while much is going on, because a key's counts of a minute are then one: half a minute.
const BACKLOG_EVERY: u32 = 60;

pub(super) struct Writer {
    /// How others are let run meanwhile.
    pub(super) pace: Pace,
    db: Db,
    format: KeyFormat,
    /// Events that wait at most.
    events_max: usize,
    pending: Pending,
    spares: [Spare; SLOTS],
    networks: Networks,
    /// Whether more keys were used in the last round than can be written one by one.
    is_busy: bool,
    for_uses: Allowance,
    for_backlog: Allowance,
    /// Rounds until the backlog is looked at.
    until_backlog: u32,
    /// The last row that is added up for now while very many keys are used: what comes meanwhile waits, so that much of it
    /// is added up together.
    backlog_end: Option<i64>,
    /// No row of the backlog has a smaller number.
    backlog_from: i64,
    /// Whether the backlog has waited for too long.
    is_behind: bool,
    /// Checks that share the event of another, as far as that is written.
    not_stored: u64,
    checkpoints: Checkpoints,
}

pub(super) fn key_text(key: &[u8; 8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

impl Writer {
    pub(super) fn new(db: Db, format: KeyFormat, events_per_second: u32) -> Self {
        let events_max = (events_per_second as usize).saturating_mul(10).clamp(100, 50_000);
        Self {
            pace: Pace::default(),
            db,
            format,
            events_max,
            pending: Pending::default(),
            spares: std::array::from_fn(|_| Spare::default()),
            networks: Networks::default(),
            is_busy: false,
            for_uses: Allowance::default(),
            for_backlog: Allowance::default(),
            until_backlog: 0,
            backlog_end: None,
            backlog_from: 0,
            is_behind: false,
            not_stored: 0,
            checkpoints: Checkpoints::default(),
        }
    }

    /// Takes over what the slot of this number holds.
    pub(super) fn take(&mut self, number: usize, slot: &Mutex<Slot>, budget: &Budget) {
        if let Some(spare) = self.spares.get_mut(number) {
            spare.take(slot, budget, |slot| self.pending.take(slot, &self.pace));
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
        self.is_busy = false;
        loop {
            let batch = self.pending.batch(COUNTS_MAX, EVENTS_MAX, &self.pace);
            if batch.is_empty() {
                break;
            }
            if !batch.backlog.is_empty() {
                self.is_busy = true;
                self.until_backlog = self.until_backlog.min(BACKLOG_EVERY);
            }
            if let Err(error) = self.store(&batch) {
                self.pending.put_back(batch);
                return Err(error);
            }
            self.pace.rest();
            let rows = batch.minutes.len() + batch.events.len() + batch.backlog.len();
            self.checkpoints.after(rows, &self.db, &self.pace);
            for event in batch.events.iter().filter(|event| event.cell.verdict == Verdict::Valid) {
                self.networks.note(event.cell.key, &event.address, event.at);
            }
            let shared = batch.events.iter().map(|event| event.weight.saturating_sub(1));
            self.not_stored = shared.fold(self.not_stored, u64::saturating_add);
        }
        self.write_uses(all)
    }

    /// Notes from which networks keys were used that were not used from there before.
    pub(super) fn write_networks(&mut self, all: bool) -> Result<(), RecordError> {
        let mut left = if all { usize::MAX } else { NETWORKS_MAX };
        let piece = if all || !self.db.is_sqlite() { USES_MAX } else { USES_PIECE };
        loop {
            let uses = self.networks.take(piece.min(left));
            left -= uses.len();
            if uses.is_empty() {
                return Ok(());
            }
            self.pace.rest();
            let written: Result<(), RecordError> =
                self.db.run(|conn| Ok(db::alerts::sweeps::insert_networks(conn, &uses)?));
            if let Err(error) = written {
                self.networks.put_back(uses);
                return Err(error);
            }
            self.checkpoints.after(uses.len(), &self.db, &self.pace);
        }
    }

    /// Notes what upstreams reported of what is written.
    pub(super) fn write_reports(&self, waiting: &Mutex<Reports>) -> Result<(), RecordError> {
        reports::write(&self.db, waiting)
    }

    fn store(&self, batch: &Batch) -> Result<(), RecordError> {
        let pace = &self.pace;
        pace.rest();
        let minutes = in_order(batch.minutes.iter().map(count), Step::Minute);
        let hours = in_order(batch.minutes.iter().chain(&batch.hours).map(count), Step::Hour);
        let backlog = pieces::rows_of(batch.backlog.iter().map(count), batch.backlog_in_all, pace);
        let mut events: Vec<Event> = Vec::with_capacity(batch.events.len());
        for some in batch.events.chunks(EVENTS_MADE) {
            pace.rest();
            events.extend(some.iter().map(|captured| self.event(captured)));
        }
        pace.rest();
        self.db.run(|conn| {
            db::write(conn, |conn| {
                db::events::bound_waiting(conn)?;
                let numbers = i64::try_from(events.len() + backlog.len()).unwrap_or_default();
                let before = db::events::take_numbers(conn, numbers)?;
                pieces::add_counts(conn, Step::Minute, &minutes, pace)?;
                pieces::add_counts(conn, Step::Hour, &hours, pace)?;
                let before = pieces::insert_backlog(conn, &backlog, before, pace)?;
                pieces::insert_events(conn, &mut events, before, pace)?;
                pace.rest();
                Ok(())
            })
        })
    }

    /// Adds up some of the backlog, where there is any: as much as there is time for.
    pub(super) fn work_off(&mut self) -> Result<(), RecordError> {
        if self.until_backlog > 0 {
            self.until_backlog -= 1;
            return Ok(());
        }
        self.for_backlog.renew(self.is_busy && !self.is_behind);
        while self.for_backlog.is_left() {
            let (began, rested) = (Moment::now(), self.pace.rested());
            if !self.work_off_some()? {
                self.backlog_end = None;
                self.until_backlog = BACKLOG_LOOKS;
                break;
            }
            self.checkpoints.after(COUNTS_MAX, &self.db, &self.pace);
            self.for_backlog.spend(self.worked(began, rested));
        }
        Ok(())
    }

    /// How long work has taken since then, when all rests had taken so long.
    fn worked(&self, since: Moment, rested: Duration) -> Duration {
        since.elapsed().saturating_sub(self.pace.rested().saturating_sub(rested))
    }

    /// Whether there was anything left to add up for now.
    fn work_off_some(&mut self) -> Result<bool, RecordError> {
        let Self { pace, db, backlog_end, backlog_from, is_behind, is_busy, .. } = self;
        db.run(|conn| {
            let Some((part, seq)) = db::backlog::find_oldest_part(conn, *backlog_from)? else {
                *backlog_from = 0;
                return Ok(false);
            };
            *backlog_from = seq;
            if *is_busy {
                let end = match backlog_end {
                    Some(end) => *end,
                    None => *backlog_end.insert(db::backlog::find_newest(conn)?.unwrap_or(seq)),
                };
                if seq > end {
                    return Ok(false);
                }
            }
            *is_behind = db::write(conn, |conn| work_off_parts(conn, (part, seq), pace))?;
            Ok(true)
        })
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
        let began = Moment::now();
        if all {
            self.pending.uses.hasten(began);
        }
        let is_late = self.pending.uses.is_late(began);
        let uses_max = match is_late {
            _ if all || !self.db.is_sqlite() => USES_MAX,
            true => USES_PIECE_LATE,
            false => USES_PIECE,
        };
        self.for_uses.renew(self.is_busy && !is_late);
        while all || self.for_uses.is_left() {
            let (now, rested) = (Moment::now(), self.pace.rested());
            let due = self.pending.uses.take(uses_max, now);
            if due.is_empty() {
                break;
            }
            self.pace.rest();
            let uses: Vec<db::keys::Used> = due.iter().map(|due| self.used(&due.secret, &due.used)).collect();
            let rest = || self.pace.rest();
            let rest: Option<&dyn Fn()> = if all { None } else { Some(&rest) };
            let written: Result<(), RecordError> = self.db.run(|conn| Ok(db::keys::mark_used(conn, &uses, rest)?));
            if let Err(error) = written {
                self.pending.uses.put_back(due);
                return Err(error);
            }
            for due in &due {
                self.networks.note(due.secret.key, due.used.address(), due.used.last);
            }
            self.pending.uses.done(&due, now);
            self.checkpoints.after(2 * due.len(), &self.db, &self.pace);
            if !all {
                self.for_uses.spend(self.worked(now, rested));
            }
        }
        Ok(())
    }

    fn used(&self, secret: &SecretOf, used: &Used) -> db::keys::Used {
        db::keys::Used {
            key: key_text(&secret.key).to_owned(),
            secret: secret.secret,
            first: used.first,
            last: used.last,
            address: harmless(used.address(), ADDRESS, &self.format),
            client: harmless(used.client(), CLIENT, &self.format),
        }
    }
}

/// Adds up the counts of a part, whose oldest row has this number, and of those that have waited the longest then, as many as one
/// transaction may add; the others are put back. Returns whether some have waited for too long.
fn work_off_parts(conn: &mut Conn, first: (u8, i64), pace: &Pace) -> Result<bool, RecordError> {
    db::events::bound_waiting(conn)?;
    // So that nobody else takes the same rows.
    db::events::take_numbers(conn, 0)?;
    let (mut rows, mut next, mut counted) = (Vec::new(), Some(first), 0);
    while let Some((part, from)) = next {
        pace.rest();
        let taken = db::backlog::take_backlog(conn, part, BACKLOG_ROWS_MAX)?;
        // A line is a count at most.
        counted += taken.iter().map(|row| row.lines().count()).sum::<usize>();
        rows.extend(taken);
        // Numbers become visible in their order: none is smaller than one that was found.
        next = if counted < COUNTS_MAX { db::backlog::find_oldest_part(conn, from)? } else { None };
    }
    let mut counts = Vec::with_capacity(counted);
    for rows in rows.chunks(BACKLOG_READ) {
        pace.rest();
        counts.extend(rows.iter().flat_map(|row| db::backlog::decode(row)));
    }
    pace.rest();
    let mut counts = db::usage::summed(counts);
    pace.rest();
    counts.sort_by_key(|count| count.at);
    pace.rest();
    let waited =
        counts.last().zip(counts.first()).is_some_and(|(last, first)| last.at > first.at.plus(BACKLOG_AGE_MAX));
    let (now, later) = counts.split_at(counts.len().min(COUNTS_MAX));
    for step in [Step::Minute, Step::Hour] {
        pieces::add_counts(conn, step, &in_order(now.iter().copied(), step), pace)?;
    }
    let later = pieces::rows_of(later.iter().copied(), later.len(), pace);
    let before = db::events::take_numbers(conn, i64::try_from(later.len()).unwrap_or_default())?;
    pieces::insert_backlog(conn, &later, before, pace)?;
    Ok(waited)
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
