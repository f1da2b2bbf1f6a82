//! Signing in on the command line as RFC 8628 has it, and what a signed-in command line may do.

use std::collections::BTreeSet;

use keyrack::actions::people::{self, Decision, KeysFate, remove_member};
use keyrack::actions::{Ctx, Origin, Who};
use keyrack::domain::ids::UserId;
use keyrack::domain::time::Span;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::actor::Form;
use crate::support::app::Request;
use crate::support::device::{post_device, refusal};
use crate::support::keys::text;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[actix_web::test]
async fn a_device_is_let_in_once_its_person_allowed_it() {
    let app = TestApp::with(|setup| setup.frozen = true);
    let form = [("client_id", "keyrack-cli"), ("device_name", "ada-laptop"), ("scope", "anything")];
    let asked = post_device(&app, "code", &form, "203.0.113.7").await.assert_status(200);
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let asked = asked.json();
    let (device_code, user_code) = (text(&asked, "/device_code"), text(&asked, "/user_code"));
    assert_eq!(asked["verification_uri"], "http://127.0.0.1:8080/device");
    let complete = format!("http://127.0.0.1:8080/device?user_code={user_code}");
    assert_eq!(asked["verification_uri_complete"], complete.as_str());
    assert_eq!((&asked["expires_in"], &asked["interval"]), (&json!(900), &json!(5)));
    assert!(user_code.len() == 9 && user_code.as_bytes()[4] == b'-', "{user_code}");

    assert_eq!(refusal(&app.poll(device_code).await), "authorization_pending");
    app.advance(Span::seconds(5));
    app.db_allow("ada", user_code);
    let answer = app.poll(device_code).await.assert_status(200);
    let json = answer.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&json!("Bearer"), &json!(7_776_000)));
    let token = text(&json, "/access_token");
    assert!(token.starts_with("krc_") && token.len() == 28);
    // It works once.
    assert_eq!(refusal(&app.poll(device_code).await), "invalid_grant");
    assert_eq!(app.count("cli_tokens"), 1);

    let me = app.key(token).get("/v1/whoami").await.assert_status(200).json();
    let expected = json!({
        "credential": {"kind": "cli_token", "id": text(&me, "/credential/id"), "name": "ada-laptop"},
        "user": {"id": "usr_ada", "email": "ada@acme.example", "name": "Ada"},
        "org": {"id": "org_acme", "slug": "acme", "name": "Acme", "plan": "standard"},
        "role": "admin", "profile": null, "environment": null,
    });
    assert_eq!(me, expected);
    let log = app.database.lines("SELECT action AS line FROM audit_log WHERE chain = 'usr_ada' ORDER BY seq");
    assert_eq!(log, ["account.device_allowed", "account.device_signed_in"]);
    let live =
        app.database.lines("SELECT LENGTH(token_hash) || ' ' || (expires_at - created_at) AS line FROM cli_tokens");
    assert_eq!(live, [format!("64 {}", 90_i64 * 86_400_000_000)]);
    app.advance(Span::days(90));
    app.key(token).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_device_that_polls_too_fast_is_slowed_down_by_five_seconds_each_time() {
    let app = TestApp::with(|setup| setup.frozen = true);
    let waiting = app.ask_in("ada-laptop").await;
    for (after, expected) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        // Ten seconds now.
        (9, "slow_down"),
        // Fifteen.
        (15, "authorization_pending"),
        (14, "slow_down"),
        (20, "authorization_pending"),
    ] {
        app.advance(Span::seconds(after));
        assert_eq!(refusal(&app.poll(&waiting.device_code).await), expected, "after {after}");
    }
    // What was allowed is not kept back.
    app.db_allow("ada", &waiting.user_code);
    app.poll(&waiting.device_code).await.assert_status(200);
}

#[actix_web::test]
async fn a_denied_and_an_expired_device_are_told_so() {
    let app = TestApp::new();
    let (denied, late) = (app.ask_in("denied").await, app.ask_in("late").await);
    app.db_decide("ada", |conn, ctx, who, _| {
        people::decide_device(conn, ctx, who, &denied.user_code, people::Decision::Deny).unwrap();
    });
    assert_eq!(refusal(&app.poll(&denied.device_code).await), "access_denied");
    assert_eq!(refusal(&app.poll(&denied.device_code).await), "access_denied");
    // Allowed, but fetched too late.
    app.db_allow("ada", &late.user_code);
    app.advance(Span::minutes(15));
    assert_eq!(refusal(&app.poll(&late.device_code).await), "expired_token");
    assert_eq!(app.count("cli_tokens"), 0);
    // After a while nobody remembers them.
    app.advance(Span::hours(2));
    let origin = Origin { via: "server", ..Origin::default() };
    app.database.run(|conn| {
        let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
        people::clean_up(conn, ctx).unwrap();
    });
    assert_eq!(app.count("device_codes"), 0);
    assert_eq!(refusal(&app.poll(&late.device_code).await), "invalid_grant");
}

