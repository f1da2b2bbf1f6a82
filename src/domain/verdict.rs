//! The decision on a key: a value, never an error.

use super::org::Role;
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
    /// The key may do less than the request asks for.
    RoleTooLow,
    /// The plan's or the key's requests for this minute are used up.
    RateLimited,
    /// It came in a URL and was not made for that (ruling 12).
    NotInUrl,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Valid,
        Self::Malformed,
        Self::NotFound,
        Self::Revoked,
        Self::Expired,
        Self::Paused,
        Self::OwnerGone,
        Self::PlanRequired,
        Self::RoleTooLow,
        Self::RateLimited,
        Self::NotInUrl,
    ];

    /// The stable code for the upstream and the event log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Malformed => "MALFORMED",
            Self::NotFound => "NOT_FOUND",
            Self::Revoked => "REVOKED",
            Self::Expired => "EXPIRED",
            Self::Paused | Self::OwnerGone | Self::RoleTooLow | Self::NotInUrl => "FORBIDDEN",
            Self::PlanRequired => "PLAN_REQUIRED",
            Self::RateLimited => "RATE_LIMITED",
        }
    }
}

/// What a decision rests on, for the secret that was presented.
#[derive(Debug, Clone, Copy)]
pub struct KeyFacts {
    /// Whether the key was revoked.
    pub is_revoked: bool,
    /// Until when the presented secret works, where it has an end: the one before the current.
    pub secret_until: Option<Timestamp>,
    /// When the key stops by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether it rests.
    pub is_paused: bool,
    /// What the key may do now (ruling 7), or nothing when its owner no longer belongs to the organization.
    pub role: Option<Role>,
    /// Whether the plan lets its keys be used: it has API keys, or the operator lets those go on that are there.
    pub plan_lets: bool,
    /// Whether it was made to stand in URLs (ruling 12).
    pub url_allowed: bool,
}

/// What a request needs of a key besides that it is good.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// To stand in a URL.
    pub in_url: bool,
    /// To be allowed to do this at least.
    pub role: Option<Role>,
}

/// Decides on a key whose secret was presented, at `now`; deadlines are exclusive. What a request needs is looked at last: of a key
/// that is not good nothing more is told.
#[must_use]
pub fn verdict(facts: &KeyFacts, needs: Needs, now: Timestamp) -> Verdict {
    if facts.is_revoked || facts.secret_until.is_some_and(|until| until <= now) {
        Verdict::Revoked
    } else if facts.expires_at.is_some_and(|at| at <= now) {
        Verdict::Expired
    } else if facts.is_paused {
        Verdict::Paused
    } else if facts.role.is_none() {
        Verdict::OwnerGone
    } else if !facts.plan_lets {
        Verdict::PlanRequired
    } else if needs.in_url && !facts.url_allowed {
        Verdict::NotInUrl
    } else if needs.role.is_some_and(|least| facts.role < Some(least)) {
        Verdict::RoleTooLow
    } else {
        Verdict::Valid
    }
}

/// Which of a key's secrets was presented, with the time until which it works. Both are compared, so that time does
/// not tell which.
#[must_use]
pub fn matching_secret(
    presented: &SecretHash,
    current: &SecretHash,
    previous: Option<&(SecretHash, Timestamp)>,
) -> Option<Option<Timestamp>> {
    let is_current = current.matches(presented);
    let previous = previous.filter(|(hash, _)| hash.matches(presented)).map(|(_, until)| Some(*until));
    if is_current { Some(None) } else { previous }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(10);
    const GOOD: KeyFacts = KeyFacts {
        is_revoked: false,
        secret_until: None,
        expires_at: None,
        is_paused: false,
        role: Some(Role::Admin),
        plan_lets: true,
        url_allowed: true,
    };

    #[test]
    fn the_first_reason_to_refuse_is_told() {
        let needs = Needs { in_url: true, role: Some(Role::Owner) };
        let mut facts = KeyFacts {
            is_revoked: true,
            secret_until: Some(NOW),
            expires_at: Some(NOW),
            is_paused: true,
            role: None,
            plan_lets: false,
            url_allowed: false,
        };
        let mut told = |mend: fn(&mut KeyFacts)| {
            let verdict = verdict(&facts, needs, NOW);
            mend(&mut facts);
            verdict
        };
        assert_eq!(told(|facts| facts.is_revoked = false), Verdict::Revoked);
        assert_eq!(told(|facts| facts.secret_until = None), Verdict::Revoked);
        assert_eq!(told(|facts| facts.expires_at = None), Verdict::Expired);
        assert_eq!(told(|facts| facts.is_paused = false), Verdict::Paused);
        assert_eq!(told(|facts| facts.role = GOOD.role), Verdict::OwnerGone);
        assert_eq!(told(|facts| facts.plan_lets = true), Verdict::PlanRequired);
        assert_eq!(told(|facts| facts.url_allowed = true), Verdict::NotInUrl);
        assert_eq!(told(|facts| facts.role = Some(Role::Owner)), Verdict::RoleTooLow);
        assert_eq!(told(|_| ()), Verdict::Valid);
    }

    #[test]
    fn a_key_that_is_good_may_do_what_its_role_may() {
        let with = |in_url, role| verdict(&GOOD, Needs { in_url, role }, NOW);
        assert_eq!(with(true, None), Verdict::Valid);
        let by_role = [Role::Builder, Role::Admin, Role::Owner].map(|role| with(false, Some(role)));
        assert_eq!(by_role, [Verdict::Valid, Verdict::Valid, Verdict::RoleTooLow]);
        let header_only = KeyFacts { url_allowed: false, ..GOOD };
        assert_eq!(verdict(&header_only, Needs::default(), NOW), Verdict::Valid);
        let later = Some(Timestamp::from_micros(11));
        let not_yet = KeyFacts { secret_until: later, expires_at: later, ..GOOD };
        assert_eq!(verdict(&not_yet, Needs::default(), NOW), Verdict::Valid);
    }
}
