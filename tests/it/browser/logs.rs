//! The log as it is followed live, in a real browser.

use std::time::{Duration, Instant};

use super::driver::Script;
use super::site::Site;

#[actix_web::test]
async fn live_rows_come_by_themselves_and_wait_while_paused() {
    let site = Site::start();
    let key = site.app.db_create_key("ben", "Warehouse export");
    let browser = site.signed_in("ada", Script::On).await;
    browser.goto("/orgs/acme/logs?live=1").await;
    browser.wait_for_text("Connected").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while site.whoami(&key.secret) != 200 {
        assert!(Instant::now() < deadline, "the key is never let in");
        std::thread::sleep(Duration::from_millis(50));
    }
    browser.wait_for_text("/v1/whoami").await;
    let rows = async || browser.js("return document.querySelectorAll('#rows > tr').length").await.as_u64().unwrap();
    let before = rows().await;
    browser.click("#live-pause").await;
    assert_eq!(site.whoami(&key.secret), 200);
    browser.wait_for_text("1 new, resume").await;
    assert_eq!(rows().await, before);
    browser.click("#live-pause").await;
    assert_eq!(rows().await, before + 1);
    assert!(browser.complaints().await.is_empty());
}
