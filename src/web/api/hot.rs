//! What the two endpoints of every request share, `/v1/auth` and `/v1/keys/verify`. They stand before the application with its layers
//! and log nothing per request: a check must cost little more than the answer itself. Only who asks to verify a key without a service
//! token is answered by the application.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use futures_util::FutureExt as _;

use crate::clock::Clock;

/// The request's id in an answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What is [`copied`] for most answers, and for some of them.
const ANSWER_BYTES: usize = 1024;
const ROOM_BYTES: usize = 2 * ANSWER_BYTES;
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A short text that lives on the stack; what does not fit is left out.
#[derive(Clone, Copy)]
pub(super) struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// Appends it, or what fits of it.
    pub(super) fn push(&mut self, text: &str) {
        let text = &text[..text.floor_char_boundary(N - self.len)];
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }
}

impl<const N: usize> fmt::Write for Short<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// An address as text; empty when unknown. Each thread remembers the last one: behind a proxy it is the same again and again.
pub(super) fn address_text(address: Option<IpAddr>) -> Short<48> {
    thread_local!(static LAST: Cell<Option<(IpAddr, Short<48>)>> = const { Cell::new(None) });
    let Some(address) = address else { return Short::new() };
    match LAST.get() {
        Some((known, text)) if known == address => text,
        _ => {
            let mut text = Short::new();
            // Writing to it cannot fail.
            let _ = write!(text, "{address}");
            LAST.set(Some((address, text)));
            text
        }
    }
}

/// 32 hexadecimal characters that name a request. Nobody can tell the next from those before: who reports of a request names it so.
///
/// They begin with a time, as those of RFC 9562 (UUID version 7) do: the second at which their randomness was drawn. So, where
/// there are many, those that are stored together lie side by side in the index. To write each somewhere else took a fifth of all
/// that it takes to store an event.
pub(super) fn request_id() -> Short<32> {
    thread_local!(static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { second: 0, places: [0; PLACES], left: 0 }) });
    let (second, place) = AHEAD.with_borrow_mut(Ahead::next);
    let digits =
        [second, (place >> 64) as u32, (place >> 32) as u32, place as u32].map(|part| hexadecimal(part).to_be_bytes());
    let mut id = Short { bytes: [0; 32], len: 32 };
    id.bytes.copy_from_slice(digits.as_flattened());
    id
}

/// The digits of a number, all at once: the first is the highest byte.
fn hexadecimal(number: u32) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let spread = |halves: u64, by: u32, kept: u64| (halves | (halves << by)) & kept;
    let halves = spread(u64::from(number), 16, 0x0000_ffff_0000_ffff);
    let values = spread(spread(halves, 8, 0x00ff_00ff_00ff_00ff), 4, ONES * 15);
    // One where six more would not fit into four bits: there letters stand.
    let letters = ((values + ONES * 6) >> 4) & ONES;
    values + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// How many ids' randomness is asked for at once: a call into the system takes as long as a hundred of them.
const PLACES: usize = 128;

struct Ahead {
    second: u32,
    places: [u128; PLACES],
    left: usize,
}

impl Ahead {
    /// A second since the epoch, and a random number.
    fn next(&mut self) -> (u32, u128) {
        if self.left == 0 {
            self.left = PLACES;
            self.second = (Clock::system().now().as_micros() / 1_000_000) as u32;
            let mut bytes = [0; 16 * PLACES];
            let is_random = getrandom::fill(&mut bytes).is_ok();
            for (place, bytes) in self.places.iter_mut().zip(bytes.as_chunks().0) {
                // Without randomness an id follows from one before, which is no reason to refuse anybody.
                let step =
                    if is_random { u128::from_le_bytes(*bytes) } else { 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835 };
                *place = place.wrapping_add(step);
            }
        }
        self.left -= 1;
        (self.second, self.places[self.left])
    }
}

thread_local!(static ROOM: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(ROOM_BYTES)));

/// Goes back to the beginning of the memory for [`copied`], if there is too little left of it for an answer and all answers from
/// there have been sent. To be called when the answer's head is there and nothing was copied yet: a head that was used before holds
/// the header values of its former answer until it is taken.
pub(super) fn make_room() {
    ROOM.with_borrow_mut(|room| {
        if room.capacity() < ANSWER_BYTES {
            room.reserve(ROOM_BYTES);
        }
    });
}

/// A copy of a part of an answer. Each thread makes its copies in a few lines of memory, which it uses again as soon as those
/// answers have been sent: a piece of its own for each would be far away, and everything in its place be pushed out by it.
pub(super) fn copied(part: &[u8]) -> Bytes {
    ROOM.with_borrow_mut(|room| {
        room.extend_from_slice(part);
        room.split().freeze()
    })
}

