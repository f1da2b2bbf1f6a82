//! Signing in on the command line (RFC 8628): a device asks for a code, its person allows it in the browser, the device
//! fetches its token. What a signed-in command line may do is its person's right at that moment.

use serde_json::json;

use super::in_person;
use super::sign_in::{count_attempt, give_back, source_of};
use crate::actions::account::load_account;
use crate::actions::random::{self, Token};
use crate::actions::{AppError, Ctx, Who, account_audit};
use crate::db::{self, Conn};
use crate::domain::device::{
    self, CLI_PREFIX, CODE_LIFE, CODES_MAX, CliToken, DEVICE_PREFIX, Device, DeviceState, POLL_SECONDS, Poll,
    TOKEN_LIFE, USED_EVERY,
};
use crate::domain::ids::{CliTokenId, DeviceId, UserId};
use crate::domain::org::{Org, User};
use crate::domain::throttle::Bucket;
use crate::domain::time::{Span, Timestamp};
use crate::domain::token::SecretHash;

/// Characters of a token or a device's code behind their prefix.
const TOKEN_CHARS: usize = 24;

/// A device that asked to be let in, with the code that only it may know.
#[derive(Debug)]
pub struct DeviceStart {
    /// The device.
    pub device: Device,
    /// Its code, for this one answer.
    pub code: Token,
}

/// What came of a poll.
#[derive(Debug)]
pub enum Polled {
    /// The device has to wait, or will never be let in.
    Refused(Poll),
    /// Its token, for this one answer.
    SignedIn(Token),
}

/// What a person says of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'s> {
    /// It may act as them, at first in the organization of this slug.
    Allow(&'s str),
    /// It may not.
    Deny,
}

/// A command line that proved to be signed in.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// Its token.
    pub token: CliToken,
    /// The person it acts as.
    pub user: User,
    /// The organization that its requests are about when they name none.
    pub home: Org,
}

/// Whether a text can be a token or code of ours at all.
fn has_form(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.len() == TOKEN_CHARS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Notes that a device wants to be let in.
///
/// # Errors
/// `Throttled` when too many ask, from one source or from everywhere.
pub fn begin_device(conn: &mut Conn, ctx: Ctx<'_>, name: &str) -> Result<DeviceStart, AppError> {
    let name = device::device_name(name);
    // What is stored and shown must not be somebody's key.
    let name = ctx.rules.format.find_key(&name).map_or(name, |_| device::device_name(""));
    let (code, bucket) = (Token::new(DEVICE_PREFIX)?, format!("device:{}", source_of(&ctx.origin.address)));
    let device = db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        count_attempt(conn, &ctx, &[(Bucket::Device, bucket)], None, now)?;
        make_room(conn, now)?;
        let device = Device {
            id: DeviceId(random::id("dev")?),
            user_code: free_user_code(conn)?,
            name,
            address: ctx.origin.address.clone(),
            client: ctx.origin.client.clone(),
            created_at: now,
            expires_at: now.plus(CODE_LIFE),
            poll_seconds: POLL_SECONDS,
            polled_at: None,
            state: DeviceState::Pending,
            user: None,
            org: None,
        };
        db::devices::insert_device(conn, &device, &code.hash())?;
        Ok::<_, AppError>(device)
    })?;
    Ok(DeviceStart { device, code })
}

/// However many strangers ask, the table stays small.
fn make_room(conn: &mut Conn, now: Timestamp) -> Result<(), AppError> {
    if db::devices::count_devices(conn)? < CODES_MAX {
        return Ok(());
    }
    if db::devices::delete_old_devices(conn, now)? == 0 {
        return Err(AppError::Throttled { until: now.plus(Span::minutes(1)), now });
    }
    Ok(())
}

fn free_user_code(conn: &mut Conn) -> Result<String, AppError> {
    loop {
        let code = random::user_code()?;
        if !db::devices::user_code_exists(conn, &code)? {
            return Ok(code);
        }
    }
}

/// Answers a device that asks for its token. Of many polls at once, one gets it.
///
/// # Errors
/// `Throttled` for a source that tries codes that do not exist.
pub fn poll_device(conn: &mut Conn, ctx: Ctx<'_>, code: &str) -> Result<Polled, AppError> {
    if !has_form(code, DEVICE_PREFIX) {
        return Ok(Polled::Refused(Poll::Unknown));
    }
    let hash = SecretHash::of(code).to_hex();
    db::write(conn, |conn| {
        let device = db::devices::lock_device(conn, &hash)?;
        let now = db::now(conn, ctx.clock)?;
        let Some(device) = device else {
            let bucket = format!("device-poll:{}", source_of(&ctx.origin.address));
            count_attempt(conn, &ctx, &[(Bucket::Device, bucket)], None, now)?;
            return Ok(Polled::Refused(Poll::Unknown));
        };
        let poll = device.poll(now);
        match poll {
            Poll::Allowed => return hand_over(conn, &ctx, &device, now),
            Poll::Pending => db::devices::update_polled(conn, &device.id, now, device.poll_seconds)?,
            Poll::SlowDown => db::devices::update_polled(conn, &device.id, now, device.slower())?,
            Poll::Denied | Poll::Expired | Poll::Unknown => {}
        }
        Ok(Polled::Refused(poll))
    })
}

