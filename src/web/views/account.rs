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
    /// The name as it is, or as typed.
    pub name: String,
    /// What is wrong with the name.
    pub name_errors: Errors,
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

/// `GET /account/sessions`; posts `end` = the id of a session or a command line, or `others`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "account/sessions.html", blocks = ["panel"])]
pub struct SessionsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The sessions, the current one first.
    pub rows: Vec<SessionRow>,
    /// The command lines that are signed in, the latest first.
    pub command_lines: Vec<CommandLineRow>,
}

impl SessionsPage {
    /// Whether there is any but this one.
    #[must_use]
    pub fn has_others(&self) -> bool {
        !self.command_lines.is_empty() || self.rows.iter().any(|row| !row.is_current)
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

/// A command line that is signed in.
#[derive(Debug, Clone, Default)]
pub struct CommandLineRow {
    /// Its public id.
    pub id: String,
    /// The device it is on.
    pub name: String,
    /// From where it was used last, or signed in.
    pub address: String,
    /// Since when.
    pub started: Time,
    /// When it was last used, if ever.
    pub used: Option<Time>,
    /// Until when.
    pub until: String,
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
