//! The keys by which partners sign their reports, fetched from where the operator says they are, and kept for a day.

use std::time::Duration;

use tokio::sync::Mutex;

use super::running::block;
use crate::clock::Clock;
use crate::domain::leak::{PartnerKey, read_keys};
use crate::domain::time::{Span, Timestamp};

/// How long a list holds.
const FRESH: Span = Span::hours(24);
/// How long an old list serves while no new one can be had.
const STALE: Span = Span::hours(72);
/// Between two tries, whoever asks for whatever key: strangers must not make us ask all the time.
const BETWEEN_TRIES: Span = Span::seconds(60);
/// How long the answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest list that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// Where partners' keys are; whoever has none may not report.
#[derive(Debug, Clone, Default)]
pub struct Scanning {
    /// GitHub's.
    pub github_keys_url: Option<String>,
    /// GitLab's.
    pub gitlab_keys_url: Option<String>,
}

/// The keys of all partners that may report.
pub struct Partners {
    /// GitHub's.
    pub github: Option<PartnerKeys>,
    /// GitLab's.
    pub gitlab: Option<PartnerKeys>,
}

impl Partners {
    /// Nothing is fetched before somebody reports.
    #[must_use]
    pub fn new(scanning: &Scanning) -> Self {
        let at = |url: &Option<String>| url.clone().map(PartnerKeys::at);
        Self { github: at(&scanning.github_keys_url), gitlab: at(&scanning.gitlab_keys_url) }
    }
}

/// The keys of one partner.
pub struct PartnerKeys {
    url: String,
    agent: ureq::Agent,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    keys: Vec<PartnerKey>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
    etag: Option<String>,
}

/// What became of asking for a key.
#[derive(Debug)]
pub enum Asked {
    /// It is on the list and signs now.
    Key(PartnerKey),
    /// It is not on a list that is good.
    Unknown,
    /// There is no list that could be relied on.
    NoList,
}

impl PartnerKeys {
    /// Of the list at this address.
    #[must_use]
    pub fn at(url: String) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(true)
            .user_agent(concat!("keyrack/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { url, agent: config.into(), list: Mutex::default() }
    }

    /// The key of this name. Fetches the list when it is old, or when it does not hold the key, but not all the time.
    pub async fn find(&self, id: &str, clock: &Clock) -> Asked {
        // Whoever comes meanwhile waits, and finds what was fetched.
        let mut list = self.list.lock().await;
        let now = clock.now();
        let age = |at: Option<Timestamp>| at.map(|at| now.since(at));
        let is_old = age(list.fetched_at).is_none_or(|age| age >= FRESH);
        let is_missing = !list.keys.iter().any(|key| key.id == id);
        let may_try = age(list.tried_at).is_none_or(|age| age >= BETWEEN_TRIES);
        if (is_old || is_missing) && may_try {
            list.tried_at = Some(now);
            let (agent, url, etag) = (self.agent.clone(), self.url.clone(), list.etag.clone());
            match block(move || fetch(&agent, &url, etag.as_deref())).await {
                Ok(Ok(Some((keys, etag)))) => {
                    list.keys = keys;
                    list.etag = etag;
                    list.fetched_at = Some(now);
                }
                Ok(Ok(None)) => list.fetched_at = Some(now),
                Ok(Err(error)) => tracing::warn!(url = self.url, error, "a partner's keys could not be fetched"),
                Err(error) => tracing::error!(%error, "a partner's keys could not be fetched"),
            }
        }
        if age(list.fetched_at).is_none_or(|age| age >= STALE) {
            return Asked::NoList;
        }
        match list.keys.iter().find(|key| key.id == id && key.is_current) {
            Some(key) => Asked::Key(key.clone()),
            None => Asked::Unknown,
        }
    }
}

type Fetched = Option<(Vec<PartnerKey>, Option<String>)>;

/// Fetches the list; nothing when it is still the one of `etag`.
fn fetch(agent: &ureq::Agent, url: &str, etag: Option<&str>) -> Result<Fetched, String> {
    let mut request = agent.get(url).header("Accept", "application/json");
    if let Some(etag) = etag {
        request = request.header("If-None-Match", etag);
    }
    let mut answer = request.call().map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 => {}
        304 if etag.is_some() => return Ok(None),
        status => return Err(format!("the answer is {status}")),
    }
    let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok());
    let etag = etag.filter(|text| text.len() <= 256).map(str::to_owned);
    let body = answer.body_mut().with_config().limit(BYTES_MAX).read_to_vec().map_err(|error| error.to_string())?;
    Ok(Some((read_keys(&body)?, etag)))
}
