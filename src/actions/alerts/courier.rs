//! What whoever sends alerts needs to know and to note: taking what is due, and what came of it.

use super::raise::raise_in;
use super::reach::host_of;
use super::seal::Seal;
use crate::actions::{AppError, Ctx, random, server_audit};
use crate::db::alerts::claim;
use crate::db::alerts::deliveries::{self, Attempt, Channel, Delivery, Next};
use crate::db::alerts::endpoints::{self as rows, Endpoint};
use crate::db::alerts::sweeps;
use crate::db::{self, Conn};
use crate::domain::alert::{AlertKind, Facts, is_given_up, wait_after};
use crate::domain::ids::EndpointId;
use crate::domain::org::{Member, Org};
use crate::domain::time::{Span, Timestamp};
use crate::domain::webhook::{WebhookSecret, payload, signatures};

/// How long a sender has for a webhook; another takes it up then.
pub const WEBHOOK_LEASE: Span = Span::seconds(30);
/// How long a sender has for an e-mail, which takes many steps.
pub const MAIL_LEASE: Span = Span::seconds(120);
/// Whoever fails lets the rest of what waits for it wait too, but no longer than this.
const OTHERS_WAIT_MAX: Span = Span::minutes(1);

/// A webhook to be sent.
#[derive(Debug)]
pub struct Hook {
    /// The delivery.
    pub delivery: Delivery,
    /// Who has taken it.
    pub lease: String,
    /// Where to, what, and signed how; or why it cannot be sent at all.
    pub request: Result<HookRequest, String>,
}

/// What goes over the wire.
#[derive(Debug)]
pub struct HookRequest {
    /// Where to.
    pub url: String,
    /// The JSON.
    pub body: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
}

/// Takes the webhook that is due the longest.
///
/// # Errors
/// The database's own failure.
pub fn take_hook(conn: &mut Conn, ctx: Ctx<'_>, seal: &Seal) -> Result<Option<Hook>, AppError> {
    let (lease, now) = (random::id("lse")?, db::now(conn, ctx.clock)?);
    if !claim::is_any_due(conn, Channel::Webhook, now)? {
        return Ok(None);
    }
    let taken =
        db::write(conn, |conn| claim::claim_delivery(conn, Channel::Webhook, &lease, now.plus(WEBHOOK_LEASE), now))?;
    let Some(delivery) = taken else { return Ok(None) };
    let request = prepare(conn, seal, &delivery, now)?;
    Ok(Some(Hook { delivery, lease, request }))
}

fn prepare(
    conn: &mut Conn,
    seal: &Seal,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Result<HookRequest, String>, AppError> {
    let id = EndpointId(delivery.recipient.clone());
    let endpoint = rows::find_endpoint(conn, &delivery.alert.org, &id)?;
    let Some(endpoint) = endpoint else { return Ok(Err("The endpoint was removed".to_owned())) };
    if endpoint.disabled.is_some() {
        return Ok(Err("The endpoint is disabled".to_owned()));
    }
    let Some(org) = db::orgs::find_org_by_id(conn, &endpoint.org)? else {
        return Ok(Err("The organization is gone".to_owned()));
    };
    let Some(secrets) = secrets_of(seal, &endpoint, now) else {
        return Ok(Err("Its secret can't be read: get a new one".to_owned()));
    };
    let (body, timestamp) = (payload(&delivery.alert, &org), now.as_micros() / 1_000_000);
    let signature = signatures(&secrets, delivery.id.as_str(), timestamp, &body);
    Ok(Ok(HookRequest { url: endpoint.url, body, timestamp, signature }))
}

/// The current secret, and the one before while it still signs.
fn secrets_of(seal: &Seal, endpoint: &Endpoint, now: Timestamp) -> Option<Vec<WebhookSecret>> {
    let open = |sealed: &str| seal.open(endpoint.id.as_str(), sealed);
    let mut secrets = vec![open(&endpoint.secret)?];
    let old = endpoint.old_secret.as_ref().filter(|(_, until)| now < *until);
    secrets.extend(old.and_then(|(sealed, _)| open(sealed)));
    Some(secrets)
}

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the receiver answered, if anything.
    pub status: Option<u16>,
    /// In a few words, for the log.
    pub words: String,
    /// Whether it arrived.
    pub arrived: bool,
    /// Whether it makes no sense to try again.
    pub is_final: bool,
    /// How long it took.
    pub duration_ms: i64,
}

impl Outcome {
    fn attempt(&self, at: Timestamp) -> Attempt {
        Attempt { at, status: self.status, duration_ms: self.duration_ms, outcome: self.words.clone() }
    }

    fn next(&self, delivery: &Delivery, now: Timestamp) -> Result<Next, AppError> {
        if self.arrived {
            return Ok(Next::Sent);
        }
        let wait = wait_after(delivery.attempts + 1, random::number()?).filter(|_| !self.is_final);
        Ok(wait.map_or(Next::Failed, |wait| Next::Again(now.plus(wait))))
    }
}

