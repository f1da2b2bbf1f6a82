//! What is left of a limit, told in answers: the structured fields of the IETF's draft, and JSON.

use std::cell::RefCell;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::hot::{self, Short};
use super::json_text::JsonText;
use crate::gate::limit::{Limits, Taken};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// All quotas are per minute.
const WINDOW_SECONDS: u32 = 60;

/// Puts `RateLimit-Policy` and `RateLimit` into an answer, and `Retry-After` where a limit refused the request. Only for
/// callers who were recognised: else a stranger could read how busy somebody is.
pub fn put_headers(headers: &mut HeaderMap, limits: &Limits) {
    let Some(policy) = policy(limits) else { return };
    headers.insert(POLICY, policy);
    let mut left = Short::<80>::new();
    for (name, taken) in named(limits) {
        put_field(&mut left, name, ("r", taken.remaining), ("t", taken.reset_seconds));
    }
    if let Some(value) = hot::header_value(left.as_str()) {
        headers.insert(LEFT, value);
    }
    if !limits.allowed() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after(limits)));
    }
}

/// The quotas; nothing where there are none. Each thread remembers the last: most plans have the same.
fn policy(limits: &Limits) -> Option<HeaderValue> {
    type Quotas = (Option<u32>, Option<u32>);
    thread_local!(static LAST: RefCell<Option<(Quotas, HeaderValue)>> = const { RefCell::new(None) });
    let quota = |taken: &Option<Taken>| taken.as_ref().map(|taken| taken.limit);
    let quotas = (quota(&limits.account), quota(&limits.key));
    if quotas == (None, None) {
        return None;
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, value)) if *known == quotas => Some(value.clone()),
        _ => {
            let mut text = Short::<64>::new();
            for (name, taken) in named(limits) {
                put_field(&mut text, name, ("q", taken.limit), ("w", WINDOW_SECONDS));
            }
            let value = HeaderValue::from_str(text.as_str()).ok()?;
            *last = Some((quotas, value.clone()));
            Some(value)
        }
    })
}

/// Appends an item with two parameters to a structured field: `"account";q=600;w=60` (RFC 9651).
fn put_field<const N: usize>(text: &mut Short<N>, name: &str, first: (&str, u32), second: (&str, u32)) {
    text.push(if text.as_str().is_empty() { "\"" } else { ", \"" });
    text.push(name);
    text.push("\"");
    for (parameter, number) in [first, second] {
        text.push(";");
        text.push(parameter);
        text.push("=");
        text.push(itoa::Buffer::new().format(number));
    }
}

/// In how many seconds it makes sense to come back: never before the reset of a limit that refused, and never at once.
#[must_use]
pub fn retry_after(limits: &Limits) -> u32 {
    limits.retry_seconds().max(1)
}

fn named(limits: &Limits) -> impl Iterator<Item = (&'static str, &Taken)> {
    let account = limits.account.as_ref().map(|taken| ("account", taken));
    account.into_iter().chain(limits.key.as_ref().map(|taken| ("key", taken)))
}

/// What is left, in JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct RateLimitObject {
    /// The organization's limit; null where its plan has none.
    account: Option<LimitObject>,
    /// The key's own limit; null where it has none.
    key: Option<LimitObject>,
    /// Which of them binds, that is, runs out first: `account`, `key` or null.
    #[schema(example = "account")]
    binding: Option<&'static str>,
}

/// One limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitObject {
    /// Requests a minute.
    #[schema(example = 600)]
    limit: u32,
    /// How many are left now.
    #[schema(example = 412)]
    remaining: u32,
    /// When all of them are there again, in seconds.
    #[schema(example = 23)]
    reset_seconds: u32,
}

impl RateLimitObject {
    /// As it stands after a check; all null where nothing was limited.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let object = |taken: &Taken| LimitObject {
            limit: taken.limit,
            remaining: taken.remaining,
            reset_seconds: taken.reset_seconds,
        };
        Self {
            account: limits.account.as_ref().map(object),
            key: limits.key.as_ref().map(object),
            // One that refuses before one that does not, then the one with the least left; the account's of two alike.
            binding: named(limits).min_by_key(|(_, taken)| (taken.allowed, taken.remaining)).map(|(name, _)| name),
        }
    }

    /// Writes it as JSON.
    pub(super) fn put(&self, json: &mut JsonText) {
        for (name, limit) in [("{\"account\":", &self.account), (",\"key\":", &self.key)] {
            json.raw(name);
            match limit {
                Some(LimitObject { limit, remaining, reset_seconds }) => {
                    json.raw("{\"limit\":").number(*limit).raw(",\"remaining\":").number(*remaining);
                    json.raw(",\"reset_seconds\":").number(*reset_seconds).raw("}");
                }
                None => {
                    json.raw("null");
                }
            }
        }
        json.raw(",\"binding\":").word_or_null(self.binding).raw("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowed: bool, limit: u32, remaining: u32, reset_seconds: u32) -> Taken {
        Taken { allowed, limit, remaining, reset_seconds }
    }

    fn headers(limits: &Limits) -> Vec<String> {
        let mut headers = HeaderMap::new();
        put_headers(&mut headers, limits);
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let account = taken(true, 600, 412, 23);
        assert_eq!(
            headers(&Limits { account: Some(account), key: None }),
            ["ratelimit-policy: \"account\";q=600;w=60", "ratelimit: \"account\";r=412;t=23"]
        );
        assert_eq!(
            headers(&Limits { account: Some(account), key: Some(taken(false, 60, 0, 7)) }),
            [
                "ratelimit-policy: \"account\";q=600;w=60, \"key\";q=60;w=60",
                "ratelimit: \"account\";r=412;t=23, \"key\";r=0;t=7",
                "retry-after: 7",
            ]
        );
        assert!(headers(&Limits::default()).is_empty());
    }

    #[test]
    fn coming_back_is_never_advised_too_early() {
        let both = Limits { account: Some(taken(false, 600, 0, 3)), key: Some(taken(false, 60, 0, 9)) };
        assert_eq!(retry_after(&both), 9);
        assert_eq!(retry_after(&Limits { account: Some(taken(false, 600, 0, 0)), key: None }), 1);
    }

    #[test]
    fn the_limit_that_runs_out_first_binds() {
        let binding = |account, key| RateLimitObject::new(&Limits { account, key }).binding;
        assert_eq!(binding(None, None), None);
        assert_eq!(binding(Some(taken(true, 600, 5, 1)), None), Some("account"));
        assert_eq!(binding(Some(taken(true, 600, 50, 1)), Some(taken(true, 60, 49, 1))), Some("key"));
        assert_eq!(binding(Some(taken(true, 600, 5, 1)), Some(taken(true, 60, 5, 1))), Some("account"));
        assert_eq!(binding(Some(taken(false, 600, 9, 1)), Some(taken(true, 60, 0, 1))), Some("account"));
    }
}
