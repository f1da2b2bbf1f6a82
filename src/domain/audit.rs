//! One line of the audit log, and the chain that shows when lines were changed or taken out.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::time::Timestamp;
use super::token::hex;

/// What is written down of a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The chain: an organization's id, or a person's for what concerns only their account.
    pub chain: String,
    /// Position in the chain, from 1 without gaps.
    pub seq: i64,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Who: a person's id, or `server`.
    pub actor_id: String,
    /// Their name then.
    pub actor_name: String,
    /// With what: `session ses_…`, `key BRTRKFsL`, `server`.
    pub credential: String,
    /// The deed: `key.created`, `member.role_changed` …
    pub action: String,
    /// What it was done to, by id.
    pub object_id: String,
    /// And by its name then.
    pub object_name: String,
    /// Before and after as JSON objects; empty where there is no such side.
    pub before: String,
    /// See `before`.
    pub after: String,
    /// The address it came from, or empty.
    pub address: String,
    /// `page`, `api`, `cli` or `server`.
    pub via: String,
    /// The request it was done by, or empty.
    pub request_id: String,
    /// The hash of the line before; empty for the first.
    pub prev_hash: String,
    /// SHA-256 over the line before and all fields of this one.
    pub hash: String,
}

impl AuditEntry {
    /// SHA-256 in hex over `prev_hash` and every other field but `hash`, each preceded by its length in bytes, so
    /// that no two different lines give the same input.
    #[must_use]
    pub fn computed_hash(&self) -> String {
        let (seq, at) = (self.seq.to_string(), self.at.as_micros().to_string());
        let fields = [
            &self.prev_hash,
            &self.chain,
            &seq,
            &at,
            &self.actor_id,
            &self.actor_name,
            &self.credential,
            &self.action,
            &self.object_id,
            &self.object_name,
            &self.before,
            &self.after,
            &self.address,
            &self.via,
            &self.request_id,
        ];
        let mut digest = Sha256::new();
        for field in fields {
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field.as_bytes());
        }
        hex(&digest.finalize())
    }
}

/// Checks a whole chain in order. `head` is the hash that the database keeps apart as the last one. Gives the number of
/// lines.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn verify_chain(entries: &[AuditEntry], head: &str) -> Result<i64, String> {
    verify_links(entries, 0, "", head)
}

/// Checks the last lines of a chain, taking what came before them on trust. Gives the position of the last line.
///
/// # Errors
/// The first thing that is wrong, in words.
pub fn verify_chain_end(entries: &[AuditEntry], head: &str) -> Result<i64, String> {
    match entries.first() {
        Some(first) => verify_links(entries, first.seq - 1, &first.prev_hash, head),
        None => verify_links(entries, 0, "", head),
    }
}

fn verify_links<'e>(entries: &'e [AuditEntry], mut seq: i64, mut prev: &'e str, head: &str) -> Result<i64, String> {
    for entry in entries {
        seq += 1;
        if entry.seq != seq {
            return Err(format!("line {seq} is missing"));
        }
        if entry.prev_hash != prev || entry.hash != entry.computed_hash() {
            return Err(format!("line {seq} was changed"));
        }
        prev = &entry.hash;
    }
    if prev == head { Ok(seq) } else { Err("the last lines are missing".to_owned()) }
}

/// A cell of a spreadsheet that no program takes for a formula: one that begins like a formula gets a `'` in front
/// (ASVS 5.0 V1.2.10; CSV files have no way to say “this is text”).
#[must_use]
pub fn spreadsheet_cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_begins_like_a_formula_is_made_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0"] {
            assert_eq!(spreadsheet_cell(formula), format!("'{formula}"));
        }
        for text in ["", "CI", "a=b", "{\"name\":\"=1\"}", "2026-11-21T00:00:00Z"] {
            assert_eq!(spreadsheet_cell(text), text);
        }
    }
}
