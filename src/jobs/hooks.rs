//! Sending webhooks: to public addresses only, decided for the very addresses that are then connected to, so that a name
//! which changes its meaning in between gains nothing. No redirect is followed, and no proxy of the environment is asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::actions::alerts::courier::{HookRequest, Outcome};
use crate::actions::alerts::is_public;
use crate::clock::Moment;

/// How long all of it may take, from looking up the name to the end of the answer's head.
const WHOLE: Duration = Duration::from_secs(10);
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// The head of an answer at most; its body is not read at all.
const HEAD_MAX: usize = 16 * 1024;

/// Looks up names.
pub type Lookup = Arc<dyn Fn(&str) -> Vec<SocketAddr> + Send + Sync>;

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct HookSender {
    agent: Agent,
}

impl HookSender {
    /// `is_private_allowed` lets it reach http and private addresses too, which the operator must want.
    #[must_use]
    pub fn new(is_private_allowed: bool) -> Self {
        Self::with_guard(Guard { lookup: None, is_private_allowed })
    }

    /// With another way to look up names `host:port`.
    #[must_use]
    pub fn with_lookup(lookup: Lookup, is_private_allowed: bool) -> Self {
        Self::with_guard(Guard { lookup: Some(lookup), is_private_allowed })
    }

    fn with_guard(guard: Guard) -> Self {
        let config = Config::builder()
            .http_status_as_error(false)
            .https_only(!guard.is_private_allowed)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .max_response_header_size(HEAD_MAX)
            // A connection that is kept would be used again without asking the guard.
            .max_idle_connections(0)
            .user_agent(concat!("Keyrack/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build();
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), guard) }
    }

    /// Sends one, and says what came of it.
    #[must_use]
    pub fn send(&self, id: &str, request: &HookRequest) -> Outcome {
        let began = Moment::now();
        let sent = self
            .agent
            .post(&request.url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", request.timestamp.to_string())
            .header("webhook-signature", &request.signature)
            .send(request.body.as_str());
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        match sent {
            Ok(answer) => of_status(answer.status().as_u16(), duration_ms),
            Err(error) => Outcome {
                status: None,
                words: words(&error),
                arrived: false,
                is_final: matches!(error, Error::RequireHttpsOnly(_) | Error::BadUri(_)),
                duration_ms,
            },
        }
    }
}

fn of_status(status: u16, duration_ms: i64) -> Outcome {
    let arrived = (200..300).contains(&status);
    let words = match status {
        200..300 => "Taken",
        300..400 => "Redirects are not followed",
        410 => "Gone for good",
        _ => "Refused",
    };
    Outcome { status: Some(status), words: words.to_owned(), arrived, is_final: status == 410, duration_ms }
}

/// In words of our own: what a library says of an error may repeat the address, in which somebody's secret may stand.
fn words(error: &Error) -> String {
    let words = match error {
        Error::Timeout(_) => "No answer in time",
        Error::HostNotFound => "The host was not found",
        Error::ConnectionFailed => "It could not be connected to",
        Error::Tls(_) | Error::Rustls(_) => "Its certificate was not accepted",
        Error::RequireHttpsOnly(_) => "Only https is allowed",
        Error::Other(cause) if cause.is::<NotPublic>() => "Its address is not on the public internet",
        Error::Io(cause) => match cause.kind() {
            std::io::ErrorKind::ConnectionRefused => "It refused the connection",
            std::io::ErrorKind::TimedOut => "No answer in time",
            std::io::ErrorKind::InvalidData => "Its certificate was not accepted",
            _ => "The connection broke off",
        },
        _ => "It did not answer as a web server does",
    };
    words.to_owned()
}

/// A name that leads nowhere public.
#[derive(Debug, thiserror::Error)]
#[error("the address is not on the public internet")]
struct NotPublic;

struct Guard {
    lookup: Option<Lookup>,
    is_private_allowed: bool,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

impl Guard {
    fn look_up(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let Some(lookup) = &self.lookup else { return DefaultResolver::default().resolve(uri, config, timeout) };
        let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or(Error::HostNotFound)?;
        let name = DefaultResolver::host_and_port(scheme, authority).ok_or(Error::HostNotFound)?;
        let mut found = self.empty();
        lookup(&name).into_iter().take(16).for_each(|address| found.push(address));
        Ok(found)
    }
}

impl Resolver for Guard {
    /// The addresses that are connected to are exactly those that this returns.
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.look_up(uri, config, timeout)?;
        if found.is_empty() {
            return Err(Error::HostNotFound);
        }
        let mut allowed = self.empty();
        let good = found.iter().filter(|address| self.is_private_allowed || is_public(address.ip()));
        good.for_each(|address| allowed.push(*address));
        if allowed.is_empty() { Err(Error::Other(Box::new(NotPublic))) } else { Ok(allowed) }
    }
}
