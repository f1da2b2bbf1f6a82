//! Signed-in browsers. The cookie's value is never stored, only its SHA-256.

use std::collections::HashSet;

use diesel::prelude::*;

use super::conn::{on_each, prepared};
use super::schema::sessions;
use super::{Conn, DbResult};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::time::Timestamp;

/// A session as its owner may see it, and the state that the cookie stands for.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value, hexadecimal.
    pub token_hash: String,
    /// Its public id.
    pub id: SessionId,
    /// Whose it is; nobody's before sign-in.
    pub user: Option<UserId>,
    /// What is kept for it, as JSON.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a request last came, to a few minutes.
    pub last_seen_at: Timestamp,
    /// From which address it was made.
    pub address: String,
    /// With which browser.
    pub client: String,
}

#[derive(Queryable)]
struct Row {
    token_hash: String,
    id: String,
    user_id: Option<String>,
    state: String,
    created_at: i64,
    last_seen_at: i64,
    address: String,
    client: String,
}

impl From<Row> for SessionRecord {
    fn from(row: Row) -> Self {
        Self {
            token_hash: row.token_hash,
            id: SessionId(row.id),
            user: row.user_id.map(UserId),
            state: row.state,
            created_at: Timestamp::from_micros(row.created_at),
            last_seen_at: Timestamp::from_micros(row.last_seen_at),
            address: row.address,
            client: row.client,
        }
    }
}

/// Adds a session.
pub fn insert_session(conn: &mut Conn, record: &SessionRecord) -> DbResult<()> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(&record.token_hash),
            sessions::id.eq(record.id.as_str()),
            sessions::user_id.eq(record.user.as_ref().map(UserId::as_str)),
            sessions::state.eq(&record.state),
            sessions::created_at.eq(record.created_at.as_micros()),
            sessions::last_seen_at.eq(record.last_seen_at.as_micros()),
            sessions::address.eq(&record.address),
            sessions::client.eq(&record.client),
        ))
        .execute(conn)
        .map(|_| ())
}

/// What the session layer needs of a session.
#[derive(Debug, Clone)]
pub struct KeptSession {
    /// What is kept for it, as JSON.
    pub state: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a request last came, to a few minutes.
    pub last_seen_at: Timestamp,
}

/// A session by the hash of its cookie.
pub fn find_session(conn: &mut Conn, token_hash: &str) -> DbResult<Option<KeptSession>> {
    let query =
        sessions::table.find(token_hash).select((sessions::state, sessions::created_at, sessions::last_seen_at));
    let row = on_each!(conn, conn => prepared!(query).get_result::<(String, i64, i64)>(conn)).optional()?;
    Ok(row.map(|(state, created_at, last_seen_at)| KeptSession {
        state,
        created_at: Timestamp::from_micros(created_at),
        last_seen_at: Timestamp::from_micros(last_seen_at),
    }))
}

/// Changes what is kept; a session that was ended meanwhile stays ended. Says whether it was there.
pub fn update_state(conn: &mut Conn, token_hash: &str, state: &str, user: Option<&UserId>) -> DbResult<bool> {
    let count = diesel::update(sessions::table.find(token_hash))
        .set((sessions::state.eq(state), sessions::user_id.eq(user.map(UserId::as_str))))
        .execute(conn)?;
    Ok(count > 0)
}

/// Notes that a request came.
pub fn update_last_seen(conn: &mut Conn, token_hash: &str, now: Timestamp) -> DbResult<()> {
    diesel::update(sessions::table.find(token_hash))
        .set(sessions::last_seen_at.eq(now.as_micros()))
        .execute(conn)
        .map(|_| ())
}

/// The sessions of a person, the latest used first.
pub fn list_sessions(conn: &mut Conn, user: &UserId) -> DbResult<Vec<SessionRecord>> {
    let rows: Vec<Row> = sessions::table
        .filter(sessions::user_id.eq(user.as_str()))
        .order((sessions::last_seen_at.desc(), sessions::id))
        .load(conn)?;
    Ok(rows.into_iter().map(SessionRecord::from).collect())
}

/// Those of these sessions that are there.
pub fn list_existing(conn: &mut Conn, ids: &[&str]) -> DbResult<HashSet<String>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<String> = sessions::table.filter(sessions::id.eq_any(ids)).select(sessions::id).load(conn)?;
    Ok(found.into_iter().collect())
}

/// Whether a session of a person is there. If so, no other transaction can end it until this one does.
pub fn lock_session(conn: &mut Conn, user: &UserId, id: &SessionId) -> DbResult<bool> {
    let count = diesel::update(
        sessions::table.filter(sessions::user_id.eq(user.as_str())).filter(sessions::id.eq(id.as_str())),
    )
    .set(sessions::last_seen_at.eq(sessions::last_seen_at))
    .execute(conn)?;
    Ok(count > 0)
}

/// Ends the session of this cookie.
pub fn delete_session(conn: &mut Conn, token_hash: &str) -> DbResult<()> {
    diesel::delete(sessions::table.find(token_hash)).execute(conn).map(|_| ())
}

/// Ends a person's session by its public id. Says whether it was there.
pub fn delete_session_by_id(conn: &mut Conn, user: &UserId, id: &SessionId) -> DbResult<bool> {
    let count = diesel::delete(
        sessions::table.filter(sessions::user_id.eq(user.as_str())).filter(sessions::id.eq(id.as_str())),
    )
    .execute(conn)?;
    Ok(count > 0)
}

/// Ends all sessions of a person but one. Returns how many.
pub fn delete_sessions_of(conn: &mut Conn, user: &UserId, keep: Option<&SessionId>) -> DbResult<usize> {
    let keep = keep.map_or("", SessionId::as_str);
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user.as_str())).filter(sessions::id.ne(keep)))
        .execute(conn)
}

/// Clears away sessions that nobody may use any more.
pub fn delete_dead_sessions(conn: &mut Conn, idle_since: Timestamp, made_before: Timestamp) -> DbResult<usize> {
    diesel::delete(
        sessions::table.filter(
            sessions::last_seen_at.lt(idle_since.as_micros()).or(sessions::created_at.lt(made_before.as_micros())),
        ),
    )
    .execute(conn)
}
