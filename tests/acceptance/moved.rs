//! The clock of a running server, moved from outside: by libfaketime on SQLite, where the process's clock decides; on
//! PostgreSQL, where the database's does, by a `clock_timestamp()` of the test's own before the built-in one. The program
//! itself knows of neither.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use diesel::connection::SimpleConnection as _;
use keyrack::db::Conn;

use crate::support::database::TestDatabase;

/// A clock that stands still where the test put it.
pub(crate) struct MovedClock {
    file: PathBuf,
    at: i64,
}

impl MovedClock {
    /// Stands at the next hour from now, as whole seconds since the epoch.
    pub(crate) fn new(database: &TestDatabase) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut clock = Self { file: database.folder.path().join("clock"), at: 0 };
        if !database.is_sqlite() {
            let create = "CREATE TABLE moved_clock (at timestamptz NOT NULL);
                INSERT INTO moved_clock VALUES (to_timestamp(0));
                CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM moved_clock'";
            database.run(|conn| batch(conn, create));
        }
        clock.set(database, i64::try_from(now / 3600 + 1).unwrap() * 3600);
        clock
    }

    /// What it shows.
    pub(crate) fn at(&self) -> i64 {
        self.at
    }

    /// Puts it elsewhere; a running server follows before this returns.
    pub(crate) fn set(&mut self, database: &TestDatabase, at: i64) {
        self.at = at;
        if database.is_sqlite() {
            // Renamed into place: libfaketime may read at any moment.
            let (text, next) = (as_text(at), self.file.with_extension("next"));
            std::fs::write(&next, text).unwrap();
            std::fs::rename(next, &self.file).unwrap();
        } else {
            database.run(|conn| batch(conn, &format!("UPDATE moved_clock SET at = to_timestamp({at})")));
            // A node asks the database's clock once a second, and counts on by itself between.
            std::thread::sleep(Duration::from_millis(1800));
        }
    }

    /// How many seconds this clock may run on by itself before it is put back.
    pub(crate) fn slack(database: &TestDatabase) -> i64 {
        if database.is_sqlite() { 1 } else { 3 }
    }

    /// Lets a server that is about to start live by this clock.
    pub(crate) fn give(&self, database: &TestDatabase, command: &mut Command) {
        if database.is_sqlite() {
            command
                .env("LD_PRELOAD", libfaketime())
                .env("FAKETIME_TIMESTAMP_FILE", &self.file)
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1")
                .env("TZ", "UTC");
        }
    }
}

/// The address of the database in which its own clock is found before the built-in one.
pub(crate) fn database_url(database: &TestDatabase) -> String {
    // The schema is searched before what is built in only when that is named after it.
    if database.is_sqlite() { database.url.clone() } else { format!("{},pg_catalog", database.url) }
}

fn batch(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap();
}

fn as_text(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Where Debian's package `faketime` puts it.
fn libfaketime() -> PathBuf {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    found.into_iter().find(|path| path.exists()).expect("libfaketime is missing: tests/run installs it")
}
