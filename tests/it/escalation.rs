//! Nobody gets, by way of a key or an invitation, what they could not do themselves.

use serde_json::json;

use keyrack::web::routes::{self, Access};

use crate::support::TestApp;

#[actix_web::test]
async fn an_admin_cannot_rotate_an_owners_key_into_their_own_hands() {
    let app = TestApp::with(|setup| setup.rules.keys_may_manage_keys = true);
    let owners = app.db_create_key("olive", "production");
    let ada = app.sign_in("ada").await;
    let page = format!("/orgs/acme/settings/api-keys/{}/rotate", owners.id);
    ada.get(&page)
        .await
        .assert_status(200)
        .assert_see("only Olive can rotate it")
        .assert_has_not("form button.primary");
    ada.post(&page, &[("grace", "24h")]).await.assert_status(403).assert_dont_see("kr_");
    let admins = app.db_create_key("ada", "admin script");
    let path = format!("/v1/keys/{}/rotate", owners.id);
    app.key(&admins.secret).post(&path, &json!({"grace": "now"})).await.assert_problem(403, "FORBIDDEN");
    app.key(&owners.secret).get("/v1/whoami").await.assert_status(200);
}

#[actix_web::test]
async fn a_key_that_was_handed_over_does_no_more_than_before() {
    let app = TestApp::with(|setup| setup.rules.keys_may_manage_keys = true);
    let bens = app.db_create_key("ben", "deploy");
    let owners = app.db_create_key("olive", "production");
    let olive = app.sign_in("olive").await;
    let remove = "/orgs/acme/settings/members/usr_ben/remove";
    olive.post(remove, &[("keys", "transfer")]).await.assert_status(303);
    let script = app.key(&bens.secret);
    let who = script.get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(who["user"]["email"], "olive@acme.example");
    assert_eq!(who["role"], "builder");
    let revoke = format!("/v1/keys/{}/revoke", owners.id);
    // As a builder of Olive's it may act on her keys and on nobody else's.
    let adas = app.db_create_key("ada", "admin script");
    script.post(&format!("/v1/keys/{}/revoke", adas.id), &json!({})).await.assert_problem(403, "FORBIDDEN");
    app.key(&adas.secret).post(&revoke, &json!({})).await.assert_status(200);
}

#[actix_web::test]
async fn an_admin_cannot_replace_an_owners_invitation() {
    let app = TestApp::new();
    let olive = app.sign_in("olive").await;
    let invite = "/orgs/acme/settings/members/invite";
    olive.post(invite, &[("email", "new@example.com"), ("role", "owner")]).await.assert_status(200);
    let ada = app.sign_in("ada").await;
    ada.post(invite, &[("email", "new@example.com"), ("role", "builder")]).await.assert_status(403);
    olive.post(invite, &[("email", "new@example.com"), ("role", "admin")]).await.assert_status(200);
    olive.get("/orgs/acme/settings/audit").await.assert_status(200).assert_see("new@example.com");
}

#[actix_web::test]
async fn a_key_in_the_wrong_place_of_a_body_is_not_repeated() {
    let app = TestApp::with(|setup| setup.rules.keys_may_manage_keys = true);
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&key.secret);
    for body in [json!(key.secret), json!({"name": "x", key.secret.clone(): 1}), json!({"name": [key.secret]})] {
        let answer = script.post("/v1/keys", &body).await.assert_status(422);
        assert!(!answer.text().contains(&key.secret), "{}", answer.text());
    }
}

#[actix_web::test]
async fn the_table_of_routes_tells_the_truth_on_who_may_call() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let (nobody, ben) = (app.visitor(), app.sign_in("ben").await);
    for route in routes::all() {
        let path = route.path.replace("{org}", "acme").replace("{user}", "usr_bea").replace("{file}", "none");
        let id = if path.contains("/profiles/") { "prof_acme" } else { key.id.as_str() };
        let path = path.replace("{id}", id);
        let name = format!("{} {path}", route.method);
        let answer = match route.method {
            "GET" => nobody.get(&path).await,
            _ if path.starts_with("/v1/") => continue,
            _ => nobody.post(&path, &[]).await,
        };
        let to_sign_in = answer.header("location").is_some_and(|place| place.starts_with("/sign-in"));
        match route.access {
            Access::Anyone => assert!(!to_sign_in || path == "/sign-out", "{name}"),
            Access::Key | Access::Caller | Access::CommandLine | Access::Service | Access::Credential => {
                drop(answer.assert_status(401));
            }
            Access::Signer => unreachable!("{name}: what is signed is sent"),
            Access::SignedIn | Access::Member | Access::Admin | Access::Owner => assert!(to_sign_in, "{name}"),
        }
        if route.method == "GET" {
            let answer = ben.get(&path).await;
            match route.access {
                Access::Admin | Access::Owner => drop(answer.assert_status(403)),
                Access::Member if !path.contains("/remove") => {
                    assert_ne!(answer.status, 403, "{name}");
                }
                Access::Member
                | Access::Anyone
                | Access::SignedIn
                | Access::Key
                | Access::Caller
                | Access::CommandLine
                | Access::Service
                | Access::Credential
                | Access::Signer => {}
            }
        }
    }
}
