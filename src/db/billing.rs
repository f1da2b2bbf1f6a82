//! What billing told: events, each once, and how subscriptions stand.

use diesel::prelude::*;

use super::conn::Both;
use super::schema::{billing_events, billing_subscriptions};
use super::{Conn, DbResult};
use crate::domain::ids::OrgId;
use crate::domain::time::Timestamp;

/// Notes an event. Says whether it is new; whoever notes the same at the same time waits here.
pub fn insert_event(conn: &mut Conn, id: &str, kind: &str, created_at: Timestamp, now: Timestamp) -> DbResult<bool> {
    let insert = diesel::insert_into(billing_events::table)
        .values((
            billing_events::id.eq(id.to_owned()),
            billing_events::kind.eq(kind.to_owned()),
            billing_events::created_at.eq(created_at.as_micros()),
            billing_events::received_at.eq(now.as_micros()),
        ))
        .on_conflict_do_nothing();
    Both(insert).execute(conn).map(|count| count == 1)
}

/// Forgets events that came before `before`.
pub fn delete_old_events(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    diesel::delete(billing_events::table.filter(billing_events::received_at.lt(before.as_micros()))).execute(conn)
}

/// A subscription as the newest event told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Who pays.
    pub customer: String,
    /// Whose it is, once that is known.
    pub org: Option<OrgId>,
    /// The plan that is paid for, or empty.
    pub plan: String,
    /// Whether it counts.
    pub is_live: bool,
    /// When that was so.
    pub told_at: Timestamp,
    /// The order within one second.
    pub told_rank: i64,
}

#[derive(Queryable)]
struct Row {
    id: String,
    customer: String,
    org_id: Option<String>,
    plan: String,
    is_live: i64,
    told_at: i64,
    told_rank: i64,
}

impl From<Row> for Subscription {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            customer: row.customer,
            org: row.org_id.map(OrgId),
            plan: row.plan,
            is_live: row.is_live != 0,
            told_at: Timestamp::from_micros(row.told_at),
            told_rank: row.told_rank,
        }
    }
}

/// A subscription, which no other transaction can change until this one ends. One that was never told of is there
/// afterwards, over and older than anything.
pub fn lock_subscription(conn: &mut Conn, id: &str, customer: &str) -> DbResult<Subscription> {
    let empty = diesel::insert_into(billing_subscriptions::table)
        .values((
            billing_subscriptions::id.eq(id.to_owned()),
            billing_subscriptions::customer.eq(customer.to_owned()),
            billing_subscriptions::plan.eq(""),
            billing_subscriptions::is_live.eq(0),
            billing_subscriptions::told_at.eq(-1),
            billing_subscriptions::told_rank.eq(0),
        ))
        .on_conflict_do_nothing();
    Both(empty).execute(conn)?;
    diesel::update(billing_subscriptions::table.find(id))
        .set(billing_subscriptions::is_live.eq(billing_subscriptions::is_live))
        .execute(conn)?;
    let row: Row = billing_subscriptions::table.find(id).first(conn)?;
    Ok(row.into())
}

/// Puts a subscription in place that was locked.
pub fn update_subscription(conn: &mut Conn, subscription: &Subscription) -> DbResult<()> {
    diesel::update(billing_subscriptions::table.find(&subscription.id))
        .set((
            billing_subscriptions::customer.eq(&subscription.customer),
            billing_subscriptions::org_id.eq(subscription.org.as_ref().map(OrgId::as_str)),
            billing_subscriptions::plan.eq(&subscription.plan),
            billing_subscriptions::is_live.eq(i64::from(subscription.is_live)),
            billing_subscriptions::told_at.eq(subscription.told_at.as_micros()),
            billing_subscriptions::told_rank.eq(subscription.told_rank),
        ))
        .execute(conn)
        .map(|_| ())
}

/// The plans that an organization pays for now.
pub fn list_paid_plans(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<String>> {
    billing_subscriptions::table
        .filter(billing_subscriptions::org_id.eq(org.as_str()))
        .filter(billing_subscriptions::is_live.eq(1))
        .filter(billing_subscriptions::plan.ne(""))
        .select(billing_subscriptions::plan)
        .order(billing_subscriptions::id)
        .load(conn)
}

/// The organizations that this customer pays for, two at most.
pub fn list_orgs_of_customer(conn: &mut Conn, customer: &str) -> DbResult<Vec<OrgId>> {
    let orgs: Vec<Option<String>> = billing_subscriptions::table
        .filter(billing_subscriptions::customer.eq(customer))
        .filter(billing_subscriptions::org_id.is_not_null())
        .select(billing_subscriptions::org_id)
        .distinct()
        .limit(2)
        .load(conn)?;
    Ok(orgs.into_iter().flatten().map(OrgId).collect())
}
