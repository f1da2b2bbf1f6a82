//! Signed-in command lines. The token is never stored, only its SHA-256.

use std::collections::HashSet;

use diesel::prelude::*;

use super::schema::cli_tokens as tokens;
use super::{Conn, DbResult};
use crate::domain::device::CliToken;
use crate::domain::ids::{CliTokenId, OrgId, UserId};
use crate::domain::time::Timestamp;

#[derive(Queryable)]
struct Row {
    id: String,
    _token_hash: String,
    user_id: String,
    org_id: String,
    name: String,
    address: String,
    client: String,
    created_at: i64,
    expires_at: i64,
    last_used_at: Option<i64>,
    last_used_address: String,
    ended_at: Option<i64>,
}

impl From<Row> for CliToken {
    fn from(row: Row) -> Self {
        Self {
            id: CliTokenId(row.id),
            user: UserId(row.user_id),
            org: OrgId(row.org_id),
            name: row.name,
            address: row.address,
            client: row.client,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
            last_used_address: row.last_used_address,
            ended_at: row.ended_at.map(Timestamp::from_micros),
        }
    }
}

/// Adds a token. `token_hash` is SHA-256, hexadecimal.
pub fn insert_cli_token(conn: &mut Conn, token: &CliToken, token_hash: &str) -> DbResult<()> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::id.eq(token.id.as_str()),
            tokens::token_hash.eq(token_hash),
            tokens::user_id.eq(token.user.as_str()),
            tokens::org_id.eq(token.org.as_str()),
            tokens::name.eq(&token.name),
            tokens::address.eq(&token.address),
            tokens::client.eq(&token.client),
            tokens::created_at.eq(token.created_at.as_micros()),
            tokens::expires_at.eq(token.expires_at.as_micros()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// A token by its hash, live or not.
pub fn find_by_hash(conn: &mut Conn, token_hash: &str) -> DbResult<Option<CliToken>> {
    let row: Option<Row> = tokens::table.filter(tokens::token_hash.eq(token_hash)).first(conn).optional()?;
    Ok(row.map(CliToken::from))
}

/// A person's token by its id, live or not.
pub fn find_cli_token(conn: &mut Conn, user: &UserId, id: &CliTokenId) -> DbResult<Option<CliToken>> {
    let row: Option<Row> =
        tokens::table.find(id.as_str()).filter(tokens::user_id.eq(user.as_str())).first(conn).optional()?;
    Ok(row.map(CliToken::from))
}

/// The tokens of a person that work at `now`, the latest made first.
pub fn list_cli_tokens(conn: &mut Conn, user: &UserId, now: Timestamp) -> DbResult<Vec<CliToken>> {
    let rows: Vec<Row> = tokens::table
        .filter(tokens::user_id.eq(user.as_str()))
        .filter(tokens::ended_at.is_null())
        .filter(tokens::expires_at.gt(now.as_micros()))
        .order((tokens::created_at.desc(), tokens::id))
        .load(conn)?;
    Ok(rows.into_iter().map(CliToken::from).collect())
}

/// Those of these tokens that nobody has ended.
pub fn list_unended(conn: &mut Conn, ids: &[&str]) -> DbResult<HashSet<String>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let place = tokens::table.filter(tokens::id.eq_any(ids)).filter(tokens::ended_at.is_null());
    let found: Vec<String> = place.select(tokens::id).load(conn)?;
    Ok(found.into_iter().collect())
}

/// Notes that a request came.
pub fn update_last_used(conn: &mut Conn, id: &CliTokenId, address: &str, now: Timestamp) -> DbResult<()> {
    diesel::update(tokens::table.find(id.as_str()))
        .set((tokens::last_used_at.eq(now.as_micros()), tokens::last_used_address.eq(address)))
        .execute(conn)
        .map(|_| ())
}

/// Ends a person's token. Says whether it was there and not ended yet.
pub fn mark_ended(conn: &mut Conn, user: &UserId, id: &CliTokenId, now: Timestamp) -> DbResult<bool> {
    let count = diesel::update(
        tokens::table.find(id.as_str()).filter(tokens::user_id.eq(user.as_str())).filter(tokens::ended_at.is_null()),
    )
    .set(tokens::ended_at.eq(now.as_micros()))
    .execute(conn)?;
    Ok(count == 1)
}

/// Ends all of a person's tokens. Returns how many were live.
pub fn mark_all_ended(conn: &mut Conn, user: &UserId, now: Timestamp) -> DbResult<usize> {
    let live = tokens::table
        .filter(tokens::user_id.eq(user.as_str()))
        .filter(tokens::ended_at.is_null())
        .filter(tokens::expires_at.gt(now.as_micros()));
    diesel::update(live).set(tokens::ended_at.eq(now.as_micros())).execute(conn)
}

/// Forgets tokens that were over before then.
pub fn delete_old_cli_tokens(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    let before = before.as_micros();
    diesel::delete(
        tokens::table.filter(tokens::expires_at.lt(before).or(tokens::ended_at.assume_not_null().lt(before))),
    )
    .execute(conn)
}
