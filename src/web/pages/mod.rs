//! Pages for people: one file per page, with its form, its handlers, and what it hands to the template.

pub mod service;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::errors::Failure;

/// The page of a failure.
pub(super) fn error_page(_req: &HttpRequest, failure: &Failure) -> HttpResponse {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(failure.text.clone().unwrap_or_default())
}
