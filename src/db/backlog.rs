//! Counts that wait to be added: many in one row, because a busy half second touches more keys than there is time to look
//! up rows for. A row is written at once, so that nothing is lost; its counts are added later, many rows at a time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::prelude::*;

use super::batch::{Row, Value, execute_many};
use super::schema::usage_backlog;
use super::usage::Count;
use super::{Conn, DbResult};
use crate::domain::time::Timestamp;

/// Into how many parts the backlog is divided at most.
const PARTS: usize = 250;
/// A row is worth writing and reading for so many counts; where there are few, several parts share one. Those of few organizations
/// stay below two kilobytes then, beyond which PostgreSQL takes the time to compress a row.
const ROW_WORTH: usize = 48;

/// The part for the counts of a key, where no parts are shared: each holds one stretch of all keys in the order of their bytes,
/// because what lies side by side in SQLite's indexes is added up with the least writing.
fn part_of(key: &str) -> u8 {
    let digit = |at: usize| match key.as_bytes().get(at) {
        Some(byte @ b'0'..=b'9') => usize::from(byte - b'0'),
        Some(byte @ b'A'..=b'Z') => usize::from(byte - b'A') + 10,
        Some(byte @ b'a'..=b'z') => usize::from(byte - b'a') + 36,
        _ => 0,
    };
    u8::try_from((digit(0) * 62 + digit(1)) * PARTS / (62 * 62)).unwrap_or_default()
}

/// In which of so many stretches of all keys a key lies: each is made up of whole parts, where there are fewer.
#[must_use]
pub fn stretch_of(key: &str, stretches: usize) -> usize {
    usize::from(part_of(key)) * stretches / PARTS
}

/// Counts by the parts of the backlog they belong to.
#[derive(Debug)]
pub struct Parts<'a> {
    /// How many parts share a row.
    shared: u8,
    parts: BTreeMap<u8, Vec<Count<'a>>>,
}

impl<'a> Parts<'a> {
    /// For so many counts.
    #[must_use]
    pub fn of(counts: usize) -> Self {
        let rows = (counts / ROW_WORTH).clamp(1, PARTS);
        Self { shared: u8::try_from(PARTS / rows).unwrap_or(u8::MAX), parts: BTreeMap::new() }
    }

    /// Adds one.
    pub fn add(&mut self, count: Count<'a>) {
        self.parts.entry(part_of(count.key) / self.shared * self.shared).or_default().push(count);
    }

    /// The rows that hold them: part and text. Each is put together when it is asked for.
    pub fn into_rows(self) -> impl Iterator<Item = (u8, String)> {
        self.parts.into_iter().map(|(part, counts)| (part, encode(&counts)))
    }
}

/// Characters of a key, and those of which of its secrets: eight bytes in base64.
const KEY: usize = 8;
const SECRET: usize = 11;

/// Counts as one text, which is to be short. A line that begins with `=` says the minute and outcome of those that follow, one with
/// `@` their organization. The others are the key, which of its secrets, and how often unless it was once.
fn encode(counts: &[Count<'_>]) -> String {
    let mut sorted: Vec<&Count<'_>> = counts.iter().collect();
    sorted.sort_unstable_by_key(|count| (count.at, count.outcome, count.org, count.key));
    let mut text = String::with_capacity(sorted.len() * 32);
    let (mut head, mut org) = (None, None);
    for count in sorted {
        // Writing to a text cannot fail.
        if head != Some((count.at, count.outcome)) {
            head = Some((count.at, count.outcome));
            let _ = writeln!(text, "={} {}", count.at.as_micros(), count.outcome);
        }
        if org != Some(count.org) {
            org = Some(count.org);
            let _ = writeln!(text, "@{}", count.org);
        }
        text.push_str(count.key);
        URL_SAFE_NO_PAD.encode_string(count.secret.to_be_bytes(), &mut text);
        if count.count != 1 {
            let _ = write!(text, "{}", count.count);
        }
        text.push('\n');
    }
    text
}

/// Reads what `encode` wrote; lines that it did not write are passed over.
#[must_use]
pub fn decode(text: &str) -> Vec<Count<'_>> {
    let mut counts = Vec::new();
    let (mut head, mut org) = (None, None);
    for line in text.lines() {
        if let Some(line) = line.strip_prefix('=') {
            let mut words = line.rsplitn(3, ' ');
            let (outcome, at) = (words.next(), words.next());
            head = at.zip(outcome).and_then(|(at, outcome)| Some((Timestamp::from_micros(at.parse().ok()?), outcome)));
            // Longer lines of an older version, which said it here.
            org = words.next().or(org);
        } else if let Some(line) = line.strip_prefix('@') {
            org = Some(line);
        } else if let (Some((at, outcome)), Some(org)) = (head, org)
            && let Some((key, secret, count)) = read_count(line)
        {
            counts.push(Count { key, at, secret, outcome, org, count });
        }
    }
    counts
}

fn read_count(line: &str) -> Option<(&str, i64, i64)> {
    // What an older version wrote.
    if let Some((key, rest)) = line.split_once(' ') {
        let (secret, count) = rest.split_once(' ')?;
        return Some((key, u64::from_str_radix(secret, 16).ok()?.cast_signed(), count.parse().ok()?));
    }
    let (key, rest) = line.split_at_checked(KEY)?;
    let (secret, count) = rest.split_at_checked(SECRET)?;
    let mut bytes = [0; 8];
    // Its length is not checked otherwise, and what is longer does not fit.
    let length = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes).ok()?;
    let count = if count.is_empty() { 1 } else { count.parse().ok()? };
    (length == bytes.len()).then_some((key, i64::from_be_bytes(bytes), count))
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

