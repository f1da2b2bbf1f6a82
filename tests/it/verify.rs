//! `POST /v1/keys/verify`: what an operator's backend is told about a key.

use std::collections::BTreeSet;

use keyrack::actions::keys::NewKey;
use keyrack::actions::people;
use keyrack::domain::org::OnDowngrade;
use keyrack::domain::time::Span;
use serde_json::{Value, json};

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::app::{Request, misspelt, plan};
use crate::support::keys::{at, rotate, text};

const PATH: &str = "/v1/keys/verify";

async fn ask(app: &TestApp, token: &str, body: &Value) -> Value {
    let answer = app.key(token).post(PATH, body).await.assert_status(200);
    let answer = answer.assert_header("content-type", "application/json").assert_header("cache-control", "no-store");
    answer.json()
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn of_a_good_key_everything_is_told_that_a_backend_needs() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci"), service_token(&app));
    let answer = ask(&app, &token, &json!({"key": key.secret})).await;
    let (created, request_id) = (text(&answer, "/key/created_at"), text(&answer, "/request_id"));
    assert_eq!(request_id.len(), 32);
    let expected = json!({
        "valid": true, "code": "VALID", "request_id": request_id,
        "key": {
            "id": key.id, "name": "ci", "preview": format!("kr_{}••••••••", &key.id[..5]), "environment": "live",
            "status": "active", "created_at": created, "expires_at": null,
        },
        "org": {"id": "org_acme", "slug": "acme", "name": "Acme", "plan": "standard"},
        "profile": {"id": "prof_acme", "name": "Default"},
        "user": {"id": "usr_ben", "email": "ben@acme.example", "name": "Ben"},
        "role": "builder",
        "rate_limit": {"account": null, "key": null, "binding": null},
    });
    assert_eq!(answer, expected);
    let request =
        json!({"method": "GET", "path": "/a?b", "address": "203.0.113.7", "client": "x", "request_id": "r-1"});
    let answer = ask(&app, &token, &json!({"key": key.secret, "role": "builder", "request": request})).await;
    assert_eq!((&answer["valid"], &answer["request_id"]), (&json!(true), &json!("r-1")));
}

#[actix_web::test]
async fn of_what_is_no_key_nothing_is_told() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci"), service_token(&app));
    let compose = |id: &str| app.state.rules.format.compose("live", &id.into(), &"B".repeat(22)).0;
    let (unknown, wrong) = (compose("AAAAAAAA"), compose(&key.id));
    let malformed = misspelt(&key.secret);
    for (text, code) in [
        ("", "MALFORMED"),
        ("x", "MALFORMED"),
        (&key.id, "MALFORMED"),
        (&malformed, "MALFORMED"),
        (&format!(" {}", key.secret), "MALFORMED"),
        (&token, "MALFORMED"),
        (unknown.reveal(), "NOT_FOUND"),
        (wrong.reveal(), "NOT_FOUND"),
    ] {
        let answer = ask(&app, &token, &json!({"key": text})).await;
        assert_eq!((&answer["valid"], &answer["code"]), (&json!(false), &json!(code)), "{text}");
        assert_eq!(members(&answer), ["code", "request_id", "valid"].into(), "{text}");
    }
}

#[actix_web::test]
async fn a_secret_opens_no_other_id() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci"), service_token(&app));
    let (_, secret) = key.secret.rsplit_once('_').unwrap();
    // The checksum belongs to the secret: of each 3844 ids one has the same. So many that some of them lie beside the key.
    let format = &app.state.rules.format;
    let others =
        (0..1_000_000).map(|number| format.compose("live", &format!("A{number:07}").as_str().into(), &secret[..22]).0);
    let others: Vec<_> = others.filter(|other| other.reveal().ends_with(secret)).collect();
    assert!(others.len() > 100, "{}", others.len());
    for other in others {
        let answer = ask(&app, &token, &json!({"key": other.reveal()})).await;
        assert_eq!((&answer["code"], members(&answer).len()), (&json!("NOT_FOUND"), 3));
    }
}

#[actix_web::test]
async fn of_a_refused_key_the_backend_learns_why_and_whose_it_is() {
    let app = TestApp::with(|setup| {
        let mut none = plan("none", "None");
        none.api_keys = false;
        setup.rules.plans.push(none);
        setup.rules.on_downgrade = OnDowngrade::Refuse;
    });
    let token = service_token(&app);
    let [revoked, rotated, expired, small] = ["revoked", "rotated", "expired", "small"].map(|name| {
        let expires = (name == "expired").then(|| "1h".to_owned());
        app.db_try_create_key("ben", &NewKey { name: name.into(), expires, ..NewKey::default() }).unwrap()
    });
    let ben = app.enter("ben");
    ben.post(&at(&revoked.id, "/revoke"), &[]).await.assert_status(303);
    let fresh = rotate(&ben, &rotated.id, "now").await;
    app.advance(Span::hours(2));
    for (key, code, status) in [
        (&revoked, "REVOKED", "revoked"),
        // The old secret of a key that goes on.
        (&rotated, "REVOKED", "active"),
        (&expired, "EXPIRED", "expired"),
        (&small, "FORBIDDEN", "active"),
    ] {
        let answer = ask(&app, &token, &json!({"key": key.secret, "role": "admin"})).await;
        assert_eq!((&answer["valid"], &answer["code"]), (&json!(false), &json!(code)));
        assert_eq!((text(&answer, "/key/id"), text(&answer, "/key/status")), (key.id.as_str(), status));
        assert_eq!((text(&answer, "/org/slug"), text(&answer, "/user/id")), ("acme", "usr_ben"));
    }
    assert_eq!(ask(&app, &token, &json!({"key": fresh})).await["code"], "VALID");
    app.db_act("olive", |conn, ctx, _, org| people::set_plan(conn, ctx, org, "none")).unwrap();
    let answer = ask(&app, &token, &json!({"key": small.secret})).await;
    assert_eq!((&answer["code"], text(&answer, "/org/plan")), (&json!("PLAN_REQUIRED"), "none"));
    let answer = ask(&app, &token, &json!({"key": app.db_create_key("xavier", "x").secret})).await;
    assert_eq!((&answer["code"], text(&answer, "/org/slug")), (&json!("VALID"), "globex"));
}

