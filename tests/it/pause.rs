//! Letting keys rest, and letting them work again: from the page and the API, at once, and on record.

use keyrack::actions::keys::{RevokeInput, pause_key, resume_key, revoke_key};
use keyrack::domain::time::Span;
use serde_json::json;

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::app::MadeKey;
use crate::support::keys::{LIST, at, manageable, rotate, text};

async fn verdict(app: &TestApp, token: &str, key: &MadeKey) -> (String, String) {
    let answer = app.key(token).post("/v1/keys/verify", &json!({"key": key.secret})).await.assert_status(200).json();
    (text(&answer, "/code").to_owned(), text(&answer, "/key/status").to_owned())
}

#[actix_web::test]
async fn a_paused_key_is_refused_at_once_until_it_is_resumed() {
    let app = TestApp::new();
    let (key, other, token) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "cd"), service_token(&app));
    let ben = app.sign_in("ben").await;
    ben.get(&at(&key.id, "")).await.assert_has("#pause").assert_has_not("#resume");
    ben.get(&at(&key.id, "/pause")).await.assert_status(200).assert_see("Requests with this key get 401");
    ben.post(&at(&key.id, "/pause"), &[]).await.assert_goes_to(&at(&key.id, ""));
    assert!(!app.is_let_in(&key.secret).await);
    assert!(app.is_let_in(&other.secret).await);
    assert_eq!(verdict(&app, &token, &key).await, ("FORBIDDEN".to_owned(), "paused".to_owned()));
    let page = ben.get(&at(&key.id, "")).await.assert_status(200).assert_see("Paused “ci”");
    page.assert_see("get 401 until it is resumed").assert_has("#resume").assert_has_not("#pause");
    ben.get(&format!("{LIST}?status=paused")).await.assert_see("ci").assert_dont_see("cd");

    ben.get(&at(&key.id, "/resume")).await.assert_status(200).assert_see("let in again");
    ben.post(&at(&key.id, "/resume"), &[]).await.assert_goes_to(&at(&key.id, ""));
    assert!(app.is_let_in(&key.secret).await);
    assert_eq!(verdict(&app, &token, &key).await, ("VALID".to_owned(), "active".to_owned()));
    let olive = app.sign_in("olive").await;
    let audit = olive.get("/orgs/acme/settings/audit").await.assert_status(200);
    audit.assert_see("Paused the API key").assert_see("Resumed the API key");
}

#[actix_web::test]
async fn the_api_pauses_and_resumes_and_may_be_asked_twice() {
    let app = TestApp::with(manageable);
    let (key, admin) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "deploy"));
    let rows = || app.count("audit_log WHERE action IN ('key.paused', 'key.resumed')");
    for (deed, status, is_let_in, lines) in [
        ("pause", "paused", false, 1),
        ("pause", "paused", false, 1),
        ("resume", "active", true, 2),
        ("resume", "active", true, 2),
    ] {
        let answer = app.key(&admin.secret).post(&format!("/v1/keys/{}/{deed}", key.id), &json!({})).await;
        assert_eq!(text(&answer.assert_status(200).json(), "/status"), status);
        assert_eq!((app.is_let_in(&key.secret).await, rows()), (is_let_in, lines), "{deed}");
    }
    // It cannot wake itself.
    app.key(&key.secret).post(&format!("/v1/keys/{}/pause", key.id), &json!({})).await.assert_status(200);
    app.key(&key.secret).post(&format!("/v1/keys/{}/resume", key.id), &json!({})).await.assert_status(401);
}

#[actix_web::test]
async fn what_has_ended_can_neither_be_paused_nor_brought_back() {
    let app = TestApp::with(manageable);
    let (revoked, admin) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "deploy"));
    let new = keyrack::actions::keys::NewKey { name: "trial".into(), expires: Some("1d".into()), ..Default::default() };
    let expired = app.db_try_create_key("ben", &new).unwrap();
    for key in [&revoked, &expired] {
        app.db_deed("ben", |scope| pause_key(scope, &key.id.as_str().into()));
    }
    app.db_deed("ben", |scope| revoke_key(scope, &revoked.id.as_str().into(), &RevokeInput::default()));
    app.advance(Span::days(2));
    let ben = app.sign_in("ben").await;
    for key in [&revoked, &expired] {
        ben.get(&at(&key.id, "")).await.assert_has_not("#resume").assert_has_not("#pause");
        for deed in ["pause", "resume"] {
            ben.get(&at(&key.id, &format!("/{deed}"))).await.assert_status(200).assert_has_not("#pause-submit");
            ben.post(&at(&key.id, &format!("/{deed}")), &[]).await.assert_status(409);
            app.key(&admin.secret)
                .post(&format!("/v1/keys/{}/{deed}", key.id), &json!({}))
                .await
                .assert_problem(409, "CONFLICT");
        }
        assert!(!app.is_let_in(&key.secret).await);
    }
}

#[actix_web::test]
async fn a_pause_holds_both_secrets_of_a_rotation_and_still_counts_as_an_active_key() {
    let app = TestApp::with_limits(1, 10);
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    let new = rotate(&ben, &key.id, "24h").await;
    app.db_deed("ben", |scope| pause_key(scope, &key.id.as_str().into()));
    assert!(!app.is_let_in(&key.secret).await && !app.is_let_in(&new).await);
    ben.post(LIST, &[("name", "second")]).await.assert_status(409);
    app.db_deed("ben", |scope| resume_key(scope, &key.id.as_str().into()));
    assert!(app.is_let_in(&key.secret).await && app.is_let_in(&new).await);
}