#[actix_web::test]
async fn broken_requests_are_refused_in_the_words_of_oauth() {
    let app = TestApp::new();
    let code = app.ask_in("x").await.device_code;
    let cases: [(&str, Form<'_>, &str); 9] = [
        ("code", &[], "invalid_request"),
        ("code", &[("client_id", "other")], "invalid_client"),
        ("code", &[("client_id", "keyrack-cli"), ("client_id", "keyrack-cli")], "invalid_request"),
        ("token", &[], "invalid_request"),
        ("token", &[("grant_type", GRANT), ("client_id", "keyrack-cli")], "invalid_request"),
        (
            "token",
            &[("grant_type", "password"), ("device_code", &code), ("client_id", "keyrack-cli")],
            "unsupported_grant_type",
        ),
        ("token", &[("grant_type", GRANT), ("device_code", &code), ("client_id", "x")], "invalid_client"),
        ("token", &[("grant_type", GRANT), ("device_code", &code)], "invalid_request"),
        ("token", &[("grant_type", GRANT), ("device_code", "krd_x"), ("client_id", "keyrack-cli")], "invalid_grant"),
    ];
    for (path, form, expected) in cases {
        assert_eq!(refusal(&post_device(&app, path, form, "192.0.2.1").await), expected, "{path} {form:?}");
    }
    let json = Request::new("POST", "/v1/device/code").json(&json!({"client_id": "keyrack-cli"}));
    app.send(json).await.assert_problem(415, "INVALID_REQUEST");
    app.visitor().get("/v1/device/code").await.assert_problem(405, "INVALID_REQUEST");
}

#[actix_web::test]
async fn a_used_and_an_unknown_code_are_answered_alike_and_codes_cannot_be_tried_for_long() {
    let app = TestApp::new();
    let waiting = app.ask_in("x").await;
    app.db_allow("ben", &waiting.user_code);
    app.poll(&waiting.device_code).await.assert_status(200);
    let used = app.poll(&waiting.device_code).await;
    let unknown = format!("krd_{}", "A".repeat(24));
    let face = |answer: &crate::support::answer::Answer| {
        let headers = answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date");
        (answer.status, answer.body.clone(), headers.cloned().collect::<BTreeSet<_>>())
    };
    assert_eq!(face(&used), face(&app.poll(&unknown).await));
    let mut tries = 1;
    let answer = loop {
        let answer = app.poll(&unknown).await;
        if answer.status == 429 {
            break answer;
        }
        tries += 1;
    };
    assert_eq!(tries, 30);
    assert!(answer.header("retry-after").is_some());
    // Who waits for a real one is not shut out.
    let form = [("client_id", "keyrack-cli")];
    let asked = post_device(&app, "code", &form, "203.0.113.7").await.assert_status(200).json();
    assert_eq!(refusal(&app.poll(text(&asked, "/device_code")).await), "authorization_pending");
}

#[actix_web::test]
async fn one_address_asks_for_so_many_codes_and_what_it_calls_itself_cannot_hurt() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let name = format!("\u{202E}<b>{}</b>", key.secret);
    app.ask_in(&name).await;
    assert_eq!(app.database.lines("SELECT name AS line FROM device_codes"), ["a device without a name"]);
    let form = [("client_id", "keyrack-cli")];
    for _ in 1..30 {
        post_device(&app, "code", &form, "203.0.113.7").await.assert_status(200);
    }
    let refused = post_device(&app, "code", &form, "203.0.113.7").await.assert_problem(429, "RATE_LIMITED");
    assert!(refused.header("retry-after").is_some());
    post_device(&app, "code", &form, "203.0.113.8").await.assert_status(200);
    app.advance(Span::minutes(15));
    post_device(&app, "code", &form, "203.0.113.7").await.assert_status(200);
}

