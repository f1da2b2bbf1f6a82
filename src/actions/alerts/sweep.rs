//! Alerts whose cause is the time that passes. What became due since the last look is found by the database's clock, by one
//! node at a time; each alert has a name of its own, so that it happens once even so.

use std::collections::BTreeSet;

use super::raise::raise_for_key;
use crate::actions::{AppError, Ctx};
use crate::db::alerts::sweeps::{self, FirstUse};
use crate::db::{self, Conn};
use crate::domain::alert::{
    AlertKind, EXPIRY_WARNINGS, Facts, NETWORKS_TOLD, UNUSED_AFTER, expiry_warning, grace_warning_at,
};
use crate::domain::ids::KeyId;
use crate::domain::key::ApiKey;
use crate::domain::time::{Span, Timestamp};

/// What came due while nobody looked is told if it is no older than this: nobody wants to hear of years at the first start.
const LATE_MAX: Span = Span::days(7);
/// How often is looked for what comes due to the minute.
const OFTEN: Span = Span::seconds(15);
/// The name of the look for keys that nobody uses.
const UNUSED: &str = "unused";
/// How often is looked for them.
const SELDOM: Span = Span::hours(1);
/// Unused keys in one transaction: while it lasts, SQLite lets nobody else write.
const UNUSED_AT_ONCE: usize = 100;
/// New networks in one go.
const NETWORKS: i64 = 100;

/// Raises what has come due. Returns how many alerts that were.
///
/// # Errors
/// The database's own failure; what was not raised is found again.
pub fn sweep(conn: &mut Conn, ctx: Ctx<'_>) -> Result<usize, AppError> {
    let expiring = swept(conn, ctx, ("expiring", OFTEN), sweep_expiring)?;
    let ending = swept(conn, ctx, ("grace_ending", OFTEN), sweep_grace_ending)?;
    Ok(expiring + ending + sweep_unused(conn, ctx)? + sweep_networks(conn, ctx)?)
}

