//! Giving a key a new secret, with or without a time in which the old one works too.

use serde_json::json;

use super::create::{Once, make_secret, note_done};
use super::look::KeyView;
use super::{get_key, load_key_to_manage};
use crate::actions::{AppError, OrgScope, alerts};
use crate::db;
use crate::domain::alert::{AlertKind, Facts};
use crate::domain::ids::KeyId;
use crate::domain::key::{Grace, KeySecret};
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::domain::token::PlainKey;

/// A key with its new secret, for one answer.
#[derive(Debug)]
pub struct Rotated {
    /// The key as it is now.
    pub view: KeyView,
    /// The plain text; nothing when an earlier request with the same token made it.
    pub secret: Option<PlainKey>,
    /// Until when the old secret works; nothing when it ended at once.
    pub previous_valid_until: Option<Timestamp>,
}

/// Rotates a key. Neither the plan's cap nor the hourly budget is touched, and a plan without API keys does not stop it:
/// a leaked key must be replaceable for as long as it works.
///
/// # Errors
/// Not found, not allowed, or an old secret is still in grace.
pub fn rotate_key(
    scope: &mut OrgScope<'_>,
    id: &KeyId,
    grace: Grace,
    once: Option<&Once>,
) -> Result<Rotated, AppError> {
    let key = load_key_to_manage(scope, id)?;
    if let Some(once) = once
        && db::tokens::find_done(scope.conn, &once.scope, &once.token)?.is_some()
    {
        let previous_valid_until = key.secret_in_grace(scope.now).and_then(|old| old.valid_until);
        return Ok(Rotated { view: get_key(scope, id)?, secret: None, previous_valid_until });
    }
    policy::may_rotate_key(&scope.actor, &key, grace, scope.now)?;
    let until = if grace == Grace::Now { KeySecret::ENDED } else { scope.now.plus(grace.span()) };
    if grace == Grace::Now {
        db::keys::mark_old_secrets_ended(scope.conn, id)?;
    }
    db::keys::mark_current_ends(scope.conn, id, until)?;
    let (plain, mut secret) = make_secret(scope, &key.environment, id)?;
    // Two rotations within a microsecond must still be told apart by age.
    secret.created_at = secret.created_at.max(Timestamp::from_micros(key.current.created_at.as_micros() + 1));
    db::keys::insert_secret(scope.conn, id, &secret)?;
    if let Some(once) = once {
        note_done(scope, once, id)?;
    }
    let previous_valid_until = (grace != Grace::Now).then_some(until);
    scope.audit(
        "key.rotated",
        (id.as_str(), &key.name),
        json!({"last4": key.current.last4}),
        json!({"last4": secret.last4, "old_secret_valid_until": previous_valid_until}),
    )?;
    let (current_last4, previous_last4) = (Some(secret.last4), Some(key.current.last4.clone()));
    let facts = Facts { current_last4, previous_last4, previous_valid_until, ..Facts::default() };
    alerts::raise(scope, AlertKind::Rotated, &key, facts)?;
    Ok(Rotated { view: get_key(scope, id)?, secret: Some(plain), previous_valid_until })
}

/// Ends the old secret of a key now.
///
/// # Errors
/// Not found, not allowed, or there is no old secret in grace.
pub fn finish_rotation(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<KeyView, AppError> {
    let key = load_key_to_manage(scope, id)?;
    policy::may_finish_rotation(&scope.actor, &key, scope.now)?;
    db::keys::mark_old_secrets_ended(scope.conn, id)?;
    let old = key.secret_in_grace(scope.now);
    scope.audit(
        "key.old_secret_ended",
        (id.as_str(), &key.name),
        json!({"last4": old.map(|old| &old.last4), "valid_until": old.and_then(|old| old.valid_until)}),
        json!({"valid_until": scope.now}),
    )?;
    get_key(scope, id)
}
