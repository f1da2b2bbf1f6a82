//! A database of its own for each test: a SQLite file in a temporary folder, or, with TEST_DATABASE_URL, a PostgreSQL schema.
//! Gone when the test is.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

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
    /// The newest change that was written here and not by the app, which therefore has not waited for its own index.
    unseen: AtomicI64,
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
        Self { url, db, folder, schema, unseen: AtomicI64::new(0) }
    }

    /// Whether this pass of the suite runs on SQLite.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.schema.is_none()
    }

    /// Runs a query or an action on a connection of the pool.
    pub(crate) fn run<T>(&self, f: impl FnOnce(&mut Conn) -> T) -> T {
        let value = self.db.run(|conn| Ok::<T, PoolError>(f(conn))).unwrap();
        if let Some(seq) = db::changes::take_committed() {
            self.unseen.fetch_max(seq, Ordering::SeqCst);
        }
        value
    }

    /// The newest change that the app may not have followed yet.
    pub(crate) fn take_unseen(&self) -> Option<i64> {
        Some(self.unseen.swap(0, Ordering::SeqCst)).filter(|seq| *seq > 0)
    }

    /// Runs one statement; how many rows it changed.
    pub(crate) fn execute(&self, sql: &str) -> usize {
        let tables = ["orgs", "users", "memberships", "profiles", "api_keys", "key_secrets", "service_tokens"];
        let mut words = sql.split_whitespace();
        let verb = words.next().unwrap_or_default();
        if !["UPDATE", "INSERT", "DELETE"].contains(&verb) || !words.take(2).any(|word| tables.contains(&word)) {
            return self.run(|conn| diesel::sql_query(sql).execute(conn).unwrap());
        }
        // No function of `db` does it, so the change is noted here.
        let write = |conn: &mut Conn| {
            db::write(conn, |conn| {
                db::changes::note(db::changes::Change::Everything)?;
                diesel::sql_query(sql).execute(conn)
            })
        };
        self.run(|conn| write(conn).unwrap())
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

    /// What people's deeds have made: every table but those that change by themselves as keys are checked.
    pub(crate) fn dump(&self) -> String {
        let by_itself =
            |line: &&str| ["gate_", "usage_", "event", "key_networks"].iter().any(|start| line.starts_with(start));
        self.dump_all().lines().filter(|line| !by_itself(line)).collect::<Vec<_>>().join("\n")
    }

    /// What every column of every row of every table holds, as text.
    pub(crate) fn dump_all(&self) -> String {
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
