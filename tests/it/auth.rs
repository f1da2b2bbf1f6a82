//! `/v1/auth`: what a proxy is told, whatever a client puts into the request that the proxy passes on.

use std::collections::BTreeSet;

use keyrack::actions::keys::NewKey;
use keyrack::actions::people;
use keyrack::domain::org::OnDowngrade;
use keyrack::domain::time::Span;

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::answer::Answer;
use crate::support::app::{Request, misspelt, plan};

const IDENTITY: [&str; 6] = [
    "x-keyrack-key-id",
    "x-keyrack-org",
    "x-keyrack-profile",
    "x-keyrack-environment",
    "x-keyrack-user",
    "x-keyrack-role",
];

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn with(path: &str, secret: &str) -> Request {
    get(path).header("Authorization", &format!("Bearer {secret}"))
}

/// Each identity header once, in order.
#[track_caller]
fn identity(answer: &Answer) -> Vec<String> {
    let values = |name: &str| {
        let found: Vec<_> = answer.headers.iter().filter(|(header, _)| header == name).collect();
        assert_eq!(found.len(), 1, "{name} of {}: {found:?}", answer.request);
        found[0].1.clone()
    };
    IDENTITY.iter().map(|name| values(name)).collect()
}

/// What a holder may compare: the status, the body, and all headers but the request's id.
fn face(answer: &Answer) -> (u16, String, BTreeSet<(String, String)>) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date");
    (answer.status, answer.body.clone(), headers.cloned().collect())
}

#[actix_web::test]
async fn a_good_key_is_let_in_with_all_of_its_identity() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let expected = [key.id.as_str(), "org_acme", "prof_acme", "live", "usr_ben", "builder"];
    for path in ["/v1/auth", "/v1/auth/", "/v1/auth/nginx", "/v1/auth/envoy/a/b", "/v1/auth/a?b=c"] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
            let request = Request::new(method, path).header("X-Api-Key", &key.secret);
            let answer = app.send(request).await.assert_status(200);
            assert_eq!((identity(&answer), answer.body.as_str()), (expected.map(str::to_owned).to_vec(), ""));
        }
    }
    let answer = app.send(with("/v1/auth", &key.secret)).await.assert_status(200);
    let answer = answer.assert_header("cache-control", "no-store").assert_header("referrer-policy", "no-referrer");
    assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 32) && answer.header("set-cookie").is_none());
    // The body is not looked at, however large and odd.
    let odd = with("/v1/auth", &key.secret).header("Content-Type", "application/json");
    app.send(odd.body("text/plain", vec![0; 1 << 20])).await.assert_status(200);
}

#[actix_web::test]
async fn every_refused_key_gets_the_same_answer_and_no_identity() {
    let app = TestApp::new();
    let [good, revoked, rotated, disabled, expired] =
        ["good", "revoked", "rotated", "disabled", "expired"].map(|name| {
            let who = if name == "disabled" { "bea" } else { "ben" };
            let expires = (name == "expired").then(|| "1h".to_owned());
            app.db_try_create_key(who, &NewKey { name: name.into(), expires, ..NewKey::default() }).unwrap()
        });
    let ben = app.enter("ben");
    let page = crate::support::keys::at;
    ben.post(&page(&revoked.id, "/revoke"), &[]).await.assert_status(303);
    ben.post(&page(&rotated.id, "/rotate"), &[("grace", "now")]).await.assert_status(200);
    app.db_act("olive", |conn, ctx, _, _| people::disable_user(conn, ctx, "bea@acme.example")).unwrap();
    app.advance(Span::hours(2));
    let compose = |id: &str| app.state.rules.format.compose("live", &id.into(), &"B".repeat(22)).0;
    let (unknown, wrong) = (compose("AAAAAAAA"), compose(&good.id));
    let refused = [
        "x".to_owned(),
        misspelt(&good.secret),
        unknown.reveal().to_owned(),
        wrong.reveal().to_owned(),
        revoked.secret,
        rotated.secret,
        disabled.secret,
        expired.secret,
        service_token(&app),
        "krs_unknown".to_owned(),
        format!("{} ", good.secret),
        "k".repeat(6000),
    ];
    for path in ["/v1/auth", "/v1/auth/nginx", "/v1/auth/require/role:builder/envoy/x"] {
        app.send(with(path, &good.secret)).await.assert_status(200);
        let mut faces = Vec::new();
        for token in &refused {
            let answer = app.send(with(path, token)).await.assert_problem(401, "UNAUTHORIZED");
            assert_eq!(identity(&answer), vec!["-"; 6]);
            let challenges: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
            assert_eq!(challenges.len(), 1);
            assert_eq!(challenges[0].1, "Bearer realm=\"api-keys\", error=\"invalid_token\"");
            faces.push(face(&answer));
        }
        for odd in ["Basic abc", &format!("n1 Bearer {}", good.secret), "Bearer", ""] {
            faces.push(face(&app.send(get(path).header("Authorization", odd)).await));
        }
        assert!(faces.iter().all(|face| *face == faces[0]), "{path}: {faces:#?}");
        // Where nothing was sent there is no error to name; a session is nothing, and so is a key in a cookie.
        let nothing = app.send(get(path)).await.assert_problem(401, "UNAUTHORIZED");
        assert_eq!(nothing.header("www-authenticate"), Some("Bearer realm=\"api-keys\""));
        assert_eq!((identity(&nothing), &nothing.body), (vec!["-".to_owned(); 6], &faces[0].1));
        let cookie = format!("token={}; x-api-key={}", good.secret, good.secret);
        assert_eq!(face(&app.send(get(path).header("Cookie", &cookie)).await), face(&nothing));
        let session = app.enter("olive").send(get(path)).await;
        assert_eq!(face(&session), face(&nothing));
    }
}

