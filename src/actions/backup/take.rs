//! Saving: all tables as they stand at one moment, while servers go on.

use std::io::{BufWriter, Read as _, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::file::{BEGINNING, FORMAT, Header, Sheet};
use super::{file_error, refused};
use crate::actions::people::SERVER_CHAIN;
use crate::actions::{AppError, Ctx, server_audit};
use crate::db::tables::{self, Fate};
use crate::db::{self, Conn};

/// What was saved.
#[derive(Debug)]
pub struct Taken {
    /// How many rows.
    pub rows: u64,
    /// SHA-256 of what they are, as it stands in the last line.
    pub sha256: String,
}

/// Saves everything into a file that only its owner may read. It is there whole or not at all.
///
/// # Errors
/// A file that is none of ours stands there, or it cannot be written.
pub fn take(conn: &mut Conn, ctx: Ctx<'_>, path: &Path) -> Result<Taken, AppError> {
    if path.exists() && !is_backup(path) {
        return Err(refused(format!("{} exists and is no backup; it is left alone", path.display())));
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let unwritable = |error: std::io::Error| file_error(path, "cannot be written", &error);
    // Private from its first moment.
    let mut draft = tempfile::Builder::new().prefix(".keyrack-backup-").tempfile_in(folder).map_err(unwritable)?;
    let taken = take_into(conn, ctx, &mut draft)?;
    draft.as_file().sync_all().map_err(unwritable)?;
    draft.persist(path).map_err(|error| unwritable(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable)?;
    Ok(taken)
}

fn is_backup(path: &Path) -> bool {
    let mut beginning = vec![0; BEGINNING.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
    read.is_ok() && beginning == BEGINNING.as_bytes()
}

/// Saves everything into whatever takes it.
///
/// # Errors
/// It cannot be written, or the database's own failure.
pub fn take_into(conn: &mut Conn, ctx: Ctx<'_>, out: &mut dyn Write) -> Result<Taken, AppError> {
    db::snapshot(conn, |conn| {
        let header = Header {
            keyrack_backup: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: db::applied_schema(conn).map_err(refused)?,
            installation: db::installation::find_name(conn)?,
            seq: db::changes::read_clock(conn)?,
            made_at: db::now(conn, ctx.clock)?.to_string(),
            database: if conn.is_sqlite() { "SQLite" } else { "PostgreSQL" }.to_owned(),
        };
        write(conn, &header, out)
    })
}

/// Writes all tables under this header.
pub(super) fn write(conn: &mut Conn, header: &Header, out: &mut dyn Write) -> Result<Taken, AppError> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut sheet = Sheet::begin(&mut out, header)?;
    for table in tables::list_tables(conn)?.iter().filter(|table| tables::fate_of(&table.name) == Fate::Saved) {
        sheet.table(&table.name, table.columns.iter().map(|(name, _)| name.clone()).collect())?;
        tables::each_row(conn, table, |row| sheet.row(row))?;
    }
    let (rows, sha256) = sheet.end()?;
    Ok(Taken { rows, sha256 })
}

/// Notes in the installation's own audit log that a backup was made.
///
/// # Errors
/// The database's own failure.
pub fn note_taken(conn: &mut Conn, ctx: Ctx<'_>, name: &str, taken: &Taken) -> Result<(), AppError> {
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        let after = json!({"rows": taken.rows, "sha256": taken.sha256});
        server_audit(conn, &ctx, SERVER_CHAIN, "server.backed_up", (name, name), (Value::Null, after), now)
    })
}
