//! Following a stream of events: what comes is shown once and in order, and a connection that breaks is made again from the
//! last event that was whole.

mod sse;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io::Read;
use std::time::Duration;

pub(crate) use self::sse::Message;
use self::sse::Parser;
use crate::cli::CliError;

/// Between tries, where the server says nothing.
const RETRY: Duration = Duration::from_secs(2);
/// Between tries, after many in vain.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The bytes of a stream.
pub(crate) type Body = Box<dyn Read>;

/// Why there is no stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It may work later.
    Later(CliError),
    /// It will not.
    Final(CliError),
}

/// What following needs from outside.
pub(crate) trait Feed {
    /// Connects, from this id on if there is one.
    fn connect(&mut self, last_id: Option<&str>) -> Result<Body, Refusal>;
    /// Takes an event.
    fn take(&mut self, message: &Message) -> Result<(), CliError>;
    /// Says something beside the data.
    fn say(&mut self, line: &str);
    /// Waits.
    fn wait(&mut self, length: Duration);
    /// A clock that nobody sets.
    fn uptime(&self) -> Duration;
}

/// Follows for ever.
///
/// # Errors
/// The first connection fails, a later one is refused for good, or an event cannot be taken: nobody reads any more.
pub(crate) fn follow(feed: &mut dyn Feed) -> Result<Infallible, CliError> {
    let mut last_id: Option<String> = None;
    let mut body = match feed.connect(None) {
        Ok(body) => body,
        Err(Refusal::Later(error) | Refusal::Final(error)) => return Err(error),
    };
    loop {
        let mut parser = Parser::default();
        read(feed, body, &mut parser)?;
        let cut_at = feed.uptime();
        last_id = parser.last_id().map(str::to_owned).or(last_id);
        body = reconnect(feed, last_id.as_deref(), parser.retry().unwrap_or(RETRY))?;
        let gap = feed.uptime().saturating_sub(cut_at).as_secs_f64().round();
        feed.say(&format!("reconnected, {gap} s gap"));
    }
}

fn reconnect(feed: &mut dyn Feed, last_id: Option<&str>, retry: Duration) -> Result<Body, CliError> {
    let mut pause = retry.min(RETRY_MAX);
    let mut has_said = false;
    loop {
        feed.wait(pause);
        match feed.connect(last_id) {
            Ok(body) => return Ok(body),
            Err(Refusal::Final(error)) => return Err(error),
            Err(Refusal::Later(error)) => {
                if !std::mem::replace(&mut has_said, true) {
                    let why = error.message.lines().next().unwrap_or_default();
                    feed.say(&format!("! The connection is lost; trying again. {why}"));
                }
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Reads a connection to its end. Silence ends it too: whoever connects sets a time limit for each read.
fn read(feed: &mut dyn Feed, mut body: Body, parser: &mut Parser) -> Result<(), CliError> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(count) => count,
        };
        let Ok(messages) = parser.feed(&buffer[..count]) else {
            return Err(CliError::new("The server sends something that is no stream of events."));
        };
        for message in messages {
            feed.take(&message)?;
        }
    }
}
