//! One's own account.

use askama::Template;

use super::{Choice, Chrome, Errors, Time, views};
use crate::web::assets::filters;

/// `GET /account/security`; posts `current_password`, `password`, `end_others` = `1`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "account/security.html", blocks = ["panel"])]
pub struct SecurityPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The address, for password managers.
    pub email: String,
    /// What happened lately, the newest first.
    pub events: Vec<SecurityEvent>,
    /// What is wrong.
    pub errors: Errors,
}

/// A sign-in, a password change …
#[derive(Debug, Clone, Default)]
pub struct SecurityEvent {
    /// When.
    pub at: Time,
    /// What.
    pub text: String,
    /// From where.
    pub address: String,
    /// With what, or empty.
    pub client: String,
}

/// `GET /account/sessions`; posts `end` = a session's id, or `others`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "account/sessions.html", blocks = ["panel"])]
pub struct SessionsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The sessions, the current one first.
    pub rows: Vec<SessionRow>,
}

impl SessionsPage {
    /// Whether there is any but this one.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.rows.iter().any(|row| !row.is_current)
    }
}

/// A session.
#[derive(Debug, Clone, Default)]
pub struct SessionRow {
    /// Its public id.
    pub id: String,
    /// “Firefox on Linux”.
    pub client: String,
    /// From where.
    pub address: String,
    /// Since when.
    pub started: Time,
    /// When it was last seen.
    pub seen: Time,
    /// Whether it is this one.
    pub is_current: bool,
}

/// `GET /account/appearance`; posts `theme` = `system`, `light`, `dark`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "account/appearance.html", blocks = ["panel"])]
pub struct AppearancePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The themes.
    pub themes: Vec<Choice>,
    /// What is wrong.
    pub errors: Errors,
}

views!(SecurityPage, SessionsPage, AppearancePage);
