//! Raising alerts, within the transaction of the deed that is their cause: both are there or neither.

use crate::actions::{AppError, OrgScope, random};
use crate::db::{self, Conn};
use crate::domain::alert::{Alert, AlertKind, Facts, KeyFacts};
use crate::domain::ids::{AlertId, OrgId, UserId};
use crate::domain::key::ApiKey;
use crate::domain::time::Timestamp;
use crate::domain::token::KeyFormat;

/// Raises an alert about a key of the scope's organization, done by the scope's caller. `facts` needs only what is special
/// to this kind; key and actor are put in here.
///
/// # Errors
/// The database's own failure.
pub fn raise(scope: &mut OrgScope<'_>, kind: AlertKind, key: &ApiKey, facts: Facts) -> Result<(), AppError> {
    let facts = Facts { actor: Some(scope.member.user.name.clone()), ..facts };
    let (format, org, now) = (&scope.ctx.rules.format, &key.org, scope.now);
    raise_for_key(scope.conn, format, (org, now), kind, key, (facts, None)).map(|_| ())
}

/// Raises the alert that the scope's organization has used up a limit of its plan, `active_keys` or `creations_per_hour`.
///
/// # Errors
/// The database's own failure.
pub fn raise_limit(scope: &mut OrgScope<'_>, limit: &str, max: u32) -> Result<(), AppError> {
    let actor = Some(scope.member.user.name.clone());
    let facts = Facts { actor, limit: Some(limit.to_owned()), max: Some(max), ..Facts::default() };
    let now = scope.now;
    raise_in(scope.conn, (&scope.org.id, now), AlertKind::LimitReached, None, (facts, None)).map(|_| ())
}

/// Raises an alert about a key where no member of the organization is at work: the clock, a scanner, the key's holder.
/// `once` is what makes it happen once; without it, it happens every time. Says whether it is new.
///
/// # Errors
/// The database's own failure.
pub fn raise_for_key(
    conn: &mut Conn,
    format: &KeyFormat,
    (org, now): (&OrgId, Timestamp),
    kind: AlertKind,
    key: &ApiKey,
    (facts, once): (Facts, Option<String>),
) -> Result<bool, AppError> {
    let preview = format.mask(&key.environment, key.id.as_str());
    let facts = Facts { key: Some(KeyFacts::of(key, preview)), ..facts };
    raise_in(conn, (org, now), kind, Some(&key.owner), (facts, once))
}

/// Raises an alert that is about no single key.
///
/// # Errors
/// The database's own failure.
pub fn raise_in(
    conn: &mut Conn,
    (org, now): (&OrgId, Timestamp),
    kind: AlertKind,
    owner: Option<&UserId>,
    (facts, once): (Facts, Option<String>),
) -> Result<bool, AppError> {
    let alert = new_alert((org, now), kind, owner, (facts, once))?;
    Ok(db::alerts::insert_alert(conn, &alert)?)
}

pub(super) fn new_alert(
    (org, at): (&OrgId, Timestamp),
    kind: AlertKind,
    owner: Option<&UserId>,
    (facts, once): (Facts, Option<String>),
) -> Result<Alert, AppError> {
    let id = AlertId(random::id("alr")?);
    let once = once.unwrap_or_else(|| id.to_string());
    Ok(Alert { once, id, org: org.clone(), kind, at, owner: owner.cloned(), facts })
}
