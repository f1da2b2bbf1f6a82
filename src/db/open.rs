//! Opening the database named by the settings, and its pool.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{self, ManageConnection, Pool, R2D2Connection};
use diesel::sql_types::Integer;
use thiserror::Error;

use super::group_commit::{self, GroupCommit, Writer};
use super::journal::Journal;
use super::{Conn, DatabaseErrorKind, DbError, DbResult, patience};

/// Each of PostgreSQL's is a process of the server's.
const CONNECTIONS_POSTGRES: u32 = 8;
/// As many deeds may share a transaction.
const CONNECTIONS_SQLITE: u32 = 32;

/// Why the database could not be opened, naming the setting to look at.
#[derive(Debug, Error)]
#[error("KEYRACK_DATABASE_URL: {0}")]
pub struct OpenError(pub(super) String);

impl OpenError {
    pub(super) fn new(words: String) -> Self {
        Self(words)
    }
}

/// The pool of connections to one database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    manager: Manager,
    name: Arc<str>,
    journal: Option<Arc<Journal>>,
    /// The one that writes, where deeds share transactions.
    group: Option<Arc<GroupCommit>>,
}

#[derive(Clone)]
enum Manager {
    Postgres(String),
    Sqlite(PathBuf),
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<Conn, r2d2::Error> {
        match self {
            Self::Postgres(url) => {
                let mut conn = PgConnection::establish(url).map_err(r2d2::Error::ConnectionError)?;
                // A process that is stopped in the middle of a deed must not keep the others from theirs.
                conn.batch_execute(
                    "SET synchronous_commit = on; SET client_encoding = 'UTF8'; \
                     SET idle_in_transaction_session_timeout = '2s'",
                )
                .map_err(r2d2::Error::QueryError)?;
                Ok(Conn::Postgres(conn))
            }
            Self::Sqlite(path) => {
                let url = path.to_string_lossy();
                let mut conn = SqliteConnection::establish(&url).map_err(r2d2::Error::ConnectionError)?;
                // FULL: an acknowledged revocation must survive a power cut, which WAL with NORMAL does not promise.
                conn.batch_execute(
                    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON;",
                )
                .map_err(r2d2::Error::QueryError)?;
                Ok(Conn::Sqlite(conn))
            }
        }
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), r2d2::Error> {
        match conn {
            // Not `ping`, whose statement the server would parse each time.
            Conn::Postgres(pg) => {
                diesel::select(1.into_sql::<Integer>()).execute(pg).map(|_| ()).map_err(r2d2::Error::QueryError)
            }
            // Nobody can close it but this process.
            Conn::Sqlite(_) => Ok(()),
        }
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || conn.is_broken()
    }
}

impl Db {
    /// Opens `sqlite://PATH` or `postgres://…`. A SQLite file is made if its folder exists.
    ///
    /// # Errors
    /// An unknown scheme, a missing folder, a file that cannot be written, a server that does not answer; nothing is
    /// left behind then.
    pub fn open(url: &str) -> Result<Self, OpenError> {
        let manager = Manager::from_url(url)?;
        let is_new = manager.make_private_file()?;
        // Once by hand: the pool would wait for its time limit and hide the reason.
        let opened = manager
            .connect()
            .map_err(|error| manager.explain(&error.to_string()))
            .and_then(|mut first| if let Conn::Sqlite(conn) = &mut first { assert_pragmas(conn) } else { Ok(()) });
        if let Err(message) = opened {
            if is_new {
                manager.remove_file();
            }
            return Err(OpenError(message));
        }
        let name = manager.describe();
        let pool = Pool::builder()
            .max_size(if matches!(manager, Manager::Sqlite(_)) { CONNECTIONS_SQLITE } else { CONNECTIONS_POSTGRES })
            .min_idle(Some(1))
            // A connection that the server has closed shows it only when it is used; after a restart there are eight of them.
            .test_on_check_out(true)
            .connection_timeout(Duration::from_secs(3))
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build(manager.clone())
            .map_err(|error| OpenError(error.to_string()))?;
        let group = matches!(manager, Manager::Sqlite(_)).then(|| {
            let manager = manager.clone();
            Arc::new(GroupCommit::new(Box::new(move || manager.connect_to_write())))
        });
        Ok(Self { pool, manager, name: name.into(), journal: None, group })
    }

