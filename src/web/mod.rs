//! HTTP: pages for people, `/v1` for programs. Handlers parse, call one action, and draw the answer.

pub mod api;
pub mod assets;
mod body;
pub mod client;
mod cross_site;
pub mod docs;
mod errors;
mod extract;
mod finish;
mod front;
pub mod mail;
mod metrics;
pub mod pages;
mod partners;
mod readers;
pub mod routes;
mod running;
mod sending;
mod server;
pub mod session;
mod state;
mod streams;
pub mod views;

use actix_http::Request;
use actix_service::IntoServiceFactory as _;
use actix_session::SessionMiddleware;
use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_web::body::BoxBody;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::{AppConfig, Response, ServiceFactory};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};

pub use extract::{Form, Htmx, Json, Query};
pub use metrics::MetricsAccess;
pub use partners::Scanning;
pub use running::Running;
pub use server::{serve, server};
pub use state::{AlertWays, State, WebConfig};
pub use streams::Streams;

/// The whole application: what the server runs and what tests send requests to.
#[must_use]
pub fn app(
    state: web::Data<State>,
) -> impl ServiceFactory<Request, Config = AppConfig, Response = Response<BoxBody>, Error = Error, InitError = ()> {
    let session = session_middleware(&state);
    let app = App::new().app_data(state.clone()).service(
        web::scope("")
            .wrap(from_fn(finish::finish))
            .configure(routes::service_routes)
            .service(
                web::scope("/v1")
                    .wrap(from_fn(errors::as_problems))
                    .configure(routes::refused_checks)
                    .configure(routes::api_routes)
                    .default_service(web::to(errors::no_route)),
            )
            .service(
                web::scope("")
                    .wrap(from_fn(session::note_reader))
                    .wrap(session)
                    .wrap(from_fn(session::tell_apart))
                    .wrap(from_fn(cross_site::refuse))
                    .wrap(from_fn(errors::as_pages))
                    .configure(routes::page_routes)
                    .default_service(web::to(errors::no_route)),
            ),
    );
    // Outside of `finish`: what is asked on every request of every customer sets its own few headers.
    front::FrontFactory { state, app: app.into_factory() }
}

fn session_middleware(state: &web::Data<State>) -> SessionMiddleware<session::Store> {
    let config = &state.config;
    let store = session::Store::new(state.clone());
    SessionMiddleware::builder(store, Key::from(&config.session_key))
        .cookie_name(config.session_cookie().to_owned())
        .cookie_secure(config.secure_cookies)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(PersistentSession::default().session_ttl(actix_web::cookie::time::Duration::days(30)))
        .build()
}
