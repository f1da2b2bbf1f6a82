//! Seeing keys: lists, one key, and how much of the plan is used up.

use std::collections::HashMap;

use super::load_key;
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::db::keys::{KeyFilter, KeySort};
use crate::domain::ids::{KeyId, ProfileId, UserId};
use crate::domain::key::{ApiKey, Grace, KeyStatus};
use crate::domain::org::{Member, Profile, Role};
use crate::domain::policy::{self, Denied};
use crate::domain::time::{Span, Timestamp};

/// A key with everything that a page or an answer says of it.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key.
    pub key: ApiKey,
    /// What may be shown of its text.
    pub preview: String,
    /// Its state now.
    pub status: KeyStatus,
    /// The name of the person it acts as.
    pub owner_name: String,
    /// Whether that is the caller.
    pub is_own: bool,
    /// The name of its profile.
    pub profile_name: String,
    /// The name of whoever revoked it.
    pub revoked_by_name: Option<String>,
    /// Whether the caller may change its name and note.
    pub may_edit: bool,
    /// Whether the caller may rotate it, if only without a grace.
    pub may_rotate: bool,
    /// Whether the caller may end its old secret.
    pub may_finish: bool,
    /// Whether the caller may revoke it.
    pub may_revoke: bool,
    /// Whether the caller may let it rest now, or work again when it rests.
    pub may_pause: bool,
}

/// Which page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// From 1.
    pub number: i64,
    /// Keys per page.
    pub size: i64,
}

/// A page of keys.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys of this page.
    pub keys: Vec<KeyView>,
    /// How many there are on all pages.
    pub total: i64,
    /// How many revoked and expired ones the filter leaves out.
    pub hidden: i64,
    /// How much of the plan's limits is used up.
    pub meter: Meter,
    /// The profiles of the organization, the oldest first.
    pub profiles: Vec<Profile>,
    /// Its members, by name.
    pub members: Vec<Member>,
}

/// How much of the plan's limits is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// The plan's name.
    pub plan_name: String,
    /// Whether the plan has API keys.
    pub has_keys: bool,
    /// Active keys now.
    pub active: u32,
    /// How many the plan allows.
    pub active_max: Option<u32>,
    /// How many more may be created now within the hourly limit.
    pub creations_left: Option<u32>,
    /// When the next one may be created, if none may now.
    pub next_creation_at: Option<Timestamp>,
    /// When the oldest creation that counts leaves the hour, and makes room for one more.
    pub next_room_at: Option<Timestamp>,
    /// Why none can be created now, if so.
    pub blocked: Option<Denied>,
}

/// Completes a key with names and rights.
///
/// # Errors
/// The database's own failure.
pub fn view_key(scope: &mut OrgScope<'_>, key: ApiKey) -> Result<KeyView, AppError> {
    view_keys(scope, vec![key])?.pop().ok_or(AppError::NotFound)
}

/// Completes a key that the caller has just made with this profile: nothing needs to be asked for.
pub(super) fn view_new_key(scope: &mut OrgScope<'_>, key: ApiKey, profile: &Profile) -> Result<KeyView, AppError> {
    let owner = scope.member.clone();
    let view = view_keys_among(scope, vec![key], std::slice::from_ref(profile), std::slice::from_ref(&owner));
    view?.pop().ok_or(AppError::NotFound)
}

fn view_keys(scope: &mut OrgScope<'_>, keys: Vec<ApiKey>) -> Result<Vec<KeyView>, AppError> {
    let (profiles, members) = (profiles(scope)?, members(scope)?);
    view_keys_among(scope, keys, &profiles, &members)
}

