//! Alerts: what people and programs are told of, who is told by which way, and when a failed delivery is tried again.

pub mod words;

use serde::{Deserialize, Serialize};

use super::ids::{AlertId, KeyId, OrgId, UserId};
use super::key::ApiKey;
use super::org::Role;
use super::time::{Span, Timestamp};

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertKind {
    /// A key was created.
    Created,
    /// A key has a new secret.
    Rotated,
    /// The old secret of a key will stop soon.
    GraceEnding,
    /// A key will expire in 14, 7 or 1 days.
    Expiring,
    /// A key was revoked.
    Revoked,
    /// A key was found where others can read it.
    Leaked,
    /// The organization has used up a limit of its plan.
    LimitReached,
    /// A key was used from a network it was never used from before.
    NewNetwork,
    /// A key was not used for 90 days.
    Unused,
    /// Somebody wants to see that alerts arrive.
    Test,
    /// A webhook endpoint failed for so long that nothing is sent to it any more.
    EndpointDisabled,
}

impl AlertKind {
    /// Those that have switches, in the order of the page.
    pub const SWITCHED: [Self; 9] = [
        Self::Created,
        Self::Rotated,
        Self::GraceEnding,
        Self::Expiring,
        Self::Revoked,
        Self::Leaked,
        Self::LimitReached,
        Self::NewNetwork,
        Self::Unused,
    ];

    /// As it is stored, and named in forms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::GraceEnding => "grace_ending",
            Self::Expiring => "expiring",
            Self::Revoked => "revoked",
            Self::Leaked => "leaked",
            Self::LimitReached => "limit_reached",
            Self::NewNetwork => "new_network",
            Self::Unused => "unused",
            Self::Test => "test",
            Self::EndpointDisabled => "endpoint_disabled",
        }
    }

    /// The `type` of a webhook's payload.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "key.created",
            Self::Rotated => "key.rotated",
            Self::GraceEnding => "key.grace_ending",
            Self::Expiring => "key.expiring",
            Self::Revoked => "key.revoked",
            Self::Leaked => "key.leaked",
            Self::LimitReached => "limit.reached",
            Self::NewNetwork => "key.new_network",
            Self::Unused => "key.unused",
            Self::Test => "test",
            Self::EndpointDisabled => "webhook.disabled",
        }
    }

    /// By its stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::SWITCHED.into_iter().chain([Self::Test, Self::EndpointDisabled]).find(|kind| kind.as_str() == text)
    }

    /// Whether it is about one key, and so concerns that key's owner.
    #[must_use]
    pub const fn is_about_a_key(self) -> bool {
        match self {
            Self::LimitReached | Self::Test | Self::EndpointDisabled => false,
            Self::Created
            | Self::Rotated
            | Self::GraceEnding
            | Self::Expiring
            | Self::Revoked
            | Self::Leaked
            | Self::NewNetwork
            | Self::Unused => true,
        }
    }

    /// Whether it must not wait for others to share an e-mail with.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Leaked | Self::Test)
    }
}

/// A way and a range that can be switched on and off for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Switch {
    /// E-mail to a person about their own keys.
    EmailOwn,
    /// E-mail to an owner or admin about everybody's keys.
    EmailAll,
    /// The organization's webhook endpoints.
    Webhook,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EmailOwn, Self::EmailAll, Self::Webhook];

    /// As it is stored, and named in forms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmailOwn => "email_own",
            Self::EmailAll => "email_all",
            Self::Webhook => "webhook",
        }
    }

    /// By its stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|switch| switch.as_str() == text)
    }

    /// Whether it makes sense for this kind at all.
    #[must_use]
    pub const fn exists_for(self, kind: AlertKind) -> bool {
        match self {
            Self::EmailOwn => kind.is_about_a_key(),
            Self::EmailAll | Self::Webhook => true,
        }
    }

    /// What holds until somebody chooses: one hears of one's own keys, an admin of what concerns everybody, and endpoints
    /// that were set up get everything.
    #[must_use]
    pub const fn default_for(self, kind: AlertKind) -> bool {
        match self {
            Self::EmailOwn => kind.is_about_a_key(),
            Self::EmailAll => matches!(kind, AlertKind::Leaked | AlertKind::LimitReached),
            Self::Webhook => true,
        }
    }
}

/// A choice that differs from the default; without a person it is the organization's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Whose.
    pub user: Option<UserId>,
    /// About what.
    pub kind: AlertKind,
    /// Which way.
    pub switch: Switch,
    /// On or off.
    pub is_on: bool,
}

