//! What machines ask: is the process up, is it ready, whom to tell of a hole.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actions::AppError;
use crate::db::{SchemaState, schema_state};
use crate::web::{State, client};

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The database answers and has this program's schema, and nobody has asked the server to stop.
pub async fn readyz(req: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if state.running.is_stopping() {
        return not_ready("stopping\n");
    }
    let ready = state.run(client::origin(&req, "server"), |conn, _| schema_state(conn).map_err(AppError::Unavailable));
    match ready.await {
        Ok(SchemaState::Current) if !state.gate.is_ready() => not_ready("no lease: checks are refused\n"),
        Ok(SchemaState::Current) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"),
        Ok(SchemaState::Behind(_) | SchemaState::Newer(_)) => not_ready("schema differs\n"),
        Err(_) => not_ready("database does not answer\n"),
    }
}

fn not_ready(text: &'static str) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::RETRY_AFTER, "2"))
        .body(text)
}

/// RFC 9116; 404 until the operator gives a contact, because a false one is worse than none.
pub async fn security_txt(state: web::Data<State>) -> HttpResponse {
    match &state.config.security_txt {
        Some(text) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text.clone()),
        None => HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("not configured\n"),
    }
}

/// The front door leads to the keys.
pub async fn root() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/settings/api-keys")).finish()
}
