//! Clearing away what can no longer matter. Nothing depends on it: what is over is refused before it is gone.

use crate::actions::{AppError, Ctx};
use crate::db::usage::{MINUTES_KEPT, Step};
use crate::db::{self, Conn};
use crate::domain::device::{CODE_REMEMBERED, TOKEN_REMEMBERED};
use crate::domain::session::{AGE_MAX, IDLE_MAX};
use crate::domain::throttle::FORGOTTEN_AFTER;
use crate::domain::time::{Span, Timestamp};

/// How long a form's nonce or an Idempotency-Key is remembered.
const DONE_REMEMBERED: Span = Span::hours(25);

/// Rows deleted by one statement at most: some 50 ms, in which SQLite lets nobody else write.
const PIECE: i64 = 5000;
/// How long alerts are kept with the log of their deliveries.
const ALERTS_KEPT: Span = Span::days(30);
/// Alerts deleted at once: each has deliveries, and those have attempts.
const ALERTS_PIECE: i64 = 200;
/// Pieces of each kind at most, each time.
const PIECES_MAX: usize = 200;

/// How many changes a node may be behind before it reads everything anew.
const CHANGES_KEPT: i64 = 10_000;

/// Ends for good what a grace has left behind, so that no clock turned back revives it; deletes dead sessions and
/// command lines, old nonces and codes, idle throttles, and counts and events that are old enough. Returns how many rows that were.
///
/// # Errors
/// The database's own failure.
pub fn clean_up(conn: &mut Conn, ctx: Ctx<'_>) -> Result<usize, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let sessions = db::sessions::delete_dead_sessions(conn, now.minus(IDLE_MAX), now.minus(AGE_MAX))?;
    let done = db::tokens::delete_old_done(conn, now.minus(DONE_REMEMBERED))?;
    let billing = db::billing::delete_old_events(conn, now.minus(crate::actions::plans::EVENTS_REMEMBERED))?;
    let throttles = db::throttles::delete_old_throttles(conn, now.minus(FORGOTTEN_AFTER))?;
    let devices = db::devices::delete_old_devices(conn, now.minus(CODE_REMEMBERED))?
        + db::cli_tokens::delete_old_cli_tokens(conn, now.minus(TOKEN_REMEMBERED))?;
    let secrets = db::write(conn, |conn| db::keys::mark_overdue_secrets_ended(conn, now))?;
    db::alerts::endpoints::clear_old_secrets(conn, now)?;
    let changes = db::changes::delete_old_changes(conn, CHANGES_KEPT)?;
    let records = clear_records(conn, ctx, now)?;
    Ok(sessions + done + billing + throttles + devices + secrets + changes + records)
}

/// Deletes counts and events that are older than the operator wants, in pieces that leave room for others to write between.
fn clear_records(conn: &mut Conn, ctx: Ctx<'_>, now: Timestamp) -> Result<usize, AppError> {
    let usage_kept = ctx.rules.usage_kept;
    let hours = now.minus(usage_kept);
    let minutes = now.minus(usage_kept.min(MINUTES_KEPT));
    let events = now.minus(ctx.rules.events_kept);
    let alerts = now.minus(ALERTS_KEPT);
    let mut deleted = 0;
    for _ in 0..PIECES_MAX {
        let piece = db::usage::delete_counts(conn, Step::Minute, minutes, PIECE)?
            + db::usage::delete_counts(conn, Step::Hour, hours, PIECE)?
            + db::events::delete_events(conn, events, PIECE)?
            + db::write(conn, |conn| db::alerts::delete_old_alerts(conn, alerts, ALERTS_PIECE))?;
        deleted += piece;
        if piece == 0 {
            break;
        }
    }
    Ok(deleted)
}
