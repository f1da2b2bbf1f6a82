//! What is told of a key's organization, person and profile on every check.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;
use serde::Serialize;

/// Facts as they were when they were looked at. Not to be kept for long: a thread can look at few at once without counting who holds
/// them.
pub type Known<T> = Guard<Arc<WithJson<T>>>;

/// Facts with their JSON, which is made when they are read and told on every check.
// In this order: so what a check needs most often lies beside the count of an `Arc`.
#[derive(Debug, PartialEq, Eq)]
#[repr(C)]
pub struct WithJson<T> {
    json: Box<str>,
    facts: T,
}

impl<T: Serialize> WithJson<T> {
    /// Writes the JSON of these.
    #[must_use]
    pub fn new(facts: T) -> Self {
        // Texts can always be written.
        let json = serde_json::to_string(&facts).unwrap_or_default().into();
        Self { json, facts }
    }

    /// The object that a check tells.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl<T> Deref for WithJson<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.facts
    }
}

/// What is told of an organization.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct OrgFacts {
    /// Its id.
    pub id: Arc<str>,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The id of its plan.
    pub plan: String,
    /// The plan's name for people.
    #[serde(skip)]
    pub plan_name: String,
    /// Whether the plan lets its keys be used.
    #[serde(skip)]
    pub plan_lets: bool,
    /// Requests per minute of all its keys.
    #[serde(skip)]
    pub quota: Option<u32>,
    /// Requests per minute of each key.
    #[serde(skip)]
    pub key_quota: Option<u32>,
}

/// What is told of a person.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct UserFacts {
    /// Their id.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
}

/// What is told of a profile.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ProfileFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}
