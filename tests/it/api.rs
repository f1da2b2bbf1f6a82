//! `/v1` as the contract has it: credentials, shapes, refusals.

use std::collections::BTreeSet;

use keyrack::actions::keys::NewKey;
use keyrack::domain::org::OnDowngrade;
use keyrack::domain::time::Span;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::answer::Answer;
use crate::support::app::{MadeKey, Request, plan};
use crate::support::keys::{manageable, text};

const JSON: &str = "application/json";

fn whoami() -> Request {
    Request::new("GET", "/v1/whoami")
}

#[actix_web::test]
async fn whoami_says_whose_key_it_is() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let answer = app.key(&key.secret).get("/v1/whoami").await.assert_status(200).assert_header("content-type", JSON);
    let expected = json!({
        "credential": {"kind": "api_key", "id": key.id, "name": "ci"},
        "user": {"id": "usr_ben", "email": "ben@acme.example", "name": "Ben"},
        "org": {"id": "org_acme", "slug": "acme", "name": "Acme", "plan": "standard"},
        "role": "builder",
        "profile": {"id": "prof_acme", "name": "Default"},
        "environment": "live",
    });
    assert_eq!(answer.json(), expected);
    let ada = app.db_create_key("ada", "ci");
    assert_eq!(app.key(&ada.secret).get("/v1/whoami").await.json()["role"], "admin");
}

#[actix_web::test]
async fn a_key_is_taken_as_bearer_in_any_case_or_as_x_api_key() {
    let app = TestApp::new();
    let MadeKey { secret, .. } = app.db_create_key("ben", "ci");
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        app.send(whoami().header("Authorization", &format!("{scheme} {secret}"))).await.assert_status(200);
    }
    app.send(whoami().header("X-Api-Key", &secret)).await.assert_status(200);
    app.send(whoami().header("x-api-key", &secret)).await.assert_status(200);
}

#[actix_web::test]
async fn two_credentials_at_once_are_refused_not_ranked() {
    let app = TestApp::new();
    let MadeKey { secret, .. } = app.db_create_key("ben", "ci");
    let bearer = format!("Bearer {secret}");
    let pairs = [
        [("Authorization", bearer.as_str()), ("X-Api-Key", &secret)],
        [("Authorization", &bearer), ("Authorization", &bearer)],
        [("X-Api-Key", &secret), ("X-Api-Key", &secret)],
        [("Authorization", &bearer), ("X-Api-Key", "rubbish")],
        [("Authorization", "Basic abc"), ("X-Api-Key", &secret)],
    ];
    for pair in pairs {
        let request = pair.iter().fold(whoami(), |request, (name, value)| request.header(name, value));
        app.send(request).await.assert_problem(400, "INVALID_REQUEST");
    }
    // Nor is a key in the address taken, alone or beside the header, and the answer does not repeat it.
    for name in ["token", "api_key", "access_token", "key"] {
        let path = format!("/v1/whoami?{name}={secret}");
        let alone = app.send(Request::new("GET", &path)).await;
        assert!(matches!(alone.status, 400 | 401), "{alone:?}");
        app.send(Request::new("GET", &path).header("Authorization", &bearer)).await.assert_status(400);
        let list = app.send(Request::new("GET", &path.replace("whoami", "keys"))).await;
        assert!(matches!(list.status, 400 | 401), "{list:?}");
    }
}

/// What a holder may compare: the body, and all headers but the request's id.
fn face(answer: &Answer) -> (u16, String, BTreeSet<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date");
    (answer.status, answer.body.clone(), headers.cloned().collect())
}

