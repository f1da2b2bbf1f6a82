//! The harness looked at by itself: a secret that gets out, or an invariant that breaks, must fail the test.

use crate::support::TestApp;

fn fails(app: &TestApp) -> bool {
    let check = std::panic::AssertUnwindSafe(|| app.check_everything());
    std::panic::catch_unwind(check).is_err()
}

#[actix_web::test]
async fn a_key_opens_the_api() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let answer = app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    assert_eq!(answer.json()["user"]["email"], "ben@acme.example");
    app.key("kr_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAA").get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_secret_in_the_database_is_found() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    assert!(!fails(&app));
    app.database.execute(&format!("UPDATE api_keys SET note = 'x {} y'", &key.secret[12..]));
    assert!(fails(&app));
    app.database.execute("UPDATE api_keys SET note = ''");
    // The old text may still stand in a free page of the file: this test is done with it.
    std::mem::forget(app);
}

#[actix_web::test]
async fn a_secret_in_the_log_is_found() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    tracing::debug!("somebody logs {}", key.secret);
    assert!(fails(&app));
    std::mem::forget(app);
}

#[actix_web::test]
async fn broken_invariants_are_found() {
    let app = TestApp::new();
    app.db_create_key("ben", "ci");
    for (harm, mend) in [
        ("UPDATE key_secrets SET valid_until = 1", "UPDATE key_secrets SET valid_until = NULL"),
        ("UPDATE api_keys SET owner_id = 'usr_xavier'", "UPDATE api_keys SET owner_id = 'usr_ben'"),
        ("UPDATE api_keys SET profile_id = 'prof_globex'", "UPDATE api_keys SET profile_id = 'prof_acme'"),
        (
            "UPDATE memberships SET role = 'admin' WHERE user_id = 'usr_olive'",
            "UPDATE memberships SET role = 'owner' WHERE user_id = 'usr_olive'",
        ),
        ("UPDATE api_keys SET revoked_at = created_at", "UPDATE api_keys SET revoked_at = NULL"),
        ("UPDATE audit_log SET actor_name = 'X'", "UPDATE audit_log SET actor_name = 'Ben'"),
    ] {
        app.database.execute(harm);
        assert!(fails(&app), "{harm}");
        app.database.execute(mend);
        app.check_everything();
    }
}

#[actix_web::test]
async fn a_lived_in_organization_is_in_order() {
    let app = TestApp::new();
    let keys = app.live_in().await;
    app.key(&keys.rotating.secret).get("/v1/whoami").await.assert_status(200);
    app.key(&keys.revoked.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}
