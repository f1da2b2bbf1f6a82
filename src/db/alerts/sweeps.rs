//! Causes of alerts that come with time: what became due since they were last looked for.

use std::collections::HashSet;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::super::batch::{Row, Value, execute_many};
use super::super::conn::{on_each, prepared};
use super::super::schema::{alert_sweeps, api_keys, key_networks, key_secrets};
use super::super::{Conn, DbResult, write_one};
use crate::domain::ids::KeyId;
use crate::domain::time::Timestamp;

/// Takes the turn to look for one kind of cause, which no other transaction can until this one ends. Returns up to when was
/// looked before.
pub fn lock_sweep(conn: &mut Conn, kind: &str) -> DbResult<Timestamp> {
    diesel::update(alert_sweeps::table.find(kind))
        .set(alert_sweeps::swept_until.eq(alert_sweeps::swept_until))
        .execute(conn)?;
    let until: i64 = alert_sweeps::table.find(kind).select(alert_sweeps::swept_until).first(conn)?;
    Ok(Timestamp::from_micros(until))
}

/// Up to when was looked for a kind of cause, without taking the turn.
pub fn find_sweep(conn: &mut Conn, kind: &str) -> DbResult<Timestamp> {
    let until: i64 = alert_sweeps::table.find(kind).select(alert_sweeps::swept_until).first(conn)?;
    Ok(Timestamp::from_micros(until))
}

/// Notes that everything until then was looked for; never goes back.
pub fn update_sweep(conn: &mut Conn, kind: &str, until: Timestamp) -> DbResult<()> {
    diesel::update(alert_sweeps::table.find(kind).filter(alert_sweeps::swept_until.lt(until.as_micros())))
        .set(alert_sweeps::swept_until.eq(until.as_micros()))
        .execute(conn)
        .map(|_| ())
}

/// Keys that were not revoked and expire after `after` and until `until`.
pub fn list_expiring(conn: &mut Conn, after: Timestamp, until: Timestamp) -> DbResult<Vec<KeyId>> {
    let ids: Vec<String> = api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.gt(after.as_micros()))
        .filter(api_keys::expires_at.le(until.as_micros()))
        .order((api_keys::expires_at, api_keys::id))
        .select(api_keys::id)
        .load(conn)?;
    Ok(ids.into_iter().map(KeyId).collect())
}

/// Keys with a secret that stops after `after` and until `until`.
pub fn list_grace_ending(conn: &mut Conn, after: Timestamp, until: Timestamp) -> DbResult<Vec<KeyId>> {
    let ids: Vec<String> = key_secrets::table
        .filter(key_secrets::valid_until.gt(after.as_micros().max(0)))
        .filter(key_secrets::valid_until.le(until.as_micros()))
        .order((key_secrets::valid_until, key_secrets::key_id))
        .select(key_secrets::key_id)
        .load(conn)?;
    Ok(ids.into_iter().map(KeyId).collect())
}

/// Live keys that were last used, or made and never used, after `after` and until `until`.
pub fn list_unused(conn: &mut Conn, (after, until): (Timestamp, Timestamp), now: Timestamp) -> DbResult<Vec<KeyId>> {
    let (after, until) = (after.as_micros(), until.as_micros());
    let used = api_keys::last_used_at.gt(after).and(api_keys::last_used_at.le(until));
    let never_used =
        api_keys::last_used_at.is_null().and(api_keys::created_at.gt(after)).and(api_keys::created_at.le(until));
    let ids: Vec<String> = api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now.as_micros())))
        .filter(used.or(never_used))
        .order(api_keys::id)
        .select(api_keys::id)
        .load(conn)?;
    Ok(ids.into_iter().map(KeyId).collect())
}

/// A network that a key was first used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// The key.
    pub key: KeyId,
    /// Like `203.0.113.0/24`.
    pub network: String,
    /// When.
    pub at: Timestamp,
}

/// With whether it is the first of its key among those that are noted with it.
struct Noted<'a>(&'a FirstUse, bool);

impl Row for Noted<'_> {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        let Self(FirstUse { key, network, at }, is_first) = self;
        values.extend([
            Value::Text(key.as_str()),
            Value::Text(network),
            Value::Number(at.as_micros()),
            Value::Number(i64::from(*is_first)),
        ]);
    }
}

