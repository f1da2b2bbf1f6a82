//! `/v1/orgs`, `/v1/profiles`, `/v1/members`: what a key sees of its organization, and a person of theirs.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::Acting;
use super::whoami::NoParameters;
use super::{Listing, all_of};
use crate::actions::people::{self, list_reachable_orgs};
use crate::actions::{AppError, act_in, keys, look_in};
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::web::{Json, Query, State};

/// An organization, with the caller's role in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrgEntry {
    id: String,
    slug: String,
    name: String,
    plan: String,
    #[schema(example = "builder")]
    role: &'static str,
    active_keys: ActiveKeys,
}

/// How much of the plan's limit on active keys is used up.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActiveKeys {
    #[schema(example = 3)]
    count: u32,
    /// How many the plan allows; null when there is no limit.
    #[schema(example = 5)]
    max: Option<u32>,
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

/// The organization that the key belongs to, which sees no other; all organizations of a person, by name.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/orgs", tag = "Organization", responses((status = 200, body = Listing<OrgEntry>)))]
pub async fn list_orgs(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who, caller.slug);
    let list = state.run(caller.origin, move |conn, ctx| list_reachable_orgs(conn, ctx, &who, &slug));
    let entries = list.await?.into_iter().map(|entry| OrgEntry {
        id: entry.org.id.0,
        slug: entry.org.slug,
        name: entry.org.name,
        plan: entry.org.plan,
        role: entry.role.as_str(),
        active_keys: ActiveKeys { count: entry.active_keys, max: entry.active_keys_max },
    });
    Ok(all_of(entries.collect()))
}

/// The profiles of the organization, the oldest first.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/profiles", tag = "Organization", responses((status = 200, body = Listing<ProfileEntry>)))]
pub async fn list_profiles(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who, caller.slug);
    let list = state.run(caller.origin, move |conn, ctx| look_in(conn, ctx, &who, &slug, keys::profiles));
    let rows = list.await?.into_iter();
    let entries = rows.map(|row| ProfileEntry { id: row.id.0, name: row.name, created_at: row.created_at });
    Ok(all_of(entries.collect()))
}

/// `POST /v1/profiles`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileBody {
    #[schema(example = "Staging", max_length = 60)]
    name: String,
}

/// Adds a profile. Owners and admins may; a key of theirs only where keys may manage keys.
///
/// # Errors
/// 401, 403, 409 for one profile too many, 422.
#[utoipa::path(post, path = "/v1/profiles", tag = "Organization", request_body = ProfileBody, responses((status = 201, body = ProfileEntry)))]
pub async fn create_profile(
    state: web::Data<State>,
    caller: Acting,
    body: Json<ProfileBody>,
) -> Result<HttpResponse, AppError> {
    let (who, slug, name) = (caller.who, caller.slug, body.0.name);
    let create = state.run(caller.origin, move |conn, ctx| {
        act_in(conn, ctx, &who, &slug, |scope| people::create_profile(scope, &name, None))
    });
    let made = create.await?;
    Ok(HttpResponse::Created().json(ProfileEntry { id: made.id.0, name: made.name, created_at: made.created_at }))
}

/// The members of the organization.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/members", tag = "Organization", responses((status = 200, body = Listing<MemberEntry>)))]
pub async fn list_members(
    state: web::Data<State>,
    _: Query<NoParameters>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let (who, slug) = (caller.who, caller.slug);
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
