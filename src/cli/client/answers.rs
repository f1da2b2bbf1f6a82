//! What the server answers, as far as the client reads it. More fields may come; they are not looked at.

use serde::Deserialize;

use crate::domain::time::Timestamp;

/// `GET /v1/whoami`.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct WhoAmI {
    /// By what.
    pub(in crate::cli) credential: CredentialInfo,
    /// Who; nobody for a service token.
    pub(in crate::cli) user: Option<User>,
    /// Where.
    pub(in crate::cli) org: Option<Org>,
    /// As what.
    pub(in crate::cli) role: Option<String>,
    /// The profile that a key is bound to.
    pub(in crate::cli) profile: Option<Named>,
    /// The environment of a key.
    pub(in crate::cli) environment: Option<String>,
}

/// A credential as the server knows it.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct CredentialInfo {
    /// `api_key`, `cli_token`, `service_token`.
    pub(in crate::cli) kind: String,
    /// Its id.
    pub(in crate::cli) id: String,
    /// Its name.
    pub(in crate::cli) name: String,
}

/// A person.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct User {
    /// E-mail address.
    pub(in crate::cli) email: String,
    /// Name.
    pub(in crate::cli) name: String,
}

/// An organization.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Org {
    /// In addresses.
    pub(in crate::cli) slug: String,
    /// For people.
    pub(in crate::cli) name: String,
    /// Its plan.
    pub(in crate::cli) plan: String,
    /// The caller's role in it, in a list.
    #[serde(default)]
    pub(in crate::cli) role: Option<String>,
    /// How many keys work, in a list.
    #[serde(default)]
    pub(in crate::cli) active_keys: Option<ActiveKeys>,
}

/// How many keys work, and how many may.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(in crate::cli) struct ActiveKeys {
    /// Now.
    pub(in crate::cli) count: u64,
    /// At most; nothing is no limit.
    pub(in crate::cli) max: Option<u64>,
}

/// A profile.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Profile {
    /// `prof_…`.
    pub(in crate::cli) id: String,
    /// Its name.
    pub(in crate::cli) name: String,
    /// Since when.
    pub(in crate::cli) created_at: Timestamp,
}

/// An id and a name.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Named {
    /// The id.
    pub(in crate::cli) id: String,
    /// The name.
    pub(in crate::cli) name: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Listing<T> {
    /// Its entries.
    pub(in crate::cli) data: Vec<T>,
    /// Where the next page begins.
    pub(in crate::cli) next_cursor: Option<String>,
}

/// A key, without what only JSON shows.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Key {
    /// Eight characters.
    pub(in crate::cli) id: String,
    /// Its name.
    pub(in crate::cli) name: String,
    /// What may be shown of it.
    pub(in crate::cli) preview: String,
    /// `live`, `test`.
    pub(in crate::cli) environment: String,
    /// Whose it is.
    pub(in crate::cli) created_by: Named,
    /// Since when.
    pub(in crate::cli) created_at: Timestamp,
    /// When it was last used.
    pub(in crate::cli) last_used_at: Option<Timestamp>,
    /// Until when.
    pub(in crate::cli) expires_at: Option<Timestamp>,
    /// `active`, `rotating`, `expired`, `revoked`, `paused`.
    pub(in crate::cli) status: String,
}

impl Key {
    /// Whether it can work again or still does.
    pub(in crate::cli) fn is_alive(&self) -> bool {
        self.status != "revoked" && self.status != "expired"
    }
}
