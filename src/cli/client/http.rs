//! Speaking to one server: time limits, certificates and proxies as people expect, the credential sent to this origin only and
//! never along with a redirect.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Request, Response, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::env::Environment;
use super::origin::Origin;
use super::out::Out;
use super::{fault, proxy};
use crate::cli::CliError;
use crate::settings::Hidden;

const CONNECT: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(30);
/// A stream says something every 15 seconds; one that is silent for so long is dead.
const SILENCE: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A connection to a server, with or without a credential.
pub(in crate::cli) struct Http {
    origin: Origin,
    agent: Agent,
    out: Out,
    /// Sent as `Authorization: Bearer`.
    credential: Option<Hidden>,
    /// What an answer 401 means for this credential, in words.
    refused: String,
    /// Sent as `X-Keyrack-Org`.
    org: Option<String>,
}

/// An answer that was read to its end.
pub(in crate::cli) struct Answer {
    /// The HTTP status.
    pub(in crate::cli) status: u16,
    /// Seconds to wait, where it says so.
    pub(in crate::cli) retry_after: Option<u64>,
    /// Where it points to.
    pub(in crate::cli) location: Option<String>,
    /// As it came.
    pub(in crate::cli) body: String,
}

impl Http {
    /// To this server, without a credential.
    ///
    /// # Errors
    /// When the variables for certificates or proxies make no sense.
    pub(in crate::cli) fn new(origin: &Origin, env: &Environment, out: &Out) -> Result<Self, CliError> {
        let roots = match env.get("SSL_CERT_FILE") {
            Some(file) => read_certificates(file)?,
            None => RootCerts::PlatformVerifier,
        };
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .proxy(proxy::find(origin, env)?)
            .user_agent(user_agent())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TOTAL))
            .build();
        let (origin, agent, out) = (origin.clone(), config.new_agent(), out.clone());
        Ok(Self { origin, agent, out, credential: None, refused: String::new(), org: None })
    }

    /// With a credential, and what its refusal means.
    pub(in crate::cli) fn with_credential(mut self, credential: Hidden, refused: String) -> Self {
        self.credential = Some(credential);
        self.refused = refused;
        self
    }

    /// In this organization.
    pub(in crate::cli) fn in_org(mut self, slug: Option<String>) -> Self {
        self.org = slug;
        self
    }

    /// The server.
    pub(in crate::cli) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// `GET`.
    ///
    /// # Errors
    /// With the exit code that fits the answer.
    pub(in crate::cli) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, CliError> {
        self.read(self.send("GET", &with_query(path, query), None, &[])?)
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// With the exit code that fits the answer.
    pub(in crate::cli) fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CliError> {
        self.post_with(path, body, &[])
    }

    /// `POST` of JSON, with more headers.
    ///
    /// # Errors
    /// With the exit code that fits the answer.
    pub(in crate::cli) fn post_with<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<T, CliError> {
        let body = (String::from("application/json"), body.to_string());
        self.read(self.send("POST", path, Some(body), headers)?)
    }

    /// `POST` of a form; whatever the answer is, it is handed out.
    ///
    /// # Errors
    /// When there is no answer.
    pub(in crate::cli) fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer, CliError> {
        let body = ("application/x-www-form-urlencoded".to_owned(), encoded(form));
        self.send("POST", path, Some(body), &[])
    }

    /// An answer that goes on, line by line and without a time limit: events.
    ///
    /// # Errors
    /// With the exit code that fits the answer.
    pub(in crate::cli) fn stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<impl BufRead + use<>, CliError> {
        let request = self.request("GET", &with_query(path, query), headers);
        let request = request.header(header::ACCEPT, "text/event-stream").body(()).map_err(internal)?;
        let request =
            self.agent.configure_request(request).timeout_global(None).timeout_per_read(Some(SILENCE)).build();
        let response = self.agent.run(request).map_err(|error| fault::unreachable(&self.origin, &error))?;
        if response.status() == 200 {
            return Ok(BufReader::new(response.into_body().into_reader()));
        }
        Err(self.fault(&self.whole(response)?))
    }

    /// Sends a request and reads the answer to its end, with a sign of life on a terminal.
    ///
    /// # Errors
    /// When there is no answer.
    pub(in crate::cli) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<(String, String)>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, CliError> {
        let _spinner = self.out.spinner(&format!("Waiting for {}", self.origin.host()));
        let request = self.request(method, path, headers);
        let sent = match body {
            Some((kind, text)) => {
                self.agent.run(request.header(header::CONTENT_TYPE, kind).body(text).map_err(internal)?)
            }
            None if method == "GET" => self.agent.run(request.body(()).map_err(internal)?),
            None => self.agent.run(request.body(String::new()).map_err(internal)?),
        };
        self.whole(sent.map_err(|error| fault::unreachable(&self.origin, &error))?)
    }

    /// What an answer holds, or why it is a failure.
    ///
    /// # Errors
    /// With the exit code that fits the answer.
    pub(in crate::cli) fn read<T: DeserializeOwned>(&self, answer: Answer) -> Result<T, CliError> {
        if !(200..300).contains(&answer.status) {
            return Err(self.fault(&answer));
        }
        serde_json::from_str(&answer.body).map_err(|_| fault::not_keyrack(&self.origin, answer.status))
    }

    /// The failure that an answer stands for.
    pub(in crate::cli) fn fault(&self, answer: &Answer) -> CliError {
        fault::of(&self.origin, answer, &self.refused)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> ureq::http::request::Builder {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        if let Some(credential) = &self.credential {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", credential.expose()));
        }
        if let Some(org) = &self.org {
            request = request.header("x-keyrack-org", org);
        }
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    fn whole(&self, response: Response<Body>) -> Result<Answer, CliError> {
        let text = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let retry_after = text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let (status, location) = (response.status().as_u16(), text(header::LOCATION));
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        let body = body.map_err(|error| fault::unreachable(&self.origin, &error))?;
        Ok(Answer { status, retry_after, location, body })
    }
}

/// `keyrack-cli/0.1.0 (linux; x86_64)`: the page on which a device is allowed shows its system.
fn user_agent() -> String {
    use std::env::consts::{ARCH, OS};
    format!("keyrack-cli/{} ({OS}; {ARCH})", env!("CARGO_PKG_VERSION"))
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", encoded(query)) }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    serde_html_form::to_string(pairs).unwrap_or_default()
}

/// A request that this program put together wrongly: a credential or an organization that no header can hold.
fn internal(error: ureq::http::Error) -> CliError {
    CliError::new(format!("the request could not be made: {error}"))
}

fn read_certificates(file: &str) -> Result<RootCerts, CliError> {
    let bytes = std::fs::read(file).map_err(|error| CliError::usage(format!("SSL_CERT_FILE: {file}: {error}")))?;
    let found = parse_pem(&bytes).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = found.collect();
    if certificates.is_empty() {
        return Err(CliError::usage(format!("SSL_CERT_FILE: {file} holds no certificate in PEM form")));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
