//! Group commit: on SQLite one connection writes, and deeds that come at one time share one transaction of it. Each waits
//! for the disk before it is answered, but all of them for the same write to it. A deed that fails takes back what it did
//! and nothing else; when the transaction itself fails, none of its deeds was done, and all are told so.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::TransactionManager;

use super::changes::{self, Change};
use super::journal::Journal;
use super::{Conn, DatabaseErrorKind, DbError, DbResult};
use crate::clock::Moment;

/// So many deeds share a transaction, or those of so long a time: then the first of them has waited enough.
const DEEDS_MAX: usize = 64;
const TIME_MAX: Duration = Duration::from_millis(20);

type Connect = Box<dyn Fn() -> DbResult<Conn> + Send + Sync>;
type Transactions = <Conn as diesel::Connection>::TransactionManager;

/// The one that writes. Whoever has the turn does its deed on its own thread.
pub(super) struct GroupCommit {
    connect: Connect,
    turn: Mutex<Turn>,
    /// Deeds that wait for their turn.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Turn {
    idle: Option<Conn>,
    /// What was begun, and left open for whoever comes next.
    open: Option<Open>,
    /// When a transaction could last not be begun, and why.
    refused: Option<(Moment, Failure)>,
}

/// A transaction that deeds share.
struct Open {
    conn: Conn,
    group: Arc<Group>,
    deeds: usize,
    changes: Vec<Change>,
    since: Moment,
}

/// Those who wait for the end of a transaction.
#[derive(Default)]
struct Group {
    /// The number of the newest change that it committed.
    outcome: Mutex<Option<Result<Option<i64>, Failure>>>,
    bell: Condvar,
}

impl Group {
    fn publish(&self, outcome: Result<Option<i64>, Failure>) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
        self.bell.notify_all();
    }

    fn wait(&self) -> Result<Option<i64>, Failure> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.bell.wait_while(outcome, |outcome| outcome.is_none()).unwrap_or_else(PoisonError::into_inner);
        ended.clone().unwrap_or_else(|| Err(Failure::broken_off("nobody ended it")))
    }
}

/// Whoever has the turn ends the transaction or hands it on: nobody waits for ever for one that panicked.
struct Promise(Option<Arc<Group>>);

impl Promise {
    fn hand_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(group) = &self.0 {
            group.publish(Err(Failure::broken_off("it was not ended")));
        }
    }
}

/// A failure that is told to several.
#[derive(Clone)]
struct Failure {
    kind: DatabaseErrorKind,
    message: String,
}

impl Failure {
    fn of(error: &DbError) -> Self {
        match error {
            DbError::DatabaseError(kind, info) => Self { kind: *kind, message: info.message().to_owned() },
            other => Self { kind: DatabaseErrorKind::Unknown, message: other.to_string() },
        }
    }

    /// Of a transaction that ended without its deeds' doing: they may be tried again.
    fn broken_off(why: &str) -> Self {
        Self { kind: DatabaseErrorKind::ClosedConnection, message: format!("the shared transaction broke off: {why}") }
    }
}

impl From<Failure> for DbError {
    fn from(failure: Failure) -> Self {
        Self::DatabaseError(failure.kind, Box::new(failure.message))
    }
}

impl GroupCommit {
    pub(super) fn new(connect: Connect) -> Self {
        Self { connect, turn: Mutex::default(), waiting: AtomicUsize::new(0) }
    }

    /// Runs `f` on the connection that writes, outside of a transaction.
    pub(super) fn run(&self, f: impl FnOnce(&mut Conn)) -> DbResult<()> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conn = match turn.idle.take() {
            Some(conn) => conn,
            None => (self.connect)()?,
        };
        f(&mut conn);
        turn.idle = Some(conn);
        Ok(())
    }

    /// Does `f` as [`super::write`] says, in a transaction that others may be part of. `own` is the caller's connection.
    fn write<T, E: From<DbError>>(
        &self,
        (own, journal): (&mut Conn, Option<&Journal>),
        f: impl FnOnce(&mut Conn) -> Result<T, E>,
    ) -> Result<T, E> {
        if changes::is_open() {
            // It would wait for itself.
            return Err(DbError::AlreadyInTransaction.into());
        }
        let asked = Moment::now();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let mut open = turn.enter(asked, &self.connect)?;
        let group = open.group.clone();
        let promise = Promise(Some(group.clone()));

        let notes = changes::open();
        let (done, kept) = open.run(f);
        let notes = notes.close();
        let is_done = matches!(done, Ok(Ok(_)));
        let outcome = match kept {
            Err(error) => {
                // Dropped with its connection, which takes everything back.
                drop(open);
                drop(turn);
                group.publish(Err(Failure::broken_off(&error.to_string())));
                return done.unwrap_or_else(|panic| resume_unwind(panic)).and_then(|_| Err(error.into()));
            }
            Ok(()) if is_done => {
                open.add(&notes);
                self.leave(turn, open, promise, (own, journal))
            }
            Ok(()) if open.deeds == 0 => {
                let is_whole = Transactions::rollback_transaction(&mut open.conn).is_ok();
                turn.idle = is_whole.then_some(open.conn);
                Ok(None)
            }
            // What it was told may come of a deed before it, so that is to be true first.
            Ok(()) => self.leave(turn, open, promise, (own, journal)),
        };
        let done = done.unwrap_or_else(|panic| resume_unwind(panic));
        let last = outcome.map_err(DbError::from)?;
        if is_done && !notes.is_empty() {
            changes::committed(last);
        }
        done
    }

    /// Gives the turn on to whoever waits for it, or else ends the transaction; then waits for its end.
    fn leave(
        &self,
        mut turn: MutexGuard<'_, Turn>,
        mut open: Open,
        promise: Promise,
        (own, journal): (&mut Conn, Option<&Journal>),
    ) -> Result<Option<i64>, Failure> {
        let group = open.group.clone();
        let is_full = open.deeds >= DEEDS_MAX || open.since.elapsed() >= TIME_MAX;
        // Whoever is counted takes the turn, and ends the transaction if nobody comes after it.
        if self.waiting.load(Ordering::SeqCst) > 0 && !is_full {
            turn.open = Some(open);
            drop(turn);
            promise.hand_on();
            return group.wait();
        }
        let ended = open.commit();
        let is_whole = ended.is_ok() || Transactions::rollback_transaction(&mut open.conn).is_ok();
        turn.idle = is_whole.then_some(open.conn);
        drop(turn);
        if let (Ok(Some(last)), Some(journal)) = (&ended, journal) {
            journal.follow_or_log(own, *last);
        }
        group.publish(ended.map_err(|error| Failure::of(&error)));
        group.wait()
    }
}

