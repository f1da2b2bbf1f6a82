//! What must be true of the database at every moment, whatever was done and in whatever order. Asked by `doctor`, and by
//! the tests after every test.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::{Conn, DbResult};
use crate::domain::audit::verify_chain;
use crate::domain::time::Timestamp;

/// (what is true, a query for that which breaks it, with :now for the time)
const INVARIANTS: &[(&str, &str)] = &[
    (
        "a key that is not revoked has exactly one current secret",
        "SELECT k.id AS what FROM api_keys k WHERE k.revoked_at IS NULL \
         AND (SELECT COUNT(*) FROM key_secrets s WHERE s.key_id = k.id AND s.valid_until IS NULL) <> 1",
    ),
    (
        "a key has at most one old secret that still works",
        "SELECT s.key_id AS what FROM key_secrets s WHERE s.valid_until > :now GROUP BY s.key_id HAVING COUNT(*) > 1",
    ),
    (
        "an old secret works for seven days at most",
        "SELECT s.id AS what FROM key_secrets s WHERE s.valid_until > :now + 604800000000",
    ),
    (
        "a secret belongs to a key",
        "SELECT s.id AS what FROM key_secrets s WHERE NOT EXISTS (SELECT 1 FROM api_keys k WHERE k.id = s.key_id)",
    ),
    (
        "a key that is not revoked belongs to a member of its organization",
        "SELECT k.id AS what FROM api_keys k WHERE k.revoked_at IS NULL AND NOT EXISTS \
         (SELECT 1 FROM memberships m WHERE m.org_id = k.org_id AND m.user_id = k.owner_id)",
    ),
    (
        "a key is bound to a profile of its own organization",
        "SELECT k.id AS what FROM api_keys k WHERE NOT EXISTS \
         (SELECT 1 FROM profiles p WHERE p.id = k.profile_id AND p.org_id = k.org_id)",
    ),
    (
        "an organization has an owner and a profile",
        "SELECT o.slug AS what FROM orgs o WHERE NOT EXISTS (SELECT 1 FROM profiles p WHERE p.org_id = o.id) \
         OR NOT EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = o.id AND m.role = 'owner')",
    ),
    (
        "the creation of each key is in its organization's audit log, once",
        "SELECT k.id AS what FROM api_keys k WHERE (SELECT COUNT(*) FROM audit_log a \
         WHERE a.chain = k.org_id AND a.object_id = k.id AND a.action = 'key.created') <> 1",
    ),
    (
        "the revocation of each revoked key is in its organization's audit log, once, and of no other",
        "SELECT k.id AS what FROM api_keys k WHERE (SELECT COUNT(*) FROM audit_log a \
         WHERE a.chain = k.org_id AND a.object_id = k.id AND a.action = 'key.revoked') \
         <> (CASE WHEN k.revoked_at IS NULL THEN 0 ELSE 1 END)",
    ),
    (
        "each further secret of a key is in the audit log as a rotation",
        "SELECT k.id AS what FROM api_keys k WHERE (SELECT COUNT(*) FROM audit_log a \
         WHERE a.chain = k.org_id AND a.object_id = k.id AND a.action = 'key.rotated') \
         <> (SELECT COUNT(*) FROM key_secrets s WHERE s.key_id = k.id) - 1",
    ),
    (
        "what is stored of a secret is a SHA-256 in hexadecimal",
        "SELECT s.id AS what FROM key_secrets s WHERE LENGTH(s.hash) <> 64 OR LENGTH(s.last4) <> 4",
    ),
    (
        "what is stored of a command line and of a device is a SHA-256 in hexadecimal",
        "SELECT t.id AS what FROM cli_tokens t WHERE LENGTH(t.token_hash) <> 64 \
         UNION ALL SELECT d.id AS what FROM device_codes d WHERE LENGTH(d.code_hash) <> 64",
    ),
    (
        "a device that was let in names its person and their organization",
        "SELECT d.id AS what FROM device_codes d WHERE d.state IN ('allowed', 'used') \
         AND (d.user_id IS NULL OR d.org_id IS NULL)",
    ),
    (
        "the sign-in of each command line is in its person's log, once",
        "SELECT t.id AS what FROM cli_tokens t WHERE (SELECT COUNT(*) FROM audit_log a WHERE a.chain = t.user_id \
         AND a.credential = 'cli ' || t.id AND a.action = 'account.device_signed_in') <> 1",
    ),
    (
        "nothing happens before it exists",
        "SELECT k.id AS what FROM api_keys k WHERE k.revoked_at < k.created_at OR k.created_at > :now + 60000000",
    ),
];

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    what: String,
}

/// A sentence for each thing that is not as it must be; none when all is well.
///
/// # Errors
/// The database's own failure.
pub fn find_broken_invariants(conn: &mut Conn, now: Timestamp) -> DbResult<Vec<String>> {
    let mut broken = Vec::new();
    for (sentence, query) in INVARIANTS {
        let query = query.replace(":now", &now.as_micros().to_string());
        let found: Vec<Found> = diesel::sql_query(query).load(conn)?;
        broken.extend(found.into_iter().map(|found| format!("not true of {}: {sentence}", found.what)));
    }
    for chain in super::audit::list_chains(conn)? {
        let (entries, head) = super::audit::load_chain(conn, &chain, None)?;
        if let Err(fault) = verify_chain(&entries, &head) {
            broken.push(format!("the audit log {chain} is damaged: {fault}"));
        }
    }
    Ok(broken)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Whether SQLite finds its file whole; PostgreSQL looks after its own.
///
/// # Errors
/// The database's own failure.
pub fn count_integrity_faults(conn: &mut Conn) -> DbResult<i64> {
    match conn {
        Conn::Postgres(_) => Ok(0),
        Conn::Sqlite(sqlite) => {
            let check = "SELECT (SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok') \
                         + (SELECT COUNT(*) FROM pragma_foreign_key_check) AS n";
            diesel::sql_query(check).get_result::<Count>(sqlite).map(|row| row.n)
        }
    }
}
