//! The leak desk.

use askama::Template;

use super::{Chrome, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/leaks`, and the answer to a `POST`, which never holds what was pasted.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "leaks.html", blocks = ["panel"])]
pub struct LeaksPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page: the form posts here.
    pub url: String,
    /// The key that was pasted, when it is one of this organization.
    pub found: Option<FoundKey>,
    /// What was pasted is no key of this organization, whatever else it may be.
    pub is_unknown: bool,
    /// What scanners reported.
    pub reports: Vec<LeakRow>,
    /// Where scanners report: “GitHub reports here.”
    pub sources: String,
}

/// The key that was pasted.
#[derive(Debug, Clone, Default)]
pub struct FoundKey {
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: String,
    /// What may be shown of it.
    pub preview: String,
    /// Whom it acts as.
    pub owner: String,
    /// For the stylesheet: `active`.
    pub status_kind: &'static str,
    /// For people: “Active”.
    pub status: String,
    /// “The current secret”.
    pub secret: String,
    /// When it was last let in.
    pub last_used: Option<Time>,
    /// From where, and by what.
    pub used_by: String,
    /// Where it is revoked, while it can be.
    pub revoke_url: Option<String>,
    /// Where the old secret is ended, when that was pasted and still works.
    pub finish_url: Option<String>,
}

/// What a scanner reported.
#[derive(Debug, Clone, Default)]
pub struct LeakRow {
    /// The key's name.
    pub name: String,
    /// Its page.
    pub url: String,
    /// Which of its secrets.
    pub secret: &'static str,
    /// Who reported it.
    pub by: String,
    /// Where it is, or empty.
    pub place: String,
    /// When it was reported.
    pub at: Time,
    /// What was done.
    pub done: &'static str,
}

views!(LeaksPage);
