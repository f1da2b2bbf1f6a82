//! A backup of an older program: its rows go through a scratch database, which is brought up to date as any other would be.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::file::{Header, each_rows};
use super::{refused, take};
use crate::actions::AppError;
use crate::db::tables::{self, Cell, Table};
use crate::db::{self, Conn, Db, OpenError};

/// A backup with the schema of today, gone with its folder.
pub(super) struct Upgraded {
    pub(super) path: PathBuf,
    _folder: TempDir,
}

pub(super) fn to_current(path: &Path, header: &Header) -> Result<Upgraded, AppError> {
    let wrong = |error: OpenError| refused(format!("the backup's schema could not be brought up to date: {error}"));
    let folder = tempfile::tempdir().map_err(|error| refused(format!("no scratch folder can be made: {error}")))?;
    let db = Db::open(&format!("sqlite://{}", folder.path().join("scratch.db").display())).map_err(wrong)?;
    db::migrate_to(&db, &header.schema).map_err(wrong)?;
    db.run(|conn| db::write(conn, |conn| fill(conn, path).map(|_| ())))?;
    db::migrate(&db).map_err(wrong)?;
    let new = folder.path().join("current");
    db.run(|conn| {
        let schema = db::applied_schema(conn).map_err(refused)?;
        let mut out = std::fs::File::create(&new).map_err(|error| super::file_error(&new, "cannot be made", &error))?;
        db::snapshot(conn, |conn| take::write(conn, &Header { schema, ..header.clone() }, &mut out))
    })?;
    Ok(Upgraded { path: new, _folder: folder })
}

/// Empties the tables and puts the rows of a backup in their place. Returns how many.
pub(super) fn fill(conn: &mut Conn, path: &Path) -> Result<u64, AppError> {
    let tables = tables::list_tables(conn)?;
    tables::clear_tables(conn, &tables)?;
    // A backup's own order may be another schema's; ours is that in which rows can refer to each other. The file lists
    // each table once, after those that it refers to, on either database.
    let mut count = 0;
    each_rows(path, |rows| {
        let table = tables.iter().find(|table| table.name == rows.table);
        let table = table.ok_or_else(|| refused(format!("this program has no table {}", rows.table)))?;
        let table = in_order(table, rows.columns)?;
        count += rows.rows.len() as u64;
        put(conn, &table, &rows.rows)
    })?;
    Ok(count)
}

/// The table with its columns in the order of the file.
fn in_order(table: &Table, columns: &[String]) -> Result<Table, AppError> {
    let find = |name: &String| {
        let found = table.columns.iter().find(|(column, _)| column == name).cloned();
        found.ok_or_else(|| refused(format!("this program has no column {}.{name}", table.name)))
    };
    Ok(Table { name: table.name.clone(), columns: columns.iter().map(find).collect::<Result<_, _>>()? })
}

fn put(conn: &mut Conn, table: &Table, rows: &[Vec<Cell>]) -> Result<(), AppError> {
    tables::insert_rows(conn, table, rows)
        .map_err(|error| refused(format!("the rows of {} do not fit: {error}. Nothing was restored.", table.name)))
}
