//! `logs`: requests as they are checked.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::client::context::{Context, Session};
use crate::cli::client::ids::find_key;
use crate::cli::client::out::Look;
use crate::cli::client::stream::{Body, Feed, Message, Refusal, follow};
use crate::cli::client::text::clean;
use crate::cli::{CliError, ExitCode};
use crate::clock;
use crate::domain::any_key::hide_secrets;
use crate::domain::time::{Timestamp, parse_duration};

/// `logs …`
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogsCommand {
    /// Follow requests as they are checked, until Ctrl-C
    Tail(TailArgs),
}

/// `logs tail`
#[derive(Debug, Args)]
pub(in crate::cli) struct TailArgs {
    /// Only requests with this key
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only requests that ended so, such as 4xx or 429
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only requests to this path; * stands for anything
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Begin so long ago, such as 10m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

pub(super) fn run(context: &Context, command: LogsCommand) -> Result<(), CliError> {
    match command {
        LogsCommand::Tail(args) => tail(context, args),
    }
}

/// Where the lines come from, and which of them are shown.
struct Tail<'s> {
    session: &'s Session<'s>,
    query: Vec<(&'static str, String)>,
    since: Option<String>,
    path: Option<String>,
}

/// A checked request.
#[derive(Debug, Deserialize)]
struct Event {
    at: Timestamp,
    key: EventKey,
    method: String,
    path: String,
    outcome: String,
    status: Option<u16>,
    duration_ms: Option<u64>,
    address: String,
    weight: u64,
}

#[derive(Debug, Deserialize)]
struct EventKey {
    id: String,
    name: String,
}

fn tail(context: &Context, args: TailArgs) -> Result<(), CliError> {
    let is_moment = |text: &str| parse_duration(text).is_ok() || Timestamp::parse(text).is_ok();
    if args.since.as_deref().is_some_and(|since| !is_moment(since)) {
        return Err(CliError::usage("--since: write 10m, 24h or 7d, or a moment like 2027-02-19T14:00:00Z."));
    }
    if args.status.as_deref().is_some_and(|status| !is_status(status)) {
        return Err(CliError::usage("--status: write a status like 200 or 4xx, or a code like RATE_LIMITED."));
    }
    let session = context.session()?;
    let mut query = Vec::new();
    if let Some(key) = &args.key {
        query.push(("key", find_key(&session, key)?.id));
    }
    query.extend(args.status.map(|status| ("status", status)));
    let mut tail = Tail { session: &session, query, since: args.since, path: args.path };
    follow(&mut tail).map(|never| match never {})
}

/// `404`, `4xx`, or a code.
fn is_status(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_class = lower.len() == 3 && lower.ends_with("xx") && lower.starts_with(|c| ('1'..='5').contains(&c));
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_code = text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_class || is_number || is_code
}

impl Feed for Tail<'_> {
    fn connect(&mut self, last_id: Option<&str>) -> Result<Body, Refusal> {
        let mut query: Vec<(&str, &str)> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut headers = Vec::new();
        match last_id {
            Some(id) => headers.push(("last-event-id", id)),
            None => query.extend(self.since.as_deref().map(|since| ("since", since))),
        }
        match self.session.http.stream("/v1/events/stream", &query, &headers) {
            Ok(body) => {
                let out = self.session.out();
                if last_id.is_none() && out.is_for_a_person() {
                    out.talk(&format!("Following requests on {}; Ctrl-C ends it.", self.session.server.origin.host()));
                }
                Ok(Box::new(body))
            }
            Err(error) if is_passing(&error) => Err(Refusal::Later(error)),
            Err(error) => Err(Refusal::Final(error)),
        }
    }

