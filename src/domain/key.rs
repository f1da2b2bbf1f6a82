//! An API key: what is known of it, and the state it is in at a given moment.

use serde::Serialize;

use super::ids::{KeyId, OrgId, ProfileId, SecretId, UserId};
use super::org::Role;
use super::time::{Span, Timestamp};
use super::token::SecretHash;

/// A key with the secrets that can still matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The eight characters that name it.
    pub id: KeyId,
    /// Its organization.
    pub org: OrgId,
    /// The profile it is bound to for life.
    pub profile: ProfileId,
    /// The person it acts as.
    pub owner: UserId,
    /// The label.
    pub name: String,
    /// What uses it, or empty.
    pub note: String,
    /// `live`, `test`, or whatever the operator named.
    pub environment: String,
    /// Whether it may travel in a URL, where the operator allows that for an endpoint (ruling 12).
    pub url_allowed: bool,
    /// The most that it may do, whoever owns it; nothing means as much as its owner.
    pub role_max: Option<Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it rests.
    pub paused_at: Option<Timestamp>,
    /// When it was revoked, for good.
    pub revoked: Option<Revocation>,
    /// When a check last let it in.
    pub last_use: Option<LastUse>,
    /// The secret that is shown once and then used.
    pub current: KeySecret,
    /// The one before, while it may still be in use.
    pub previous: Option<KeySecret>,
}

/// Who revoked a key, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// By whom; nothing when the server did it.
    pub by: Option<UserId>,
    /// Why, or empty.
    pub reason: String,
}

/// One secret of a key: never the plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// Its id.
    pub id: SecretId,
    /// SHA-256 of the 24 characters.
    pub hash: SecretHash,
    /// The last four characters.
    pub last4: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops: set for a previous secret.
    pub valid_until: Option<Timestamp>,
    /// When it was first let in.
    pub first_used_at: Option<Timestamp>,
    /// When it was last let in, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl KeySecret {
    /// The `valid_until` of a secret that somebody ended: before every clock, so that no clock that is turned back
    /// brings it back. When it was ended stands in the audit log.
    pub const ENDED: Timestamp = Timestamp::from_micros(0);
}

/// The last time a key was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When, to the minute.
    pub at: Timestamp,
    /// From which address.
    pub address: String,
    /// What the client called itself.
    pub client: String,
}

/// All that a key's state depends on.
#[derive(Debug, Clone, Copy)]
pub struct StatusFacts {
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether it rests.
    pub is_paused: bool,
    /// Until when the secret before the current one works.
    pub grace_until: Option<Timestamp>,
}

/// The state of a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// Works.
    Active,
    /// Works, with the secret before it too.
    Rotating,
    /// Its time is over.
    Expired,
    /// Revoked for good.
    Revoked,
    /// Resting until somebody resumes it.
    Paused,
}

impl KeyStatus {
    /// The state at `now`; deadlines are exclusive: at the deadline itself it is over.
    #[must_use]
    pub fn of(facts: &StatusFacts, now: Timestamp) -> Self {
        if facts.is_revoked {
            Self::Revoked
        } else if facts.expires_at.is_some_and(|at| at <= now) {
            Self::Expired
        } else if facts.is_paused {
            Self::Paused
        } else if facts.grace_until.is_some_and(|until| now < until) {
            Self::Rotating
        } else {
            Self::Active
        }
    }

    /// As it is sent and filtered by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotating => "rotating",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Paused => "paused",
        }
    }
}

impl ApiKey {
    /// Its state at `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        let facts = StatusFacts {
            is_revoked: self.revoked.is_some(),
            expires_at: self.expires_at,
            is_paused: self.paused_at.is_some(),
            grace_until: self.previous.as_ref().and_then(|old| old.valid_until),
        };
        KeyStatus::of(&facts, now)
    }

    /// What it may do when its owner has this role now (ruling 7): never more than either.
    #[must_use]
    pub fn role_under(&self, owner: Role) -> Role {
        owner.at_most(self.role_max)
    }

    /// The secret before the current one, if it is still let in at `now`.
    #[must_use]
    pub fn secret_in_grace(&self, now: Timestamp) -> Option<&KeySecret> {
        self.previous.as_ref().filter(|old| old.valid_until.is_some_and(|until| now < until))
    }

    /// Whether it counts against the plan's limit at `now`: anything neither revoked nor expired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// What is known of the use of an old secret in grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSecret {
    /// Something used it within the last hour, or it was not watched for that long yet.
    InUse,
    /// Nothing used it, nor the new one: whoever uses this key may just be resting.
    Quiet,
    /// The new one is in use and the old one is not.
    SafeToStop,
}

