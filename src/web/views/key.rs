//! One API key: its page, rotating and revoking it, and revoking several.

use askama::Template;

use super::keys::Status;
use super::usage::UsagePanel;
use super::{Choice, Chrome, Errors, Flash, Time, views};
use crate::web::assets::filters;

/// `GET …/{id}`, and the answer to a refused edit.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/show.html", blocks = ["panel"])]
pub struct KeyPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// This page: the edit form posts here.
    pub url: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// Its id.
    pub id: String,
    /// `kr_BRTRK••••••••`.
    pub preview: String,
    /// The current secret's last four.
    pub last4: String,
    /// Its environment.
    pub environment: String,
    /// Its profile's name.
    pub profile: String,
    /// When it was made.
    pub created: Time,
    /// “you”, “Ada”; empty where the role may not see it.
    pub created_by: String,
    /// “Acts as Ada (admin)”.
    pub acts_as: String,
    /// When it stops by itself.
    pub expires: Option<Time>,
    /// When and from where it was last used.
    pub last_used: Option<LastUsed>,
    /// What it was used for; nothing when that cannot be read.
    pub usage: Option<UsagePanel>,
    /// “Refused 12 times since it was revoked, last 4 min ago.” Empty for a key that was not.
    pub refused: String,
    /// Its note, or empty.
    pub note: String,
    /// “Yes, at /hooks/*”; empty for a key that may not.
    pub in_urls: String,
    /// Name and note as typed, where one may edit.
    pub edit: Option<EditForm>,
    /// While two secrets work.
    pub rotation: Option<Rotation>,
    /// “Revoked 3 Nov 2026 by Ada. Requests with it get 401.”, “Expired …”.
    pub banner: Option<Flash>,
    /// Age, never used, near expiry: one sentence each.
    pub hints: Vec<String>,
    /// The requests of this key, where they may be seen.
    pub logs_url: Option<String>,
    /// The rotate page, where allowed.
    pub rotate_url: Option<String>,
    /// The page that lets it rest, where allowed.
    pub pause_url: Option<String>,
    /// The page that lets it work again, where it rests.
    pub resume_url: Option<String>,
    /// The revoke page, where allowed.
    pub revoke_url: Option<String>,
}

/// The last use of a key.
#[derive(Debug, Clone, Default)]
pub struct LastUsed {
    /// When.
    pub at: Time,
    /// From which address or network; empty when unknown.
    pub address: String,
    /// What the client called itself; empty when unknown.
    pub client: String,
}

/// The form for name and note.
#[derive(Debug, Clone, Default)]
pub struct EditForm {
    /// As typed.
    pub name: String,
    /// As typed.
    pub note: String,
    /// What is wrong.
    pub errors: Errors,
}

/// A running rotation.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// This panel alone, for refreshing it.
    pub url: String,
    /// The new secret's last four.
    pub new_last4: String,
    /// “412 requests since 14:05 UTC”; empty when that cannot be read.
    pub new_use: String,
    /// When the new one was first used.
    pub new_first_used: Option<Time>,
    /// The old secret's last four.
    pub old_last4: String,
    /// “37 requests in the last hour”; empty when that cannot be read.
    pub old_use: String,
    /// When the old one was last used.
    pub old_last_used: Option<Time>,
    /// When it stops.
    pub old_until: Time,
    /// “21 h 10 min”.
    pub old_left: String,
    /// The old one had no traffic for an hour and the new one has: safe to stop.
    pub is_safe: bool,
    /// Neither has had traffic for an hour, and the new one never: a word of warning.
    pub is_quiet: bool,
    /// Where “Stop the old secret now” posts, where allowed.
    pub finish_url: Option<String>,
}

/// `GET …/{id}/rotation`: a running rotation alone.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/rotation.html", blocks = ["panel"])]
pub struct RotationPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// The key's name.
    pub name: String,
    /// Nothing once only one secret works.
    pub rotation: Option<Rotation>,
}

