//! The log: to stderr, as text or JSON, filtered by `KEYRACK_LOG`.

use tracing_subscriber::EnvFilter;

use super::CliError;
use crate::settings::{LogFormat, Settings};

/// Starts the log. A level alone (`debug`) means Keyrack's own events; others stay at `warn`. What clients send that is no HTTP is
/// none of the log's business then: anybody could fill it.
pub(super) fn start(settings: &Settings) -> Result<(), CliError> {
    let level = settings.log.trim();
    let is_level = ["off", "error", "warn", "info", "debug", "trace"].contains(&level.to_lowercase().as_str());
    let directives = if is_level { format!("warn,actix_http=off,keyrack={level}") } else { level.to_owned() };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| CliError::new(format!("KEYRACK_LOG: “{level}” is not a filter: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match settings.log_format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| CliError::new(format!("the log could not be started: {error}")))
}
