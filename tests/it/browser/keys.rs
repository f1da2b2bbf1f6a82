//! The life of a key, by hand, in a browser; and that its secret never comes back.

use serde_json::json;
use thirtyfour::prelude::*;

use super::driver::{Browser, Script};
use super::site::{Site, value};

const LIST: &str = "/orgs/acme/settings/api-keys";

/// Opens the dialog, creates a key, and gives its secret; the dialog stays open.
async fn create(site: &Site, browser: &Browser, name: &str) -> String {
    browser.goto(LIST).await;
    browser.click("#new-key").await;
    browser.fill("#dialog[open] #name", name).await;
    browser.click("#create-submit").await;
    let secret = value(&browser.find("#dialog #secret").await).await;
    site.app.learn(&secret);
    assert_eq!(site.whoami(&secret), 200);
    secret
}

fn id_of(secret: &str) -> String {
    secret.split('_').rev().nth(1).unwrap().to_owned()
}

/// The secret is in nothing that the page holds, nor in what a person could go back to.
async fn assert_gone(browser: &Browser, secret: &str, when: &str) {
    let held = browser.everything_held().await;
    let part = &secret[secret.len() - 24..];
    assert!(!held.contains(part), "{when}: the secret is still there\n{held}");
}

/// What the clipboard holds, by pasting it into a page of our own.
async fn pasted(browser: &Browser) -> String {
    browser.goto("about:blank").await;
    browser.js("document.body.innerHTML = '<textarea id=here></textarea>'").await;
    let here = browser.find("#here").await;
    here.send_keys(Key::Control + "v").await.unwrap();
    value(&here).await
}

#[actix_web::test]
async fn a_key_is_created_shown_once_copied_rotated_and_revoked() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    let secret = create(&site, &browser, "CI pipeline").await;
    let id = id_of(&secret);
    browser.click("#copy").await;
    browser.wait_for_text("Copied").await;
    browser.click("#copy-close").await;
    browser.wait_gone("#dialog").await;
    browser.find(&format!("#key-{id}")).await;
    assert_gone(&browser, &secret, "after closing").await;
    browser.driver.refresh().await.unwrap();
    browser.find(&format!("#key-{id}")).await;
    assert_gone(&browser, &secret, "after a reload").await;

    browser.click(&format!("#rotate-{id}")).await;
    browser.click("#grace-24h").await;
    browser.click("#rotate-submit").await;
    let second = value(&browser.find("#dialog #secret").await).await;
    site.app.learn(&second);
    assert_ne!(second, secret);
    assert_eq!((site.whoami(&secret), site.whoami(&second)), (200, 200));
    browser.click("#saved").await;
    browser.wait_gone("#dialog").await;
    assert_gone(&browser, &second, "after the rotation").await;

    browser.goto(&format!("{LIST}/{id}")).await;
    browser.click("#finish").await;
    browser.wait_gone("#finish").await;
    assert_eq!((site.whoami(&secret), site.whoami(&second)), (401, 200));

    browser.goto(LIST).await;
    browser.click(&format!("#revoke-{id}")).await;
    // It was used a moment ago, so the name is asked for; capitals don't matter.
    browser.click("#revoke-submit").await;
    browser.find("#dialog[open] #error-summary").await;
    browser.fill("#confirm_name", "ci PIPELINE").await;
    browser.click("#revoke-submit").await;
    browser.wait_gone(&format!("#key-{id}")).await;
    browser.wait_for_text("Revoked").await;
    assert_eq!(site.whoami(&second), 401);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let copied = pasted(&browser).await;
    assert_eq!(copied, secret);
}

#[actix_web::test]
async fn copying_works_on_plain_http_too() {
    let site = Site::start_with("keys.test", "", |_| ());
    let browser = site.signed_in("ben", Script::On).await;
    assert_eq!(browser.js("return typeof navigator.clipboard").await, "undefined");
    let secret = create(&site, &browser, "Plain").await;
    browser.click("#copy").await;
    browser.wait_for_text("Copied").await;
    browser.click("#saved").await;
    browser.wait_gone("#dialog").await;
    assert_eq!(pasted(&browser).await, secret);
}

#[actix_web::test]
async fn a_secret_does_not_come_back_by_escape() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    let secret = create(&site, &browser, "Escaped").await;
    // Where closing cannot be kept from happening, nothing is left behind; where it can, the key is still to be seen.
    for _ in 0..3 {
        browser.press(Key::Escape).await;
    }
    if browser.has("#dialog[open]").await {
        assert_eq!(value(&browser.find("#dialog #secret").await).await, secret);
        browser.click("#saved").await;
    }
    browser.wait_gone("#dialog").await;
    assert_gone(&browser, &secret, "after Escape").await;
    browser.js("document.querySelector('#dialog').close?.(); return 1").await;
    // Closed by the browser itself, for whatever reason.
    let secret = create(&site, &browser, "Closed").await;
    browser.js("document.querySelector('#dialog').close()").await;
    browser.wait_until("return !document.querySelector('#dialog').open").await;
    browser.wait_until("return !document.querySelector('#secret')").await;
    assert_gone(&browser, &secret, "after the dialog closed by itself").await;
}

#[actix_web::test]
async fn a_secret_does_not_come_back_by_the_back_button_or_a_reload() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    let secret = create(&site, &browser, "Left open").await;
    browser.goto("/account/appearance").await;
    browser.find("#appearance-form").await;
    browser.driver.back().await.unwrap();
    browser.find("#new-key").await;
    assert_gone(&browser, &secret, "going back").await;
    browser.driver.forward().await.unwrap();
    browser.find("#appearance-form").await;
    browser.driver.back().await.unwrap();
    browser.find("#new-key").await;
    assert_gone(&browser, &secret, "going back again").await;

    let secret = create(&site, &browser, "Reloaded").await;
    browser.driver.refresh().await.unwrap();
    browser.find("#new-key").await;
    assert_gone(&browser, &secret, "after a reload").await;
    assert_eq!(browser.js("return document.querySelectorAll('#rows tr').length").await, json!(2));
}

#[actix_web::test]
async fn five_times_enter_makes_one_key() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    browser.goto(LIST).await;
    browser.click("#new-key").await;
    browser.fill("#dialog[open] #name", "Once").await;
    browser
        .js("const form = document.querySelector('#dialog form'); for (let i = 0; i < 5; i++) form.requestSubmit()")
        .await;
    let secret = value(&browser.find("#dialog #secret").await).await;
    site.app.learn(&secret);
    assert_eq!(site.app.database.number("SELECT COUNT(*) AS n FROM api_keys"), 1);
}
