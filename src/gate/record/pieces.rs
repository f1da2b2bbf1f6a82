//! What a round takes, in pieces between which others are let run.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Moment;
use crate::db::backlog::Parts;
use crate::db::events::Event;
use crate::db::usage::{Count, Step};
use crate::db::{self, Conn, DbResult};

/// Counts in memory between which it is asked whether to rest: those of a twentieth of a millisecond.
pub(super) const CELLS_PIECE: usize = 32;
/// Events in memory and rows of the backlog, likewise.
pub(super) const EVENTS_MADE: usize = 8;
pub(super) const BACKLOG_READ: usize = 2;
/// Rows of a statement, where there are not very many: those of a fifth of a millisecond on PostgreSQL.
const COUNTS_PIECE: usize = 16;
const EVENTS_PIECE: usize = 8;
const BACKLOG_PIECE: usize = 4;
/// For so long others have the core between two pieces of a round: longer than a request waits for its turn where all are busy.
const REST: Duration = Duration::from_micros(500);
/// So long a piece is at least, while many rests are left.
const PIECE: Duration = Duration::from_micros(60);

/// Rests of a round at most: those of a fifth of a second. `kill -9` loses what is noted meanwhile too, and must not lose a second.
const RESTS_MAX: u32 = 350;

/// Lets others run between pieces of what a round takes. Where all cores are busy, whoever has waited for long keeps the core for
/// milliseconds once it has it: a few rounds of that a second, and one request in a hundred waits for them. A yield is not enough:
/// who is next depends on how long each has had the core, and may well be the same thread again, or PostgreSQL at work for it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    left: Cell<u32>,
    rested: Cell<Duration>,
    /// The end of the last rest.
    since: Cell<Option<Moment>>,
}

impl Pace {
    /// A round begins; with `is_last`, one that somebody waits for, so that there is no rest in it.
    pub(super) fn begin(&self, is_last: bool) {
        self.left.set(if is_last { 0 } else { RESTS_MAX });
        self.since.set(None);
    }

    /// May be called between any two steps: rests where enough was done since the last rest.
    pub(super) fn rest(&self) {
        let Some(left) = self.left.get().checked_sub(1) else { return };
        let began = Moment::now();
        let worked = self.since.get().map_or(Duration::MAX, |since| began.since(since));
        if worked < piece_with(left) {
            return;
        }
        self.left.set(left);
        #[expect(
            clippy::disallowed_methods,
            reason = "it is the recorder's own thread, and others are to run meanwhile"
        )]
        std::thread::sleep(REST);
        let ended = Moment::now();
        self.since.set(Some(ended));
        self.rested.set(self.rested.get().saturating_add(ended.since(began)));
    }

    /// How long all rests took until now.
    pub(super) fn rested(&self) -> Duration {
        self.rested.get()
    }
}

/// How long a piece is at least while so many rests are left after it. It grows, so that some are left for the end of a round: all
/// are taken after an eighth of a second of work only.
fn piece_with(left: u32) -> Duration {
    PIECE * RESTS_MAX / (left + 1)
}

/// How many rows of one kind are written before others are let run; of a size that `execute_many` does not split on SQLite.
fn piece_of(rows: usize, usual: usize, is_sqlite: bool) -> usize {
    // SQLite takes less than half the time for a row, and lets nobody else write until the last.
    let pieces_max = if is_sqlite { 32 } else { 64 };
    usual.max(rows.div_ceil(pieces_max)).next_power_of_two()
}

/// Adds to counts of minutes or hours that are in their order.
pub(super) fn add_counts(conn: &mut Conn, step: Step, counts: &[Count<'_>], pace: &Pace) -> DbResult<()> {
    for piece in counts.chunks(piece_of(counts.len(), COUNTS_PIECE, conn.is_sqlite())) {
        pace.rest();
        db::usage::add_counts(conn, step, piece)?;
    }
    Ok(())
}

/// The rows of the backlog for these counts, of so many in all: part and text.
pub(super) fn rows_of<'a>(counts: impl Iterator<Item = Count<'a>>, in_all: usize, pace: &Pace) -> Vec<(u8, String)> {
    let mut parts = Parts::of(in_all);
    for (number, count) in counts.enumerate() {
        if number % CELLS_PIECE == 0 {
            pace.rest();
        }
        parts.add(count);
    }
    let mut rows = Vec::new();
    for row in parts.into_rows() {
        pace.rest();
        rows.push(row);
    }
    rows
}