/// Gives an allowed device its token. The caller holds the device's lock.
fn hand_over(conn: &mut Conn, ctx: &Ctx<'_>, device: &Device, now: Timestamp) -> Result<Polled, AppError> {
    let member = match (&device.user, &device.org) {
        (Some(user), Some(org)) => db::orgs::find_member(conn, org, user)?,
        _ => None,
    };
    // Shut out or removed since they allowed it.
    let Some(member) = member.filter(|member| member.user.disabled_at.is_none()) else {
        db::devices::update_state(conn, &device.id, DeviceState::Allowed, DeviceState::Denied)?;
        return Ok(Polled::Refused(Poll::Denied));
    };
    if !db::devices::update_state(conn, &device.id, DeviceState::Allowed, DeviceState::Used)? {
        return Ok(Polled::Refused(Poll::Unknown));
    }
    let text = Token::new(CLI_PREFIX)?;
    let token = CliToken {
        id: CliTokenId(random::id("clt")?),
        user: member.user.id.clone(),
        org: member.org,
        name: device.name.clone(),
        address: device.address.clone(),
        client: device.client.clone(),
        created_at: now,
        expires_at: now.plus(TOKEN_LIFE),
        last_used_at: None,
        last_used_address: String::new(),
        ended_at: None,
    };
    db::cli_tokens::insert_cli_token(conn, &token, &text.hash())?;
    let (person, credential) = ((&member.user.id, member.user.name.as_str()), format!("cli {}", token.id));
    let after = json!({"device": token.name, "command_line": token.id, "expires_at": token.expires_at});
    account_audit(conn, ctx, person, &credential, "account.device_signed_in", after, now)?;
    Ok(Polled::SignedIn(text))
}

/// Finds the device that waits under a code that somebody typed. Wrong codes are counted, for the person and the source;
/// the inner error is what the person reads, and must be returned only after the count is committed.
fn find_waiting(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    user: &UserId,
    user_code: &str,
    now: Timestamp,
) -> Result<Result<Device, &'static str>, AppError> {
    let buckets = [
        (Bucket::Device, format!("device-guess:{}", source_of(&ctx.origin.address))),
        (Bucket::Guess, format!("device-guess:{user}")),
    ];
    count_attempt(conn, ctx, &buckets, None, now)?;
    let found = match db::devices::find_device(conn, user_code)? {
        None => Err("No device waits for this code. Compare it with the one in your terminal."),
        Some(device) if now >= device.expires_at => {
            Err("This code has expired. Sign in again in your terminal to get a new one.")
        }
        Some(device) if device.state != DeviceState::Pending => Err("This code was used already. A code works once."),
        Some(device) => Ok(device),
    };
    if found.is_ok() {
        give_back(conn, &buckets)?;
    }
    Ok(found)
}

fn read_user_code(typed: &str) -> Result<String, AppError> {
    let text = "A code has eight letters, like BCDF-GHJK. It stands in your terminal.";
    device::read_user_code(typed).ok_or_else(|| AppError::field("user_code", text))
}

/// The device that waits under this code, for its person to look at.
///
/// # Errors
/// A mistake in `user_code`, or `Throttled` after too many wrong ones.
pub fn look_at_device(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, typed: &str) -> Result<(Device, Timestamp), AppError> {
    let ((user, _), code) = (in_person(who)?, read_user_code(typed)?);
    let (found, now) = db::write(conn, |conn| -> Result<_, AppError> {
        let now = db::now(conn, ctx.clock)?;
        Ok((find_waiting(conn, &ctx, user, &code, now)?, now))
    })?;
    found.map(|device| (device, now)).map_err(|text| AppError::field("user_code", text))
}

