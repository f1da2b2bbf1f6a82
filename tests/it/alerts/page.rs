//! Settings → Notifications, as people see it.

use keyrack::domain::alert::AlertKind;

use super::local;
use crate::support::TestApp;

const PAGE: &str = "/orgs/acme/settings/notifications";

#[actix_web::test]
async fn each_kind_has_a_switch_for_each_way_that_the_reader_may_turn() {
    let app = TestApp::with(local);
    let page =
        app.enter("ben").get(PAGE).await.assert_status(200).assert_has("nav a[aria-current=page][href$=notifications]");
    let mine = page.attribute("input[name=on]", "value");
    assert_eq!(mine.len(), AlertKind::SWITCHED.len() - 1, "{mine:?}");
    assert!(mine.iter().all(|name| name.ends_with(".email_own")));
    page.assert_see("Ask an owner: Olive.").assert_has_not("#endpoint-form").assert_has("#test-mail");
    let page = app.enter("ada").get(PAGE).await.assert_status(200).assert_has("#endpoint-form");
    let all = page.attribute("input[name=on]", "value");
    assert_eq!(all.len(), AlertKind::SWITCHED.len() * 3 - 1);
    let on = page.attribute("input[name=on][checked]", "value");
    assert!(on.contains(&"leaked.email_all".to_owned()) && !on.contains(&"created.email_all".to_owned()), "{on:?}");
    let labels = page.attribute("input[name=on]", "aria-label");
    assert_eq!(labels.len(), all.len(), "every switch says what it is");
}

#[actix_web::test]
async fn switches_stay_as_they_were_saved_for_whoever_saved_them() {
    let app = TestApp::with(local);
    let (ada, olive, ben) = (app.enter("ada"), app.enter("olive"), app.enter("ben"));
    let chosen = [("on", "revoked.email_own"), ("on", "created.email_all"), ("on", "leaked.webhook")];
    ada.post(PAGE, &chosen).await.assert_goes_to(PAGE);
    ada.get(PAGE).await.assert_see("The alerts are saved.");
    let on = async |visitor: &crate::support::actor::Visitor<'_>| {
        visitor.get(PAGE).await.attribute("input[name=on][checked]", "value")
    };
    assert_eq!(on(&ada).await, ["created.email_all", "revoked.email_own", "leaked.webhook"]);
    let of_olive = on(&olive).await;
    assert!(of_olive.contains(&"leaked.webhook".to_owned()) && !of_olive.contains(&"created.webhook".to_owned()));
    assert!(of_olive.contains(&"created.email_own".to_owned()), "{of_olive:?}");
    assert_eq!(on(&ben).await.len(), 8);
    assert_eq!(app.count("audit_log WHERE action = 'notifications.changed'"), 1);
    // The same again changes nothing.
    ada.post(PAGE, &chosen).await.assert_goes_to(PAGE);
    assert_eq!(app.count("audit_log WHERE action = 'notifications.changed'"), 1);
}

#[actix_web::test]
async fn a_builder_cannot_turn_what_is_not_theirs_and_nobody_what_does_not_exist() {
    let app = TestApp::with(local);
    let ben = app.enter("ben");
    for name in ["created.email_all", "created.webhook"] {
        ben.post(PAGE, &[("on", name)]).await.assert_status(403);
    }
    for name in ["limit_reached.email_own", "test.webhook", "endpoint_disabled.email_all", "created", "x.y", ""] {
        ben.post(PAGE, &[("on", name)]).await.assert_status(400);
    }
    assert_eq!(app.count("alert_switches"), 0);
}

#[actix_web::test]
async fn what_one_typed_comes_back_with_what_is_wrong_with_it() {
    let app = TestApp::new();
    let ada = app.enter("ada");
    let answer =
        ada.post(&format!("{PAGE}/webhooks"), &[("url", "http://example.com/?a=1&b=2")]).await.assert_status(422);
    let answer = answer.assert_see("Use https").assert_has("#error-summary").assert_has("title");
    assert_eq!(answer.field("url"), "http://example.com/?a=1&b=2");
    assert!(answer.select("title")[0].starts_with("Error: "));
}

#[actix_web::test]
async fn an_organization_has_ten_endpoints_at_most() {
    let app = TestApp::new();
    let ada = app.enter("ada");
    for number in 0..10 {
        let url = format!("https://example.com/{number}");
        app.learn(
            &ada.post(&format!("{PAGE}/webhooks"), &[("url", &url)])
                .await
                .assert_status(200)
                .attribute("#secret", "value")[0],
        );
    }
    ada.post(&format!("{PAGE}/webhooks"), &[("url", "https://example.com/10")])
        .await
        .assert_status(409)
        .assert_see("10 webhook endpoints");
}
