//! Server-Sent Events out of bytes as they come, by the rules of the HTML standard.

use std::time::Duration;

/// More than any event of ours: whoever sends so much without an end is no server of ours.
const BYTES_MAX: usize = 1024 * 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The last id that was sent with or before it.
    pub(crate) id: String,
    /// What kind it is; `message` where nothing is said.
    pub(crate) event: String,
    /// Its data, lines put together.
    pub(crate) data: String,
}

/// Reads one connection's bytes.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// Whether the last byte ended a line as `\r` does: then a `\n` belongs to it.
    after_cr: bool,
    has_begun: bool,
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    /// The id that holds since the last empty line.
    last_id: Option<String>,
    retry: Option<Duration>,
}

/// More came for one event than is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Parser {
    /// Goes on with these bytes; the events that are whole now.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut whole = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    whole.extend(self.take_line(&line));
                }
                byte => {
                    self.after_cr = false;
                    self.line.push(*byte);
                }
            }
            if self.line.len() + self.data.len() > BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(whole)
    }

    /// The id that a new connection goes on from, if this one gave any.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long to wait before connecting again, if the server said so.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn take_line(&mut self, line: &[u8]) -> Option<Message> {
        let line = String::from_utf8_lossy(line);
        let line =
            if std::mem::replace(&mut self.has_begun, true) { &line } else { line.trim_start_matches('\u{FEFF}') };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            // A comment, or a field that nobody knows.
            _ => {}
        }
        None
    }

    /// An empty line ends an event; one without data only moves the id on.
    fn dispatch(&mut self) -> Option<Message> {
        if let Some(id) = self.id.take() {
            self.last_id = Some(id);
        }
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        let event = if event.is_empty() { "message".to_owned() } else { event };
        let id = self.last_id.clone().unwrap_or_default();
        std::mem::take(&mut self.has_data).then_some(Message { id, event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, event: &str, data: &str) -> Message {
        Message { id: id.to_owned(), event: event.to_owned(), data: data.to_owned() }
    }

    const TEXT: &str = "retry: 2000\nid: 7\n\n: heartbeat\n\nid: 8\nevent: check\ndata: {\"a\":1}\n\ndata:x\ndata: y\n\nid: 9\ndata: half";

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        for size in 1..=TEXT.len() {
            let mut parser = Parser::default();
            let parts = TEXT.as_bytes().chunks(size);
            let found: Vec<Message> = parts.flat_map(|part| parser.feed(part).unwrap()).collect();
            assert_eq!(found, [message("8", "check", "{\"a\":1}"), message("8", "message", "x\ny")], "{size}");
            assert_eq!(parser.retry(), Some(Duration::from_secs(2)));
            assert_eq!(parser.last_id(), Some("8"), "what is half is not counted");
        }
    }

    #[test]
    fn an_id_holds_without_an_event() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"id: 7\n"), Ok(vec![]));
        assert_eq!(parser.last_id(), None);
        assert_eq!(parser.feed(b"\n"), Ok(vec![]));
        assert_eq!(parser.last_id(), Some("7"));
    }

    #[test]
    fn all_line_ends_and_odd_fields_are_taken() {
        let mut parser = Parser::default();
        let found = parser
            .feed(b"\xEF\xBB\xBFid:1\r\ndata: a\r\n\r\nid: 2\rdata\r\rretry: 1s\nunknown: x\nid: \0\ndata:  b\n\n");
        assert_eq!(
            found,
            Ok(vec![message("1", "message", "a"), message("2", "message", ""), message("2", "message", " b")])
        );
        assert_eq!(parser.retry(), None);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        let part = vec![b'x'; 600 * 1024];
        assert_eq!(parser.feed(&part), Ok(vec![]));
        assert_eq!(parser.feed(&part), Err(TooLong));
    }
}
