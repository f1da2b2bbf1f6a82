//! Every route there is, on one screen. What is not listed here does not exist; the test of the authorisation matrix
//! walks this table, and fails for a route whose right it does not know.

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use actix_web::{guard, web};
use percent_encoding::percent_decode_str;

use super::{api, assets, metrics, pages};

/// Who may use a route at all; the finer rules are in `domain::policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anyone,
    /// Whoever is signed in.
    SignedIn,
    /// Members of the organization in the path.
    Member,
    /// Its owners and admins.
    Admin,
    /// Its owners.
    Owner,
    /// Holders of an API key.
    Key,
    /// Holders of a service token.
    Service,
    /// Holders of an API key, and persons with a signed-in command line, by role.
    Caller,
    /// Persons with a signed-in command line.
    CommandLine,
    /// Holders of any credential.
    Credential,
    /// A program that signs what it sends with a secret or key that the operator named.
    Signer,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET` answers `HEAD` too; `ANY` is each.
    pub method: &'static str,
    /// With `{names}` for what varies.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

macro_rules! routes {
    ($table:ident, $configure:ident, $prefix:literal: $($method:ident $path:literal $access:ident => $handler:path;)*) => {
        const $table: &[Route] = &[$(Route { method: stringify!($method), path: concat!($prefix, $path), access: Access::$access }),*];

        pub(super) fn $configure(config: &mut web::ServiceConfig) {
            $(config.route($path, method_route(stringify!($method)).to($handler));)*
        }
    };
}

/// What stands before the application, see `front`.
macro_rules! checks {
    ($($method:ident $path:literal $access:ident => $check:ident;)*) => {
        const CHECKS: &[Route] = &[$(Route { method: stringify!($method), path: $path, access: Access::$access }),*];

        /// Who answers requests about keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Check {
            $($check),*
        }

        /// Which of them a request is for.
        pub(super) fn check_of(method: &Method, path: &str) -> Option<Check> {
            $(if fits_path($path, path) && fits_method(stringify!($method), method) {
                return Some(Check::$check);
            })*
            None
        }
    };
}

fn fits_path(pattern: &'static str, path: &str) -> bool {
    pattern.strip_suffix("{path:.*}").map_or(path == pattern, |above| path.starts_with(above))
}

fn fits_method(listed: &'static str, method: &Method) -> bool {
    listed == "ANY" || listed == method.as_str()
}

fn method_route(method: &'static str) -> actix_web::Route {
    match method {
        "GET" => asked_by(&[Method::GET, Method::HEAD]),
        "PATCH" => asked_by(&[Method::PATCH]),
        "ANY" => web::route(),
        _ => asked_by(&[Method::POST]),
    }
}

/// The framework's own guards remember on each request which methods they asked for; `errors::no_route` has no need of that.
fn asked_by(methods: &'static [Method]) -> actix_web::Route {
    web::route().guard(guard::fn_guard(|context| methods.contains(&context.head().method)))
}

routes! { SERVICE, service_routes, "":
    GET "/healthz" Anyone => pages::service::healthz;
    GET "/readyz" Anyone => pages::service::readyz;
    GET "/metrics" Anyone => metrics::serve;
    GET "/static/{file}" Anyone => assets::serve;
    GET "/.well-known/security.txt" Anyone => pages::service::security_txt;
    GET "/llms.txt" Anyone => pages::docs::llms;
    GET "/docs" Anyone => pages::docs::index;
    GET "/docs/{page}" Anyone => pages::docs::page;
}

checks! {
    ANY "/v1/auth" Key => Auth;
    ANY "/v1/auth/{path:.*}" Key => AuthBelow;
    POST "/v1/keys/verify" Service => Verify;
}

/// Where what is listed there goes that a check does not answer: with `/v1` before the path.
pub(super) fn refused_checks(config: &mut web::ServiceConfig) {
    config.route("/keys/verify", method_route("POST").to(api::verify::refuse));
}

routes! { API, api_routes, "/v1":
    POST "/scanning/github" Signer => api::scanning::github;
    POST "/scanning/gitlab" Signer => api::scanning::gitlab;
    POST "/keys/self/revoke" Key => api::self_revoke::revoke_self;
    POST "/billing/stripe" Signer => api::billing::stripe;
    GET "/openapi.json" Anyone => api::openapi::serve;
    GET "/brand" Anyone => api::brand::brand;
    POST "/device/code" Anyone => api::device::code;
    POST "/device/token" Anyone => api::device::token;
    POST "/device/revoke" CommandLine => api::device::revoke;
    GET "/whoami" Credential => api::whoami::whoami;
    GET "/orgs" Caller => api::orgs::list_orgs;
    GET "/profiles" Caller => api::orgs::list_profiles;
    POST "/profiles" Caller => api::orgs::create_profile;
    GET "/members" Caller => api::orgs::list_members;
    GET "/keys" Caller => api::keys::list_keys;
    POST "/keys" Caller => api::keys::create_key;
    GET "/keys/{id}" Caller => api::keys::get_key;
    PATCH "/keys/{id}" Caller => api::keys::edit_key;
    GET "/keys/{id}/stats" Caller => api::stats::key_stats;
    POST "/keys/{id}/rotate" Caller => api::keys::rotate_key;
    POST "/keys/{id}/revoke" Caller => api::keys::revoke_key;
    POST "/keys/{id}/pause" Caller => api::pause::pause_key;
    POST "/keys/{id}/resume" Caller => api::pause::resume_key;
    GET "/events" Caller => api::events::list_events;
    POST "/events" Service => api::events::report_outcomes;
    GET "/events/stream" Caller => api::events::stream_events;
}

routes! { PAGES, page_routes, "":
    // Tried in this order, so first what is asked most.
    GET "/orgs/{org}/settings/api-keys" Member => pages::keys::list::show;
    POST "/orgs/{org}/settings/api-keys" Member => pages::keys::create::create;
    GET "/orgs/{org}/settings/api-keys/new" Member => pages::keys::create::form;
    GET "/orgs/{org}/settings/api-keys/revoke" Member => pages::keys::bulk::form;
    POST "/orgs/{org}/settings/api-keys/revoke" Member => pages::keys::bulk::revoke;
    GET "/orgs/{org}/settings/api-keys/{id}" Member => pages::keys::show::show;
    POST "/orgs/{org}/settings/api-keys/{id}" Member => pages::keys::show::edit;
    GET "/orgs/{org}/settings/api-keys/{id}/rotation" Member => pages::keys::show::rotation;
    GET "/orgs/{org}/settings/api-keys/{id}/rotate" Member => pages::keys::rotate::form;
    POST "/orgs/{org}/settings/api-keys/{id}/rotate" Member => pages::keys::rotate::rotate;
    GET "/orgs/{org}/settings/api-keys/{id}/rotate/finish" Member => pages::keys::rotate::finish_form;
    POST "/orgs/{org}/settings/api-keys/{id}/rotate/finish" Member => pages::keys::rotate::finish;
    GET "/orgs/{org}/settings/api-keys/{id}/pause" Member => pages::keys::pause::form::<true>;
    POST "/orgs/{org}/settings/api-keys/{id}/pause" Member => pages::keys::pause::rest::<true>;
    GET "/orgs/{org}/settings/api-keys/{id}/resume" Member => pages::keys::pause::form::<false>;
    POST "/orgs/{org}/settings/api-keys/{id}/resume" Member => pages::keys::pause::rest::<false>;
    GET "/orgs/{org}/settings/api-keys/{id}/revoke" Member => pages::keys::revoke::form;
    POST "/orgs/{org}/settings/api-keys/{id}/revoke" Member => pages::keys::revoke::revoke;
    GET "/" Anyone => pages::service::root;
    GET "/setup" Anyone => pages::setup::setup_form;
    POST "/setup" Anyone => pages::setup::set_up;
    GET "/sign-in" Anyone => pages::sign_in::form;
    POST "/sign-in" Anyone => pages::sign_in::sign_in;
    POST "/sign-out" Anyone => pages::sign_in::sign_out;
    GET "/sign-up" Anyone => pages::setup::sign_up_form;
    POST "/sign-up" Anyone => pages::setup::sign_up;
    GET "/join" Anyone => pages::join::form;
    POST "/join" Anyone => pages::join::join;
    GET "/device" SignedIn => pages::device::form;
    POST "/device" SignedIn => pages::device::post;
    GET "/orgs" SignedIn => pages::orgs::list;
    POST "/orgs" SignedIn => pages::orgs::post;
    GET "/account/security" SignedIn => pages::account::security;
    POST "/account/name" SignedIn => pages::account::rename;
    POST "/account/security" SignedIn => pages::account::change_password;
    GET "/account/sessions" SignedIn => pages::account::sessions;
    POST "/account/sessions" SignedIn => pages::account::end_session;
    GET "/account/appearance" SignedIn => pages::account::appearance;
    POST "/account/appearance" SignedIn => pages::account::choose_theme;
    GET "/orgs/{org}/settings/members" Member => pages::members::list;
    GET "/orgs/{org}/settings/members/invite" Admin => pages::members::invite::form;
    POST "/orgs/{org}/settings/members/invite" Admin => pages::members::invite::invite;
    POST "/orgs/{org}/settings/members/invitations/{id}/withdraw" Admin => pages::members::withdraw;
    GET "/orgs/{org}/settings/members/{user}/role" Member => pages::members::role_form;
    POST "/orgs/{org}/settings/members/{user}/role" Admin => pages::members::change_role;
    GET "/orgs/{org}/settings/members/{user}/remove" Member => pages::members::remove::form;
    POST "/orgs/{org}/settings/members/{user}/remove" Member => pages::members::remove::remove;
    GET "/orgs/{org}/settings/organization" Member => pages::organization::show;
    POST "/orgs/{org}/settings/organization" Owner => pages::organization::rename;
    GET "/orgs/{org}/settings/organization/leave" Member => pages::organization::leave_form;
    POST "/orgs/{org}/settings/organization/leave" Member => pages::organization::leave;
    GET "/orgs/{org}/settings/profiles" Member => pages::profiles::list;
    POST "/orgs/{org}/settings/profiles" Admin => pages::profiles::create;
    GET "/orgs/{org}/settings/profiles/{id}" Admin => pages::profiles::rename_form;
    POST "/orgs/{org}/settings/profiles/{id}" Admin => pages::profiles::rename;
    GET "/orgs/{org}/settings/plan" Member => pages::plan::show;
    POST "/orgs/{org}/settings/plan" Member => pages::plan::ask;
    GET "/orgs/{org}/settings/notifications" Member => pages::notifications::show;
    POST "/orgs/{org}/settings/notifications" Member => pages::notifications::save;
    POST "/orgs/{org}/settings/notifications/test" Member => pages::notifications::test_mail;
    POST "/orgs/{org}/settings/notifications/webhooks" Admin => pages::notifications::webhooks::create;
    GET "/orgs/{org}/settings/notifications/webhooks/{id}" Admin => pages::notifications::webhooks::show;
    POST "/orgs/{org}/settings/notifications/webhooks/{id}/test" Admin => pages::notifications::webhooks::test;
    POST "/orgs/{org}/settings/notifications/webhooks/{id}/enable" Admin => pages::notifications::webhooks::enable;
    GET "/orgs/{org}/settings/notifications/webhooks/{id}/rotate" Admin => pages::notifications::webhooks::rotate_form;
    POST "/orgs/{org}/settings/notifications/webhooks/{id}/rotate" Admin => pages::notifications::webhooks::rotate;
    GET "/orgs/{org}/settings/notifications/webhooks/{id}/remove" Admin => pages::notifications::webhooks::remove_form;
    POST "/orgs/{org}/settings/notifications/webhooks/{id}/remove" Admin => pages::notifications::webhooks::remove;
    POST "/orgs/{org}/settings/notifications/webhooks/{id}/deliveries/{delivery}/redeliver" Admin => pages::notifications::webhooks::redeliver;
    GET "/orgs/{org}/settings/leaks" Admin => pages::leaks::show;
    POST "/orgs/{org}/settings/leaks" Admin => pages::leaks::look_up;
    GET "/orgs/{org}/settings/audit" Admin => pages::audit::show;
    GET "/orgs/{org}/settings/audit/export" Admin => pages::audit::export;
    GET "/orgs/{org}/logs" Member => pages::logs::show;
    GET "/orgs/{org}/logs/stream" Member => pages::logs::stream;
    GET "/settings/api-keys" SignedIn => pages::keys::active;
}

/// All routes.
pub fn all() -> impl Iterator<Item = &'static Route> {
    SERVICE.iter().chain(CHECKS).chain(API).chain(PAGES)
}

/// Each pattern with its method, compiled once.
static PATTERNS: LazyLock<Vec<(ResourceDef, &'static str)>> =
    LazyLock::new(|| all().map(|route| (ResourceDef::new(route.path), route.method)).collect());

/// The methods that a path takes, for `Allow`.
#[must_use]
pub fn methods_of(path: &str) -> Vec<&'static str> {
    PATTERNS.iter().filter(|(pattern, _)| pattern.is_match(path)).map(|(_, method)| *method).collect()
}

/// Whether an open page asks for this again and again by itself: the panel of a rotation, and the stream of live logs.
#[must_use]
pub fn is_asked_by_itself(path: &str) -> bool {
    path.starts_with("/orgs/") && (path.ends_with("/rotation") || path.ends_with("/logs/stream"))
}

/// Whether the page of this address reads the session itself, together with what it shows. The address as it was sent: routes
/// are found by what it means.
#[must_use]
pub fn reads_its_session(method: &Method, path: &str) -> bool {
    let is_list = |path: &str| path.starts_with("/orgs/") && path.ends_with("/settings/api-keys");
    [Method::GET, Method::HEAD].contains(method)
        && (is_list(path) || (path.contains('%') && is_list(&percent_decode_str(path).decode_utf8_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_where_their_patterns_fit() {
        let paths = [
            "/v1/auth",
            "/v1/auth/",
            "/v1/auth/require/role:admin",
            "/v1/auth//",
            "/v1/authx",
            "/v1",
            "/v1/aut",
            "/",
            "",
            "/v1/keys/verify",
            "/v1/keys/verify/",
            "/v1/keys/verif",
            "/V1/auth",
            "/v1/keys",
            "/x/v1/auth",
            "/v1/auth/{path:.*}",
        ];
        for (path, method) in paths.iter().flat_map(|path| [(path, Method::GET), (path, Method::POST)]) {
            let by_pattern = CHECKS.iter().find(|route| {
                let takes = route.method == "ANY" || route.method == method.as_str();
                takes && ResourceDef::new(route.path).is_match(path)
            });
            let found = check_of(&method, path).map(|check| CHECKS[check as usize]);
            assert_eq!(found.map(|route| route.path), by_pattern.map(|route| route.path), "{method} {path}");
        }
    }
}