/// Adds rows to the backlog under the numbers after `before`. Returns the last of them.
pub(super) fn insert_backlog(conn: &mut Conn, rows: &[(u8, String)], mut before: i64, pace: &Pace) -> DbResult<i64> {
    for piece in rows.chunks(piece_of(rows.len(), BACKLOG_PIECE, conn.is_sqlite())) {
        pace.rest();
        db::backlog::insert_backlog(conn, piece, before)?;
        before += i64::try_from(piece.len()).unwrap_or_default();
    }
    Ok(before)
}

/// Stores events under the numbers after `before`, in their order.
pub(super) fn insert_events(conn: &mut Conn, events: &mut [Event], mut before: i64, pace: &Pace) -> DbResult<()> {
    let most = piece_of(events.len(), EVENTS_PIECE, conn.is_sqlite());
    for piece in events.chunks_mut(most) {
        pace.rest();
        db::events::insert_events(conn, piece, before)?;
        before += i64::try_from(piece.len()).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::batch::ROWS_MAX;
    use crate::db::usage::in_order;
    use crate::domain::time::{Span, Timestamp};

    #[test]
    fn there_are_few_pieces_of_any_number_and_sqlite_splits_none_of_them() {
        for (is_sqlite, pieces_max) in [(true, 32), (false, 64)] {
            for rows in 0..3000 {
                let most = piece_of(rows, EVENTS_PIECE, is_sqlite);
                assert!(most.is_power_of_two() && rows.div_ceil(most) <= pieces_max, "{rows}: {most}");
            }
            assert_eq!([0, 150, 250].map(|rows| piece_of(rows, EVENTS_PIECE, is_sqlite)), [EVENTS_PIECE; 3]);
            assert!(piece_of(2000, COUNTS_PIECE, is_sqlite) <= ROWS_MAX);
        }
    }

    #[test]
    fn what_was_counted_in_two_minutes_is_one_count_of_their_hour() {
        let hour = Timestamp::from_micros(0);
        let counts: Vec<Count<'_>> = ["BBBBBBBB", "AAAAAAAA"]
            .iter()
            .flat_map(|key| [2, 1].map(|minute| (key, hour.plus(Span::minutes(minute)))))
            .map(|(key, at)| Count { key, at, secret: 1, outcome: "VALID", org: "org_a", count: 3 })
            .collect();
        let of = |step| -> Vec<(&str, i64, i64)> {
            let counts = in_order(counts.iter().copied(), step);
            counts.iter().map(|count| (count.key, count.at.since(hour).as_seconds(), count.count)).collect()
        };
        assert_eq!(of(Step::Hour), [("AAAAAAAA", 0, 6), ("BBBBBBBB", 0, 6)]);
        assert_eq!(
            of(Step::Minute),
            [("AAAAAAAA", 60, 3), ("AAAAAAAA", 120, 3), ("BBBBBBBB", 60, 3), ("BBBBBBBB", 120, 3)]
        );
    }

    #[test]
    fn a_round_rests_so_often_and_the_last_does_not() {
        let pace = Pace::default();
        pace.begin(true);
        pace.rest();
        assert_eq!(pace.rested(), Duration::ZERO);
        pace.begin(false);
        pace.rest();
        let rested = pace.rested();
        assert!(rested >= REST);
        pace.left.set(0);
        (0..3).for_each(|_| pace.rest());
        assert_eq!(pace.rested(), rested, "none is left");
        // Whoever takes the core away makes a piece of nothing, but not each time.
        let is_rare = (0..100).any(|_| {
            pace.begin(false);
            (0..100).for_each(|_| pace.rest());
            pace.left.get() > RESTS_MAX - 50
        });
        assert!(is_rare, "it does not rest again before a piece was worked");
        pace.begin(false);
        pace.rest();
        let rested = pace.rested();
        let work_for = |time| {
            let began = Moment::now();
            while began.elapsed() < time {}
        };
        work_for(2 * PIECE);
        pace.rest();
        assert!(pace.rested() >= rested + REST, "after a piece it rests again");
        pace.left.set(0);
        let rested = pace.rested();
        work_for(2 * PIECE);
        pace.rest();
        assert_eq!(pace.rested(), rested);
    }

    #[test]
    fn rests_last_for_an_eighth_of_a_second_of_work() {
        assert_eq!(piece_with(RESTS_MAX - 1), PIECE);
        assert_eq!(piece_with(RESTS_MAX / 2 - 1), 2 * PIECE);
        let work: Duration = (0..RESTS_MAX).map(piece_with).sum();
        assert!((Duration::from_millis(125)..Duration::from_millis(150)).contains(&work), "{work:?}");
    }
}
