//! `/v1/events`: checked requests, as a list and as a stream, and what upstreams report of them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::credential::{Acting, only_service};
use super::{Listing, Named};
use crate::actions::events::{self as deeds, Event, Labels, Line, Place, Report, Wanted};
use crate::actions::{AppError, look_in};
use crate::domain::time::Timestamp;
use crate::web::streams::{self, Watch};
use crate::web::{Query, State, extract};

/// A checked request.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventObject {
    /// A number, as text: later events have greater ones.
    #[schema(example = "48213")]
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    key: Named,
    #[schema(example = "GET")]
    method: String,
    /// Without the query.
    path: String,
    /// `VALID`, or why it was refused.
    #[schema(example = "VALID")]
    outcome: String,
    /// What a refused request was answered with, or what the upstream reported of one that was let in.
    status: Option<i64>,
    /// How long the upstream took, where it reported.
    duration_ms: Option<i64>,
    address: String,
    /// What the client calls itself.
    client: String,
    request_id: String,
    /// How many requests it stands for: more than 1 where there were too many to keep each.
    weight: i64,
}

impl EventObject {
    fn new(event: &Event, labels: &Labels) -> Self {
        Self {
            id: event.seq.to_string(),
            at: event.at,
            key: Named { id: event.key.to_string(), name: labels.name(&event.key).to_owned() },
            method: event.method.clone(),
            path: event.path.clone(),
            outcome: event.outcome.clone(),
            status: event.status,
            duration_ms: event.duration_ms,
            address: event.address.clone(),
            client: event.client.clone(),
            request_id: event.request_id.clone(),
            weight: event.weight,
        }
    }
}

/// `GET /v1/events`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only of this key.
    key: Option<String>,
    /// `200`, `4xx`, or an outcome like `RATE_LIMITED`.
    status: Option<String>,
    /// `10m`, `24h`, or a moment.
    since: Option<String>,
    /// How many, 1 to 200; 50 if left out.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn wanted(key: Option<&String>, status: Option<&String>, since: Option<&String>) -> Result<Wanted, AppError> {
    let text = |field: Option<&String>| field.cloned().unwrap_or_default();
    Wanted::read(&text(key), &text(status), &text(since)).map_err(AppError::Invalid)
}

/// The checked requests of the keys that the caller may see, the newest first.
///
/// # Errors
/// 401, 403 for a colleague's key, 404, 422 for a wrong parameter.
#[utoipa::path(get, path = "/v1/events", tag = "Events", params(EventsQuery), responses((status = 200, body = Listing<EventObject>)))]
pub async fn list_events(
    state: web::Data<State>,
    query: Query<EventsQuery>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let query = query.0;
    let limit = super::keys::read_limit(query.limit.as_deref().unwrap_or("50"))?;
    let wrong = || AppError::field("cursor", "This is not a cursor that a list gave.");
    let place = match &query.cursor {
        None => Place::Newest,
        Some(text) => Place::Before(text.parse().map_err(|_| wrong())?),
    };
    let wanted = wanted(query.key.as_ref(), query.status.as_ref(), query.since.as_ref())?;
    let (who, slug) = (caller.who, caller.slug);
    let list = state.run(caller.origin, move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| deeds::list_events(scope, &wanted, place, limit + 1))
    });
    let mut page = list.await?;
    let has_more = page.events.len() > limit as usize;
    page.events.truncate(limit as usize);
    let next_cursor = page.events.last().filter(|_| has_more).map(|event| event.seq.to_string());
    let data = page.events.iter().map(|event| EventObject::new(event, &page.labels)).collect();
    Ok(HttpResponse::Ok().json(Listing { data, next_cursor }))
}

/// `GET /v1/events/stream`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Only of this key.
    key: Option<String>,
    /// `200`, `4xx`, or an outcome like `RATE_LIMITED`.
    status: Option<String>,
    /// Where to begin when there is nothing to go on from: `10m`, `24h`, or a moment. Now, if left out.
    since: Option<String>,
    /// Where to go on, for clients that cannot send `Last-Event-ID`.
    last_event_id: Option<String>,
}

