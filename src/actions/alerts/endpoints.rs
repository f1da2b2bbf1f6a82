//! Webhook endpoints: who may set them up, their secrets, their log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fan_out::deliver;
use super::raise::new_alert;
use super::reach::{host_of, is_same_place, parse_url};
use super::seal::Seal;
use crate::actions::keys::Once;
use crate::actions::{AppError, OrgScope};
use crate::db::alerts::deliveries::{self, Attempt, Channel, Delivery};
use crate::db::alerts::endpoints::{self as rows, Endpoint};
use crate::db::tokens::Done;
use crate::db::{self, Conn};
use crate::domain::alert::{AlertKind, Facts, OLD_SECRET_SIGNS};
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::policy;
use crate::domain::webhook::{SECRET_BYTES, WebhookSecret};

/// How many endpoints an organization may have: each gets every alert.
const ENDPOINTS_MAX: usize = 10;
/// Deliveries that the log shows.
const LOG: i64 = 50;
/// Tests that an organization may ask for within a minute: each sends something somewhere.
const ASKED_MAX: i64 = 10;

fn may_manage(scope: &OrgScope<'_>) -> Result<(), AppError> {
    policy::in_person(&scope.actor)?;
    Ok(policy::may_manage_webhooks(&scope.actor)?)
}

fn load(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<Endpoint, AppError> {
    may_manage(scope)?;
    rows::find_endpoint(scope.conn, &scope.org.id, id)?.ok_or(AppError::NotFound)
}

fn new_secret() -> Result<WebhookSecret, AppError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(WebhookSecret::new(bytes))
}

/// The organization's endpoints, the oldest first.
///
/// # Errors
/// `Denied` for those who may not see to them.
pub fn list_endpoints(scope: &mut OrgScope<'_>) -> Result<Vec<Endpoint>, AppError> {
    may_manage(scope)?;
    Ok(rows::list_endpoints(scope.conn, &scope.org.id)?)
}

