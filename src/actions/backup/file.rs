//! The file: lines of JSON. A header, then each table with its rows, then how many rows there were and the SHA-256 of all that
//! stands before that line. The same for both databases, so that one's backup restores into the other.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{file_error, refused};
use crate::actions::AppError;
use crate::db::tables::{Cell, ROWS_AT_ONCE};
use crate::domain::token::hex;

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: i64 = 1;
/// What every backup begins with.
pub(super) const BEGINNING: &str = "{\"keyrack_backup\":";
const LINE_MAX: u64 = 64 << 20;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) keyrack_backup: i64,
    /// The program that wrote it.
    pub(super) version: String,
    /// The migrations that its tables have seen.
    pub(super) schema: BTreeSet<String>,
    /// Whose data it holds.
    pub(super) installation: String,
    /// The newest change that it holds.
    pub(super) seq: i64,
    pub(super) made_at: String,
    /// What it was made of.
    pub(super) database: String,
}

#[derive(Serialize, Deserialize)]
struct TableLine {
    table: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    rows: u64,
    sha256: String,
}

/// Writes a file, line by line.
pub(super) struct Sheet<'w> {
    out: &'w mut dyn Write,
    digest: Sha256,
    rows: u64,
}

impl<'w> Sheet<'w> {
    pub(super) fn begin(out: &'w mut dyn Write, header: &Header) -> Result<Self, AppError> {
        let mut sheet = Self { out, digest: Sha256::new(), rows: 0 };
        sheet.json(header)?;
        Ok(sheet)
    }

    pub(super) fn table(&mut self, name: &str, columns: Vec<String>) -> Result<(), AppError> {
        self.json(&TableLine { table: name.to_owned(), columns })
    }

    /// A row as a JSON array.
    pub(super) fn row(&mut self, row: &str) -> Result<(), AppError> {
        self.rows += 1;
        self.line(row)
    }

    /// Returns how many rows there were, and the checksum.
    pub(super) fn end(mut self) -> Result<(u64, String), AppError> {
        let sha256 = hex(&self.digest.clone().finalize());
        self.json(&EndLine { rows: self.rows, sha256: sha256.clone() })?;
        self.out.flush().map_err(unwritable)?;
        Ok((self.rows, sha256))
    }

    fn json(&mut self, value: &impl Serialize) -> Result<(), AppError> {
        let text = serde_json::to_string(value).map_err(|error| AppError::Internal(error.into()))?;
        self.line(&text)
    }

    fn line(&mut self, text: &str) -> Result<(), AppError> {
        for bytes in [text.as_bytes(), b"\n"] {
            self.digest.update(bytes);
            self.out.write_all(bytes).map_err(unwritable)?;
        }
        Ok(())
    }
}

fn unwritable(error: std::io::Error) -> AppError {
    refused(format!("the backup cannot be written: {error}"))
}

struct Lines<'p> {
    path: &'p Path,
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl<'p> Lines<'p> {
    fn open(path: &'p Path) -> Result<Self, AppError> {
        let file = File::open(path).map_err(|error| file_error(path, "cannot be read", &error))?;
        Ok(Self { path, reader: BufReader::with_capacity(1 << 16, file), line: Vec::new() })
    }

    /// The next line with its end; nothing at the end of the file.
    fn next(&mut self) -> Result<Option<&[u8]>, AppError> {
        self.line.clear();
        let read = self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| file_error(self.path, "cannot be read", &error))?;
        Ok((read > 0).then_some(self.line.as_slice()))
    }
}

/// Reads a backup from beginning to end and checks that it is whole. Nothing is done with what it holds.
pub(super) fn check(path: &Path) -> Result<Header, AppError> {
    let mut lines = Lines::open(path)?;
    let damaged = |what: &str| refused(format!("{} is damaged: {what}. Nothing was restored.", path.display()));
    let mut digest = Sha256::new();
    let first = lines.next()?.unwrap_or_default();
    if !first.starts_with(BEGINNING.as_bytes()) {
        return Err(refused(format!("{} is no backup of Keyrack", path.display())));
    }
    digest.update(first);
    let header: Value = serde_json::from_slice(first).map_err(|_| damaged("its first line cannot be read"))?;
    if header["keyrack_backup"].as_i64().is_none_or(|format| format > FORMAT) {
        return Err(refused(format!("{} was made by a newer Keyrack; restore it with that one", path.display())));
    }
    let header: Header = serde_json::from_value(header).map_err(|_| damaged("its first line cannot be read"))?;
    let mut rows = 0;
    loop {
        let Some(line) = lines.next()? else { return Err(damaged("its end is missing")) };
        match line.first() {
            Some(b'[') => rows += 1,
            _ if line.starts_with(b"{\"rows\":") => {
                let end: EndLine = serde_json::from_slice(line).map_err(|_| damaged("its last line cannot be read"))?;
                if end.sha256 != hex(&digest.finalize()) || end.rows != rows {
                    return Err(damaged("its checksum does not fit what it holds"));
                }
                return match lines.next()? {
                    None => Ok(header),
                    Some(_) => Err(damaged("there is more behind its end")),
                };
            }
            Some(_) | None => {}
        }
        digest.update(line);
    }
}

/// Some rows of one table.
pub(super) struct Rows<'l> {
    pub(super) table: &'l str,
    pub(super) columns: &'l [String],
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Gives the rows of a backup that `check` found whole.
pub(super) fn each_rows(path: &Path, mut f: impl FnMut(Rows<'_>) -> Result<(), AppError>) -> Result<(), AppError> {
    let mut lines = Lines::open(path)?;
    let odd = || refused(format!("{} holds something that this program does not know", path.display()));
    let _header = lines.next()?;
    let mut place: Option<TableLine> = None;
    let mut rows = Vec::new();
    loop {
        let line = lines.next()?;
        let row = line.filter(|line| line.starts_with(b"["));
        if (row.is_none() || rows.len() >= ROWS_AT_ONCE)
            && !rows.is_empty()
            && let Some(TableLine { table, columns }) = &place
        {
            f(Rows { table, columns, rows: std::mem::take(&mut rows) })?;
        }
        match (row, line) {
            (Some(row), _) if place.is_some() => rows.push(read_row(row).ok_or_else(odd)?),
            (None, Some(line)) if line.starts_with(b"{\"table\":") => {
                place = Some(serde_json::from_slice(line).map_err(|_| odd())?);
            }
            (None, Some(line)) if line.starts_with(b"{\"rows\":") => return Ok(()),
            _ => return Err(odd()),
        }
    }
}

fn read_row(line: &[u8]) -> Option<Vec<Cell>> {
    let values: Vec<Value> = serde_json::from_slice(line).ok()?;
    let read = |value| match value {
        Value::Null => Some(Cell::Null),
        Value::Number(number) => number.as_i64().map(Cell::Number),
        Value::String(text) => Some(Cell::Text(text)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    values.into_iter().map(read).collect()
}