#[test]
fn of_many_polls_at_once_one_gets_the_token() {
    let app = TestApp::new();
    let (code, user_code) = {
        let start = app.db_act("ada", |conn, ctx, _, _| people::begin_device(conn, ctx, "x")).unwrap();
        (start.code.reveal().to_owned(), start.device.user_code)
    };
    app.learn(&code);
    app.db_allow("ada", &user_code);
    let (db, rules, clock) = (app.database.db.clone(), app.state.rules.clone(), app.state.clock.clone());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (db, rules, clock, code) = (db.clone(), rules.clone(), clock.clone(), code.clone());
            std::thread::spawn(move || {
                let origin = Origin::default();
                let ctx = Ctx { rules: &rules, clock: &clock, origin: &origin };
                let polled = db.run(|conn| people::poll_device(conn, ctx, &code));
                matches!(polled.unwrap(), people::Polled::SignedIn(..))
            })
        })
        .collect();
    let let_in: Vec<bool> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(let_in.iter().filter(|done| **done).count(), 1, "{let_in:?}");
    assert_eq!(app.count("cli_tokens"), 1);
}

#[test]
fn of_many_answers_at_once_one_counts() {
    let app = TestApp::new();
    let start = app.db_act("ada", |conn, ctx, _, _| people::begin_device(conn, ctx, "x")).unwrap();
    app.learn(start.code.reveal());
    let (db, rules, clock) = (app.database.db.clone(), app.state.rules.clone(), app.state.clock.clone());
    let people = ["usr_ada", "usr_ben"].map(|user| {
        let user = UserId::from(user);
        let (_, session) = app.db_begin_session(&user, app.now());
        Who::Person { user, session }
    });
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (db, rules, clock) = (db.clone(), rules.clone(), clock.clone());
            let (user_code, who) = (start.device.user_code.clone(), people[number % 2].clone());
            std::thread::spawn(move || {
                let origin = Origin::default();
                let ctx = Ctx { rules: &rules, clock: &clock, origin: &origin };
                let decision = if number < 4 { Decision::Allow("acme") } else { Decision::Deny };
                db.run(|conn| people::decide_device(conn, ctx, &who, &user_code, decision)).is_ok()
            })
        })
        .collect();
    let done: Vec<bool> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    assert_eq!(app.count("audit_log WHERE action IN ('account.device_allowed', 'account.device_denied')"), 1);
}

#[actix_web::test]
async fn a_command_line_acts_as_its_person_wherever_they_belong() {
    let app = TestApp::new();
    let (ada, acme) = (app.command_line("ada"), app.db_create_key("ben", "bens"));
    app.database.execute(
        "INSERT INTO memberships (org_id, user_id, role, joined_at) VALUES ('org_globex', 'usr_ada', 'builder', 1)",
    );
    let in_globex = |request: Request| request.header("X-Keyrack-Org", "globex");
    let orgs = ada.get("/v1/orgs").await.assert_status(200).json();
    let entries: Vec<Value> = orgs["data"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[0]["slug"], &entries[0]["role"]), (&json!("acme"), &json!("admin")));
    assert_eq!(entries[0]["active_keys"], json!({"count": 1, "max": 25}));
    assert_eq!((&entries[1]["slug"], &entries[1]["role"]), (&json!("globex"), &json!("builder")));
    // Keys are made and managed as in the browser, whatever keys may do with keys (ruling 13).
    let made = ada.post("/v1/keys", &json!({"name": "ci"})).await.assert_status(201).json();
    assert_eq!(made["created_by"]["name"], "Ada");
    let id = text(&made, "/id").to_owned();
    let there = in_globex(Request::new("POST", "/v1/keys").json(&json!({"name": "ci"})));
    let there = ada.send(there).await.assert_status(201).json();
    assert_eq!(there["profile"]["id"], "prof_globex");
    ada.send(in_globex(Request::new("GET", &format!("/v1/keys/{id}")))).await.assert_problem(404, "NOT_FOUND");
    ada.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await.assert_status(200);
    ada.get(&format!("/v1/keys/{id}/stats")).await.assert_status(200);
    ada.patch(&format!("/v1/keys/{id}"), &json!({"name": "cd"})).await.assert_status(200);
    ada.post(&format!("/v1/keys/{}/revoke", acme.id), &json!({})).await.assert_status(200);
    ada.get("/v1/members").await.assert_status(200);
    ada.get("/v1/events").await.assert_status(200);
    let globex = ada.send(in_globex(Request::new("GET", "/v1/whoami"))).await.assert_status(200).json();
    assert_eq!((&globex["org"]["slug"], &globex["role"]), (&json!("globex"), &json!("builder")));
    // Another's organization and one that is not there are alike.
    let ben = app.command_line("ben");
    for path in ["/v1/whoami", "/v1/keys", "/v1/members", "/v1/events", "/v1/profiles"] {
        for slug in ["globex", "nowhere"] {
            let request = Request::new("GET", path).header("X-Keyrack-Org", slug);
            ben.send(request).await.assert_problem(404, "NOT_FOUND");
        }
    }
    let twice = Request::new("GET", "/v1/keys").header("X-Keyrack-Org", "acme").header("X-Keyrack-Org", "acme");
    ben.send(twice).await.assert_problem(400, "INVALID_REQUEST");
    let log = app.database.lines("SELECT credential || ' ' || via AS line FROM audit_log WHERE action = 'key.edited'");
    assert!(log[0].starts_with("cli clt_") && log[0].ends_with(" cli"), "{log:?}");
}

