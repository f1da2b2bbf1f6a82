//! RFC 8628, the device's side: asks for codes, and polls as the server wants it until the person has decided.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::client::context::Context;
use crate::cli::client::http::{Answer, Http};
use crate::cli::client::origin::Origin;
use crate::cli::client::store::file;
use crate::cli::client::text::clean;
use crate::cli::{CliError, ExitCode};
use crate::clock::Moment;
use crate::domain::time::{Span, Timestamp};
use crate::settings::Hidden;

const CLIENT_ID: &str = "keyrack-cli";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Unless the server says otherwise.
const INTERVAL_SECONDS: u64 = 5;
const SLOW_DOWN_SECONDS: u64 = 5;
/// However often the server asks to slow down, or does not answer.
const INTERVAL_SECONDS_MAX: u64 = 60;

/// What the server gave. Not `Debug`, on purpose.
#[derive(Deserialize)]
pub(super) struct Codes {
    device_code: String,
    /// What the person compares.
    pub(super) user_code: String,
    /// Where they go.
    pub(super) verification_uri: String,
    /// The same with the code in it.
    pub(super) verification_uri_complete: Option<String>,
    /// Seconds until it is over.
    pub(super) expires_in: u64,
    interval: Option<u64>,
}

/// A sign-in that was begun and is to be polled for. Not `Debug`, on purpose.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    server: String,
    device_code: String,
    interval: u64,
    expires_at: Timestamp,
}

/// A token, and how long it holds.
pub(super) struct Token {
    /// It.
    pub(super) text: Hidden,
    /// Seconds, if the server says so.
    pub(super) expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks for codes.
pub(super) fn begin(http: &Http, device_name: Option<&str>) -> Result<Codes, CliError> {
    let mut form = vec![("client_id", CLIENT_ID)];
    form.extend(device_name.map(|name| ("device_name", name)));
    let answer = http.post_form("/v1/device/code", &form)?;
    if answer.status == 404 {
        return Err(CliError::new(format!(
            "{} does not offer to sign in from a terminal. Is that the right server?",
            http.origin()
        )));
    }
    let codes: Codes = http.read(answer)?;
    check_address(http.origin(), &codes.verification_uri)?;
    if let Some(complete) = &codes.verification_uri_complete {
        check_address(http.origin(), complete)?;
    }
    Ok(codes)
}

/// The person is about to type their password there: it must be the server that was named.
fn check_address(origin: &Origin, address: &str) -> Result<(), CliError> {
    let refused = |why: String| Err(CliError::new(format!("{origin} sends the browser to another place: {why}")));
    match Origin::of_address(address) {
        Some(page) if page == *origin || page.is_same_machine(origin) => Ok(()),
        Some(page) => refused(format!("{page}.\nIf that is the right one, sign in there: --server {page}")),
        None => refused(clean(address)),
    }
}

impl Pending {
    pub(super) fn new(origin: &Origin, codes: &Codes, now: Timestamp) -> Self {
        let life = Span::seconds(i64::try_from(codes.expires_in).unwrap_or(i64::MAX / 2_000_000).min(86_400));
        Self {
            server: origin.as_str().to_owned(),
            device_code: codes.device_code.clone(),
            interval: codes.interval.unwrap_or(INTERVAL_SECONDS).clamp(1, INTERVAL_SECONDS_MAX),
            expires_at: now.plus(life),
        }
    }

