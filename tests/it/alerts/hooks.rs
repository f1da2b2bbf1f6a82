//! Webhooks, to a real receiver that checks signatures.

use std::time::{Duration, Instant};

use keyrack::actions::alerts::Seal;
use keyrack::db::alerts::endpoints::update_secret;
use keyrack::domain::ids::EndpointId;
use keyrack::domain::time::Span;
use keyrack::domain::webhook::WebhookSecret;
use serde_json::json;

use super::local;
use super::receiver::{Answer, Receiver};
use crate::support::TestApp;
use crate::support::actor::Visitor;
use crate::support::keys::{at, key_in, post_key, secret_in};

const PAGE: &str = "/orgs/acme/settings/notifications";
const HOOKS: &str = "/orgs/acme/settings/notifications/webhooks";

/// Sets up an endpoint by the page: its own page, and its secret.
async fn add(app: &TestApp, admin: &Visitor<'_>, url: &str) -> (String, String) {
    let secret = secret_in(&admin.fill_in(PAGE, HOOKS, &[("url", url)]).await.assert_status(200));
    app.learn(&secret);
    let id = app.database.lines("SELECT id AS line FROM webhook_endpoints ORDER BY created_at DESC, id").remove(0);
    (format!("{HOOKS}/{id}"), secret)
}

#[actix_web::test]
async fn an_alert_arrives_signed_by_the_secret_that_was_shown_once() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let ada = app.enter("ada");
    let (page, secret) = add(&app, &ada, &receiver.url()).await;
    assert!(secret.starts_with("whsec_") && secret.len() == 50);
    let key = key_in(&post_key(&app.enter("ben"), "deploy").await);
    assert_eq!(app.courier(None).work_off().unwrap(), 1);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let request = &received[0];
    assert_eq!((request.path.as_str(), request.signatures_by(&secret)), ("/hooks?to=keys", 1));
    assert_eq!(request.header("content-type"), "application/json");
    let told: i64 = request.header("webhook-timestamp").parse().unwrap();
    assert!((told - app.now().as_micros() / 1_000_000).abs() < 60);
    let body = request.json();
    assert_eq!((&body["type"], &body["data"]["key"]["id"]), (&json!("key.created"), &json!(key.id)));
    assert_eq!(body["data"]["org"]["slug"], "acme");
    assert!(!request.body.contains(&key.secret[key.secret.len() - 24..]));
    let log = ada.get(&page).await.assert_see("API key “deploy” was created by Ben").assert_see("204 · Taken");
    log.assert_see("Delivered").assert_see(request.id()).assert_has_not("#secret");
}

#[actix_web::test]
async fn receivers_that_do_not_answer_hold_up_no_other() {
    let (app, silent, good) = (TestApp::with(local), [Receiver::start(), Receiver::start()], Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    for receiver in &silent {
        receiver.will_answer(&[Answer::Silence]);
        add(&app, &ada, &receiver.url()).await;
    }
    app.db_create_key("ben", "deploy");
    courier.start().unwrap();
    let began = Instant::now();
    let wait_for = async |receiver: &Receiver| {
        while receiver.received().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(9), "less than the time after which a receiver is given up");
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for receiver in &silent {
        wait_for(receiver).await;
    }
    let (page, _) = add(&app, &ada, &good.url()).await;
    ada.post(&format!("{page}/test"), &[]).await.assert_goes_to(&page);
    wait_for(&good).await;
    assert_eq!(good.received()[0].json()["type"], "test");
}

#[actix_web::test]
async fn while_a_secret_is_replaced_both_sign_and_then_only_the_new_one() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, old) = add(&app, &ada, &receiver.url()).await;
    let form = format!("{page}/rotate");
    let new = secret_in(&ada.fill_in(&form, &form, &[]).await.assert_status(200).assert_see("signs beside it until"));
    app.learn(&new);
    for _ in 0..2 {
        ada.post(&format!("{page}/test"), &[]).await.assert_goes_to(&page);
        courier.work_off().unwrap();
        app.advance(Span::hours(24));
    }
    let received = receiver.received();
    let by = |at: usize| (received[at].signatures_by(&old), received[at].signatures_by(&new));
    assert_eq!((by(0), by(1)), ((1, 1), (0, 1)));
    assert_eq!(received[0].json()["type"], "test");
}

