//! `GET /v1/openapi.json`: the description of `/v1`, made from the handlers and the types they answer with.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{auth, billing, brand, device, events, keys, orgs, pause, scanning, self_revoke, stats, verify, whoami};

/// A failure: `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says it all.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What a program decides by: `UNAUTHORIZED`, `FORBIDDEN`, `PLAN_REQUIRED`, `NOT_FOUND`, `KEY_LIMIT_REACHED`,
    /// `CONFLICT`, `INVALID`, `INVALID_REQUEST`, `CREATION_RATE_LIMITED`, `RATE_LIMITED`, `UNAVAILABLE`, `INTERNAL`.
    #[schema(example = "UNAUTHORIZED")]
    code: &'static str,
    /// What happened, for people.
    detail: String,
    /// For support; null in a 401, whose bytes are always the same.
    request_id: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Keyrack API",
        description = "API keys: who holds one, and making, rotating and revoking them. Times are RFC 3339 in UTC. A \
            signed-in command line acts as its person, in the organization that the header `X-Keyrack-Org` names by its \
            slug; without it, in the one that its person was in when they signed it in.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        serve,
        brand::brand,
        device::code,
        device::token,
        device::revoke,
        whoami::whoami,
        verify::verify,
        auth::auth,
        auth::auth_below,
        orgs::list_orgs,
        orgs::list_profiles,
        orgs::create_profile,
        orgs::list_members,
        keys::list_keys,
        keys::create_key,
        keys::get_key,
        keys::edit_key,
        keys::rotate_key,
        keys::revoke_key,
        pause::pause_key,
        pause::resume_key,
        stats::key_stats,
        events::list_events,
        events::report_outcomes,
        events::stream_events,
        billing::stripe,
        scanning::github,
        scanning::gitlab,
        self_revoke::revoke_self,
    ),
    components(schemas(Problem)),
    modifiers(&Everywhere),
)]
struct Api;

/// What holds for every call: how to authenticate, and what failures look like.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, or the token of a signed-in command line."));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let header = ApiKeyValue::with_description("X-Api-Key", "The API key. Never together with a bearer token.");
        components.add_security_scheme("x_api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        for (path, item) in &mut document.paths.paths {
            if path == "/v1/openapi.json" {
                continue;
            }
            let operations = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.delete,
                &mut item.options,
                &mut item.head,
                &mut item.patch,
                &mut item.trace,
            ];
            for operation in operations.into_iter().flatten() {
                let none: [&str; 0] = [];
                let is_open = OPEN.contains(&path.as_str());
                if !is_open {
                    let (bearer, header) = ("bearer", "x_api_key");
                    operation.security =
                        Some(vec![SecurityRequirement::new(bearer, none), SecurityRequirement::new(header, none)]);
                }
                let known = &mut operation.responses.responses;
                for (status, what) in FAILURES {
                    let needs_caller = matches!(*status, "401" | "403" | "404" | "409");
                    if known.contains_key(*status) || (is_open && needs_caller) {
                        continue;
                    }
                    let body = Content::builder().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
                    let response =
                        ResponseBuilder::new().description(*what).content("application/problem+json", body).build();
                    known.insert((*status).to_owned(), RefOr::T(response));
                }
            }
        }
    }
}

/// Calls that take no credential, or whose credential is a signature over the body.
const OPEN: [&str; 6] = [
    "/v1/brand",
    "/v1/device/code",
    "/v1/device/token",
    "/v1/billing/stripe",
    "/v1/scanning/github",
    "/v1/scanning/gitlab",
];

const FAILURES: &[(&str, &str)] = &[
    ("400", "The request is broken, or holds more than one credential"),
    ("401", "The credential is missing or not valid"),
    ("403", "The role, the plan or the kind of credential does not allow it"),
    ("404", "There is no such thing, or not for this credential"),
    ("409", "A limit is reached, or it clashes with how things stand"),
    (
        "413",
        "The body is larger than 64 KiB (256 KiB for outcomes and events of billing, 4 MiB for reports of scanners)",
    ),
    ("415", "The body is not application/json"),
    ("422", "A field is missing, unknown or wrong"),
    ("429", "Too many; `Retry-After` says when to come back"),
    ("503", "The database does not answer; `Retry-After` says when to come back"),
];

static DOCUMENT: LazyLock<String> = LazyLock::new(|| Api::openapi().to_json().unwrap_or_default());

/// The description as text.
#[must_use]
pub fn document() -> &'static str {
    &DOCUMENT
}

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "Description", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn serve() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}
