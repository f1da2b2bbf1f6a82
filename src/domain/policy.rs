//! The rulebook: every permission and every limit, as pure functions that say why not.
//!
//! Each rule is asked twice: once to draw the button, once to do the deed. Which organization one is in is not a
//! rule: queries are bound to it, and an outsider finds nothing.

pub use super::denied::Denied;

use super::alert::Switch;
use super::ids::UserId;
use super::key::{ApiKey, Grace, KeySecret, KeyStatus, OldSecret};
use super::org::{OnDowngrade, Plan, Role};
use super::time::{Span, Timestamp};

/// The one who asks, in one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person, or the person a key acts as.
    pub user: UserId,
    /// Their role now, or less when they come with a key of smaller scope.
    pub role: Role,
    /// Whether they come with an API key instead of in person.
    pub by_key: bool,
}

type Allowed = Result<(), Denied>;

fn at_least(actor: &Actor, role: Role) -> Allowed {
    if actor.role >= role { Ok(()) } else { Err(Denied::RoleTooLow(role)) }
}

fn own_or_admin(actor: &Actor, key: &ApiKey) -> Allowed {
    match actor.role {
        Role::Owner | Role::Admin => Ok(()),
        Role::Builder if key.owner == actor.user => Ok(()),
        Role::Builder => Err(Denied::NotYourKey),
    }
}

/// Whether one sees everybody's keys (K11–K13); otherwise only one's own.
#[must_use]
pub fn sees_all_keys(actor: &Actor) -> bool {
    match actor.role {
        Role::Owner | Role::Admin => true,
        Role::Builder => false,
    }
}

/// May see this key at all.
///
/// # Errors
/// Why not; callers answer as if the key did not exist.
pub fn may_see_key(actor: &Actor, key: &ApiKey) -> Allowed {
    own_or_admin(actor, key)
}

/// May change keys in any way: ruling 13.
///
/// # Errors
/// Why not.
pub fn may_manage_keys(actor: &Actor, keys_may_manage_keys: bool) -> Allowed {
    if actor.by_key && !keys_may_manage_keys { Err(Denied::NotByKey) } else { Ok(()) }
}

/// May create a key in this plan: every member may, where the plan has keys.
///
/// # Errors
/// Why not.
pub fn may_create_key(plan: &Plan) -> Allowed {
    if plan.api_keys { Ok(()) } else { Err(Denied::PlanRequired { plan: plan.name.clone() }) }
}

/// Whether there is room for one more active key.
///
/// # Errors
/// Why not.
pub fn room_for_another_key(plan: &Plan, active: u32) -> Allowed {
    match plan.active_keys_max {
        Some(max) if active >= max => Err(Denied::KeyLimit { active, max }),
        Some(_) | None => Ok(()),
    }
}

/// Since when creations count against the hourly limit.
#[must_use]
pub fn creation_window_start(now: Timestamp) -> Timestamp {
    now.minus(Span::hours(1))
}

/// Whether one more key may be created within the rolling hour. `created` holds the times of the creations since
/// `creation_window_start(now)`, in any order; settings see to it that a limit is at least 1.
///
/// # Errors
/// Why not, with the moment at which the oldest of those that count leaves the window.
pub fn creation_budget(plan: &Plan, created: &[Timestamp]) -> Allowed {
    let Some(max) = plan.creations_per_hour else { return Ok(()) };
    let mut times = created.to_vec();
    times.sort_unstable_by(|a, b| b.cmp(a));
    match times.get(max.saturating_sub(1) as usize) {
        Some(oldest) => Err(Denied::CreationLimit { max, next_at: oldest.plus(Span::hours(1)) }),
        None => Ok(()),
    }
}

/// May rename a key or change its note.
///
/// # Errors
/// Why not.
pub fn may_edit_key(actor: &Actor, key: &ApiKey) -> Allowed {
    own_or_admin(actor, key)?;
    if key.revoked.is_some() { Err(Denied::AlreadyRevoked) } else { Ok(()) }
}

