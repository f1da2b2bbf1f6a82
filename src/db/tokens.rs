//! Credentials of the operator's own backends, and what was done once.

use diesel::prelude::*;

use super::changes::{Change, note};
use super::schema::{done_once, service_tokens};
use super::{Conn, DbResult};
use crate::domain::ids::ServiceTokenId;
use crate::domain::time::Timestamp;

/// A service token without its secret.
#[derive(Debug, Clone)]
pub struct ServiceToken {
    /// Its id.
    pub id: ServiceTokenId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    name: String,
    _token_hash: String,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<Row> for ServiceToken {
    fn from(row: Row) -> Self {
        Self {
            id: ServiceTokenId(row.id),
            name: row.name,
            created_at: Timestamp::from_micros(row.created_at),
            last_used_at: row.last_used_at.map(Timestamp::from_micros),
            revoked_at: row.revoked_at.map(Timestamp::from_micros),
        }
    }
}

/// Adds a service token. `token_hash` is SHA-256, hexadecimal.
pub fn insert_service_token(conn: &mut Conn, token: &ServiceToken, token_hash: &str) -> DbResult<()> {
    diesel::insert_into(service_tokens::table)
        .values((
            service_tokens::id.eq(token.id.as_str()),
            service_tokens::name.eq(&token.name),
            service_tokens::token_hash.eq(token_hash),
            service_tokens::created_at.eq(token.created_at.as_micros()),
        ))
        .execute(conn)?;
    note(Change::ServiceTokens)
}

/// A service token that was not revoked.
pub fn find_service_token(conn: &mut Conn, token_hash: &str) -> DbResult<Option<ServiceToken>> {
    let row: Option<Row> = service_tokens::table
        .filter(service_tokens::token_hash.eq(token_hash))
        .filter(service_tokens::revoked_at.is_null())
        .first(conn)
        .optional()?;
    Ok(row.map(ServiceToken::from))
}

/// All service tokens, the oldest first.
pub fn list_service_tokens(conn: &mut Conn) -> DbResult<Vec<ServiceToken>> {
    let rows: Vec<Row> = service_tokens::table.order((service_tokens::created_at, service_tokens::id)).load(conn)?;
    Ok(rows.into_iter().map(ServiceToken::from).collect())
}

/// Revokes a service token. Says whether it was there and not revoked yet.
pub fn mark_service_token_revoked(conn: &mut Conn, id: &ServiceTokenId, now: Timestamp) -> DbResult<bool> {
    let count = diesel::update(
        service_tokens::table.filter(service_tokens::id.eq(id.as_str())).filter(service_tokens::revoked_at.is_null()),
    )
    .set(service_tokens::revoked_at.eq(now.as_micros()))
    .execute(conn)?;
    note(Change::ServiceTokens)?;
    Ok(count == 1)
}

/// What was done under a form nonce or an Idempotency-Key.
#[derive(Debug, Clone, Queryable)]
pub struct Done {
    /// SHA-256 of what was asked for.
    pub body_hash: String,
    /// What came of it.
    pub object_id: String,
    /// When, in microseconds.
    pub created_at: i64,
}

/// What was done under this token in this scope.
pub fn find_done(conn: &mut Conn, scope: &str, token: &str) -> DbResult<Option<Done>> {
    done_once::table
        .find((scope, token))
        .select((done_once::body_hash, done_once::object_id, done_once::created_at))
        .first(conn)
        .optional()
}

/// Notes what was done.
///
/// # Errors
/// `UniqueViolation` when the token was used before.
pub fn insert_done(conn: &mut Conn, scope: &str, token: &str, done: &Done) -> DbResult<()> {
    diesel::insert_into(done_once::table)
        .values((
            done_once::scope.eq(scope),
            done_once::token.eq(token),
            done_once::body_hash.eq(&done.body_hash),
            done_once::object_id.eq(&done.object_id),
            done_once::created_at.eq(done.created_at),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Forgets what was done before `before`.
pub fn delete_old_done(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    diesel::delete(done_once::table.filter(done_once::created_at.lt(before.as_micros()))).execute(conn)
}