#[actix_web::test]
async fn every_refused_credential_gets_the_same_401() {
    let app = TestApp::new();
    let [good, revoked, rotated, disabled, expired] =
        ["good", "revoked", "rotated", "disabled", "expired"].map(|name| {
            let who = if name == "disabled" { "bea" } else { "ben" };
            let expires = (name == "expired").then(|| "1h".to_owned());
            app.db_try_create_key(who, &NewKey { name: name.into(), expires, ..NewKey::default() }).unwrap()
        });
    let ben = app.enter("ben");
    let page = |id: &str, below: &str| crate::support::keys::at(id, below);
    ben.post(&page(&revoked.id, "/revoke"), &[]).await.assert_status(303);
    ben.post(&page(&rotated.id, "/rotate"), &[("grace", "now")]).await.assert_status(200);
    app.database.execute("UPDATE users SET disabled_at = 1 WHERE id = 'usr_bea'");
    app.advance(Span::hours(2));
    app.key(&good.secret).get("/v1/whoami").await.assert_status(200);

    let (prefix, tail) = good.secret.split_at(good.secret.len() - 2);
    let other = if tail == "00" { "01" } else { "00" };
    let unknown = app.state.rules.format.compose("live", &"AAAAAAAA".into(), &"B".repeat(22)).0;
    let wrong = app.state.rules.format.compose("live", &good.id.as_str().into(), &"B".repeat(22)).0;
    let hash = app.database.lines("SELECT hash AS line FROM key_secrets LIMIT 1").remove(0);
    let bearers = [
        ("nothing", String::new()),
        ("malformed", "Bearer x".to_owned()),
        ("another scheme", format!("Basic {}", good.secret)),
        ("text before the scheme", format!("n1 Bearer {}", good.secret)),
        ("checksum wrong", format!("Bearer {prefix}{other}")),
        ("too long", format!("Bearer {}", "k".repeat(5000))),
        ("unknown id", format!("Bearer {}", unknown.reveal())),
        ("wrong secret", format!("Bearer {}", wrong.reveal())),
        ("revoked", format!("Bearer {}", revoked.secret)),
        ("ended grace", format!("Bearer {}", rotated.secret)),
        ("owner shut out", format!("Bearer {}", disabled.secret)),
        ("expired", format!("Bearer {}", expired.secret)),
        ("the stored hash", format!("Bearer {hash}")),
        ("the stored hash as a secret", format!("Bearer kr_{}_{}", good.id, &hash[..24])),
        ("an unknown service token", format!("Bearer krs_{}", "A".repeat(43))),
        ("not ASCII", "Bearer kr_ä".to_owned()),
    ];
    let expected = face(&app.send(whoami()).await.assert_problem(401, "UNAUTHORIZED"));
    assert!(expected.2.contains(&("www-authenticate".into(), "Bearer".into())));
    for path in ["/v1/whoami", "/v1/keys", "/v1/orgs"] {
        for (what, bearer) in &bearers {
            let answer = app.send(Request::new("GET", path).header("Authorization", bearer)).await;
            assert_eq!(face(&answer), expected, "{what}");
            let bare = bearer.trim_start_matches("Bearer ");
            if !bare.contains(' ') {
                let answer = app.send(Request::new("GET", path).header("X-Api-Key", bare)).await;
                assert_eq!(face(&answer), expected, "{what} as X-Api-Key");
            }
        }
    }
}

#[actix_web::test]
async fn a_session_cookie_is_no_credential_here() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    ben.get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    ben.send(Request::new("POST", "/v1/keys").json(&json!({"name": "x"}))).await.assert_problem(401, "UNAUTHORIZED");
    let key = app.db_create_key("ben", "ci");
    let both = whoami().header("Authorization", &format!("Bearer {}", key.secret));
    let answer = ben.send(both).await.assert_status(200);
    assert_eq!(answer.header("set-cookie"), None);
    // And a key opens no page.
    let answer = app.key(&key.secret).get("/orgs/acme/settings/api-keys").await.assert_status(303);
    assert!(answer.header("location").unwrap().starts_with("/sign-in?next="));
}

#[actix_web::test]
async fn a_refusal_is_a_problem_that_names_its_code() {
    let app = TestApp::new();
    let script = app.db_create_key("ben", "ci");
    let script = app.key(&script.secret);
    for (path, status, code) in [
        ("/v1/keys/AAAAAAAA", 404, "NOT_FOUND"),
        ("/v1/nothing", 404, "NOT_FOUND"),
        ("/v1/keys?limit=0", 422, "INVALID"),
        ("/v1/keys?limit=201", 422, "INVALID"),
        ("/v1/keys?limit=many", 422, "INVALID"),
        ("/v1/keys?cursor=x", 422, "INVALID"),
        ("/v1/keys?nonsense=1", 400, "INVALID_REQUEST"),
        ("/v1/keys?limit=1&limit=2", 400, "INVALID_REQUEST"),
    ] {
        let problem = script.get(path).await.assert_problem(status, code).json();
        assert_eq!(problem["status"], status, "{path}");
        for field in ["type", "title", "detail", "request_id"] {
            assert!(!text(&problem, &format!("/{field}")).is_empty(), "{path}: {field}");
        }
        assert_eq!(problem.as_object().unwrap().len(), 6, "{problem:#}");
    }
}

