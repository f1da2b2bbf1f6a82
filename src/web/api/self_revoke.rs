//! `POST /v1/keys/self/revoke`: whoever holds a key can end it, whatever the key may do otherwise.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential;
use crate::actions::leaks::{self as deeds, GivenUp};
use crate::actions::{AppError, Who, act_in};
use crate::domain::ids::KeyId;
use crate::web::{State, extract};

/// `POST /v1/keys/self/revoke`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelfRevokeBody {
    /// Why, up to 200 characters.
    reason: Option<String>,
}

/// What was given up.
#[derive(Debug, Serialize, ToSchema)]
pub struct SelfRevokedObject {
    /// The key's id.
    #[schema(example = "BRTRKFsL")]
    id: String,
    /// `key`; or `old_secret` where the old secret of a rotation was sent: then only that has ended.
    #[schema(example = "key")]
    revoked: &'static str,
}

/// Revokes the key that the request is sent with. The rule that keys do not manage keys is not asked: to whoever found a
/// key this is the one thing to do with it. When the answer comes, no node takes the key any more.
///
/// # Errors
/// The same 401 for whatever is not a key that works now, service tokens included; 422 for a reason that does not fit.
#[utoipa::path(
    post, path = "/v1/keys/self/revoke", tag = "Leaks", request_body = SelfRevokeBody,
    responses((status = 200, body = SelfRevokedObject)),
)]
pub async fn revoke_self(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, AppError> {
    // Before the body is read: who holds no key learns nothing of what is wrong with it.
    let holder = credential::holder(&req).await?;
    let bytes = extract::json_bytes(req.head(), payload.into_inner()).await?;
    let body: SelfRevokeBody = extract::json_from(&bytes)?;
    let (slug, id) = (holder.pass.org.slug.clone(), KeyId(holder.pass.key_id().to_owned()));
    let (who, key, reason) = (Who::Key { id: id.clone() }, id.clone(), body.reason.unwrap_or_default());
    let hash = holder.hash;
    let revoke = state.run(holder.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| deeds::revoke_self(scope, &key, &hash, &reason))
    });
    let revoked = match revoke.await {
        Ok(GivenUp::Key) => "key",
        Ok(GivenUp::OldSecret) => "old_secret",
        // Its owner left or was shut out meanwhile.
        Err(AppError::NotFound) => return Err(AppError::SignIn),
        Err(error) => return Err(error),
    };
    Ok(HttpResponse::Ok().json(SelfRevokedObject { id: id.to_string(), revoked }))
}
