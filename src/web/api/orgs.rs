//! `GET /v1/orgs`, `/v1/profiles`, `/v1/members`: what a key sees of its organization.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::credential::KeyCaller;
use super::whoami::NoParameters;
use super::{Listing, all_of};
use crate::actions::{AppError, keys, look_in};
use crate::domain::org::Role;
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::web::{Query, State};

/// An organization, with the caller's role in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrgEntry {
    id: String,
    slug: String,
    name: String,
    plan: String,
    #[schema(example = "builder")]
    role: Option<&'static str>,
}

/// A profile: what keys are bound to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileEntry {
    id: String,
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A member of the organization.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberEntry {
    id: String,
    email: String,
    name: String,
    #[schema(example = "owner")]
    role: &'static str,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
}

/// The organization that the key belongs to; a key sees no other.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/orgs", tag = "Organization", responses((status = 200, body = Listing<OrgEntry>)))]
pub async fn list_orgs(_: Query<NoParameters>, caller: KeyCaller) -> Result<HttpResponse, AppError> {
    let (org, role) = (caller.pass.org, caller.pass.role.map(Role::as_str));
    Ok(all_of(vec![OrgEntry {
        id: org.id.to_string(),
        slug: org.slug.clone(),
        name: org.name.clone(),
        plan: org.plan.clone(),
        role,
    }]))
}

/// The profiles of the key's organization.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/profiles", tag = "Organization", responses((status = 200, body = Listing<ProfileEntry>)))]
pub async fn list_profiles(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: KeyCaller,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who(), caller.pass.org.slug.clone());
    let list = state.run(caller.origin, move |conn, ctx| look_in(conn, ctx, &who, &slug, keys::profiles));
    let rows = list.await?.into_iter();
    let entries = rows.map(|row| ProfileEntry { id: row.id.0, name: row.name, created_at: row.created_at });
    Ok(all_of(entries.collect()))
}

/// The members of the key's organization.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/members", tag = "Organization", responses((status = 200, body = Listing<MemberEntry>)))]
pub async fn list_members(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: KeyCaller,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who(), caller.pass.org.slug.clone());
    let list = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| {
            policy::may_see_members(&scope.actor)?;
            keys::members(scope)
        })
    });
    let entries = list.await?.into_iter().map(|row| MemberEntry {
        id: row.user.id.0,
        email: row.user.email,
        name: row.user.name,
        role: row.role.as_str(),
        joined_at: row.joined_at,
    });
    Ok(all_of(entries.collect()))
}
