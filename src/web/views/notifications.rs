//! Settings → Notifications.

use askama::Template;

use super::{Chrome, Errors, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/notifications`; posts `on` for each switch that is on.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "notifications/list.html", blocks = ["panel"])]
pub struct NotificationsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// Whether this server can send e-mail.
    pub has_mail: bool,
    /// The reader's address.
    pub address: String,
    /// Sends a test e-mail.
    pub test_url: String,
    /// Whether the reader sees to everybody's keys and to webhooks.
    pub is_admin: bool,
    /// “Ask an owner: Ada.”
    pub ask: String,
    /// One for each kind.
    pub rows: Vec<SwitchRow>,
    /// The organization's endpoints.
    pub endpoints: Vec<EndpointRow>,
    /// Where a new one is posted: `url` with `nonce`.
    pub endpoints_url: String,
    /// As typed.
    pub endpoint_url: String,
    /// Makes the form work once.
    pub nonce: String,
    /// What is wrong.
    pub errors: Errors,
}

/// The switches of one kind.
#[derive(Debug, Clone, Default)]
pub struct SwitchRow {
    /// What it is about.
    pub label: String,
    /// One line more.
    pub hint: String,
    /// One for each column; nothing where it makes no sense.
    pub cells: Vec<SwitchCell>,
}

/// One switch; `name` is empty where there is none.
#[derive(Debug, Clone, Default)]
pub struct SwitchCell {
    /// What is sent when it is on.
    pub name: String,
    /// The column, for small screens.
    pub column: &'static str,
    /// What it is, for those who hear it.
    pub label: String,
    /// On or off.
    pub is_on: bool,
}

/// An endpoint in the list.
#[derive(Debug, Clone, Default)]
pub struct EndpointRow {
    /// Its page.
    pub page_url: String,
    /// Where it is.
    pub url: String,
    /// `active`, `expired` (failing) or `revoked` (disabled), for the look.
    pub state: &'static str,
    /// The same in words.
    pub state_text: String,
    /// Since when.
    pub created: Time,
}

/// An endpoint with its log.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "notifications/endpoint.html", blocks = ["panel"])]
pub struct EndpointPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page, and what the forms' addresses begin with.
    pub page_url: String,
    /// Back.
    pub back_url: String,
    /// Its host.
    pub host: String,
    /// The endpoint.
    pub endpoint: EndpointRow,
    /// Whether nothing is sent there.
    pub is_disabled: bool,
    /// Whether nothing can be signed for it: its secret was sealed under another session key.
    pub needs_secret: bool,
    /// Until when the secret before signs too.
    pub old_secret: Option<Time>,
    /// The newest deliveries.
    pub log: Vec<DeliveryRow>,
    /// What is wrong.
    pub errors: Errors,
}

/// A delivery in the log.
#[derive(Debug, Clone, Default)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub title: String,
    /// `type` of the payload.
    pub event: String,
    /// `active` (sent), `rotating` (waiting) or `revoked` (given up), for the look.
    pub state: &'static str,
    /// The same in words.
    pub state_text: String,
    /// Whether it is still to be sent.
    pub is_under_way: bool,
    /// When it is tried next, after a failure.
    pub next: Option<Time>,
    /// What came of each attempt.
    pub attempts: Vec<AttemptRow>,
    /// Sends it once more.
    pub again_url: String,
}

/// An attempt to deliver.
#[derive(Debug, Clone, Default)]
pub struct AttemptRow {
    /// When.
    pub at: Time,
    /// “503 · Refused · 120 ms”.
    pub text: String,
}

/// The new secret of an endpoint, for one answer.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "notifications/secret.html", blocks = ["panel"])]
pub struct EndpointSecretPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// Its host.
    pub host: String,
    /// The plain text.
    pub secret: String,
    /// Until when the one before signs too, in words; empty when there was none.
    pub rotated: String,
    /// The endpoint's page.
    pub page_url: String,
}

/// Asks before something is done to an endpoint.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "notifications/confirm.html", blocks = ["panel"])]
pub struct EndpointConfirmPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// Where it is posted, with `nonce`.
    pub url: String,
    /// The endpoint's page.
    pub page_url: String,
    /// The question.
    pub title: String,
    /// What will happen.
    pub text: String,
    /// What the button says.
    pub button: &'static str,
    /// Whether it cannot be undone.
    pub is_danger: bool,
    /// Makes the form work once.
    pub nonce: String,
    /// What is wrong.
    pub errors: Errors,
}

views!(NotificationsPage, EndpointPage, EndpointSecretPage, EndpointConfirmPage);
