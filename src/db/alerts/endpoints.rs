//! Webhook endpoints of organizations. Secrets come and go sealed.

use diesel::prelude::*;

use super::super::conn::{on_each, prepared};
use super::super::schema::webhook_endpoints;
use super::super::{Conn, DbResult};
use crate::domain::ids::{EndpointId, OrgId, UserId};
use crate::domain::time::Timestamp;

/// An endpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Its organization.
    pub org: OrgId,
    /// Where to.
    pub url: String,
    /// What signs, sealed.
    pub secret: String,
    /// What signed before, sealed, and until when it still does.
    pub old_secret: Option<(String, Timestamp)>,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// How often it failed in a row.
    pub failures: i64,
    /// Since when it has been failing.
    pub failing_since: Option<Timestamp>,
    /// Since when nothing is sent to it, and why.
    pub disabled: Option<(Timestamp, String)>,
}

#[derive(Queryable)]
struct Row {
    id: String,
    org_id: String,
    url: String,
    secret: String,
    old_secret: String,
    old_secret_until: Option<i64>,
    created_at: i64,
    created_by: String,
    failures: i64,
    failing_since: Option<i64>,
    disabled_at: Option<i64>,
    disabled_reason: String,
    _removed_at: Option<i64>,
}

impl From<Row> for Endpoint {
    fn from(row: Row) -> Self {
        let (reason, old_secret) = (row.disabled_reason, row.old_secret);
        Self {
            id: EndpointId(row.id),
            org: OrgId(row.org_id),
            url: row.url,
            secret: row.secret,
            old_secret: row.old_secret_until.map(|until| (old_secret, Timestamp::from_micros(until))),
            created_at: Timestamp::from_micros(row.created_at),
            created_by: UserId(row.created_by),
            failures: row.failures,
            failing_since: row.failing_since.map(Timestamp::from_micros),
            disabled: row.disabled_at.map(|at| (Timestamp::from_micros(at), reason)),
        }
    }
}