    /// With a revocation journal at this path, which from now on has each deed before it is answered.
    #[must_use]
    pub fn with_journal(self, path: Option<PathBuf>) -> Self {
        Self { journal: path.map(|path| Arc::new(Journal::at(path))), ..self }
    }

    /// The revocation journal.
    #[must_use]
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// Lets the journal take in what others have changed.
    pub fn follow_journal(&self) {
        self.follow_journal_to(i64::MAX);
    }

    fn follow_journal_to(&self, change: i64) {
        let Some(journal) = &self.journal else { return };
        let done = self.run(|conn| {
            journal.follow_or_log(conn, change);
            Ok::<(), PoolError>(())
        });
        if let Err(error) = done {
            tracing::error!(%error, "the revocation journal is behind");
        }
    }

    /// What it is, without credentials: `SQLite keyrack.db`, `PostgreSQL`.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.name
    }

    /// How many connections are in use, and how many wait.
    #[must_use]
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections.saturating_sub(state.idle_connections), state.idle_connections)
    }

    /// How many threads are best for reading. A look at SQLite keeps a processor busy from end to end; one at PostgreSQL
    /// waits most of its time.
    #[must_use]
    pub fn readers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        if self.is_sqlite() { cores + 1 } else { CONNECTIONS_POSTGRES as usize }
    }

    /// Whether this is SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.manager, Manager::Sqlite(_))
    }

    /// The file, where this is SQLite.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.manager {
            Manager::Sqlite(path) => Some(path),
            Manager::Postgres(_) => None,
        }
    }

    /// A connection of one's own, besides the pool.
    ///
    /// # Errors
    /// The database's own failure, in words.
    pub fn connect(&self) -> Result<Conn, String> {
        self.manager.connect().map_err(|error| self.manager.explain(&error.to_string()))
    }

    /// Runs `f` with a connection on this thread.
    ///
    /// # Errors
    /// `Err(())`-like pool failure through `E`, else what `f` returns.
    pub fn run<T, E: From<PoolError>>(&self, f: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        let mut conn = self.pool.get().map_err(|error| PoolError(error.to_string()))?;
        let writer = self.group.clone().map(|group| Writer { group, journal: self.journal.clone() });
        let _entered = writer.map(|writer| group_commit::enter(&conn, writer));
        f(&mut conn)
    }
}

impl Db {
    /// Runs `f` on the connection that writes, where deeds share one. For tests that damage it.
    ///
    /// # Errors
    /// The database's own failure.
    pub fn run_on_writer(&self, f: impl FnOnce(&mut Conn)) -> DbResult<()> {
        self.group.as_ref().map_or(Ok(()), |group| group.run(f))
    }
}

/// What came of a deed, and the number of the newest change that it made to what the check knows.
pub type Deed<T, E> = (Result<T, E>, Option<i64>);

impl Db {
    /// Runs `f` like [`Self::run`] and tells the number of the newest change that it committed: whoever says that the
    /// deed is done first waits until every node has followed so far.
    pub fn deed<T, E: From<PoolError>>(&self, f: impl FnOnce(&mut Conn) -> Result<T, E>) -> Deed<T, E> {
        // Of an earlier deed on this thread that nobody waited for.
        let _ = super::changes::take_committed();
        let result = self.run(f);
        let changed = super::changes::take_committed();
        // Where deeds share a transaction, whoever ended it has seen to the journal.
        if let Some(change) = changed
            && self.group.is_none()
        {
            self.follow_journal_to(change);
        }
        (result, changed)
    }
}

/// No connection could be had in time.
#[derive(Debug, Error)]
#[error("no database connection: {0}")]
pub struct PoolError(String);

