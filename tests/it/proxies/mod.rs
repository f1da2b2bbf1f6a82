//! Real proxies, run from the very files in `examples/`, before a real Keyrack and an API that tells what reached it.
//! A proxy that is not there fails the test: nothing is known of what was not tried.

mod caddy;
mod files;
mod nginx;
mod outcomes;
mod place;

use keyrack::actions::keys::{NewKey, RevokeInput, revoke_key};

use crate::support::TestApp;
use crate::support::app::{MadeKey, misspelt};
use place::{Api, Proxy, Reply};

/// The tests of a proxy, given how it is started and which headers of a limit stand in good answers.
macro_rules! proxy_tests {
    ($start:path, $headroom:expr) => {
        #[actix_web::test]
        async fn keys_decide_who_passes() {
            let world = World::new(None);
            let proxy = $start(&world, &world.keyrack);
            super::keys_decide(&world, &proxy);
            super::requirements_hold(&world, &proxy);
            super::identities_cannot_be_forged(&world, &proxy);
        }

        #[actix_web::test]
        async fn reports_of_the_api_reach_their_checks() {
            let world = World::new(None);
            super::outcomes::reports_reach_their_checks(&world, &$start(&world, &world.keyrack));
        }

        #[actix_web::test]
        async fn keys_in_urls_stay_out_of_its_logs() {
            let world = World::new(None);
            super::keys_in_urls_stay_out_of_logs(&world, &$start(&world, &world.keyrack));
        }

        #[actix_web::test]
        async fn without_keyrack_it_lets_nobody_in() {
            let world = World::new(None);
            super::without_keyrack_all_is_closed(&world, &$start(&world, "127.0.0.1:1"));
        }

        #[actix_web::test]
        async fn a_limit_is_told_as_a_true_429() {
            let world = World::new(Some(3));
            super::a_limit_is_a_true_429(&world, &$start(&world, &world.keyrack), &$headroom);
        }
    };
}
use proxy_tests;

/// Keyrack on a socket, an API, and the keys that are tried.
pub(crate) struct World {
    pub(crate) app: TestApp,
    pub(crate) keyrack: String,
    pub(crate) api: Api,
    builder: MadeKey,
    admin: MadeKey,
    hook: MadeKey,
    revoked: MadeKey,
}

impl World {
    pub(crate) fn new(requests_per_minute: Option<u32>) -> Self {
        let app = TestApp::with(|setup| {
            setup.rules.url_endpoints = vec!["/hooks/*".into()];
            setup.rules.plans[0].requests_per_minute = requests_per_minute;
            setup.config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        });
        let make = |who: &str, name: &str, url_allowed: bool| {
            app.db_try_create_key(who, &NewKey { name: name.into(), url_allowed, ..NewKey::default() }).unwrap()
        };
        let (builder, admin) = (make("ben", "builder", false), make("ada", "admin", false));
        let (hook, revoked) = (make("ben", "hook", true), make("ben", "revoked", false));
        app.db_deed("olive", |scope| revoke_key(scope, &revoked.id.as_str().into(), &RevokeInput::default()));
        app.catch_up();
        let keyrack = place::serve(app.state.clone());
        Self { app, keyrack, api: Api::start(), builder, admin, hook, revoked }
    }
}

fn bearer(key: &MadeKey) -> String {
    format!("Authorization: Bearer {}\r\n", key.secret)
}

/// The identity that the API must be told for a key, as header lines.
fn identity(key: &MadeKey, user: &str, role: &str) -> Vec<String> {
    let lines = [("environment", "live"), ("key-id", &key.id), ("org", "org_acme"), ("profile", "prof_acme")];
    let lines = lines.into_iter().chain([("role", role), ("user", user)]);
    lines.map(|(name, value)| format!("x-keyrack-{name}: {value}")).collect()
}

/// What headers reached the API: as frameworks read names, which know neither case nor the difference of `-` and `_`.
fn headers_told(reply: &Reply) -> impl Iterator<Item = (String, &str)> {
    let lines = reply.body.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_lowercase().replace('_', "-"), value.trim()))
}

