//! `ANY /v1/auth` and below: a proxy asks whether the key of a request is good, with that request's headers. It answers by
//! status and headers alone. Every identity header is always there, `-` when there is nothing to say: one that is missing
//! would let a client's forged one through in some proxies.

use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use futures_util::FutureExt as _;
use futures_util::future::Either;

use super::auth_path::{self, Require};
use super::hot::{self, problem_text};
use super::original::{self, Original};
use super::presented::{self, Presented};
use super::rate_limit;
use crate::clock::Moment;
use crate::domain::in_url;
use crate::domain::org::Role;
use crate::domain::verdict::Verdict;
use crate::gate::limit::Limits;
use crate::gate::{Checked, NoLease, Pass, Question, Seen};
use crate::web::front::{self, Answering};
use crate::web::{State, client};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const KEY_ID: HeaderName = HeaderName::from_static("x-keyrack-key-id");
const ORG: HeaderName = HeaderName::from_static("x-keyrack-org");
const PROFILE: HeaderName = HeaderName::from_static("x-keyrack-profile");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-keyrack-environment");
const USER: HeaderName = HeaderName::from_static("x-keyrack-user");
const ROLE: HeaderName = HeaderName::from_static("x-keyrack-role");
const NOTHING: HeaderValue = HeaderValue::from_static("-");
/// For nginx, which passes on the statuses 401 and 403 only: why it is a 403, and `Retry-After`.
const NGINX_ERROR: HeaderName = HeaderName::from_static("x-auth-error");
const NGINX_RETRY: HeaderName = HeaderName::from_static("x-auth-retry-after");

/// RFC 6750: no error code where nothing was sent.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"api-keys\"");
const CHALLENGE_INVALID: HeaderValue = HeaderValue::from_static("Bearer realm=\"api-keys\", error=\"invalid_token\"");

const UNAUTHORIZED_BODY: &str =
    problem_text!("401", "Unauthorized", "UNAUTHORIZED", "The credential is missing or not valid.");
const PLAN_BODY: &str =
    problem_text!("403", "Forbidden", "PLAN_REQUIRED", "API keys are not part of this organization's plan.");
const ROLE_BODY: &str = problem_text!("403", "Forbidden", "FORBIDDEN", "This key may not do this.");
const SEVERAL_BODY: &str = problem_text!("400", "Bad Request", "INVALID_REQUEST", "Send one credential, once.");
const LIMITED_BODY: &str =
    problem_text!("429", "Too Many Requests", "RATE_LIMITED", "Too many requests. Retry-After says when to come back.");
const UNAVAILABLE_BODY: &str = problem_text!(
    "503",
    "Service Unavailable",
    "UNAVAILABLE",
    "Keys cannot be checked right now. Try again in a moment."
);

/// What the proxy is told.
enum Answer {
    Allow(Pass, Limits),
    NoCredential,
    Unauthorized,
    Forbidden(&'static str, Limits),
    Limited(Limits),
    SeveralCredentials,
    Unavailable,
}

/// Whether the key of this request is good. The body and the query are never read.
///
/// Answers 200, 401, 403 or 429; below `/nginx` only 200, 401 and 403. What is required stands in the path.
#[utoipa::path(
    method(get, head, post, put, patch, delete, options, trace), path = "/v1/auth", tag = "Checking",
    responses((status = 200, description = "Let it in; `X-Keyrack-…` headers say whose key it is")),
)]
pub(in crate::web) fn auth(req: Request, state: &Rc<State>) -> Answering {
    let may_wait = state.gate.may_wait();
    if !may_wait && let Some(res) = answer_for(req.head(), state, false).now_or_never() {
        return front::at_once(res);
    }
    debug_assert!(may_wait, "what may not wait did");
    let state = state.clone();
    Either::Right(Box::pin(async move { Ok(answer_for(req.head(), &state, true).await.into()) }))
}

/// The same, with what is required, or with the path that a proxy appends.
#[utoipa::path(
    method(get, head, post, put, patch, delete, options, trace), path = "/v1/auth/{path}", tag = "Checking",
    params(("path" = String, Path, description = "`require/role:admin`, `nginx`, `nginx/require/role:admin`, `envoy/…`")),
    responses((status = 200, description = "Let it in; `X-Keyrack-…` headers say whose key it is")),
)]
pub(in crate::web) fn auth_below(req: Request, state: &Rc<State>) -> Answering {
    auth(req, state)
}

async fn answer_for(req: &RequestHead, state: &State, may_wait: bool) -> HttpResponse {
    let began = Moment::now();
    let asked = auth_path::read(req.uri.path());
    let request_id = hot::request_id();
    let answer = match asked.require {
        Require::Unknown => {
            warn_of_unknown_requirement();
            Answer::Forbidden(ROLE_BODY, Limits::default())
        }
        Require::Nothing => decide(req, (state, may_wait), None, asked.rest, request_id.as_str()).await,
        Require::Role(role) => decide(req, (state, may_wait), Some(role), asked.rest, request_id.as_str()).await,
    };
    let mut res = draw(answer, asked.for_nginx);
    hot::put_usual_headers(res.headers_mut(), request_id.as_str());
    state.running.observe_check(res.status().as_u16(), began.elapsed());
    res
}

