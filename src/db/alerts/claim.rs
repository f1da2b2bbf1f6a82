//! Taking deliveries for a while, so that of several senders only one makes each.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Text};

use super::super::conn::{MultiBackend, on_each, prepared};
use super::super::schema::{alert_deliveries, alerts};
use super::super::{Conn, DbResult};
use super::AlertRow;
use super::deliveries::{Channel, Delivery, Row, read, read_all};
use crate::domain::time::Timestamp;

/// One statement, so that no two senders take the same rows: on PostgreSQL those that another is taking are passed over.
struct Claim<'a> {
    lease: &'a str,
    until: i64,
    now: i64,
    channel: &'static str,
    passes_over: bool,
}

impl QueryFragment<MultiBackend> for Claim<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        pass.push_sql("UPDATE alert_deliveries SET lease = ");
        pass.push_bind_param::<Text, str>(self.lease)?;
        pass.push_sql(", leased_until = ");
        pass.push_bind_param::<BigInt, i64>(&self.until)?;
        // One at a time to a recipient: an endpoint that is slow to answer must not take all senders.
        pass.push_sql(
            " WHERE id IN (SELECT d.id FROM alert_deliveries d WHERE d.state = 'waiting' AND d.recipient NOT IN \
             (SELECT b.recipient FROM alert_deliveries b WHERE b.state = 'waiting' AND b.leased_until > ",
        );
        pass.push_bind_param::<BigInt, i64>(&self.now)?;
        pass.push_sql(") AND d.channel = ");
        pass.push_bind_param::<Text, str>(self.channel)?;
        pass.push_sql(" AND d.next_attempt_at <= ");
        pass.push_bind_param::<BigInt, i64>(&self.now)?;
        pass.push_sql(" AND d.leased_until <= ");
        pass.push_bind_param::<BigInt, i64>(&self.now)?;
        pass.push_sql(" ORDER BY d.next_attempt_at, d.id LIMIT 1");
        pass.push_sql(if self.passes_over { " FOR UPDATE SKIP LOCKED) RETURNING id" } else { ") RETURNING id" });
        Ok(())
    }
}

impl QueryId for Claim<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Claim<'_> {
    type SqlType = Text;
}

impl diesel::RunQueryDsl<Conn> for Claim<'_> {}

/// Not `state.eq("waiting")`: with a value that is bound SQLite reads all deliveries there are, instead of the index of these.
pub(super) const WAITING: &str = "alert_deliveries.state = 'waiting'";

/// Whether anything is due, without taking it: asked all the time, so it must not write.
pub fn is_any_due(conn: &mut Conn, channel: Channel, now: Timestamp) -> DbResult<bool> {
    let due = diesel::select(diesel::dsl::exists(
        alert_deliveries::table
            .filter(sql::<Bool>(WAITING))
            .filter(alert_deliveries::channel.eq(channel.as_str()))
            .filter(alert_deliveries::next_attempt_at.le(now.as_micros()))
            .filter(alert_deliveries::leased_until.le(now.as_micros())),
    ));
    on_each!(conn, conn => prepared!(due).get_result(conn))
}

/// Takes the delivery that is due the longest, for as long as `until`.
pub fn claim_delivery(
    conn: &mut Conn,
    channel: Channel,
    lease: &str,
    until: Timestamp,
    now: Timestamp,
) -> DbResult<Option<Delivery>> {
    let claim = Claim {
        lease,
        until: until.as_micros(),
        now: now.as_micros(),
        channel: channel.as_str(),
        passes_over: !conn.is_sqlite(),
    };
    let ids: Vec<String> = claim.load(conn)?;
    let Some(id) = ids.first() else { return Ok(None) };
    let row: (Row, AlertRow) =
        alert_deliveries::table.inner_join(alerts::table).filter(alert_deliveries::id.eq(id)).first(conn)?;
    read(row)
}

/// Gives a delivery the id under which it goes out, and takes along what else waits for the same person, so that all goes
/// out in one message. What once had an id keeps it: the same message goes out again, with nothing added. Take the turn
/// for e-mail before the claim: two that each take what the other wants too would wait for each other.
pub fn join_message(
    conn: &mut Conn,
    first: &Delivery,
    message: &str,
    lease: &str,
    until: Timestamp,
) -> DbResult<Vec<Delivery>> {
    let mut ids: Vec<String> = vec![first.id.to_string()];
    if first.message.is_empty() {
        let others: Vec<String> = alert_deliveries::table
            .filter(alert_deliveries::recipient.eq(&first.recipient))
            .filter(alert_deliveries::org_id.eq(first.alert.org.as_str()))
            .filter(alert_deliveries::channel.eq("email"))
            .filter(alert_deliveries::state.eq("waiting"))
            .filter(alert_deliveries::message.eq(""))
            .filter(alert_deliveries::lease.eq(""))
            .order((alert_deliveries::created_at, alert_deliveries::id))
            .limit(DIGEST_MAX)
            .select(alert_deliveries::id)
            .load(conn)?;
        ids.extend(others);
    } else {
        let others: Vec<String> = alert_deliveries::table
            .filter(alert_deliveries::message.eq(&first.message))
            .filter(alert_deliveries::state.eq("waiting"))
            .select(alert_deliveries::id)
            .load(conn)?;
        ids.extend(others);
    }
    let message = if first.message.is_empty() { message } else { &first.message };
    diesel::update(alert_deliveries::table.filter(alert_deliveries::id.eq_any(&ids)))
        .set((
            alert_deliveries::message.eq(message),
            alert_deliveries::lease.eq(lease),
            alert_deliveries::leased_until.eq(until.as_micros()),
        ))
        .execute(conn)?;
    let rows: Vec<(Row, AlertRow)> = alert_deliveries::table
        .inner_join(alerts::table)
        .filter(alert_deliveries::lease.eq(lease))
        .filter(alert_deliveries::message.eq(message))
        .order((alerts::at, alert_deliveries::id))
        .load(conn)?;
    read_all(rows)
}

/// Alerts in one e-mail at most; what is beyond goes into the next.
pub const DIGEST_MAX: i64 = 50;
