//! Keys that were found elsewhere.

use diesel::prelude::*;

use super::conn::Both;
use super::schema::{api_keys, key_secrets, leak_reports};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId, SecretId};
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// A secret that was found somewhere. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakReport {
    /// The secret's id.
    pub secret: SecretId,
    /// Whose key.
    pub org: OrgId,
    /// Its key.
    pub key: KeyId,
    /// Who reported it: `github`.
    pub partner: String,
    /// Where it is, or empty.
    pub place: String,
    /// What the partner calls that kind of secret.
    pub kind: String,
    /// Where the partner looked.
    pub source: String,
    /// Which of the key's secrets it was.
    pub found: String,
    /// What was done.
    pub done: String,
    /// When it was reported.
    pub reported_at: Timestamp,
}

/// The secret of a key that has this hash, however old.
pub fn find_secret_by_hash(conn: &mut Conn, key: &KeyId, hash: &SecretHash) -> DbResult<Option<SecretId>> {
    let id: Option<String> = key_secrets::table
        .filter(key_secrets::key_id.eq(key.as_str()))
        .filter(key_secrets::hash.eq(hash.to_hex()))
        .select(key_secrets::id)
        .first(conn)
        .optional()?;
    Ok(id.map(SecretId))
}

/// How many reports there are on a key.
pub fn count_reports(conn: &mut Conn, key: &KeyId) -> DbResult<i64> {
    leak_reports::table.filter(leak_reports::key_id.eq(key.as_str())).count().get_result(conn)
}

/// Notes a report. Says whether it is new: not this secret at this place by this partner before.
pub fn insert_report(conn: &mut Conn, report: &LeakReport) -> DbResult<bool> {
    let report = report.clone();
    let insert = diesel::insert_into(leak_reports::table)
        .values((
            leak_reports::secret_id.eq(report.secret.0),
            leak_reports::partner.eq(report.partner),
            leak_reports::place.eq(report.place),
            leak_reports::org_id.eq(report.org.0),
            leak_reports::key_id.eq(report.key.0),
            leak_reports::kind.eq(report.kind),
            leak_reports::source.eq(report.source),
            leak_reports::found.eq(report.found),
            leak_reports::done.eq(report.done),
            leak_reports::reported_at.eq(report.reported_at.as_micros()),
        ))
        .on_conflict_do_nothing();
    Both(insert).execute(conn).map(|count| count == 1)
}

type Row = (String, String, String, String, String, String, String, String, String, i64, String);

/// The latest reports on an organization's keys, each with the key's name.
pub fn list_reports(conn: &mut Conn, org: &OrgId, limit: i64) -> DbResult<Vec<(LeakReport, String)>> {
    let rows: Vec<Row> = leak_reports::table
        .inner_join(api_keys::table)
        .filter(leak_reports::org_id.eq(org.as_str()))
        .order((leak_reports::reported_at.desc(), leak_reports::secret_id, leak_reports::place))
        .limit(limit)
        .select((
            leak_reports::secret_id,
            leak_reports::partner,
            leak_reports::place,
            leak_reports::org_id,
            leak_reports::key_id,
            leak_reports::kind,
            leak_reports::source,
            leak_reports::found,
            leak_reports::done,
            leak_reports::reported_at,
            api_keys::name,
        ))
        .load(conn)?;
    let read = |(secret, partner, place, org, key, kind, source, found, done, at, name): Row| {
        let (secret, org, key) = (SecretId(secret), OrgId(org), KeyId(key));
        let reported_at = Timestamp::from_micros(at);
        (LeakReport { secret, org, key, partner, place, kind, source, found, done, reported_at }, name)
    };
    Ok(rows.into_iter().map(read).collect())
}