/// May rotate a key with this grace at `now` (ruling 4). Only its owner may: the secret that is shown acts as them, and
/// an admin must not get hold of what acts as an owner.
///
/// # Errors
/// Why not.
pub fn may_rotate_key(actor: &Actor, key: &ApiKey, grace: Grace, now: Timestamp) -> Allowed {
    own_or_admin(actor, key)?;
    if key.owner != actor.user {
        return Err(Denied::RotateOwnOnly);
    }
    match key.status(now) {
        KeyStatus::Revoked => Err(Denied::AlreadyRevoked),
        KeyStatus::Expired => Err(Denied::KeyExpired),
        KeyStatus::Rotating if grace != Grace::Now => Err(Denied::RotationRunning),
        // A resting key may have an old secret in grace behind its back.
        KeyStatus::Paused if grace != Grace::Now && key.secret_in_grace(now).is_some() => Err(Denied::RotationRunning),
        KeyStatus::Active | KeyStatus::Rotating | KeyStatus::Paused => Ok(()),
    }
}

/// May end the old secret of a key at `now`.
///
/// # Errors
/// Why not.
pub fn may_finish_rotation(actor: &Actor, key: &ApiKey, now: Timestamp) -> Allowed {
    own_or_admin(actor, key)?;
    if key.revoked.is_some() {
        return Err(Denied::AlreadyRevoked);
    }
    if key.secret_in_grace(now).is_none() { Err(Denied::NoOldSecret) } else { Ok(()) }
}

/// May revoke a key (K11–K14): owners and admins any, everybody their own.
///
/// # Errors
/// Why not.
pub fn may_revoke_key(actor: &Actor, key: &ApiKey) -> Allowed {
    own_or_admin(actor, key)?;
    if key.revoked.is_some() { Err(Denied::AlreadyRevoked) } else { Ok(()) }
}

/// May pause or resume a key: whoever may revoke it, while it can still be of use.
///
/// # Errors
/// Why not.
pub fn may_pause_key(actor: &Actor, key: &ApiKey, now: Timestamp) -> Allowed {
    own_or_admin(actor, key)?;
    match key.status(now) {
        KeyStatus::Revoked => Err(Denied::AlreadyRevoked),
        KeyStatus::Expired => Err(Denied::KeyExpired),
        KeyStatus::Active | KeyStatus::Rotating | KeyStatus::Paused => Ok(()),
    }
}

/// Whether a check let this key in during the 24 hours before `now`: such a key is revoked by typing its name.
#[must_use]
pub fn is_in_use(key: &ApiKey, now: Timestamp) -> bool {
    key.last_use.as_ref().is_some_and(|used| now.since(used.at) < Span::hours(24))
}

/// After so long without a request an old secret is held to be out of use.
const QUIET: Span = Span::hours(1);

/// Whether the old secret of a key may be stopped at `now` without breaking anything; `in_hour` is how many requests with it
/// were counted in the last hour, where that is known.
#[must_use]
pub fn old_secret(key: &ApiKey, old: &KeySecret, in_hour: Option<i64>, now: Timestamp) -> OldSecret {
    let since = old.last_used_at.unwrap_or(key.current.created_at).max(key.current.created_at);
    if now.since(since) < QUIET || in_hour.is_some_and(|count| count > 0) {
        OldSecret::InUse
    } else if key.current.first_used_at.is_none() {
        OldSecret::Quiet
    } else {
        OldSecret::SafeToStop
    }
}

/// Whether a plan lets the keys there are be used.
#[must_use]
pub fn plan_lets_keys(plan: &Plan, on_downgrade: OnDowngrade) -> bool {
    plan.api_keys || on_downgrade == OnDowngrade::Keep
}

/// May look at the checked requests of the keys they see.
///
/// # Errors
/// Why not.
pub fn may_see_logs(_actor: &Actor) -> Allowed {
    Ok(())
}

/// May look at the list of members.
///
/// # Errors
/// Why not.
pub fn may_see_members(_actor: &Actor) -> Allowed {
    Ok(())
}

/// May invite somebody with this role.
///
/// # Errors
/// Why not.
pub fn may_invite(actor: &Actor, role: Role) -> Allowed {
    at_least(actor, Role::Admin)?;
    if role > actor.role { Err(Denied::RoleAboveOwn) } else { Ok(()) }
}