/// Adds an endpoint.
pub fn insert_endpoint(conn: &mut Conn, endpoint: &Endpoint) -> DbResult<()> {
    diesel::insert_into(webhook_endpoints::table)
        .values((
            webhook_endpoints::id.eq(endpoint.id.as_str()),
            webhook_endpoints::org_id.eq(endpoint.org.as_str()),
            webhook_endpoints::url.eq(&endpoint.url),
            webhook_endpoints::secret.eq(&endpoint.secret),
            webhook_endpoints::created_at.eq(endpoint.created_at.as_micros()),
            webhook_endpoints::created_by.eq(endpoint.created_by.as_str()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// The endpoints of an organization, the oldest first.
pub fn list_endpoints(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<Endpoint>> {
    let query = webhook_endpoints::table
        .filter(webhook_endpoints::org_id.eq(org.as_str()))
        .filter(webhook_endpoints::removed_at.is_null())
        .order((webhook_endpoints::created_at, webhook_endpoints::id));
    let rows: Vec<Row> = on_each!(conn, conn => prepared!(query).load(conn))?;
    Ok(rows.into_iter().map(Endpoint::from).collect())
}

/// An endpoint of this organization.
pub fn find_endpoint(conn: &mut Conn, org: &OrgId, id: &EndpointId) -> DbResult<Option<Endpoint>> {
    let row: Option<Row> = webhook_endpoints::table
        .find(id.as_str())
        .filter(webhook_endpoints::org_id.eq(org.as_str()))
        .filter(webhook_endpoints::removed_at.is_null())
        .first(conn)
        .optional()?;
    Ok(row.map(Endpoint::from))
}

/// The endpoints of all organizations, the oldest first.
pub fn list_all_endpoints(conn: &mut Conn) -> DbResult<Vec<Endpoint>> {
    let rows: Vec<Row> = webhook_endpoints::table
        .filter(webhook_endpoints::removed_at.is_null())
        .order((webhook_endpoints::created_at, webhook_endpoints::id))
        .load(conn)?;
    Ok(rows.into_iter().map(Endpoint::from).collect())
}

/// Puts another secret in place; the one before, if there is any, signs too until then.
pub fn update_secret(conn: &mut Conn, id: &EndpointId, secret: &str, old: Option<(&str, Timestamp)>) -> DbResult<()> {
    diesel::update(webhook_endpoints::table.find(id.as_str()))
        .set((
            webhook_endpoints::secret.eq(secret),
            webhook_endpoints::old_secret.eq(old.map_or("", |(old, _)| old)),
            webhook_endpoints::old_secret_until.eq(old.map(|(_, until)| until.as_micros())),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Forgets secrets that no longer sign. Returns how many.
pub fn clear_old_secrets(conn: &mut Conn, now: Timestamp) -> DbResult<usize> {
    diesel::update(webhook_endpoints::table.filter(webhook_endpoints::old_secret_until.le(now.as_micros())))
        .set((webhook_endpoints::old_secret.eq(""), webhook_endpoints::old_secret_until.eq(None::<i64>)))
        .execute(conn)
}

/// Takes an endpoint's lock until the transaction ends.
pub fn lock_endpoint(conn: &mut Conn, id: &EndpointId) -> DbResult<()> {
    diesel::update(webhook_endpoints::table.find(id.as_str()))
        .set(webhook_endpoints::failures.eq(webhook_endpoints::failures))
        .execute(conn)
        .map(|_| ())
}

/// Notes that an endpoint took a delivery.
pub fn mark_working(conn: &mut Conn, id: &EndpointId) -> DbResult<()> {
    diesel::update(webhook_endpoints::table.find(id.as_str()).filter(webhook_endpoints::failures.gt(0)))
        .set((webhook_endpoints::failures.eq(0), webhook_endpoints::failing_since.eq(None::<i64>)))
        .execute(conn)
        .map(|_| ())
}

/// Notes that an endpoint failed; how often in a row, and since when.
pub fn mark_failing(conn: &mut Conn, id: &EndpointId, now: Timestamp) -> DbResult<(i64, Timestamp)> {
    let this = webhook_endpoints::table.find(id.as_str());
    diesel::update(this).set(webhook_endpoints::failures.eq(webhook_endpoints::failures + 1)).execute(conn)?;
    diesel::update(this.filter(webhook_endpoints::failing_since.is_null()))
        .set(webhook_endpoints::failing_since.eq(now.as_micros()))
        .execute(conn)?;
    let (failures, since): (i64, Option<i64>) =
        this.select((webhook_endpoints::failures, webhook_endpoints::failing_since)).first(conn)?;
    Ok((failures, since.map_or(now, Timestamp::from_micros)))
}

/// Sends nothing there any more. Says whether something was sent until now.
pub fn mark_disabled(conn: &mut Conn, id: &EndpointId, reason: &str, now: Timestamp) -> DbResult<bool> {
    let changed =
        diesel::update(webhook_endpoints::table.find(id.as_str()).filter(webhook_endpoints::disabled_at.is_null()))
            .set((webhook_endpoints::disabled_at.eq(now.as_micros()), webhook_endpoints::disabled_reason.eq(reason)))
            .execute(conn)?;
    Ok(changed == 1)
}

/// Sends there again.
pub fn mark_enabled(conn: &mut Conn, id: &EndpointId) -> DbResult<()> {
    diesel::update(webhook_endpoints::table.find(id.as_str()))
        .set((
            webhook_endpoints::disabled_at.eq(None::<i64>),
            webhook_endpoints::disabled_reason.eq(""),
            webhook_endpoints::failures.eq(0),
            webhook_endpoints::failing_since.eq(None::<i64>),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Removes an endpoint and its secrets; the row stays for the log.
pub fn mark_removed(conn: &mut Conn, id: &EndpointId, now: Timestamp) -> DbResult<()> {
    diesel::update(webhook_endpoints::table.find(id.as_str()))
        .set((
            webhook_endpoints::removed_at.eq(now.as_micros()),
            webhook_endpoints::secret.eq(""),
            webhook_endpoints::old_secret.eq(""),
            webhook_endpoints::old_secret_until.eq(None::<i64>),
        ))
        .execute(conn)
        .map(|_| ())
}
