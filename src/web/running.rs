//! The server as it runs: since when, how its requests fare, and whether it is about to stop.

use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;
use tracing::Span;

use crate::domain::time::Timestamp;
use crate::gate::metrics::{Bounds, Counted, Histogram};

const MILLI: u64 = 1_000_000;
/// The short ones for checks, the long ones for pages and deeds.
const OF_REQUESTS: Bounds = [
    MILLI / 100,
    MILLI / 40,
    MILLI / 10,
    MILLI / 4,
    MILLI,
    5 * MILLI / 2,
    10 * MILLI,
    25 * MILLI,
    100 * MILLI,
    250 * MILLI,
    1_000 * MILLI,
    2_500 * MILLI,
    10_000 * MILLI,
];

/// Behind [`super::State`].
#[derive(Debug)]
pub struct Running {
    /// Since when.
    pub started_at: Timestamp,
    requests: Histogram<5>,
    checks: Histogram<5>,
    stopping: watch::Sender<bool>,
}

impl Running {
    /// From now on.
    #[must_use]
    pub fn since(started_at: Timestamp) -> Self {
        let (requests, checks) = (Histogram::new(&OF_REQUESTS), Histogram::new(&OF_REQUESTS));
        Self { started_at, requests, checks, stopping: watch::Sender::new(false) }
    }

    /// Counts an answer by the first digit of its status; those of the endpoints that check keys are counted by
    /// [`Self::observe_check`].
    pub fn observe(&self, status: u16, elapsed: Duration) {
        if let Some(class) = usize::from(status / 100).checked_sub(1) {
            self.requests.observe(class, elapsed);
        }
    }

    /// Counts an answer of the endpoints that check keys: apart, or the times of everything else would be lost among them. Who asks to
    /// verify a key without a service token is counted with everything else.
    pub fn observe_check(&self, status: u16, elapsed: Duration) {
        if let Some(class) = usize::from(status / 100).checked_sub(1) {
            self.checks.observe(class, elapsed);
        }
    }

    /// The requests so far, `1xx` to `5xx`, but for those to the endpoints that check keys.
    #[must_use]
    pub fn requests(&self) -> Counted<5> {
        self.requests.read()
    }

    /// The requests to the endpoints that check keys so far, `1xx` to `5xx`.
    #[must_use]
    pub fn checks(&self) -> Counted<5> {
        self.checks.read()
    }

    /// From now on the server only finishes what it has begun.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether it is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Becomes true when the server is about to stop: whatever would go on for ever must end then.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// Runs slow work away from the threads that answer requests. What it logs belongs to the same request.
///
/// # Errors
/// The work panicked.
pub(super) async fn block<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, actix_web::error::BlockingError> {
    let span = Span::current();
    web::block(move || span.in_scope(work)).await
}
