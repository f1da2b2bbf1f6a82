//! The decision on a key: a value, never an error.

use super::key::{ApiKey, KeySecret};
use super::org::{OnDowngrade, Plan, Role};
use super::time::Timestamp;
use super::token::SecretHash;

/// What a check found. Only `Valid` lets a request in; the holder of the key learns no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let it in.
    Valid,
    /// Not a key of ours by its shape or checksum.
    Malformed,
    /// No such key, or another secret.
    NotFound,
    /// Revoked; also a secret whose grace is over.
    Revoked,
    /// Its own end has come.
    Expired,
    /// Resting.
    Paused,
    /// The person it acts as is no longer a member, or is disabled.
    OwnerGone,
    /// The plan has no API keys and the operator refuses such keys.
    PlanRequired,
}

impl Verdict {
    /// The stable code for the upstream and the event log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Malformed => "MALFORMED",
            Self::NotFound => "NOT_FOUND",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
            Self::Paused | Self::OwnerGone => "FORBIDDEN",
            Self::PlanRequired => "PLAN_REQUIRED",
        }
    }
}

/// Decides on a presented secret at `now`. `role` is what the key's owner may do in the organization right now,
/// or nothing when they no longer belong to it.
#[must_use]
pub fn verdict(
    key: &ApiKey,
    presented: &SecretHash,
    role: Option<Role>,
    plan: &Plan,
    on_downgrade: OnDowngrade,
    now: Timestamp,
) -> Verdict {
    let Some(secret) = matching_secret(key, presented) else { return Verdict::NotFound };
    if key.revoked.is_some() || secret.valid_until.is_some_and(|until| until <= now) {
        return Verdict::Revoked;
    }
    if key.expires_at.is_some_and(|at| at <= now) {
        return Verdict::Expired;
    }
    if key.paused_at.is_some() {
        return Verdict::Paused;
    }
    if role.is_none() {
        return Verdict::OwnerGone;
    }
    if !plan.api_keys && on_downgrade == OnDowngrade::Refuse {
        return Verdict::PlanRequired;
    }
    Verdict::Valid
}

/// Which of the key's secrets was presented. Both are compared, so that time does not tell which.
#[must_use]
pub fn matching_secret<'k>(key: &'k ApiKey, presented: &SecretHash) -> Option<&'k KeySecret> {
    let current = key.current.hash.matches(presented);
    let previous = key.previous.as_ref().filter(|old| old.hash.matches(presented));
    if current { Some(&key.current) } else { previous }
}
