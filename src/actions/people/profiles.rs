//! Profiles: the parts of an organization that keys are bound to.

use serde_json::{Value, json};

use super::{done_before, note_done};
use crate::actions::keys::Once;
use crate::actions::{AppError, OrgScope, random};
use crate::db;
use crate::db::keys::KeyFilter;
use crate::domain::ids::ProfileId;
use crate::domain::names::Name;
use crate::domain::org::Profile;
use crate::domain::policy;

/// How many profiles an organization may have: each is a choice in a list that people read.
const PROFILES_MAX: usize = 100;

/// The organization's profiles, the oldest first, with how many live keys each has; of a builder, only their own count.
///
/// # Errors
/// The database's own failure.
pub fn list_profiles(scope: &mut OrgScope<'_>) -> Result<Vec<(Profile, i64)>, AppError> {
    let owner = (!policy::sees_all_keys(&scope.actor)).then(|| scope.actor.user.clone());
    let profiles = db::orgs::list_profiles(scope.conn, &scope.org.id)?;
    profiles
        .into_iter()
        .map(|profile| {
            let filter = KeyFilter { profile: Some(profile.id.clone()), owner: owner.clone(), ..KeyFilter::default() };
            let keys = db::keys::count_keys(scope.conn, &scope.org.id, &filter, scope.now)?;
            Ok((profile, keys))
        })
        .collect()
}

/// Adds a profile. A form sent twice adds one.
///
/// # Errors
/// Not allowed, a mistake in `name`, or one profile too many.
pub fn create_profile(scope: &mut OrgScope<'_>, name: &str, once: Option<&Once>) -> Result<Profile, AppError> {
    policy::may_manage_keys(&scope.actor, scope.ctx.rules.keys_may_manage_keys)?;
    policy::may_manage_profiles(&scope.actor)?;
    if let Some(id) = done_before(scope.conn, once)? {
        return db::orgs::find_profile(scope.conn, &scope.org.id, &ProfileId(id))?.ok_or(AppError::NotFound);
    }
    let name = free_name(scope, name, None)?;
    if db::orgs::list_profiles(scope.conn, &scope.org.id)?.len() >= PROFILES_MAX {
        return Err(AppError::Conflict(format!("An organization can have {PROFILES_MAX} profiles.")));
    }
    let profile = Profile {
        id: ProfileId(random::id("prof")?),
        org: scope.org.id.clone(),
        name: name.as_str().to_owned(),
        created_at: scope.now,
    };
    db::orgs::insert_profile(scope.conn, &profile)?;
    note_done(scope.conn, once, profile.id.as_str(), scope.now)?;
    let after = json!({"name": profile.name});
    scope.audit("profile.created", (profile.id.as_str(), &profile.name), Value::Null, after)?;
    Ok(profile)
}

/// Gives a profile another name.
///
/// # Errors
/// Not found, not allowed, or a mistake in `name`.
pub fn rename_profile(scope: &mut OrgScope<'_>, id: &ProfileId, name: &str) -> Result<Profile, AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_manage_profiles(&scope.actor)?;
    let old = db::orgs::find_profile(scope.conn, &scope.org.id, id)?.ok_or(AppError::NotFound)?;
    let name = free_name(scope, name, Some(id))?;
    let profile = Profile { name: name.as_str().to_owned(), ..old.clone() };
    if old.name != profile.name {
        db::orgs::update_profile_name(scope.conn, &scope.org.id, id, &profile.name)?;
        let (before, after) = (json!({"name": old.name}), json!({"name": profile.name}));
        scope.audit("profile.renamed", (id.as_str(), &profile.name), before, after)?;
    }
    Ok(profile)
}

/// A good name that no other profile has, in whatever case.
fn free_name(scope: &mut OrgScope<'_>, name: &str, but: Option<&ProfileId>) -> Result<Name, AppError> {
    let name = scope.ctx.rules.format.parse_name(name, "this profile").map_err(|text| AppError::field("name", text))?;
    let wanted = name.as_str().to_lowercase();
    let taken = db::orgs::list_profiles(scope.conn, &scope.org.id)?
        .iter()
        .any(|profile| Some(&profile.id) != but && profile.name.to_lowercase() == wanted);
    if taken {
        return Err(AppError::field("name", format!("There is a profile named “{}” already.", name.as_str())));
    }
    Ok(name)
}
