//! What the operator does from the server's command line.

use serde_json::{Value, json};

use super::device::end_all_command_lines;
use super::setup::{NewPerson, add_owner, is_set_up};
use super::{SERVER_CHAIN, orgs::lock_installation};
use crate::actions::password::HashedPassword;
use crate::actions::plans::change_plan;
use crate::actions::random::{self, Token};
use crate::actions::{AppError, Ctx, SERVER, server_audit};
use crate::db::tokens::ServiceToken;
use crate::db::{self, Conn};
use crate::domain::ids::ServiceTokenId;
use crate::domain::org::{Org, User};
use crate::domain::time::Timestamp;

/// What every service token begins with.
const SERVICE_TOKEN_PREFIX: &str = "krs_";

/// Makes a person who owns a new organization. With `only_first` nothing is done, and `None` returned, once anybody
/// exists: that is the unattended first start, which several nodes may do at once.
///
/// # Errors
/// A mistake in `email` when the address is taken.
pub fn create_owner(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    person: &NewPerson,
    hash: &HashedPassword,
    only_first: bool,
) -> Result<Option<User>, AppError> {
    db::write(conn, |conn| {
        lock_installation(conn)?;
        if only_first && is_set_up(conn)? {
            return Ok(None);
        }
        add_owner(conn, ctx, person, hash).map(Some)
    })
}

fn find_person(conn: &mut Conn, email: &str) -> Result<User, AppError> {
    let email = email.trim().to_lowercase();
    let found = db::users::find_user_by_email(conn, &email)?;
    found.ok_or_else(|| AppError::field("email", format!("Nobody has an account with the address {email}.")))
}

/// Puts another password in place and ends all sessions of the person.
///
/// # Errors
/// A mistake in `email` when nobody has it.
pub fn reset_password(conn: &mut Conn, ctx: Ctx<'_>, email: &str, hash: &HashedPassword) -> Result<User, AppError> {
    act_on_person(conn, ctx, email, "account.password_reset", |conn, user, _| {
        db::users::update_password_hash(conn, &user.id, hash.as_str())?;
        Ok(())
    })
}

/// Shuts an account: its sessions end, and its keys are refused from the next request on.
///
/// # Errors
/// A mistake in `email` when nobody has it.
pub fn disable_user(conn: &mut Conn, ctx: Ctx<'_>, email: &str) -> Result<User, AppError> {
    act_on_person(conn, ctx, email, "account.disabled", |conn, user, now| {
        db::users::update_disabled(conn, &user.id, Some(now))?;
        Ok(())
    })
}

/// Opens an account again.
///
/// # Errors
/// A mistake in `email` when nobody has it.
pub fn enable_user(conn: &mut Conn, ctx: Ctx<'_>, email: &str) -> Result<User, AppError> {
    act_on_person(conn, ctx, email, "account.enabled", |conn, user, _| {
        db::users::update_disabled(conn, &user.id, None)?;
        Ok(())
    })
}

fn act_on_person(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    email: &str,
    action: &str,
    f: impl FnOnce(&mut Conn, &User, Timestamp) -> Result<(), AppError>,
) -> Result<User, AppError> {
    db::write(conn, |conn| {
        let user = find_person(conn, email)?;
        let now = db::now(conn, ctx.clock)?;
        f(conn, &user, now)?;
        let ended =
            db::sessions::delete_sessions_of(conn, &user.id, None)? + end_all_command_lines(conn, &user.id, now)?;
        let sides = (Value::Null, json!({"sessions_ended": ended}));
        server_audit(conn, &ctx, user.id.as_str(), action, (user.id.as_str(), &user.name), sides, now)?;
        Ok(user)
    })
}

/// Puts an organization on another plan.
///
/// # Errors
/// Mistakes in `organization` and `plan`.
pub fn set_plan(conn: &mut Conn, ctx: Ctx<'_>, slug: &str, plan: &str) -> Result<Org, AppError> {
    if !ctx.rules.plans.iter().any(|known| known.id == plan) {
        let known: Vec<&str> = ctx.rules.plans.iter().map(|plan| plan.id.as_str()).collect();
        return Err(AppError::field("plan", format!("There is no plan “{plan}”. There are: {}.", known.join(", "))));
    }
    db::write(conn, |conn| {
        let org = match db::orgs::lock_org(conn, slug).map_err(AppError::from) {
            Err(AppError::NotFound) => {
                return Err(AppError::field("organization", format!("There is no organization “{slug}”.")));
            }
            found => found?,
        };
        change_plan(conn, ctx, org, plan, &SERVER)
    })
}

/// Makes a credential for a backend of the operator. The token is for this one answer.
///
/// # Errors
/// A mistake in `name`.
pub fn create_service_token(conn: &mut Conn, ctx: Ctx<'_>, name: &str) -> Result<(ServiceToken, Token), AppError> {
    let name = ctx.rules.format.parse_name(name, "this token").map_err(|text| AppError::field("name", text))?;
    let (id, token) = (ServiceTokenId(random::id("svc")?), Token::new(SERVICE_TOKEN_PREFIX)?);
    let record = db::write(conn, |conn| -> Result<_, AppError> {
        let now = db::now(conn, ctx.clock)?;
        let name = name.as_str().to_owned();
        let record = ServiceToken { id, name, created_at: now, last_used_at: None, revoked_at: None };
        db::tokens::insert_service_token(conn, &record, &token.hash())?;
        let (object, sides) = ((record.id.as_str(), record.name.as_str()), (Value::Null, Value::Null));
        server_audit(conn, &ctx, SERVER_CHAIN, "service_token.created", object, sides, now)?;
        Ok(record)
    })?;
    Ok((record, token))
}

/// All service tokens, the oldest first.
///
/// # Errors
/// The database's own failure.
pub fn list_service_tokens(conn: &mut Conn) -> Result<Vec<ServiceToken>, AppError> {
    Ok(db::tokens::list_service_tokens(conn)?)
}

/// Revokes a service token; it is refused from the next request on.
///
/// # Errors
/// `NotFound` when there is none, or it was revoked before.
pub fn revoke_service_token(conn: &mut Conn, ctx: Ctx<'_>, id: &ServiceTokenId) -> Result<(), AppError> {
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        if !db::tokens::mark_service_token_revoked(conn, id, now)? {
            return Err(AppError::NotFound);
        }
        let (object, sides) = ((id.as_str(), id.as_str()), (Value::Null, Value::Null));
        server_audit(conn, &ctx, SERVER_CHAIN, "service_token.revoked", object, sides, now)
    })
}
