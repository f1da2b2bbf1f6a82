//! Leaked keys: scanners that report, holders who give up, and the desk where a found key is pasted.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use keyrack::domain::leak::OnLeak;
use keyrack::domain::time::Span;
use keyrack::domain::token::SecretHash;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::actor::Visitor;
use crate::support::answer::Answer;
use crate::support::app::{MadeKey, Request, Setup};
use crate::support::keys::{at, post_key, rotate};

const DESK: &str = "/orgs/acme/settings/leaks";
const SELF: &str = "/v1/keys/self/revoke";
const NEUTRAL: &str = "This is not a key of this organization.";

/// Serves a partner's list of keys, and counts who asks.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
}

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// The public half as a list of keys has it.
fn public_pem(seed: u8) -> String {
    // SubjectPublicKeyInfo of P-256 up to the point.
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let point = signing_key(seed).verifying_key().to_sec1_point(false);
    let text = base64::engine::general_purpose::STANDARD.encode([&HEAD[..], point.as_bytes()].concat());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

impl KeyServer {
    /// With a key called `now` that signs, and one called `before` that no longer does.
    fn start() -> Self {
        let entry = |id: &str, seed: u8, is_current: bool| json!({"key_identifier": id, "key": public_pem(seed), "is_current": is_current});
        Self::serving(json!({"public_keys": [entry("now", 7, true), entry("before", 8, false)]}).to_string())
    }

    fn serving(body: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let length = body.len();
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn app_with(server: &KeyServer, change: impl FnOnce(&mut Setup)) -> TestApp {
    TestApp::with(|setup| {
        setup.config.scanning.github_keys_url = Some(server.url.clone());
        setup.config.scanning.gitlab_keys_url = Some(server.url.clone());
        change(setup);
    })
}

fn signed(partner: &str, body: &str, key: &str, seed: u8) -> Request {
    let signature: Signature = signing_key(seed).sign(body.as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(signature.to_der().as_bytes());
    let (path, name) = (format!("/v1/scanning/{}", partner.to_lowercase()), partner);
    Request::new("POST", &path)
        .body("application/json", body.as_bytes().to_vec())
        .header(&format!("{name}-Public-Key-Identifier"), key)
        .header(&format!("{name}-Public-Key-Signature"), &signature)
}

async fn report(app: &TestApp, partner: &str, findings: &Value) -> Answer {
    app.send(signed(partner, &findings.to_string(), "now", 7)).await
}

fn finding(token: &str, url: &str) -> Value {
    json!({"token": token, "type": "keyrack_api_key", "url": url, "source": "content"})
}

fn lines(app: &TestApp, action: &str) -> Vec<String> {
    let query = format!(
        "SELECT object_name || ' by ' || actor_name || ' ' || after AS line FROM audit_log WHERE action = '{action}' ORDER BY seq"
    );
    app.database.lines(&query)
}

#[actix_web::test]
async fn a_key_that_github_found_is_revoked_and_its_organization_sees_where() {
    let server = KeyServer::start();
    let app = app_with(&server, |_| ());
    let (key, other) = (app.db_create_key("ben", "ci"), app.db_create_key("xavier", "theirs"));
    let url = "https://github.com/acme/app/blob/main/.env";
    let found = json!([finding(&key.secret, &format!("{url}?token=x")), finding("kr_nothing_like_a_key", url)]);
    let answer = report(&app, "Github", &found).await.assert_status(200);
    assert!(!answer.body.contains(&key.secret), "it is not repeated");
    let feedback = answer.json();
    assert_eq!(feedback[0]["label"], "true_positive");
    assert_eq!(feedback[0]["token_hash"], SecretHash::of(&key.secret).to_hex());
    assert_eq!(
        (&feedback[1]["label"], &feedback[1]["token_type"]),
        (&json!("false_positive"), &json!("keyrack_api_key"))
    );
    assert!(!app.is_let_in(&key.secret).await);
    assert!(app.is_let_in(&other.secret).await);
    let told = lines(&app, "key.leaked");
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("ci by GitHub secret scanning") && told[0].contains(url), "{told:?}");
    assert_eq!(lines(&app, "key.revoked").len(), 1);
    let alerts = || app.database.lines("SELECT kind AS line FROM alerts WHERE kind <> 'created' ORDER BY kind");
    assert_eq!(alerts(), ["leaked", "revoked"]);
    // Again, elsewhere, and by another partner: known, and done.
    assert_eq!(report(&app, "Github", &found).await.assert_status(200).json(), feedback);
    let elsewhere = json!([finding(&key.secret, "https://gist.github.com/x")]);
    report(&app, "Github", &elsewhere).await.assert_status(200);
    report(&app, "Gitlab", &json!([{"type": "t", "token": key.secret, "url": url}])).await.assert_status(204);
    assert_eq!((app.count("leak_reports"), lines(&app, "key.revoked").len()), (3, 1));
    assert_eq!(alerts(), ["leaked", "revoked"]);
    let desk =
        app.enter("ada").get(DESK).await.assert_status(200).assert_see(url).assert_see("GitLab secret detection");
    desk.assert_see("Reports of GitHub and GitLab are taken.").assert_see("Had ended before");
    app.enter("xavier").get("/orgs/globex/settings/leaks").await.assert_dont_see(url);
    assert_eq!(server.asked(), 2, "a list a day for each partner");
}

#[actix_web::test]
async fn where_the_operator_wants_it_the_organization_is_only_told() {
    let server = KeyServer::start();
    let app = app_with(&server, |setup| setup.rules.on_leak = OnLeak::Alert);
    let key = app.db_create_key("ben", "ci");
    let found = json!([finding(&key.secret, "https://github.com/acme/app")]);
    for _ in 0..2 {
        let feedback = report(&app, "Github", &found).await.assert_status(200).json();
        assert_eq!(feedback[0]["label"], "true_positive");
    }
    assert!(app.is_let_in(&key.secret).await);
    assert_eq!((lines(&app, "key.leaked").len(), lines(&app, "key.revoked").len()), (1, 0));
    app.enter("olive").get(DESK).await.assert_see("Still works: revoke or rotate it");
}

#[actix_web::test]
async fn only_the_secret_that_leaked_is_ended() {
    let server = KeyServer::start();
    let app = app_with(&server, |_| ());
    let key = app.db_create_key("ben", "ci");
    let ben = app.enter("ben");
    let second = rotate(&ben, &key.id, "24h").await;
    assert!(app.is_let_in(&key.secret).await && app.is_let_in(&second).await);
    let old = json!([finding(&key.secret, "https://github.com/acme/app")]);
    report(&app, "Github", &old).await.assert_status(200);
    assert!(!app.is_let_in(&key.secret).await, "the old secret, which leaked");
    assert!(app.is_let_in(&second).await, "the new one, which did not");
    let elsewhere = json!([finding(&key.secret, "https://github.com/acme/other")]);
    assert_eq!(report(&app, "Github", &elsewhere).await.json()[0]["label"], "true_positive");
    assert!(app.is_let_in(&second).await);
    let desk = app.enter("ada").get(DESK).await;
    desk.assert_see("Old secret ended").assert_see("an old secret, which ended before");
    // A right id with a secret that never was one's own says nothing at all.
    let other = app.db_create_key("ben", "other");
    let format = &app.state.rules.format;
    let (forged, _) = format.compose("live", &other.id.as_str().into(), "0123456789abcdefghijkl");
    let answer = report(&app, "Github", &json!([finding(forged.reveal(), "u")])).await;
    assert_eq!(answer.json()[0]["label"], "false_positive");
    assert!(app.is_let_in(&other.secret).await);
}

#[actix_web::test]
async fn what_is_not_signed_by_a_key_that_signs_now_is_refused_and_changes_nothing() {
    let server = KeyServer::start();
    let app = app_with(&server, |_| ());
    let key = app.db_create_key("ben", "ci");
    let body = json!([finding(&key.secret, "u")]).to_string();
    let before = app.database.dump();
    let plain = || Request::new("POST", "/v1/scanning/github").body("application/json", body.clone().into_bytes());
    for bad in [
        plain(),
        plain().header("Github-Public-Key-Identifier", "now"),
        plain().header("Github-Public-Key-Identifier", "now").header("Github-Public-Key-Signature", "MEUC"),
        signed("Github", &body, "now", 9),
        signed("Github", &body, "before", 8),
        signed("Github", &body, "nobody", 7),
        signed("Github", &body, "now", 7).header("Github-Public-Key-Identifier", "now"),
        signed("Github", &body, "now", 7).body("application/json", body.replace("\"u\"", "\"v\"").into_bytes()),
    ] {
        app.send(bad).await.assert_problem(400, "INVALID_REQUEST");
    }
    for no_report in ["{}", "[1]", "", "[{}]"] {
        app.send(signed("Github", no_report, "now", 7)).await.assert_problem(400, "INVALID_REQUEST");
    }
    let large = format!("[{}]", " ".repeat(4 * 1024 * 1024));
    app.send(signed("Github", &large, "now", 7)).await.assert_problem(413, "INVALID_REQUEST");
    assert!(app.database.dump() == before);
    assert_eq!(server.asked(), 1, "a stranger's key is not asked for again and again");
    app.advance(Span::seconds(61));
    app.send(signed("Github", &body, "nobody", 7)).await.assert_problem(400, "INVALID_REQUEST");
    app.send(signed("Github", &body, "nobody", 7)).await.assert_problem(400, "INVALID_REQUEST");
    assert_eq!(server.asked(), 2);
}

#[actix_web::test]
async fn without_a_list_of_keys_nobody_is_believed_and_the_partner_comes_back() {
    let app = TestApp::new();
    for partner in ["Github", "Gitlab"] {
        report(&app, partner, &json!([])).await.assert_problem(404, "NOT_FOUND");
    }
    for broken in ["not json", "{\"public_keys\": []}", &" ".repeat(100_000)] {
        let server = KeyServer::serving(broken.to_owned());
        let app = app_with(&server, |_| ());
        report(&app, "Github", &json!([])).await.assert_problem(503, "UNAVAILABLE");
        report(&app, "Github", &json!([])).await.assert_problem(503, "UNAVAILABLE");
        assert_eq!(server.asked(), 1, "not at every report");
    }
}

#[actix_web::test]
async fn a_report_may_be_long_and_name_a_key_many_times() {
    let server = KeyServer::start();
    let app = app_with(&server, |setup| setup.rules.on_leak = OnLeak::Alert);
    let key = app.db_create_key("ben", "ci");
    let mut found: Vec<Value> = (0..150).map(|n| finding(&key.secret, &format!("https://x.example/{n}"))).collect();
    found.extend((0..5000).map(|n| finding(&format!("kr_none{n}"), "https://x.example")));
    let answer = report(&app, "Github", &json!(found)).await.assert_status(200).json();
    assert_eq!(answer.as_array().unwrap().len(), 5150);
    assert_eq!(app.count("leak_reports"), 100, "of one key that many are kept");
    let many: Vec<Value> = (0..10_001).map(|_| finding("x", "")).collect();
    report(&app, "Github", &json!(many)).await.assert_problem(400, "INVALID_REQUEST");
}

#[test]
fn a_report_that_comes_many_times_at_once_revokes_once() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let state = &app.state;
    let body = json!([finding(&key.secret, "https://x.example/1"), finding(&key.secret, "https://x.example/2")]);
    let body = body.to_string();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let findings = keyrack::domain::leak::read_report(body.as_bytes()).unwrap();
                let origin = keyrack::actions::Origin { via: "scanning", ..keyrack::actions::Origin::default() };
                let ctx = keyrack::actions::Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
                let partner = keyrack::domain::leak::Partner::Github;
                let taken: Result<_, keyrack::actions::AppError> =
                    state.db.run(|conn| keyrack::actions::leaks::take_report(conn, ctx, partner, &findings));
                assert_eq!(taken.unwrap(), [true, true]);
            });
        }
    });
    assert_eq!((lines(&app, "key.revoked").len(), lines(&app, "key.leaked").len()), (1, 2));
    assert_eq!(app.count("leak_reports"), 2);
}

