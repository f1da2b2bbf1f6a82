//! Refuses what another site makes a browser send: the rule of Go 1.25's `CrossOriginProtection`, with one stricter
//! case, besides `SameSite=Lax` cookies. No tokens, nothing in forms.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, web};

use super::State;
use super::errors::refusal;

/// Middleware of the pages.
///
/// # Errors
/// None of its own.
pub(super) async fn refuse(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if is_same_site(&req) {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let answer = refusal("This request came from another site, so nothing was changed. Go back, reload and try again.");
    // Not `into_response`, which would lose the cause that the error page is drawn from.
    let (req, _) = req.into_parts();
    Ok(ServiceResponse::new(req, answer))
}

fn is_same_site(req: &ServiceRequest) -> bool {
    if matches!(*req.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let header = |name: &str| req.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = header("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(state) = req.app_data::<web::Data<State>>() else { return false };
    match header("origin") {
        // Browsers send neither header only where they are ancient; a program has no session cookie to abuse.
        None => req.cookie(state.config.session_cookie()).is_none(),
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == state.config.public_url || (host.is_some() && host == header("host"))
        }
    }
}