#[actix_web::test]
async fn a_form_sent_twice_makes_one_endpoint_and_shows_its_secret_once() {
    let app = TestApp::with(local);
    let ada = app.enter("ada");
    let nonce = ada.get(PAGE).await.field("nonce");
    let form = [("url", "https://example.com/hooks"), ("nonce", nonce.as_str())];
    app.learn(&secret_in(&ada.post(HOOKS, &form).await.assert_status(200)));
    ada.post(HOOKS, &form).await.assert_status(303);
    assert_eq!(app.count("webhook_endpoints"), 1);
    for same in ["https://example.com/hooks", "HTTPS://Example.COM:443/hooks"] {
        ada.post(HOOKS, &[("url", same)]).await.assert_status(422).assert_see("to this address already");
    }
    assert_eq!(app.count("audit_log WHERE action = 'webhook.created'"), 1);
}

#[actix_web::test]
async fn a_secret_that_another_session_key_sealed_is_replaced_on_the_page() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    ada.get(&page).await.assert_has_not("#needs-secret").assert_see("Rotate secret");
    // As after a restore beside another session key.
    let id = EndpointId::from(page.rsplit('/').next().unwrap());
    let sealed = Seal::from_session_key(&[9; 64]).seal(id.as_str(), &WebhookSecret::new([3; 32])).unwrap();
    app.database.run(|conn| update_secret(conn, &id, &sealed, None).unwrap());
    app.db_create_key("ben", "deploy");
    courier.work_off().unwrap();
    assert_eq!(receiver.received().len(), 0);
    ada.get(PAGE).await.assert_see("Needs a new secret");
    let log =
        ada.get(&page).await.assert_has("#needs-secret").assert_see("get a new one").assert_dont_see("Rotate secret");
    let form = format!("{page}/rotate");
    ada.get(&form).await.assert_see("can't be read any more").assert_dont_see("signed with both");
    let new =
        secret_in(&ada.fill_in(&form, &form, &[]).await.assert_status(200).assert_see("signed with this one only"));
    app.learn(&new);
    ada.get(&page).await.assert_has_not("#needs-secret").assert_dont_see("Old secret signs until");
    ada.post(&log.attribute("#log form", "action").remove(0), &[]).await.assert_goes_to(&page);
    courier.work_off().unwrap();
    let received = receiver.received();
    assert_eq!((received.len(), received[0].signatures_by(&new)), (1, 1));
    assert_eq!(received[0].header("webhook-signature").split(' ').count(), 1);
}

#[actix_web::test]
async fn what_fails_is_tried_again_under_the_same_id_and_can_be_sent_again_by_hand() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, secret) = add(&app, &ada, &receiver.url()).await;
    receiver.will_answer(&[Answer::Status(503), Answer::Status(302), Answer::Status(200)]);
    app.db_create_key("ben", "deploy");
    for wait in [Span::ZERO, Span::seconds(13), Span::minutes(1)] {
        app.advance(wait);
        assert_eq!(courier.work_off().unwrap(), 1);
        assert_eq!(courier.work_off().unwrap(), 0, "not before its time");
    }
    let log = ada.get(&page).await.assert_see("503 · Refused").assert_see("302 · Redirects are not followed");
    let again = log.assert_see("200 · Taken").attribute("#log form", "action").remove(0);
    ada.post(&again, &[]).await.assert_goes_to(&page);
    courier.work_off().unwrap();
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|request| request.id() == received[0].id() && request.signatures_by(&secret) == 1));
    assert!(received.iter().all(|request| request.body == received[0].body));
    assert_eq!(app.count("delivery_attempts"), 4);
}

#[actix_web::test]
async fn a_delivery_that_never_succeeds_is_given_up() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    receiver.will_answer(&vec![Answer::Status(500); 20]);
    app.db_create_key("ben", "deploy");
    for _ in 0..20 {
        courier.work_off().unwrap();
        app.advance(Span::hours(16));
    }
    assert_eq!(receiver.received().len(), 8);
    assert_eq!(app.database.lines("SELECT state AS line FROM alert_deliveries"), ["failed"]);
    // Days later the session is over.
    app.enter("ada").get(&page).await.assert_see("Given up").assert_see("Failed 8 times in a row");
}

