//! Statements over many rows at once, for what is written all the time: a round trip per row would cost more than all else.

use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{QueryResult, RunQueryDsl};

use super::{Conn, DbResult};

/// Rows per statement at most: well below what either database takes, and past the point where more would be faster.
pub(crate) const ROWS_MAX: usize = 128;

/// A value of a row.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(i64),
    MaybeNumber(Option<i64>),
}

/// One row of a statement.
pub(super) trait Row {
    /// Appends its values in order: as many in each row, and of the same kinds.
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>);
}

/// `head VALUES (…), (…), … tail`, where the head begins with `INSERT` or `UPDATE`.
struct Rows<'a> {
    head: &'static str,
    /// Of one row after the other.
    values: &'a [Value<'a>],
    /// How many make a row.
    width: usize,
    tail: &'static str,
}

impl QueryFragment<Sqlite> for Rows<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // Otherwise SQLite copies each page before it first touches it, to take back the rows before one that fails. (It does so
        // even now where the tail has a `DO UPDATE`.) Here all that was done is taken back then.
        let (verb, rest) = self.head.split_once(' ').unwrap_or((self.head, ""));
        pass.push_sql(verb);
        pass.push_sql(" OR FAIL ");
        pass.push_sql(rest);
        for (position, value) in self.values.iter().enumerate() {
            pass.push_sql(match position {
                0 => " VALUES (",
                _ if position.is_multiple_of(self.width) => "), (",
                _ => ", ",
            });
            match value {
                Value::Text(text) => pass.push_bind_param::<Text, str>(text)?,
                Value::Number(number) => pass.push_bind_param::<BigInt, i64>(number)?,
                Value::MaybeNumber(number) => pass.push_bind_param::<Nullable<BigInt>, Option<i64>>(number)?,
            }
        }
        pass.push_sql(")");
        pass.push_sql(self.tail);
        Ok(())
    }
}

/// The values of a column, in the order of the rows.
enum Column<'a> {
    Texts(Vec<&'a str>),
    Numbers(Vec<i64>),
    MaybeNumbers(Vec<Option<i64>>),
}

impl<'a> Column<'a> {
    fn at(place: usize, values: &[Value<'a>], width: usize) -> Self {
        let of_column = values.iter().skip(place).step_by(width);
        let text = |value: &Value<'a>| if let Value::Text(text) = value { text } else { "" };
        let number = |value: &Value<'a>| match value {
            Value::Number(number) => Some(*number),
            Value::MaybeNumber(number) => *number,
            Value::Text(_) => None,
        };
        match values[place] {
            Value::Text(_) => Self::Texts(of_column.map(text).collect()),
            Value::Number(_) => Self::Numbers(of_column.filter_map(number).collect()),
            Value::MaybeNumber(_) => Self::MaybeNumbers(of_column.map(number).collect()),
        }
    }
}

/// `head SELECT * FROM unnest(…, …) AS u (column1, column2) tail`: the same rows, one array for each column. PostgreSQL plans
/// and evaluates a list of rows value by value; this is one short statement for any number of rows.
struct Columns<'a> {
    head: &'static str,
    columns: Vec<Column<'a>>,
    tail: &'static str,
}

impl QueryFragment<Pg> for Columns<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql(self.head);
        for (position, column) in self.columns.iter().enumerate() {
            pass.push_sql(if position == 0 { " SELECT * FROM unnest(" } else { ", " });
            match column {
                Column::Texts(texts) => pass.push_bind_param::<Array<Text>, _>(texts)?,
                Column::Numbers(numbers) => pass.push_bind_param::<Array<BigInt>, _>(numbers)?,
                Column::MaybeNumbers(numbers) => pass.push_bind_param::<Array<Nullable<BigInt>>, _>(numbers)?,
            }
        }
        // The names that a list of rows has by itself.
        for number in 1..=self.columns.len() {
            pass.push_sql(if number == 1 { ") AS u (" } else { ", " });
            pass.push_sql(&format!("column{number}"));
        }
        pass.push_sql(")");
        pass.push_sql(self.tail);
        Ok(())
    }
}

macro_rules! prepared_by_its_text {
    ($statement:ident, $connection:ty) => {
        impl QueryId for $statement<'_> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl RunQueryDsl<$connection> for $statement<'_> {}
    };
}

prepared_by_its_text!(Rows, SqliteConnection);
prepared_by_its_text!(Columns, PgConnection);

/// Runs `head`, the rows, `tail` for all rows, in pieces. The rows stand where `VALUES (…), (…)` or a query may stand, with
/// columns of the same names. On SQLite the sizes of the pieces are powers of two: then there are few different statements,
/// and all stay prepared. Call it in a transaction and pass its failure on: on SQLite the rows before one that fails are not
/// taken back by themselves. Returns how many rows they touched.
pub(super) fn execute_many<R: Row>(
    conn: &mut Conn,
    head: &'static str,
    mut rows: &[R],
    tail: &'static str,
) -> DbResult<usize> {
    let (mut touched, mut values) = (0, Vec::new());
    while !rows.is_empty() {
        let most = rows.len().min(ROWS_MAX);
        let (piece, rest) = rows.split_at(if conn.is_sqlite() { 1 << most.ilog2() } else { most });
        values.clear();
        piece.iter().for_each(|row| row.put_values(&mut values));
        let width = values.len() / piece.len();
        touched += match conn {
            Conn::Sqlite(sqlite) => Rows { head, values: &values, width, tail }.execute(sqlite)?,
            Conn::Postgres(pg) => {
                let columns = (0..width).map(|place| Column::at(place, &values, width)).collect();
                Columns { head, columns, tail }.execute(pg)?
            }
        };
        rows = rest;
    }
    Ok(touched)
}
