//! A person's own account: password, sessions, and the log of it all.

use serde_json::json;

use super::device::end_all_command_lines;
use super::in_person;
use super::sign_in::{Attempt, finish_check};
use crate::actions::account::load_account;
use crate::actions::password::HashedPassword;
use crate::actions::{AppError, Ctx, Who, account_audit};
use crate::db::audit::AuditFilter;
use crate::db::{self, Conn};
use crate::domain::audit::AuditEntry;
use crate::domain::ids::SessionId;
use crate::domain::org::User;
use crate::domain::session::is_alive;
use crate::domain::time::Timestamp;

/// Lines of the account's log on its page.
const EVENTS: i64 = 50;

/// A session as its owner sees it.
#[derive(Debug)]
pub struct SessionView {
    /// Its public id.
    pub id: SessionId,
    /// Since when it is signed in.
    pub created_at: Timestamp,
    /// When a request last came, to a few minutes.
    pub last_seen_at: Timestamp,
    /// From which address it was made.
    pub address: String,
    /// With which browser.
    pub client: String,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// Runs a deed on the caller's own account in a transaction, with the time by the database's clock.
fn act_on_self<T>(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    f: impl FnOnce(&mut Conn, &User, Timestamp) -> Result<T, AppError>,
) -> Result<T, AppError> {
    db::write(conn, |conn| {
        let user = load_account(conn, who)?.user;
        let now = db::now(conn, ctx.clock)?;
        f(conn, &user, now)
    })
}

/// Gives the caller another name, everywhere from now on; what the logs hold stays.
///
/// # Errors
/// A mistake in `name`.
pub fn rename_self(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, name: &str) -> Result<String, AppError> {
    let (_, session) = in_person(who)?;
    let name = ctx.rules.format.parse_name(name, "yourself").map_err(|text| AppError::field("name", text))?;
    act_on_self(conn, ctx, who, |conn, user, now| {
        if user.name != name.as_str() {
            db::users::update_name(conn, &user.id, name.as_str())?;
            let (credential, after) = (format!("session {session}"), json!({"name": name.as_str()}));
            account_audit(conn, &ctx, (&user.id, &user.name), &credential, "account.renamed", after, now)?;
        }
        Ok(name.as_str().to_owned())
    })
}

/// Puts another password in place and, where asked, ends every other session and command line. `attempt` comes from `begin_password_check`, `good` says
/// whether the current password was right. Returns how many sessions ended.
///
/// # Errors
/// A mistake in `current_password`.
pub fn change_password(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    (attempt, good): (Attempt, bool),
    hash: &HashedPassword,
    end_others: bool,
) -> Result<usize, AppError> {
    let (_, session) = in_person(who)?;
    let done = act_on_self(conn, ctx, who, |conn, user, now| {
        let Some(proven) = finish_check(conn, &ctx, attempt, good, "account.password_change_failed")? else {
            return Ok(None);
        };
        if proven.id != user.id {
            return Err(AppError::SignIn);
        }
        db::users::update_password_hash(conn, &user.id, hash.as_str())?;
        let ended = if end_others { end_all_but(conn, user, session, now)? } else { 0 };
        let (credential, after) = (format!("session {session}"), json!({"sessions_ended": ended}));
        account_audit(conn, &ctx, (&user.id, &user.name), &credential, "account.password_changed", after, now)?;
        Ok(Some(ended))
    })?;
    done.ok_or_else(|| AppError::field("current_password", "This is not your current password."))
}

/// The caller's sessions that still work, the latest used first.
///
/// # Errors
/// The database's own failure.
pub fn list_sessions(conn: &mut Conn, ctx: Ctx<'_>, who: &Who) -> Result<Vec<SessionView>, AppError> {
    let (user, current) = in_person(who)?;
    let now = db::now(conn, ctx.clock)?;
    let records = db::sessions::list_sessions(conn, user)?;
    Ok(records
        .into_iter()
        .filter(|record| is_alive(record.created_at, record.last_seen_at, now))
        .map(|record| SessionView {
            is_current: &record.id == current,
            id: record.id,
            created_at: record.created_at,
            last_seen_at: record.last_seen_at,
            address: record.address,
            client: record.client,
        })
        .collect())
}

/// Ends one of the caller's sessions.
///
/// # Errors
/// `NotFound` when it is not theirs or has ended.
pub fn end_session(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, id: &SessionId) -> Result<(), AppError> {
    let (_, session) = in_person(who)?;
    act_on_self(conn, ctx, who, |conn, user, now| {
        if !db::sessions::delete_session_by_id(conn, &user.id, id)? {
            return Err(AppError::NotFound);
        }
        let action = if id == session { "account.signed_out" } else { "account.session_ended" };
        let (credential, after) = (format!("session {session}"), json!({"session": id}));
        account_audit(conn, &ctx, (&user.id, &user.name), &credential, action, after, now)
    })
}

/// Ends all of a person's sessions and command lines but this session. Returns how many.
fn end_all_but(conn: &mut Conn, user: &User, session: &SessionId, now: Timestamp) -> Result<usize, AppError> {
    let sessions = db::sessions::delete_sessions_of(conn, &user.id, Some(session))?;
    Ok(sessions + end_all_command_lines(conn, &user.id, now)?)
}

/// Ends all of the caller's sessions and command lines but the one that asks. Returns how many.
///
/// # Errors
/// The database's own failure.
pub fn end_other_sessions(conn: &mut Conn, ctx: Ctx<'_>, who: &Who) -> Result<usize, AppError> {
    let (_, session) = in_person(who)?;
    act_on_self(conn, ctx, who, |conn, user, now| {
        let ended = end_all_but(conn, user, session, now)?;
        let (credential, after) = (format!("session {session}"), json!({"sessions_ended": ended}));
        account_audit(conn, &ctx, (&user.id, &user.name), &credential, "account.other_sessions_ended", after, now)?;
        Ok(ended)
    })
}

/// What happened to the caller's account lately, the newest first.
///
/// # Errors
/// The database's own failure.
pub fn account_events(conn: &mut Conn, who: &Who) -> Result<Vec<AuditEntry>, AppError> {
    let (user, _) = in_person(who)?;
    Ok(db::audit::list_entries(conn, user.as_str(), &AuditFilter::default(), EVENTS)?)
}
