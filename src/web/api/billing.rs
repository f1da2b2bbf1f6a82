//! `POST /v1/billing/stripe`: events of Stripe, or of whatever signs as it does, which set the plans of organizations.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actions::AppError;
use crate::actions::plans as deeds;
use crate::domain::billing::reference::References;
use crate::domain::billing::{check_signature, read_event};
use crate::web::{State, client, extract};

/// The largest event that is read; theirs are far smaller.
const BYTES_MAX: usize = 256 * 1024;

/// What came of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivedObject {
    /// Always true.
    received: bool,
    /// `plan_changed`, `no_change`, `waiting_for_organization` or `handled_before`.
    #[schema(example = "plan_changed")]
    outcome: &'static str,
}

/// An event of billing. 404 unless the operator set `billing.webhook_secret`.
///
/// # Errors
/// 400 for a signature that is missing, wrong or older than five minutes, and for what is no event.
#[utoipa::path(
    post, path = "/v1/billing/stripe", tag = "Billing",
    params(("Stripe-Signature" = String, Header, description = "`t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`")),
    request_body(content = serde_json::Value, description = "An event, as Stripe sends it"),
    responses((status = 200, body = ReceivedObject, description = "Taken, now or before; events that concern no plan too")),
)]
pub async fn stripe(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, AppError> {
    let secrets = &state.config.billing_secrets;
    if secrets.is_empty() {
        return Err(AppError::NotFound);
    }
    let body = extract::json_bytes_up_to(req.head(), payload.into_inner(), BYTES_MAX).await?;
    let mut headers = req.headers().get_all("stripe-signature").filter_map(|value| value.to_str().ok());
    let header = match (headers.next(), headers.next()) {
        (Some(header), None) => header,
        _ => "",
    };
    check_signature(header, &body, secrets.iter().map(String::as_str), state.clock.now())
        .map_err(|bad| AppError::BadRequest(bad.to_string()))?;
    let event = read_event(&body).map_err(AppError::BadRequest)?;
    let origin = client::origin(&req, "billing");
    let references = References::from_session_key(&state.config.session_key);
    let taken = state.run(origin, move |conn, ctx| deeds::take_event(conn, ctx, &references, &event)).await?;
    Ok(HttpResponse::Ok().json(ReceivedObject { received: true, outcome: taken.as_str() }))
}