/// `GET …/{id}/rotate`, and the answer to a refused `POST`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/rotate.html", blocks = ["panel"])]
pub struct RotatePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// This page.
    pub url: String,
    /// Makes the form work once.
    pub nonce: String,
    /// The key's name.
    pub name: String,
    /// The current secret's last four.
    pub last4: String,
    /// `24h`, `1h`, `7d`, `now`.
    pub graces: Vec<Choice>,
    /// “Last used 2 min ago from 203.0.113.0/24.” or “Never used.”
    pub evidence: String,
    /// A rotation runs: only `now` is offered.
    pub is_rotating: bool,
    /// No form is drawn, only this sentence.
    pub refused: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET …/{id}/rotate/finish`: asks before the old secret ends.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/finish.html", blocks = ["panel"])]
pub struct FinishRotationPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// This page.
    pub url: String,
    /// The key's name.
    pub name: String,
    /// The old secret's last four.
    pub old_last4: String,
    /// “The old secret was last used 2 min ago.”
    pub evidence: String,
    /// Nothing to end any more: why.
    pub refused: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET …/{id}/revoke`, and the answer to a refused `POST`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/revoke.html", blocks = ["panel"])]
pub struct RevokePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// This page.
    pub url: String,
    /// The key's name.
    pub name: String,
    /// “Used 4 min ago from 203.0.113.0/24.” or “Never used. Nothing should break.”
    pub evidence: String,
    /// “This key belongs to Ben.”; empty for one's own.
    pub belongs_to: String,
    /// Used in the last 24 hours: the name must be typed.
    pub ask_name: bool,
    /// As typed.
    pub confirm_name: String,
    /// As typed.
    pub reason: String,
    /// The way out that breaks nothing, where allowed.
    pub rotate_url: Option<String>,
    /// Already revoked, by whom and when: no form is drawn.
    pub already: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET …/{id}/pause` and `…/{id}/resume`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/pause.html", blocks = ["panel"])]
pub struct PausePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// This page.
    pub url: String,
    /// The key's name.
    pub name: String,
    /// Whether it pauses; it resumes otherwise.
    pub pauses: bool,
    /// “Used 4 min ago from 203.0.113.0/24.” or “Never used.”
    pub evidence: String,
    /// “This key belongs to Ben.”; empty for one's own.
    pub belongs_to: String,
    /// No form is drawn, only this sentence.
    pub refused: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

impl PausePage {
    fn verb(&self) -> &'static str {
        if self.pauses { "Pause" } else { "Resume" }
    }
}

/// `GET …/revoke?ids=`: several at once. The number is typed into `confirm_count`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/revoke_many.html", blocks = ["panel"])]
pub struct RevokeManyPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// This page, without the query.
    pub url: String,
    /// Those that would be revoked.
    pub keys: Vec<KeyLine>,
    /// Those that would not, and why.
    pub skipped: Vec<String>,
    /// How many of them were used in the last 24 hours, in words; empty when none.
    pub in_use: String,
    /// As typed.
    pub confirm_count: String,
    /// As typed.
    pub reason: String,
    /// What is wrong.
    pub errors: Errors,
}

impl RevokeManyPage {
    /// “1 API key”, “2 API keys”.
    #[must_use]
    pub fn count_words(&self) -> String {
        match self.keys.len() {
            1 => "1 API key".to_owned(),
            several => format!("{several} API keys"),
        }
    }
}

/// A key in a question or a report.
#[derive(Debug, Clone, Default)]
pub struct KeyLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its preview.
    pub preview: String,
    /// “by Ben”; empty for one's own.
    pub by: String,
    /// “Used 4 min ago”, “Never used”.
    pub last_used: String,
}

/// The answer to revoking several: what became of each.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/revoked_many.html", blocks = ["panel"])]
pub struct RevokedManyPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list.
    pub list_url: String,
    /// “Revoked 2 of 3 API keys.”
    pub summary: String,
    /// One line for each.
    pub lines: Vec<ReportLine>,
}

/// What became of one key.
#[derive(Debug, Clone, Default)]
pub struct ReportLine {
    /// The key's name.
    pub name: String,
    /// Whether it is revoked by this.
    pub done: bool,
    /// “Revoked.”, “Was already revoked.”, “Belongs to Ada.”
    pub text: String,
}

views!(KeyPage, RotationPage, RotatePage, FinishRotationPage, RevokePage, PausePage, RevokeManyPage, RevokedManyPage);
