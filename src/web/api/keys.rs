//! `/v1/keys`: the deeds on keys, as JSON.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::credential::Acting;
use super::{Listing, Named};
use crate::actions::keys::{self as deeds, Created, KeyFilter, KeyView, NewKey, Once, RevokeInput};
use crate::actions::{AppError, act_in, look_in};
use crate::domain::ids::{KeyId, ProfileId};
use crate::domain::key::Grace;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;
use crate::web::{Json, Query, State};

/// A key in an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyObject {
    #[schema(example = "BRTRKFsL")]
    id: String,
    name: String,
    note: String,
    /// What may be shown of the key; never the secret.
    #[schema(example = "kr_BRTRK••••••••")]
    preview: String,
    #[schema(example = "live")]
    environment: String,
    profile: Named,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The person it acts as.
    created_by: Named,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// `active`, `rotating`, `expired`, `revoked` or `paused`.
    #[schema(example = "active")]
    status: &'static str,
    /// Whether it may travel in a URL, where the operator allows that for an endpoint.
    url_allowed: bool,
    /// While two secrets work.
    rotation: Option<RotationObject>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    revoke_reason: Option<String>,
}

/// A rotation that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotationObject {
    previous_last4: String,
    current_last4: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_valid_until: Option<Timestamp>,
}

impl KeyObject {
    pub(super) fn new(view: KeyView, now: Timestamp) -> Self {
        let rotation = view.key.secret_in_grace(now).map(|old| RotationObject {
            previous_last4: old.last4.clone(),
            current_last4: view.key.current.last4.clone(),
            previous_valid_until: old.valid_until,
        });
        let rotation = rotation.filter(|_| view.key.revoked.is_none());
        Self {
            id: view.key.id.to_string(),
            name: view.key.name,
            note: view.key.note,
            preview: view.preview,
            environment: view.key.environment,
            profile: Named { id: view.key.profile.to_string(), name: view.profile_name },
            created_at: view.key.created_at,
            created_by: Named { id: view.key.owner.to_string(), name: view.owner_name },
            last_used_at: view.key.last_use.map(|used| used.at),
            expires_at: view.key.expires_at,
            status: view.status.as_str(),
            url_allowed: view.key.url_allowed,
            rotation,
            revoked_at: view.key.revoked.as_ref().map(|revoked| revoked.at),
            revoke_reason: view.key.revoked.map(|revoked| revoked.reason).filter(|reason| !reason.is_empty()),
        }
    }
}

/// A new key with its plain text, in the one answer that holds it. Not `Debug`, on purpose.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    #[serde(flatten)]
    key: KeyObject,
    /// The whole key, shown once; null in a replay.
    secret: Option<String>,
}

/// A key with its new plain text, in the one answer that holds it. Not `Debug`, on purpose.
#[derive(Serialize, ToSchema)]
pub struct RotatedKey {
    #[serde(flatten)]
    key: KeyObject,
    /// The whole key with its new secret, shown once.
    secret: Option<String>,
    /// Until when the old secret works too; null when it ended at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_valid_until: Option<Timestamp>,
}

/// `GET /v1/keys`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only keys bound to this profile.
    profile: Option<String>,
    /// `true` or `1`: revoked and expired keys too.
    all: Option<String>,
    /// Words of the name, or the start of the id.
    q: Option<String>,
    /// How many, 1 to 200; 50 if left out.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

const LIMIT_MAX: i64 = 200;

pub(super) fn read_limit(text: &str) -> Result<i64, AppError> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| AppError::field("limit", format!("limit is a number from 1 to {LIMIT_MAX}.")))
}

fn read_cursor(text: &str) -> Result<(Timestamp, KeyId), AppError> {
    let read = || {
        let (micros, id) = text.split_once('-')?;
        Some((Timestamp::from_micros(micros.parse().ok()?), KeyId(id.to_owned())))
    };
    read().ok_or_else(|| AppError::field("cursor", "This is not a cursor that a list gave."))
}

/// The keys that the caller may see, the newest first.
///
/// # Errors
/// 401, or 422 for a wrong parameter.
#[utoipa::path(get, path = "/v1/keys", tag = "Keys", params(ListQuery), responses((status = 200, body = Listing<KeyObject>)))]
pub async fn list_keys(
    state: web::Data<State>,
    query: Query<ListQuery>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let query = query.0;
    let limit = read_limit(query.limit.as_deref().unwrap_or("50"))?;
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let filter = KeyFilter {
        text: query.q,
        profile: query.profile.map(ProfileId),
        with_ended: query.all.is_some_and(|all| matches!(all.as_str(), "1" | "true")),
        ..KeyFilter::default()
    };
    let (who, slug) = (caller.who, caller.slug);
    let list = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| {
            Ok((deeds::list_keys_after(scope, filter, after, limit + 1)?, scope.now))
        })
    });
    let (mut keys, now) = list.await?;
    let has_more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let last = keys.last().filter(|_| has_more);
    let next_cursor = last.map(|view| format!("{}-{}", view.key.created_at.as_micros(), view.key.id));
    let data = keys.into_iter().map(|view| KeyObject::new(view, now)).collect();
    Ok(HttpResponse::Ok().json(Listing { data, next_cursor }))
}

/// `POST /v1/keys`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    #[schema(example = "CI/CD pipeline", max_length = 60)]
    name: String,
    profile: Option<String>,
    environment: Option<String>,
    /// A moment, or a length of time like `90d`, or `never`; the operator's default if left out.
    #[schema(example = "2027-02-19T12:00:00Z")]
    expires_at: Option<String>,
    note: Option<String>,
    /// Whether it may travel in a URL; only where the operator allows that for an endpoint.
    url_allowed: Option<bool>,
}