async fn decide(
    req: &RequestHead,
    (state, may_wait): (&State, bool),
    require: Option<Role>,
    rest: &str,
    request_id: &str,
) -> Answer {
    let proxies = &state.config.trusted_proxies;
    let original = Original::of(req, client::is_from_proxy(req, proxies), rest);
    let values = |name: HeaderName| req.headers.get_all(name).map(HeaderValue::as_bytes);
    let in_headers = presented::in_headers(values(header::AUTHORIZATION), values(API_KEY));
    let in_query = if in_url::is_taken_at(&state.rules.url_endpoints, original.path) {
        presented::in_query(original.query)
    } else {
        Presented::Nothing
    };
    let (token, in_url) = match (in_headers, in_query) {
        (Presented::Nothing, Presented::Nothing) => return Answer::NoCredential,
        (Presented::One(token), Presented::Nothing) => (token, false),
        (Presented::Nothing, Presented::One(token)) => (token, true),
        (Presented::Malformed, Presented::Nothing) | (Presented::Nothing, Presented::Malformed) => {
            return Answer::Unauthorized;
        }
        _ => return Answer::SeveralCredentials,
    };
    let address = hot::address_text(client::address(req, proxies));
    let seen = Seen {
        method: original.method,
        path: original::to_note(original.path, &token),
        address: address.as_str(),
        client: original::to_note(client::agent(req), &token),
        request_id,
        in_url,
    };
    let question = Question { require, may_wait };
    match state.gate.answer(&token, question, &seen).await {
        Ok(checked) => answer(checked),
        Err(NoLease) => Answer::Unavailable,
    }
}

/// At most once a minute: a client may have written the path, so neither its text nor its number fills the log.
fn warn_of_unknown_requirement() {
    static LAST: Mutex<Option<Moment>> = Mutex::new(None);
    let Ok(mut last) = LAST.try_lock() else { return };
    if last.is_none_or(|last| last.elapsed() > Duration::from_secs(60)) {
        *last = Some(Moment::now());
        tracing::warn!("a request to /v1/auth named a requirement that is not known: nobody is let in by such a path");
    }
}

fn answer(Checked { verdict, pass, limits }: Checked) -> Answer {
    match (verdict, pass) {
        (Verdict::Valid, Some(pass)) => Answer::Allow(pass, limits),
        (Verdict::PlanRequired, _) => Answer::Forbidden(PLAN_BODY, limits),
        (Verdict::RoleTooLow, _) => Answer::Forbidden(ROLE_BODY, limits),
        (Verdict::RateLimited, _) => Answer::Limited(limits),
        _ => Answer::Unauthorized,
    }
}

fn draw(answer: Answer, for_nginx: bool) -> HttpResponse {
    let refuse = |status: StatusCode, body, error: &'static str| {
        let (told, status) = if for_nginx { (Some(error), StatusCode::FORBIDDEN) } else { (None, status) };
        let mut res = hot::problem(status, body);
        if let Some(error) = told {
            res.headers_mut().insert(NGINX_ERROR, HeaderValue::from_static(error));
        }
        put_identity(res.headers_mut(), None);
        res
    };
    match answer {
        Answer::Allow(pass, limits) => {
            let mut res = HttpResponse::new(StatusCode::OK);
            hot::make_room();
            put_identity(res.headers_mut(), Some(&pass));
            rate_limit::put_headers(res.headers_mut(), &limits);
            res
        }
        Answer::NoCredential => unauthorized(CHALLENGE),
        Answer::Unauthorized => unauthorized(CHALLENGE_INVALID),
        Answer::Forbidden(body, limits) => {
            let mut res = refuse(StatusCode::FORBIDDEN, body, "forbidden");
            rate_limit::put_headers(res.headers_mut(), &limits);
            res
        }
        Answer::Limited(limits) => {
            let mut res = refuse(StatusCode::TOO_MANY_REQUESTS, LIMITED_BODY, "rate_limited");
            rate_limit::put_headers(res.headers_mut(), &limits);
            put_retry_after(res.headers_mut(), rate_limit::retry_after(&limits), for_nginx);
            res
        }
        Answer::SeveralCredentials => refuse(StatusCode::BAD_REQUEST, SEVERAL_BODY, "invalid_request"),
        Answer::Unavailable => {
            let mut res = refuse(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE_BODY, "unavailable");
            put_retry_after(res.headers_mut(), 2, for_nginx);
            res
        }
    }
}

/// The one public 401 (ruling 6): the same bytes and headers whatever is wrong with the credential.
fn unauthorized(challenge: HeaderValue) -> HttpResponse {
    let mut res = hot::problem(StatusCode::UNAUTHORIZED, UNAUTHORIZED_BODY);
    res.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    put_identity(res.headers_mut(), None);
    res
}

fn put_retry_after(headers: &mut HeaderMap, seconds: u32, for_nginx: bool) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    if for_nginx {
        headers.insert(NGINX_RETRY, HeaderValue::from(seconds));
    }
}

fn put_identity(headers: &mut HeaderMap, pass: Option<&Pass>) {
    let value = |text: &str| match text {
        "" => NOTHING,
        text => hot::header_value(text).unwrap_or(NOTHING),
    };
    let Some(pass) = pass else {
        for name in [KEY_ID, ORG, PROFILE, ENVIRONMENT, USER, ROLE] {
            headers.insert(name, NOTHING);
        }
        return;
    };
    headers.insert(KEY_ID, value(pass.key_id()));
    headers.insert(ORG, value(&pass.org.id));
    headers.insert(PROFILE, value(&pass.profile.id));
    headers.insert(ENVIRONMENT, value(pass.environment));
    headers.insert(USER, value(&pass.user.id));
    headers.insert(ROLE, pass.role.map_or(NOTHING, |role| HeaderValue::from_static(role.as_str())));
}
