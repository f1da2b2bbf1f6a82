//! By keyboard alone: where the focus is, and that nothing needs a mouse.

use thirtyfour::prelude::*;

use super::driver::Script;
use super::site::{Site, value};

const LIST: &str = "/orgs/acme/settings/api-keys";

#[actix_web::test]
async fn the_first_tab_leads_past_the_header() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    browser.goto(LIST).await;
    browser.press(Key::Tab).await;
    assert_eq!(browser.js("return document.activeElement.className").await, "skip");
    browser.press(Key::Enter).await;
    browser.wait_until("return document.activeElement.id === 'main'").await;
}

#[actix_web::test]
async fn a_key_is_created_by_keyboard_alone() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    browser.goto(LIST).await;
    browser.js("document.querySelector('#new-key').focus()").await;
    browser.press(Key::Enter).await;
    browser.find("#dialog[open] #name").await;
    browser.wait_until("return document.activeElement.id === 'name'").await;
    browser.driver.action_chain().send_keys("By keyboard").perform().await.unwrap();
    browser.press(Key::Enter).await;
    let secret = value(&browser.find("#dialog #secret").await).await;
    site.app.learn(&secret);
    browser.wait_until("return document.activeElement.id === 'copy'").await;
    browser.press(Key::Enter).await;
    browser.wait_for_text("Copied").await;
}

#[actix_web::test]
async fn mistakes_take_the_focus_and_stay_in_the_dialog() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::On).await;
    browser.goto(LIST).await;
    browser.click("#new-key").await;
    browser.fill("#dialog[open] #name", "\u{200b}").await;
    browser.click("#create-submit").await;
    browser.find("#dialog[open] #error-summary").await;
    browser.wait_until("return document.activeElement.closest('#dialog') !== null && (document.activeElement.id === 'error-summary' || document.activeElement.getAttribute('aria-invalid') === 'true')").await;
}

#[actix_web::test]
async fn escape_closes_a_form_and_gives_the_focus_back() {
    let site = Site::start();
    let key = site.app.db_create_key("ben", "CI");
    let browser = site.signed_in("ben", Script::On).await;
    for opener in ["new-key".to_owned(), format!("rotate-{}", key.id), format!("revoke-{}", key.id)] {
        browser.goto(LIST).await;
        browser.js(&format!("document.getElementById('{opener}').focus()")).await;
        browser.press(Key::Enter).await;
        browser.find("#dialog[open] form").await;
        browser.press(Key::Escape).await;
        browser.wait_until("return !document.querySelector('#dialog').open").await;
        browser.wait_until(&format!("return document.activeElement.id === '{opener}'")).await;
    }
}

#[actix_web::test]
async fn the_focus_is_always_to_be_seen() {
    let site = Site::start();
    site.app.db_create_key("ben", "CI");
    let browser = site.signed_in("ben", Script::On).await;
    browser.goto(LIST).await;
    for step in 0..25 {
        browser.press(Key::Tab).await;
        let seen = browser
            .js("const e = document.activeElement; if (e === document.body) return true;
                 const s = getComputedStyle(e), r = e.getBoundingClientRect();
                 return parseFloat(s.outlineWidth) >= 2 && s.outlineStyle !== 'none' && r.bottom > 0 && r.top < innerHeight")
            .await;
        assert_eq!(seen, true, "step {step}: {}", browser.focus().await);
    }
}