/// How long the old secret works beside the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Not at all; every older secret ends too.
    Now,
    /// One hour.
    Hour,
    /// The default.
    Day,
    /// The longest there is.
    Week,
}

impl Grace {
    /// Its length.
    #[must_use]
    pub const fn span(self) -> Span {
        match self {
            Self::Now => Span::ZERO,
            Self::Hour => Span::hours(1),
            Self::Day => Span::hours(24),
            Self::Week => Span::days(7),
        }
    }

    /// By its name: `now`, `1h`, `24h`, `7d`.
    ///
    /// # Errors
    /// A sentence for the person who chose it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "now" | "0" => Ok(Self::Now),
            "1h" => Ok(Self::Hour),
            "24h" => Ok(Self::Day),
            "7d" => Ok(Self::Week),
            _ => Err("Choose now, 1h, 24h or 7d.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy;
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros(0).plus(Span::minutes(minutes))
    }

    fn secret(created_at: Timestamp) -> KeySecret {
        KeySecret {
            id: "sec".into(),
            hash: SecretHash::of("x"),
            last4: "HCgG".into(),
            created_at,
            valid_until: None,
            first_used_at: None,
            last_used_at: None,
        }
    }

    fn rotated(at_minute: i64) -> ApiKey {
        ApiKey {
            id: "BRTRKFsL".into(),
            org: "org".into(),
            profile: "prf".into(),
            owner: "usr".into(),
            name: "ci".into(),
            note: String::new(),
            environment: "live".into(),
            url_allowed: false,
            role_max: None,
            created_at: at(0),
            expires_at: None,
            paused_at: None,
            revoked: None,
            last_use: None,
            current: secret(at(at_minute)),
            previous: Some(KeySecret { valid_until: Some(at(at_minute + 1440)), ..secret(at(0)) }),
        }
    }

    #[test]
    fn an_old_secret_is_safe_to_stop_after_an_hour_without_it_and_with_the_new_one() {
        let mut key = rotated(600);
        let old = |used: Option<i64>| KeySecret { last_used_at: used.map(at), ..secret(at(0)) };
        let mut check = |new_used: bool, used: Option<i64>, in_hour: Option<i64>, now: i64, expected: OldSecret| {
            key.current.first_used_at = new_used.then(|| at(601));
            assert_eq!(
                policy::old_secret(&key, &old(used), in_hour, at(now)),
                expected,
                "{new_used} {used:?} {in_hour:?} {now}"
            );
        };
        // Not watched for an hour since the new one is there.
        check(true, None, Some(0), 659, OldSecret::InUse);
        check(true, None, Some(0), 660, OldSecret::SafeToStop);
        check(true, Some(3), Some(0), 659, OldSecret::InUse);
        check(false, None, Some(0), 660, OldSecret::Quiet);
        check(true, Some(640), Some(0), 699, OldSecret::InUse);
        check(true, Some(640), None, 700, OldSecret::SafeToStop);
        // Counted, and not yet noted as the last use.
        check(true, Some(640), Some(1), 700, OldSecret::InUse);
    }

    #[test]
    fn a_state_ends_at_its_deadline() {
        let mut key = rotated(600);
        assert_eq!(key.status(at(2039)), KeyStatus::Rotating);
        assert_eq!(key.status(at(2040)), KeyStatus::Active);
        key.paused_at = Some(at(700));
        assert_eq!(key.status(at(800)), KeyStatus::Paused);
        key.expires_at = Some(at(900));
        assert_eq!((key.status(at(899)), key.status(at(900))), (KeyStatus::Paused, KeyStatus::Expired));
        key.revoked = Some(Revocation { at: at(1), by: None, reason: String::new() });
        assert_eq!(key.status(at(0)), KeyStatus::Revoked);
    }
}