    fn take(&mut self, message: &Message) -> Result<(), CliError> {
        let mut event: Value = serde_json::from_str(&message.data).map_err(|_| self.unexpected())?;
        let read: Event = serde_json::from_value(event.clone()).map_err(|_| self.unexpected())?;
        if self.path.as_deref().is_some_and(|pattern| !fits(pattern, &read.path)) {
            return Ok(());
        }
        let out = self.session.out();
        if !out.is_json() {
            return out.data(&self.line(&read, message.event == "outcome"));
        }
        hide_in(&mut event);
        if let Value::Object(fields) = &mut event {
            fields.insert("event".to_owned(), Value::from(message.event.as_str()));
            fields.insert("stream_id".to_owned(), Value::from(message.id.as_str()));
        }
        out.json_line(&event)
    }

    fn say(&mut self, line: &str) {
        self.session.out().talk(line);
    }

    fn wait(&mut self, length: Duration) {
        std::thread::park_timeout(length);
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(u64::try_from(clock::uptime()).unwrap_or_default())
    }
}

impl Tail<'_> {
    fn unexpected(&self) -> CliError {
        CliError::new(format!("{} sends events that this version cannot read.", self.session.server.origin))
    }

    /// One line, aligned for a person and separated by tabs for a program.
    fn line(&self, event: &Event, is_outcome: bool) -> String {
        let out = self.session.out();
        let show = |text: &str| clean(&hide_secrets(text));
        let weight = if event.weight > 1 { format!(" ×{}", event.weight) } else { String::new() };
        let result = match event.status {
            Some(status) if is_outcome || event.outcome == "VALID" => status.to_string(),
            Some(status) => format!("{status} {}", show(&event.outcome)),
            None => show(&event.outcome),
        };
        let duration = event.duration_ms.map(|duration| format!("{duration} ms")).unwrap_or_default();
        let key = format!("{} ({})", show(&event.key.name), show(&event.key.id));
        let (method, path, address) = (show(&event.method), show(&event.path), show(&event.address));
        if !out.is_for_a_person() {
            let cells = [event.at.to_string(), result, duration, method, path, key, address, event.weight.to_string()];
            return cells.join("\t");
        }
        let look = match event.status {
            Some(500..) => Look::Bad,
            Some(400..) => Look::Warning,
            Some(_) => Look::Good,
            None => Look::Plain,
        };
        let (at, result) = (event.at.to_string(), out.out(&format!("{result:<17}"), look));
        // The time of day, to the second, in UTC.
        let at = out.out(at.get(11..19).unwrap_or(&at), Look::Faint);
        format!("{at}  {result} {duration:>8}  {method:<6} {path}  {key}  {address}{weight}")
    }
}

/// Whether the same may work in a moment.
fn is_passing(error: &CliError) -> bool {
    let is_server_fault = error.fault.as_ref().is_some_and(|fault| fault.status >= 500);
    is_server_fault || matches!(error.code, ExitCode::Network | ExitCode::Limit)
}

/// Whether a path fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, path: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(mut left) = path.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(end)
}

/// Masks every secret in every text of a value.
fn hide_in(value: &mut Value) {
    match value {
        Value::String(text) => *text = hide_secrets(text),
        Value::Array(values) => values.iter_mut().for_each(hide_in),
        Value::Object(fields) => fields.values_mut().for_each(hide_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_paths_stand_for_what_they_say() {
        for (pattern, path, expected) in [
            ("/api/*", "/api/x/y", true),
            ("/api/*", "/ap", false),
            ("/api", "/api/x", false),
            ("*", "", true),
            ("*/x", "/api/x", true),
            ("/a*b*c", "/a1b2c", true),
            ("/a*b*c", "/a1c", false),
            ("/a*a", "/a", false),
            ("/ab*ba", "/aba", false),
            ("**", "/x", true),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_status_is_a_number_a_class_or_a_code() {
        for good in ["200", "4xx", "5XX", "RATE_LIMITED", "VALID"] {
            assert!(is_status(good), "{good}");
        }
        for wrong in ["", "20", "6xx", "4x", "2000", "valid", "4 x", "äxx"] {
            assert!(!is_status(wrong), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let mut value = serde_json::json!({"a": ["krc_0123456789abcdefghijABCDEFGHIJ"], "b": {"c": "fine"}, "d": 1});
        hide_in(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["krc_••••••••"], "b": {"c": "fine"}, "d": 1}));
    }
}
