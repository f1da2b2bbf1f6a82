//! `/orgs/{org}/logs` without a script: what it shows, page by page, and to whom.

use keyrack::gate::Seen;

use crate::events_api::check;
use crate::support::TestApp;

const LOGS: &str = "/orgs/acme/logs";

#[actix_web::test]
async fn the_log_goes_on_page_by_page_in_both_directions() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "Warehouse export");
    let ada = app.enter("ada");
    ada.get(LOGS).await.assert_status(200).assert_see("No requests yet").assert_see("kept for 7 days");
    ada.get(&format!("{LOGS}?since=1h")).await.assert_see("No requests in the last hour.");
    for n in 0..120 {
        check(&app, &key, &format!("r{n}x")).await;
    }
    let page = ada.get(LOGS).await.assert_status(200).assert_see("r119x").assert_dont_see("r69x");
    assert_eq!(page.select("#rows > tr").len(), 50);
    page.clone().assert_has_not("#newer[rel]");
    let older = page.attribute("#older", "href").remove(0);
    let page = ada.get(&older).await.assert_status(200).assert_see("r69x").assert_see("r20x").assert_dont_see("r19x");
    let oldest = ada.get(&page.attribute("#older", "href")[0]).await.assert_see("r19x").assert_see("r0x");
    oldest.clone().assert_has_not("#older");
    let back = ada.get(&oldest.attribute("#newer", "href")[0]).await.assert_see("r20x").assert_see("r69x");
    assert_eq!(back.select("#rows > tr").len(), 50);
    ada.get(&back.attribute("#newer", "href")[0]).await.assert_see("r119x").assert_has_not("#newer[rel]");
}

#[actix_web::test]
async fn people_see_the_log_of_the_keys_that_they_see() {
    let app = TestApp::new();
    let (own, colleagues) = (app.db_create_key("ben", "own one"), app.db_create_key("bea", "colleague's"));
    check(&app, &own, "mine").await;
    check(&app, &colleagues, "theirs").await;
    app.enter("ben").get(LOGS).await.assert_see("mine").assert_dont_see("theirs");
    let ada = app.enter("ada");
    ada.get(LOGS).await.assert_see("mine").assert_see("theirs");
    ada.get(&format!("{LOGS}?key={}", own.id)).await.assert_see("mine").assert_dont_see("theirs");
    let link = ada.get(&format!("/orgs/acme/settings/api-keys/{}", own.id)).await.attribute("#all-logs", "href");
    assert_eq!(link, [format!("{LOGS}?key={}", own.id)]);
    ada.get(&format!("{LOGS}?status=nine")).await.assert_status(422).assert_has("#error-summary");
    let pasted = ada.get(&format!("{LOGS}?key={}", own.secret)).await;
    pasted.assert_goes_to(&format!("{LOGS}?key={}", own.id));
}

#[actix_web::test]
async fn what_strangers_send_stays_text_in_the_page_and_in_its_stream() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "<b>ci</b>");
    let client = "<script>alert(1)</script>\r\n\r\ndata: x";
    let path = "/\"><img src=x>";
    app.catch_up();
    let seen = Seen { method: "GET", path, address: "192.0.2.7", client, request_id: "r", ..Seen::default() };
    app.state.gate.check(&key.secret, None, &seen).await.unwrap();
    let page = app.enter("ada").get(&format!("{LOGS}?live=1")).await.assert_status(200);
    assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{}", page.body);
    page.assert_see("<script>alert(1)</script>")
        .assert_see("<b>ci</b>")
        .assert_has("[data-live^='/orgs/acme/logs/stream?']");
}
