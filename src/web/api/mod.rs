//! `/v1`: JSON for programs. Who calls is told by an API key, the token of a signed-in command line or a service token, in a
//! header, never by a cookie.

pub mod auth;
pub mod auth_path;
pub mod billing;
pub mod brand;
pub mod credential;
pub mod device;
pub mod events;
mod hot;
mod json_text;
pub mod keys;
pub mod openapi;
pub mod orgs;
pub mod original;
pub mod pause;
pub mod presented;
pub mod rate_limit;
pub mod scanning;
pub mod self_revoke;
pub mod stats;
pub mod verify;
pub mod whoami;

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// A list in an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The entries of this page.
    pub data: Vec<T>,
    /// What to send as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// An object by id and name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

fn all_of<T: Serialize>(data: Vec<T>) -> HttpResponse {
    HttpResponse::Ok().json(Listing { data, next_cursor: None })
}