/// Reads `Idempotency-Key: "…"`: a structured-field string of 1 to 255 printable characters; quotes may be left out.
fn read_idempotency_key(req: &HttpRequest) -> Result<Option<String>, AppError> {
    let mut values = req.headers().get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_good = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if values.next().is_some() || !is_good {
        return Err(AppError::BadRequest("Idempotency-Key is one string of up to 255 visible characters.".to_owned()));
    }
    Ok(Some(text.to_owned()))
}

/// Creates a key. Its plain text stands in this answer only; a replay by `Idempotency-Key` has `"secret": null`.
///
/// # Errors
/// 401, 403, 409, 422 or 429 as the rules say.
#[utoipa::path(
    post, path = "/v1/keys", tag = "Keys", request_body = CreateBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "A string of your own; sent again, nothing is created twice")),
    responses(
        (status = 201, body = CreatedKey),
        (status = 200, body = CreatedKey, description = "A replay: created before, `secret` is null"),
    ),
)]
pub async fn create_key(
    req: HttpRequest,
    state: web::Data<State>,
    caller: Acting,
    body: Json<CreateBody>,
) -> Result<HttpResponse, AppError> {
    let Json(body, bytes) = body;
    let once = read_idempotency_key(&req)?.map(|token| Once {
        scope: format!("POST /v1/keys by {}", caller.words()),
        token,
        body_hash: SecretHash::of(&String::from_utf8_lossy(&bytes)).to_hex(),
    });
    let new = NewKey {
        name: body.name,
        profile: body.profile,
        environment: body.environment,
        expires: body.expires_at,
        note: body.note.unwrap_or_default(),
        url_allowed: body.url_allowed.unwrap_or_default(),
    };
    let (who, slug) = (caller.who, caller.slug);
    let create = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| Ok((deeds::create_key(scope, &new, once.as_ref())?, scope.now)))
    });
    Ok(match create.await? {
        (Created::New(view, secret), now) => HttpResponse::Created()
            .json(CreatedKey { key: KeyObject::new(*view, now), secret: Some(secret.reveal().to_owned()) }),
        (Created::Before(view), now) => HttpResponse::Ok()
            .insert_header(("Idempotency-Replayed", "true"))
            .json(CreatedKey { key: KeyObject::new(*view, now), secret: None }),
    })
}

/// One key.
///
/// # Errors
/// 401, 403 for a colleague's key, 404.
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), responses((status = 200, body = KeyObject)))]
pub async fn get_key(state: web::Data<State>, id: web::Path<String>, caller: Acting) -> Result<HttpResponse, AppError> {
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let get = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| Ok((deeds::get_key(scope, &id)?, scope.now)))
    });
    let (view, now) = get.await?;
    Ok(HttpResponse::Ok().json(KeyObject::new(view, now)))
}

/// `PATCH /v1/keys/{id}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    name: Option<String>,
    note: Option<String>,
}

/// Changes name or note.
///
/// # Errors
/// 401, 403, 404, 422.
#[utoipa::path(patch, path = "/v1/keys/{id}", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), request_body = EditBody, responses((status = 200, body = KeyObject)))]
pub async fn edit_key(
    state: web::Data<State>,
    id: web::Path<String>,
    caller: Acting,
    body: Json<EditBody>,
) -> Result<HttpResponse, AppError> {
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let edit = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| {
            let view = deeds::edit_key(scope, &id, body.0.name.as_deref(), body.0.note.as_deref())?;
            Ok((view, scope.now))
        })
    });
    let (view, now) = edit.await?;
    Ok(HttpResponse::Ok().json(KeyObject::new(view, now)))
}

/// `POST /v1/keys/{id}/rotate`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateBody {
    /// How long the old secret works: `24h` (if left out), `1h`, `7d` or `now`.
    #[schema(example = "24h")]
    grace: Option<String>,
}

/// Gives a key a new secret.
///
/// # Errors
/// 401, 403, 404, 409, 422.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), request_body = RotateBody, responses((status = 200, body = RotatedKey)))]
pub async fn rotate_key(
    state: web::Data<State>,
    id: web::Path<String>,
    caller: Acting,
    body: Json<RotateBody>,
) -> Result<HttpResponse, AppError> {
    let grace =
        Grace::parse(body.0.grace.as_deref().unwrap_or("24h")).map_err(|text| AppError::field("grace", text))?;
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let rotate = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| Ok((deeds::rotate_key(scope, &id, grace, None)?, scope.now)))
    });
    let (rotated, now) = rotate.await?;
    let secret = rotated.secret.map(|secret| secret.reveal().to_owned());
    Ok(HttpResponse::Ok().json(RotatedKey {
        key: KeyObject::new(rotated.view, now),
        secret,
        previous_valid_until: rotated.previous_valid_until,
    }))
}

/// `POST /v1/keys/{id}/revoke`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    reason: Option<String>,
}

/// Revokes a key. Revoking it again answers the same and changes nothing.
///
/// # Errors
/// 401, 403, 404, 422.
#[utoipa::path(post, path = "/v1/keys/{id}/revoke", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key")), request_body = RevokeBody, responses((status = 200, body = KeyObject)))]
pub async fn revoke_key(
    state: web::Data<State>,
    id: web::Path<String>,
    caller: Acting,
    body: Json<RevokeBody>,
) -> Result<HttpResponse, AppError> {
    let input = RevokeInput { confirm_name: None, reason: body.0.reason.unwrap_or_default() };
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let revoke = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| Ok((deeds::revoke_key(scope, &id, &input)?.0, scope.now)))
    });
    let (view, now) = revoke.await?;
    Ok(HttpResponse::Ok().json(KeyObject::new(view, now)))
}