fn view_keys_among(
    scope: &mut OrgScope<'_>,
    keys: Vec<ApiKey>,
    profiles: &[Profile],
    members: &[Member],
) -> Result<Vec<KeyView>, AppError> {
    let profiles = profiles.iter().map(|profile| (&profile.id, profile.name.as_str())).collect();
    let mut names: HashMap<UserId, String> =
        members.iter().map(|member| (member.user.id.clone(), member.user.name.clone())).collect();
    // People who left still own what they revoked or created, so members are not enough.
    let people = keys.iter().flat_map(|key| [Some(&key.owner), key.revoked.as_ref().and_then(|r| r.by.as_ref())]);
    for id in people.flatten() {
        if !names.contains_key(id)
            && let Some(user) = db::users::find_user(scope.conn, id)?
        {
            names.insert(user.id, user.name);
        }
    }
    Ok(keys.into_iter().map(|key| view(scope, key, &names, &profiles)).collect())
}

fn view(
    scope: &OrgScope<'_>,
    key: ApiKey,
    names: &HashMap<UserId, String>,
    profiles: &HashMap<&ProfileId, &str>,
) -> KeyView {
    let (actor, now) = (&scope.actor, scope.now);
    let may_manage = policy::may_manage_keys(actor, scope.ctx.rules.keys_may_manage_keys).is_ok();
    let name_of = |id: &UserId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    KeyView {
        preview: scope.ctx.rules.format.mask(&key.environment, key.id.as_str()),
        status: key.status(now),
        owner_name: name_of(&key.owner),
        is_own: key.owner == actor.user,
        profile_name: profiles.get(&key.profile).copied().unwrap_or_default().to_owned(),
        revoked_by_name: key.revoked.as_ref().and_then(|r| r.by.as_ref()).map(name_of),
        may_edit: may_manage && policy::may_edit_key(actor, &key).is_ok(),
        may_rotate: may_manage && policy::may_rotate_key(actor, &key, Grace::Now, now).is_ok(),
        may_finish: may_manage && policy::may_finish_rotation(actor, &key, now).is_ok(),
        may_revoke: may_manage && policy::may_revoke_key(actor, &key).is_ok(),
        may_pause: may_manage && policy::may_pause_key(actor, &key, now).is_ok(),
        key,
    }
}

/// A key by its id.
///
/// # Errors
/// `NotFound`, or `Denied` for a builder at a colleague's key.
pub fn get_key(scope: &mut OrgScope<'_>, id: &KeyId) -> Result<KeyView, AppError> {
    let key = load_key(scope, id)?;
    view_key(scope, key)
}

/// Narrows a filter to what the caller may see.
fn visible(scope: &OrgScope<'_>, mut filter: KeyFilter) -> KeyFilter {
    if !policy::sees_all_keys(&scope.actor) {
        filter.owner = Some(scope.actor.user.clone());
    }
    if let Some(text) = filter.text.take() {
        filter.text = Some(needle(scope, &text)).filter(|text| !text.is_empty());
    }
    if filter.status.is_some_and(|status| matches!(status, KeyStatus::Revoked | KeyStatus::Expired)) {
        filter.with_ended = true;
    }
    filter
}

/// What to look for: a pasted preview is found by its id, and a pasted key is never taken into the query whole.
fn needle(scope: &OrgScope<'_>, text: &str) -> String {
    let format = &scope.ctx.rules.format;
    if let Some(parsed) = format.parse(text.trim()) {
        return parsed.id.to_string();
    }
    let text = text.trim().trim_end_matches('•').trim_end_matches('*');
    let leads = format.environments().into_iter().map(|environment| format.lead(environment));
    let bare = leads.filter_map(|lead| text.strip_prefix(&lead).map(str::to_owned)).next();
    bare.unwrap_or_else(|| text.to_owned()).chars().take(60).collect()
}