impl Turn {
    /// Goes on with what is open, or begins.
    fn enter(&mut self, asked: Moment, connect: &Connect) -> DbResult<Open> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        // It waited for the same, and as long as one may.
        if let Some((at, failure)) = &self.refused
            && asked <= *at
        {
            return Err(failure.clone().into());
        }
        let begun = self.begin(connect);
        self.refused = begun.as_ref().err().map(|error| (Moment::now(), Failure::of(error)));
        begun
    }

    fn begin(&mut self, connect: &Connect) -> DbResult<Open> {
        let mut conn = match self.idle.take() {
            Some(conn) => conn,
            None => connect()?,
        };
        if let Err(error) = super::begin_write(&mut conn) {
            // Another process writes, or nobody may: the connection is none the worse for it.
            self.idle = Some(conn);
            return Err(error);
        }
        Ok(Open { conn, group: Arc::default(), deeds: 0, changes: Vec::new(), since: Moment::now() })
    }
}

impl Open {
    /// Does `f`, and says what came of it and whether it could be kept or taken back as it should be.
    fn run<T, E>(
        &mut self,
        f: impl FnOnce(&mut Conn) -> Result<T, E>,
    ) -> (std::thread::Result<Result<T, E>>, DbResult<()>)
    where
        E: From<DbError>,
    {
        // The first needs no mark to go back to: with it the whole transaction is taken back. SQLite keeps a copy of each page
        // that is changed after a mark, which large writes pay for.
        let is_marked = self.deeds > 0;
        if is_marked && let Err(error) = self.mark("SAVEPOINT deed") {
            let failure = Failure::of(&error);
            return (Ok(Err(error.into())), Err(failure.into()));
        }
        let done = catch_unwind(AssertUnwindSafe(|| f(&mut self.conn)));
        // All of this fails when SQLite has taken back the whole transaction by itself.
        let kept = match &done {
            Ok(Ok(_)) if is_marked => self.mark("RELEASE deed"),
            Ok(Ok(_)) => self.is_still_open(),
            _ if is_marked => self.mark("ROLLBACK TO deed").and_then(|()| self.mark("RELEASE deed")),
            _ => Ok(()),
        };
        (done, kept)
    }

    /// Whether the transaction is there: within one, none can be begun.
    fn is_still_open(&mut self) -> DbResult<()> {
        match self.mark("BEGIN") {
            Err(DbError::DatabaseError(..)) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Err(Failure::broken_off("it was gone").into()),
        }
    }

    /// By statements that stay prepared, which those of diesel's own nested transactions do not.
    fn mark(&mut self, sql: &'static str) -> DbResult<()> {
        diesel::sql_query(sql).execute(&mut self.conn).map(|_| ())
    }

    fn add(&mut self, notes: &[Change]) {
        self.deeds += 1;
        let new: Vec<Change> = notes.iter().filter(|change| !self.changes.contains(change)).cloned().collect();
        self.changes.extend(new);
    }

    fn commit(&mut self) -> DbResult<Option<i64>> {
        let last = changes::write_notes(&mut self.conn, &self.changes)?;
        Transactions::commit_transaction(&mut self.conn)?;
        Ok(last)
    }
}

/// Who writes for a connection of the pool, while a thread has it.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) group: Arc<GroupCommit>,
    pub(super) journal: Option<Arc<Journal>>,
}

impl Writer {
    pub(super) fn write<T, E: From<DbError>>(
        &self,
        own: &mut Conn,
        f: impl FnOnce(&mut Conn) -> Result<T, E>,
    ) -> Result<T, E> {
        self.group.write((own, self.journal.as_deref()), f)
    }
}

thread_local! {
    /// The connection, by its address, and its writer.
    static HERE: RefCell<Option<(usize, Writer)>> = const { RefCell::new(None) };
}

fn address(conn: &Conn) -> usize {
    std::ptr::from_ref(conn).addr()
}

/// While this is kept, what is written by way of one connection on this thread is written by its writer.
pub(super) struct Entered(Option<(usize, Writer)>);

pub(super) fn enter(conn: &Conn, writer: Writer) -> Entered {
    Entered(HERE.replace(Some((address(conn), writer))))
}

/// While this is kept, a write on this thread fails, for its connection is in a transaction already.
pub(super) fn only_reading() -> Entered {
    Entered(HERE.take())
}

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// The writer of a connection, if it has one.
pub(super) fn writer_of(conn: &Conn) -> Option<Writer> {
    HERE.with_borrow(|here| here.as_ref().filter(|(of, _)| *of == address(conn)).map(|(_, writer)| writer.clone()))
}
