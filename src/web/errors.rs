//! How an `AppError` looks: a page, a fragment, or problem+json, chosen by where it happened, not by the handler.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use serde_json::json;

use super::api::rate_limit;
use super::client::RequestId;
use super::pages::error_page;
use super::{State, routes};
use crate::actions::AppError;
use crate::domain::time::Timestamp;

impl ResponseError for AppError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

/// The answer where no route fits: 405 when another method would, else 404.
///
/// # Errors
/// Always.
pub(super) async fn no_route(req: HttpRequest) -> Result<HttpResponse, AppError> {
    if routes::methods_of(req.path()).is_empty() { Err(AppError::NotFound) } else { Err(AppError::MethodNotAllowed) }
}

/// A refusal from a middleware, which must not return `Err`: that would skip the layers around it.
pub(super) fn refusal(text: &'static str) -> HttpResponse {
    HttpResponse::from_error(Refused(text))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(&'static str);

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

/// What is known of a failed answer when it is drawn.
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) text: Option<String>,
    pub(super) retry_after_seconds: Option<i64>,
}

fn read_failure(req: &HttpRequest, res: &HttpResponse<impl MessageBody>) -> Option<Failure> {
    let status = res.status().as_u16();
    let error = res.error()?;
    if let Some(error) = error.as_error::<AppError>() {
        let now = req.app_data::<web::Data<State>>().map(|state| state.gate.now());
        return Some(failure_of(error, &request_id(req), now));
    }
    if let Some(refused) = error.as_error::<Refused>() {
        return Some(Failure { status, code: "FORBIDDEN", text: Some(refused.to_string()), retry_after_seconds: None });
    }
    if status < 500 {
        return Some(Failure { status, code: "INVALID_REQUEST", text: None, retry_after_seconds: None });
    }
    tracing::error!(cause = format!("{error:#}"), request_id = request_id(req), "request failed");
    Some(Failure { status: 500, code: "INTERNAL", text: None, retry_after_seconds: None })
}

fn failure_of(error: &AppError, request_id: &str, now: Option<Timestamp>) -> Failure {
    if let AppError::Internal(cause) = error {
        tracing::error!(cause = format!("{cause:#}"), request_id, "internal error");
    }
    if let AppError::Unavailable(cause) = error {
        tracing::error!(cause, request_id, "database unavailable");
    }
    let wait = error.retry_at().zip(now).map(|(at, now)| at.since(now).as_seconds_up().max(1));
    let wait = match error {
        AppError::RateLimited { seconds } => Some(i64::from(*seconds)),
        _ => wait,
    };
    let wait = wait.or(matches!(error, AppError::Unavailable(_) | AppError::NoLease(_)).then_some(2));
    Failure { status: error.status(), code: error.code(), text: Some(error.to_string()), retry_after_seconds: wait }
}

/// The id that the request carries.
pub(super) fn request_id(req: &HttpRequest) -> String {
    req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

fn add_headers(path: &str, failure: &Failure, res: &mut HttpResponse) {
    let headers = res.headers_mut();
    if let Some(seconds) = failure.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if failure.status == 405
        && let Ok(allow) = HeaderValue::from_str(&routes::methods_of(path).join(", "))
    {
        headers.insert(header::ALLOW, allow);
    }
}

/// Middleware of `/v1`: every failure is problem+json (RFC 9457).
///
/// # Errors
/// None of its own.
pub(super) async fn as_problems(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut res = next.call(req).await?.map_into_boxed_body();
    let req = res.request().clone();
    if let Some(failure) = read_failure(&req, res.response()) {
        res = res.into_response(problem(req.path(), &request_id(&req), &failure));
    }
    // There for callers whose key was recognised.
    if let Some(limits) = req.extensions().get() {
        rate_limit::put_headers(res.headers_mut(), limits);
    }
    Ok(res)
}

/// A failure as problem+json, for what stands outside of that middleware.
pub(super) fn problem_of(state: &State, path: &str, request_id: &str, error: &AppError) -> HttpResponse {
    problem(path, request_id, &failure_of(error, request_id, Some(state.gate.now())))
}

fn problem(path: &str, request_id: &str, failure: &Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or("Error");
    if failure.code == "UNAUTHORIZED" {
        return unauthorized();
    }
    let body = json!({
        "type": "about:blank", "title": title, "status": failure.status, "code": failure.code,
        "detail": failure.text.as_deref().unwrap_or(title), "request_id": request_id,
    });
    let mut res = HttpResponse::build(status).content_type("application/problem+json").json(body);
    res.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    add_headers(path, failure, &mut res);
    res
}

/// The one public 401 (ruling 6): the same bytes for malformed, unknown, revoked and expired keys, so that it tells
/// nothing. The request id stands in its header only, or no two answers would be alike.
fn unauthorized() -> HttpResponse {
    let body = json!({
        "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "UNAUTHORIZED",
        "detail": "The credential is missing or not valid.", "request_id": null,
    });
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .insert_header((header::CONTENT_TYPE, "application/problem+json"))
        .body(body.to_string())
}

/// Middleware of the pages: every failure is a page, or a fragment where htmx asks for one.
///
/// # Errors
/// None of its own.
pub(super) async fn as_pages(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let res = next.call(req).await?.map_into_boxed_body();
    let Some(failure) = read_failure(res.request(), res.response()) else { return Ok(res) };
    let req = res.request().clone();
    let is_htmx = req.headers().contains_key("hx-request");
    let mut answer = match failure.status {
        401 if is_htmx => {
            let target = req.headers().get("hx-current-url").and_then(|url| url.to_str().ok());
            let path =
                target.and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
            let to = sign_in_url(path.unwrap_or("/"));
            HttpResponse::Unauthorized().insert_header((HeaderName::from_static("hx-redirect"), to)).finish()
        }
        401 => {
            let back =
                if req.method() == actix_web::http::Method::GET { req.uri().to_string() } else { "/".to_owned() };
            HttpResponse::SeeOther().insert_header((header::LOCATION, sign_in_url(&back))).finish()
        }
        _ => error_page(&req, &failure).await,
    };
    add_headers(req.path(), &failure, &mut answer);
    // Cookies that the session layer set must survive the new body.
    for cookie in res.headers().get_all(header::SET_COOKIE) {
        answer.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    Ok(res.into_response(answer))
}

/// Where to sign in, to go on at `back`.
pub(super) fn sign_in_url(back: &str) -> String {
    if back == "/" {
        return "/sign-in".to_owned();
    }
    format!("/sign-in?next={}", percent_encoding::utf8_percent_encode(back, percent_encoding::NON_ALPHANUMERIC))
}
