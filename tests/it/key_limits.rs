//! The plan's two limits, exact: at their edges, as time passes, and when many ask at once.

use futures_util::future::{join_all, try_join_all};
use keyrack::actions::keys::NewKey;
use keyrack::domain::time::Span;
use serde_json::json;

use crate::support::TestApp;
use crate::support::app::Request;
use crate::support::keys::{LIST, at, key_in, manageable, post_key, rotate, secret_in};

const HOUR: i64 = 3_600_000_000;

/// A plan of these limits under a clock that stands still.
fn frozen(active_keys_max: u32, creations_per_hour: u32) -> TestApp {
    TestApp::with(|setup| {
        setup.frozen = true;
        setup.rules.plans[0].active_keys_max = Some(active_keys_max);
        setup.rules.plans[0].creations_per_hour = Some(creations_per_hour);
    })
}

#[actix_web::test]
async fn the_cap_lets_in_the_last_key_and_not_one_more() {
    let app = TestApp::with_limits(5, 20);
    let ben = app.enter("ben");
    for name in ["1", "2", "3", "4"] {
        key_in(&post_key(&ben, name).await.assert_status(200));
    }
    ben.get(LIST).await.assert_see("4 of 5 active keys").assert_dont_see("Revoke one, or change the plan");
    key_in(&app.enter("bea").post(LIST, &[("name", "5")]).await.assert_status(200));
    let refused =
        post_key(&ben, "6").await.assert_status(409).assert_see("5 of 5 active keys").assert_has_not("#secret");
    assert_eq!(refused.field("name"), "6", "what was typed stays");
    assert_eq!(refused.header("retry-after"), None, "time alone does not help");
    assert_eq!(app.count("api_keys"), 5);
    ben.get(LIST).await.assert_see("5 of 5 active keys").assert_see("Revoke one, or change the plan");
    ben.get(&format!("{LIST}/new")).await.assert_see("5 of 5 active keys").assert_has_not("#create-form");
    // Next door there is room.
    let next_door = app.enter("xavier").post("/orgs/globex/settings/api-keys", &[("name", "x")]).await;
    key_in(&next_door.assert_status(200));
}

#[actix_web::test]
async fn the_hourly_limit_ends_exactly_one_hour_after_the_oldest_creation() {
    let app = frozen(25, 5);
    let ben = app.enter("ben");
    let first = app.now();
    for name in ["1", "2", "3", "4", "5"] {
        key_in(&post_key(&ben, name).await.assert_status(200));
        app.advance(Span::minutes(1));
    }
    let next = first.plus(Span::hours(1));
    let refused = post_key(&ben, "6").await.assert_status(429).assert_header("retry-after", "3300");
    let refused = refused.assert_see(&format!("can be created at {} UTC", next.time_of_day()));
    assert_eq!(refused.field("name"), "6");
    ben.get(LIST).await.assert_see(&format!("no creations left, next at {} UTC", next.time_of_day()));

    app.advance_micros(next.as_micros() - app.now().as_micros() - 1);
    post_key(&ben, "6").await.assert_status(429).assert_header("retry-after", "1");
    app.advance_micros(1);
    key_in(&post_key(&ben, "6").await.assert_status(200));
    // One place came free, one was taken; the next frees a minute later.
    post_key(&ben, "7").await.assert_status(429).assert_header("retry-after", "60");
    app.advance_micros(60_000_000 - 1);
    post_key(&ben, "7").await.assert_status(429).assert_header("retry-after", "1");
    app.advance_micros(1);
    key_in(&post_key(&ben, "7").await.assert_status(200));
    assert_eq!(app.count("api_keys"), 7);
}

#[actix_web::test]
async fn the_api_says_when_the_next_key_can_be_created() {
    let app = TestApp::with(|setup| {
        manageable(setup);
        setup.frozen = true;
        setup.rules.plans[0].creations_per_hour = Some(2);
        setup.rules.plans[0].active_keys_max = Some(3);
    });
    let script = app.db_create_key("ben", "ci");
    let script = app.key(&script.secret);
    app.advance(Span::minutes(10));
    script.post("/v1/keys", &json!({"name": "a"})).await.assert_status(201);
    let refused = script.post("/v1/keys", &json!({"name": "b"})).await.assert_problem(429, "CREATION_RATE_LIMITED");
    refused.assert_header("retry-after", "3000");
    app.advance(Span::minutes(50));
    script.post("/v1/keys", &json!({"name": "b"})).await.assert_status(201);
    app.advance(Span::hours(1));
    let refused = script.post("/v1/keys", &json!({"name": "c"})).await.assert_problem(409, "KEY_LIMIT_REACHED");
    assert_eq!(refused.header("retry-after"), None);
}

