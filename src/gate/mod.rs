//! Checking a key: from the text that a client sent to a verdict. Everything that lets a key in passes here.

pub mod limit;
pub mod metrics;
pub mod record;

use crate::clock::Clock;
use crate::db::{self, Conn, DbResult};
use crate::domain::ids::SecretId;
use crate::domain::key::{ApiKey, LastUse};
use crate::domain::org::{Org, Profile, Role, User};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::token::SecretHash;
use crate::domain::verdict::{Verdict, matching_secret, verdict};

pub use crate::db::tokens::ServiceToken;

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The decision.
    pub verdict: Verdict,
    /// Whose key it is; only where the presented secret was one of the key's.
    pub key: Option<CheckedKey>,
}

/// A key whose secret was presented, with what is looked up for it on every check.
#[derive(Debug)]
pub struct CheckedKey {
    /// The key.
    pub key: ApiKey,
    /// Its organization.
    pub org: Org,
    /// The person it acts as.
    pub owner: User,
    /// What the key may do right now; nothing when that person no longer belongs.
    pub role: Option<Role>,
    /// When the check was made, by the database's clock.
    pub at: Timestamp,
}

/// A use of a key is noted at most this often.
const NOTE_EVERY: Span = Span::seconds(60);

/// The service token of this text, while it is not revoked.
///
/// # Errors
/// The database's own failure: then nobody is let in.
pub fn find_service_token(conn: &mut Conn, token: &str) -> DbResult<Option<ServiceToken>> {
    db::tokens::find_service_token(conn, &SecretHash::of(token).to_hex())
}

/// The profile that a key is bound to.
///
/// # Errors
/// The database's own failure.
pub fn profile_of(conn: &mut Conn, key: &ApiKey) -> DbResult<Option<Profile>> {
    db::orgs::find_profile(conn, &key.org, &key.profile)
}

/// Checks the text of a key. `address` and `client` are noted as its last use when it is let in.
///
/// # Errors
/// The database's own failure: then nobody is let in.
pub fn check(
    conn: &mut Conn,
    rules: &Rules,
    clock: &Clock,
    token: &str,
    (address, client): (&str, &str),
) -> DbResult<Checked> {
    let Some(parsed) = rules.format.parse(token) else {
        return Ok(Checked { verdict: Verdict::Malformed, key: None });
    };
    let presented = parsed.secret.hash();
    let unknown = || Ok(Checked { verdict: Verdict::NotFound, key: None });
    let Some(key) = db::keys::find_key_anywhere(conn, &parsed.id)? else { return unknown() };
    let Some(secret) = matching_secret(&key, &presented).map(|secret| (secret.id.clone(), secret.last_used_at)) else {
        return unknown();
    };
    let (org, owner, role) = look_up_owner(conn, &key)?;
    let now = db::now(conn, clock)?;
    let plan = rules.plan(&org.plan);
    let found = verdict(&key, &presented, role, &plan, rules.on_downgrade, now);
    let checked = CheckedKey { key, org, owner, role, at: now };
    if found == Verdict::Valid {
        note_use(conn, &checked, secret, (address, client));
    }
    Ok(Checked { verdict: found, key: Some(checked) })
}

fn look_up_owner(conn: &mut Conn, key: &ApiKey) -> DbResult<(Org, User, Option<Role>)> {
    let org = db::orgs::find_org_by_id(conn, &key.org)?.ok_or(db::DbError::NotFound)?;
    let member = db::orgs::find_member(conn, &key.org, &key.owner)?;
    let role = member.as_ref().filter(|member| member.user.disabled_at.is_none());
    let role = role.map(|member| key.role_under(member.role));
    let owner = match member {
        Some(member) => member.user,
        None => db::users::find_user(conn, &key.owner)?.ok_or(db::DbError::NotFound)?,
    };
    Ok((org, owner, role))
}

/// Notes a use, at most once a minute. A database that cannot be written does not keep anybody out.
fn note_use(
    conn: &mut Conn,
    checked: &CheckedKey,
    (secret, secret_used_at): (SecretId, Option<Timestamp>),
    (address, client): (&str, &str),
) {
    let is_due = |last: Option<Timestamp>| last.is_none_or(|last| checked.at.since(last) >= NOTE_EVERY);
    let mut noted = Ok(());
    if is_due(checked.key.last_use.as_ref().map(|used| used.at)) {
        let used = LastUse { at: checked.at, address: address.to_owned(), client: client.to_owned() };
        noted = db::keys::mark_key_used(conn, &checked.key.id, &used);
    }
    if noted.is_ok() && is_due(secret_used_at) {
        noted = db::keys::mark_secret_used(conn, &secret, checked.at);
    }
    if let Err(error) = noted {
        tracing::warn!(key = %checked.key.id, %error, "a use of a key could not be noted");
    }
}
