//! Reading the body of a request. Most often all of it has come along with the head. Then nothing is copied, no timer is set
//! and nobody is woken: those cost more than all else that is done with a small body.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::{Bytes, BytesMut};
use futures_util::Stream as _;
use tokio::time::{Sleep, sleep, timeout};

use crate::actions::AppError;

/// Whoever sends slower than this holds a connection that others need.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Reads a body of `bytes_max` bytes at most.
///
/// # Errors
/// It is longer, it ends too early, or it takes too long.
pub(super) async fn read(payload: Payload, bytes_max: usize) -> Result<Bytes, AppError> {
    let mut reading = Reading { payload, bytes_max, first: Bytes::new(), all: BytesMut::new() };
    if let Some(read) = reading.what_is_there().await {
        return read;
    }
    // In a box, so that a request whose body is there does not carry the room for a timer.
    let rest = timeout(TIME_MAX, poll_fn(|cx| reading.poll(cx)));
    Box::pin(rest).await.unwrap_or(Err(AppError::TooSlow))
}

struct Reading {
    payload: Payload,
    bytes_max: usize,
    /// The only piece so far.
    first: Bytes,
    /// All pieces, as soon as there are several.
    all: BytesMut,
}

impl Reading {
    /// The body, if it has come along with the head.
    ///
    /// Over HTTP/1 a handler is first looked at between the head and the body, and again when what has come of the body is
    /// handed over, by the same task. So it waits for the second look without asking to be woken, which would only have the
    /// whole connection looked at once more; an alarm sees to it that there is a second look even so.
    async fn what_is_there(&mut self) -> Option<Result<Bytes, AppError>> {
        let mut alarm = None;
        poll_fn(|cx| match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending if alarm.is_none() && matches!(self.payload, Payload::H1 { .. }) => {
                alarm = Some(Alarm::set(cx));
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, AppError>> {
        while let Some(piece) = ready!(Pin::new(&mut self.payload).poll_next(cx)) {
            let piece = piece.map_err(|_| AppError::BadRequest("The request ended too early.".to_owned()))?;
            let length = self.first.len().max(self.all.len());
            if length + piece.len() > self.bytes_max {
                return Poll::Ready(Err(AppError::TooLarge));
            }
            if length == 0 {
                self.first = piece;
            } else {
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
                self.all.extend_from_slice(&piece);
            }
        }
        let (first, all) = (std::mem::take(&mut self.first), std::mem::take(&mut self.all));
        Poll::Ready(Ok(if all.is_empty() { first } else { all.freeze() }))
    }
}

/// Wakes a task within [`TIME_MAX`]. The timer behind it is set once and lent to one request after another, for to set one
/// takes longer than to read a body; so it may also wake a task that no longer waits, which does no harm.
struct Alarm(Option<Pin<Box<Sleep>>>);

thread_local!(static SPARE: Cell<Option<Pin<Box<Sleep>>>> = const { Cell::new(None) });

impl Alarm {
    fn set(cx: &mut Context<'_>) -> Self {
        let spare = SPARE.take().filter(|sleep| !sleep.is_elapsed());
        let mut sleep = spare.unwrap_or_else(|| Box::pin(sleep(TIME_MAX)));
        if sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Self(Some(sleep))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // At the end of its thread there is no place for it any more.
        let _ = SPARE.try_with(|spare| spare.set(self.0.take()));
    }
}
