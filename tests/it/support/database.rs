//! A database of its own for each test: a SQLite file in a temporary folder, or, with TEST_DATABASE_URL, a PostgreSQL schema.
//! Gone when the test is.

use std::sync::atomic::{AtomicU32, Ordering};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use keyrack::clock::Clock;
use keyrack::db::{self, Conn, Db, PoolError};
use tempfile::TempDir;

/// The database of one test.
pub(crate) struct TestDatabase {
    /// As the setting would name it.
    pub(crate) url: String,
    /// Open, with the newest schema.
    pub(crate) db: Db,
    /// For whatever else the test writes.
    pub(crate) folder: TempDir,
    schema: Option<Schema>,
}

struct Schema {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Migrated and empty.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let schema = std::env::var("TEST_DATABASE_URL").ok().map(Schema::create);
        let url = match &schema {
            Some(schema) => schema.url(),
            None => format!("sqlite://{}", folder.path().join("test.db").display()),
        };
        let db = Db::open(&url).unwrap();
        db::migrate(&db).unwrap();
        Self { url, db, folder, schema }
    }

    /// Whether this pass of the suite runs on SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.schema.is_none()
    }

    /// Runs a query or an action on a connection of the pool.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&mut Conn) -> T) -> T {
        self.db.run(|conn| Ok::<T, PoolError>(f(conn))).unwrap()
    }

    /// Runs one statement; how many rows it changed.
    pub(crate) fn execute(&self, sql: &str) -> usize {
        self.run(|conn| diesel::sql_query(sql).execute(conn).unwrap())
    }

    /// The number that a query gives as `n`.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        self.run(|conn| diesel::sql_query(sql).get_result::<Row>(conn).unwrap().n)
    }

    /// The texts that a query gives as `line`.
    pub(crate) fn lines(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            line: String,
        }
        let rows: Vec<Row> = self.run(|conn| diesel::sql_query(sql).load(conn).unwrap());
        rows.into_iter().map(|row| row.line).collect()
    }

    /// What every column of every row of every table holds, as text.
    pub(crate) fn dump(&self) -> String {
        let mut dump = Vec::new();
        for table in self.tables() {
            let query = if self.is_sqlite() {
                let columns = self.lines(&format!("SELECT name AS line FROM pragma_table_info('{table}')"));
                format!("SELECT json_array({}) AS line FROM {table}", columns.join(", "))
            } else {
                format!("SELECT row_to_json(t)::text AS line FROM {table} t")
            };
            for line in self.lines(&query) {
                dump.push(format!("{table} {line}"));
            }
        }
        // PostgreSQL gives rows in any order.
        dump.sort_unstable();
        dump.join("\n")
    }

    /// All tables of ours.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.lines(if self.is_sqlite() {
            "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        } else {
            "SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = current_schema()"
        })
    }

    /// Each thing that must hold and does not.
    pub(crate) fn broken_invariants(&self, clock: &Clock) -> Vec<String> {
        self.run(|conn| {
            let now = db::now(conn, clock).unwrap();
            db::invariants::find_broken_invariants(conn, now).unwrap()
        })
    }
}

impl Schema {
    fn create(server: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let schema = Self { server, name };
        schema.on_server(&format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", schema.name)).unwrap();
        schema
    }

    fn url(&self) -> String {
        format!("{}?options=-c%20search_path%3D{}", self.server, self.name)
    }

    fn on_server(&self, sql: &str) -> Result<(), String> {
        use diesel::connection::SimpleConnection;
        let mut conn = diesel::PgConnection::establish(&self.server).map_err(|error| error.to_string())?;
        conn.batch_execute(&format!("SET client_min_messages = warning; SET lock_timeout = '5s'; {sql}"))
            .map_err(|error| error.to_string())
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // The cluster goes away with the run; a schema that stays behind until then harms nobody.
        let _ = self.on_server(&format!("DROP SCHEMA {} CASCADE", self.name));
    }
}