#[actix_web::test]
async fn a_holder_gives_up_the_key_whatever_it_may_do_otherwise() {
    let app = TestApp::new();
    let (key, other) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "other"));
    assert!(!app.state.rules.keys_may_manage_keys, "ruling 13 is not asked");
    let done = app.key(&key.secret).post(SELF, &json!({"reason": "Found on a bus"})).await.assert_status(200).json();
    assert_eq!(done, json!({"id": key.id, "revoked": "key"}));
    assert!(!app.is_let_in(&key.secret).await && app.is_let_in(&other.secret).await);
    app.enter("ben").get(&at(&key.id, "")).await.assert_see("Found on a bus");
    // The same 401, in the same bytes, for whatever is not a key that works.
    let body = app.key(&key.secret).post(SELF, &json!({})).await.assert_problem(401, "UNAUTHORIZED").body;
    let service = crate::api::service_token(&app);
    let (forged, _) = app.state.rules.format.compose("live", &other.id.as_str().into(), "0123456789abcdefghijkl");
    for token in [service.as_str(), forged.reveal(), "kr_x", "krc_x"] {
        assert_eq!(app.key(token).post(SELF, &json!({})).await.assert_status(401).body, body, "{token}");
    }
    let nothing = Request::new("POST", SELF).body("application/json", b"nonsense".to_vec());
    assert_eq!(app.send(nothing).await.assert_status(401).body, body, "before the body is looked at");
    let in_address = Request::new("POST", &format!("{SELF}?token=x")).json(&json!({}));
    app.send(in_address).await.assert_problem(400, "INVALID_REQUEST");
    app.key(&other.secret).post(SELF, &json!({"reason": other.secret})).await.assert_problem(422, "INVALID");
    app.key(&other.secret).post(SELF, &json!({"reason": "x".repeat(201)})).await.assert_problem(422, "INVALID");
    assert!(app.is_let_in(&other.secret).await);
    let bare = Request::new("POST", SELF).header("X-Api-Key", &other.secret);
    app.send(bare).await.assert_status(200);
    assert!(!app.is_let_in(&other.secret).await);
}

