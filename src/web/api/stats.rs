//! `GET /v1/keys/{id}/stats`: what a key was used for.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::credential::Acting;
use super::rate_limit::RateLimitObject;
use crate::actions::keys::{self as deeds, Point, Stats};
use crate::actions::{AppError, look_in};
use crate::domain::ids::KeyId;
use crate::domain::time::{Timestamp, parse_duration};
use crate::gate::limit::Limits;
use crate::web::{Query, State};

/// `GET /v1/keys/{id}/stats`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// How far back: `24h` (if left out), `1h`, `7d`.
    since: Option<String>,
}

/// What a key was used for.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatsObject {
    /// Requests that were let in.
    served: i64,
    /// Requests that were refused, by reason.
    #[schema(example = json!({"RATE_LIMITED": 3}))]
    refused: BTreeMap<String, i64>,
    /// The part of all requests that were refused or failed: from 0 to 1. Where the upstream reports both good and failed answers,
    /// but not of all requests that it got, those reported stand for the others.
    error_rate: f64,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    rate_limit: RateLimitObject,
    /// By the minute up to 3 hours, else by the hour, the oldest first, without gaps.
    series: Vec<PointObject>,
}

/// A minute or an hour.
#[derive(Debug, Serialize, ToSchema)]
pub struct PointObject {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    served: i64,
    refused: i64,
    /// Of those served, how many the upstream reported as failed.
    failed: i64,
}

impl From<Point> for PointObject {
    fn from(point: Point) -> Self {
        Self { at: point.at, served: point.served, refused: point.refused, failed: point.failed }
    }
}

impl StatsObject {
    fn new(stats: Stats, headroom: &Limits) -> Self {
        Self {
            served: stats.served,
            refused: stats.refused,
            error_rate: stats.error_rate,
            last_used_at: stats.last_used_at,
            rate_limit: RateLimitObject::new(headroom),
            series: stats.series.into_iter().map(PointObject::from).collect(),
        }
    }
}

/// What a key was used for, up to the last second.
///
/// # Errors
/// 401, 403 for a colleague's key, 404, 422 for a wrong length of time.
#[utoipa::path(get, path = "/v1/keys/{id}/stats", tag = "Keys", params(("id" = String, Path, description = "The eight characters that name the key"), StatsQuery), responses((status = 200, body = StatsObject)))]
pub async fn key_stats(
    state: web::Data<State>,
    id: web::Path<String>,
    query: Query<StatsQuery>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let since = query.0.since.as_deref().unwrap_or("24h");
    let since = parse_duration(since).map_err(|text| AppError::field("since", text))?;
    let (who, slug, id) = (caller.who, caller.slug, KeyId(id.into_inner()));
    let key = id.clone();
    let stats = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| deeds::key_stats(scope, &id, since))
    });
    // Only after the right to see this key was looked at.
    let stats = stats.await?;
    Ok(HttpResponse::Ok().json(StatsObject::new(stats, &state.gate.headroom(&key).await)))
}