/// A page of the keys that the caller may see, with all that stands around it.
///
/// # Errors
/// The database's own failure.
pub fn list_keys(scope: &mut OrgScope<'_>, filter: KeyFilter, sort: KeySort, page: Page) -> Result<KeyPage, AppError> {
    let filter = visible(scope, filter);
    let offset = (page.number.max(1) - 1).saturating_mul(page.size);
    let keys = db::keys::list_keys(scope.conn, &scope.org.id, &filter, sort, (offset, page.size), scope.now)?;
    let kept = db::keys::count_kept(scope.conn, &scope.org.id, scope.now)?;
    let found = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    let total = if filter.is_plain() {
        i64::from(kept.active)
    } else if found < page.size && (found > 0 || offset == 0) {
        // The last page, so all are counted already.
        offset + found
    } else {
        db::keys::count_keys(scope.conn, &scope.org.id, &filter, scope.now)?
    };
    let hidden = if filter.with_ended || filter.status.is_some() {
        0
    } else if filter.is_plain() {
        kept.all - total
    } else {
        let all = KeyFilter { with_ended: true, ..filter };
        db::keys::count_keys(scope.conn, &scope.org.id, &all, scope.now)? - total
    };
    let (profiles, members) = (profiles(scope)?, members(scope)?);
    let keys = view_keys_among(scope, keys, &profiles, &members)?;
    Ok(KeyPage { keys, total, hidden, meter: meter_of(scope, kept.active)?, profiles, members })
}

/// The next `limit` keys after one of them, the newest first.
///
/// # Errors
/// The database's own failure.
pub fn list_keys_after(
    scope: &mut OrgScope<'_>,
    filter: KeyFilter,
    after: Option<(Timestamp, KeyId)>,
    limit: i64,
) -> Result<Vec<KeyView>, AppError> {
    let filter = visible(scope, filter);
    let keys = db::keys::list_keys_after(scope.conn, &scope.org.id, &filter, after, limit, scope.now)?;
    view_keys(scope, keys)
}

/// How much of the plan's limits is used up.
///
/// # Errors
/// The database's own failure.
pub fn meter(scope: &mut OrgScope<'_>) -> Result<Meter, AppError> {
    let active = db::keys::count_active_keys(scope.conn, &scope.org.id, scope.now)?;
    meter_of(scope, active)
}

fn meter_of(scope: &mut OrgScope<'_>, active: u32) -> Result<Meter, AppError> {
    let plan = scope.plan();
    let since = policy::creation_window_start(scope.now);
    let created = match plan.creations_per_hour {
        Some(limit) => db::keys::list_creation_times(scope.conn, &scope.org.id, since, limit)?,
        None => Vec::new(),
    };
    let budget = policy::creation_budget(&plan, &created);
    let next_creation_at = match &budget {
        Err(Denied::CreationLimit { next_at, .. }) => Some(*next_at),
        _ => None,
    };
    let blocked =
        policy::may_create_key(&plan).and_then(|()| policy::room_for_another_key(&plan, active)).and(budget).err();
    let used = u32::try_from(created.len()).unwrap_or(u32::MAX);
    Ok(Meter {
        plan_name: plan.name,
        has_keys: plan.api_keys,
        active,
        active_max: plan.active_keys_max,
        creations_left: plan.creations_per_hour.map(|max| max.saturating_sub(used)),
        next_creation_at,
        next_room_at: created.iter().min().map(|oldest| oldest.plus(Span::hours(1))),
        blocked,
    })
}

/// The profiles that a key can be bound to, the oldest first.
///
/// # Errors
/// The database's own failure.
pub fn profiles(scope: &mut OrgScope<'_>) -> Result<Vec<Profile>, AppError> {
    Ok(db::orgs::list_profiles(scope.conn, &scope.org.id)?)
}

/// The members of the organization, by name.
///
/// # Errors
/// The database's own failure.
pub fn members(scope: &mut OrgScope<'_>) -> Result<Vec<Member>, AppError> {
    Ok(db::orgs::list_members(scope.conn, &scope.org.id)?)
}

/// What a key may do right now; nothing when its owner does not belong or is shut out.
///
/// # Errors
/// The database's own failure.
pub fn role_of(scope: &mut OrgScope<'_>, key: &ApiKey) -> Result<Option<Role>, AppError> {
    let member = db::orgs::find_member(scope.conn, &scope.org.id, &key.owner)?;
    let member = member.filter(|member| member.user.disabled_at.is_none());
    Ok(member.map(|member| key.role_under(member.role)))
}
