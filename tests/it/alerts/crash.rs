//! The real program, killed at the worst moment, and two of it side by side: everything arrives, and nothing twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keyrack::actions::alerts::{Seal, create_endpoint};
use keyrack::settings::SessionKey;

use super::receiver::{Answer, Receiver};
use super::smtp::Smtp;
use crate::support::TestApp;
use crate::support::binary::{Place, Server};

/// 128 hex digits.
fn session_key() -> String {
    (0..64).map(|byte| format!("{:02x}", byte * 3 + 1)).collect()
}

/// Where a server on this app's database runs, with webhooks to this machine and mail to there.
fn place(app: &TestApp, smtp: &Smtp) -> Place {
    Place::new()
        .set("KEYRACK_DATABASE_URL", &app.database.url)
        .set("KEYRACK_SESSION_KEY", &session_key())
        .set("KEYRACK_ALERTS_PRIVATE_WEBHOOKS", "true")
        .set("KEYRACK_ALERTS_DIGEST", "0s")
        .set("KEYRACK_SMTP_HOST", "127.0.0.1")
        .set("KEYRACK_SMTP_PORT", &smtp.port.to_string())
        .set("KEYRACK_SMTP_TLS", "none")
        .set("KEYRACK_SMTP_FROM", "keys@acme.example")
}

fn add_endpoint(app: &TestApp, receiver: &Receiver) {
    let seal = Seal::from_session_key(SessionKey::parse(&session_key()).unwrap().as_bytes());
    app.db_deed("ada", |scope| create_endpoint(scope, &seal, (&receiver.url(), true), None).map(|_| ()));
}

/// Waits until this is so.
#[track_caller]
fn until(what: &str, seconds: u64, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn kill(server: &Server) {
    server.signal("KILL");
}

#[test]
fn an_alert_whose_server_is_killed_while_sending_arrives_from_the_next_under_the_same_id() {
    let (app, smtp, receiver) = (TestApp::new(), Smtp::start(), Receiver::start());
    add_endpoint(&app, &receiver);
    let place = place(&app, &smtp);
    // Committed with its deed, and nobody there to send it.
    app.db_create_key("ben", "before");
    assert_eq!(app.count("alert_deliveries"), 0);
    receiver.will_answer(&[Answer::Silence]);
    let server = place.start(&["serve"]);
    until("the receiver has it and does not answer", 20, || receiver.received().len() == 1);
    until("the mail is sent", 20, || app.count("alert_deliveries WHERE state = 'sent'") == 1);
    kill(&server);
    drop(server);
    let _server = place.start(&["serve"]);
    // After the time that the one who was killed had for it.
    until("it comes again", 60, || receiver.received().len() == 2);
    std::thread::sleep(Duration::from_secs(3));
    let received = receiver.received();
    assert_eq!(received.len(), 2, "and no third time");
    assert_eq!((received[0].id(), &received[0].body), (received[1].id(), &received[1].body));
    assert_eq!(smtp.messages().len(), 1);
    until("all is done", 20, || app.count("alert_deliveries WHERE state = 'sent'") == 2);
}

#[test]
fn two_servers_side_by_side_tell_everybody_once() {
    let (app, smtp, receiver) = (TestApp::new(), Smtp::start(), Receiver::start());
    if app.database.is_sqlite() {
        // One file has one server; that several senders in it do not disturb each other is tried elsewhere.
        return;
    }
    add_endpoint(&app, &receiver);
    let places = [place(&app, &smtp), place(&app, &smtp)];
    let servers = places.each_ref().map(|place| place.start(&["serve"]));
    let names: Vec<String> = (0..15).map(|number| format!("key-{number:02}")).collect();
    for name in &names {
        app.db_create_key("ben", name);
    }
    until("every webhook is there", 60, || receiver.received().len() >= names.len());
    until("all is done", 60, || app.count("alert_deliveries WHERE state = 'sent'") == 2 * names.len() as i64);
    std::thread::sleep(Duration::from_secs(2));
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for request in receiver.received() {
        *told.entry(request.json()["data"]["key"]["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(told.len(), names.len());
    assert!(told.values().all(|count| *count == 1), "{told:?}");
    let mails: Vec<String> = smtp.messages().iter().map(super::smtp::Message::body).collect();
    for name in &names {
        let title = format!("\nAPI key “{name}” was created by Ben\n");
        assert_eq!(mails.iter().filter(|body| body.contains(&title)).count(), 1, "{name} in {mails:#?}");
    }
    for server in servers {
        let (ended, log) = server.stop();
        assert!(ended.success(), "{log}");
    }
}

#[test]
fn a_server_that_is_asked_to_stop_finishes_what_it_sends() {
    let (app, smtp, receiver) = (TestApp::new(), Smtp::start(), Receiver::start());
    add_endpoint(&app, &receiver);
    let server = place(&app, &smtp).start(&["serve"]);
    app.db_create_key("ben", "last");
    until("it is sent", 20, || receiver.received().len() == 1);
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");
    assert!(!log.contains("ERROR") && !log.contains(&receiver.url()), "{log}");
    assert_eq!(app.count("alert_deliveries WHERE channel = 'webhook' AND state = 'sent'"), 1);
}
