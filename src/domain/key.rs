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
    /// Its state at `now`; deadlines are exclusive: at the deadline itself it is over.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|at| at <= now) {
            KeyStatus::Expired
        } else if self.paused_at.is_some() {
            KeyStatus::Paused
        } else if self.secret_in_grace(now).is_some() {
            KeyStatus::Rotating
        } else {
            KeyStatus::Active
        }
    }

    /// What it may do when its owner has this role now (ruling 7): never more than either.
    #[must_use]
    pub fn role_under(&self, owner: Role) -> Role {
        self.role_max.map_or(owner, |most| most.min(owner))
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

    /// Whether a check let it in during the 24 hours before `now`: such a key is revoked by typing its name.
    #[must_use]
    pub fn is_in_use(&self, now: Timestamp) -> bool {
        self.last_use.as_ref().is_some_and(|used| now.since(used.at) < Span::hours(24))
    }
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
