//! Words for the use of keys: numbers, shares, what is left of limits, and the two secrets of a rotation.

use serde::Deserialize;

use super::super::{deadline, time};
use super::{key_url, network_of};
use crate::actions::keys::{Event, KeyUsage, KeyView, Point, Pulse, RotationTraffic};
use crate::domain::key::{KeyStatus, OldSecret};
use crate::domain::policy;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use crate::gate::limit::{Limits, Taken};
use crate::web::State;
use crate::web::views::chart::{bars, sparkline};
use crate::web::views::key::Rotation;
use crate::web::views::usage::{Chart, ChartRow, LimitLine, RangeLink, RequestLine, RowUsage, UsagePanel};
use crate::web::views::{Link, Time};

/// What pages say where statistics cannot be read.
pub(super) const UNAVAILABLE: &str = "Usage numbers are unavailable right now.";

/// How far back the chart goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Range {
    /// By the hour.
    #[default]
    Day,
    /// By six hours.
    Week,
    /// By the day.
    Month,
}

/// `?range=7d`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RangeQuery {
    range: String,
}

impl RangeQuery {
    pub(super) fn range(&self) -> Range {
        match self.range.as_str() {
            "7d" => Range::Week,
            "30d" => Range::Month,
            _ => Range::Day,
        }
    }
}

impl Range {
    pub(super) const fn span(self) -> Span {
        match self {
            Self::Day => Span::hours(24),
            Self::Week => Span::days(7),
            Self::Month => Span::days(30),
        }
    }

    const fn step(self) -> Span {
        match self {
            Self::Day => Span::hours(1),
            Self::Week => Span::hours(6),
            Self::Month => Span::days(1),
        }
    }

    const fn param(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Day => ("24 h", "Last 24 hours", "an hour"),
            Self::Week => ("7 d", "Last 7 days", "in 6 hours"),
            Self::Month => ("30 d", "Last 30 days", "a day"),
        }
    }
}

