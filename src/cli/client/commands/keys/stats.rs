//! `keys stats`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::client::answers::Key;
use crate::cli::client::context::{Context, Session};
use crate::cli::client::draw::{bar, spark};
use crate::cli::client::ids::find_key;
use crate::cli::client::out::Look;
use crate::cli::client::text::clean;
use crate::domain::time::{Timestamp, parse_duration};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// A line of bars that fits beside its label on the narrowest usual terminal.
const SPARK_WIDTH: usize = 60;
const BAR_WIDTH: usize = 20;

/// `keys stats`
#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// The key's id or name
    #[arg(value_name = "ID")]
    id: String,
    /// Count from so long ago
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Show it anew every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Deserialize)]
struct Stats {
    served: u64,
    refused: BTreeMap<String, u64>,
    error_rate: f64,
    last_used_at: Option<Timestamp>,
    rate_limit: Headroom,
    series: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct Headroom {
    account: Option<Limit>,
    key: Option<Limit>,
    binding: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Limit {
    limit: u64,
    remaining: u64,
    reset_seconds: u64,
}

#[derive(Debug, Deserialize)]
struct Point {
    served: i64,
    refused: i64,
}

pub(super) fn run(context: &Context, args: &StatsArgs) -> Result<(), CliError> {
    parse_duration(&args.since).map_err(|why| CliError::usage(format!("--since: {why}")))?;
    let session = context.session()?;
    let key = find_key(&session, &args.id)?;
    let mut rows = show(&session, &key, &args.since)?;
    if !args.watch {
        return Ok(());
    }
    let out = session.out();
    loop {
        std::thread::park_timeout(EVERY);
        if out.data_can_move() {
            // Up to where it began, and clear from there on.
            out.control(&format!("\x1b[{rows}A\x1b[J"))?;
        } else if !out.is_json() {
            out.data("")?;
        }
        rows = show(&session, &key, &args.since)?;
    }
}

/// Shows it once; how many rows of the screen that took.
fn show(session: &Session<'_>, key: &Key, since: &str) -> Result<usize, CliError> {
    let mut answer: Value = session.http.get(&format!("/v1/keys/{}/stats", key.id), &[("since", since)])?;
    let out = session.out();
    if out.is_json() {
        if let Value::Object(fields) = &mut answer {
            let about = json!({"id": key.id, "name": key.name, "preview": key.preview, "status": key.status});
            fields.insert("key".to_owned(), about);
            fields.insert("since".to_owned(), json!(since));
        }
        out.json_line(&answer)?;
        return Ok(1);
    }
    let stats: Stats = serde_json::from_value(answer)
        .map_err(|_| CliError::new(format!("{} does not count as expected.", session.server.origin)))?;
    let lines =
        if out.is_for_a_person() { for_a_person(session, key, &stats, since) } else { for_a_program(key, &stats) };
    for line in &lines {
        out.data(line)?;
    }
    Ok(lines.iter().map(|line| out.rows_of(line)).sum())
}

fn for_a_person(session: &Session<'_>, key: &Key, stats: &Stats, since: &str) -> Vec<String> {
    let out = session.out();
    let label = |text: &str| out.out(&format!("{text:<11}"), Look::Faint);
    let refused: u64 = stats.refused.values().sum();
    let reasons: Vec<String> =
        stats.refused.iter().map(|(code, count)| format!("{} {}", clean(code), grouped(*count))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let last_used = stats.last_used_at.map_or_else(|| "Never".to_owned(), |at| at.ago(session.context.clock.now()));
    let name = out.out(&clean(&key.name), Look::Strong);
    let mut lines = vec![
        format!("{name}  {}  {}", clean(&key.preview), clean(&key.status)),
        format!("{}{} in {}", label("Served"), grouped(stats.served), clean(since)),
        format!("{}{}{reasons}", label("Refused"), grouped(refused)),
        format!("{}{}", label("Error rate"), percent(stats.error_rate)),
        format!("{}{last_used}", label("Last used")),
    ];
    lines.extend(headroom(&stats.rate_limit).into_iter().enumerate().map(|(n, line)| {
        let text = if n == 0 { "Headroom" } else { "" };
        format!("{}{line}", label(text))
    }));
    let course: Vec<i64> = stats.series.iter().map(|point| point.served.saturating_add(point.refused)).collect();
    lines.push(format!("{}{}", label("Course"), spark(&course, SPARK_WIDTH)));
    lines
}

fn headroom(limits: &Headroom) -> Vec<String> {
    let both = limits.account.is_some() && limits.key.is_some();
    let line = |name: &str, limit: Limit| {
        let binds = both && limits.binding.as_deref() == Some(name);
        format!(
            "{}  {} of {} left this minute ({name}){}, all again in {} s",
            bar(limit.remaining, limit.limit, BAR_WIDTH),
            grouped(limit.remaining),
            grouped(limit.limit),
            if binds { ", the one that binds" } else { "" },
            limit.reset_seconds
        )
    };
    let account = limits.account.map(|limit| line("account", limit));
    let lines: Vec<String> = account.into_iter().chain(limits.key.map(|limit| line("key", limit))).collect();
    if lines.is_empty() { vec!["No limit".to_owned()] } else { lines }
}

/// A name and a raw value per line.
fn for_a_program(key: &Key, stats: &Stats) -> Vec<String> {
    let mut lines = vec![
        format!("id\t{}", clean(&key.id)),
        format!("served\t{}", stats.served),
        format!("refused\t{}", stats.refused.values().sum::<u64>()),
        format!("error_rate\t{}", stats.error_rate),
        format!("last_used_at\t{}", stats.last_used_at.map(|at| at.to_string()).unwrap_or_default()),
    ];
    for (name, limit) in [("account", stats.rate_limit.account), ("key", stats.rate_limit.key)] {
        if let Some(Limit { limit, remaining, reset_seconds }) = limit {
            lines.push(format!("{name}_limit\t{limit}"));
            lines.push(format!("{name}_remaining\t{remaining}"));
            lines.push(format!("{name}_reset_seconds\t{reset_seconds}"));
        }
    }
    lines
}

/// `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.25 %`; only none at all is written as 0.
fn percent(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        _ if part <= 0.0 => "0 %".to_owned(),
        _ if percent < 0.01 => "less than 0.01 %".to_owned(),
        _ if percent < 1.0 => format!("{percent:.2} %"),
        _ => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.000_001, 0.0025, 0.5].map(percent), ["0 %", "less than 0.01 %", "0.25 %", "50.0 %"]);
    }

    #[test]
    fn the_limit_that_binds_is_told_where_there_are_two() {
        let limit = |limit, remaining| Some(Limit { limit, remaining, reset_seconds: 23 });
        let lines = |account, key, binding: Option<&str>| {
            headroom(&Headroom { account, key, binding: binding.map(str::to_owned) })
        };
        assert_eq!(lines(None, None, None), ["No limit"]);
        let account = "█████████████░░░░░░░  412 of 600 left this minute (account), all again in 23 s";
        assert_eq!(lines(limit(600, 412), None, Some("account")), [account]);
        assert_eq!(
            lines(limit(600, 412), limit(60, 30), Some("key")),
            [account, "██████████░░░░░░░░░░  30 of 60 left this minute (key), the one that binds, all again in 23 s"]
        );
    }
}