impl PoolError {
    /// Of a failure that is as good as no connection.
    #[must_use]
    pub fn from_words(words: String) -> Self {
        Self(words)
    }
}

impl Manager {
    fn from_url(url: &str) -> Result<Self, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(patience::with_limits(url)));
        }
        let Some(path) = url.strip_prefix("sqlite://") else {
            return Err(OpenError("must begin with sqlite:// or postgres://".to_owned()));
        };
        if path.is_empty() || path.contains(":memory:") {
            return Err(OpenError("sqlite:// needs the path of a file".to_owned()));
        }
        let path = PathBuf::from(path);
        check_file(&path)?;
        Ok(Self::Sqlite(path))
    }

    fn connect_to_write(&self) -> DbResult<Conn> {
        let failed = |error: r2d2::Error| {
            DbError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(format!("could not connect: {error}")))
        };
        let mut conn = self.connect().map_err(failed)?;
        if let Conn::Sqlite(sqlite) = &mut conn {
            // Pages that deed after deed changes are carried over to the file less often where only deeds write, and found in
            // memory: 16 MiB of each.
            // What a statement would take back if it failed is kept in memory, not in a file that is made for it.
            sqlite.batch_execute(
                "PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
            )?;
        }
        Ok(conn)
    }

    fn describe(&self) -> String {
        match self {
            Self::Postgres(_) => "PostgreSQL".to_owned(),
            Self::Sqlite(path) => format!("SQLite {}", path.display()),
        }
    }

    /// Makes the SQLite file if there is none, for its owner's eyes only: it holds addresses and password hashes, and
    /// SQLite gives the files beside it the same mode. Says whether it did.
    fn make_private_file(&self) -> Result<bool, OpenError> {
        let Self::Sqlite(path) = self else { return Ok(false) };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(OpenError(format!("{} cannot be made: {error}", path.display()))),
        }
    }

    /// Takes back a file that was made for nothing, with what SQLite put beside it.
    fn remove_file(&self) {
        let Self::Sqlite(path) = self else { return };
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            // It may not be there.
            let _ = std::fs::remove_file(name);
        }
    }

    /// libpq and SQLite explain themselves; neither repeats a password.
    fn explain(&self, cause: &str) -> String {
        match self {
            Self::Postgres(_) => format!("PostgreSQL could not be reached: {}", cause.trim()),
            Self::Sqlite(path) => format!("{} could not be opened: {}", path.display(), cause.trim()),
        }
    }
}

fn check_file(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError(format!("the folder {} does not exist", folder.display())));
    }
    if path.is_dir() {
        return Err(OpenError(format!("{} is a folder, not a file", path.display())));
    }
    if path.exists()
        && let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open(path)
    {
        return Err(OpenError(format!("{} cannot be written: {error}", path.display())));
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Pragmas {
    #[diesel(sql_type = diesel::sql_types::Text)]
    journal_mode: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    synchronous: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    foreign_keys: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    busy_timeout: i64,
}

/// A file system without shared memory silently refuses WAL; better not to start than to lose a revocation.
fn assert_pragmas(conn: &mut SqliteConnection) -> Result<(), String> {
    let row: Pragmas = diesel::sql_query(
        "SELECT (SELECT journal_mode FROM pragma_journal_mode) AS journal_mode, \
         (SELECT synchronous FROM pragma_synchronous) AS synchronous, \
         (SELECT foreign_keys FROM pragma_foreign_keys) AS foreign_keys, \
         (SELECT timeout FROM pragma_busy_timeout) AS busy_timeout",
    )
    .get_result(conn)
    .map_err(|error| error.to_string())?;
    let found = (row.journal_mode.as_str(), row.synchronous, row.foreign_keys, row.busy_timeout);
    if found == ("wal", 2, 1, 5000) {
        Ok(())
    } else {
        Err(format!("SQLite refused WAL with full synchronisation and foreign keys here: {found:?}"))
    }
}

impl From<PoolError> for OpenError {
    fn from(error: PoolError) -> Self {
        Self(error.to_string())
    }
}
