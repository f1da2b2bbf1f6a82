//! Sample data of traffic.

use keyrack::web::views::chart::{bars, sparkline};
use keyrack::web::views::usage::{Chart, ChartRow, LimitLine, RangeLink, RequestLine, RowUsage, UsagePanel};
use keyrack::web::views::{Link, Time};

use super::{BASE, time};

pub(super) fn row(values: &[i64], count: &str, errors: &str) -> RowUsage {
    RowUsage {
        line: (!values.is_empty()).then(|| sparkline(values)),
        count: count.into(),
        words: format!("{count} requests in 24 h"),
        errors: errors.into(),
        refused: String::new(),
    }
}

pub(super) fn nothing() -> UsagePanel {
    UsagePanel {
        is_empty: true,
        sample: "curl \"https://keys.acme.example/v1/whoami\" \\\n  -H \"Authorization: Bearer $KEYRACK_API_KEY\""
            .into(),
        refresh_url: format!("{BASE}/BRTRKFsL?range=24h"),
        ..UsagePanel::default()
    }
}

pub(super) fn panel() -> UsagePanel {
    let numbers: Vec<(i64, i64)> =
        (0..25).map(|hour| (20 + hour * 7 % 60, if hour % 6 == 0 { 9 } else { 0 })).collect();
    let limit = |id, name: &str, left, limit| LimitLine {
        id,
        text: format!("{left} of {limit} requests left this minute. Resets in 23 s."),
        name: name.into(),
        left,
        limit,
    };
    let range =
        |text, name, is_current| RangeLink { text, name, url: format!("{BASE}/BRTRKFsL?range={text}"), is_current };
    let request = |path: &str, outcome: &str, is_refused| RequestLine {
        at: time("2 min ago"),
        method: "GET".into(),
        path: path.into(),
        status: "200".into(),
        outcome: outcome.into(),
        is_refused,
        duration: if is_refused { String::new() } else { "18 ms".into() },
        address: "203.0.113.7".into(),
        request_id: if is_refused { String::new() } else { "f0a1".repeat(16) },
        weight: if is_refused { "Stands for 40 requests".into() } else { String::new() },
    };
    UsagePanel {
        requests: "1,204".into(),
        requests_note: "1,159 served, 45 refused".into(),
        error_rate: "3.7 %".into(),
        error_note: "Most often RATE_LIMITED, 44 times".into(),
        limits: vec![
            limit("key", "The key's own limit, which binds", 9, 60),
            limit("account", "The account's limit", 412, 600),
        ],
        shows_limits: true,
        ranges: vec![
            range("24 h", "Last 24 hours", true),
            range("7 d", "Last 7 days", false),
            range("30 d", "Last 30 days", false),
        ],
        chart: Chart {
            words: "Last 24 hours: 1,159 requests served, 45 refused".into(),
            drawn: bars(&numbers),
            top: "100 an hour".into(),
            from: "20 Nov 2026 14:00".into(),
            to: "21 Nov 2026 14:00".into(),
            served: "1,159".into(),
            refused: "45".into(),
            rows: numbers
                .iter()
                .map(|(served, refused)| ChartRow {
                    at: Time { text: "20 Nov 2026 14:00".into(), ..time("") },
                    served: served.to_string(),
                    refused: refused.to_string(),
                    failed: "0".into(),
                })
                .collect(),
        },
        recent: vec![
            request("/v1/orders", "Served", false),
            request(&format!("/v1/{}", "long-".repeat(60)), "Served", false),
            request("/v1/<img src=x>", "Refused: RATE_LIMITED", true),
        ],
        logs: Link { url: "/orgs/acme/logs?key=BRTRKFsL".into(), text: "All logs for this key".into() },
        refresh_url: format!("{BASE}/BRTRKFsL?range=24h"),
        ..UsagePanel::default()
    }
}
