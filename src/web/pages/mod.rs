//! Pages for people: one file per page, with its form, its handlers, and what it hands to the template.

pub mod account;
pub mod audit;
mod audit_words;
pub mod device;
pub mod docs;
mod frame;
pub mod join;
pub mod keys;
pub mod leaks;
pub mod logs;
pub mod members;
mod next;
pub mod notifications;
pub mod organization;
pub mod orgs;
pub mod plan;
pub mod profiles;
pub mod service;
pub mod setup;
pub mod sign_in;
mod visitor;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use frame::chrome_for_reader;
pub use frame::{SignedIn, chrome_for_nobody};
pub use visitor::{Drawn, Visitor};

use super::errors::{Failure, request_id};
use super::session::TypedSession;
use super::views::errors::ErrorPage;
use super::views::{Errors, Flash, Link, Time, View};
use super::{Htmx, State};
use crate::actions::AppError;
use crate::domain::time::{Span, Timestamp};

/// Draws a view: the whole page, or the fragment that htmx asked for.
///
/// # Errors
/// A template that does not render is a fault of ours.
pub fn draw(htmx: Htmx, status: u16, view: &impl View) -> Result<HttpResponse, AppError> {
    Ok(html_answer(status, render(htmx, view)?))
}

fn render(htmx: Htmx, view: &impl View) -> Result<String, AppError> {
    let html = if htmx.partial { view.panel() } else { view.page() };
    html.map_err(|error| AppError::Internal(anyhow::Error::new(error)))
}

fn html_answer(status: u16, html: String) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::VARY, "HX-Request, HX-Request-Type"))
        .body(html)
}

/// Goes to another page after a deed, leaving a banner for it: 303, or `HX-Redirect` to htmx.
///
/// # Errors
/// The session cannot be written.
pub fn go(htmx: Htmx, session: &TypedSession, notice: Flash, url: &str) -> Result<HttpResponse, AppError> {
    session.leave_notice(notice.kind, notice.text)?;
    Ok(see_other(htmx, url))
}

/// Goes to another page: 303, or `HX-Redirect` to htmx.
#[must_use]
pub fn see_other(htmx: Htmx, url: &str) -> HttpResponse {
    if htmx.is_htmx {
        return HttpResponse::Ok().insert_header(("HX-Redirect", url)).finish();
    }
    HttpResponse::SeeOther().insert_header((header::LOCATION, url)).finish()
}

/// What a form says of an error that its reader can mend, with the status of the answer; other errors are passed on.
///
/// # Errors
/// The error itself where a form cannot mend it.
pub fn mendable(error: AppError) -> Result<(u16, Errors), AppError> {
    let status = error.status();
    match error {
        AppError::Invalid(fields) => {
            let mut errors = Errors::none();
            for (field, text) in fields {
                errors.add(field, text);
            }
            Ok((status, errors))
        }
        AppError::Denied(_) | AppError::Conflict(_) | AppError::Throttled { .. } if status != 403 => {
            Ok((status, Errors::about_all(error.to_string())))
        }
        error => Err(error),
    }
}

/// Adds `Retry-After` to the answer of a form that may be sent again later.
pub fn retry_after(res: &mut HttpResponse, at: Option<Timestamp>, now: Timestamp) {
    if let Some(at) = at {
        let seconds = at.since(now).as_seconds_up().max(1);
        res.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A moment in the past or to come, as pages show it.
#[must_use]
pub fn time(at: Timestamp, now: Timestamp) -> Time {
    Time { exact: at.human(), ..brief_time(at, now) }
}

/// The same where it is not shown in full: for long lists.
#[must_use]
pub fn brief_time(at: Timestamp, now: Timestamp) -> Time {
    let text = if at > now { format!("in {}", at.since(now).human()) } else { at.ago(now) };
    Time { iso: at.with_text(str::to_owned), text, exact: String::new() }
}

/// A moment to come or past, by its day when it is more than a week away.
#[must_use]
pub fn deadline(at: Timestamp, now: Timestamp) -> Time {
    let mut shown = time(at, now);
    if at.since(now) > Span::days(7) {
        shown.text = at.day();
    }
    shown
}

/// The page of a failure.
pub(super) async fn error_page(req: &HttpRequest, failure: &Failure) -> HttpResponse {
    let chrome = match req.app_data::<web::Data<State>>() {
        // The database, which knows what stands in a reader's menu, is what failed.
        Some(state) if failure.status == 503 => chrome_for_nobody(state, req),
        Some(state) => chrome_for_reader(state, req).await,
        None => super::views::Chrome::default(),
    };
    let mut page = ErrorPage::new(chrome, failure.status, failure.text.clone(), request_id(req));
    if failure.status != 503 {
        page.links = vec![Link { url: "/settings/api-keys".to_owned(), text: "Go to API keys".to_owned() }];
    }
    let is = |name: &str, value: &[u8]| req.headers().get(name).is_some_and(|found| found.as_bytes() == value);
    let htmx = Htmx { is_htmx: is("hx-request", b"true"), partial: is("hx-request-type", b"partial") };
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    draw(htmx, failure.status, &page).unwrap_or_else(|_| HttpResponse::new(status))
}
