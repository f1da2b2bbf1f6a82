//! The only module that knows diesel. It gives and takes domain values; its functions say the SQL thing
//! (`insert_`, `find_`, `list_`, `count_`, `mark_`) and decide nothing.

pub mod alerts;
mod alone;
pub mod audit;
pub mod backlog;
pub(crate) mod batch;
pub mod billing;
pub mod changes;
pub mod cli_tokens;
mod conn;
pub mod devices;
pub mod events;
pub mod gate_rows;
mod group_commit;
pub mod installation;
pub mod invariants;
pub mod journal;
pub mod keys;
pub mod leaks;
pub mod links;
mod migrate;
pub mod nodes;
mod open;
pub mod orgs;
mod patience;
pub mod plan_requests;
pub mod reports;
pub mod rights;
mod schema;
pub mod sessions;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod throttles;
pub mod tokens;
pub mod usage;
pub mod users;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

pub use alone::{Alone, be_the_only_server};
pub use conn::Conn;
pub use diesel::result::{DatabaseErrorKind, Error as DbError};
pub use migrate::{SchemaState, applied_schema, known_schema, migrate, migrate_to, revert_all, schema_state};
pub use open::{Db, Deed, OpenError, PoolError};

use self::conn::prepared;
use crate::clock::Clock;
use crate::domain::time::Timestamp;

/// What a query gives: the most exact type there is.
pub type DbResult<T> = QueryResult<T>;

/// Runs `f` in a transaction that may write, and logs what it notes as changed for the check. On SQLite others may be part
/// of the same transaction; whatever becomes of them, this returns when what `f` did is on the disk.
///
/// # Errors
/// What `f` returns, or the database's own failure; in both cases nothing was written.
pub fn write<T, E: From<DbError>>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
    if let Some(writer) = group_commit::writer_of(conn) {
        return writer.write(conn, f);
    }
    begin_write(conn)?;
    let notes = changes::open();
    let done = f(conn);
    let notes = notes.close();
    let done = done.and_then(|value| Ok((value, changes::write_notes(conn, &notes)?)));
    match done {
        Ok((value, last)) => {
            <Conn as Connection>::TransactionManager::commit_transaction(conn)?;
            changes::committed(last);
            Ok(value)
        }
        Err(error) => {
            // A rollback that fails leaves a broken connection, which the pool throws away.
            let _ = <Conn as Connection>::TransactionManager::rollback_transaction(conn);
            Err(error)
        }
    }
}

/// Runs `f`, which is one statement that writes and changes nothing that the check knows, or several of which each may be there
/// without the others. On PostgreSQL it needs no transaction; on SQLite whoever writes past the others has to catch a moment
/// when none of them does.
///
/// # Errors
/// What `f` returns, or the database's own failure.
pub fn write_one<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
    if conn.is_sqlite() { write(conn, f) } else { f(conn) }
}

/// Carries over to the file of SQLite what its write-ahead log holds, as far as nobody reads the state before; waits for nobody.
/// Whoever writes all the time calls it often: otherwise the pages are carried over by whichever deed makes the log long, thousands
/// at once. Returns whether all was carried over.
///
/// # Errors
/// The database's own failure; nothing is lost then.
pub fn checkpoint(conn: &mut Conn) -> DbResult<bool> {
    match conn {
        Conn::Sqlite(sqlite) => {
            // https://www.sqlite.org/pragma.html#pragma_wal_checkpoint: whether it could not begin, pages in the log, pages done.
            let row: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(PASSIVE)").get_result(sqlite)?;
            Ok(row.busy == 0 && row.log == row.checkpointed)
        }
        Conn::Postgres(_) => Ok(true),
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = BigInt)]
    busy: i64,
    #[diesel(sql_type = BigInt)]
    log: i64,
    #[diesel(sql_type = BigInt)]
    checkpointed: i64,
}

/// Begins a transaction that may write. On SQLite it takes the write lock at once, because a transaction that reads first and
/// writes later fails instead of waiting.
fn begin_write(conn: &mut Conn) -> DbResult<()> {
    match conn {
        Conn::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE"),
        Conn::Postgres(pg) => AnsiTransactionManager::begin_transaction(pg),
    }
}

/// Runs `f`, which only reads, on one state of the database: what others commit meanwhile is not seen.
///
/// # Errors
/// What `f` returns, or the database's own failure.
pub fn snapshot<T, E: From<DbError>>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
    match conn {
        Conn::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN")?,
        Conn::Postgres(pg) => AnsiTransactionManager::begin_transaction_sql(
            pg,
            // Whoever writes a file as it reads may be slower than a deed may be. Not READ ONLY: asking for the schema
            // makes sure that its table is there.
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0",
        )?,
    }
    let _reading = group_commit::only_reading();
    let result = f(conn);
    // Nothing was written, so there is nothing to keep; a rollback that fails leaves a connection that the pool throws away.
    let _ = <Conn as Connection>::TransactionManager::rollback_transaction(conn);
    result
}

/// Runs `f`, which only reads. On SQLite it sees one state of the database, which costs less than a transaction for each
/// query; on PostgreSQL that would be two more round trips, so each query sees what is committed when it begins.
///
/// # Errors
/// What `f` returns, or the database's own failure.
pub fn read<T, E: From<DbError>>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
    // Prepared, unlike the statements of diesel's transactions, which are parsed anew each time.
    let Conn::Sqlite(sqlite) = conn else { return f(conn) };
    let _reading = group_commit::only_reading();
    prepared!(diesel::sql_query("BEGIN")).execute(sqlite)?;
    let result = f(conn);
    if let Conn::Sqlite(sqlite) = conn
        && prepared!(diesel::sql_query("COMMIT")).execute(sqlite).is_err()
    {
        // The pool throws it away, and with it the transaction.
        AnsiTransactionManager::transaction_manager_status_mut(sqlite).set_in_error();
    }
    result
}

/// The database's clock, which decides wherever time and limits meet. SQLite has no clock but its process's.
///
/// # Errors
/// The database's own failure.
pub fn now(conn: &mut Conn, clock: &Clock) -> DbResult<Timestamp> {
    if let Some(at) = clock.fixed_at() {
        return Ok(at);
    }
    match conn {
        Conn::Sqlite(_) => Ok(clock.now()),
        Conn::Postgres(pg) => {
            let micros = diesel::dsl::sql::<BigInt>("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
            let micros: i64 = prepared!(diesel::select(micros)).get_result(pg)?;
            Ok(Timestamp::from_micros(micros + clock.offset_micros()))
        }
    }
}

/// A needle for `LIKE … ESCAPE '\'` that finds `text` anywhere.
fn like_anywhere(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
