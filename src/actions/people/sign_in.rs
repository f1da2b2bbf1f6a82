//! Signing in, in three steps, so that the slow check of the password holds no transaction: begin counts the attempt
//! as a failure before it is known to be one, so that many at once cannot outrun the limit; finish takes that back.

use std::net::IpAddr;

use serde_json::json;

use super::SERVER_CHAIN;
use crate::actions::password::{HashedPassword, Password, verify};
use crate::actions::{AppError, Ctx, account_audit, random, server_audit};
use crate::db::{self, Conn};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::org::User;
use crate::domain::throttle::Bucket;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// One sentence for an unknown address, a wrong password and a shut account.
const WRONG: &str = "Email or password is wrong.";
/// The deed that makes an address known as one its person signs in from.
const SIGNED_IN: &str = "account.signed_in";

/// A sign-in that was let in and waits for its password to be checked.
#[derive(Debug)]
pub struct Attempt {
    found: Option<(User, HashedPassword)>,
    buckets: Vec<(Bucket, String)>,
}

/// Somebody who proved who they are, with the public id of the session to be made for them.
#[derive(Debug)]
pub struct Arrival {
    /// The person.
    pub user: User,
    /// Their new session.
    pub session: SessionId,
}

impl Arrival {
    /// A person with the id of a new session.
    pub(super) fn new(user: User) -> Result<Self, AppError> {
        Ok(Self { user, session: SessionId(random::id("ses")?) })
    }
}

impl Attempt {
    /// Whether this is the person's password. Slow, and just as slow for nobody.
    #[must_use]
    pub fn verify(&self, typed: &Password) -> bool {
        verify(self.found.as_ref().map(|(_, hash)| hash), typed)
    }
}

/// What counts as one source: an address, or the half of an IPv6 address that one customer gets whole.
pub(super) fn source_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(v6)) => format!("{:x}/64", u128::from(v6) >> 64),
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// The first step: counts the attempt and finds the person.
///
/// # Errors
/// `Throttled` after too many failures.
pub fn begin_sign_in(conn: &mut Conn, ctx: Ctx<'_>, email: &str) -> Result<Attempt, AppError> {
    let email = email.trim().to_lowercase();
    let source = source_of(&ctx.origin.address);
    // An address of any length that anybody typed must not become an index key; its hash may.
    let account = SecretHash::of(&email).to_hex();
    let buckets = vec![
        (Bucket::Source, format!("source:{source}")),
        (Bucket::Account, format!("account:{account}")),
        (Bucket::Pair, format!("pair:{account}:{source}")),
    ];
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        let found = db::users::find_user_to_sign_in(conn, &email)?;
        let user = found.as_ref().map(|(user, _)| &user.id);
        count_attempt(conn, &ctx, &buckets, user, now)?;
        let found = found.map(|(user, hash)| (user, HashedPassword::stored(hash)));
        Ok(Attempt { found, buckets })
    })
}

/// The first step of checking the password of somebody who is signed in; the limits are the same.
///
/// # Errors
/// `Throttled` after too many failures.
pub fn begin_password_check(conn: &mut Conn, ctx: Ctx<'_>, user: &UserId) -> Result<Attempt, AppError> {
    let user = db::users::find_user(conn, user)?.ok_or(AppError::SignIn)?;
    begin_sign_in(conn, ctx, &user.email)
}

/// Counts a sign-up from this source; there is nothing to finish.
///
/// # Errors
/// `Throttled` after too many.
pub fn begin_sign_up(conn: &mut Conn, ctx: Ctx<'_>) -> Result<(), AppError> {
    let bucket = format!("sign-up:{}", source_of(&ctx.origin.address));
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        count_attempt(conn, &ctx, &[(Bucket::SignUp, bucket)], None, now)
    })
}

