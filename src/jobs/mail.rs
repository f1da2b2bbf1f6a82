//! Sending e-mail.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::AddressError;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{Error as SmtpError, SmtpTransport};
use lettre::{Address, Transport as _};

use crate::actions::alerts::courier::Outcome;
use crate::actions::alerts::letter::{LaidOut, Letter};
use crate::clock::Moment;
use crate::domain::alert::words::one_line;
use crate::domain::time::Timestamp;

/// How long each step of the conversation may take.
const STEP: Duration = Duration::from_secs(10);

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Begins in plain text and must switch.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}

/// The server that takes our e-mail.
pub struct MailServer {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// User and password, if it wants any.
    pub login: Option<(String, String)>,
    /// The sender: `Keyrack <keys@example.com>`.
    pub from: String,
}

/// Sends e-mail.
#[derive(Clone)]
pub struct MailSender {
    transport: SmtpTransport,
    from: Mailbox,
}

impl std::fmt::Debug for MailSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailSender")
    }
}

impl MailSender {
    /// Reaches nobody yet.
    ///
    /// # Errors
    /// A sender's address or a host that is none, in words.
    pub fn new(server: MailServer) -> Result<Self, String> {
        let from = server.from.parse().map_err(|error: AddressError| format!("smtp.from is no address: {error}"))?;
        let parameters = || TlsParameters::new(server.host.clone()).map_err(|error| format!("smtp.tls: {error}"));
        let tls = match server.tls {
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::Tls => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(server.host).port(server.port).tls(tls).timeout(Some(STEP));
        if let Some((user, password)) = server.login {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: builder.build(), from })
    }

    /// Sends one, and says what came of it. `id` is the same at every attempt, so that a reader's program can tell a second
    /// copy from a second alert.
    #[must_use]
    pub fn send(&self, id: &str, to: &str, letter: &Letter, body: LaidOut, at: Timestamp) -> Outcome {
        let began = Moment::now();
        let message = self.message(id, to, letter, body, at);
        let sent = message.map(|message| self.transport.send(&message));
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        match sent {
            Ok(Ok(answer)) => Outcome {
                status: Some(answer.code().into()),
                words: "Taken".to_owned(),
                arrived: true,
                is_final: false,
                duration_ms,
            },
            Ok(Err(error)) => refused(&error, duration_ms),
            Err(words) => Outcome { status: None, words, arrived: false, is_final: true, duration_ms },
        }
    }

    fn message(&self, id: &str, to: &str, letter: &Letter, body: LaidOut, at: Timestamp) -> Result<Message, String> {
        let address: Address = to.parse().map_err(|_| "The address is not one".to_owned())?;
        let to = Mailbox::new(Some(one_line(&letter.reader)), address);
        let seconds = u64::try_from(at.as_micros() / 1_000_000).unwrap_or_default();
        let raw = |name, value: String| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(one_line(&letter.subject))
            .date(UNIX_EPOCH + Duration::from_secs(seconds))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(raw("List-Unsubscribe", format!("<{}>", letter.settings_url)))
            .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(body.text, body.html))
            .map_err(|_| "The message could not be made".to_owned())
    }
}

fn refused(error: &SmtpError, duration_ms: i64) -> Outcome {
    let status = error.status().map(u16::from);
    let words = if error.is_timeout() {
        "No answer in time"
    } else if error.is_tls() {
        "The mail server's certificate was not accepted"
    } else if status.is_some() {
        "The mail server refused"
    } else {
        "The mail server could not be reached"
    };
    // That there is no such mailbox does not change by itself; that we may not send here is for the operator to mend.
    let is_final = matches!(status, Some(550 | 551 | 553 | 556));
    Outcome { status, words: words.to_owned(), arrived: false, is_final, duration_ms }
}
