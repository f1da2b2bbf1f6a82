//! What the keys of the story were used for, put down by the functions that note real checks. Always the same, up to the
//! moment at which the demonstration begins.

use std::collections::BTreeMap;

use super::story::{Ago, DAY, Fate, HOUR, KEYS, Key};
use crate::actions::AppError;
use crate::db::events::{Event, Report, insert_events, report_outcomes, take_numbers};
use crate::db::usage::{Count, Step, add_counts};
use crate::db::{self, Conn};
use crate::domain::ids::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;

/// How busy each hour of a day is, in eighths.
const BUSY: [i64; 24] = [1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 6, 7, 8, 8, 7, 5, 4, 3, 3, 2, 2, 1];
/// Requests in a busy hour, by how much a key is used.
const SIZES: [i64; 4] = [6, 18, 60, 240];
/// Within this time there are counts by the minute, every ten of them.
const BY_MINUTE: Ago = 2 * DAY - HOUR;
/// How far back counts go.
const OLDEST: Ago = 32 * DAY;
/// Events of each key.
const EVENTS: i64 = 24;
const PATHS: [(&str, &str); 4] =
    [("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", "/v1/customers/4711"), ("PUT", "/v1/stock/88")];

/// A count with the key that it belongs to.
struct Noted<'k> {
    key: &'k ApiKey,
    ago: Ago,
    secret: i64,
    outcome: &'static str,
    count: i64,
}

impl Noted<'_> {
    fn at(&self, now: Timestamp) -> Count<'_> {
        Count {
            key: self.key.id.as_str(),
            at: now.minus(Span::minutes(self.ago)),
            secret: self.secret,
            outcome: self.outcome,
            org: self.key.org.as_str(),
            count: self.count,
        }
    }
}

/// Notes the traffic of all keys. Call it in a transaction.
pub(super) fn make(
    conn: &mut Conn,
    keys: &BTreeMap<(&'static str, &'static str), KeyId>,
    now: Timestamp,
) -> Result<(), AppError> {
    let mut found = Vec::new();
    for story in KEYS {
        if let Some(id) = keys.get(&(story.org, story.name))
            && let Some(key) = db::keys::find_key_anywhere(conn, id)?
        {
            found.push((story, key));
        }
    }
    let (mut noted, mut events, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for (story, key) in &found {
        count(story, key, &mut noted);
        tell(story, key, now, (&mut events, &mut reports));
    }
    for (_, key) in &found {
        let Some(old) = &key.previous else { continue };
        let uses = noted.iter().filter(|one| one.secret == old.hash.tag() && one.key.id == key.id);
        if let Some(last) = uses.map(|one| one.ago).min() {
            db::keys::mark_secret_used(conn, &old.id, now.minus(Span::minutes(last)))?;
        }
    }
    let hours: Vec<Count<'_>> = noted.iter().map(|one| one.at(now)).collect();
    let minutes = noted.iter().filter(|one| one.ago <= BY_MINUTE);
    let minutes: Vec<Count<'_>> = minutes.map(|one| one.at(now)).collect();
    add_counts(conn, Step::Hour, &hours)?;
    add_counts(conn, Step::Minute, &minutes)?;
    events.sort_by_key(|event: &Event| event.at);
    let before = take_numbers(conn, i64::try_from(events.len()).unwrap_or_default())?;
    insert_events(conn, &mut events, before)?;
    report_outcomes(conn, Verdict::Valid.code(), &reports)?;
    Ok(())
}

/// The same number for the same key and time, at every start.
fn chance(name: &str, ago: Ago) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(ago.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    i64::try_from(hash >> 40).unwrap_or_default()
}

/// How much a key is used in the ten minutes or the hour that begin so long ago.
fn amount(story: &Key, ago: Ago) -> i64 {
    let size = SIZES[usize::try_from(chance(story.name, 0) % 4).unwrap_or_default()];
    let busy = BUSY[usize::try_from((ago / HOUR) % 24).unwrap_or_default()];
    let hour = size * busy / 8 + chance(story.name, ago) % (size / 3 + 2);
    if ago <= BY_MINUTE { (hour + 3) / 6 } else { hour }
}

/// Which secret is presented so long ago: some go on with the old one while it works.
fn secret(story: &Key, key: &ApiKey, ago: Ago) -> i64 {
    let previous = key.previous.as_ref().map_or(key.current.hash.tag(), |old| old.hash.tag());
    match story.fate {
        Fate::Rotated(rotated, _) if ago > rotated => previous,
        // The last hours go to the new one alone where there was time enough.
        Fate::Rotated(rotated, _) if rotated < DAY && chance(story.name, ago) % 5 == 0 => previous,
        _ => key.current.hash.tag(),
    }
}

fn count<'k>(story: &'static Key, key: &'k ApiKey, noted: &mut Vec<Noted<'k>>) {
    let Some(last) = story.used.last().copied() else { return };
    let mut add = |ago, outcome, count| {
        if count > 0 {
            noted.push(Noted { key, ago, secret: secret(story, key, ago), outcome, count });
        }
    };
    let mut ago = last;
    while ago < story.made.min(OLDEST) {
        let served = amount(story, ago);
        add(ago, Verdict::Valid.code(), served);
        add(ago, "STATUS_2XX", served - served / 40);
        add(ago, "STATUS_5XX", served / 40);
        if chance(story.name, ago) % 9 == 0 {
            add(ago, Verdict::RateLimited.code(), served / 6);
        }
        ago += if ago < BY_MINUTE { 10 } else { HOUR };
    }
    if let Fate::Revoked(revoked, ..) = story.fate {
        // Somebody goes on trying, less and less often.
        for tries in 1..12 {
            let ago = revoked - tries * tries * 2 * HOUR;
            if ago > 0 {
                add(ago, Verdict::Revoked.code(), 1 + chance(story.name, ago) % 5);
            }
        }
    }
}

fn tell(story: &Key, key: &ApiKey, now: Timestamp, (events, reports): (&mut Vec<Event>, &mut Vec<Report>)) {
    let Some(last) = story.used.last().copied().filter(|last| *last < 7 * DAY) else { return };
    let is_over = matches!(story.fate, Fate::Revoked(..));
    for number in 0..if is_over { 0 } else { EVENTS } {
        let ago = last + number * 10;
        let chance = chance(story.name, ago + 1);
        let outcome = if chance % 11 == 0 { Verdict::RateLimited } else { Verdict::Valid };
        let (method, path) = PATHS[usize::try_from(chance % 4).unwrap_or_default()];
        let request_id = format!("req_demo{:06x}{:04x}", chance, number);
        if outcome == Verdict::Valid {
            let status = if chance % 23 == 0 { 502 } else { 200 };
            reports.push(Report { request_id: request_id.clone(), status, duration_ms: Some(8 + chance % 90) });
        }
        let used = key.last_use.clone();
        events.push(Event {
            seq: 0,
            at: now.minus(Span::minutes(ago)),
            org: key.org.clone(),
            key: key.id.clone(),
            secret: secret(story, key, ago),
            method: method.to_owned(),
            path: path.to_owned(),
            outcome: outcome.code().to_owned(),
            status: (outcome == Verdict::RateLimited).then_some(429),
            duration_ms: None,
            address: used.as_ref().map(|used| used.address.clone()).unwrap_or_default(),
            client: used.map(|used| used.client).unwrap_or_default(),
            request_id,
            weight: 1,
            reported_seq: None,
        });
    }
}