#[actix_web::test]
async fn an_old_secret_that_is_given_up_leaves_the_new_one_alone() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let second = rotate(&app.enter("ben"), &key.id, "24h").await;
    let done = app.key(&key.secret).post(SELF, &json!({})).await.assert_status(200).json();
    assert_eq!(done["revoked"], "old_secret");
    assert!(!app.is_let_in(&key.secret).await && app.is_let_in(&second).await);
    app.key(&key.secret).post(SELF, &json!({})).await.assert_status(401);
}

#[actix_web::test]
async fn a_key_that_its_plan_or_a_limit_refuses_can_still_be_given_up() {
    let app = TestApp::with(|setup| {
        setup.rules.plans[0].requests_per_minute = Some(1);
        setup.rules.on_downgrade = keyrack::domain::org::OnDowngrade::Refuse;
        let mut free = crate::support::app::plan("free", "Free");
        free.api_keys = false;
        setup.rules.plans.push(free);
    });
    let (limited, refused) = (app.db_create_key("ben", "limited"), app.db_create_key("xavier", "refused"));
    app.key(&limited.secret).get("/v1/whoami").await.assert_status(200);
    app.key(&limited.secret).get("/v1/whoami").await.assert_status(429);
    app.database.execute("UPDATE orgs SET plan = 'free' WHERE slug = 'globex'");
    app.key(&refused.secret).get("/v1/whoami").await.assert_problem(403, "PLAN_REQUIRED");
    for key in [&limited, &refused] {
        app.key(&key.secret).post(SELF, &json!({})).await.assert_status(200);
        app.key(&key.secret).post(SELF, &json!({})).await.assert_status(401);
    }
}

