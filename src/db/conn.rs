//! One connection type over both databases, and the 12 lines that let an upsert run through it.

#![expect(missing_debug_implementations, reason = "the derive writes the types")]

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl};

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
