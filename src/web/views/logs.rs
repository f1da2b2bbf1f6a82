//! Checked requests.

use askama::Template;

use super::{Choice, Chrome, Errors, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/logs`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "logs.html", blocks = ["panel"])]
pub struct LogsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page, without a query.
    pub url: String,
    /// Whose requests they are.
    pub intro: String,
    /// Keys, “All keys” first.
    pub key: Vec<Choice>,
    /// What became of the request, “Any” first.
    pub status: Vec<Choice>,
    /// Since when, “Any time” first.
    pub since: Vec<Choice>,
    /// Whether any filter is set.
    pub any: bool,
    /// The requests, the newest first.
    pub rows: Vec<LogRow>,
    /// What is said where there are none: “No requests in the last hour”.
    pub empty: String,
    /// How long requests are kept.
    pub retention: String,
    /// The page of the newest.
    pub newest_url: String,
    /// The page before, where there is one.
    pub newer_url: Option<String>,
    /// The page after, where there is one.
    pub older_url: Option<String>,
    /// The same page live, where it is not.
    pub live_on: Option<String>,
    /// The same page as it stands, where it is live.
    pub live_off: Option<String>,
    /// Where new rows come from, where it is live.
    pub stream: Option<String>,
    /// What is wrong with the filters.
    pub errors: Errors,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct LogRow {
    /// The event's number.
    pub id: String,
    /// RFC 3339.
    pub iso: String,
    /// `14:05:09 UTC`.
    pub clock: String,
    /// `21 Nov 2026`.
    pub day: String,
    /// `GET`; empty where only the number of requests is known.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// “stands for 40 requests”.
    pub stands_for: Option<String>,
    /// The key's name.
    pub key_name: String,
    /// `kr_BRTRK••••••••`.
    pub key_preview: String,
    /// The log of this key only.
    pub key_url: String,
    /// How the status looks: as the states of keys do.
    pub kind: &'static str,
    /// “200”, “Let in”, “401 Revoked”.
    pub status: String,
    /// “12 ms”, or empty.
    pub took: String,
    /// Whether it was refused or failed.
    pub is_error: bool,
    /// From where.
    pub address: String,
    /// With what.
    pub client: String,
    /// For support.
    pub request_id: String,
}

/// A row by itself: what a stream sends.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "_log_row.html")]
pub struct LogLine {
    /// The row.
    pub row: LogRow,
}

impl LogLine {
    /// The row as HTML.
    ///
    /// # Errors
    /// A fault in the program.
    pub fn html(&self) -> askama::Result<String> {
        self.render()
    }
}

views!(LogsPage);