async fn paste(visitor: &Visitor<'_>, text: &str) -> Answer {
    visitor.post(DESK, &[("found", text)]).await
}

#[actix_web::test]
async fn the_desk_tells_whose_key_it_is_and_never_shows_it_again() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    let ada = app.enter("ada");
    ada.get(DESK).await.assert_status(200).assert_has("#leak-form").assert_has_not("#found");
    let page = paste(&ada, &format!("  export KEY=\"{}\" # oops", key.secret)).await.assert_status(200);
    let page = page.assert_see("It is “ci”").assert_see("Ben").assert_see("Active").assert_see("The current secret");
    assert!(!page.body.contains(&key.secret[key.secret.len() - 24..]), "{}", page.body);
    assert_eq!(page.attribute("#revoke", "href"), [at(&key.id, "/revoke")]);
    let page = page.assert_see("192.0.2.1").assert_header("cache-control", "no-store");
    assert!(page.attribute("[name=found]", "value").is_empty());
    assert_eq!(page.attribute("[name=found]", "autocomplete"), ["off"]);
    ada.post(&at(&key.id, "/revoke"), &[("confirm_name", "ci")]).await.assert_status(303);
    paste(&ada, &key.secret).await.assert_see("Revoked").assert_has_not("#revoke");
    assert_eq!(app.count("leak_reports"), 0, "looking up leaves nothing behind");
}

