//! Server-Sent Events: the places for streams, the one thread that looks for new lines for all of them, and the body of an
//! answer that goes on until somebody ends it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::watch;

use super::State;
use crate::actions::events::{self as deeds, Labels, Line, Right, Wanted};
use crate::actions::{AppError, Origin, Who, look_in};
use crate::clock::Moment;
use crate::db::Db;
use crate::domain::time::Timestamp;

/// Streams at once.
const STREAMS_MAX: usize = 1000;
/// Streams of one key or session at once.
const STREAMS_EACH_MAX: usize = 20;
/// How often somebody looks for new lines while there are streams.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a stream may be silent: proxies cut what is silent for longer, and a client that is gone is noticed by writing.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Lines per read at most.
const LINES_MAX: i64 = 500;

/// All streams of this process.
#[derive(Clone)]
pub struct Streams(Arc<Inner>);

struct Inner {
    db: Db,
    open: Mutex<Open>,
    pause: Condvar,
}

#[derive(Default)]
struct Open {
    count: usize,
    by_right: HashMap<Right, OfRight>,
    by_org: HashMap<String, OrgStreams>,
    has_thread: bool,
}

struct OfRight {
    count: usize,
    /// Whether it was taken away meanwhile.
    has_ended: watch::Sender<bool>,
}

struct OrgStreams {
    count: usize,
    /// The number of the organization's last line.
    last: watch::Sender<i64>,
}

/// A place for one stream; free again when it goes.
struct Place {
    streams: Arc<Inner>,
    right: Right,
    last: watch::Receiver<i64>,
    has_ended: watch::Receiver<bool>,
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        // Numbers only, which a panic elsewhere does not make wrong.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for new lines as long as there are streams.
    fn look(&self) {
        let (mut open, mut newest) = (self.open(), 0);
        while open.count > 0 {
            let orgs: Vec<(String, watch::Sender<i64>)> =
                open.by_org.iter().map(|(org, streams)| (org.clone(), streams.last.clone())).collect();
            let (rights, ends): (Vec<Right>, Vec<watch::Sender<bool>>) =
                open.by_right.iter().map(|(right, of)| (right.clone(), of.has_ended.clone())).unzip();
            drop(open);
            let looked = self.look_once(&orgs, &mut newest).and_then(|()| self.look_for_ends(&rights, &ends));
            if let Err(error) = looked {
                tracing::debug!(%error, "new events cannot be looked for");
            }
            let waited = self.pause.wait_timeout(self.open(), LOOK_EVERY);
            open = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        open.has_thread = false;
    }

    fn look_once(&self, orgs: &[(String, watch::Sender<i64>)], newest: &mut i64) -> Result<(), AppError> {
        self.db.run(|conn| {
            let last = deeds::last_line(conn)?;
            for (org, sender) in orgs {
                // Streams that came since have 0 here.
                if last != *newest || *sender.borrow() == 0 {
                    let last = deeds::last_line_of(conn, org)?;
                    sender.send_if_modified(|known| std::mem::replace(known, last) != last);
                }
            }
            *newest = last;
            Ok(())
        })
    }
}

impl Inner {
    /// Tells the streams whose right was taken away, so that a silent one does not outlive it until the next heartbeat.
    fn look_for_ends(&self, rights: &[Right], ends: &[watch::Sender<bool>]) -> Result<(), AppError> {
        let ended = self.db.run(|conn| deeds::ended_rights(conn, rights))?;
        for (right, sender) in rights.iter().zip(ends) {
            let is_over = ended.contains(right);
            sender.send_if_modified(|known| std::mem::replace(known, is_over) != is_over);
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.count -= 1;
        if let Some(of) = open.by_right.get_mut(&self.right) {
            of.count -= 1;
            if of.count == 0 {
                open.by_right.remove(&self.right);
            }
        }
        let org = self.right.1.as_str();
        if let Some(of) = open.by_org.get_mut(org) {
            of.count -= 1;
            if of.count == 0 {
                open.by_org.remove(org);
            }
        }
    }
}

impl Streams {
    /// On this database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self(Arc::new(Inner { db, open: Mutex::default(), pause: Condvar::new() }))
    }