/// Counts an attempt as a failure before it is known to be one; see `give_back`.
pub(super) fn count_attempt(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    buckets: &[(Bucket, String)],
    user: Option<&UserId>,
    now: Timestamp,
) -> Result<(), AppError> {
    for (bucket, name) in buckets {
        let throttle = db::throttles::lock_throttle(conn, name)?;
        if let Err(until) = bucket.admits(&throttle, now) {
            // Strangers who fail at somebody's account must not shut out its person, who comes from where they came before.
            let is_known = *bucket == Bucket::Account
                && user.is_some_and(|user| !ctx.origin.address.is_empty() && knows_source(conn, ctx, user));
            if !is_known {
                return Err(AppError::Throttled { until, now });
            }
        }
        db::throttles::put_throttle(conn, name, bucket.after_failure(&throttle, now))?;
    }
    Ok(())
}

/// A database that fails here fails at the next statement too, and there it is said.
fn knows_source(conn: &mut Conn, ctx: &Ctx<'_>, user: &UserId) -> bool {
    db::audit::came_from(conn, user.as_str(), SIGNED_IN, &ctx.origin.address).unwrap_or(false)
}

/// The last step: `good` is what `verify` said. Notes how it went, in the person's own log.
///
/// # Errors
/// One and the same for an unknown address, a wrong password and a shut account.
pub fn finish_sign_in(conn: &mut Conn, ctx: Ctx<'_>, attempt: Attempt, good: bool) -> Result<Arrival, AppError> {
    // A failure is noted too, so the transaction must end well; only then is the answer no.
    let done = db::write(conn, |conn| -> Result<_, AppError> {
        let Some(user) = finish_check(conn, &ctx, attempt, good, "account.sign_in_failed")? else { return Ok(None) };
        let done = Arrival::new(user)?;
        note_sign_in(conn, &ctx, &done, "password")?;
        Ok(Some(done))
    })?;
    done.ok_or_else(|| AppError::field("password", WRONG))
}

/// Writes that somebody signed in, by what proof.
pub(super) fn note_sign_in(conn: &mut Conn, ctx: &Ctx<'_>, done: &Arrival, by: &str) -> Result<(), AppError> {
    let now = db::now(conn, ctx.clock)?;
    let credential = format!("session {}", done.session);
    let after = json!({"by": by, "client": ctx.origin.client});
    account_audit(conn, ctx, (&done.user.id, &done.user.name), &credential, SIGNED_IN, after, now)
}

/// Ends a check within a transaction: a good one gives back what was counted, a bad one is noted as `failed`.
pub(super) fn finish_check(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    attempt: Attempt,
    good: bool,
    failed: &str,
) -> Result<Option<User>, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let Some((user, hash)) = attempt.found else {
        // What was typed is not written down: it may be a password in the wrong field.
        let nothing = (serde_json::Value::Null, serde_json::Value::Null);
        server_audit(conn, ctx, SERVER_CHAIN, "server.unknown_sign_in", ("", ""), nothing, now)?;
        return Ok(None);
    };
    // Shut, or given another password, while the hash was being computed.
    let is_current = db::users::find_user_to_sign_in(conn, &user.email)?
        .is_some_and(|(user, current)| user.disabled_at.is_none() && current == hash.as_str());
    if !(good && is_current) {
        account_audit(conn, ctx, (&user.id, &user.name), "none", failed, json!({}), now)?;
        return Ok(None);
    }
    give_back(conn, &attempt.buckets)?;
    Ok(Some(user))
}

/// Takes back what was counted for an attempt that turned out well.
pub(super) fn give_back(conn: &mut Conn, buckets: &[(Bucket, String)]) -> Result<(), AppError> {
    for (bucket, name) in buckets {
        let throttle = db::throttles::lock_throttle(conn, name)?;
        db::throttles::put_throttle(conn, name, bucket.after_success(&throttle))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_ipv4_address_or_the_network_half_of_an_ipv6_address() {
        assert_eq!(source_of("203.0.113.7"), "203.0.113.7");
        assert_eq!(source_of("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(source_of("2001:db8:1:2::1"), source_of("2001:db8:1:2:ffff::9"));
        assert_ne!(source_of("2001:db8:1:2::1"), source_of("2001:db8:1:3::1"));
        assert_eq!(source_of(""), "unknown");
    }
}
