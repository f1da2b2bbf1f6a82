//! The audit log.

use askama::Template;

use super::{Choice, Chrome, Errors, Pager, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/audit`; `panel` is what the filters change.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "audit.html", blocks = ["panel"])]
pub struct AuditPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page, without a query.
    pub url: String,
    /// Actors, “Everyone” first.
    pub actor: Vec<Choice>,
    /// Actions, “Any action” first.
    pub action: Vec<Choice>,
    /// `YYYY-MM-DD`, or empty.
    pub since: String,
    /// `YYYY-MM-DD`, or empty.
    pub until: String,
    /// Words.
    pub q: String,
    /// Whether any filter is set.
    pub any: bool,
    /// The entries, the newest first.
    pub rows: Vec<AuditRow>,
    /// The way through.
    pub pager: Pager,
    /// The same entries as CSV.
    pub csv_url: String,
    /// The same entries as JSON lines.
    pub jsonl_url: String,
    /// “Chain intact: 214 entries, head 3fa9…”.
    pub chain: String,
    /// Whether it is.
    pub chain_ok: bool,
    /// What is wrong with the filters.
    pub errors: Errors,
}

/// An entry.
#[derive(Debug, Clone, Default)]
pub struct AuditRow {
    /// Its number in the chain.
    pub seq: String,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: String,
    /// With what: “session”, “API key …”.
    pub credential: String,
    /// What, in words: “Revoked an API key”.
    pub action: String,
    /// What, as stored: `key.revoked`.
    pub action_code: String,
    /// The name of the thing.
    pub object: String,
    /// Its id.
    pub object_id: String,
    /// What changed.
    pub changes: Vec<Change>,
    /// From where.
    pub address: String,
    /// By which way: web, API, command line.
    pub via: String,
    /// For support.
    pub request_id: String,
    /// The entry's hash.
    pub hash: String,
}

/// A field before and after; empty is drawn as a dash.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The field.
    pub field: String,
    /// Before.
    pub before: String,
    /// After.
    pub after: String,
}

views!(AuditPage);
