//! What handlers take: forms, queries, JSON. Duplicates and wrong types are refused here, unknown fields by the
//! structs that are read into.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::body;
use crate::actions::AppError;

/// The largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// An `application/x-www-form-urlencoded` body.
#[derive(Debug)]
pub struct Form<T>(pub T);

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// An `application/json` body, with the bytes it was read from.
#[derive(Debug)]
pub struct Json<T>(pub T, pub web::Bytes);

/// How htmx asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Htmx {
    /// Whether it asks at all.
    pub is_htmx: bool,
    /// Whether it will put the answer into a part of the page.
    pub partial: bool,
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, AppError>>>>;

/// What a request says its body is, without parameters; empty where it says nothing. To be compared without regard to case.
fn content_type(req: &RequestHead) -> &str {
    let value = req.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Whether `part` stands in a body. Most bodies do not even hold its first byte, which is found out much faster.
fn holds(body: &[u8], part: &[u8]) -> bool {
    part.first().is_some_and(|first| body.contains(first)) && body.windows(part.len()).any(|window| window == part)
}

/// Whether a NUL character stands in what was sent. PostgreSQL cannot hold one, and no person types one.
fn has_nul(body: &[u8]) -> bool {
    body.contains(&0) || holds(body, b"%00")
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_form = content_type(req.head()).eq_ignore_ascii_case(FORM);
        let payload = payload.take();
        Box::pin(async move {
            if !is_form {
                return Err(AppError::UnsupportedType(FORM));
            }
            let body = body::read(payload, BODY_BYTES_MAX).await?;
            if has_nul(&body) {
                return Err(AppError::BadRequest("The form holds a NUL character.".to_owned()));
            }
            // The cause may repeat what was typed, a password for instance, so it is not passed on.
            serde_html_form::from_bytes(&body)
                .map(Self)
                .map_err(|_| AppError::BadRequest("The form holds unknown, missing or repeated fields.".to_owned()))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = AppError;
    type Future = std::future::Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let refusal =
            || AppError::BadRequest("The address holds unknown, repeated or malformed parameters.".to_owned());
        let query = Some(req.query_string()).filter(|query| !has_nul(query.as_bytes())).ok_or_else(refusal);
        std::future::ready(query.and_then(|query| serde_html_form::from_str(query).map(Self).map_err(|_| refusal())))
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let body = json_bytes(req.head(), payload).await?;
            json_from(&body).map(|value| Self(value, body.clone()))
        })
    }
}

/// The body of a request with JSON; without a body, an object without members.
pub(super) async fn json_bytes(req: &RequestHead, payload: Payload) -> Result<web::Bytes, AppError> {
    json_bytes_up_to(req, payload, BODY_BYTES_MAX).await
}

/// The same where more may be sent at once.
pub(super) async fn json_bytes_up_to(
    req: &RequestHead,
    payload: Payload,
    bytes_max: usize,
) -> Result<web::Bytes, AppError> {
    // As almost everybody writes it, it need not be taken apart.
    let is_usual = req.headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == JSON.as_bytes());
    let kind = if is_usual { JSON } else { content_type(req) };
    if !is_usual && !kind.is_empty() && !kind.eq_ignore_ascii_case(JSON) {
        return Err(AppError::UnsupportedType(JSON));
    }
    let body = body::read(payload, bytes_max).await?;
    if !kind.is_empty() {
        return Ok(body);
    }
    // `curl -X POST` without a body.
    if body.is_empty() { Ok(web::Bytes::from_static(b"{}")) } else { Err(AppError::UnsupportedType(JSON)) }
}

/// Reads JSON; the error repeats nothing of it.
pub(super) fn json_from<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, AppError> {
    if holds(body, b"\\u0000") {
        return Err(AppError::field("body", "The body holds a NUL character."));
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(error) if error.is_data() => Err(AppError::field("body", data_error(&error))),
        Err(_) => Err(AppError::BadRequest("The body is not valid JSON.".to_owned())),
    }
}

/// Names the field that is wrong, by serde's words about our own names only: what was sent may be a key in the wrong
/// place, and is never repeated.
fn data_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if text.starts_with("missing field") || text.starts_with("duplicate field") {
        return format!("The body does not fit: {text}.");
    }
    match text.split_once(", expected ") {
        Some((what, expected)) if what.starts_with("unknown field") => {
            format!("The body does not fit: it has an unknown field, expected {expected}.")
        }
        Some((_, expected)) => format!("The body does not fit: expected {expected}."),
        None => "The body does not fit: a value has the wrong form.".to_owned(),
    }
}

impl FromRequest for Htmx {
    type Error = AppError;
    type Future = std::future::Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is = |name: &str, value: &[u8]| req.headers().get(name).is_some_and(|found| found.as_bytes() == value);
        std::future::ready(Ok(Self {
            is_htmx: is("hx-request", b"true"),
            partial: is("hx-request", b"true") && is("hx-request-type", b"partial"),
        }))
    }
}
