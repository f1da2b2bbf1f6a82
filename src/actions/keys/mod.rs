//! What can be done with API keys.

mod create;
mod look;
mod pause;
mod revoke;
mod rotate;
mod stats;
mod usage;

pub use crate::db::keys::{KeyFilter, KeySort};
pub use create::{Created, NewKey, Once, create_key, read_new_key};
pub use look::{
    KeyPage, KeyView, Meter, Page, get_key, list_keys, list_keys_after, members, meter, profiles, role_of, view_key,
};
pub use pause::{pause_key, resume_key};
pub(super) use revoke::read_reason;
pub use revoke::{BulkOutcome, RevokeInput, revoke_key, revoke_keys, revoke_with_audit};
pub use rotate::{Rotated, finish_rotation, rotate_key};
pub use stats::{Point, Stats, Traffic, key_stats, key_traffic, refused_since_revoked};
pub use usage::{Event, KeyUsage, Pulse, RotationTraffic, key_usage, pulses, rotation_traffic};

use serde_json::json;

use super::{AppError, OrgScope};
use crate::db;
use crate::domain::ids::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::names::{Name, parse_note};
use crate::domain::policy;

/// Loads a key of this organization that the caller may see.
pub(super) fn load_key(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<ApiKey, AppError> {
    let key = db::keys::find_key(scope.conn, &scope.org.id, id)?.ok_or(AppError::NotFound)?;
    policy::may_see_key(&scope.actor, &key)?;
    Ok(key)
}

/// Loads a key in order to change it.
fn load_key_to_manage(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<ApiKey, AppError> {
    policy::may_manage_keys(&scope.actor, scope.ctx.rules.keys_may_manage_keys)?;
    load_key(scope, id)
}

/// Changes a key's name, its note, or both; what is `None` stays.
///
/// # Errors
/// Not found, not allowed, or a mistake in what was typed.
pub fn edit_key(
    scope: &mut OrgScope<'_>,
    id: &KeyId,
    name: Option<&str>,
    note: Option<&str>,
) -> Result<KeyView, AppError> {
    let key = load_key_to_manage(scope, id)?;
    policy::may_edit_key(&scope.actor, &key)?;
    for (field, text) in [("name", name), ("note", note)] {
        let text = text.unwrap_or_default();
        scope.ctx.rules.format.refuse_key(text).map_err(|words| AppError::field(field, words))?;
    }
    let name = match name {
        Some(text) => Name::parse(text, "this key").map_err(|text| AppError::field("name", text))?.as_str().to_owned(),
        None => key.name.clone(),
    };
    let note = match note {
        Some(text) => parse_note(text).map_err(|text| AppError::field("note", text))?,
        None => key.note.clone(),
    };
    if name != key.name && db::keys::name_in_use(scope.conn, &scope.org.id, &key.owner, &name, Some(id))? {
        return Err(AppError::field("name", create::name_taken(&name)));
    }
    if (&name, &note) != (&key.name, &key.note) {
        db::keys::update_name_and_note(scope.conn, id, &name, &note)?;
        scope.audit(
            "key.edited",
            (id.as_str(), &name),
            json!({"name": key.name, "note": key.note}),
            json!({"name": name, "note": note}),
        )?;
    }
    get_key(scope, id)
}