/// With commas between thousands: `1,204`.
pub(in crate::web::pages) fn number(count: i64) -> String {
    let digits = count.max(0).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// “1 request”, “1,204 requests”.
pub(super) fn requests(count: i64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{} requests", number(count)) }
}

/// “once”, “12 times”.
pub(super) fn times(count: i64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

/// A share from 0 to 1; one that is not nothing is never said to be.
fn percent(share: f64) -> String {
    match share * 100.0 {
        none if none <= 0.0 => "0 %".to_owned(),
        little if little < 0.1 => "< 0.1 %".to_owned(),
        some if some < 10.0 => format!("{some:.1} %").replace(".0 %", " %"),
        much => format!("{much:.0} %"),
    }
}

/// The last 24 hours in a row of the list.
pub(super) fn row_usage(pulse: &Pulse) -> RowUsage {
    let refused = pulse.refused_since_revoked.filter(|count| *count > 0);
    let refused = refused.map(|count| format!("Refused {} since", times(count))).unwrap_or_default();
    if pulse.points.is_empty() {
        let (count, words) = ("0".to_owned(), "0 requests in 24 h".to_owned());
        return RowUsage { count, words, refused, ..RowUsage::default() };
    }
    let sum = Point::sum(&pulse.points);
    let errors = sum.errors();
    let share = sum.error_rate();
    let all: Vec<i64> = pulse.points.iter().map(Point::requests).collect();
    RowUsage {
        line: (sum.requests() > 0).then(|| sparkline(&all)),
        count: number(sum.requests()),
        words: match errors {
            0 => format!("{} in 24 h", requests(sum.requests())),
            _ => format!("{}, {} errors in 24 h", requests(sum.requests()), number(errors)),
        },
        errors: if share > 0.01 { format!("{:.0} % errors", share * 100.0) } else { String::new() },
        refused,
    }
}

/// “New …9fQa 412, old …HCgG 37 requests in 24 h”.
pub(super) fn row_rotation(view: &KeyView, pulse: &Pulse) -> String {
    let old = view.key.previous.as_ref().map(|old| old.last4.as_str()).unwrap_or_default();
    let (new, current, previous) = (&view.key.current.last4, number(pulse.current), requests(pulse.previous));
    format!("New …{new} {current}, old …{old} {previous} in 24 h")
}

/// All that the page of a key tells of its use.
pub(super) fn panel(
    state: &State,
    slug: &str,
    view: &KeyView,
    (usage, headroom, range): (&KeyUsage, &Limits, Range),
    now: Timestamp,
) -> UsagePanel {
    let url = key_url(slug, view);
    let refused: i64 = usage.day.refused.values().sum();
    let all = usage.day.served + refused;
    let ranges = [Range::Day, Range::Week, Range::Month].map(|one| {
        let (text, name, _) = one.words();
        RangeLink { text, name, url: format!("{url}?range={}#traffic", one.param()), is_current: one == range }
    });
    let chart = chart(&usage.points, range);
    let is_quiet = all == 0 && usage.recent.is_empty() && Point::sum(&usage.points).requests() == 0;
    UsagePanel {
        is_empty: is_quiet && view.key.last_use.is_none(),
        sample: format!(
            "curl \"{}/v1/whoami\" \\\n  -H \"Authorization: Bearer ${}_API_KEY\"",
            state.config.public_url, state.config.env_prefix
        ),
        requests: number(all),
        requests_note: format!("{} served, {} refused", number(usage.day.served), number(refused)),
        error_rate: if all == 0 { String::new() } else { percent(usage.day.error_rate) },
        error_note: error_note(usage),
        limits: limits(headroom),
        shows_limits: matches!(view.status, KeyStatus::Active | KeyStatus::Rotating),
        ranges: ranges.to_vec(),
        chart,
        recent: usage.recent.iter().map(|event| request(event, now)).collect(),
        logs: Link { url: format!("/orgs/{slug}/logs?key={}", view.key.id), text: "All logs for this key".to_owned() },
        refresh_url: format!("{url}?range={}", range.param()),
    }
}

fn error_note(usage: &KeyUsage) -> String {
    let top = usage.day.refused.iter().max_by_key(|(_, count)| **count);
    let sum = Point::sum(&usage.day.series);
    match top {
        Some((code, count)) if *count >= sum.failed => format!("Most often {code}, {}", times(*count)),
        _ if sum.failed > 0 && sum.fine > 0 && sum.reported() < sum.served => {
            format!("4xx or 5xx: {} of {} reported answers", number(sum.failed), number(sum.reported()))
        }
        _ if sum.failed > 0 => format!("{} answered with 4xx or 5xx", number(sum.failed)),
        _ => "No errors".to_owned(),
    }
}

/// The limit that binds first: one that refuses, else the one with the least left; the account's of two alike.
fn limits(limits: &Limits) -> Vec<LimitLine> {
    let account = limits.account.map(|taken| ("account", "account's", taken));
    let key = limits.key.map(|taken| ("key", "key's own", taken));
    let mut all: Vec<(&str, &str, Taken)> = account.into_iter().chain(key).collect();
    all.sort_by_key(|(_, _, taken)| (taken.allowed, taken.remaining));
    let several = all.len() > 1;
    let line = |(place, (id, whose, taken)): (usize, &(&'static str, &str, Taken))| {
        let mut text =
            format!("{} of {} requests left this minute.", number(taken.remaining.into()), number(taken.limit.into()));
        if taken.remaining < taken.limit && taken.reset_seconds > 0 {
            text += &format!(" Resets in {} s.", taken.reset_seconds);
        }
        let binds = if several && place == 0 { ", which binds" } else { "" };
        LimitLine {
            id,
            text,
            name: format!("The {whose} limit{binds}"),
            left: taken.remaining.min(taken.limit),
            limit: taken.limit.max(1),
        }
    };
    all.iter().enumerate().map(line).collect()
}

fn chart(points: &[Point], range: Range) -> Chart {
    let mut groups: Vec<Point> = Vec::new();
    for point in points {
        let at = point.at.floor(range.step());
        match groups.last_mut() {
            Some(last) if last.at == at => *last = Point::sum(&[*last, *point]),
            _ => groups.push(Point { at, ..*point }),
        }
    }
    let sum = Point::sum(&groups);
    let numbers: Vec<(i64, i64)> = groups.iter().map(|point| (point.served, point.refused)).collect();
    let drawn = bars(&numbers);
    let moment = |at: Timestamp| match range {
        Range::Month => at.day(),
        Range::Day | Range::Week => format!("{} {}", at.day(), at.time_of_day()),
    };
    let edge = |point: Option<&Point>| point.map(|point| moment(point.at)).unwrap_or_default();
    let (_, name, each) = range.words();
    let row = |point: &Point| ChartRow {
        at: Time { iso: point.at.to_string(), text: moment(point.at), exact: point.at.human() },
        served: number(point.served),
        refused: number(point.refused),
        failed: number(point.failed),
    };
    Chart {
        words: format!("{name}: {} served, {} refused", requests(sum.served), number(sum.refused)),
        top: format!("{} {each}", number(drawn.top)),
        from: edge(groups.first()),
        to: edge(groups.last()),
        served: number(sum.served),
        refused: number(sum.refused),
        rows: groups.iter().map(row).collect(),
        drawn,
    }
}

fn request(event: &Event, now: Timestamp) -> RequestLine {
    let is_refused = event.outcome != Verdict::Valid.code();
    RequestLine {
        at: time(event.at, now),
        method: event.method.clone(),
        path: event.path.clone(),
        status: event.status.map(|status| status.to_string()).unwrap_or_default(),
        outcome: if is_refused { format!("Refused: {}", event.outcome) } else { "Served".to_owned() },
        is_refused,
        duration: event.duration_ms.map(|ms| format!("{} ms", number(ms))).unwrap_or_default(),
        address: event.address.clone(),
        request_id: event.request_id.clone(),
        weight: if event.weight > 1 { format!("Stands for {}", requests(event.weight)) } else { String::new() },
    }
}

/// “Refused 12 times since it was revoked, last 4 min ago.”; empty for a key that was not revoked.
pub(super) fn refused(view: &KeyView, usage: Option<&KeyUsage>, now: Timestamp) -> String {
    let (Some(usage), Some(revoked)) = (usage, &view.key.revoked) else { return String::new() };
    let Some(count) = usage.refused_since_revoked else { return String::new() };
    if count == 0 {
        return "No request with it has come since.".to_owned();
    }
    let last = usage.recent.first().map(|event| event.at).filter(|at| *at >= revoked.at);
    let last = last.map(|at| format!(", last {}", time(at, now).text.to_lowercase())).unwrap_or_default();
    format!("Refused {} since it was revoked{last}.", times(count))
}

/// “37 requests in the last hour”, with the network of the last.
pub(super) fn in_use_now(view: &KeyView, in_hour: i64, now: Timestamp) -> Option<String> {
    let used = view.key.last_use.as_ref().filter(|_| in_hour > 0)?;
    let mut text = format!("In use now: {} in the last hour, last {}", requests(in_hour), {
        time(used.at, now).text.to_lowercase()
    });
    match network_of(&used.address).as_str() {
        "" => {}
        network => text += &format!(" from {network}"),
    }
    Some(text + ".")
}

/// The two secrets of a key while both work.
pub(super) fn rotation(
    slug: &str,
    view: &KeyView,
    traffic: Option<RotationTraffic>,
    now: Timestamp,
) -> Option<Rotation> {
    let old = view.key.secret_in_grace(now).filter(|_| view.status == KeyStatus::Rotating)?;
    let until = old.valid_until?;
    let (url, current) = (key_url(slug, view), &view.key.current);
    let stands = policy::old_secret(&view.key, old, traffic.map(|traffic| traffic.previous_in_hour), now);
    let since = match now.since(current.created_at) < Span::hours(20) {
        true => format!("{} UTC", current.created_at.time_of_day()),
        false => current.created_at.human(),
    };
    let new_use = traffic.map(|traffic| format!("{} since {since}", requests(traffic.current)));
    let old_use = traffic.map(|traffic| match traffic.previous_in_hour {
        0 => "No requests in the last hour".to_owned(),
        some => format!("{} in the last hour", requests(some)),
    });
    Some(Rotation {
        new_last4: current.last4.clone(),
        new_use: new_use.unwrap_or_default(),
        new_first_used: current.first_used_at.map(|at| time(at, now)),
        old_last4: old.last4.clone(),
        old_use: old_use.unwrap_or_default(),
        old_last_used: old.last_used_at.map(|at| time(at, now)),
        old_until: deadline(until, now),
        old_left: until.since(now).human(),
        is_safe: stands == OldSecret::SafeToStop,
        is_quiet: stands == OldSecret::Quiet,
        finish_url: view.may_finish.then(|| format!("{url}/rotate/finish")),
        url: format!("{url}/rotation"),
    })
}

/// What statistics say, or nothing where they cannot be read: a page works without them.
pub(super) fn if_readable<T>(result: Result<T, crate::actions::AppError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(?error, "statistics cannot be read")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 7, 999, 1204, 1_000_000].map(number), ["0", "7", "999", "1,204", "1,000,000"]);
        assert_eq!([1, 2].map(requests), ["1 request", "2 requests"]);
        assert_eq!([1, 2].map(times), ["once", "2 times"]);
        let shares = [0.0, 0.0001, 0.0123, 0.02, 0.099, 0.25, 1.0].map(percent);
        assert_eq!(shares, ["0 %", "< 0.1 %", "1.2 %", "2 %", "9.9 %", "25 %", "100 %"]);
    }

    #[test]
    fn the_limit_that_binds_stands_first() {
        let taken = |remaining, limit| Taken { allowed: remaining > 0, limit, remaining, reset_seconds: 23 };
        let lines = limits(&Limits { account: Some(taken(412, 600)), key: Some(taken(9, 60)) });
        assert_eq!(lines.iter().map(|line| line.id).collect::<Vec<_>>(), ["key", "account"]);
        assert_eq!(lines[0].name, "The key's own limit, which binds");
        assert_eq!(lines[1].text, "412 of 600 requests left this minute. Resets in 23 s.");
        let lines = limits(&Limits { account: Some(taken(600, 600)), key: None });
        assert_eq!(
            (lines[0].name.as_str(), lines[0].text.as_str()),
            ("The account's limit", "600 of 600 requests left this minute.")
        );
        assert!(limits(&Limits::default()).is_empty());
    }
}
