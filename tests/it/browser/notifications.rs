//! Notifications as somebody sees to them in a browser, without scripts and with; the real server sends to a real receiver
//! and a real mail server.

use std::time::{Duration, Instant};

use super::driver::{Browser, Script};
use super::site::{Site, value};
use crate::alerts::receiver::Receiver;
use crate::alerts::smtp::Smtp;

const PAGE: &str = "/orgs/acme/settings/notifications";

fn site(smtp: &Smtp) -> Site {
    let toml = format!(
        "[smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"keys@acme.example\"\n[alerts]\nprivate_webhooks = true\n",
        smtp.port
    );
    Site::start_with("127.0.0.1", &toml, |_| ())
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Adds an endpoint, and leaves the page that shows its secret; the secret.
async fn add_endpoint(site: &Site, browser: &Browser, url: &str) -> String {
    browser.goto(PAGE).await;
    browser.fill("#url", url).await;
    browser.click("#endpoint-submit").await;
    let secret = value(&browser.find("#secret").await).await;
    site.app.learn(&secret);
    secret
}

#[actix_web::test]
async fn an_admin_sets_up_alerts_without_scripts_and_both_ways_deliver() {
    let (smtp, receiver) = (Smtp::start(), Receiver::start());
    let site = site(&smtp);
    let browser = site.signed_in("ada", Script::Off).await;
    let secret = add_endpoint(&site, &browser, &receiver.url()).await;
    browser.click("#saved").await;
    browser.find("#test").await;
    browser.click("#test").await;
    browser.wait_for_text("A test alert is on its way.").await;
    until("the test arrives", async || receiver.received().len() == 1).await;
    assert_eq!(receiver.received()[0].signatures_by(&secret), 1);
    until("the log says so", async || {
        browser.driver.refresh().await.unwrap();
        browser.driver.source().await.unwrap().contains("204 · Taken")
    })
    .await;
    assert!(!browser.driver.source().await.unwrap().contains(&secret));
    browser.goto(PAGE).await;
    browser.click("#test-mail").await;
    browser.wait_for_text("A test e-mail is on its way to ada@acme.example.").await;
    until("the mail arrives", async || smtp.messages().len() == 1).await;
    browser.click("input[value='revoked.webhook']").await;
    browser.click("#alerts-submit").await;
    browser.wait_for_text("The alerts are saved.").await;
    let is_on = browser.find("input[value='revoked.webhook']").await.is_selected().await.unwrap();
    assert!(!is_on && browser.find("input[value='created.webhook']").await.is_selected().await.unwrap());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
