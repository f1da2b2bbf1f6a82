//! What the pages about API keys tell of traffic.

use super::chart::{Bars, Sparkline};
use super::{Link, Time};

/// The last 24 hours of a key, in its row of the list.
#[derive(Debug, Clone, Default)]
pub struct RowUsage {
    /// Their course; nothing without requests.
    pub line: Option<Sparkline>,
    /// “1,204”.
    pub count: String,
    /// What a screen reader hears of it: “1,204 requests, 12 errors in 24 h”.
    pub words: String,
    /// “4 % errors”, from 1 % on; else empty.
    pub errors: String,
    /// “Refused 12 times since it was revoked”; else empty.
    pub refused: String,
}

/// What a key was used for.
#[derive(Debug, Clone, Default)]
pub struct UsagePanel {
    /// Nothing ever happened: a call to copy is shown instead.
    pub is_empty: bool,
    /// A call to copy.
    pub sample: String,
    /// “1,204”, of the last 24 hours.
    pub requests: String,
    /// “1,192 served, 12 refused”.
    pub requests_note: String,
    /// “1 %”; empty without requests.
    pub error_rate: String,
    /// “Most often RATE_LIMITED, 11 times”.
    pub error_note: String,
    /// What is left of the limits; empty when there are none.
    pub limits: Vec<LimitLine>,
    /// Whether limits matter: not for a key that is over.
    pub shows_limits: bool,
    /// 24 h, 7 d, 30 d.
    pub ranges: Vec<RangeLink>,
    /// The course of time.
    pub chart: Chart,
    /// The last requests, the newest first.
    pub recent: Vec<RequestLine>,
    /// All of its requests.
    pub logs: Link,
    /// This page anew.
    pub refresh_url: String,
}

/// What is left of a limit.
#[derive(Debug, Clone, Default)]
pub struct LimitLine {
    /// For ids: `account`, `key`.
    pub id: &'static str,
    /// “412 of 600 requests left this minute. Resets in 23 s.”
    pub text: String,
    /// “The account's limit, which binds”.
    pub name: String,
    /// What is left.
    pub left: u32,
    /// Of how many.
    pub limit: u32,
}

/// How far back the chart goes.
#[derive(Debug, Clone, Default)]
pub struct RangeLink {
    /// “7 d”.
    pub text: &'static str,
    /// In full, for screen readers: “Last 7 days”.
    pub name: &'static str,
    /// Where it is.
    pub url: String,
    /// Whether it is shown now.
    pub is_current: bool,
}

/// A chart, with its numbers as a table.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// “Last 24 hours by the hour: 1,192 requests served, 12 refused.”
    pub words: String,
    /// The drawing.
    pub drawn: Bars,
    /// The number at its upper edge: “50 an hour”.
    pub top: String,
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// “1,192”.
    pub served: String,
    /// “12”.
    pub refused: String,
    /// One for each bar, the oldest first.
    pub rows: Vec<ChartRow>,
}

/// A bar as numbers.
#[derive(Debug, Clone, Default)]
pub struct ChartRow {
    /// Where it begins.
    pub at: Time,
    /// Requests that were let in.
    pub served: String,
    /// Requests that were refused.
    pub refused: String,
    /// Of those let in, how many failed upstream.
    pub failed: String,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct RequestLine {
    /// When.
    pub at: Time,
    /// Its method.
    pub method: String,
    /// Its path, without a query.
    pub path: String,
    /// “200”, “401”; empty when the upstream did not say.
    pub status: String,
    /// “Served”, “Refused: RATE_LIMITED”.
    pub outcome: String,
    /// Whether it was refused.
    pub is_refused: bool,
    /// “18 ms”; empty when the upstream did not say.
    pub duration: String,
    /// Where it came from.
    pub address: String,
    /// By which its client knows it; empty where nobody gave it one.
    pub request_id: String,
    /// “Stands for 40 requests”; empty for one.
    pub weight: String,
}