/// A header's value; nothing for what cannot be one.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(copied(text.as_bytes())).ok()
}

/// The headers of every answer here. Those that protect pages (HSTS, CSP, frames) are not among them: programs read these answers,
/// and a proxy that passes a refusal on would set them for the API's own site.
pub(super) fn put_usual_headers(headers: &mut HeaderMap, request_id: &str) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(value) = header_value(request_id) {
        headers.insert(REQUEST_ID, value);
    }
}

/// What `begin` comes to, which is told whether it may wait. Where it may not, that is there at once, and the request needs no
/// room for what would be waiting: a kilobyte that is asked for, filled and copied takes longer than to judge a key.
pub(super) async fn at_once_or_later<F: Future>(may_wait: bool, begin: impl Fn(bool) -> F) -> F::Output {
    if !may_wait && let Some(done) = begin(false).now_or_never() {
        return done;
    }
    debug_assert!(may_wait, "what may not wait did");
    Box::pin(begin(true)).await
}

/// An answer with a body that was made before.
pub(super) fn problem(status: StatusCode, body: &'static str) -> HttpResponse {
    let mut res = HttpResponse::with_body(status, actix_web::body::BoxBody::new(Bytes::from_static(body.as_bytes())));
    res.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
    res
}

/// The bodies of refusals: the request's id stands in its header only, so that they never differ.
macro_rules! problem_text {
    ($status:literal, $title:literal, $code:literal, $detail:literal) => {
        concat!(
            "{\"code\":\"",
            $code,
            "\",\"detail\":\"",
            $detail,
            "\",\"request_id\":null,\"status\":",
            $status,
            ",\"title\":\"",
            $title,
            "\",\"type\":\"about:blank\"}"
        )
    };
}
pub(super) use problem_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_requests_differ() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| request_id().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
        let random: std::collections::HashSet<&str> = ids.iter().map(|id| &id[8..20]).collect();
        assert_eq!(random.len(), 1000, "they differ not only in their last characters");
    }

    #[test]
    fn ids_of_requests_begin_with_a_time() {
        let second = || u64::try_from(Clock::system().now().as_micros()).unwrap() / 1_000_000;
        std::thread::spawn(move || {
            let before = second();
            let id = u64::from_str_radix(&request_id().as_str()[..8], 16).unwrap();
            assert!((before..=second()).contains(&id), "{before} {id}");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn digits_are_hexadecimal() {
        for number in [0, 1, 0x0123_4567, 0x89ab_cdef, 0xa090_f09f, u32::MAX] {
            assert_eq!(hexadecimal(number).to_be_bytes(), format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn copies_stay_as_they_were() {
        let texts: Vec<String> = (0..200).map(|number| "x".repeat(number * 17 % 3000) + &number.to_string()).collect();
        let mut kept = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            make_room();
            let copy = copied(text.as_bytes());
            if number % 3 == 0 {
                kept.push((text, copy));
            }
        }
        kept.iter().for_each(|(text, copy)| assert_eq!(copy, text.as_bytes()));
        assert!(header_value("a\nb").is_none());
        assert_eq!(header_value("a b").unwrap(), "a b");
    }

    #[test]
    fn answers_are_made_in_the_same_memory_again_and_again() {
        let mut pieces = std::collections::BTreeSet::new();
        for number in 0..300 {
            let mut res = HttpResponse::new(StatusCode::OK);
            make_room();
            let body = copied(&[b'x'; 700][..400 + number]);
            pieces.insert(body.as_ptr().addr());
            put_usual_headers(res.headers_mut(), request_id().as_str());
            drop(res.set_body(body));
        }
        let (first, last) = (pieces.first().unwrap(), pieces.last().unwrap());
        assert!(last - first < ROOM_BYTES, "{pieces:?}");
    }

    #[test]
    fn a_short_text_keeps_what_fits() {
        let mut text = Short::<5>::new();
        write!(text, "abcüxy").unwrap();
        assert_eq!(text.as_str(), "abcü");
        let longest = "2001:0db8:0000:0000:0000:ff00:0042:8329".parse().unwrap();
        assert_eq!(address_text(Some(longest)).as_str(), "2001:db8::ff00:42:8329");
        assert_eq!(address_text(None).as_str(), "");
        assert_eq!(address_text(Some([192, 0, 2, 7].into())).as_str(), "192.0.2.7");
        assert_eq!(address_text(Some([192, 0, 2, 7].into())).as_str(), "192.0.2.7", "remembered");
    }
}