/// The part that has waited the longest, and the number of its oldest row. No row has a number below `from`: what was taken
/// out before is not walked through again, which PostgreSQL would do while anybody might still see it.
pub fn find_oldest_part(conn: &mut Conn, from: i64) -> DbResult<Option<(u8, i64)>> {
    let rows = usage_backlog::table.filter(usage_backlog::seq.ge(from)).order(usage_backlog::seq);
    let found: Option<(i64, i64)> = rows.select((usage_backlog::part, usage_backlog::seq)).first(conn).optional()?;
    Ok(found.and_then(|(part, seq)| Some((u8::try_from(part).ok()?, seq))))
}

/// The number of the row that came last.
pub fn find_newest(conn: &mut Conn) -> DbResult<Option<i64>> {
    usage_backlog::table.order(usage_backlog::seq.desc()).select(usage_backlog::seq).first(conn).optional()
}

/// Takes the oldest rows of a part out of the backlog, `limit` at most. Hold the counter, so that nobody takes them too.
pub fn take_backlog(conn: &mut Conn, part: u8, limit: usize) -> DbResult<Vec<String>> {
    let rows: Vec<(i64, String)> = usage_backlog::table
        .filter(usage_backlog::part.eq(i64::from(part)))
        .order(usage_backlog::seq)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
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
        let count = |key, at, secret, outcome, org, count| Count {
            key,
            at: Timestamp::from_micros(at),
            secret,
            outcome,
            org,
            count,
        };
        let mut counts = vec![
            count("AAAAAAAA", 60_000_000, -1, "VALID", "org_a", 1),
            count("BBBBBBBB", 60_000_000, i64::MIN, "VALID", "org_a", 3),
            count("BBBBBBBB", 60_000_000, i64::MIN, "REVOKED", "org_a", 1),
            count("BBBBBBBB", 0, i64::MAX, "REVOKED", "org_b", i64::MAX),
            count("CCCCCCCC", 60_000_000, 0, "VALID", "org_b", 25),
        ];
        let text = encode(&counts);
        let mut read = decode(&text);
        counts.sort();
        read.sort();
        assert_eq!(read, counts);
        let lines = [
            "=0 REVOKED\n@org_b\nBBBBBBBBf_________89223372036854775807",
            "=60000000 REVOKED\n@org_a\nBBBBBBBBgAAAAAAAAAA",
            "=60000000 VALID\nAAAAAAAA__________8\nBBBBBBBBgAAAAAAAAAA3\n@org_b\nCCCCCCCCAAAAAAAAAAA25\n",
        ];
        assert_eq!(text, lines.join("\n"));
        // No minute or organization, nothing to read, too short, no base64, no number.
        let (good, bad) = ("AAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAA!");
        assert_eq!(decode(&format!("{good}\n@org\n{good}\n=x VALID\n{good}\n=1\n{good}\n")), []);
        assert_eq!(decode(&format!("=1 VALID\n{good}\n@org\nA\n{bad}\n{good}x\n\nAAAAAAAé\n{good}-\n")), []);
        assert_eq!(decode(&format!("=1 VALID\n@org\n{good}\n")).len(), 1);
        let old =
            decode("=org_a 60000000 VALID\nAAAAAAAA ffffffffffffffff 1\nBBBBBBBB zz 1\nBBBBBBBB 1\nBBBBBBBB 1 x\n");
        assert_eq!(old, [count("AAAAAAAA", 60_000_000, -1, "VALID", "org_a", 1)]);
    }

    #[test]
    fn rows_are_as_many_as_are_worth_it() {
        let rows = |many: usize| {
            let digit = |number: usize| char::from(crate::domain::ids::BASE62[number % 62]);
            let keys: Vec<String> = (0..many).map(|n| format!("{}{}aaaaaa", digit(n), digit(n / 62))).collect();
            let at = Timestamp::from_micros(0);
            let of = |key| Count { key, at, secret: 1, outcome: "VALID", org: "org_a", count: 1 };
            let counts: Vec<Count<'_>> = keys.iter().map(|key| of(key.as_str())).collect();
            let mut parts = Parts::of(counts.len());
            counts.iter().for_each(|count| parts.add(*count));
            let rows: Vec<(u8, String)> = parts.into_rows().collect();
            assert_eq!(rows.iter().map(|(_, row)| decode(row).len()).sum::<usize>(), many);
            rows.len()
        };
        assert_eq!([1, 300, 1000, 3844, 20_000].map(rows), [1, 7, 21, 84, 250]);
    }

    #[test]
    fn parts_hold_stretches_of_keys_and_all_are_used() {
        let digits = crate::domain::ids::BASE62.iter().map(|digit| char::from(*digit));
        let keys: Vec<String> =
            digits.clone().flat_map(|a| digits.clone().map(move |b| format!("{a}{b}aaaaaa"))).collect();
        let parts: Vec<u8> = keys.iter().map(|key| part_of(key)).collect();
        assert!(keys.is_sorted() && parts.is_sorted());
        assert_eq!(parts.iter().collect::<std::collections::BTreeSet<_>>().len(), PARTS);
        assert_eq!((part_of(""), part_of("é")), (0, 0));
    }
}
