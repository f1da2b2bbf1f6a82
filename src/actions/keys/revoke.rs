//! Revoking keys: one, or many with a report on each.

use serde_json::json;

use super::look::KeyView;
use super::{get_key, load_key_to_manage};
use crate::actions::{AppError, OrgScope, alerts};
use crate::db;
use crate::domain::alert::{AlertKind, Facts};
use crate::domain::ids::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::names::parse_note;
use crate::domain::policy::{self, Denied};

/// What was typed to confirm.
#[derive(Debug, Clone, Default)]
pub struct RevokeInput {
    /// The key's name, asked for by pages when it was used in the last 24 hours; `None` where nothing is asked.
    pub confirm_name: Option<String>,
    /// Why, or empty.
    pub reason: String,
}

/// What became of one key of many.
#[derive(Debug)]
pub struct BulkOutcome {
    /// The id that was asked for.
    pub id: KeyId,
    /// The key's name, where the caller may know it.
    pub name: Option<String>,
    /// Done, or why not.
    pub result: Result<(), String>,
}

/// Revokes a key: every secret of it, at once, for good. Revoking it again changes nothing and is no error, so that a
/// caller who lost the first answer may ask again; the second value says whether it was this call that revoked it.
///
/// # Errors
/// Not found, not allowed, or not confirmed.
pub fn revoke_key(scope: &mut OrgScope<'_>, id: &KeyId, input: &RevokeInput) -> Result<(KeyView, bool), AppError> {
    let key = load_key_to_manage(scope, id)?;
    if key.revoked.is_some() {
        // Whoever asks again may never have got the first answer: this one too waits until every node knows.
        db::keys::note_key(&key.id)?;
        return Ok((get_key(scope, id)?, false));
    }
    policy::may_revoke_key(&scope.actor, &key)?;
    let reason = read_reason(scope, &input.reason)?;
    if let Some(typed) = &input.confirm_name
        && policy::is_in_use(&key, scope.now)
        && typed.trim().to_lowercase() != key.name.to_lowercase()
    {
        return Err(AppError::field("confirm_name", format!("Type {} to confirm.", key.name)));
    }
    revoke_with_audit(scope, &key, &reason)?;
    Ok((get_key(scope, id)?, true))
}

/// A reason as it may be stored: no key in it.
pub(in crate::actions) fn read_reason(scope: &OrgScope<'_>, text: &str) -> Result<String, AppError> {
    let reason = parse_note(text).and_then(|reason| scope.ctx.rules.format.refuse_key(&reason).map(|()| reason));
    reason.map_err(|text| AppError::field("reason", text))
}

/// Revokes a key that was found allowed, with its line of the audit log and its alert.
///
/// # Errors
/// `AlreadyRevoked`, or the database's own failure.
pub fn revoke_with_audit(scope: &mut OrgScope<'_>, key: &ApiKey, reason: &str) -> Result<(), AppError> {
    if !db::keys::mark_revoked(scope.conn, &key.id, Some(&scope.actor.user), reason, scope.now)? {
        return Err(Denied::AlreadyRevoked.into());
    }
    db::keys::mark_old_secrets_ended(scope.conn, &key.id)?;
    let before = json!({"status": key.status(scope.now)});
    let after = json!({"status": "revoked", "reason": reason});
    scope.audit("key.revoked", (key.id.as_str(), &key.name), before, after)?;
    let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    alerts::raise(scope, AlertKind::Revoked, key, Facts { reason, ..Facts::default() })
}

/// Revokes many keys in one transaction; one that cannot be revoked does not stop the others.
///
/// # Errors
/// The database's own failure, and then none was revoked.
pub fn revoke_keys(scope: &mut OrgScope<'_>, ids: &[KeyId], reason: &str) -> Result<Vec<BulkOutcome>, AppError> {
    let reason = read_reason(scope, reason)?;
    let mut outcomes = Vec::new();
    for id in ids {
        let found = load_key_to_manage(scope, id)
            .and_then(|key| policy::may_revoke_key(&scope.actor, &key).map(|()| key).map_err(AppError::from));
        let (name, result) = match found {
            Ok(key) => {
                revoke_with_audit(scope, &key, &reason)?;
                (Some(key.name), Ok(()))
            }
            Err(error @ (AppError::NotFound | AppError::Denied(_))) => (None, Err(error.to_string())),
            Err(error) => return Err(error),
        };
        outcomes.push(BulkOutcome { id: id.clone(), name, result });
    }
    Ok(outcomes)
}
