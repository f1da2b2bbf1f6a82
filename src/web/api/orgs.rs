//! `GET /v1/orgs`, `/v1/profiles`, `/v1/members`: what a key sees of its organization.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::all_of;
use super::credential::KeyCaller;
use super::whoami::NoParameters;
use crate::actions::{AppError, keys, look_in};
use crate::domain::policy;
use crate::web::{Query, State};

/// The organization that the key belongs to; a key sees no other.
///
/// # Errors
/// The one public 401.
pub async fn list_orgs(_: Query<NoParameters>, caller: KeyCaller) -> Result<HttpResponse, AppError> {
    let (org, role) = (&caller.checked.org, caller.checked.role);
    Ok(all_of(vec![json!({
        "id": org.id, "slug": org.slug, "name": org.name, "plan": org.plan, "role": role,
    })]))
}

/// The profiles of the key's organization.
///
/// # Errors
/// The one public 401.
pub async fn list_profiles(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: KeyCaller,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who(), caller.checked.org.slug);
    let list = state.run(caller.origin, move |conn, ctx| look_in(conn, ctx, &who, &slug, keys::profiles));
    let rows = list.await?.into_iter();
    Ok(all_of(rows.map(|row| json!({"id": row.id, "name": row.name, "created_at": row.created_at})).collect()))
}

/// The members of the key's organization.
///
/// # Errors
/// The one public 401.
pub async fn list_members(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: KeyCaller,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who(), caller.checked.org.slug);
    let list = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| {
            policy::may_see_members(&scope.actor)?;
            keys::members(scope)
        })
    });
    let rows = list.await?.into_iter().map(|row| {
        json!({
            "id": row.user.id, "email": row.user.email, "name": row.user.name, "role": row.role,
            "joined_at": row.joined_at,
        })
    });
    Ok(all_of(rows.collect()))
}
