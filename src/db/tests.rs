//! How SQLite would carry out a statement, for tests: what is asked all the time must not read a whole table.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

/// The lines of the plan, in a database that `tables` makes.
pub(in crate::db) fn plan_of(tables: &str, statement: &str) -> Vec<String> {
    let mut conn = diesel::SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute(tables).unwrap();
    let plan = diesel::dsl::sql::<(Integer, Integer, Integer, Text)>(&format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i32, i32, i32, String)> = plan.load(&mut conn).unwrap();
    steps.into_iter().map(|step| step.3).collect()
}
