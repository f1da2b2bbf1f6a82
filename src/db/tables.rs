//! All tables as they are, whatever they hold: for backups, which must read with any schema and write with any database.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};

use super::conn::MultiBackend;
use super::{Conn, DbError, DbResult};

/// What becomes of a table in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its rows are saved and put back.
    Saved,
    /// Its rows are not saved, and a restore empties it: what is over must not begin again.
    Emptied,
    /// It belongs to the database that runs, and stays.
    Left,
}

/// The tables that are not simply saved.
const SPECIAL: &[(&str, Fate)] = &[
    ("__diesel_schema_migrations", Fate::Left),
    ("installation", Fate::Left),
    ("gate_clock", Fate::Left),
    ("gate_changes", Fate::Left),
    ("gate_nodes", Fate::Left),
    // Whoever signed out since the backup must not be signed in again by it.
    ("sessions", Fate::Emptied),
    // The same of the command line, and of sign-ins that nobody has allowed yet.
    ("cli_tokens", Fate::Emptied),
    ("device_codes", Fate::Emptied),
    // A link that was used or withdrawn since must not work again.
    ("one_time_links", Fate::Emptied),
];

/// What becomes of the table of this name.
#[must_use]
pub fn fate_of(table: &str) -> Fate {
    SPECIAL.iter().find(|(name, _)| *name == table).map_or(Fate::Saved, |(_, fate)| *fate)
}

/// What a column holds; there are no other kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TEXT.
    Text,
    /// BIGINT.
    Number,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<(String, Kind)>,
}

/// What stands in one place of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

#[derive(QueryableByName)]
struct ReferenceRow {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    parent: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

const COLUMNS_SQLITE: &str = "SELECT m.name AS table_name, c.name AS column_name, lower(c.type) AS kind \
     FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' \
     ORDER BY m.name, c.cid";
const COLUMNS_POSTGRES: &str = "SELECT c.table_name::text AS table_name, c.column_name::text AS column_name, \
     c.data_type::text AS kind FROM information_schema.columns c \
     JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
     WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position";
const REFERENCES_SQLITE: &str = "SELECT m.name AS child, f.\"table\" AS parent \
     FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
const REFERENCES_POSTGRES: &str = "SELECT child.relname::text AS child, parent.relname::text AS parent \
     FROM pg_constraint k JOIN pg_class child ON child.oid = k.conrelid JOIN pg_class parent ON parent.oid = k.confrelid \
     WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace";

/// All tables but those that belong to the running database, each after those that its rows refer to.
///
/// # Errors
/// A column of a kind that a backup cannot hold, or the database's own failure.
pub fn list_tables(conn: &mut Conn) -> DbResult<Vec<Table>> {
    let is_sqlite = conn.is_sqlite();
    let query = if is_sqlite { COLUMNS_SQLITE } else { COLUMNS_POSTGRES };
    let mut tables: BTreeMap<String, Vec<(String, Kind)>> = BTreeMap::new();
    for row in diesel::sql_query(query).load::<ColumnRow>(conn)? {
        if fate_of(&row.table_name) == Fate::Left {
            continue;
        }
        let kind = match row.kind.as_str() {
            "text" => Kind::Text,
            "bigint" => Kind::Number,
            other => {
                let what = format!("{}.{} is {other}, which no backup can hold", row.table_name, row.column_name);
                return Err(DbError::QueryBuilderError(what.into()));
            }
        };
        tables.entry(row.table_name).or_default().push((row.column_name, kind));
    }
    let query = if is_sqlite { REFERENCES_SQLITE } else { REFERENCES_POSTGRES };
    let references: Vec<ReferenceRow> = diesel::sql_query(query).load(conn)?;
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |name: &String| {
            references.iter().any(|row| row.child == *name && row.parent != *name && tables.contains_key(&row.parent))
        };
        let ready: Vec<String> = tables.keys().filter(|name| !waits(name)).cloned().collect();
        if ready.is_empty() {
            return Err(DbError::QueryBuilderError("tables refer to each other in a circle".into()));
        }
        ordered.extend(ready.into_iter().filter_map(|name| tables.remove_entry(&name)).map(table));
    }
    Ok(ordered)
}

