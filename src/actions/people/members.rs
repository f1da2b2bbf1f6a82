//! Members: who they are, what they may do, and what becomes of their keys when they go.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::actions::keys::{KeyView, revoke_with_audit, view_key};
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::domain::ids::UserId;
use crate::domain::key::ApiKey;
use crate::domain::names::parse_role;
use crate::domain::org::{Member, Role};
use crate::domain::policy;

/// What becomes of the keys of a member who goes (ruling 16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeysFate {
    /// They are revoked.
    #[default]
    Revoke,
    /// They act as the one who removes the member from now on.
    Transfer,
}

impl KeysFate {
    /// Reads the form's field; nothing typed means revoke.
    ///
    /// # Errors
    /// A sentence for the person who chose it.
    pub fn parse(text: &str) -> Result<Self, AppError> {
        match text {
            "" | "revoke" => Ok(Self::Revoke),
            "transfer" => Ok(Self::Transfer),
            _ => Err(AppError::field("keys", "Choose revoke or transfer.")),
        }
    }
}

/// A member with what the caller may do with them.
#[derive(Debug)]
pub struct MemberView {
    /// The member.
    pub member: Member,
    /// How many live keys they have here.
    pub live_keys: i64,
    /// Whether it is the caller.
    pub is_self: bool,
    /// The roles that the caller may give them, with their own; empty when the role cannot be changed.
    pub roles: Vec<Role>,
    /// Why their role cannot be changed, or nothing.
    pub role_fixed: Option<String>,
    /// Why they cannot be removed, or nothing.
    pub stays: Option<String>,
}

/// The members of the organization, by name.
///
/// # Errors
/// Not allowed, or the database's own failure.
pub fn list_members(scope: &mut OrgScope<'_>) -> Result<Vec<MemberView>, AppError> {
    policy::may_see_members(&scope.actor)?;
    let members = db::orgs::list_members(scope.conn, &scope.org.id)?;
    let keys = db::keys::count_live_keys_by_owner(scope.conn, &scope.org.id, scope.now)?;
    let keys: HashMap<UserId, i64> = keys.into_iter().collect();
    members
        .into_iter()
        .map(|member| {
            let live_keys = keys.get(&member.user.id).copied().unwrap_or(0);
            view(scope, member, live_keys)
        })
        .collect()
}

/// One member.
///
/// # Errors
/// `NotFound` for somebody who is not one.
pub fn get_member(scope: &mut OrgScope<'_>, target: &UserId) -> Result<MemberView, AppError> {
    list_members(scope)?.into_iter().find(|view| &view.member.user.id == target).ok_or(AppError::NotFound)
}

fn view(scope: &mut OrgScope<'_>, member: Member, live_keys: i64) -> Result<MemberView, AppError> {
    let owners = owners_with(scope, &member)?;
    let (actor, current, id) = (&scope.actor, member.role, &member.user.id);
    let verdict = |role| policy::may_change_role(actor, current, role, owners);
    let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| verdict(*role).is_ok()).collect();
    let can_change = roles.iter().any(|role| *role != current);
    let role_fixed = if can_change {
        None
    } else {
        Role::ALL.into_iter().filter(|role| *role != current).find_map(|role| verdict(role).err())
    };
    let stays = policy::may_remove_member(actor, id, current, owners).err();
    Ok(MemberView {
        live_keys,
        is_self: id == &actor.user,
        roles: if can_change { roles } else { Vec::new() },
        role_fixed: role_fixed.map(|denied| denied.to_string()),
        stays: stays.map(|denied| denied.to_string()),
        member,
    })
}

/// How many owners there are who can act, counting `member` even when their account is shut: it is the others that the
/// last-owner rule asks for.
fn owners_with(scope: &mut OrgScope<'_>, member: &Member) -> Result<u32, AppError> {
    let owners = db::orgs::count_owners(scope.conn, &scope.org.id)?;
    Ok(if member.role == Role::Owner && member.user.disabled_at.is_some() { owners + 1 } else { owners })
}

