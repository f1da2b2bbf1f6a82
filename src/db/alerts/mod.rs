//! Alerts as they are raised, the switches, and what is looked for with time.

pub mod claim;
pub mod deliveries;
pub mod endpoints;
pub mod sweeps;

use diesel::prelude::*;

use super::conn::{Both, on_each, prepared};
use super::schema::{alert_deliveries, alert_switches, alerts, delivery_attempts};
use super::{Conn, DbResult};
use crate::domain::alert::{Alert, AlertKind, Choice, Facts, Switch};
use crate::domain::ids::{AlertId, OrgId, UserId};
use crate::domain::time::Timestamp;

#[derive(Queryable)]
pub(super) struct AlertRow {
    id: String,
    org_id: String,
    kind: String,
    once: String,
    at: i64,
    owner_id: Option<String>,
    facts: String,
    _fanned_out_at: Option<i64>,
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(error.into())
}

impl AlertRow {
    /// Nothing for a kind that only a newer program knows.
    pub(super) fn read(self) -> DbResult<Option<Alert>> {
        let Some(kind) = AlertKind::parse(&self.kind) else { return Ok(None) };
        let facts: Facts = serde_json::from_str(&self.facts).map_err(broken)?;
        Ok(Some(Alert {
            id: AlertId(self.id),
            org: OrgId(self.org_id),
            kind,
            once: self.once,
            at: Timestamp::from_micros(self.at),
            owner: self.owner_id.map(UserId),
            facts,
        }))
    }
}

/// Adds an alert, unless it was raised before. Says whether it is new.
pub fn insert_alert(conn: &mut Conn, alert: &Alert) -> DbResult<bool> {
    let facts =
        serde_json::to_string(&alert.facts).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let insert = diesel::insert_into(alerts::table)
        .values((
            alerts::id.eq(alert.id.as_str()),
            alerts::org_id.eq(alert.org.as_str()),
            alerts::kind.eq(alert.kind.as_str()),
            alerts::once.eq(&alert.once),
            alerts::at.eq(alert.at.as_micros()),
            alerts::owner_id.eq(alert.owner.as_ref().map(UserId::as_str)),
            alerts::facts.eq(facts),
        ))
        .on_conflict_do_nothing();
    Ok(on_each!(conn, conn => prepared!(insert).execute(conn))? == 1)
}

/// The oldest alerts whose recipients are still to be found.
pub fn list_waiting_alerts(conn: &mut Conn, limit: i64) -> DbResult<Vec<AlertId>> {
    let ids: Vec<String> = alerts::table
        .filter(alerts::fanned_out_at.is_null())
        .order((alerts::at, alerts::id))
        .limit(limit)
        .select(alerts::id)
        .load(conn)?;
    Ok(ids.into_iter().map(AlertId).collect())
}

/// Takes an alert in order to find its recipients; nothing when another has taken it.
pub fn take_alert(conn: &mut Conn, id: &AlertId, now: Timestamp) -> DbResult<Option<Alert>> {
    let take = diesel::update(alerts::table.find(id.as_str()).filter(alerts::fanned_out_at.is_null()))
        .set(alerts::fanned_out_at.eq(now.as_micros()))
        .returning(alerts::all_columns);
    let taken = on_each!(conn, conn => prepared!(take).get_result::<AlertRow>(conn)).optional()?;
    taken.map_or(Ok(None), AlertRow::read)
}

/// How many alerts of a kind an organization had since then.
pub fn count_alerts(conn: &mut Conn, org: &OrgId, kind: AlertKind, since: Timestamp) -> DbResult<i64> {
    alerts::table
        .filter(alerts::org_id.eq(org.as_str()))
        .filter(alerts::kind.eq(kind.as_str()))
        .filter(alerts::at.gt(since.as_micros()))
        .count()
        .get_result(conn)
}

/// Everything that was chosen otherwise than the default in an organization.
pub fn list_choices(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<Choice>> {
    let query = alert_switches::table.filter(alert_switches::org_id.eq(org.as_str())).select((
        alert_switches::user_id,
        alert_switches::kind,
        alert_switches::channel,
        alert_switches::is_on,
    ));
    let rows: Vec<(String, String, String, i64)> = on_each!(conn, conn => prepared!(query).load(conn))?;
    let read = |(user, kind, channel, is_on): (String, String, String, i64)| {
        let user = Some(user).filter(|user| !user.is_empty()).map(UserId);
        Some(Choice { user, kind: AlertKind::parse(&kind)?, switch: Switch::parse(&channel)?, is_on: is_on != 0 })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Puts a switch in place.
pub fn put_choice(conn: &mut Conn, org: &OrgId, choice: &Choice) -> DbResult<()> {
    let is_on = alert_switches::is_on.eq(i64::from(choice.is_on));
    let upsert = diesel::insert_into(alert_switches::table)
        .values((
            alert_switches::org_id.eq(org.to_string()),
            alert_switches::user_id.eq(choice.user.as_ref().map(ToString::to_string).unwrap_or_default()),
            alert_switches::kind.eq(choice.kind.as_str()),
            alert_switches::channel.eq(choice.switch.as_str()),
            is_on,
        ))
        .on_conflict((alert_switches::org_id, alert_switches::user_id, alert_switches::kind, alert_switches::channel))
        .do_update()
        .set(is_on);
    Both(upsert).execute(conn).map(|_| ())
}

/// Forgets alerts from before a time with their deliveries, `limit` at most; those still on their way stay. Returns how many.
pub fn delete_old_alerts(conn: &mut Conn, before: Timestamp, limit: i64) -> DbResult<usize> {
    let on_their_way =
        alert_deliveries::table.filter(alert_deliveries::state.eq("waiting")).select(alert_deliveries::alert_id);
    let old: Vec<String> = alerts::table
        .filter(alerts::at.lt(before.as_micros()))
        .filter(alerts::fanned_out_at.is_not_null())
        .filter(alerts::id.ne_all(on_their_way))
        .order(alerts::at)
        .limit(limit)
        .select(alerts::id)
        .load(conn)?;
    let deliveries: Vec<String> = alert_deliveries::table
        .filter(alert_deliveries::alert_id.eq_any(&old))
        .select(alert_deliveries::id)
        .load(conn)?;
    diesel::delete(delivery_attempts::table.filter(delivery_attempts::delivery_id.eq_any(&deliveries)))
        .execute(conn)?;
    diesel::delete(alert_deliveries::table.filter(alert_deliveries::id.eq_any(&deliveries))).execute(conn)?;
    diesel::delete(alerts::table.filter(alerts::id.eq_any(&old))).execute(conn)
}