fn table((name, columns): (String, Vec<(String, Kind)>)) -> Table {
    Table { name, columns }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn column_list(columns: &[(String, Kind)]) -> String {
    columns.iter().map(|(name, _)| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// Gives each row of a table as a JSON array of its columns, as the database reads them, without holding all in memory.
///
/// # Errors
/// What `f` returns, or the database's own failure.
pub fn each_row<E: From<DbError>>(
    conn: &mut Conn,
    table: &Table,
    mut f: impl FnMut(&str) -> Result<(), E>,
) -> Result<(), E> {
    let (columns, name) = (column_list(&table.columns), quoted(&table.name));
    match conn {
        Conn::Sqlite(sqlite) => {
            let query = diesel::sql_query(format!("SELECT json_array({columns}) AS line FROM {name}"));
            for row in query.load_iter::<Line, diesel::connection::DefaultLoadingMode>(sqlite)? {
                f(&row?.line)?;
            }
        }
        Conn::Postgres(pg) => {
            pg.batch_execute(&format!(
                "DECLARE rows_to_save NO SCROLL CURSOR FOR SELECT json_build_array({columns})::text AS line FROM {name}"
            ))?;
            loop {
                let rows: Vec<Line> = diesel::sql_query("FETCH FORWARD 500 FROM rows_to_save").load(pg)?;
                if rows.is_empty() {
                    break;
                }
                rows.iter().try_for_each(|row| f(&row.line))?;
            }
            pg.batch_execute("CLOSE rows_to_save")?;
        }
    }
    Ok(())
}

/// Keeps everybody else from writing to these tables until the transaction ends; SQLite does so by itself.
pub fn lock_tables(conn: &mut Conn, tables: &[Table]) -> DbResult<()> {
    let Conn::Postgres(pg) = conn else { return Ok(()) };
    let names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
    pg.batch_execute(&format!(
        "SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
        names.join(", ")
    ))
}

/// Empties these tables, which come in the order of `list_tables`.
pub fn clear_tables(conn: &mut Conn, tables: &[Table]) -> DbResult<()> {
    for table in tables.iter().rev() {
        diesel::sql_query(format!("DELETE FROM {}", quoted(&table.name))).execute(conn)?;
    }
    Ok(())
}

/// Rows for one statement.
struct Insert<'r> {
    head: String,
    kinds: Vec<Kind>,
    rows: &'r [Vec<Cell>],
}

impl QueryFragment<MultiBackend> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        pass.push_sql(&self.head);
        for (position, row) in self.rows.iter().enumerate() {
            pass.push_sql(if position == 0 { " (" } else { ", (" });
            for (place, (cell, kind)) in row.iter().zip(&self.kinds).enumerate() {
                if place > 0 {
                    pass.push_sql(", ");
                }
                match (cell, kind) {
                    (Cell::Null, Kind::Text) => pass.push_bind_param::<Nullable<Text>, Option<String>>(&None)?,
                    (Cell::Null, Kind::Number) => pass.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None)?,
                    (Cell::Text(text), _) => pass.push_bind_param::<Text, str>(text)?,
                    (Cell::Number(number), _) => pass.push_bind_param::<BigInt, i64>(number)?,
                }
            }
            pass.push_sql(")");
        }
        Ok(())
    }
}

impl QueryId for Insert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<Conn> for Insert<'_> {}

/// How many rows are best put into a table at once.
pub const ROWS_AT_ONCE: usize = 128;

/// Adds rows to a table, `ROWS_AT_ONCE` at most; the cells come in the order of its columns.
///
/// # Errors
/// A cell of the wrong kind, or the database's own failure.
pub fn insert_rows(conn: &mut Conn, table: &Table, rows: &[Vec<Cell>]) -> DbResult<()> {
    let fits = |(cell, (_, kind)): (&Cell, &(String, Kind))| match cell {
        Cell::Null => true,
        Cell::Number(_) => *kind == Kind::Number,
        Cell::Text(_) => *kind == Kind::Text,
    };
    if !rows.iter().all(|row| row.len() == table.columns.len() && row.iter().zip(&table.columns).all(fits)) {
        return Err(DbError::QueryBuilderError(format!("a row does not fit into {}", table.name).into()));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let mut head = String::new();
    // Writing to a text cannot fail.
    let _ = write!(head, "INSERT INTO {} ({}) VALUES", quoted(&table.name), column_list(&table.columns));
    let kinds = table.columns.iter().map(|(_, kind)| *kind).collect();
    Insert { head, kinds, rows }.execute(conn).map(|_| ())
}
