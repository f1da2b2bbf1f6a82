//! Organizations, their settings and their profiles.

use askama::Template;

use super::key::KeyLine;
use super::{Chrome, Errors, Time, views};
use crate::web::assets::filters;

/// `GET /orgs`. Two forms post to `/orgs`: `switch` = slug, or `organization` = name with `nonce`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "orgs/list.html", blocks = ["panel"])]
pub struct OrgsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The person's organizations.
    pub rows: Vec<OrgRow>,
    /// Whether the form for a new one is drawn.
    pub may_create: bool,
    /// As typed.
    pub organization: String,
    /// Makes the form work once.
    pub nonce: String,
    /// What is wrong.
    pub errors: Errors,
}

/// An organization in the list.
#[derive(Debug, Clone, Default)]
pub struct OrgRow {
    /// Its name.
    pub name: String,
    /// Its name in URLs.
    pub slug: String,
    /// The person's role.
    pub role: String,
    /// Its plan's name.
    pub plan: String,
    /// “4 members”.
    pub members: String,
    /// Whether it is the active one.
    pub is_current: bool,
}

impl OrgRow {
    /// Stands for a picture of it.
    #[must_use]
    pub fn initial(&self) -> String {
        self.name.chars().next().into_iter().flat_map(char::to_uppercase).collect()
    }
}

/// `GET /orgs/{org}/settings/organization`; the form posts `name`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "orgs/organization.html", blocks = ["panel"])]
pub struct OrganizationPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// As it is, or as typed.
    pub name: String,
    /// Its name in URLs, which stays.
    pub slug: String,
    /// Since when.
    pub created: Time,
    /// Whether it can be renamed; otherwise `ask` says who can.
    pub may_rename: bool,
    /// “Ask an owner: Ada.”
    pub ask: String,
    /// The leave page.
    pub leave_url: Option<String>,
    /// Why one cannot leave.
    pub leave_refused: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

/// Asks before one leaves.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "orgs/leave.html", blocks = ["panel"])]
pub struct LeavePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// Back.
    pub back_url: String,
    /// The organization.
    pub organization: String,
    /// One's keys, which will be revoked.
    pub keys: Vec<KeyLine>,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET /orgs/{org}/settings/profiles`; the form posts `name` with `nonce`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "orgs/profiles.html", blocks = ["panel"])]
pub struct ProfilesPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// The profiles.
    pub rows: Vec<ProfileRow>,
    /// Whether the forms are drawn.
    pub may_edit: bool,
    /// As typed.
    pub name: String,
    /// Makes the form work once.
    pub nonce: String,
    /// What is wrong.
    pub errors: Errors,
}

/// A profile in the list.
#[derive(Debug, Clone, Default)]
pub struct ProfileRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// “3 active keys”.
    pub keys: String,
    /// The list of its keys.
    pub keys_url: String,
    /// When it was made.
    pub created: Time,
    /// The rename page, where allowed.
    pub rename_url: Option<String>,
}

/// Renames a profile; posts `name` to `url`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "orgs/profile.html", blocks = ["panel"])]
pub struct ProfilePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// Back.
    pub back_url: String,
    /// As it is.
    pub old_name: String,
    /// As typed.
    pub name: String,
    /// What is wrong.
    pub errors: Errors,
}

views!(OrgsPage, OrganizationPage, LeavePage, ProfilesPage, ProfilePage);
