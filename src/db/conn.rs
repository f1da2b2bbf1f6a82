//! One connection type over both databases, and the 12 lines that let an upsert run through it.

#![expect(missing_debug_implementations, reason = "the derive writes the types")]

use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel::{Connection, QueryResult, RunQueryDsl};

/// A connection to whichever database the settings name.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// PostgreSQL.
    Postgres(diesel::PgConnection),
    /// SQLite.
    Sqlite(diesel::SqliteConnection),
}

impl Conn {
    /// Whether this is SQLite.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// Runs a statement through `Conn` that diesel accepts for each database but not for the derived enum: `on_conflict`.
pub(super) struct Both<Q>(pub Q);

impl<Q: QueryFragment<Pg> + QueryFragment<Sqlite>> QueryFragment<MultiBackend> for Both<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, pass)
    }
}

impl<Q: QueryId> QueryId for Both<Q> {
    type QueryId = Q::QueryId;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q: Query> Query for Both<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> RunQueryDsl<Conn> for Both<Q> {}

/// Runs a query on the database that the connection is of. The derived connection writes the whole SQL anew at each run, only to
/// find the prepared statement, and hands on every value of a row once more; so what every page asks goes this way.
macro_rules! on_each {
    ($conn:expr, $each:ident => $run:expr) => {
        match $conn {
            $crate::db::Conn::Postgres($each) => $run,
            $crate::db::Conn::Sqlite($each) => $run,
        }
    };
}
pub(super) use on_each;

/// A statement that stays prepared. Diesel prepares every update anew, because it cannot know that what is set never varies; so
/// only for those of which that is true, or each variant would be kept for ever.
pub(super) struct Prepared<Q>(pub Q);

impl<Q: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C: Connection> RunQueryDsl<C> for Prepared<Q> {}