#[actix_web::test]
async fn the_desk_says_the_same_of_foreign_unknown_and_broken_keys() {
    let app = TestApp::new();
    let (mine, foreign): (MadeKey, MadeKey) = (app.db_create_key("ben", "ci"), app.db_create_key("xavier", "theirs"));
    let olive = app.enter("olive");
    let format = &app.state.rules.format;
    let unknown = format.compose("live", &"Nobodys0".into(), "0123456789abcdefghijkl").0;
    let wrong = format.compose("live", &mine.id.as_str().into(), "0123456789abcdefghijkl").0;
    let face = |answer: Answer| {
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        (answer.status, answer.body.replace(&id, "ID"))
    };
    let neutral = face(paste(&olive, "nothing at all").await.assert_status(200).assert_see(NEUTRAL));
    for text in [&foreign.secret, unknown.reveal(), wrong.reveal(), &mine.secret[..30], &mine.id] {
        assert_eq!(face(paste(&olive, text).await), neutral, "{text}");
    }
    paste(&app.enter("ben"), &mine.secret).await.assert_status(403);
    let long = olive.post(DESK, &[("found", &"x".repeat(70_000))]).await;
    long.assert_status(413);
    olive.get(&format!("{DESK}?found={}", "x")).await.assert_has_not("#found");
}

#[actix_web::test]
async fn an_old_secret_in_grace_can_be_ended_from_the_desk() {
    let app = TestApp::new();
    let olive = app.enter("olive");
    let made = post_key(&olive, "deploy").await.assert_status(200);
    let key = crate::support::keys::key_in(&made);
    rotate(&olive, &key.id, "24h").await;
    let page = paste(&olive, &key.secret).await.assert_see("The old secret, which still works");
    assert_eq!(page.attribute("#finish", "href"), [at(&key.id, "/rotate/finish")]);
    olive.post(&at(&key.id, "/rotate/finish"), &[]).await.assert_status(303);
    paste(&olive, &key.secret).await.assert_see("An old secret, which ended before").assert_has_not("#finish");
}
