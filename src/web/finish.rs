//! The outermost layer: request id, security headers, the access log.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use tracing::Instrument as _;

use super::State;
use super::client::RequestId;
use crate::actions::random;
use crate::clock::Moment;

const PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const API_CSP: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";

/// Middleware of everything.
///
/// # Errors
/// None of its own: an error that comes this far is turned into its answer, so that it has the headers too.
pub(super) async fn finish(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Moment::now();
    let id = random::nonce().unwrap_or_default();
    req.extensions_mut().insert(RequestId(id.clone()));
    // At the level of errors, so that a log of errors only still says to which request they belong.
    let span = tracing::error_span!("request", request_id = %id);
    finish_within(req, next, id, started).instrument(span).await
}

async fn finish_within(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: String,
    started: Moment,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = req.app_data::<web::Data<State>>().cloned();
    let config = state.as_ref().map(|state| &state.config);
    let site = Site {
        is_https: config.is_some_and(|config| config.is_https),
        is_trustworthy: config.is_some_and(|config| config.secure_cookies),
    };
    let (method, path) = (req.method().clone(), req.path().to_owned());
    let mut res = next.call(req).await?.map_into_boxed_body();
    let is_api = path.starts_with("/v1/") || path == "/v1";
    set_headers(res.headers_mut(), &id, is_api, path.starts_with("/static/"), site);
    // The pattern, not the path: what stands in a path may be somebody's secret pasted by mistake.
    let pattern = res.request().match_pattern().unwrap_or_else(|| "-".to_owned());
    let (status, elapsed) = (res.status().as_u16(), started.elapsed());
    if let Some(state) = state {
        state.running.observe(status, elapsed);
    }
    tracing::info!(%method, route = %pattern, status, micros = elapsed.as_micros() as u64, request_id = %id, "request");
    Ok(res)
}

/// How people reach the site.
#[derive(Clone, Copy)]
struct Site {
    is_https: bool,
    /// https, or this machine: then browsers say by `Sec-Fetch-Site` where a request comes from.
    is_trustworthy: bool,
}

fn set_headers(headers: &mut HeaderMap, id: &str, is_api: bool, is_static: bool, site: Site) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, if is_api { API_CSP } else { PAGE_CSP });
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // On plain http they only send `Origin`, and under `no-referrer` they make it `null`: every form would be refused.
    set(header::REFERRER_POLICY, if site.is_trustworthy { "no-referrer" } else { "same-origin" });
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=()");
    if site.is_https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    if !is_static {
        set(header::CACHE_CONTROL, "no-store");
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}
