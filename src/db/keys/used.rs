//! Noting when keys and their secrets were last let in, many at once.

use super::super::batch::{Row, Value, execute_many};
use super::super::{Conn, DbResult, write_one};
use crate::domain::time::Timestamp;

/// Uses of one secret of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The key.
    pub key: String,
    /// Which secret: `SecretHash::tag`.
    pub secret: i64,
    /// The first of these uses.
    pub first: Timestamp,
    /// The last of these uses.
    pub last: Timestamp,
    /// From where the last came.
    pub address: String,
    /// What its client calls itself.
    pub client: String,
}

struct OfKey<'a>(&'a Used);

impl Row for OfKey<'_> {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        let Used { key, last, address, client, .. } = self.0;
        values.extend([Value::Text(key), Value::Number(last.as_micros()), Value::Text(address), Value::Text(client)]);
    }
}

/// With the beginning of the secret's hash.
struct OfSecret<'a>(&'a Used, String);

impl Row for OfSecret<'_> {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        let Self(Used { key, first, last, .. }, secret) = self;
        values.extend([
            Value::Text(key),
            Value::Text(secret),
            Value::Number(first.as_micros()),
            Value::Number(last.as_micros()),
        ]);
    }
}

const SET_KEYS: &str = "UPDATE api_keys SET last_used_at = v.column2, last_used_address = v.column3, \
                        last_used_client = v.column4 FROM (";
const SET_SECRETS: &str = "UPDATE key_secrets SET first_used_at = COALESCE(key_secrets.first_used_at, v.column3), \
                           last_used_at = v.column4 FROM (";

macro_rules! of_keys {
    ($rest:literal) => {
        concat!(
            ") AS v WHERE api_keys.id = v.column1",
            " AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < v.column2)",
            $rest
        )
    };
}

macro_rules! of_secrets {
    ($rest:literal) => {
        concat!(
            ") AS v WHERE key_secrets.key_id = v.column1 AND substr(key_secrets.hash, 1, 16) = (v.column2 || '')",
            " AND (key_secrets.last_used_at IS NULL OR key_secrets.last_used_at < v.column4)",
            $rest
        )
    };
}

// A row that a deed has locked is passed over, and its use noted with the next one: a deed that locks several keys must
// never wait for this while this waits for the deed.
const KEYS_NOT_LOCKED: &str =
    of_keys!(" AND api_keys.id IN (SELECT k.id FROM api_keys k WHERE k.id = v.column1 FOR NO KEY UPDATE SKIP LOCKED)");
const SECRETS_NOT_LOCKED: &str = of_secrets!(
    " AND key_secrets.id IN (SELECT s.id FROM key_secrets s WHERE s.id = key_secrets.id FOR NO KEY UPDATE SKIP LOCKED)"
);

/// Rows per statement at most: on SQLite those of half a millisecond, on PostgreSQL those of three times that at worst. There each
/// statement waits for the disk, so that fewer would take too long.
const PIECE: usize = 64;
/// The same on PostgreSQL where nobody is to be let run between.
const PIECE_HASTY: usize = 128;

/// Notes uses of keys and secrets; never goes backwards. On PostgreSQL each statement commits by itself, so that a process
/// that is stopped in between holds up nobody. `rest` is called between pieces, which are larger without it.
pub fn mark_used(conn: &mut Conn, uses: &[Used], rest: Option<&dyn Fn()>) -> DbResult<()> {
    // The last use of each key, over all its secrets.
    let mut keys: Vec<OfKey<'_>> = uses.iter().map(OfKey).collect();
    keys.sort_by(|a, b| (&a.0.key, b.0.last).cmp(&(&b.0.key, a.0.last)));
    keys.dedup_by(|later, first| later.0.key == first.0.key);
    let tag = |used: &Used| format!("{:016x}", used.secret);
    let secrets: Vec<OfSecret<'_>> = uses.iter().map(|used| OfSecret(used, tag(used))).collect();
    let (piece, of_keys, of_secrets) = match conn.is_sqlite() {
        true => (PIECE, of_keys!(""), of_secrets!("")),
        false => (if rest.is_some() { PIECE } else { PIECE_HASTY }, KEYS_NOT_LOCKED, SECRETS_NOT_LOCKED),
    };
    write_one(conn, |conn| {
        for keys in keys.chunks(piece) {
            if let Some(rest) = rest {
                rest();
            }
            execute_many(conn, SET_KEYS, keys, of_keys)?;
        }
        for secrets in secrets.chunks(piece) {
            if let Some(rest) = rest {
                rest();
            }
            execute_many(conn, SET_SECRETS, secrets, of_secrets)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::plan_of;
    use super::*;

    #[test]
    fn sqlite_looks_for_each_use_by_its_key_instead_of_reading_all_keys() {
        let tables = include_str!("../../../migrations/2026-11-21-000001_create_everything/up.sql");
        for (head, tail) in [(SET_KEYS, of_keys!("")), (SET_SECRETS, of_secrets!(""))] {
            for rows in [1, 8, 128] {
                let values = vec!["('a', 'b', 1, 2)"; rows].join(", ");
                let lines = plan_of(tables, &format!("{head}VALUES {values}{tail}"));
                assert!(lines.iter().any(|line| line.contains("USING INDEX")), "{lines:#?}");
                assert!(
                    !lines.iter().any(|line| line.contains("SCAN key_secrets") || line.contains("SCAN api_keys")),
                    "{lines:#?}"
                );
            }
        }
    }
}
