//! Webhooks reach the public internet and nothing else, whatever names mean and when they change their meaning.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyrack::actions::alerts::courier::HookRequest;
use keyrack::jobs::hooks::HookSender;

use super::receiver::{Answer, Receiver};
use crate::support::TestApp;

fn request(url: &str) -> HookRequest {
    HookRequest { url: url.to_owned(), body: "{}".to_owned(), timestamp: 1, signature: "v1,x".to_owned() }
}

const NOT_PUBLIC: &str = "Its address is not on the public internet";

#[test]
fn names_and_numbers_that_lead_inside_are_not_connected_to() {
    let receiver = Receiver::start();
    let port = receiver.address.port();
    let sender = HookSender::new(false);
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
    ] {
        let outcome = sender.send("msg_1", &request(&format!("https://{host}:{port}/")));
        assert!(!outcome.arrived, "{host}: {outcome:?}");
        let is_refused = [NOT_PUBLIC, "The host was not found", "It did not answer as a web server does"]
            .contains(&outcome.words.as_str());
        assert!(is_refused || outcome.words.contains("connection broke off"), "{host}: {outcome:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn plain_http_is_refused_before_anything_is_looked_up() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let count = lookups.clone();
    let lookup = Arc::new(move |_: &str| {
        count.fetch_add(1, Ordering::SeqCst);
        Vec::new()
    });
    let outcome = HookSender::with_lookup(lookup, false).send("msg_1", &request("http://example.com/"));
    assert_eq!((outcome.words.as_str(), outcome.is_final), ("Only https is allowed", true));
    assert_eq!(lookups.load(Ordering::SeqCst), 0);
}

/// Later answers lead inside: what was looked at must be what is connected to, so there is one question for each attempt.
#[test]
fn a_name_that_changes_its_meaning_gains_nothing() {
    let receiver = Receiver::start();
    let inside = receiver.address;
    for first in ["203.0.113.1:443", "192.0.2.7:443", "10.0.0.1:443"] {
        let lookups = Arc::new(AtomicUsize::new(0));
        let count = lookups.clone();
        let first: SocketAddr = first.parse().unwrap();
        let lookup = Arc::new(move |_: &str| match count.fetch_add(1, Ordering::SeqCst) {
            0 => vec![first],
            _ => vec![inside],
        });
        let sender = HookSender::with_lookup(lookup, false);
        for _ in 0..3 {
            let outcome = sender.send("msg_1", &request("https://rebind.example/"));
            assert_eq!((outcome.arrived, outcome.words.as_str()), (false, NOT_PUBLIC));
        }
        assert_eq!(lookups.load(Ordering::SeqCst), 3, "one question for each attempt, and none in between");
    }
    assert_eq!(receiver.connections(), 0);
}

/// Of several addresses only the public ones are tried; none of the others, even when those do not answer.
#[test]
fn of_mixed_addresses_the_ones_inside_are_left_out() {
    let receiver = Receiver::start();
    let inside = receiver.address;
    let six: SocketAddr = format!("[::ffff:127.0.0.1]:{}", inside.port()).parse().unwrap();
    // Discards what it gets, by its registration; nobody is bothered.
    let outside: SocketAddr = "[100::1]:9".parse().unwrap();
    let lookup = Arc::new(move |_: &str| vec![inside, six, outside]);
    let outcome = HookSender::with_lookup(lookup, false).send("msg_1", &request("https://mixed.example/"));
    assert_eq!((outcome.arrived, outcome.words.as_str()), (false, NOT_PUBLIC));
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn a_redirect_is_not_followed() {
    let (first, second) = (Receiver::start(), Receiver::start());
    first.will_answer(&[Answer::Redirect(second.url())]);
    let outcome = HookSender::new(true).send("msg_1", &request(&first.url()));
    assert_eq!((outcome.status, outcome.arrived), (Some(307), false));
    assert_eq!((first.received().len(), second.connections()), (1, 0));
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_accepted() {
    // Not even one: what answers there does not speak TLS.
    let receiver = Receiver::start();
    let outcome = HookSender::new(true).send("msg_1", &request(&format!("https://{}/", receiver.address)));
    assert!(!outcome.arrived && outcome.status.is_none(), "{outcome:?}");
    assert!(receiver.received().is_empty());
}

#[test]
fn a_receiver_that_never_answers_is_left_after_ten_seconds() {
    let receiver = Receiver::start();
    receiver.will_answer(&[Answer::Silence]);
    let outcome = HookSender::new(true).send("msg_1", &request(&receiver.url()));
    assert_eq!((outcome.words.as_str(), outcome.arrived, outcome.is_final), ("No answer in time", false, false));
    assert!((9_000..20_000).contains(&outcome.duration_ms), "{outcome:?}");
}

#[actix_web::test]
async fn an_endpoint_inside_is_refused_by_the_form_and_nothing_of_it_is_kept() {
    let app = TestApp::new();
    let ada = app.enter("ada");
    for url in [
        "http://example.com/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://u:p@example.com/",
        "nonsense",
        "",
    ] {
        let form = [("url", url)];
        let answer = ada.post("/orgs/acme/settings/notifications/webhooks", &form).await.assert_status(422);
        answer.assert_has("#url-error").assert_has("#url[aria-invalid]");
    }
    assert_eq!(app.count("webhook_endpoints"), 0);
}