/// An endpoint.
///
/// # Errors
/// `NotFound`, or `Denied` for those who may not see to them.
pub fn get_endpoint(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<Endpoint, AppError> {
    load(scope, id)
}

/// Whether alerts can be signed for an endpoint: its secret was sealed under the session key that there is now.
#[must_use]
pub fn can_sign(seal: &Seal, endpoint: &Endpoint) -> bool {
    seal.open(endpoint.id.as_str(), &endpoint.secret).is_some()
}

/// The slug of each organization with endpoints that nothing can be signed for, for the operator.
///
/// # Errors
/// The database's own failure.
pub fn list_unreadable(conn: &mut Conn, seal: &Seal) -> Result<BTreeSet<String>, AppError> {
    let mut slugs = BTreeSet::new();
    for endpoint in rows::list_all_endpoints(conn)?.iter().filter(|endpoint| !can_sign(seal, endpoint)) {
        slugs.extend(db::orgs::find_org_by_id(conn, &endpoint.org)?.map(|org| org.slug));
    }
    Ok(slugs)
}

/// What came of setting up or rotating.
#[derive(Debug)]
pub struct WithSecret {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The new secret, for one answer; nothing when an earlier request with the same form made it.
    pub secret: Option<WebhookSecret>,
}

fn done_before(scope: &mut OrgScope<'_>, once: Option<&Once>) -> Result<Option<WithSecret>, AppError> {
    let Some(once) = once else { return Ok(None) };
    let Some(done) = db::tokens::find_done(scope.conn, &once.scope, &once.token)? else { return Ok(None) };
    let endpoint = load(scope, &EndpointId(done.object_id))?;
    Ok(Some(WithSecret { endpoint, secret: None }))
}

fn note_done(scope: &mut OrgScope<'_>, once: Option<&Once>, id: &EndpointId) -> Result<(), AppError> {
    let Some(once) = once else { return Ok(()) };
    let (body_hash, created_at) = (once.body_hash.clone(), scope.now.as_micros());
    let done = Done { body_hash, object_id: id.to_string(), created_at };
    Ok(db::tokens::insert_done(scope.conn, &once.scope, &once.token, &done)?)
}

/// Sets up an endpoint. A form sent twice sets up one.
///
/// # Errors
/// Not allowed, an address that nothing is sent to, or one endpoint too many.
pub fn create_endpoint(
    scope: &mut OrgScope<'_>,
    seal: &Seal,
    (url, is_private_allowed): (&str, bool),
    once: Option<&Once>,
) -> Result<WithSecret, AppError> {
    may_manage(scope)?;
    if let Some(before) = done_before(scope, once)? {
        return Ok(before);
    }
    let refused = |text| AppError::field("url", text);
    let url = parse_url(url, is_private_allowed).map_err(refused)?;
    scope.ctx.rules.format.refuse_key(&url).map_err(refused)?;
    let there = rows::list_endpoints(scope.conn, &scope.org.id)?;
    if there.iter().any(|endpoint| is_same_place(&endpoint.url, &url)) {
        return Err(AppError::field("url", "Alerts are sent to this address already."));
    }
    if there.len() >= ENDPOINTS_MAX {
        return Err(AppError::Conflict(format!("An organization can have {ENDPOINTS_MAX} webhook endpoints.")));
    }
    let (id, secret) = (EndpointId(crate::actions::random::id("whe")?), new_secret()?);
    let endpoint = Endpoint {
        secret: seal.seal(id.as_str(), &secret)?,
        id,
        org: scope.org.id.clone(),
        url,
        old_secret: None,
        created_at: scope.now,
        created_by: scope.actor.user.clone(),
        failures: 0,
        failing_since: None,
        disabled: None,
    };
    rows::insert_endpoint(scope.conn, &endpoint)?;
    note_done(scope, once, &endpoint.id)?;
    audit(scope, "webhook.created", &endpoint, Value::Null)?;
    Ok(WithSecret { endpoint, secret: Some(secret) })
}

fn audit(scope: &mut OrgScope<'_>, action: &str, endpoint: &Endpoint, after: Value) -> Result<(), AppError> {
    let host = host_of(&endpoint.url);
    scope.audit(action, (endpoint.id.as_str(), &host), Value::Null, after)
}

/// Gives an endpoint a new secret; the one before signs too for a day, if it can be read.
///
/// # Errors
/// `NotFound`, or not allowed.
pub fn rotate_secret(
    scope: &mut OrgScope<'_>,
    seal: &Seal,
    id: &EndpointId,
    once: Option<&Once>,
) -> Result<WithSecret, AppError> {
    may_manage(scope)?;
    if let Some(before) = done_before(scope, once)? {
        return Ok(before);
    }
    let endpoint = load(scope, id)?;
    let (secret, until) = (new_secret()?, scope.now.plus(OLD_SECRET_SIGNS));
    let sealed = seal.seal(id.as_str(), &secret)?;
    let until = can_sign(seal, &endpoint).then_some(until);
    rows::update_secret(scope.conn, id, &sealed, until.map(|until| (endpoint.secret.as_str(), until)))?;
    note_done(scope, once, id)?;
    audit(scope, "webhook.secret_rotated", &endpoint, json!({"old_secret_valid_until": until}))?;
    Ok(WithSecret { endpoint: load(scope, id)?, secret: Some(secret) })
}

/// Removes an endpoint; what was still on its way there is given up.
///
/// # Errors
/// `NotFound`, or not allowed.
pub fn remove_endpoint(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<Endpoint, AppError> {
    let endpoint = load(scope, id)?;
    rows::mark_removed(scope.conn, id, scope.now)?;
    deliveries::give_up_all(scope.conn, id.as_str(), scope.now)?;
    audit(scope, "webhook.removed", &endpoint, Value::Null)?;
    Ok(endpoint)
}

/// Sends to an endpoint again that was disabled.
///
/// # Errors
/// `NotFound`, or not allowed.
pub fn enable_endpoint(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<(), AppError> {
    let endpoint = load(scope, id)?;
    if endpoint.disabled.is_some() {
        rows::mark_enabled(scope.conn, id)?;
        audit(scope, "webhook.enabled", &endpoint, Value::Null)?;
    }
    Ok(())
}

/// Sends an endpoint a test alert, whatever the switches say.
///
/// # Errors
/// `NotFound`, not allowed, disabled, or too often.
pub fn test_endpoint(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<(), AppError> {
    let endpoint = load(scope, id)?;
    refuse_disabled(&endpoint)?;
    send_test(scope, (Channel::Webhook, id.to_string()))
}

/// Sends the caller a test alert by e-mail, whatever the switches say.
///
/// # Errors
/// Too often.
pub fn test_mail(scope: &mut OrgScope<'_>) -> Result<(), AppError> {
    policy::in_person(&scope.actor)?;
    let recipient = scope.actor.user.to_string();
    send_test(scope, (Channel::Email, recipient))
}

fn send_test(scope: &mut OrgScope<'_>, to: (Channel, String)) -> Result<(), AppError> {
    not_too_often(scope)?;
    let facts = Facts { actor: Some(scope.member.user.name.clone()), ..Facts::default() };
    let (org, now) = (scope.org.id.clone(), scope.now);
    let alert = new_alert((&org, now), AlertKind::Test, Some(&scope.actor.user), (facts, None))?;
    db::alerts::insert_alert(scope.conn, &alert)?;
    // Its one recipient is known already.
    db::alerts::take_alert(scope.conn, &alert.id, now)?;
    let object = to.1.clone();
    deliver(scope.conn, &alert, to, (now, now))?;
    scope.audit("notifications.tested", (&object, ""), Value::Null, Value::Null)
}

fn not_too_often(scope: &mut OrgScope<'_>) -> Result<(), AppError> {
    let since = scope.now.minus(crate::domain::time::Span::minutes(1));
    let asked = db::alerts::count_alerts(scope.conn, &scope.org.id, AlertKind::Test, since)?;
    if asked >= ASKED_MAX {
        return Err(AppError::RateLimited { seconds: 60 });
    }
    Ok(())
}

fn refuse_disabled(endpoint: &Endpoint) -> Result<(), AppError> {
    match endpoint.disabled {
        Some(_) => Err(AppError::Conflict("Nothing is sent to this endpoint. Enable it first.".to_owned())),
        None => Ok(()),
    }
}

/// The newest deliveries to an endpoint, each with its attempts.
///
/// # Errors
/// `NotFound`, or not allowed.
pub fn delivery_log(scope: &mut OrgScope<'_>, id: &EndpointId) -> Result<Vec<(Delivery, Vec<Attempt>)>, AppError> {
    load(scope, id)?;
    let found = deliveries::list_deliveries(scope.conn, &scope.org.id, id.as_str(), LOG)?;
    let ids: Vec<DeliveryId> = found.iter().map(|delivery| delivery.id.clone()).collect();
    let attempts = deliveries::list_attempts(scope.conn, &ids)?;
    let of = |id: &DeliveryId| attempts.iter().filter(|(of, _)| of == id).map(|(_, attempt)| attempt.clone()).collect();
    Ok(found
        .into_iter()
        .map(|delivery| {
            let attempts = of(&delivery.id);
            (delivery, attempts)
        })
        .collect())
}

/// Sends a delivery once more, under the same id.
///
/// # Errors
/// `NotFound`, not allowed, or the endpoint is disabled.
pub fn redeliver(scope: &mut OrgScope<'_>, id: &EndpointId, delivery: &DeliveryId) -> Result<(), AppError> {
    let endpoint = load(scope, id)?;
    refuse_disabled(&endpoint)?;
    if !deliveries::send_again(scope.conn, &scope.org.id, id.as_str(), delivery, scope.now)? {
        return Err(AppError::NotFound);
    }
    audit(scope, "webhook.redelivered", &endpoint, json!({"delivery": delivery}))
}