/// Notes what came of sending a webhook. An endpoint that fails for days, or says that it is gone, is disabled.
///
/// # Errors
/// The database's own failure; it is sent again then, under the same id.
pub fn note_hook(conn: &mut Conn, ctx: Ctx<'_>, hook: &Hook, outcome: &Outcome) -> Result<(), AppError> {
    db::write(conn, |conn| {
        let (delivery, now) = (&hook.delivery, db::now(conn, ctx.clock)?);
        let next = outcome.next(delivery, now)?;
        let id = EndpointId(delivery.recipient.clone());
        // Before its deliveries, as every deed on it does: two that go the other way round would wait for each other.
        rows::lock_endpoint(conn, &id)?;
        if !deliveries::finish_attempt(conn, &delivery.id, &hook.lease, &outcome.attempt(now), next)? {
            return Ok(());
        }
        if outcome.arrived {
            rows::mark_working(conn, &id)?;
            return Ok(());
        }
        let Some(endpoint) = rows::find_endpoint(conn, &delivery.alert.org, &id)? else { return Ok(()) };
        let (failures, since) = rows::mark_failing(conn, &id, now)?;
        if outcome.status == Some(410) {
            return disable(conn, ctx, &endpoint, "It answered 410 Gone", now);
        }
        if is_given_up(failures, since, now) {
            return disable(conn, ctx, &endpoint, "It failed for three days", now);
        }
        if let Next::Again(at) = next {
            deliveries::postpone_others(conn, id.as_str(), at.min(now.plus(OTHERS_WAIT_MAX)))?;
        }
        Ok(())
    })
}

fn disable(conn: &mut Conn, ctx: Ctx<'_>, endpoint: &Endpoint, reason: &str, now: Timestamp) -> Result<(), AppError> {
    if !rows::mark_disabled(conn, &endpoint.id, reason, now)? {
        return Ok(());
    }
    deliveries::give_up_all(conn, endpoint.id.as_str(), now)?;
    let host = host_of(&endpoint.url);
    let object = (endpoint.id.as_str(), host.as_str());
    let after = serde_json::json!({"reason": reason});
    server_audit(conn, &ctx, endpoint.org.as_str(), "webhook.disabled", object, (serde_json::Value::Null, after), now)?;
    let facts = Facts { place: Some(host.clone()), reason: Some(reason.to_owned()), ..Facts::default() };
    raise_in(conn, (&endpoint.org, now), AlertKind::EndpointDisabled, None, (facts, None)).map(|_| ())
}

/// What waits to be sent by one way, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// `email` or `webhook`.
    pub channel: &'static str,
    /// How many deliveries: those too that wait for company, or to be tried again.
    pub waiting: i64,
    /// For how long one of them should have been sent by now.
    pub late: Span,
}

/// What waits to be sent, by each way.
///
/// # Errors
/// The database's own failure.
pub fn backlogs(conn: &mut Conn, ctx: Ctx<'_>) -> Result<[Backlog; 2], AppError> {
    let now = db::now(conn, ctx.clock)?;
    let mut backlog = |channel: Channel| -> Result<Backlog, AppError> {
        let queue = deliveries::find_queue(conn, channel)?;
        let waiting = queue.map_or(0, |queue| queue.waiting);
        let late = queue.filter(|queue| queue.due_at < now).map_or(Span::seconds(0), |queue| now.since(queue.due_at));
        Ok(Backlog { channel: channel.as_str(), waiting, late })
    };
    Ok([backlog(Channel::Email)?, backlog(Channel::Webhook)?])
}

/// An e-mail to be sent.
#[derive(Debug)]
pub struct Mail {
    /// What it tells of, the oldest first; never empty.
    pub deliveries: Vec<Delivery>,
    /// Under which id it goes out.
    pub message: String,
    /// Who has taken it.
    pub lease: String,
    /// To whom, about which organization; or why it cannot be sent at all.
    pub to: Result<(Member, Org), String>,
    /// When it was taken.
    pub at: Timestamp,
}

/// Takes the e-mail that is due the longest, with everything else that waits for the same person.
///
/// # Errors
/// The database's own failure.
pub fn take_mail(conn: &mut Conn, ctx: Ctx<'_>) -> Result<Option<Mail>, AppError> {
    let (lease, message, now) = (random::id("lse")?, random::id("msg")?, db::now(conn, ctx.clock)?);
    if !claim::is_any_due(conn, Channel::Email, now)? {
        return Ok(None);
    }
    let until = now.plus(MAIL_LEASE);
    let taken: Vec<Delivery> = db::write(conn, |conn| {
        sweeps::lock_sweep(conn, "email")?;
        let first = claim::claim_delivery(conn, Channel::Email, &lease, until, now)?;
        let Some(first) = first else { return Ok::<_, AppError>(Vec::new()) };
        Ok(claim::join_message(conn, &first, &message, &lease, until)?)
    })?;
    let Some(first) = taken.first() else { return Ok(None) };
    let user = first.recipient.as_str().into();
    let org = db::orgs::find_org_by_id(conn, &first.alert.org)?;
    let member = db::orgs::find_member(conn, &first.alert.org, &user)?;
    let member = member.filter(|member| member.user.disabled_at.is_none());
    let to = member.zip(org).ok_or_else(|| "The person left the organization".to_owned());
    let message = first.message.clone();
    Ok(Some(Mail { deliveries: taken, message, lease, to, at: now }))
}

/// Notes what came of sending an e-mail.
///
/// # Errors
/// The database's own failure; it is sent again then, under the same id.
pub fn note_mail(conn: &mut Conn, ctx: Ctx<'_>, mail: &Mail, outcome: &Outcome) -> Result<(), AppError> {
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        // All go on together, since they are one message.
        let Some(first) = mail.deliveries.first() else { return Ok(()) };
        let next = outcome.next(first, now)?;
        for delivery in &mail.deliveries {
            deliveries::finish_attempt(conn, &delivery.id, &mail.lease, &outcome.attempt(now), next)?;
        }
        Ok(())
    })
}