#[actix_web::test]
async fn revoking_gives_room_but_no_budget() {
    let app = TestApp::with_limits(2, 4);
    let ben = app.enter("ben");
    let mut last = String::new();
    for name in ["1", "2", "3", "4"] {
        if ["3", "4"].contains(&name) {
            post_key(&ben, name).await.assert_status(409);
            ben.post(&at(&last, "/revoke"), &[]).await.assert_status(303);
        }
        last = key_in(&post_key(&ben, name).await.assert_status(200)).id;
    }
    ben.post(&at(&last, "/revoke"), &[]).await.assert_status(303);
    ben.get(LIST).await.assert_see("1 of 2 active keys · no creations left");
    post_key(&ben, "5").await.assert_status(429);
    app.advance(Span::hours(1));
    key_in(&post_key(&ben, "5").await.assert_status(200));
}

#[actix_web::test]
async fn rotating_works_at_the_cap_and_uses_no_budget() {
    let app = TestApp::with_limits(2, 3);
    let ben = app.enter("ben");
    let keys = [key_in(&post_key(&ben, "1").await), key_in(&post_key(&ben, "2").await)];
    for key in &keys {
        let new = rotate(&ben, &key.id, "24h").await;
        assert!(app.is_let_in(&new).await && app.is_let_in(&key.secret).await);
    }
    ben.get(LIST).await.assert_see("2 of 2 active keys · 1 creation left this hour");
    // Over the cap and out of budget, a leaked key can still be replaced.
    ben.post(&at(&keys[0].id, "/revoke"), &[("confirm_name", "1")]).await.assert_status(303);
    let third = key_in(&post_key(&ben, "3").await.assert_status(200));
    rotate(&ben, &third.id, "now").await;
    rotate(&ben, &third.id, "1h").await;
    ben.get(LIST).await.assert_see("2 of 2 active keys · no creations left");
}

#[actix_web::test]
async fn an_expired_key_does_not_count_from_its_deadline_on() {
    let app = frozen(1, 20);
    let ben = app.enter("ben");
    let new = NewKey { name: "short".into(), expires: Some("1h".into()), ..NewKey::default() };
    let key = app.db_try_create_key("ben", &new).unwrap();
    app.advance_micros(HOUR - 1);
    assert!(app.is_let_in(&key.secret).await);
    post_key(&ben, "next").await.assert_status(409);
    app.advance_micros(1);
    assert!(!app.is_let_in(&key.secret).await);
    key_in(&post_key(&ben, "next").await.assert_status(200));
}

#[actix_web::test]
async fn of_24_creations_at_once_exactly_as_many_succeed_as_the_cap_allows() {
    let app = TestApp::with_limits(5, 100);
    assert_eq!(create_at_once(&app, 24).await, (5, 19, 0));
    assert_eq!(app.count("api_keys"), 5);
    assert_eq!(app.count("audit_log WHERE action = 'key.created'"), 5);
}

#[actix_web::test]
async fn of_24_creations_at_once_exactly_as_many_succeed_as_the_hour_allows() {
    let app = TestApp::with_limits(100, 5);
    assert_eq!(create_at_once(&app, 24).await, (5, 0, 19));
    assert_eq!(app.count("api_keys"), 5);
}

/// Creates keys from several browsers at once: how many were made, and refused by the cap and by the hour.
async fn create_at_once(app: &TestApp, count: usize) -> (usize, usize, usize) {
    let people = [app.enter("ben"), app.enter("bea"), app.enter("ada"), app.enter("olive")];
    let names: Vec<String> = (0..count).map(|at| format!("key {at}")).collect();
    let creations = names.iter().enumerate().map(|(at, name)| post_key(&people[at % people.len()], name));
    let answers = join_all(creations).await;
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    for answer in &answers {
        match answer.status {
            200 => drop(secret_in(answer)),
            409 => assert!(answer.select("#secret").is_empty()),
            429 => assert!(answer.header("retry-after").is_some()),
            _ => panic!("{answer:?}"),
        }
    }
    (of(200), of(409), of(429))
}