    /// The sign-in that was begun in another run.
    pub(super) fn load(context: &Context) -> Result<Option<Self>, CliError> {
        let Some(path) = path(context) else { return Ok(None) };
        let text = file::read_private(&path)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Remembers it for another run: what is in it fetches the token.
    pub(super) fn save(&self, context: &Context) -> Result<(), CliError> {
        let path = path(context).ok_or_else(|| CliError::new("There is no home folder to note the sign-in in."))?;
        let text = serde_json::to_string(self).map_err(|error| CliError::new(error.to_string()))?;
        file::write_private(&path, text.as_bytes())
            .map_err(|error| CliError::new(format!("{}: {error}", path.display())))
    }

    /// Forgets it.
    pub(super) fn forget(context: &Context) {
        if let Some(path) = path(context) {
            // It was not there, or it is over anyway.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The server it belongs to.
    pub(super) fn origin(&self) -> Option<Origin> {
        Origin::parse(&self.server).ok()
    }

    /// Polls until the person has decided or the code is over; at once if they may have decided by now.
    pub(super) fn wait(&self, http: &Http, now: Timestamp, at_once: bool) -> Result<Token, CliError> {
        let mut interval = Duration::from_secs(self.interval);
        let left = Duration::from_micros(self.expires_at.since(now).as_micros().try_into().unwrap_or_default());
        let began = Moment::now();
        let mut unreached: Option<CliError> = None;
        let mut is_first = at_once;
        loop {
            if began.elapsed() >= left {
                return Err(unreached.unwrap_or_else(expired));
            }
            if !std::mem::take(&mut is_first) {
                pause(interval.min(left.saturating_sub(began.elapsed())));
            }
            let form =
                [("grant_type", GRANT_TYPE), ("device_code", self.device_code.as_str()), ("client_id", CLIENT_ID)];
            match http.post_form("/v1/device/token", &form) {
                Ok(answer) => {
                    unreached = None;
                    match read(http, &answer)? {
                        Step::Done(token) => return Ok(token),
                        Step::Again => {}
                        Step::Slower(more) => {
                            interval = (interval + more).min(Duration::from_secs(INTERVAL_SECONDS_MAX))
                        }
                    }
                }
                // A cut in the line is no answer; ask less often until it is back.
                Err(error) if error.code == ExitCode::Network => {
                    unreached = Some(error);
                    interval = (interval * 2).min(Duration::from_secs(INTERVAL_SECONDS_MAX));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

enum Step {
    Done(Token),
    Again,
    Slower(Duration),
}

fn read(http: &Http, answer: &Answer) -> Result<Step, CliError> {
    if answer.status == 200 {
        let token: TokenAnswer = serde_json::from_str(&answer.body)
            .map_err(|_| CliError::new(format!("{} gave no token that can be read.", http.origin())))?;
        return Ok(Step::Done(Token { text: Hidden::new(token.access_token), expires_in: token.expires_in }));
    }
    let refusal: Option<Refusal> = serde_json::from_str(&answer.body).ok();
    match refusal.as_ref().map(|refusal| refusal.error.as_str()) {
        Some("authorization_pending") => Ok(Step::Again),
        Some("slow_down") => Ok(Step::Slower(Duration::from_secs(SLOW_DOWN_SECONDS))),
        Some("access_denied") => {
            Err(CliError::of(ExitCode::Forbidden, "The sign-in was denied on the page. Nothing was changed."))
        }
        Some("expired_token") => Err(expired()),
        Some("invalid_grant") => Err(CliError::sign_in("The server does not know this sign-in any more. Begin again.")),
        Some(other) => Err(CliError::new(format!("{} refused the sign-in: {}", http.origin(), clean(other)))),
        // Throttled, a server in trouble, or a gateway in between: not the last word.
        None if matches!(answer.status, 429 | 500 | 502..=504) => {
            Ok(Step::Slower(Duration::from_secs(SLOW_DOWN_SECONDS)))
        }
        None => Err(http.fault(answer)),
    }
}

fn expired() -> CliError {
    CliError::sign_in("The code has expired before it was allowed. Begin again.")
}

/// Waits; nothing else is to be done meanwhile.
fn pause(time: Duration) {
    let began = Moment::now();
    while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

fn path(context: &Context) -> Option<PathBuf> {
    file::state_folder(&context.env, &context.brand.cli).map(|folder| folder.join("pending.json"))
}