/// May give the member with `current` role the role `new`; `owners` is how many owners there are.
///
/// # Errors
/// Why not.
pub fn may_change_role(actor: &Actor, current: Role, new: Role, owners: u32) -> Allowed {
    at_least(actor, Role::Admin)?;
    if current > actor.role {
        return Err(Denied::TargetIsOwner);
    }
    if new > actor.role {
        return Err(Denied::RoleAboveOwn);
    }
    if current == Role::Owner && new != Role::Owner && owners <= 1 { Err(Denied::LastOwner) } else { Ok(()) }
}

/// May remove a member, or leave when it is oneself.
///
/// # Errors
/// Why not.
pub fn may_remove_member(actor: &Actor, target: &UserId, current: Role, owners: u32) -> Allowed {
    if target != &actor.user {
        at_least(actor, Role::Admin)?;
        if current > actor.role {
            return Err(Denied::TargetIsOwner);
        }
    }
    if current == Role::Owner && owners <= 1 { Err(Denied::LastOwner) } else { Ok(()) }
}

/// May make or rename profiles.
///
/// # Errors
/// Why not.
pub fn may_manage_profiles(actor: &Actor) -> Allowed {
    at_least(actor, Role::Admin)
}

/// May rename the organization.
///
/// # Errors
/// Why not.
pub fn may_manage_organization(actor: &Actor) -> Allowed {
    at_least(actor, Role::Owner)
}

/// May read and export the audit log.
///
/// # Errors
/// Why not.
pub fn may_read_audit(actor: &Actor) -> Allowed {
    at_least(actor, Role::Admin)
}

/// May see to webhook endpoints, which get what concerns everybody's keys.
///
/// # Errors
/// Why not.
pub fn may_manage_webhooks(actor: &Actor) -> Allowed {
    at_least(actor, Role::Admin)
}

/// May turn this switch: everybody what they hear of their own keys, those who see all keys the rest.
///
/// # Errors
/// Why not.
pub fn may_turn_alert(actor: &Actor, switch: Switch) -> Allowed {
    match switch {
        Switch::EmailOwn => Ok(()),
        Switch::EmailAll | Switch::Webhook => at_least(actor, Role::Admin),
    }
}

/// May go to where plans are bought.
///
/// # Errors
/// Why not.
pub fn may_change_plan(actor: &Actor) -> Allowed {
    at_least(actor, Role::Owner)
}

/// May ask for another plan: whoever does not change it asks the owners, and owners ask the operator.
///
/// # Errors
/// Why not.
pub fn may_ask_for_plan(actor: &Actor) -> Allowed {
    in_person(actor)
}

/// May take back the request of `asker`: everybody their own, owners any.
///
/// # Errors
/// Why not.
pub fn may_withdraw_plan_request(actor: &Actor, asker: &UserId) -> Allowed {
    in_person(actor)?;
    if asker == &actor.user { Ok(()) } else { at_least(actor, Role::Owner) }
}

/// How many organizations one person may own; limits per organization would mean nothing otherwise.
pub const ORGANIZATIONS_OWNED_MAX: u32 = 10;

/// May found another organization when owning `owned` already.
///
/// # Errors
/// Why not.
pub fn may_create_organization(owned: u32) -> Allowed {
    let max = ORGANIZATIONS_OWNED_MAX;
    if owned >= max { Err(Denied::TooManyOrganizations { max }) } else { Ok(()) }
}

/// May take over the keys of the member to be removed (ruling 16).
///
/// # Errors
/// Why not.
pub fn may_take_over_keys(actor: &Actor, from: &UserId) -> Allowed {
    if from == &actor.user { Err(Denied::NobodyToHandOverTo) } else { Ok(()) }
}

/// May do anything but look, apart from keys: an API key acts on keys at most.
///
/// # Errors
/// Why not.
pub fn in_person(actor: &Actor) -> Allowed {
    if actor.by_key { Err(Denied::NotByKey) } else { Ok(()) }
}
