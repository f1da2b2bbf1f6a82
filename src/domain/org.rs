//! Organizations, the people in them, and what their plan allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{OrgId, ProfileId, UserId};
use super::time::Timestamp;

/// What a person may do in an organization. Ordered: a later one may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Makes keys, sees and revokes own ones.
    Builder,
    /// Sees and revokes everybody's keys, invites and removes members.
    Admin,
    /// All of it, with plans and other owners.
    Owner,
}

impl Role {
    /// All roles, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Builder];

    /// This, or what is the most that is allowed.
    #[must_use]
    pub fn at_most(self, most: Option<Self>) -> Self {
        most.map_or(self, |most| most.min(self))
    }

    /// As it is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Builder => "builder",
        }
    }

    /// One line for the person who gives the role.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Owner => "Everything, with plan, organization and other owners",
            Self::Admin => "Sees and revokes all keys, invites and removes members",
            Self::Builder => "Creates keys, sees and revokes their own",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "owner" => Ok(Self::Owner),
            "admin" => Ok(Self::Admin),
            "builder" => Ok(Self::Builder),
            _ => Err("Choose owner, admin or builder.".to_owned()),
        }
    }
}

/// What an organization pays for; written by the operator in `[[plans]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Short name in settings and the database.
    pub id: String,
    /// Name that people read.
    pub name: String,
    /// Whether the plan has API keys at all.
    #[serde(default = "yes")]
    pub api_keys: bool,
    /// Active keys per organization; nothing means no limit.
    #[serde(default)]
    pub active_keys_max: Option<u32>,
    /// Creations per organization in any 60 minutes; nothing means no limit.
    #[serde(default)]
    pub creations_per_hour: Option<u32>,
    /// Requests per organization and minute; nothing means no limit.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Requests per key and minute, within the organization's; nothing means no limit of its own.
    #[serde(default)]
    pub key_requests_per_minute: Option<u32>,
    /// The price in the operator's words.
    #[serde(default)]
    pub price_text: Option<String>,
    /// The ids that billing knows it by: of prices, of products, or look-up keys.
    #[serde(default)]
    pub billing_prices: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// What becomes of existing keys when a plan no longer has API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDowngrade {
    /// They keep working and stay revocable.
    Keep,
    /// They are refused until the plan has API keys again.
    Refuse,
}

/// A customer of the operator: the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The id of its plan.
    pub plan: String,
    /// Since when it exists.
    pub created_at: Timestamp,
}

/// A person, apart from any organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Lower-case e-mail address, unique.
    pub email: String,
    /// Their name for other people.
    pub name: String,
    /// Set when the operator shut the account.
    pub disabled_at: Option<Timestamp>,
}

/// A person as a member of one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The organization.
    pub org: OrgId,
    /// The person.
    pub user: User,
    /// What they may do in it.
    pub role: Role,
    /// Since when they belong to it.
    pub joined_at: Timestamp,
}

/// A part of an organization that keys are bound to for life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// Its organization.
    pub org: OrgId,
    /// Its name for people.
    pub name: String,
    /// Since when it exists.
    pub created_at: Timestamp,
}