#[actix_web::test]
async fn an_endpoint_that_fails_for_days_is_disabled_until_somebody_enables_it() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    receiver.will_answer(&vec![Answer::Status(500); 16]);
    for name in ["one", "two", "three"] {
        app.db_create_key("ben", name);
        for _ in 0..9 {
            courier.work_off().unwrap();
            app.advance(Span::hours(5));
        }
    }
    let count = receiver.received().len();
    // Days later the session is over.
    let ada = app.enter("ada");
    ada.get(&page)
        .await
        .assert_has("#disabled")
        .assert_has("#enable")
        .assert_see("It failed for three days".to_lowercase().as_str());
    assert_eq!(app.kinds().iter().filter(|kind| *kind == "endpoint_disabled").count(), 1);
    assert_eq!(app.count("audit_log WHERE action = 'webhook.disabled'"), 1);
    app.db_create_key("ben", "four");
    courier.work_off().unwrap();
    assert_eq!(receiver.received().len(), count, "nothing is sent there");
    ada.post(&format!("{page}/test"), &[]).await.assert_status(409);
    ada.post(&format!("{page}/enable"), &[]).await.assert_goes_to(&page);
    receiver.will_answer(&[Answer::Status(200); 1]);
    ada.post(&format!("{page}/test"), &[]).await.assert_goes_to(&page);
    courier.work_off().unwrap();
    assert!(receiver.received().len() > count);
}

#[actix_web::test]
async fn an_endpoint_that_says_it_is_gone_is_disabled_at_once() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    receiver.will_answer(&[Answer::Status(410)]);
    app.db_create_key("ben", "one");
    app.courier(None).work_off().unwrap();
    assert_eq!(receiver.received().len(), 1);
    ada.get(&page).await.assert_has("#disabled").assert_see("410 gone");
}

#[actix_web::test]
async fn what_is_removed_or_switched_off_gets_nothing() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let courier = app.courier(None);
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    ada.post(PAGE, &[("on", "revoked.webhook")]).await.assert_goes_to(PAGE);
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "one").await);
    courier.work_off().unwrap();
    assert!(receiver.received().is_empty());
    ben.post(&at(&key.id, "/revoke"), &[]).await.assert_status(303);
    courier.work_off().unwrap();
    assert_eq!(receiver.received().len(), 1);
    let key = key_in(&post_key(&ben, "two").await);
    ben.post(&at(&key.id, "/revoke"), &[]).await.assert_status(303);
    ada.post(&format!("{page}/remove"), &[]).await.assert_goes_to(PAGE);
    courier.work_off().unwrap();
    assert_eq!(receiver.received().len(), 1);
    ada.get(&page).await.assert_status(404);
    assert_eq!(app.database.lines("SELECT secret || old_secret AS line FROM webhook_endpoints"), [""]);
}

#[actix_web::test]
async fn tests_cannot_be_asked_for_without_end() {
    let app = TestApp::with(local);
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, "https://example.com/hooks").await;
    for _ in 0..10 {
        ada.post(&format!("{page}/test"), &[]).await.assert_status(303);
    }
    ada.post(&format!("{page}/test"), &[]).await.assert_status(429);
}

#[actix_web::test]
async fn a_secret_that_cannot_be_read_any_more_says_so_and_sends_nothing_unsigned() {
    let (app, receiver) = (TestApp::with(local), Receiver::start());
    let ada = app.enter("ada");
    let (page, _) = add(&app, &ada, &receiver.url()).await;
    app.database.execute("UPDATE webhook_endpoints SET secret = 'v1:AAAA'");
    ada.post(&format!("{page}/test"), &[]).await.assert_goes_to(&page);
    app.courier(None).work_off().unwrap();
    assert!(receiver.received().is_empty());
    ada.get(&page).await.assert_see("secret can't be read: get a new one");
}
