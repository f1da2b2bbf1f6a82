//! Deeds that come at one time share a transaction on SQLite: each is told the truth of its own, whatever becomes of the others.
//! On PostgreSQL, where each has its own, the same must hold.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use keyrack::actions::AppError;
use keyrack::db::tokens::{Done, find_done, insert_done};
use keyrack::db::{self, Conn};

use crate::support::database::TestDatabase;

const DEEDS: usize = 12;
const SCOPE: &str = "group";

/// What a deed was told, and the number of the change that it waits for; nothing where it panicked.
type Told = Option<(Result<(), AppError>, Option<i64>)>;

fn put(conn: &mut Conn, token: &str) -> Result<(), AppError> {
    let done = Done { body_hash: String::new(), object_id: String::new(), created_at: 0 };
    Ok(insert_done(conn, SCOPE, token, &done)?)
}

impl TestDatabase {
    fn has(&self, token: &str) -> bool {
        self.run(|conn| find_done(conn, SCOPE, token).unwrap().is_some())
    }

    /// Does deeds at one time: while the first of them holds the others up, they gather.
    fn do_at_once(&self, deed: impl Fn(usize, &mut Conn) -> Result<(), AppError> + Sync) -> Vec<Told> {
        let begun = Barrier::new(2);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let hold = |conn: &mut Conn| {
                    db::write(conn, |_| {
                        begun.wait();
                        std::thread::sleep(Duration::from_millis(300));
                        Ok::<(), AppError>(())
                    })
                };
                self.db.run(hold).unwrap();
            });
            begun.wait();
            let deeds: Vec<_> = (0..DEEDS)
                .map(|at| {
                    let deed = &deed;
                    scope.spawn(move || {
                        let run = || self.db.deed(|conn| db::write(conn, |conn| deed(at, conn)));
                        catch_unwind(AssertUnwindSafe(run)).ok()
                    })
                })
                .collect();
            first.join().unwrap();
            deeds.into_iter().map(|deed| deed.join().unwrap()).collect()
        })
    }

    /// Whoever was told that it is done finds it done, and nobody else does.
    fn assert_all_told_the_truth(&self, told: &[Told]) {
        for (at, told) in told.iter().enumerate() {
            let is_done = matches!(told, Some((Ok(()), _)));
            assert_eq!(self.has(&format!("deed {at}")), is_done, "deed {at}: {told:?}");
        }
    }
}

#[test]
fn deeds_at_one_time_share_a_transaction_and_one_that_fails_takes_back_only_its_own() {
    let database = TestDatabase::new();
    let told = database.do_at_once(|at, conn| {
        put(conn, &format!("deed {at}"))?;
        db::keys::note_key(&format!("key{at:05}").as_str().into())?;
        match at % 4 {
            2 => Err(AppError::NotFound),
            3 => panic!("as it was told to"),
            _ => Ok(()),
        }
    });
    database.assert_all_told_the_truth(&told);
    let done: Vec<i64> = told.iter().flatten().filter(|(told, _)| told.is_ok()).filter_map(|(_, seq)| *seq).collect();
    assert_eq!(done.len(), DEEDS / 2);
    assert!(told.iter().flatten().filter(|(told, _)| told.is_err()).all(|(_, seq)| seq.is_none()));
    let noted = database.run(|conn| db::changes::list_changes(conn, 0, 1000).unwrap());
    assert_eq!(noted.len(), DEEDS / 2, "{noted:?}");
    if database.is_sqlite() {
        let transactions: BTreeSet<i64> = done.iter().copied().collect();
        assert!(transactions.len() < done.len(), "{done:?}");
        // Each waits for what came last in its transaction.
        assert_eq!(transactions.last(), noted.last().map(|(seq, _)| seq));
    }
}

#[test]
fn a_deed_sees_what_those_before_it_did_and_is_told_so_only_once_that_is_true() {
    let database = TestDatabase::new();
    let told = database.do_at_once(|_, conn| put(conn, "the same"));
    assert_eq!(told.iter().flatten().filter(|(told, _)| told.is_ok()).count(), 1);
    assert!(database.has("the same"));
}

#[test]
fn when_the_shared_transaction_breaks_off_nothing_is_done_and_nobody_is_told_otherwise() {
    let database = TestDatabase::new();
    for culprit in [0, DEEDS / 2, DEEDS - 1] {
        let told = database.do_at_once(|at, conn| {
            put(conn, &format!("deed {at}"))?;
            if at == culprit {
                conn.batch_execute("ROLLBACK").map_err(AppError::from)?;
            }
            Ok(())
        });
        if database.is_sqlite() {
            assert!(matches!(&told[culprit], Some((Err(_), _))), "{told:?}");
            database.assert_all_told_the_truth(&told);
            // Whoever did nothing wrong may try again.
            for other in (0..DEEDS).filter(|at| *at != culprit) {
                let told = &told[other];
                assert!(matches!(told, Some((Ok(()) | Err(AppError::Unavailable(_)), _))), "{told:?}");
            }
        }
        database.execute("DELETE FROM done_once");
    }
    database.run(|conn| db::write(conn, |conn| put(conn, "afterwards"))).unwrap();
    assert!(database.has("afterwards"));
}

#[test]
fn when_the_shared_transaction_cannot_be_committed_all_are_told() {
    let database = TestDatabase::new();
    if !database.is_sqlite() {
        return;
    }
    let told = database.do_at_once(|at, conn| {
        put(conn, &format!("deed {at}"))?;
        if at == 1 {
            // A row that refers to nothing, which is noticed at the end only.
            conn.batch_execute(
                "PRAGMA defer_foreign_keys = ON; \
                 INSERT INTO memberships (org_id, user_id, role, joined_at) VALUES ('none', 'none', 'owner', 0)",
            )
            .map_err(AppError::from)?;
        }
        Ok(())
    });
    assert!(matches!(&told[1], Some((Err(_), None))), "{told:?}");
    database.assert_all_told_the_truth(&told);
    database.run(|conn| db::write(conn, |conn| put(conn, "afterwards"))).unwrap();
    assert!(database.has("afterwards"));
}

#[test]
fn a_write_within_a_look_fails() {
    let database = TestDatabase::new();
    if !database.is_sqlite() {
        return;
    }
    let told = database.run(|conn| db::read(conn, |conn| db::write(conn, |conn| put(conn, "within"))));
    assert!(matches!(told, Err(AppError::Internal(_))), "{told:?}");
    let told = database.run(|conn| db::snapshot(conn, |conn| db::write(conn, |conn| put(conn, "within"))));
    assert!(matches!(told, Err(AppError::Internal(_))), "{told:?}");
    assert!(!database.has("within"));
    database.run(|conn| db::write(conn, |conn| put(conn, "afterwards"))).unwrap();
}

#[test]
fn a_write_within_a_write_fails_and_waits_for_nothing() {
    let database = TestDatabase::new();
    if !database.is_sqlite() {
        return;
    }
    let within = || database.db.run(|conn| db::write(conn, |conn| put(conn, "within")));
    let told = database.run(|conn| db::write(conn, |_| within()));
    assert!(matches!(told, Err(AppError::Internal(_))), "{told:?}");
    assert!(!database.has("within"));
}