#[actix_web::test]
async fn other_methods_get_405_with_those_that_are_allowed() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let key_path = format!("/v1/keys/{}", key.id);
    for (method, path, allow) in [
        ("DELETE", key_path.as_str(), "GET, PATCH"),
        ("PUT", "/v1/keys", "GET, POST"),
        ("POST", "/v1/whoami", "GET"),
        ("GET", "/v1/keys/x/revoke", "POST"),
    ] {
        let answer = app.key(&key.secret).send(Request::new(method, path)).await;
        answer.assert_problem(405, "INVALID_REQUEST").assert_header("allow", allow);
    }
    let head = app.key(&key.secret).send(Request::new("HEAD", "/v1/whoami")).await;
    head.assert_status(200).assert_header("content-type", JSON);
    app.send(Request::new("HEAD", "/v1/whoami")).await.assert_status(401);
}

#[actix_web::test]
async fn bodies_that_are_not_what_is_read_change_nothing() {
    let app = TestApp::with(manageable);
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    let post = |kind: &str, body: &str| Request::new("POST", "/v1/keys").body(kind, body.as_bytes().to_vec());
    let (before, good) = (app.database.dump(), r#"{"name":"x"}"#);
    for (request, status) in [
        (post("text/plain", good), 415),
        (post("application/x-www-form-urlencoded", "name=x"), 415),
        (post("", good), 415),
        (post(JSON, "{\"name\":"), 400),
        (post(JSON, "name=x"), 400),
        (post(JSON, ""), 400),
        (post(JSON, "[]"), 422),
        (post(JSON, "{}"), 422),
        (post(JSON, "null"), 422),
        (post(JSON, r#"{"name":"a","name":"b"}"#), 422),
        (post(JSON, r#"{"name":1}"#), 422),
        (post(JSON, r#"{"name":"x","role":"owner"}"#), 422),
        (post(JSON, r#"{"name":"x","owner_id":"usr_olive"}"#), 422),
        (post(JSON, r#"{"name":"x","secret":"mine"}"#), 422),
        (post(JSON, r#"{"name":""}"#), 422),
        (post(JSON, r#"{"name":"a\nb"}"#), 422),
        (post(JSON, r#"{"name":"a\u0000b"}"#), 422),
        (post(JSON, r#"{"name":"x","profile":"\u0000"}"#), 422),
        (post(JSON, r#"{"name":"a\u202eb"}"#), 422),
        (post(JSON, r#"{"name":"x","profile":"prof_globex"}"#), 422),
        (post(JSON, r#"{"name":"x","environment":"moon"}"#), 422),
        (post(JSON, r#"{"name":"x","expires_at":"2001-01-01T00:00:00Z"}"#), 422),
        (post(JSON, r#"{"name":"x","expires_at":"tomorrow"}"#), 422),
        (post(JSON, &format!(r#"{{"name":"{}"}}"#, "x".repeat(61))), 422),
        (post(JSON, &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000))), 413),
    ] {
        let answer = script.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    // `last_used_at` was noted before, so that the dumps can be compared.
    let (before, after) = (without_use(&before), without_use(&app.database.dump()));
    assert!(before == after);
    script.send(post("application/json; charset=utf-8", good)).await.assert_status(201);
}

/// A dump without the rows in which the use of keys is noted.
fn without_use(dump: &str) -> String {
    let lines = dump.lines().filter(|line| !line.starts_with("api_keys ") && !line.starts_with("key_secrets "));
    lines.collect::<Vec<_>>().join("\n")
}

#[actix_web::test]
async fn a_key_is_created_listed_edited_rotated_and_revoked() {
    let app = TestApp::with(manageable);
    let script = app.db_create_key("ben", "ci");
    let script = app.key(&script.secret);
    let body = json!({"name": "deploy", "note": "from CI", "expires_at": "2099-01-01T00:00:00Z"});
    let created = script.post("/v1/keys", &body).await.assert_status(201).json();
    let (id, secret) = (text(&created, "/id").to_owned(), text(&created, "/secret").to_owned());
    let mut expected = json!({
        "id": id, "name": "deploy", "note": "from CI", "url_allowed": false, "preview": format!("kr_{}••••••••", &id[..5]),
        "environment": "live", "profile": {"id": "prof_acme", "name": "Default"},
        "created_at": created["created_at"], "created_by": {"id": "usr_ben", "name": "Ben"},
        "last_used_at": null, "expires_at": "2099-01-01T00:00:00Z", "status": "active", "rotation": null,
        "revoked_at": null, "revoke_reason": null, "secret": secret,
    });
    assert_eq!(created, expected);
    expected.as_object_mut().unwrap().remove("secret");
    let path = format!("/v1/keys/{id}");
    assert_eq!(script.get(&path).await.assert_status(200).json(), expected);
    assert_eq!(script.get("/v1/keys").await.assert_status(200).json()["data"][0], expected);
    assert!(app.is_let_in(&secret).await);

    let edited = script.patch(&path, &json!({"name": "release"})).await.assert_status(200).json();
    assert_eq!((&edited["name"], &edited["note"]), (&json!("release"), &json!("from CI")));
    script.patch(&path, &json!({"status": "active"})).await.assert_problem(422, "INVALID");
    script.patch(&path, &json!({"name": "ci"})).await.assert_problem(422, "INVALID");

    let rotated = script.post(&format!("{path}/rotate"), &json!({"grace": "1h"})).await.assert_status(200).json();
    let new = text(&rotated, "/secret");
    assert!(app.is_let_in(new).await && app.is_let_in(&secret).await);
    assert_eq!(rotated["status"], "rotating");
    assert_eq!(rotated["previous_valid_until"], rotated["rotation"]["previous_valid_until"]);
    assert_eq!(text(&rotated, "/rotation/current_last4"), &new[new.len() - 4..]);
    assert_eq!(text(&rotated, "/rotation/previous_last4"), &secret[secret.len() - 4..]);
    script.post(&format!("{path}/rotate"), &json!({"grace": "1h"})).await.assert_problem(409, "CONFLICT");
    script.post(&format!("{path}/rotate"), &json!({"grace": "2h"})).await.assert_problem(422, "INVALID");
    let replaced = script.post(&format!("{path}/rotate"), &json!({"grace": "now"})).await.assert_status(200).json();
    assert_eq!((&replaced["previous_valid_until"], &replaced["status"]), (&Value::Null, &json!("active")));
    assert!(app.is_let_in(text(&replaced, "/secret")).await);
    assert!(!app.is_let_in(new).await && !app.is_let_in(&secret).await);

    let revoked = script.post(&format!("{path}/revoke"), &json!({"reason": "leaked"})).await.assert_status(200).json();
    assert_eq!((&revoked["status"], &revoked["revoke_reason"]), (&json!("revoked"), &json!("leaked")));
    assert!(!app.is_let_in(text(&replaced, "/secret")).await);
    let again = script.post(&format!("{path}/revoke"), &json!({"reason": "twice"})).await.assert_status(200).json();
    assert_eq!(again, revoked, "revoking twice changes nothing");
    script.post(&format!("{path}/rotate"), &json!({})).await.assert_problem(409, "CONFLICT");
    assert_eq!(script.get("/v1/keys").await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(script.get("/v1/keys?all=1").await.json()["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn deeds_without_arguments_need_no_body() {
    let app = TestApp::with(manageable);
    let key = app.db_create_key("ben", "ci");
    let (script, path) = (app.key(&key.secret), format!("/v1/keys/{}", key.id));
    let rotated = script.send(Request::new("POST", &format!("{path}/rotate"))).await.assert_status(200).json();
    assert_eq!(rotated["status"], "rotating");
    script.send(Request::new("POST", &format!("{path}/revoke"))).await.assert_status(200);
    assert!(!app.is_let_in(&key.secret).await && !app.is_let_in(text(&rotated, "/secret")).await);
}

#[actix_web::test]
async fn a_key_does_not_manage_keys_unless_the_operator_says_so() {
    let app = TestApp::new();
    let key = app.db_create_key("olive", "ci");
    let (script, path) = (app.key(&key.secret), format!("/v1/keys/{}", key.id));
    script.get("/v1/keys").await.assert_status(200);
    let before = without_use(&app.database.dump());
    script.post("/v1/keys", &json!({"name": "x"})).await.assert_problem(403, "FORBIDDEN");
    script.patch(&path, &json!({"name": "x"})).await.assert_problem(403, "FORBIDDEN");
    script.post(&format!("{path}/rotate"), &json!({})).await.assert_problem(403, "FORBIDDEN");
    script.post(&format!("{path}/revoke"), &json!({})).await.assert_problem(403, "FORBIDDEN");
    assert!(without_use(&app.database.dump()) == before);
    assert!(app.is_let_in(&key.secret).await);
}

#[actix_web::test]
async fn a_key_never_reaches_beyond_its_owner() {
    let app = TestApp::with(manageable);
    let [ben, bea, ada, xavier] = ["ben", "bea", "ada", "xavier"].map(|who| app.db_create_key(who, "ci"));
    for (caller, target, status) in
        [(&ben, &bea, 403), (&ben, &ada, 403), (&ben, &xavier, 404), (&ada, &xavier, 404), (&xavier, &ada, 404)]
    {
        let (script, path) = (app.key(&caller.secret), format!("/v1/keys/{}", target.id));
        script.get(&path).await.assert_status(status);
        script.patch(&path, &json!({"name": "mine"})).await.assert_status(status);
        script.post(&format!("{path}/rotate"), &json!({})).await.assert_status(status);
        script.post(&format!("{path}/revoke"), &json!({})).await.assert_status(status);
        assert!(app.is_let_in(&target.secret).await);
    }
    let ids = |list: Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|key| text(key, "/id").to_owned()).collect()
    };
    assert_eq!(ids(app.key(&ben.secret).get("/v1/keys").await.json()), [ben.id.as_str()]);
    assert_eq!(ids(app.key(&ada.secret).get("/v1/keys").await.json()).len(), 3);
    // A colleague's profile is no way round, and neither is another organization's.
    assert!(ids(app.key(&ben.secret).get("/v1/keys?profile=prof_globex").await.json()).is_empty());
    // A role counts from the next request on.
    app.database.execute("UPDATE memberships SET role = 'builder' WHERE user_id = 'usr_ada'");
    app.key(&ada.secret).get(&format!("/v1/keys/{}", bea.id)).await.assert_status(403);
    app.database.execute("UPDATE memberships SET role = 'admin' WHERE user_id = 'usr_ben'");
    app.key(&ben.secret).post(&format!("/v1/keys/{}/revoke", bea.id), &json!({})).await.assert_status(200);
    assert!(!app.is_let_in(&bea.secret).await);
}

#[actix_web::test]
async fn a_list_is_paged_through_while_keys_are_added() {
    let app = TestApp::with(|setup| {
        // All are created in the same microsecond: the cursor must tell them apart all the same.
        setup.frozen = true;
        setup.rules.plans[0].active_keys_max = None;
        setup.rules.plans[0].creations_per_hour = None;
    });
    let mut keys: BTreeSet<String> = (0..120).map(|at| app.db_create_key("ben", &format!("key {at}")).id).collect();
    let key = app.db_create_key("ben", "ci");
    keys.insert(key.id.clone());
    app.advance_micros(1);
    let (script, mut seen, mut cursor) = (app.key(&key.secret), Vec::new(), String::new());
    for page in 0.. {
        assert!(page < 9, "paging does not end");
        let answer = script.get(&format!("/v1/keys?limit=25{cursor}")).await.assert_status(200).json();
        let data = answer["data"].as_array().unwrap();
        assert!(data.len() <= 25);
        seen.extend(data.iter().map(|key| text(key, "/id").to_owned()));
        app.db_create_key("ben", &format!("late {page}"));
        let Some(next) = answer["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let seen_once: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(seen_once.len(), seen.len(), "a key was listed twice");
    assert_eq!(seen_once, keys);
}

#[actix_web::test]
async fn a_repeated_idempotency_key_creates_nothing_more() {
    let app = TestApp::with(manageable);
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    let send = |token: &str, body: Value| {
        script.send(Request::new("POST", "/v1/keys").header("Idempotency-Key", token).json(&body))
    };
    let first = send("\"abc\"", json!({"name": "once"})).await.assert_status(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = send("\"abc\"", json!({"name": "once"})).await.assert_status(200);
    let again = again.assert_header("idempotency-replayed", "true").json();
    assert_eq!((&again["id"], &again["secret"]), (&first.json()["id"], &Value::Null));
    send("\"abc\"", json!({"name": "other"})).await.assert_problem(422, "INVALID");
    for wrong in ["", "\"\"", "\"a b\"", &"x".repeat(256)] {
        send(wrong, json!({"name": "other"})).await.assert_problem(400, "INVALID_REQUEST");
    }
    assert_eq!(app.count("api_keys"), 2);
    // Another key's token of the same text is another token.
    let other = app.db_create_key("bea", "ci");
    let request = Request::new("POST", "/v1/keys").header("Idempotency-Key", "\"abc\"").json(&json!({"name": "once"}));
    app.key(&other.secret).send(request).await.assert_status(201);
    // A refusal is not remembered: when its cause is gone, the same request succeeds.
    send("\"def\"", json!({"name": "once"})).await.assert_problem(422, "INVALID");
    script.post(&format!("/v1/keys/{}/revoke", text(&again, "/id")), &json!({})).await.assert_status(200);
    send("\"def\"", json!({"name": "once"})).await.assert_status(201);
}

fn downgraded(on_downgrade: OnDowngrade) -> (TestApp, MadeKey) {
    let app = TestApp::with(|setup| {
        manageable(setup);
        setup.rules.on_downgrade = on_downgrade;
        let mut free = plan("free", "Starter");
        free.api_keys = false;
        setup.rules.plans.push(free);
    });
    let key = app.db_create_key("ben", "ci");
    app.database.execute("UPDATE orgs SET plan = 'free' WHERE slug = 'acme'");
    (app, key)
}

#[actix_web::test]
async fn without_keys_in_the_plan_none_is_created_and_those_there_are_kept() {
    let (app, key) = downgraded(OnDowngrade::Keep);
    let script = app.key(&key.secret);
    script.get("/v1/whoami").await.assert_status(200);
    script.post("/v1/keys", &json!({"name": "x"})).await.assert_problem(403, "PLAN_REQUIRED");
    let rotated = script.post(&format!("/v1/keys/{}/rotate", key.id), &json!({"grace": "now"})).await.json();
    let script = app.key(text(&rotated, "/secret"));
    script.post(&format!("/v1/keys/{}/revoke", key.id), &json!({})).await.assert_status(200);
    script.get("/v1/whoami").await.assert_status(401);
}

#[actix_web::test]
async fn without_keys_in_the_plan_they_are_refused_where_the_operator_wants_it() {
    let (app, key) = downgraded(OnDowngrade::Refuse);
    app.key(&key.secret).get("/v1/whoami").await.assert_problem(403, "PLAN_REQUIRED");
    app.database.execute("UPDATE orgs SET plan = 'standard' WHERE slug = 'acme'");
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    // One revoked meanwhile gets the plain 401.
    let ben = app.enter("ben");
    ben.post(&crate::support::keys::at(&key.id, "/revoke"), &[("confirm_name", "ci")]).await.assert_status(303);
    app.database.execute("UPDATE orgs SET plan = 'free' WHERE slug = 'acme'");
    app.key(&key.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn the_lists_of_an_organization_are_its_own() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    let orgs = script.get("/v1/orgs").await.assert_status(200).json();
    assert_eq!(orgs["next_cursor"], Value::Null);
    assert_eq!((orgs["data"].as_array().unwrap().len(), &orgs["data"][0]["slug"]), (1, &json!("acme")));
    let profiles = script.get("/v1/profiles").await.assert_status(200).json();
    assert_eq!((profiles["data"].as_array().unwrap().len(), &profiles["data"][0]["id"]), (1, &json!("prof_acme")));
    let members = script.get("/v1/members").await.assert_status(200);
    assert_eq!(members.json()["data"].as_array().unwrap().len(), 4);
    assert!(!members.body.contains("xavier") && !members.body.contains("argon2"));
}

#[actix_web::test]
async fn a_service_token_says_what_it_is_and_manages_nothing() {
    let app = TestApp::with(manageable);
    let key = app.db_create_key("ben", "ci");
    let token = service_token(&app);
    let script = app.key(&token);
    let answer = script.get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(
        (text(&answer, "/credential/kind"), &answer["org"], &answer["user"]),
        ("service_token", &Value::Null, &Value::Null)
    );
    for path in ["/v1/keys", "/v1/orgs", "/v1/profiles", "/v1/members", &format!("/v1/keys/{}", key.id)] {
        script.get(path).await.assert_problem(403, "FORBIDDEN");
    }
    script.post("/v1/keys", &json!({"name": "x"})).await.assert_problem(403, "FORBIDDEN");
    app.database.execute("UPDATE service_tokens SET revoked_at = 1");
    script.get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

/// A service token, by the database.
pub(crate) fn service_token(app: &TestApp) -> String {
    use keyrack::db::tokens::{ServiceToken, insert_service_token};
    use keyrack::domain::token::SecretHash;
    let token = format!("krs_{}", keyrack::actions::random::base62(43).unwrap());
    app.learn(&token);
    let row = ServiceToken {
        id: "svc_1".into(),
        name: "backend".into(),
        created_at: app.now(),
        last_used_at: None,
        revoked_at: None,
    };
    let hash = SecretHash::of(&token).to_hex();
    let insert = |conn: &mut _| insert_service_token(conn, &row, &hash);
    app.database.run(|conn| keyrack::db::write(conn, insert).unwrap());
    token
}