#[actix_web::test]
async fn two_credentials_are_refused_in_a_way_that_the_proxy_passes_on() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    for (name, value) in [("X-Api-Key", key.secret.as_str()), ("X-Api-Key", "x"), ("Authorization", "Basic x")] {
        let both = with("/v1/auth", &key.secret).header(name, value);
        let answer = app.send(both).await.assert_problem(400, "INVALID_REQUEST");
        assert_eq!(identity(&answer), vec!["-"; 6]);
        let both = with("/v1/auth/nginx", &key.secret).header(name, value);
        let answer = app.send(both).await.assert_status(403).assert_header("x-auth-error", "invalid_request");
        assert_eq!(identity(&answer), vec!["-"; 6]);
    }
}

#[actix_web::test]
async fn what_is_required_stands_in_the_path_and_nowhere_else() {
    let app = TestApp::new();
    let [builder, admin, owner] = ["ben", "ada", "olive"].map(|who| app.db_create_key(who, "ci").secret);
    for (role, allowed) in
        [("builder", [true, true, true]), ("admin", [false, true, true]), ("owner", [false, false, true])]
    {
        for (secret, allowed) in [&builder, &admin, &owner].into_iter().zip(allowed) {
            for lead in ["/v1/auth/require", "/v1/auth/nginx/require"] {
                for tail in ["", "/envoy/require/role:builder", "?require=role:builder&role=builder", "/a?role=owner"] {
                    let path = format!("{lead}/role:{role}{tail}");
                    let request =
                        with(&path, secret).header("X-Keyrack-Role", "owner").header("X-Keyrack-User", "usr_olive");
                    let answer = app.send(request).await.assert_status(if allowed { 200 } else { 403 });
                    if !allowed {
                        assert_eq!(identity(&answer), vec!["-"; 6], "{path}");
                        assert_eq!(answer.json()["code"], "FORBIDDEN");
                    }
                }
            }
        }
    }
    // A client's own path and query ask for nothing and give nothing.
    for path in
        ["/v1/auth?require=role:owner", "/v1/auth/envoy/require/role:owner", "/v1/auth/envoy/require/x?require=y"]
    {
        app.send(with(path, &builder)).await.assert_status(200);
    }
    for unknown in
        ["require", "require/role:", "require/role:root", "require/keys:read", "Require/role:admin", "role:admin"]
    {
        for nginx in ["", "nginx/"] {
            let answer = app.send(with(&format!("/v1/auth/{nginx}{unknown}"), &owner)).await;
            assert_eq!(identity(&answer.assert_problem(403, "FORBIDDEN")), vec!["-"; 6], "{unknown}");
        }
    }
}

#[actix_web::test]
async fn a_plan_without_keys_is_told_as_a_403() {
    let app = TestApp::with(|setup| {
        let mut none = plan("none", "None");
        none.api_keys = false;
        setup.rules.plans.push(none);
        setup.rules.on_downgrade = OnDowngrade::Refuse;
    });
    let key = app.db_create_key("ben", "ci");
    app.db_act("olive", |conn, ctx, _, org| people::set_plan(conn, ctx, org, "none")).unwrap();
    for path in ["/v1/auth", "/v1/auth/nginx"] {
        let answer = app.send(with(path, &key.secret)).await.assert_problem(403, "PLAN_REQUIRED");
        assert_eq!(identity(&answer), vec!["-"; 6]);
    }
}