#[actix_web::test]
async fn only_a_service_token_may_ask() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("olive", "ci"), service_token(&app));
    let body = json!({"key": key.secret});
    app.key(&key.secret).post(PATH, &body).await.assert_problem(403, "FORBIDDEN");
    app.key("krs_unknown").post(PATH, &body).await.assert_problem(401, "UNAUTHORIZED");
    let bare = || Request::new("POST", PATH).json(&body);
    app.send(bare()).await.assert_problem(401, "UNAUTHORIZED");
    app.enter("olive").send(bare()).await.assert_problem(401, "UNAUTHORIZED");
    app.send(bare().header("X-Api-Key", &token)).await.assert_status(200);
    let both = bare().header("X-Api-Key", &token).header("Authorization", &format!("Bearer {token}"));
    app.send(both).await.assert_problem(400, "INVALID_REQUEST");
    // There is one way to write the address, whoever asks.
    for path in ["/v1/keys/%76erify", "/v1/keys/verify/", "/v1//keys/verify"] {
        app.key(&token).post(path, &body).await.assert_problem(404, "NOT_FOUND");
    }
    app.key(&key.secret).post("/v1/keys/%76erify", &body).await.assert_problem(403, "FORBIDDEN");
    app.db_act("olive", |conn, ctx, _, _| people::revoke_service_token(conn, ctx, &"svc_1".into())).unwrap();
    app.key(&token).post(PATH, &body).await.assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn whoever_has_no_service_token_is_told_so_by_the_application() {
    let app = TestApp::with(|setup| setup.rules.plans[0].requests_per_minute = Some(9));
    let key = app.db_create_key("ben", "ci");
    let body = json!({"key": key.secret});
    let good = app.key(&key.secret).post(PATH, &body).await.assert_problem(403, "FORBIDDEN");
    assert!(good.header("ratelimit").unwrap().starts_with("\"account\";r=8;"), "counted once");
    let mut bodies = BTreeSet::new();
    for bad in ["x", &misspelt(&key.secret), "kr_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAA", "krs_unknown"] {
        let answer = app.key(bad).post(PATH, &body).await.assert_problem(401, "UNAUTHORIZED");
        let answer =
            answer.assert_header("cache-control", "no-store").assert_header("x-content-type-options", "nosniff");
        assert!(answer.header("x-request-id").is_some() && answer.header("ratelimit").is_none(), "{bad}");
        bodies.insert(answer.body.clone());
    }
    assert_eq!(bodies.len(), 1);
    // Only an address that is written like it is one of a check.
    app.send(Request::new("POST", "/v1/keys/%76erify").json(&body)).await.assert_problem(401, "UNAUTHORIZED");
    app.key(&key.secret).get("/v1/%61uth").await.assert_problem(404, "NOT_FOUND");
}

#[actix_web::test]
async fn a_question_that_does_not_fit_is_refused_without_repeating_it() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci").secret, service_token(&app));
    let long = "r".repeat(65);
    for body in [
        json!({}),
        json!(key),
        json!({"key": key, "x": 1}),
        json!({"key": [key]}),
        json!({key.as_str(): 1}),
        json!({"key": key, "role": "root"}),
        json!({"key": key, "role": key}),
        json!({"key": key, "request": {"query": key}}),
        json!({"key": key, "request": {"request_id": ""}}),
        json!({"key": key, "request": {"request_id": "a b"}}),
        json!({"key": key, "request": {"request_id": long}}),
    ] {
        let answer = app.key(&token).post(PATH, &body).await.assert_problem(422, "INVALID");
        assert!(!answer.body.contains(&key), "{}", answer.body);
    }
    let send = |kind: &'static str, body: &str| {
        let request = Request::new("POST", PATH).header("Authorization", &format!("Bearer {token}"));
        app.send(request.body(kind, body.as_bytes().to_vec()))
    };
    send("application/json", "{").await.assert_problem(400, "INVALID_REQUEST");
    send("text/plain", "{}").await.assert_problem(415, "INVALID_REQUEST");
    send("application/json", &format!("{{\"key\":\"{}\"}}", "k".repeat(70_000))).await.assert_status(413);
    // Escapes in JSON are JSON's affair.
    let escaped = format!("{{\"key\":\"\\u006b{}\"}}", &key[1..]);
    assert_eq!(send("application/json", &escaped).await.assert_status(200).json()["code"], "VALID");
}