/// How a switch stands for a person, or for the organization.
#[must_use]
pub fn is_on(choices: &[Choice], user: Option<&UserId>, kind: AlertKind, switch: Switch) -> bool {
    let chosen = choices
        .iter()
        .find(|choice| choice.user.as_ref() == user && choice.kind == kind && choice.switch == switch)
        .map(|choice| choice.is_on);
    switch.exists_for(kind) && chosen.unwrap_or_else(|| switch.default_for(kind))
}

/// Whether a member is told by e-mail: of their own keys, and as owner or admin of everybody's, as they chose. A builder
/// never hears of a colleague's key.
#[must_use]
pub fn is_mailed(alert: &Alert, user: &UserId, role: Role, choices: &[Choice]) -> bool {
    let by_role = match role {
        Role::Owner | Role::Admin => true,
        Role::Builder => false,
    };
    let is_own = alert.owner.as_ref() == Some(user);
    match alert.kind {
        AlertKind::Test => is_own,
        AlertKind::EndpointDisabled => by_role,
        kind => {
            (is_own && is_on(choices, Some(user), kind, Switch::EmailOwn))
                || (by_role && is_on(choices, Some(user), kind, Switch::EmailAll))
        }
    }
}

/// Something to be told, as it was when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// Whom it concerns.
    pub org: OrgId,
    /// What it is about.
    pub kind: AlertKind,
    /// What makes it happen once.
    pub once: String,
    /// When it happened.
    pub at: Timestamp,
    /// Whose key it is about.
    pub owner: Option<UserId>,
    /// The particulars.
    pub facts: Facts,
}

/// The particulars of an alert, and the `data` of a webhook's payload. Never holds a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyFacts>,
    /// Who did it, by name; nothing where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The end of the secret that is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_last4: Option<String>,
    /// The end of the secret that was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_last4: Option<String>,
    /// Until when that one is let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_valid_until: Option<Timestamp>,
    /// When the key expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many days before that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// When the key or its old secret was last let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Which limit: `active_keys` or `creations_per_hour`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How much it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// From where the key was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Where the key was found, or which endpoint it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A key as an alert names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// Its id.
    pub id: String,
    /// Its label.
    pub name: String,
    /// What may be shown of it.
    pub preview: String,
    /// Its environment.
    pub environment: String,
}

impl KeyFacts {
    /// Of this key, with its preview.
    #[must_use]
    pub fn of(key: &ApiKey, preview: String) -> Self {
        let KeyId(id) = key.id.clone();
        Self { id, name: key.name.clone(), preview, environment: key.environment.clone() }
    }
}

/// How many days before it expires a key's owner is warned.
pub const EXPIRY_WARNINGS: [u16; 3] = [14, 7, 1];

/// The warning that became due after `since` and until `now`; after a long pause only the last of them.
#[must_use]
pub fn expiry_warning(expires_at: Timestamp, since: Timestamp, now: Timestamp) -> Option<u16> {
    let due_at = |days: u16| expires_at.minus(Span::days(i64::from(days)));
    EXPIRY_WARNINGS.into_iter().filter(|days| due_at(*days) > since && due_at(*days) <= now).min()
}

/// When it is told that an old secret stops at `until` after a rotation at `rotated_at`: an hour before, or a quarter of
/// one where the whole grace is no longer than that.
#[must_use]
pub fn grace_warning_at(rotated_at: Timestamp, until: Timestamp) -> Timestamp {
    let is_short = until.since(rotated_at) <= Span::hours(1);
    until.minus(if is_short { Span::minutes(15) } else { Span::hours(1) })
}

/// After how long without use a key is told of.
pub const UNUSED_AFTER: Span = Span::days(90);

/// From how many networks a key may be known before further ones are no news any more.
pub const NETWORKS_TOLD: usize = 20;

/// How often a delivery is tried at most: over some 15 hours.
pub const ATTEMPTS_MAX: u32 = 8;

/// How long to wait after so many failed attempts; nothing when that was the last. `chance` is any number: it moves the
/// moment by up to a fifth, so that what failed together does not come again together.
#[must_use]
pub fn wait_after(attempts: u32, chance: u32) -> Option<Span> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    let seconds = 10_i64.saturating_mul(4_i64.saturating_pow(attempts.saturating_sub(1))).min(12 * 3600);
    let millis = seconds * 1000;
    Some(Span::millis(millis * 4 / 5 + millis * 2 / 5 * i64::from(chance % 1000) / 1000))
}

/// Whether an endpoint that failed `failures` times in a row since then gets nothing any more.
#[must_use]
pub fn is_given_up(failures: i64, failing_since: Timestamp, now: Timestamp) -> bool {
    failures >= 10 && now.since(failing_since) >= Span::days(3)
}

/// How long an endpoint's secret that was replaced still signs.
pub const OLD_SECRET_SIGNS: Span = Span::hours(24);

#[cfg(test)]
mod tests;
