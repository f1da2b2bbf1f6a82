//! When the log of SQLite is carried over to its file.

use super::RecordError;
use super::pieces::Pace;
use crate::db::{self, Db};

/// Rows between two at least: a page each, more or less.
const EVERY: usize = 32;
/// The same at most, where somebody reads for so long that nothing can be carried over.
const EVERY_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Rows that were written since the last.
    rows: usize,
    /// How many there are between two.
    every: usize,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { rows: 0, every: EVERY }
    }
}

impl Checkpoints {
    /// So many rows were written: carries over what they changed, with others that were written lately.
    pub(super) fn after(&mut self, rows: usize, db: &Db, pace: &Pace) {
        if !db.is_sqlite() {
            return;
        }
        self.rows += rows;
        if self.rows < self.every {
            return;
        }
        self.rows = 0;
        pace.rest();
        let done: Result<bool, RecordError> = db.run(|conn| Ok(db::checkpoint(conn)?));
        if let Err(error) = &done {
            // All is written even so.
            tracing::debug!(%error, "no checkpoint");
        }
        self.went(matches!(done, Ok(true)));
    }

    /// Where somebody reads for long, each attempt looks through more of the log, to no effect.
    fn went(&mut self, is_all_done: bool) {
        self.every = if is_all_done { EVERY } else { (2 * self.every).min(EVERY_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_succeed_is_tried_less_often_until_it_does() {
        let mut checkpoints = Checkpoints::default();
        let every: Vec<usize> = [false, false, true, false]
            .into_iter()
            .map(|is_all_done| {
                checkpoints.went(is_all_done);
                checkpoints.every
            })
            .collect();
        assert_eq!(every, [2 * EVERY, 4 * EVERY, EVERY, 2 * EVERY]);
        (0..100).for_each(|_| checkpoints.went(false));
        assert_eq!(checkpoints.every, EVERY_MAX);
    }
}