#[actix_web::test]
async fn a_key_that_names_another_organization_than_its_own_finds_nothing() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    let list = |slug| Request::new("GET", "/v1/keys").header("X-Keyrack-Org", slug);
    script.send(list("acme")).await.assert_status(200);
    script.send(list("globex")).await.assert_problem(404, "NOT_FOUND");
    script.send(list("nowhere")).await.assert_problem(404, "NOT_FOUND");
}

#[actix_web::test]
async fn a_repeated_creation_is_one_per_person_and_organization() {
    let app = TestApp::new();
    let (first, second) = (app.command_line("ben"), app.command_line("ben"));
    let create = || Request::new("POST", "/v1/keys").json(&json!({"name": "ci"})).header("Idempotency-Key", "once");
    let made = first.send(create()).await.assert_status(201).json();
    let again = second.send(create()).await.assert_status(200).json();
    assert_eq!((&again["id"], &again["secret"]), (&made["id"], &Value::Null));
    app.command_line("bea").send(create()).await.assert_status(201);
}

#[actix_web::test]
async fn profiles_are_made_by_admins_and_by_keys_only_where_keys_manage_keys() {
    let app = TestApp::new();
    let (ada, ben, key) = (app.command_line("ada"), app.command_line("ben"), app.db_create_key("ada", "ci"));
    let body = json!({"name": "Staging"});
    let made = ada.post("/v1/profiles", &body).await.assert_status(201).json();
    assert_eq!(made["name"], "Staging");
    assert!(made["id"].as_str().unwrap().starts_with("prof_") && made["created_at"].is_string());
    ada.post("/v1/profiles", &body).await.assert_problem(422, "INVALID");
    ada.post("/v1/profiles", &json!({"name": ""})).await.assert_problem(422, "INVALID");
    ben.post("/v1/profiles", &json!({"name": "Bens"})).await.assert_problem(403, "FORBIDDEN");
    app.key(&key.secret).post("/v1/profiles", &json!({"name": "Keys"})).await.assert_problem(403, "FORBIDDEN");
    let list = ada.get("/v1/profiles").await.assert_status(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_command_line_is_out_with_the_next_request_once_it_or_its_person_is() {
    let app = TestApp::new();
    let refused = |token: String| {
        let app = &app;
        async move { app.key(&token).get("/v1/keys").await.status }
    };
    // Signed out by itself; a second time there is nothing to sign out.
    let token = app.db_command_line("ben");
    app.key(&token).post("/v1/device/revoke", &json!({})).await.assert_status(204);
    app.key(&token).post("/v1/device/revoke", &json!({})).await.assert_problem(401, "UNAUTHORIZED");
    assert_eq!(refused(token).await, 401);
    let key = app.db_create_key("ben", "ci");
    app.key(&key.secret).post("/v1/device/revoke", &json!({})).await.assert_problem(403, "FORBIDDEN");
    // By its person, with all other sessions; one that is allowed and has not come for its token is turned away too.
    let (token, waiting) = (app.db_command_line("ben"), app.ask_in("late").await);
    app.db_allow("ben", &waiting.user_code);
    app.enter("ben").post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    assert_eq!(refused(token).await, 401);
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "access_denied");
    // Removed from the organization: it is not there any more, but they are still signed in.
    let token = app.db_command_line("bea");
    app.db_deed("olive", |scope| remove_member(scope, &"usr_bea".into(), KeysFate::Revoke));
    assert_eq!(refused(token.clone()).await, 404);
    let me = app.key(&token).get("/v1/whoami").await.assert_status(200).json();
    assert_eq!((&me["user"]["id"], &me["org"], &me["role"]), (&json!("usr_bea"), &Value::Null, &Value::Null));
    assert_eq!(app.key(&token).get("/v1/orgs").await.assert_status(200).json()["data"], json!([]));
    // Shut out by the operator, for good: opening the account again does not sign it in.
    let (token, waiting) = (app.db_command_line("ada"), app.ask_in("late").await);
    app.db_allow("ada", &waiting.user_code);
    let origin = Origin { via: "server", ..Origin::default() };
    let operator = |f: fn(&mut keyrack::db::Conn, Ctx<'_>, &str) -> Result<keyrack::domain::org::User, _>| {
        let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
        app.database.run(|conn| f(conn, ctx, "ada@acme.example")).unwrap();
    };
    operator(people::disable_user);
    assert_eq!(refused(token.clone()).await, 401);
    operator(people::enable_user);
    assert_eq!(refused(token).await, 401);
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "access_denied");
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_one_public_401() {
    let app = TestApp::new();
    let (ended, shut) = (app.db_command_line("ben"), app.db_command_line("bea"));
    app.key(&ended).post("/v1/device/revoke", &json!({})).await.assert_status(204);
    app.database.execute("UPDATE users SET disabled_at = 1 WHERE id = 'usr_bea'");
    let face = |answer: crate::support::answer::Answer| {
        let headers = answer.headers.into_iter().filter(|(name, _)| name != "x-request-id" && name != "date");
        (answer.status, answer.body, headers.collect::<BTreeSet<_>>())
    };
    let nothing = face(app.send(Request::new("GET", "/v1/whoami")).await);
    assert_eq!(nothing.0, 401);
    let unknown = format!("krc_{}", "A".repeat(24));
    let hash = app.database.lines("SELECT token_hash AS line FROM cli_tokens LIMIT 1").remove(0);
    for token in [&ended, &shut, &unknown, "krc_", "krc_x", &hash, &format!("krc_{hash}")] {
        assert_eq!(face(app.key(token).get("/v1/whoami").await), nothing, "{token}");
        assert_eq!(face(app.key(token).post("/v1/device/revoke", &json!({})).await), nothing, "{token}");
        // The check of keys knows no command lines, good or not.
        app.key(token).get("/v1/auth").await.assert_status(401);
    }
    let good = app.db_command_line("ada");
    app.key(&good).get("/v1/auth").await.assert_status(401);
    app.key(&good).post("/v1/events", &json!([])).await.assert_problem(403, "FORBIDDEN");
    app.send(Request::new("GET", "/v1/whoami").header("X-Api-Key", &good)).await.assert_status(200);
    app.send(Request::new("GET", &format!("/v1/whoami?token={good}"))).await.assert_status(400);
}

#[actix_web::test]
async fn the_use_of_a_command_line_is_noted_once_a_minute() {
    let app = TestApp::with(|setup| setup.frozen = true);
    let ben = app.command_line("ben");
    let used =
        || app.database.lines("SELECT COALESCE(last_used_at, 0) || ' ' || last_used_address AS line FROM cli_tokens");
    assert_eq!(used(), ["0 "]);
    ben.get("/v1/whoami").await.assert_status(200);
    let first = used();
    assert_eq!(first, [format!("{} 192.0.2.1", app.now().as_micros())]);
    app.advance(Span::seconds(59));
    ben.get("/v1/keys").await.assert_status(200);
    assert_eq!(used(), first);
    app.advance(Span::seconds(1));
    ben.get("/v1/keys").await.assert_status(200);
    assert_ne!(used(), first);
}

#[actix_web::test]
async fn anyone_is_told_how_the_product_calls_itself() {
    let app = TestApp::with(|setup| setup.config.support_url = Some("https://help.example".into()));
    let brand = app.visitor().get("/v1/brand").await.assert_status(200).json();
    let expected = json!({
        "name": "Keyrack", "cli_name": "keyrack", "env_prefix": "KEYRACK", "project_file": "keyrack.json",
        "support_url": "https://help.example", "plans_url": null,
    });
    assert_eq!(brand, expected);
    app.visitor().get("/v1/brand?x=1").await.assert_status(400);
}
