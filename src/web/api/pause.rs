//! `/v1/keys/{id}/pause` and `/resume`.

use actix_web::{HttpResponse, web};

use super::credential::Acting;
use super::keys::KeyObject;
use crate::actions::keys as deeds;
use crate::actions::{AppError, act_in};
use crate::domain::ids::KeyId;
use crate::web::State;

/// Refuses requests with a key until it is resumed. Pausing it again answers the same and changes nothing.
///
/// # Errors
/// 401, 403, 404, 409.
#[utoipa::path(post, path = "/v1/keys/{id}/pause", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), responses((status = 200, body = KeyObject)))]
pub async fn pause_key(
    state: web::Data<State>,
    id: web::Path<String>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let pause = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| Ok((deeds::pause_key(scope, &id)?.0, scope.now)))
    });
    let (view, now) = pause.await?;
    Ok(HttpResponse::Ok().json(KeyObject::new(view, now)))
}

/// Lets requests with a paused key in again. Resuming one that is not paused changes nothing.
///
/// # Errors
/// 401, 403, 404, 409.
#[utoipa::path(post, path = "/v1/keys/{id}/resume", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), responses((status = 200, body = KeyObject)))]
pub async fn resume_key(
    state: web::Data<State>,
    id: web::Path<String>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let resume = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| Ok((deeds::resume_key(scope, &id)?.0, scope.now)))
    });
    let (view, now) = resume.await?;
    Ok(HttpResponse::Ok().json(KeyObject::new(view, now)))
}
