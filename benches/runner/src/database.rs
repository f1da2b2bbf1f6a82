//! The two databases, for seeding them and for looking things up in them.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{free_port, output, pinned, stop};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database that exists.
#[derive(Clone)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres { psql: PathBuf, url: String },
}

/// One value of a row.
pub enum Cell {
    Text(String),
    Number(i64),
    Null,
}

/// Rows to be written into a table.
pub struct Table<'a> {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    pub rows: Box<dyn Iterator<Item = Vec<Cell>> + 'a>,
}

impl Database {
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// What a query finds, as text.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        match self {
            Self::Sqlite(path) => sqlite_rows(&rusqlite::Connection::open(path)?, sql),
            Self::Postgres { psql, url } => {
                let text = output(Command::new(psql).args([
                    "-X",
                    "-At",
                    "-F",
                    "\t",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-c",
                    sql,
                    url,
                ]))?;
                Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
            }
        }
    }

    /// Writes many rows as fast as may be: indexes are made afterwards, and nobody checks foreign keys.
    pub fn seed(&self, tables: Vec<Table<'_>>) -> Result<()> {
        match self {
            Self::Sqlite(path) => seed_sqlite(path, tables),
            Self::Postgres { psql, url } => self.seed_postgres(psql, url, tables),
        }
    }

    fn seed_postgres(&self, psql: &Path, url: &str, tables: Vec<Table<'_>>) -> Result<()> {
        let indexes = self.rows(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ('api_keys', \
             'key_secrets') AND indexname NOT IN (SELECT conname FROM pg_constraint)",
        )?;
        for index in &indexes {
            self.rows(&format!("DROP INDEX {}", index[0]))?;
        }
        for table in tables {
            copy(psql, url, table)?;
        }
        for index in &indexes {
            self.rows(&index[1])?;
        }
        self.rows("VACUUM ANALYZE")?;
        self.rows("CHECKPOINT").map(|_| ())
    }
}

fn copy(psql: &Path, url: &str, table: Table<'_>) -> Result<()> {
    let sql = format!("COPY {} ({}) FROM STDIN", table.name, table.columns.join(", "));
    let mut child = Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &sql, url])
        .env("PGOPTIONS", "-c session_replication_role=replica")
        .stdin(Stdio::piped())
        .spawn()?;
    let mut out = BufWriter::with_capacity(1 << 20, child.stdin.take().context("no stdin")?);
    for row in table.rows {
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                out.write_all(b"\t")?;
            }
            match cell {
                Cell::Text(text) => out.write_all(text.as_bytes())?,
                Cell::Number(number) => write!(out, "{number}")?,
                Cell::Null => out.write_all(b"\\N")?,
            }
        }
        out.write_all(b"\n")?;
    }
    drop(out.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?);
    if !child.wait()?.success() {
        bail!("COPY into {} failed", table.name);
    }
    Ok(())
}

fn sqlite_rows(conn: &rusqlite::Connection, sql: &str) -> Result<Vec<Vec<String>>> {
    let mut statement = conn.prepare(sql)?;
    let width = statement.column_count();
    let rows =
        statement.query_map([], |row| (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect())?;
    let text = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(number) => number.to_string(),
        _ => String::new(),
    };
    rows.map(|row: Result<Vec<_>, _>| Ok(row?.into_iter().map(text).collect())).collect()
}

fn seed_sqlite(path: &Path, tables: Vec<Table<'_>>) -> Result<()> {
    let conn = rusqlite::Connection::open(path)?;
    conn.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1000000;",
    )?;
    let indexes = sqlite_rows(
        &conn,
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('api_keys', 'key_secrets')",
    )?;
    conn.execute_batch("BEGIN EXCLUSIVE")?;
    for index in &indexes {
        conn.execute_batch(&format!("DROP INDEX {}", index[0]))?;
    }
    for table in tables {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.columns.join(", "));
        let mut insert = conn.prepare(&sql)?;
        for row in table.rows {
            let values = row.into_iter().map(|cell| match cell {
                Cell::Text(text) => rusqlite::types::Value::Text(text),
                Cell::Number(number) => rusqlite::types::Value::Integer(number),
                Cell::Null => rusqlite::types::Value::Null,
            });
            insert.execute(rusqlite::params_from_iter(values))?;
        }
    }
    for index in &indexes {
        conn.execute_batch(&index[1])?;
    }
    conn.execute_batch("COMMIT")?;
    // It is on the disk before anything is measured.
    std::fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// A PostgreSQL of our own, with fsync, on the servers' core, in a folder that is removed afterwards.
pub struct Cluster {
    child: Child,
    port: u16,
    psql: PathBuf,
    pub version: String,
}

impl Cluster {
    pub fn start(work: &Path, core: usize) -> Result<Self> {
        let bin = find_postgres().context("PostgreSQL is not installed (initdb, postgres, psql)")?;
        let folder = work.join("pg");
        std::fs::create_dir_all(&folder)?;
        let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
        // PostgreSQL refuses to run as root.
        let user = is_root.then_some("postgres");
        if let Some(user) = user {
            output(Command::new("chown").arg(user).arg(&folder))?;
        }
        let data = folder.join("data");
        let mut init = pinned(core, "KILL", user, &bin.join("initdb"));
        init.args(["-U", "keyrack", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"]).arg(&data).current_dir(&folder);
        output(&mut init)?;
        let port = free_port()?;
        let mut command = pinned(core, "INT", user, &bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(&folder).args(["-p", &port.to_string()]).current_dir(&folder);
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=on",
            "synchronous_commit=on",
            "shared_buffers=512MB",
            "max_wal_size=4GB",
        ] {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(work.join("postgres.log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let version = output(Command::new(bin.join("postgres")).arg("--version"))?.trim().to_owned();
        let mut cluster = Self { child, port, psql: bin.join("psql"), version };
        let began = Instant::now();
        while cluster.database("postgres").rows("SELECT 1").is_err() {
            if cluster.child.try_wait()?.is_some() || began.elapsed() > Duration::from_secs(30) {
                bail!("PostgreSQL did not start: {}", std::fs::read_to_string(work.join("postgres.log"))?);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(cluster)
    }

    pub fn create(&self, name: &str) -> Result<Database> {
        self.database("postgres").rows(&format!("CREATE DATABASE {name}"))?;
        Ok(self.database(name))
    }

    fn database(&self, name: &str) -> Database {
        let url = format!("postgres://keyrack@127.0.0.1:{}/{name}", self.port);
        Database::Postgres { psql: self.psql.clone(), url }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        stop(&mut self.child, "INT");
    }
}

fn find_postgres() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .chain([PathBuf::from("/usr/local/pgsql/bin"), PathBuf::from("/usr/bin")])
        .filter(|bin| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).exists()))
        .collect();
    found.sort();
    found.pop()
}
