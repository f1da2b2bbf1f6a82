//! Statements over many rows at once, for what is written all the time: a round trip per row would cost more than all else.

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

use super::conn::MultiBackend;
use super::{Conn, DbResult};

/// Rows per statement at most: well below what either database takes, and past the point where more would be faster.
const ROWS_MAX: usize = 128;

/// The values of one row of a statement.
pub(super) trait Row {
    /// Binds the values in order, with commas between them.
    fn bind<'b>(&'b self, pass: &mut AstPass<'_, 'b, MultiBackend>) -> QueryResult<()>;
}

/// `head (…), (…), … tail`
struct Many<'a, R> {
    head: &'static str,
    rows: &'a [R],
    tail: &'static str,
}

impl<R: Row> QueryFragment<MultiBackend> for Many<'_, R> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        pass.push_sql(self.head);
        for (position, row) in self.rows.iter().enumerate() {
            pass.push_sql(if position == 0 { " (" } else { ", (" });
            row.bind(&mut pass)?;
            pass.push_sql(")");
        }
        pass.push_sql(self.tail);
        Ok(())
    }
}

impl<R> QueryId for Many<'_, R> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R> RunQueryDsl<Conn> for Many<'_, R> {}

/// Runs `head (…), (…) tail` for all rows, in pieces whose sizes are powers of two: then there are few different
/// statements, and all stay prepared. Returns how many rows they touched.
pub(super) fn execute_many<R: Row>(
    conn: &mut Conn,
    head: &'static str,
    mut rows: &[R],
    tail: &'static str,
) -> DbResult<usize> {
    let mut touched = 0;
    while !rows.is_empty() {
        let size = 1 << rows.len().min(ROWS_MAX).ilog2();
        let (piece, rest) = rows.split_at(size);
        touched += Many { head, rows: piece, tail }.execute(conn)?;
        rows = rest;
    }
    Ok(touched)
}
