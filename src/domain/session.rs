//! How long a signed-in browser stays signed in.

use super::time::{Span, Timestamp};

/// Without a request for this long, a session is over.
pub const IDLE_MAX: Span = Span::days(3);
/// However busy, a session is over after this long.
pub const AGE_MAX: Span = Span::days(30);
/// How exactly the last request of a session is noted: a write per request would be dear.
pub const SEEN_EVERY: Span = Span::minutes(5);

/// Whether a session made and last seen then may still be used.
#[must_use]
pub fn is_alive(created_at: Timestamp, last_seen_at: Timestamp, now: Timestamp) -> bool {
    now < created_at.plus(AGE_MAX) && now < last_seen_at.plus(IDLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_idle_or_old() {
        let made = Timestamp::from_micros(1_000_000);
        assert!(is_alive(made, made, made.plus(Span::hours(71))));
        assert!(!is_alive(made, made, made.plus(Span::hours(72))));
        let seen = made.plus(Span::days(29));
        assert!(is_alive(made, seen, seen.plus(Span::hours(23))));
        assert!(!is_alive(made, seen, seen.plus(Span::hours(24))));
    }
}
