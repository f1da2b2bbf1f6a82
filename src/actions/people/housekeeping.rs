//! Clearing away what can no longer matter. Nothing depends on it: what is over is refused before it is gone.

use crate::actions::{AppError, Ctx};
use crate::db::{self, Conn};
use crate::domain::session::{AGE_MAX, IDLE_MAX};
use crate::domain::throttle::FORGOTTEN_AFTER;
use crate::domain::time::Span;

/// How long a form's nonce or an Idempotency-Key is remembered.
const DONE_REMEMBERED: Span = Span::hours(25);

/// Ends for good what a grace has left behind, so that no clock turned back revives it; deletes dead sessions, old nonces
/// and idle throttles. Returns how many rows that were.
///
/// # Errors
/// The database's own failure.
pub fn clean_up(conn: &mut Conn, ctx: Ctx<'_>) -> Result<usize, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let sessions = db::sessions::delete_dead_sessions(conn, now.minus(IDLE_MAX), now.minus(AGE_MAX))?;
    let done = db::tokens::delete_old_done(conn, now.minus(DONE_REMEMBERED))?;
    let throttles = db::throttles::delete_old_throttles(conn, now.minus(FORGOTTEN_AFTER))?;
    let secrets = db::keys::mark_overdue_secrets_ended(conn, now)?;
    Ok(sessions + done + throttles + secrets)
}