#[actix_web::test]
async fn a_limit_is_a_429_with_the_time_to_wait_and_tells_strangers_nothing() {
    let app = TestApp::with(|setup| setup.rules.plans[0].requests_per_minute = Some(3));
    let (key, other) = (app.db_create_key("ben", "ci"), app.db_create_key("xavier", "ci"));
    let limited = |answer: &Answer| {
        let left = answer.header("ratelimit").unwrap().strip_prefix("\"account\";r=").unwrap();
        let (left, wait) = left.split_once(";t=").unwrap();
        assert_eq!(answer.header("ratelimit-policy"), Some("\"account\";q=3;w=60"));
        (left.parse::<u32>().unwrap(), wait.parse::<u32>().unwrap())
    };
    for left in [2, 1, 0] {
        assert_eq!(limited(&app.send(with("/v1/auth", &key.secret)).await.assert_status(200)).0, left);
    }
    let refused = app.send(with("/v1/auth", &key.secret)).await.assert_problem(429, "RATE_LIMITED");
    let wait = |name: &str, answer: &Answer| answer.header(name).unwrap().parse::<u32>().unwrap();
    assert!(limited(&refused).1 <= wait("retry-after", &refused) && wait("retry-after", &refused) >= 1);
    assert_eq!(identity(&refused), vec!["-"; 6]);
    let nginx = app.send(with("/v1/auth/nginx", &key.secret)).await.assert_status(403);
    assert_eq!((nginx.header("x-auth-error"), limited(&nginx).0), (Some("rate_limited"), 0));
    assert!(limited(&nginx).1 <= wait("x-auth-retry-after", &nginx));
    // The API itself counts the same requests, and says so in the same words.
    let refused = app.key(&key.secret).get("/v1/whoami").await.assert_problem(429, "RATE_LIMITED");
    assert!(limited(&refused).1 <= wait("retry-after", &refused));
    let good = app.key(&other.secret).get("/v1/whoami").await.assert_status(200);
    assert_eq!(limited(&good).0, 2);
    for path in ["/v1/auth", "/v1/auth/nginx", "/v1/whoami"] {
        let stranger = app.send(with(path, "rubbish")).await.assert_status(401);
        assert!(stranger.header("ratelimit").is_none() && stranger.header("retry-after").is_none());
    }
    let token = service_token(&app);
    let verified = app.key(&token).post("/v1/keys/verify", &serde_json::json!({"key": key.secret})).await.json();
    assert_eq!(
        (&verified["code"], &verified["rate_limit"]["account"]["remaining"]),
        (&"RATE_LIMITED".into(), &0.into())
    );
    assert_eq!(
        (&verified["rate_limit"]["binding"], &verified["rate_limit"]["key"]),
        (&"account".into(), &serde_json::Value::Null)
    );
}

#[actix_web::test]
async fn what_a_key_may_do_is_what_its_owner_may_now() {
    let app = TestApp::new();
    let key = app.db_create_key("ada", "ci");
    app.send(with("/v1/auth/require/role:admin", &key.secret)).await.assert_status(200);
    let olive = app.enter("olive");
    olive.post("/orgs/acme/settings/members/usr_ada/role", &[("role", "builder")]).await.assert_status(303);
    app.send(with("/v1/auth/require/role:admin", &key.secret)).await.assert_status(403);
    let answer = app.send(with("/v1/auth", &key.secret)).await.assert_status(200);
    assert_eq!(answer.header("x-keyrack-role"), Some("builder"));
    olive.post("/orgs/acme/settings/members/usr_ada/remove", &[("keys", "revoke")]).await.assert_status(303);
    app.send(with("/v1/auth", &key.secret)).await.assert_status(401);
}

#[actix_web::test]
async fn a_keys_own_limit_counts_each_request_once_from_the_first_and_a_refused_one_not_at_all() {
    let app = TestApp::with(|setup| {
        setup.rules.plans[0].requests_per_minute = Some(9);
        setup.rules.plans[0].key_requests_per_minute = Some(2);
    });
    let (one, two) = (app.db_create_key("ben", "one"), app.db_create_key("ben", "two"));
    let left = |answer: &Answer| -> Vec<u32> {
        let number = |item: &str| item.split(";r=").nth(1)?.split(';').next()?.parse().ok();
        answer.header("ratelimit").unwrap().split(", ").map(|item| number(item).unwrap()).collect()
    };
    for (key, status, expected) in
        [(&one, 200, [8, 1]), (&one, 200, [7, 0]), (&one, 429, [7, 0]), (&one, 429, [7, 0]), (&two, 200, [6, 1])]
    {
        let answer = app.send(with("/v1/auth", &key.secret)).await.assert_status(status);
        assert_eq!(left(&answer), expected);
    }
    // Who may not do what is required is not counted.
    app.send(with("/v1/auth/require/role:owner", &two.secret)).await.assert_status(403);
    assert_eq!(left(&app.send(with("/v1/auth", &two.secret)).await.assert_status(200)), [5, 0]);
}
