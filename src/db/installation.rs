//! The name of this installation, which a backup and a revocation journal carry too.

use diesel::prelude::*;

use super::conn::{Both, on_each, prepared};
use super::schema::{gate_clock, installation};
use super::{Conn, DbError, DbResult};
use crate::domain::ids::base62_from;

/// A new name.
///
/// # Errors
/// The operating system gave no randomness.
pub fn new_name() -> DbResult<String> {
    let mut bytes = [0; 64];
    let none = |why: String| DbError::QueryBuilderError(why.into());
    getrandom::fill(&mut bytes).map_err(|error| none(format!("no randomness: {error}")))?;
    let name = base62_from(&bytes, 16).ok_or_else(|| none("no random number".to_owned()))?;
    Ok(format!("ins_{name}"))
}

/// Names the installation, if it has no name yet.
pub fn ensure_name(conn: &mut Conn) -> DbResult<()> {
    let row = (installation::id.eq(1), installation::name.eq(new_name()?));
    Both(diesel::insert_into(installation::table).values(row).on_conflict_do_nothing()).execute(conn).map(|_| ())
}

/// The name.
pub fn find_name(conn: &mut Conn) -> DbResult<String> {
    let query = installation::table.find(1).select(installation::name);
    on_each!(conn, conn => prepared!(query).get_result(conn))
}

/// Takes on another installation's name.
pub fn put_name(conn: &mut Conn, name: &str) -> DbResult<()> {
    diesel::delete(installation::table).execute(conn)?;
    let row = (installation::id.eq(1), installation::name.eq(name));
    diesel::insert_into(installation::table).values(row).execute(conn).map(|_| ())
}

/// Lets the numbers of changes go on after `seq`, if they are not past it already: no number is ever given twice.
pub fn raise_clock(conn: &mut Conn, seq: i64) -> DbResult<()> {
    diesel::update(gate_clock::table.find(1).filter(gate_clock::seq.lt(seq)))
        .set(gate_clock::seq.eq(seq))
        .execute(conn)
        .map(|_| ())
}
