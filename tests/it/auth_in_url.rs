//! Keys in a URL (ruling 12): only at the operator's endpoints, only keys made for it, only by the word of a trusted proxy.

use keyrack::actions::keys::NewKey;
use serde_json::json;

use crate::support::TestApp;
use crate::support::app::{MadeKey, Request, Setup};
use crate::support::keys::{LIST, at, key_in, manageable, text};

const PROXY: &str = "192.0.2.1";

fn with_endpoints(setup: &mut Setup) {
    setup.rules.url_endpoints = vec!["/hooks/*".into(), "/in".into()];
    setup.config.trusted_proxies = vec![format!("{PROXY}/32").parse().unwrap()];
}

fn make(app: &TestApp, name: &str, url_allowed: bool) -> MadeKey {
    app.db_try_create_key("ben", &NewKey { name: name.into(), url_allowed, ..NewKey::default() }).unwrap()
}

/// What a proxy asks about a request to this address.
fn asked(uri: &str) -> Request {
    Request::new("GET", "/v1/auth").header("X-Original-URI", uri).from(PROXY)
}

#[actix_web::test]
async fn a_key_made_for_it_is_taken_from_the_url_at_an_endpoint() {
    let app = TestApp::with(with_endpoints);
    let MadeKey { id, secret } = make(&app, "hook", true);
    let last = &secret[secret.len() - 1..];
    let escaped = format!("{}%{:02X}", &secret[..secret.len() - 1], last.as_bytes()[0]);
    for query in [format!("token={secret}"), format!("a=b&api_key={secret}&c"), format!("token={escaped}")] {
        for path in ["/hooks/github", "/hooks/a/b", "/in", "/in/x"] {
            for name in ["X-Original-URI", "X-Forwarded-Uri"] {
                let request = Request::new("GET", "/v1/auth").from(PROXY).header(name, &format!("{path}?{query}"));
                let answer = app.send(request).await.assert_status(200).assert_header("x-keyrack-key-id", &id);
                answer.assert_header("cache-control", "no-store").assert_header("referrer-policy", "no-referrer");
            }
        }
    }
    // It works in a header too.
    app.send(asked("/hooks/github").header("X-Api-Key", &secret)).await.assert_status(200);
}

#[actix_web::test]
async fn elsewhere_or_without_the_flag_it_is_the_public_401() {
    let app = TestApp::with(with_endpoints);
    let (hook, plain) = (make(&app, "hook", true).secret, make(&app, "plain", false).secret);
    let elsewhere = ["/", "/api", "/hooks", "/hooks/", "/hooksy/x", "/hooks/../api", "/hooks/%2e%2e/api", "/hooks//x"];
    for path in elsewhere {
        app.send(asked(&format!("{path}?token={hook}"))).await.assert_problem(401, "UNAUTHORIZED");
    }
    let at_endpoint = |secret: &str| asked(&format!("/hooks/github?token={secret}"));
    let refused = app.send(at_endpoint(&plain)).await.assert_problem(401, "UNAUTHORIZED");
    let unknown = app.send(at_endpoint("rubbish")).await.assert_problem(401, "UNAUTHORIZED");
    assert_eq!(
        (&refused.body, refused.header("www-authenticate")),
        (&unknown.body, unknown.header("www-authenticate"))
    );
    app.send(asked("/hooks/github").header("X-Api-Key", &plain)).await.assert_status(200);
    // Nobody but a trusted proxy tells of another address, and the query of the question itself is never read.
    app.send(at_endpoint(&hook).from("198.51.100.1")).await.assert_status(401);
    for path in ["/v1/auth", "/v1/auth/envoy/hooks/github", "/v1/auth/hooks/github"] {
        app.send(Request::new("GET", &format!("{path}?token={hook}")).from(PROXY)).await.assert_status(401);
    }
    for name in ["X_Original_URI", "X_Forwarded_Uri", "X-Forwarded-Prefix", "X-Original-Url", "Forwarded"] {
        let request = Request::new("GET", "/v1/auth").from(PROXY);
        app.send(request.header(name, &format!("/hooks/github?token={hook}"))).await.assert_status(401);
    }
    // Two stories about one request are none.
    let two = asked(&format!("/hooks/github?token={hook}")).header("X-Forwarded-Uri", "/api");
    app.send(two).await.assert_status(401);
}

#[actix_web::test]
async fn beside_a_header_or_twice_it_is_refused() {
    let app = TestApp::with(with_endpoints);
    let secret = make(&app, "hook", true).secret;
    for query in
        [format!("token={secret}&token={secret}"), format!("token={secret}&api_key=x"), "token=&api_key=".into()]
    {
        app.send(asked(&format!("/hooks/github?{query}"))).await.assert_problem(400, "INVALID_REQUEST");
    }
    let both = |path: &str| asked(&format!("{path}?token={secret}")).header("X-Api-Key", &secret);
    app.send(both("/hooks/github")).await.assert_problem(400, "INVALID_REQUEST");
    // Where no key is taken from the address, a parameter of that name is the upstream's own affair.
    app.send(both("/api")).await.assert_status(200);
}

#[actix_web::test]
async fn without_endpoints_no_key_gets_the_flag_and_nobody_is_asked() {
    let app = TestApp::with(manageable);
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "ci"));
    ben.get(&format!("{LIST}/new")).await.assert_status(200).assert_has_not("[name=url_allowed]");
    ben.post(LIST, &[("name", "x"), ("url_allowed", "1")]).await.assert_status(422);
    let body = json!({"name": "x", "url_allowed": true});
    app.key(&key.secret).post("/v1/keys", &body).await.assert_problem(422, "INVALID");
    ben.get(&at(&key.id, "")).await.assert_status(200).assert_dont_see("in a URL");
}

#[actix_web::test]
async fn the_form_and_the_api_make_such_a_key_and_the_page_says_so() {
    let app = TestApp::with(|setup| {
        manageable(setup);
        with_endpoints(setup);
    });
    let ben = app.enter("ben");
    ben.get(&format!("{LIST}/new")).await.assert_has("[name=url_allowed]").assert_see("/hooks/*, /in");
    let key = key_in(&ben.post(LIST, &[("name", "hook"), ("url_allowed", "1")]).await.assert_status(200));
    ben.get(&at(&key.id, "")).await.assert_see("May travel in a URL").assert_see("Yes, at /hooks/*, /in");
    app.send(asked(&format!("/in?token={}", key.secret))).await.assert_status(200);

    let script = app.key(&key.secret);
    let made = script.post("/v1/keys", &json!({"name": "second", "url_allowed": true})).await.assert_status(201).json();
    assert_eq!(made["url_allowed"], true);
    app.send(asked(&format!("/in?token={}", text(&made, "/secret")))).await.assert_status(200);
    let plain = script.post("/v1/keys", &json!({"name": "third"})).await.assert_status(201).json();
    assert_eq!(script.get(&format!("/v1/keys/{}", text(&plain, "/id"))).await.json()["url_allowed"], false);
    app.send(asked(&format!("/in?token={}", text(&plain, "/secret")))).await.assert_status(401);
}