fn draw(_: &Watch, line: &Line, labels: &Labels, _: Timestamp) -> Result<String, AppError> {
    let event = EventObject::new(&line.event, labels);
    serde_json::to_string(&event).map_err(|error| AppError::Internal(anyhow::Error::new(error)))
}

/// The checked requests of the keys that the caller may see, as they come: Server-Sent Events. `event: check` for each, and
/// `event: outcome` with the same object again once the upstream has reported. Whoever connects again with the last `id` as
/// `Last-Event-ID` misses none and sees none twice; without it, the stream begins at `since`, or now. A comment every 15 seconds.
///
/// # Errors
/// 401, 403 for a colleague's key, 404, 422 for a wrong parameter, 429 with too many streams.
#[utoipa::path(
    get, path = "/v1/events/stream", tag = "Events",
    params(StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last `id` that was received")),
    responses((status = 200, body = EventObject, content_type = "text/event-stream")),
)]
pub async fn stream_events(
    req: HttpRequest,
    state: web::Data<State>,
    query: Query<StreamQuery>,
    caller: Acting,
) -> Result<HttpResponse, AppError> {
    let query = query.0;
    let from = streams::last_event_id(&req, query.last_event_id.as_deref())?;
    let wanted = wanted(query.key.as_ref(), query.status.as_ref(), query.since.as_ref())?;
    let (who, slug) = (caller.who, caller.slug);
    streams::respond(&req, Watch { state, who, slug, origin: caller.origin, wanted, draw }, from).await
}

/// What an upstream says of a request that was let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// The `X-Request-Id` that `/v1/auth` answered with, or the `request_id` that `/v1/keys/verify` did.
    #[schema(max_length = 64)]
    request_id: String,
    /// What the request was answered with.
    #[schema(minimum = 100, maximum = 599, example = 200)]
    status: i64,
    /// How long that took.
    #[schema(minimum = 0, maximum = 86_400_000)]
    duration_ms: Option<i64>,
}

/// How many reports were taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    accepted: usize,
}

/// Reports at once at most.
const REPORTS_MAX: usize = 1000;
/// The largest body, in bytes: so many reports with long ids and with spaces.
const REPORTS_BYTES_MAX: usize = 256 * 1024;

fn read_report(body: ReportBody) -> Result<Report, AppError> {
    let ReportBody { request_id, status, duration_ms } = body;
    if request_id.is_empty() || request_id.len() > 64 {
        return Err(AppError::field("request_id", "A request id has 1 to 64 characters."));
    }
    if !(100..=599).contains(&status) {
        return Err(AppError::field("status", "A status is a number from 100 to 599."));
    }
    if !duration_ms.is_none_or(|duration| (0..=86_400_000).contains(&duration)) {
        return Err(AppError::field("duration_ms", "A duration is a number of milliseconds, a day at most."));
    }
    Ok(Report { request_id, status, duration_ms })
}

/// Takes in how requests that were let in ended. Only the first report of a request counts. Reports wait some seconds for
/// their request to be stored; one that stands for others was the only one stored of them, so theirs are dropped.
/// `accepted` is less than was sent only when far too many wait already.
///
/// # Errors
/// 401, 403 without a service token, 422.
#[utoipa::path(post, path = "/v1/events", tag = "Events", request_body = Vec<ReportBody>, responses((status = 202, body = Accepted)))]
pub async fn report_outcomes(
    req: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    only_service(&req, &state).await?;
    let bytes = extract::json_bytes_up_to(req.head(), payload.into_inner(), REPORTS_BYTES_MAX).await?;
    let bodies: Vec<ReportBody> = extract::json_from(&bytes)?;
    if !(1..=REPORTS_MAX).contains(&bodies.len()) {
        return Err(AppError::field("body", format!("Send 1 to {REPORTS_MAX} reports at once.")));
    }
    let reports = bodies.into_iter().map(read_report).collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Accepted().json(Accepted { accepted: state.gate.report(reports) }))
}