    fn take_place(&self, right: Right) -> Result<Place, AppError> {
        let full = || AppError::RateLimited { seconds: 10 };
        let mut open = self.0.open();
        let of_credential: usize =
            open.by_right.iter().filter(|((who, _), _)| *who == right.0).map(|(_, of)| of.count).sum();
        if open.count >= STREAMS_MAX || of_credential >= STREAMS_EACH_MAX {
            return Err(full());
        }
        if !open.has_thread {
            let inner = self.0.clone();
            let thread = std::thread::Builder::new().name("streams".to_owned()).spawn(move || inner.look());
            if let Err(error) = thread {
                tracing::error!(%error, "no thread for streams");
                return Err(full());
            }
            open.has_thread = true;
        }
        open.count += 1;
        let new = || OfRight { count: 0, has_ended: watch::Sender::new(false) };
        let of = open.by_right.entry(right.clone()).or_insert_with(new);
        of.count += 1;
        let has_ended = of.has_ended.subscribe();
        let new = || OrgStreams { count: 0, last: watch::Sender::new(0) };
        let of_org = open.by_org.entry(right.1.to_string()).or_insert_with(new);
        of_org.count += 1;
        let last = of_org.last.subscribe();
        Ok(Place { streams: self.0.clone(), right, last, has_ended })
    }
}

/// How a line is written into the `data:` of a message.
pub(super) type Draw = fn(&Watch, &Line, &Labels, Timestamp) -> Result<String, AppError>;

/// What a stream shows, and to whom.
pub(super) struct Watch {
    pub(super) state: web::Data<State>,
    pub(super) who: Who,
    pub(super) slug: String,
    pub(super) origin: Origin,
    pub(super) wanted: Wanted,
    pub(super) draw: Draw,
}

/// Where a stream goes on: `Last-Event-ID`, which browsers send when they connect again, or what the address says.
///
/// # Errors
/// It is not a number of ours.
pub(super) fn last_event_id(req: &HttpRequest, in_query: Option<&str>) -> Result<Option<i64>, AppError> {
    let wrong = || AppError::field("last_event_id", "This is not the id of an event.");
    let header = req.headers().get("last-event-id").map(|value| value.to_str().map_err(|_| wrong())).transpose()?;
    let text = header.filter(|text| !text.trim().is_empty()).or(in_query).map(str::trim);
    let number = text.filter(|text| !text.is_empty()).map(|text| text.parse().ok().filter(|number| *number >= 0));
    number.map(|number| number.ok_or_else(wrong)).transpose()
}

/// Answers with a stream, if the caller may have it and there is a place.
///
/// # Errors
/// `SignIn`, `NotFound`, `Denied`, or `RateLimited` without a place.
pub(super) async fn respond(req: &HttpRequest, watch: Watch, from: Option<i64>) -> Result<HttpResponse, AppError> {
    let (who, slug, wanted) = (watch.who.clone(), watch.slug.clone(), watch.wanted.clone());
    let begin = watch.state.run(watch.origin.clone(), move |conn, ctx| {
        look_in(conn, ctx, &who, &slug, |scope| deeds::begin_stream(scope, &wanted))
    });
    let (org, last, begin) = begin.await?;
    let mut res = HttpResponse::build(StatusCode::OK);
    res.content_type("text/event-stream")
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"));
    if req.method() == Method::HEAD {
        return Ok(res.finish());
    }
    let place = watch.state.streams.take_place((watch.who.clone(), org))?;
    let stopping = watch.state.running.stopping();
    // A number beyond the last is from another database.
    let after = from.unwrap_or(begin).min(last);
    let stream = Stream { watch, place, stopping, after, is_new: true, is_behind: true };
    let body = futures_util::stream::unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), stream))
    });
    Ok(res.streaming(Box::pin(body)))
}

struct Stream {
    watch: Watch,
    place: Place,
    stopping: watch::Receiver<bool>,
    /// Every line up to this number was sent or is not for this stream.
    after: i64,
    is_new: bool,
    /// Whether there may be more, without waiting.
    is_behind: bool,
}

impl Stream {
    /// The next part of the body; nothing when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.is_new) {
            // Even who is cut off before the first event can go on from here.
            return Some(format!("retry: 2000\nid: {}\n\n", self.after).into());
        }
        let since = Moment::now();
        loop {
            if *self.stopping.borrow() || *self.place.has_ended.borrow() {
                return None;
            }
            let last = *self.place.last.borrow_and_update();
            let silent = since.elapsed();
            let is_late = silent >= HEARTBEAT;
            if self.is_behind || last > self.after || is_late {
                let text = self.read().await?;
                if !text.is_empty() {
                    return Some(text.into());
                }
                if is_late {
                    return Some(Bytes::from_static(b": heartbeat\n\n"));
                }
                continue;
            }
            tokio::select! {
                changed = self.place.last.changed() => changed.ok()?,
                changed = self.stopping.changed() => changed.ok()?,
                changed = self.place.has_ended.changed() => changed.ok()?,
                () = tokio::time::sleep(HEARTBEAT.saturating_sub(silent)) => {}
            }
        }
    }

    /// What is new, as messages; nothing when the caller may not see it any more, or nobody can say.
    async fn read(&mut self) -> Option<String> {
        let Watch { state, who, slug, origin, wanted, draw } = &self.watch;
        let (who, slug, wanted, after) = (who.clone(), slug.clone(), wanted.clone(), self.after);
        let read = state.run(origin.clone(), move |conn, ctx| {
            deeds::lines_after(conn, ctx, (&who, &slug), &wanted, after, LINES_MAX)
        });
        let (found, labels, now) = match read.await {
            Ok(found) => found,
            Err(AppError::SignIn | AppError::NotFound | AppError::Denied(_)) => return None,
            Err(error) => {
                tracing::warn!(error = format!("{error:?}"), "a stream ends: it could not be read");
                return None;
            }
        };
        let mut text = String::new();
        for line in &found.lines {
            match draw(&self.watch, line, &labels, now) {
                Ok(data) => push_message(&mut text, line, &data),
                Err(error) => {
                    tracing::error!(error = format!("{error:?}"), "a stream ends: an event cannot be drawn");
                    return None;
                }
            }
        }
        (self.after, self.is_behind) = (found.upto, found.has_more);
        Some(text)
    }
}

fn push_message(text: &mut String, line: &Line, data: &str) {
    let event = if line.is_report { "outcome" } else { "check" };
    text.push_str(&format!("id: {}\nevent: {event}\n", line.number));
    for part in data.split(['\n', '\r']).filter(|part| !part.is_empty()) {
        text.push_str("data: ");
        text.push_str(part);
        text.push('\n');
    }
    text.push('\n');
}
