//! For commands that change the database while servers run on it.

use std::time::Duration;

use super::lease::LEASE_OVER;
use crate::clock::Moment;
use crate::db::{Db, DbError, PoolError, nodes};

/// Whether all servers know of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// No server knows less any more.
    Everywhere,
    /// A server on SQLite did not answer: stopped without a word, or still to be told.
    Unconfirmed,
}

/// Waits until every server has applied the change of this number, or its lease has run out.
/// A database that does not answer meanwhile is waited out as well.
#[expect(clippy::disallowed_methods, reason = "a command has nobody else to serve")]
pub fn settle_from_outside(db: &Db, seq: i64) -> Settled {
    let began = Moment::now();
    let over = LEASE_OVER.to_std();
    let _ = db.run(|conn| nodes::ask_applied(conn).map_err(failed));
    while began.elapsed() < over {
        let behind = db.run(|conn| nodes::list_nodes(conn).map_err(failed));
        if behind.is_ok_and(|nodes| nodes.iter().all(|node| node.applied >= seq)) {
            return Settled::Everywhere;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Leases run out; a server on SQLite needs none.
    if db.is_sqlite() { Settled::Unconfirmed } else { Settled::Everywhere }
}

fn failed(error: DbError) -> PoolError {
    PoolError::from_words(error.to_string())
}
