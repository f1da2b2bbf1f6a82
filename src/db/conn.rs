//! One connection type over both databases, and the few lines that let an upsert and a list of ids run through it.

#![expect(missing_debug_implementations, reason = "the derive writes the types")]

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{Bool, HasSqlType, Text};
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

/// A statement whose text is the same at each run: it is known by the place in the code where it stands (`Site`), so nothing has
/// to be written or walked through to find it, and it stays prepared. Diesel prepares every update anew, because it cannot know
/// that what is set never varies. An update must return something to stay prepared: `execute` hands on a reference, for which diesel
/// asks again. Made by [`prepared`].
pub(super) struct Prepared<Q, Site>(Q, PhantomData<Site>);

impl<Q, Site> Prepared<Q, Site> {
    /// Only for [`prepared`]: two statements of one site would be taken for each other.
    pub(super) fn at(_: Site, query: Q) -> Self {
        Self(query, PhantomData)
    }
}

/// Marks a statement whose text never varies: no boxed query, no list of ids, no rows in any number, nothing of a type parameter.
macro_rules! prepared {
    ($query:expr) => {{
        struct Site;
        $crate::db::conn::Prepared::at(Site, $query)
    }};
}
pub(super) use prepared;

impl<Q: QueryFragment<DB>, Site, DB: Backend> QueryFragment<DB> for Prepared<Q, Site> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q, Site: 'static> QueryId for Prepared<Q, Site> {
    type QueryId = Site;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Q: Query, Site> Query for Prepared<Q, Site> {
    type SqlType = Q::SqlType;
}

impl<Q, Site, C: Connection> RunQueryDsl<C> for Prepared<Q, Site> {}

/// `column IN (…)`, with a number of places that is a power of two: then there are few different statements and all stay
/// prepared, which diesel's own are not.
pub(super) struct OneOf<'v, C> {
    column: C,
    values: Vec<&'v str>,
}

/// Whether a column holds one of these values.
pub(super) fn one_of<'v, C>(column: C, mut values: Vec<&'v str>) -> OneOf<'v, C> {
    if let Some(last) = values.last().copied() {
        values.resize(values.len().next_power_of_two(), last);
    }
    OneOf { column, values }
}

impl<C: QueryFragment<DB>, DB: Backend + HasSqlType<Text>> QueryFragment<DB> for OneOf<'_, C>
where
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.values.is_empty() {
            pass.push_sql("1 = 0");
            return Ok(());
        }
        self.column.walk_ast(pass.reborrow())?;
        for (position, value) in self.values.iter().enumerate() {
            pass.push_sql(if position == 0 { " IN (" } else { ", " });
            pass.push_bind_param::<Text, str>(value)?;
        }
        pass.push_sql(")");
        Ok(())
    }
}

impl<C> QueryId for OneOf<'_, C> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Expression<SqlType = Text>> Expression for OneOf<'_, C> {
    type SqlType = Bool;
}

impl<C: AppearsOnTable<From>, From: ?Sized> AppearsOnTable<From> for OneOf<'_, C> where Self: Expression {}

impl<C: SelectableExpression<From>, From: ?Sized> SelectableExpression<From> for OneOf<'_, C> where
    Self: AppearsOnTable<From>
{
}

impl<C, Columns> ValidGrouping<Columns> for OneOf<'_, C> {
    type IsAggregate = is_aggregate::No;
}
