//! Counts that wait to be added: many in one row, because a busy half second touches more keys than there is time to look
//! up rows for. A row is written at once, so that nothing is lost; its counts are added later, many rows at a time.

use std::fmt::Write as _;

use diesel::prelude::*;

use super::batch::{Row, Value, execute_many};
use super::schema::usage_backlog;
use super::usage::Count;
use super::{Conn, DbResult};
use crate::domain::time::Timestamp;

/// Into how many parts the backlog is divided by key.
pub const PARTS: u8 = 32;

/// Counts as one text. Those of one organization, minute and outcome share a line that begins with `=`.
#[must_use]
pub fn encode(counts: &[Count<'_>]) -> String {
    let mut sorted: Vec<&Count<'_>> = counts.iter().collect();
    sorted.sort_unstable_by_key(|count| (count.org, count.at, count.outcome, count.key));
    let mut text = String::with_capacity(sorted.len() * 32);
    let mut head = None;
    for count in sorted {
        if head != Some((count.org, count.at, count.outcome)) {
            head = Some((count.org, count.at, count.outcome));
            // Writing to a text cannot fail.
            let _ = writeln!(text, "={} {} {}", count.org, count.at.as_micros(), count.outcome);
        }
        let _ = writeln!(text, "{} {:x} {}", count.key, count.secret, count.count);
    }
    text
}

/// Reads what `encode` wrote; lines that it did not write are passed over.
#[must_use]
pub fn decode(text: &str) -> Vec<Count<'_>> {
    let mut counts = Vec::new();
    let mut head = None;
    for line in text.lines() {
        let mut words = line.strip_prefix('=').unwrap_or(line).split(' ');
        let (Some(first), Some(second), Some(third)) = (words.next(), words.next(), words.next()) else { continue };
        if line.starts_with('=') {
            head = second.parse().ok().map(|at| (first, Timestamp::from_micros(at), third));
        } else if let Some((org, at, outcome)) = head
            && let (Ok(secret), Ok(count)) = (u64::from_str_radix(second, 16), third.parse())
        {
            counts.push(Count { key: first, at, secret: secret.cast_signed(), outcome, org, count });
        }
    }
    counts
}

/// Adds rows (part, counts) to the backlog under the numbers after `before`.
pub fn insert_backlog(conn: &mut Conn, rows: &[(u8, String)], before: i64) -> DbResult<()> {
    let numbered = rows.iter().zip(before + 1..);
    let rows: Vec<Waiting<'_>> = numbered.map(|((part, entries), seq)| Waiting { seq, part: *part, entries }).collect();
    execute_many(conn, "INSERT INTO usage_backlog (seq, part, entries)", &rows, "").map(|_| ())
}

struct Waiting<'a> {
    seq: i64,
    part: u8,
    entries: &'a str,
}

impl Row for Waiting<'_> {
    fn put_values<'a>(&'a self, values: &mut Vec<Value<'a>>) {
        values.extend([Value::Number(self.seq), Value::Number(i64::from(self.part)), Value::Text(self.entries)]);
    }
}

/// The part that has waited the longest.
pub fn find_oldest_part(conn: &mut Conn) -> DbResult<Option<u8>> {
    let part: Option<i64> =
        usage_backlog::table.order(usage_backlog::seq).select(usage_backlog::part).first(conn).optional()?;
    Ok(part.and_then(|part| u8::try_from(part).ok()))
}

/// Takes the oldest rows of a part out of the backlog, `limit` at most. Hold the counter, so that nobody takes them too.
pub fn take_backlog(conn: &mut Conn, part: u8, limit: i64) -> DbResult<Vec<String>> {
    let rows: Vec<(i64, String)> = usage_backlog::table
        .filter(usage_backlog::part.eq(i64::from(part)))
        .order(usage_backlog::seq)
        .limit(limit)
        .select((usage_backlog::seq, usage_backlog::entries))
        .load(conn)?;
    let (numbers, entries): (Vec<i64>, Vec<String>) = rows.into_iter().unzip();
    diesel::delete(usage_backlog::table.filter(usage_backlog::seq.eq_any(numbers))).execute(conn)?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_writing_and_reading() {
        let count = |key, at, secret, outcome, org| Count {
            key,
            at: Timestamp::from_micros(at),
            secret,
            outcome,
            org,
            count: 3,
        };
        let mut counts = vec![
            count("AAAAAAAA", 60_000_000, -1, "VALID", "org_a"),
            count("BBBBBBBB", 60_000_000, i64::MIN, "VALID", "org_a"),
            count("BBBBBBBB", 0, i64::MAX, "REVOKED", "org_b"),
        ];
        let text = encode(&counts);
        let mut read = decode(&text);
        counts.sort();
        read.sort();
        assert_eq!(read, counts);
        assert_eq!(decode("A 1 1\n=org x VALID\nA 1 1\n=org 1 VALID\nA\nA zz 1\nA 1 z\n\n"), []);
    }
}
