//! From what went wrong on the wire to words and an exit code.

use std::io::ErrorKind;

use serde::Deserialize;

use super::http::Answer;
use super::origin::Origin;
use super::text::clean;
use crate::cli::{CliError, ExitCode, Fault};

/// `application/problem+json`, as far as it is read.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    code: Option<String>,
    #[serde(default)]
    detail: String,
    request_id: Option<String>,
}

/// The failure that an answer stands for. `refused` says what a 401 means for the credential that was sent.
pub(super) fn of(origin: &Origin, answer: &Answer, refused: &str) -> CliError {
    let status = answer.status;
    if (300..400).contains(&status) {
        let target = answer.location.as_deref().and_then(Origin::of_address).filter(|target| target != origin);
        let hint = target.map(|target| format!(" If that is right: --server {target}")).unwrap_or_default();
        return CliError::new(format!("{origin} sends elsewhere, and no credential follows.{hint}"));
    }
    let Some(problem) = serde_json::from_str::<Problem>(&answer.body).ok().filter(|problem| problem.code.is_some())
    else {
        return not_keyrack(origin, status);
    };
    let code = problem.code.unwrap_or_default();
    let said = if problem.detail.is_empty() { problem.title } else { problem.detail };
    let mut message = if status == 401 && !refused.is_empty() { refused.to_owned() } else { clean(&said) };
    if let Some(seconds) = answer.retry_after {
        message.push_str(&format!(" Try again in {seconds} s."));
    }
    let fault = Fault { code: clean(&code), status, request_id: problem.request_id };
    CliError { message, code: exit_code(status, &code), fault: Some(Box::new(fault)) }
}

fn exit_code(status: u16, code: &str) -> ExitCode {
    match (status, code) {
        (401, _) => ExitCode::SignIn,
        (403, _) => ExitCode::Forbidden,
        (404, _) => ExitCode::NotFound,
        // A value that was typed: whether this program or the server finds the mistake is the same to a script.
        (422, _) => ExitCode::Usage,
        (429, _) | (409, "KEY_LIMIT_REACHED") => ExitCode::Limit,
        // Somebody in between, or the server itself, says: not now.
        (502..=504, _) => ExitCode::Network,
        _ => ExitCode::Error,
    }
}

/// Somebody answered, but not this product's server.
pub(super) fn not_keyrack(origin: &Origin, status: u16) -> CliError {
    let code = if (502..=504).contains(&status) { ExitCode::Network } else { ExitCode::Error };
    CliError::of(code, format!("{origin} does not answer as expected (HTTP {status}). Is that the right server?"))
}

/// Nobody answered.
pub(super) fn unreachable(origin: &Origin, error: &ureq::Error) -> CliError {
    let host = origin.host();
    let why = match error {
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ureq::Error::HostNotFound => "there is no host of that name".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            "no connection within 10 seconds".to_owned()
        }
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::ConnectProxyFailed(why) => format!("the proxy refused: {}", clean(why)),
        error => clean(&error.to_string()),
    };
    let is_about_trust = why.to_lowercase().contains("certificate");
    let hint = if is_about_trust {
        "\nFor a certificate of an authority of your own, name its file in SSL_CERT_FILE."
    } else {
        ""
    };
    CliError::of(ExitCode::Network, format!("{host} cannot be reached: {why}.{hint}"))
}