// The first network of a key is where it belongs: nobody is told of it, and nobody has to look at it again. Two that two nodes
// note at the very same moment are both first.
const INTO_NETWORKS: &str = "INSERT INTO key_networks (key_id, network, first_seen_at, is_told) \
                             SELECT v.column1, v.column2, v.column3, CASE WHEN v.column4 = 1 AND NOT EXISTS \
                             (SELECT 1 FROM key_networks k WHERE k.key_id = v.column1) THEN 1 ELSE 0 END FROM (";

/// Notes networks that keys were used from, where they are not noted yet.
pub fn insert_networks(conn: &mut Conn, uses: &[FirstUse]) -> DbResult<()> {
    let mut sorted: Vec<&FirstUse> = uses.iter().collect();
    sorted.sort_by(|a, b| (&a.key, a.at).cmp(&(&b.key, b.at)));
    let mut keys = HashSet::new();
    let mut noted: Vec<Noted<'_>> = sorted.into_iter().map(|of| Noted(of, keys.insert(&of.key))).collect();
    // Two writers never wait for each other in a circle, because each goes through them in one order.
    noted.sort_by(|Noted(a, _), Noted(b, _)| (&a.key, &a.network).cmp(&(&b.key, &b.network)));
    // SQLite takes ON CONFLICT for a condition of a join unless there is a WHERE before it.
    let tail = ") AS v WHERE 1 = 1 ON CONFLICT DO NOTHING";
    let insert = |conn: &mut Conn| execute_many(conn, INTO_NETWORKS, &noted, tail).map(|_| ());
    // On PostgreSQL each statement commits by itself, so that a process that is stopped in between holds up nobody.
    write_one(conn, insert)
}

/// Not `is_told.eq(0)`: with a value that is bound SQLite reads all networks there are, instead of the index of these.
const UNTOLD: &str = "key_networks.is_told = 0";

/// Networks of which nobody was told yet, the oldest first.
pub fn list_new_networks(conn: &mut Conn, limit: i64) -> DbResult<Vec<FirstUse>> {
    let query = key_networks::table
        .filter(sql::<Bool>(UNTOLD))
        .order((key_networks::first_seen_at, key_networks::key_id, key_networks::network))
        .limit(limit)
        .select((key_networks::key_id, key_networks::network, key_networks::first_seen_at));
    let rows: Vec<(String, String, i64)> = on_each!(conn, conn => prepared!(query).load(conn))?;
    let read = |(key, network, at)| FirstUse { key: KeyId(key), network, at: Timestamp::from_micros(at) };
    Ok(rows.into_iter().map(read).collect())
}

/// How many networks of a key are known to people.
pub fn count_told_networks(conn: &mut Conn, key: &KeyId) -> DbResult<usize> {
    let count: i64 = key_networks::table
        .filter(key_networks::key_id.eq(key.as_str()))
        .filter(key_networks::is_told.eq(1))
        .count()
        .get_result(conn)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Notes that a network is known now.
pub fn mark_network_told(conn: &mut Conn, of: &FirstUse) -> DbResult<()> {
    diesel::update(key_networks::table.find((of.key.as_str(), of.network.as_str())))
        .set(key_networks::is_told.eq(1))
        .execute(conn)
        .map(|_| ())
}

/// Forgets a network of which nobody will be told.
pub fn delete_network(conn: &mut Conn, of: &FirstUse) -> DbResult<()> {
    diesel::delete(key_networks::table.find((of.key.as_str(), of.network.as_str()))).execute(conn).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::plan_of;
    use super::super::claim::WAITING;
    use super::*;

    #[test]
    fn sqlite_finds_by_an_index_what_is_asked_all_the_time() {
        let tables = concat!(
            include_str!("../../../migrations/2026-11-21-000001_create_everything/up.sql"),
            include_str!("../../../migrations/2026-11-21-000008_alerts/up.sql")
        );
        let networks = |condition: &str| {
            let order = "ORDER BY first_seen_at, key_id, network LIMIT ?";
            plan_of(tables, &format!("SELECT network FROM key_networks WHERE {condition} {order}")).remove(0)
        };
        assert_eq!(networks(UNTOLD), "SCAN key_networks USING INDEX key_networks_new");
        assert_eq!(networks("is_told = ?"), "SCAN key_networks");
        let due = format!("SELECT 1 FROM alert_deliveries WHERE {WAITING} AND channel = ? AND next_attempt_at <= ?");
        let plan = plan_of(tables, &due);
        assert!(plan[0].contains("INDEX alert_deliveries_due (channel=? AND next_attempt_at<?)"), "{plan:?}");
    }
}
