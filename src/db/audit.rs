//! The audit log: appended to, never changed.

use diesel::prelude::*;

use super::conn::{on_each, prepared};
use super::schema::{audit_chains, audit_log};
use super::{Conn, DbResult, like_anywhere, lower};
use crate::domain::audit::AuditEntry;
use crate::domain::time::Timestamp;

/// What to show of a chain.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// A person's id.
    pub actor: Option<String>,
    /// The beginning of a deed: `key.` or `key.revoked`.
    pub action: Option<String>,
    /// Anywhere in the object's or the actor's name, or the object's id.
    pub text: Option<String>,
    /// From here on.
    pub since: Option<Timestamp>,
    /// Up to and with here.
    pub until: Option<Timestamp>,
    /// Only entries below this position.
    pub before_seq: Option<i64>,
}

/// Takes the lock of a chain: whoever else writes to it, or locks it, waits until this transaction ends.
pub fn lock_chain(conn: &mut Conn, chain: &str) -> DbResult<()> {
    start_chain(conn, chain)?;
    diesel::update(audit_chains::table.find(chain))
        .set(audit_chains::seq.eq(audit_chains::seq))
        .execute(conn)
        .map(|_| ())
}

/// Whether a deed was ever noted in a chain as coming from this address.
pub fn came_from(conn: &mut Conn, chain: &str, action: &str, address: &str) -> DbResult<bool> {
    diesel::select(diesel::dsl::exists(
        audit_log::table
            .filter(audit_log::chain.eq(chain))
            .filter(audit_log::action.eq(action))
            .filter(audit_log::address.eq(address)),
    ))
    .get_result(conn)
}

/// Adds an entry at the end of its chain: position, previous hash and hash are filled in here.
pub fn insert_entry(conn: &mut Conn, mut entry: AuditEntry) -> DbResult<AuditEntry> {
    let (seq, prev_hash) = next_place(conn, &entry.chain)?;
    entry.seq = seq;
    entry.prev_hash = prev_hash;
    entry.hash = entry.computed_hash();
    let head = diesel::update(audit_chains::table.find(&entry.chain)).set(audit_chains::head.eq(&entry.hash));
    let head = head.returning(audit_chains::seq);
    let _: i64 = on_each!(conn, conn => prepared!(head).get_result(conn))?;
    let insert = diesel::insert_into(audit_log::table).values((
        audit_log::chain.eq(&entry.chain),
        audit_log::seq.eq(entry.seq),
        audit_log::at.eq(entry.at.as_micros()),
        audit_log::actor_id.eq(&entry.actor_id),
        audit_log::actor_name.eq(&entry.actor_name),
        audit_log::credential.eq(&entry.credential),
        audit_log::action.eq(&entry.action),
        audit_log::object_id.eq(&entry.object_id),
        audit_log::object_name.eq(&entry.object_name),
        audit_log::before.eq(&entry.before),
        audit_log::after.eq(&entry.after),
        audit_log::address.eq(&entry.address),
        audit_log::via.eq(&entry.via),
        audit_log::request_id.eq(&entry.request_id),
        audit_log::prev_hash.eq(&entry.prev_hash),
        audit_log::hash.eq(&entry.hash),
    ));
    on_each!(conn, conn => prepared!(insert).execute(conn))?;
    Ok(entry)
}

/// The next position of a chain and the hash of its last entry. The row of the chain is its lock: two writers of one chain
/// wait for each other here.
fn next_place(conn: &mut Conn, chain: &str) -> DbResult<(i64, String)> {
    loop {
        let step = diesel::update(audit_chains::table.find(chain)).set(audit_chains::seq.eq(audit_chains::seq + 1));
        let step = step.returning((audit_chains::seq, audit_chains::head));
        if let Some(place) = on_each!(conn, conn => prepared!(step).get_result(conn)).optional()? {
            return Ok(place);
        }
        start_chain(conn, chain)?;
    }
}

fn start_chain(conn: &mut Conn, chain: &str) -> DbResult<()> {
    let start = diesel::insert_into(audit_chains::table)
        .values((audit_chains::chain.eq(chain), audit_chains::seq.eq(0), audit_chains::head.eq("")))
        .on_conflict_do_nothing();
    on_each!(conn, conn => prepared!(start).execute(conn)).map(|_| ())
}

#[derive(Queryable)]
struct Row {
    chain: String,
    seq: i64,
    at: i64,
    actor_id: String,
    actor_name: String,
    credential: String,
    action: String,
    object_id: String,
    object_name: String,
    before: String,
    after: String,
    address: String,
    via: String,
    request_id: String,
    prev_hash: String,
    hash: String,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            chain: row.chain,
            seq: row.seq,
            at: Timestamp::from_micros(row.at),
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            credential: row.credential,
            action: row.action,
            object_id: row.object_id,
            object_name: row.object_name,
            before: row.before,
            after: row.after,
            address: row.address,
            via: row.via,
            request_id: row.request_id,
            prev_hash: row.prev_hash,
            hash: row.hash,
        }
    }
}

/// Entries of a chain, the newest first, `limit` at most.
pub fn list_entries(conn: &mut Conn, chain: &str, filter: &AuditFilter, limit: i64) -> DbResult<Vec<AuditEntry>> {
    let mut query = audit_log::table.filter(audit_log::chain.eq(chain)).into_boxed();
    if let Some(actor) = &filter.actor {
        query = query.filter(audit_log::actor_id.eq(actor));
    }
    if let Some(action) = &filter.action {
        let pattern = like_anywhere(action);
        query = query.filter(audit_log::action.like(pattern.trim_start_matches('%').to_owned()).escape('\\'));
    }
    if let Some(text) = &filter.text {
        let pattern = like_anywhere(&text.to_lowercase());
        query = query.filter(
            lower(audit_log::object_name)
                .like(pattern.clone())
                .escape('\\')
                .or(lower(audit_log::actor_name).like(pattern.clone()).escape('\\'))
                .or(lower(audit_log::object_id).like(pattern).escape('\\')),
        );
    }
    if let Some(since) = filter.since {
        query = query.filter(audit_log::at.ge(since.as_micros()));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_log::at.le(until.as_micros()));
    }
    if let Some(seq) = filter.before_seq {
        query = query.filter(audit_log::seq.lt(seq));
    }
    let rows: Vec<Row> = query.order(audit_log::seq.desc()).limit(limit).load(conn)?;
    Ok(rows.into_iter().map(AuditEntry::from).collect())
}

/// The last `limit` entries of a chain in order, all of them without a limit, and the head that is kept apart from it.
pub fn load_chain(conn: &mut Conn, chain: &str, limit: Option<i64>) -> DbResult<(Vec<AuditEntry>, String)> {
    // The head first, then what it covers: a line that is written in between must not look like damage.
    let head: Option<(i64, String)> =
        audit_chains::table.find(chain).select((audit_chains::seq, audit_chains::head)).first(conn).optional()?;
    let (seq, head) = head.unwrap_or_default();
    let mut rows: Vec<Row> = audit_log::table
        .filter(audit_log::chain.eq(chain))
        .filter(audit_log::seq.le(seq))
        .order(audit_log::seq.desc())
        .limit(limit.unwrap_or(i64::MAX))
        .load(conn)?;
    rows.reverse();
    Ok((rows.into_iter().map(AuditEntry::from).collect(), head))
}

/// The names of all chains.
pub fn list_chains(conn: &mut Conn) -> DbResult<Vec<String>> {
    audit_chains::table.select(audit_chains::chain).order(audit_chains::chain).load(conn)
}