type Look = fn(&mut Conn, Ctx<'_>, Timestamp, Timestamp) -> Result<usize, AppError>;

/// Looks for one kind of cause, unless somebody did so a short while ago.
fn swept(conn: &mut Conn, ctx: Ctx<'_>, (kind, every): (&str, Span), look: Look) -> Result<usize, AppError> {
    let now = db::now(conn, ctx.clock)?;
    if sweeps::find_sweep(conn, kind)?.plus(every) > now {
        return Ok(0);
    }
    db::write(conn, |conn| {
        let since = sweeps::lock_sweep(conn, kind)?;
        // After the turn was taken: whoever had it before may have looked further than this node's last question.
        let now = db::now(conn, ctx.clock)?;
        if since >= now {
            return Ok(0);
        }
        let count = look(conn, ctx, since.max(now.minus(LATE_MAX)), now)?;
        sweeps::update_sweep(conn, kind, now)?;
        Ok(count)
    })
}

/// The keys with these ids that were not revoked.
fn load(conn: &mut Conn, ids: BTreeSet<KeyId>) -> Result<Vec<ApiKey>, AppError> {
    let mut keys = Vec::new();
    for id in ids {
        keys.extend(db::keys::find_key_anywhere(conn, &id)?.filter(|key| key.revoked.is_none()));
    }
    Ok(keys)
}

fn raise(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    (kind, key): (AlertKind, &ApiKey),
    (facts, about): (Facts, &str),
    now: Timestamp,
) -> Result<usize, AppError> {
    let once = format!("{} {} {about}", kind.as_str(), key.id);
    let raised = raise_for_key(conn, &ctx.rules.format, (&key.org, now), kind, key, (facts, Some(once)))?;
    Ok(usize::from(raised))
}

fn sweep_expiring(conn: &mut Conn, ctx: Ctx<'_>, since: Timestamp, now: Timestamp) -> Result<usize, AppError> {
    let mut ids = BTreeSet::new();
    for days in EXPIRY_WARNINGS.map(|days| Span::days(i64::from(days))) {
        ids.extend(sweeps::list_expiring(conn, since.plus(days), now.plus(days))?);
    }
    let mut count = 0;
    for key in load(conn, ids)? {
        let Some(expires_at) = key.expires_at else { continue };
        let Some(days) = expiry_warning(expires_at, since.max(key.created_at.plus(Span::hours(1))), now) else {
            continue;
        };
        let last_used_at = key.last_use.as_ref().map(|used| used.at);
        let facts = Facts { expires_at: Some(expires_at), days: Some(days), last_used_at, ..Facts::default() };
        count += raise(conn, ctx, (AlertKind::Expiring, &key), (facts, &format!("{expires_at} {days}")), now)?;
    }
    Ok(count)
}

fn sweep_grace_ending(conn: &mut Conn, ctx: Ctx<'_>, since: Timestamp, now: Timestamp) -> Result<usize, AppError> {
    let mut ids = BTreeSet::new();
    for lead in [Span::minutes(15), Span::hours(1)] {
        ids.extend(sweeps::list_grace_ending(conn, since.plus(lead), now.plus(lead))?);
    }
    let mut count = 0;
    for key in load(conn, ids)? {
        let Some(old) = key.secret_in_grace(now) else { continue };
        let Some(until) = old.valid_until else { continue };
        let due = grace_warning_at(key.current.created_at, until);
        if due <= since || due > now {
            continue;
        }
        let facts = Facts {
            current_last4: Some(key.current.last4.clone()),
            previous_last4: Some(old.last4.clone()),
            previous_valid_until: Some(until),
            last_used_at: old.last_used_at,
            ..Facts::default()
        };
        count += raise(conn, ctx, (AlertKind::GraceEnding, &key), (facts, &until.to_string()), now)?;
    }
    Ok(count)
}

/// Reads all keys, which takes seconds where there are millions, so nobody is kept from writing meanwhile. Where several nodes
/// look at once, the names of alerts keep them from being raised twice.
fn sweep_unused(conn: &mut Conn, ctx: Ctx<'_>) -> Result<usize, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let looked = sweeps::find_sweep(conn, UNUSED)?;
    if looked.plus(SELDOM) > now {
        return Ok(0);
    }
    let mut count = 0;
    // At the first look of all, what is idle for long is no news.
    if looked.as_micros() > 0 {
        let since = looked.max(now.minus(LATE_MAX));
        let ids = sweeps::list_unused(conn, (since.minus(UNUSED_AFTER), now.minus(UNUSED_AFTER)), now)?;
        for part in ids.chunks(UNUSED_AT_ONCE) {
            let raised = db::write(conn, |conn| {
                let is_done_by_another = sweeps::lock_sweep(conn, UNUSED)? > looked;
                if is_done_by_another { Ok(None) } else { raise_unused(conn, ctx, part, now).map(Some) }
            });
            let Some(raised) = raised? else { return Ok(count) };
            count += raised;
        }
    }
    db::write(conn, |conn| Ok::<_, AppError>(sweeps::update_sweep(conn, UNUSED, now)?))?;
    Ok(count)
}

fn raise_unused(conn: &mut Conn, ctx: Ctx<'_>, ids: &[KeyId], now: Timestamp) -> Result<usize, AppError> {
    let mut count = 0;
    for key in load(conn, ids.iter().cloned().collect())? {
        let last_used_at = key.last_use.as_ref().map(|used| used.at);
        let idle_since = last_used_at.unwrap_or(key.created_at);
        // It may have been used since the keys were read.
        if idle_since.plus(UNUSED_AFTER) <= now {
            let facts = Facts { last_used_at, ..Facts::default() };
            count += raise(conn, ctx, (AlertKind::Unused, &key), (facts, &idle_since.to_string()), now)?;
        }
    }
    Ok(count)
}

fn sweep_networks(conn: &mut Conn, ctx: Ctx<'_>) -> Result<usize, AppError> {
    if sweeps::list_new_networks(conn, 1)?.is_empty() {
        return Ok(0);
    }
    db::write(conn, |conn| {
        sweeps::lock_sweep(conn, "new_network")?;
        let now = db::now(conn, ctx.clock)?;
        let mut count = 0;
        for first_use in sweeps::list_new_networks(conn, NETWORKS)? {
            count += tell_network(conn, ctx, &first_use, now)?;
        }
        Ok(count)
    })
}

/// The first network of a key is where it belongs, and one of very many is no news.
fn tell_network(conn: &mut Conn, ctx: Ctx<'_>, first_use: &FirstUse, now: Timestamp) -> Result<usize, AppError> {
    let key = db::keys::find_key_anywhere(conn, &first_use.key)?.filter(|key| key.revoked.is_none());
    let known = sweeps::count_told_networks(conn, &first_use.key)?;
    let Some(key) = key.filter(|_| known < NETWORKS_TOLD) else {
        sweeps::delete_network(conn, first_use)?;
        return Ok(0);
    };
    sweeps::mark_network_told(conn, first_use)?;
    if known == 0 {
        return Ok(0);
    }
    let (network, last_used_at) = (Some(first_use.network.clone()), Some(first_use.at));
    let facts = Facts { network, last_used_at, ..Facts::default() };
    raise(conn, ctx, (AlertKind::NewNetwork, &key), (facts, &first_use.network), now)
}
