//! Alerts on their way to one recipient each, and what came of each attempt.

use diesel::prelude::*;

use super::super::conn::Both;
use super::super::schema::{alert_deliveries, alerts, delivery_attempts};
use super::super::{Conn, DbResult};
use super::AlertRow;
use crate::domain::alert::Alert;
use crate::domain::ids::{AlertId, DeliveryId, OrgId};
use crate::domain::time::Timestamp;

/// By which way an alert goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// To a person.
    Email,
    /// To an endpoint.
    Webhook,
}

impl Channel {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// A delivery to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// By which way.
    pub channel: Channel,
    /// The id of a person or an endpoint.
    pub recipient: String,
    /// Not before then.
    pub not_before: Timestamp,
}

/// A delivery as its log shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The id of a person or an endpoint.
    pub recipient: String,
    /// Under which id it goes out; empty until it does.
    pub message: String,
    /// `waiting`, `sent` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, while it waits.
    pub next_attempt_at: Timestamp,
    /// What it is about.
    pub alert: Alert,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What the receiver answered, if anything.
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: i64,
    /// In a few words.
    pub outcome: String,
}

#[derive(Queryable)]
pub(super) struct Row {
    id: String,
    _alert_id: String,
    _org_id: String,
    _channel: String,
    recipient: String,
    message: String,
    state: String,
    attempts: i64,
    _created_at: i64,
    next_attempt_at: i64,
    _lease: String,
    _leased_until: i64,
    _finished_at: Option<i64>,
}

pub(super) fn read((row, alert): (Row, AlertRow)) -> DbResult<Option<Delivery>> {
    let Some(alert) = alert.read()? else { return Ok(None) };
    Ok(Some(Delivery {
        id: DeliveryId(row.id),
        recipient: row.recipient,
        message: row.message,
        state: row.state,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        next_attempt_at: Timestamp::from_micros(row.next_attempt_at),
        alert,
    }))
}

pub(super) fn read_all(rows: Vec<(Row, AlertRow)>) -> DbResult<Vec<Delivery>> {
    rows.into_iter().map(read).filter_map(Result::transpose).collect()
}

/// Adds a delivery, unless this recipient has one of this alert already.
pub fn insert_delivery(
    conn: &mut Conn,
    alert: &AlertId,
    org: &OrgId,
    new: &NewDelivery,
    now: Timestamp,
) -> DbResult<()> {
    let insert = diesel::insert_into(alert_deliveries::table)
        .values((
            alert_deliveries::id.eq(new.id.to_string()),
            alert_deliveries::alert_id.eq(alert.to_string()),
            alert_deliveries::org_id.eq(org.to_string()),
            alert_deliveries::channel.eq(new.channel.as_str()),
            alert_deliveries::recipient.eq(new.recipient.clone()),
            alert_deliveries::state.eq("waiting"),
            alert_deliveries::created_at.eq(now.as_micros()),
            alert_deliveries::next_attempt_at.eq(new.not_before.as_micros()),
        ))
        .on_conflict_do_nothing();
    Both(insert).execute(conn).map(|_| ())
}

/// How a delivery goes on after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It arrived.
    Sent,
    /// It is tried again then.
    Again(Timestamp),
    /// It is given up.
    Failed,
}

/// Notes an attempt and what follows from it. Nothing is changed when the lease was lost; says whether it was not.
pub fn finish_attempt(conn: &mut Conn, id: &DeliveryId, lease: &str, attempt: &Attempt, next: Next) -> DbResult<bool> {
    let mine = alert_deliveries::table
        .find(id.as_str())
        .filter(alert_deliveries::lease.eq(lease))
        .filter(alert_deliveries::state.eq("waiting"));
    let (state, again, finished) = match next {
        Next::Sent => ("sent", None, Some(attempt.at.as_micros())),
        Next::Again(at) => ("waiting", Some(at.as_micros()), None),
        Next::Failed => ("failed", None, Some(attempt.at.as_micros())),
    };
    let changed = diesel::update(mine)
        .set((
            alert_deliveries::state.eq(state),
            alert_deliveries::attempts.eq(alert_deliveries::attempts + 1),
            alert_deliveries::finished_at.eq(finished),
            alert_deliveries::lease.eq(""),
            alert_deliveries::leased_until.eq(0),
        ))
        .execute(conn)?;
    if changed == 0 {
        return Ok(false);
    }
    if let Some(at) = again {
        diesel::update(alert_deliveries::table.find(id.as_str()))
            .set(alert_deliveries::next_attempt_at.eq(at))
            .execute(conn)?;
    }
    insert_attempt(conn, id, attempt)?;
    Ok(true)
}

