//! From an alert to its recipients: each member who is told by e-mail, each endpoint of the organization.

use crate::actions::{AppError, Ctx, random};
use crate::db::alerts::deliveries::{Channel, NewDelivery, insert_delivery};
use crate::db::alerts::endpoints::list_endpoints;
use crate::db::{self, Conn};
use crate::domain::alert::{Alert, AlertKind, Switch, is_mailed, is_on};
use crate::domain::ids::{AlertId, DeliveryId};
use crate::domain::time::{Span, Timestamp};

/// Alerts for which recipients are found in one go.
const BATCH: i64 = 100;

/// How alerts leave this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// Whether e-mail can be sent at all.
    pub has_mail: bool,
    /// How long an e-mail waits for other alerts to take along.
    pub digest: Span,
}

/// Finds the recipients of alerts that still have none. Returns for how many alerts.
///
/// # Errors
/// The database's own failure; what was not finished is found again.
pub fn fan_out(conn: &mut Conn, ctx: Ctx<'_>, ways: Ways) -> Result<usize, AppError> {
    let waiting = db::alerts::list_waiting_alerts(conn, BATCH)?;
    if !waiting.is_empty() {
        // One commit for all of them: each waits for the disk, and keeps deeds waiting.
        db::write(conn, |conn| waiting.iter().try_for_each(|id| fan_out_one(conn, ctx, ways, id)))?;
    }
    Ok(waiting.len())
}

fn fan_out_one(conn: &mut Conn, ctx: Ctx<'_>, ways: Ways, id: &AlertId) -> Result<(), AppError> {
    let now = db::now(conn, ctx.clock)?;
    let Some(alert) = db::alerts::take_alert(conn, id, now)? else { return Ok(()) };
    let choices = db::alerts::list_choices(conn, &alert.org)?;
    let mut new = Vec::new();
    if ways.has_mail {
        let members = db::orgs::list_members(conn, &alert.org)?;
        let told = members.into_iter().filter(|member| {
            member.user.disabled_at.is_none() && is_mailed(&alert, &member.user.id, member.role, &choices)
        });
        let not_before = if alert.kind.is_urgent() { now } else { alert.at.plus(ways.digest) };
        for member in told {
            new.push((Channel::Email, member.user.id.to_string(), not_before));
        }
    }
    if alert.kind != AlertKind::Test && is_on(&choices, None, alert.kind, Switch::Webhook) {
        let open = list_endpoints(conn, &alert.org)?.into_iter().filter(|endpoint| endpoint.disabled.is_none());
        new.extend(open.map(|endpoint| (Channel::Webhook, endpoint.id.to_string(), now)));
    }
    for (channel, recipient, not_before) in new {
        deliver(conn, &alert, (channel, recipient), (not_before, now))?;
    }
    Ok(())
}

/// Puts an alert on its way to a recipient.
pub(super) fn deliver(
    conn: &mut Conn,
    alert: &Alert,
    (channel, recipient): (Channel, String),
    (not_before, now): (Timestamp, Timestamp),
) -> Result<(), AppError> {
    let new = NewDelivery { id: DeliveryId(random::id("dlv")?), channel, recipient, not_before };
    Ok(insert_delivery(conn, &alert.id, &alert.org, &new, now)?)
}