#[actix_web::test]
async fn one_form_sent_many_times_at_once_makes_one_key() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let nonce = ben.get(&format!("{LIST}/new")).await.field("nonce");
    let form = [("name", "once"), ("nonce", nonce.as_str())];
    let answers = join_all((0..12).map(|_| ben.post(LIST, &form))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let reveals = answers.iter().filter(|answer| !answer.select("#secret").is_empty()).count();
    let others = answers.iter().filter(|answer| answer.text().contains("was already created")).count();
    assert_eq!((reveals, others, app.count("api_keys")), (1, 11, 1));
}

#[actix_web::test]
async fn one_idempotency_key_sent_many_times_at_once_makes_one_key() {
    let app = TestApp::with(manageable);
    let script = app.db_create_key("ben", "ci");
    let script = app.key(&script.secret);
    let send = || {
        let request = Request::new("POST", "/v1/keys").json(&json!({"name": "once"}));
        script.send(request.header("Idempotency-Key", "\"a-1\""))
    };
    let answers = join_all((0..12).map(|_| send())).await;
    let with_secret = answers.iter().filter(|answer| answer.status == 201 && answer.json()["secret"].is_string());
    let replayed = answers.iter().filter(|answer| {
        answer.status == 200
            && answer.json()["secret"].is_null()
            && answer.header("idempotency-replayed") == Some("true")
    });
    assert_eq!((with_secret.count(), replayed.count(), app.count("api_keys")), (1, 11, 2));
}

#[actix_web::test]
async fn a_rotation_form_sent_many_times_at_once_rotates_once() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "once").await);
    let nonce = ben.get(&at(&key.id, "/rotate")).await.field("nonce");
    let form = [("grace", "24h"), ("nonce", nonce.as_str())];
    let path = at(&key.id, "/rotate");
    let answers = join_all((0..12).map(|_| ben.post(&path, &form))).await;
    let reveals: Vec<_> = answers.iter().filter(|answer| !answer.select("#secret").is_empty()).collect();
    assert_eq!((reveals.len(), app.count("key_secrets")), (1, 2), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(app.is_let_in(&secret_in(reveals[0])).await && app.is_let_in(&key.secret).await);
}

#[actix_web::test]
async fn revoking_wins_over_whatever_happens_at_the_same_time() {
    let app = TestApp::new();
    let (ben, ada) = (app.enter("ben"), app.enter("ada"));
    for round in 0..4 {
        let key = key_in(&post_key(&ben, &format!("key {round}")).await);
        let mut secrets = vec![key.secret.clone(), rotate(&ben, &key.id, "24h").await];
        let [revoke, rotation, finish] = ["/revoke", "/rotate", "/rotate/finish"].map(|below| at(&key.id, below));
        let posts = [
            ben.post(&rotation, &[("grace", "now")]),
            ada.post(&revoke, &[]),
            ben.post(&finish, &[]),
            ben.post(&rotation, &[("grace", "7d")]),
            ben.post(&revoke, &[]),
            ada.post(&finish, &[]),
        ];
        for answer in join_all(posts).await {
            assert!(matches!(answer.status, 200 | 303 | 409), "{answer:?}");
            secrets.extend(answer.attribute("#secret", "value"));
        }
        let revoked = app.count(&format!("audit_log WHERE object_id = '{}' AND action = 'key.revoked'", key.id));
        assert_eq!(revoked, 1);
        for secret in secrets {
            assert!(!app.is_let_in(&secret).await);
        }
    }
}

#[actix_web::test]
async fn many_threads_on_the_pool_keep_to_the_cap() {
    let app = TestApp::with_limits(5, 100);
    let (state, origin) = (app.state.clone(), keyrack::actions::Origin::default());
    let creations = (0..24).map(|at| {
        let new = NewKey { name: format!("key {at}"), ..NewKey::default() };
        state.run(origin.clone(), move |conn, ctx| {
            use keyrack::actions::keys::create_key;
            use keyrack::actions::{Who, act_in};
            let who = Who::Person { user: "usr_ben".into(), session: "ses_x".into() };
            Ok(act_in(conn, ctx, &who, "acme", |scope| create_key(scope, &new, None)).is_ok())
        })
    });
    let made = try_join_all(creations).await.unwrap();
    assert_eq!((made.iter().filter(|made| **made).count(), app.count("api_keys")), (5, 5));
}