fn load(scope: &mut OrgScope<'_>, target: &UserId) -> Result<Member, AppError> {
    db::orgs::find_member(scope.conn, &scope.org.id, target)?.ok_or(AppError::NotFound)
}

/// Gives a member another role. Their keys follow at once: a key never does more than its owner can do.
///
/// # Errors
/// Not found, not allowed, or the last owner.
pub fn change_role(scope: &mut OrgScope<'_>, target: &UserId, role: &str) -> Result<(), AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_invite(&scope.actor, Role::Builder)?;
    let role = parse_role(role).map_err(|text| AppError::field("role", text))?;
    let member = load(scope, target)?;
    let owners = owners_with(scope, &member)?;
    policy::may_change_role(&scope.actor, member.role, role, owners)?;
    // Also when it is the same: whoever asks again may rely on the answer, which waits until every node knows.
    db::orgs::update_role(scope.conn, &scope.org.id, target, role)?;
    if member.role == role {
        return Ok(());
    }
    let (before, after) = (json!({"role": member.role}), json!({"role": role}));
    scope.audit("member.role_changed", (target.as_str(), &member.user.name), before, after)
}

/// The keys of a member that were not revoked, for the question what should become of them.
///
/// # Errors
/// Not found, or not allowed to see them.
pub fn keys_of_member(scope: &mut OrgScope<'_>, target: &UserId) -> Result<Vec<KeyView>, AppError> {
    let member = load(scope, target)?;
    let owners = owners_with(scope, &member)?;
    policy::may_remove_member(&scope.actor, target, member.role, owners)?;
    let keys = db::keys::list_unrevoked_keys_of(scope.conn, &scope.org.id, target)?;
    keys.into_iter().map(|key| view_key(scope, key)).collect()
}

/// Removes a member. Returns how many keys were revoked or handed over.
///
/// # Errors
/// Not found, not allowed, or the last owner.
pub fn remove_member(scope: &mut OrgScope<'_>, target: &UserId, fate: KeysFate) -> Result<usize, AppError> {
    policy::in_person(&scope.actor)?;
    let member = load(scope, target)?;
    let owners = owners_with(scope, &member)?;
    policy::may_remove_member(&scope.actor, target, member.role, owners)?;
    if fate == KeysFate::Transfer {
        policy::may_take_over_keys(&scope.actor, target)?;
    }
    let keys = db::keys::list_unrevoked_keys_of(scope.conn, &scope.org.id, target)?;
    for key in &keys {
        match fate {
            KeysFate::Revoke => revoke_with_audit(scope, key, "Its owner left the organization")?,
            KeysFate::Transfer => hand_over(scope, key, member.role)?,
        }
    }
    db::orgs::delete_member(scope.conn, &scope.org.id, target)?;
    let action = if target == &scope.actor.user { "member.left" } else { "member.removed" };
    let fate = if fate == KeysFate::Revoke { "revoked" } else { "handed over" };
    let before = json!({"role": member.role, "email": member.user.email, "keys": keys.len(), "keys_were": fate});
    scope.audit(action, (target.as_str(), &member.user.name), before, Value::Null)?;
    Ok(keys.len())
}

/// Hands a key over. Whoever leaves may still hold its secret, so it never does more than they could.
fn hand_over(scope: &mut OrgScope<'_>, key: &ApiKey, was: Role) -> Result<(), AppError> {
    let (heir, role_max) = (scope.actor.user.clone(), key.role_under(was));
    db::keys::update_owner(scope.conn, &key.id, &heir, role_max)?;
    let (before, after) = (json!({"owner": key.owner}), json!({"owner": heir, "role_max": role_max}));
    scope.audit("key.handed_over", (key.id.as_str(), &key.name), before, after)
}

/// Leaves the organization; one's own keys are revoked.
///
/// # Errors
/// The last owner cannot.
pub fn leave(scope: &mut OrgScope<'_>) -> Result<usize, AppError> {
    let me = scope.actor.user.clone();
    remove_member(scope, &me, KeysFate::Revoke)
}