fn insert_attempt(conn: &mut Conn, id: &DeliveryId, attempt: &Attempt) -> DbResult<()> {
    let tried: i64 =
        delivery_attempts::table.filter(delivery_attempts::delivery_id.eq(id.as_str())).count().get_result(conn)?;
    diesel::insert_into(delivery_attempts::table)
        .values((
            delivery_attempts::delivery_id.eq(id.as_str()),
            delivery_attempts::number.eq(tried + 1),
            delivery_attempts::at.eq(attempt.at.as_micros()),
            delivery_attempts::status.eq(attempt.status.map(i64::from)),
            delivery_attempts::duration_ms.eq(attempt.duration_ms),
            delivery_attempts::outcome.eq(&attempt.outcome),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Lets everything that waits for a recipient wait until then at least.
pub fn postpone_others(conn: &mut Conn, recipient: &str, until: Timestamp) -> DbResult<()> {
    diesel::update(
        alert_deliveries::table
            .filter(alert_deliveries::recipient.eq(recipient))
            .filter(alert_deliveries::state.eq("waiting"))
            .filter(alert_deliveries::next_attempt_at.lt(until.as_micros())),
    )
    .set(alert_deliveries::next_attempt_at.eq(until.as_micros()))
    .execute(conn)
    .map(|_| ())
}

/// Gives up everything that waits for a recipient.
pub fn give_up_all(conn: &mut Conn, recipient: &str, now: Timestamp) -> DbResult<()> {
    diesel::update(
        alert_deliveries::table
            .filter(alert_deliveries::recipient.eq(recipient))
            .filter(alert_deliveries::state.eq("waiting")),
    )
    .set((alert_deliveries::state.eq("failed"), alert_deliveries::finished_at.eq(now.as_micros())))
    .execute(conn)
    .map(|_| ())
}

/// What waits to be sent by one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many deliveries.
    pub waiting: i64,
    /// When the one was or is due that is due the longest.
    pub due_at: Timestamp,
}

/// What waits to be sent by this way; nothing when nothing does.
pub fn find_queue(conn: &mut Conn, channel: Channel) -> DbResult<Option<Queue>> {
    let (waiting, due_at): (i64, Option<i64>) = alert_deliveries::table
        .filter(alert_deliveries::state.eq("waiting"))
        .filter(alert_deliveries::channel.eq(channel.as_str()))
        .select((diesel::dsl::count_star(), diesel::dsl::min(alert_deliveries::next_attempt_at)))
        .first(conn)?;
    Ok(due_at.map(|at| Queue { waiting, due_at: Timestamp::from_micros(at) }))
}

/// The newest deliveries to an endpoint of this organization.
pub fn list_deliveries(conn: &mut Conn, org: &OrgId, recipient: &str, limit: i64) -> DbResult<Vec<Delivery>> {
    let rows: Vec<(Row, AlertRow)> = alert_deliveries::table
        .inner_join(alerts::table)
        .filter(alert_deliveries::org_id.eq(org.as_str()))
        .filter(alert_deliveries::recipient.eq(recipient))
        .order((alert_deliveries::created_at.desc(), alert_deliveries::id))
        .limit(limit)
        .load(conn)?;
    read_all(rows)
}

/// The attempts of these deliveries, with the delivery each is of, in their order.
pub fn list_attempts(conn: &mut Conn, of: &[DeliveryId]) -> DbResult<Vec<(DeliveryId, Attempt)>> {
    let ids: Vec<&str> = of.iter().map(DeliveryId::as_str).collect();
    let rows: Vec<(String, i64, i64, Option<i64>, i64, String)> = delivery_attempts::table
        .filter(delivery_attempts::delivery_id.eq_any(ids))
        .order((delivery_attempts::delivery_id, delivery_attempts::number))
        .load(conn)?;
    let read = |(id, _, at, status, duration_ms, outcome): (String, i64, i64, Option<i64>, i64, String)| {
        let status = status.and_then(|status| u16::try_from(status).ok());
        (DeliveryId(id), Attempt { at: Timestamp::from_micros(at), status, duration_ms, outcome })
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Lets a delivery of an endpoint of this organization be tried anew, from the first attempt on. Says whether there is one
/// that is not under way.
pub fn send_again(conn: &mut Conn, org: &OrgId, recipient: &str, id: &DeliveryId, now: Timestamp) -> DbResult<bool> {
    let done = alert_deliveries::table
        .find(id.as_str())
        .filter(alert_deliveries::org_id.eq(org.as_str()))
        .filter(alert_deliveries::recipient.eq(recipient))
        .filter(alert_deliveries::leased_until.le(now.as_micros()));
    let changed = diesel::update(done)
        .set((
            alert_deliveries::state.eq("waiting"),
            alert_deliveries::attempts.eq(0),
            alert_deliveries::next_attempt_at.eq(now.as_micros()),
            alert_deliveries::lease.eq(""),
            alert_deliveries::leased_until.eq(0),
            alert_deliveries::finished_at.eq(None::<i64>),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Gives up whatever waits: data that was put back from a backup holds what was sent long ago.
pub fn give_up_waiting(conn: &mut Conn, now: Timestamp) -> DbResult<()> {
    diesel::update(alerts::table.filter(alerts::fanned_out_at.is_null()))
        .set(alerts::fanned_out_at.eq(now.as_micros()))
        .execute(conn)?;
    diesel::update(alert_deliveries::table.filter(alert_deliveries::state.eq("waiting")))
        .set((alert_deliveries::state.eq("failed"), alert_deliveries::finished_at.eq(now.as_micros())))
        .execute(conn)
        .map(|_| ())
}