/// Lets a device in as the caller, or turns it away.
///
/// # Errors
/// Mistakes in `user_code` or `org`, `SignIn` when the caller's session has ended meanwhile, or `Throttled` after too many
/// wrong codes.
pub fn decide_device(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    typed: &str,
    decision: Decision<'_>,
) -> Result<Device, AppError> {
    let ((id, session), code) = (in_person(who)?, read_user_code(typed)?);
    let done = db::write(conn, |conn| -> Result<_, AppError> {
        let now = db::now(conn, ctx.clock)?;
        // A device must not be let in by a session that ends right now: it would outlive it.
        if !db::sessions::lock_session(conn, id, session)? {
            return Err(AppError::SignIn);
        }
        let account = load_account(conn, who)?;
        let device = match find_waiting(conn, &ctx, id, &code, now)? {
            Ok(device) => device,
            Err(text) => return Ok(Err(text)),
        };
        let (state, org) = match decision {
            Decision::Deny => (DeviceState::Denied, None),
            Decision::Allow(slug) => {
                let org = account.orgs.iter().map(|(org, _)| org).find(|org| org.slug == slug);
                let unknown = || AppError::field("org", "Choose one of your organizations.");
                (DeviceState::Allowed, Some(org.ok_or_else(unknown)?))
            }
        };
        if !db::devices::update_state(conn, &device.id, DeviceState::Pending, state)? {
            return Ok(Err("This code was used already. A code works once."));
        }
        db::devices::update_person(conn, &device.id, id, org.map(|org| &org.id))?;
        let action = if org.is_some() { "account.device_allowed" } else { "account.device_denied" };
        let after = json!({
            "device": device.name, "address": device.address, "client": device.client,
            "organization": org.map(|org| &org.slug),
        });
        let person = (id, account.user.name.as_str());
        account_audit(conn, &ctx, person, &format!("session {session}"), action, after, now)?;
        Ok(Ok(device))
    })?;
    done.map_err(|text| AppError::field("user_code", text))
}

/// The command line that signed in with this token. Notes the use, once a minute.
///
/// # Errors
/// `SignIn`, whatever is wrong with it.
pub fn enter_command_line(conn: &mut Conn, ctx: Ctx<'_>, token: &str) -> Result<CommandLine, AppError> {
    if !has_form(token, CLI_PREFIX) {
        return Err(AppError::SignIn);
    }
    let found = db::cli_tokens::find_by_hash(conn, &SecretHash::of(token).to_hex())?;
    let now = db::now(conn, ctx.clock)?;
    let token = found.filter(|token| token.is_live(now)).ok_or(AppError::SignIn)?;
    let user = db::users::find_user(conn, &token.user)?.filter(|user| user.disabled_at.is_none());
    let user = user.ok_or(AppError::SignIn)?;
    let home = db::orgs::find_org_by_id(conn, &token.org)?.ok_or(AppError::SignIn)?;
    if token.last_used_at.is_none_or(|at| now.since(at) >= USED_EVERY) {
        // A database that cannot be written now must not sign anybody out.
        if let Err(error) = db::cli_tokens::update_last_used(conn, &token.id, &ctx.origin.address, now) {
            tracing::warn!(%error, "the use of a command line could not be noted");
        }
    }
    Ok(CommandLine { token, user, home })
}

/// The caller's command lines that are signed in, the latest first.
///
/// # Errors
/// The database's own failure.
pub fn list_command_lines(conn: &mut Conn, ctx: Ctx<'_>, who: &Who) -> Result<Vec<CliToken>, AppError> {
    let (user, _) = in_person(who)?;
    let now = db::now(conn, ctx.clock)?;
    Ok(db::cli_tokens::list_cli_tokens(conn, user, now)?)
}

/// Signs one of the caller's command lines out.
///
/// # Errors
/// `NotFound` when it is not theirs or has ended; `SignIn` when it is the caller itself and has ended.
pub fn end_command_line(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, id: &CliTokenId) -> Result<(), AppError> {
    let (user, credential, action, gone) = match who {
        Who::Cli { user, token } => (user, format!("cli {token}"), "account.device_signed_out", AppError::SignIn),
        _ => {
            let (user, session) = in_person(who)?;
            (user, format!("session {session}"), "account.device_ended", AppError::NotFound)
        }
    };
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        let person = db::users::find_user(conn, user)?.filter(|user| user.disabled_at.is_none());
        let person = person.ok_or(AppError::SignIn)?;
        let token = db::cli_tokens::find_cli_token(conn, user, id)?.filter(|token| token.is_live(now));
        let Some(token) = token else { return Err(gone) };
        if !db::cli_tokens::mark_ended(conn, user, id, now)? {
            return Err(gone);
        }
        let after = json!({"device": token.name, "command_line": id});
        account_audit(conn, &ctx, (user, &person.name), &credential, action, after, now)
    })
}

/// Signs all of a person's command lines out, those included that were allowed and have not fetched their token. Returns
/// how many were signed in. End sessions before: that waits for a session that allows a device right now.
pub(super) fn end_all_command_lines(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<usize, AppError> {
    // First, because it waits for a device that fetches its token right now; the next statement then sees that token.
    db::devices::deny_all_allowed_by(conn, user)?;
    Ok(db::cli_tokens::mark_all_ended(conn, user, now)?)
}