/// What reached the API of an identity.
fn told(reply: &Reply) -> Vec<String> {
    let mut told: Vec<String> = headers_told(reply)
        .filter(|(name, _)| name.starts_with("x-keyrack"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    told.sort();
    told
}

/// Good keys pass with their identity and without the key itself; all others are turned away before the API.
pub(crate) fn keys_decide(world: &World, proxy: &Proxy) {
    let reply = proxy.ask("GET", "/projects?a=b", &bearer(&world.builder)).assert(200);
    assert!(reply.body.starts_with("GET /projects?a=b "), "{reply:?}");
    assert_eq!(told(&reply), identity(&world.builder, "usr_ben", "builder"));
    assert!(!reply.body.contains(&world.builder.secret), "the API got the key");
    let reply = proxy.ask("DELETE", "/projects/1", &format!("x-api-key: {}\r\n", world.admin.secret)).assert(200);
    assert_eq!(told(&reply), identity(&world.admin, "usr_ada", "admin"));
    proxy.ask("GET", "/health", "").assert(200);

    let before = world.api.count();
    let wrong = misspelt(&world.builder.secret);
    for (credential, challenge) in [
        (String::new(), "Bearer realm=\"api-keys\""),
        ("Cookie: session=x\r\n".to_owned(), "Bearer realm=\"api-keys\""),
        ("Authorization: Basic eDp5\r\n".to_owned(), "Bearer realm=\"api-keys\", error=\"invalid_token\""),
        (format!("Authorization: Bearer {wrong}\r\n"), "Bearer realm=\"api-keys\", error=\"invalid_token\""),
        (bearer(&world.revoked), "Bearer realm=\"api-keys\", error=\"invalid_token\""),
    ] {
        let reply = proxy.ask("GET", "/projects", &credential).assert(401);
        assert_eq!(reply.headers("www-authenticate"), [challenge]);
    }
    let both = format!("{}X-Api-Key: {}\r\n", bearer(&world.builder), world.builder.secret);
    proxy.ask("GET", "/projects", &both).assert(400);
    assert_eq!(world.api.count(), before, "a refused request reached the API");
}

/// Only the operator says what is required: not a query, a path or a header of the client's.
pub(crate) fn requirements_hold(world: &World, proxy: &Proxy) {
    let (builder, admin) = (bearer(&world.builder), bearer(&world.admin));
    assert_eq!(told(&proxy.ask("GET", "/admin/x", &admin).assert(200)), identity(&world.admin, "usr_ada", "admin"));
    let before = world.api.count();
    for path in [
        "/admin/x",
        "/admin/x?require=role:builder",
        "/admin/?role=builder&require=",
        "/admin/x/v1/auth/require/role:builder",
        "//admin/x",
        "/./admin/x",
        "/a/../admin/x",
        "/%61dmin/x",
        "/admin%2Fx",
    ] {
        let tricks = "X-Forwarded-Uri: /public\r\nX-Original-URI: /public\r\nX-Auth-Error: none\r\n";
        for extra in ["", tricks, "X-Keyrack-Role: owner\r\n"] {
            proxy.ask("GET", path, &(builder.clone() + extra)).assert(403);
        }
    }
    assert_eq!(world.api.count(), before, "a refused request reached the API");
    for path in ["/x?require=role:owner", "/require/role:owner", "/nginx/require/role:owner", "/v1/auth?require=x"] {
        proxy.ask("GET", path, &builder).assert(200);
    }
}

/// Whatever a client claims to be, the API is told what Keyrack said, once.
pub(crate) fn identities_cannot_be_forged(world: &World, proxy: &Proxy) {
    let expected = identity(&world.builder, "usr_ben", "builder");
    for forged in [
        "X-Keyrack-User: usr_olive\r\nX-Keyrack-Role: owner\r\n",
        "x-keyrack-user: usr_olive\r\nX-KEYRACK-ROLE: owner\r\n",
        "X-Keyrack-Role: owner\r\nX-Keyrack-Role: owner\r\n",
        "X-Keyrack-Role:\r\nX-Keyrack-Org:\r\n",
        "X_Keyrack_User: usr_olive\r\nx_keyrack_role: owner\r\n",
        "X-Keyrack_User: usr_olive\r\nX_Keyrack-Role: owner\r\n",
        "X-Keyrack-Scope: all\r\n",
    ] {
        let reply = proxy.ask("GET", "/projects", &(bearer(&world.builder) + forged)).assert(200);
        let told: Vec<_> = told(&reply).into_iter().filter(|line| !line.contains("scope")).collect();
        assert_eq!(told, expected, "{forged}");
        proxy.ask("GET", "/projects", forged).assert(401);
    }
    // What `Connection` names is dropped on the way: then an API might take a request for nobody's, or for its own.
    for names in
        ["X-Keyrack-User", "x-keyrack-role, X-Keyrack-Org", "X_Keyrack_User", "Authorization", "X-Original-URI"]
    {
        let reply = proxy.ask_with("GET", "/projects", &format!("close, {names}"), &bearer(&world.builder));
        // Without the credential it is a 401, which is no harm.
        if reply.status != 401 {
            assert_eq!(told(&reply.assert(200)), expected, "Connection: {names}");
        }
    }
}

/// Keys in a URL pass where they may, and stand in no log of the proxy's.
pub(crate) fn keys_in_urls_stay_out_of_logs(world: &World, proxy: &Proxy) {
    let secret = &world.hook.secret;
    proxy.ask("POST", &format!("/hooks/github?token={secret}"), "").assert(200);
    proxy.ask("POST", &format!("/hooks/github?api_key={secret}&a=b"), "").assert(200);
    let plain = &world.builder.secret;
    for uri in
        [format!("/hooks/github?token={plain}"), format!("/projects?token={secret}"), format!("/?api_key={secret}")]
    {
        proxy.ask("GET", &uri, "").assert(401);
    }
    // A client that tells of another address is not believed.
    for name in ["X-Original-URI", "X-Forwarded-Uri", "X_Original_URI"] {
        let told = format!("{name}: /hooks/github?token={secret}\r\n");
        proxy.ask("GET", "/projects", &told).assert(401);
    }
    let both = bearer(&world.hook);
    proxy.ask("GET", &format!("/hooks/github?token={secret}"), &both).assert(400);
    world.api.stop();
    proxy.ask("POST", &format!("/hooks/github?token={secret}"), "").assert(502);
    proxy.ask("GET", "/projects", &bearer(&world.builder)).assert(502);
    let log = proxy.log();
    assert!(log.contains("/hooks/github"), "nothing was logged:\n{log}");
    for secret in [secret, plain] {
        let line = log.lines().find(|line| line.contains(secret.as_str()));
        assert!(line.is_none(), "the proxy logged a key: {line:?}");
    }
    world.app.check_everything();
}

/// Who cannot be asked lets nobody in.
pub(crate) fn without_keyrack_all_is_closed(world: &World, proxy: &Proxy) {
    let before = world.api.count();
    for path in ["/projects", "/admin/x", "/hooks/github"] {
        let reply = proxy.ask("GET", path, &bearer(&world.admin));
        assert!(reply.status >= 500, "{reply:?}");
    }
    assert_eq!(world.api.count(), before, "a request nobody had checked reached the API");
}

/// A limit that is reached is a true 429 at the client's end, with the time to wait. `headroom` stands in good answers too
/// where the proxy passes it on.
pub(crate) fn a_limit_is_a_true_429(world: &World, proxy: &Proxy, headroom: &[&str]) {
    let mut refused = None;
    for _ in 0..10 {
        let reply = proxy.ask("GET", "/projects", &bearer(&world.builder));
        match reply.status {
            200 => assert_eq!(reply.headers("ratelimit-policy"), headroom),
            _ => refused = Some(reply.assert(429)),
        }
    }
    let refused = refused.expect("ten requests pass a limit of three");
    let wait: u32 = refused.headers("retry-after")[0].parse().unwrap();
    assert!((1..=60).contains(&wait), "{refused:?}");
    assert_eq!(refused.headers("content-type"), ["application/problem+json"]);
    assert!(refused.headers("ratelimit")[0].starts_with("\"account\";r=0;t="), "{refused:?}");
    // Another account is not concerned, and nobody's key tells nothing.
    let nobody = proxy.ask("GET", "/projects", "Authorization: Bearer x\r\n").assert(401);
    assert!(nobody.headers("ratelimit").iter().all(String::is_empty));
}
