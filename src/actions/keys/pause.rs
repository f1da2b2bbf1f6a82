//! Letting a key rest, and letting it work again.

use serde_json::json;

use super::look::KeyView;
use super::{get_key, load_key_to_manage};
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::domain::ids::KeyId;
use crate::domain::policy;

/// Refuses all requests with a key until it is resumed. Pausing it again changes nothing and is no error, so that a caller
/// who lost the first answer may ask again; the second value says whether it was this call that paused it.
///
/// # Errors
/// Not found, not allowed, or ended for good.
pub fn pause_key(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<(KeyView, bool), AppError> {
    rest(scope, id, true)
}

/// Lets requests with a paused key in again; like [`pause_key`] it may be asked for twice.
///
/// # Errors
/// Not found, not allowed, or ended for good.
pub fn resume_key(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<(KeyView, bool), AppError> {
    rest(scope, id, false)
}

fn rest(scope: &mut OrgScope<'_>, id: &KeyId, is_to_rest: bool) -> Result<(KeyView, bool), AppError> {
    let key = load_key_to_manage(scope, id)?;
    policy::may_pause_key(&scope.actor, &key, scope.now)?;
    if key.paused_at.is_some() == is_to_rest {
        // Whoever asks again may never have got the first answer: this one too waits until every node knows.
        db::keys::note_key(&key.id)?;
        return Ok((get_key(scope, id)?, false));
    }
    let before = json!({"status": key.status(scope.now)});
    db::keys::update_paused(scope.conn, id, is_to_rest.then_some(scope.now))?;
    let view = get_key(scope, id)?;
    let action = if is_to_rest { "key.paused" } else { "key.resumed" };
    scope.audit(action, (id.as_str(), &key.name), before, json!({"status": view.status}))?;
    Ok((view, true))
}
