//! A person lets a command line in by clicking, with scripts and without.

use super::driver::Script;
use super::site::{Site, value};
use crate::support::device::refusal;

async fn allow(script: Script) {
    let site = Site::start();
    let waiting = site.app.ask_in("ada-laptop").await;
    let browser = site.browser(script).await;
    browser.goto(&format!("/device?user_code={}", waiting.user_code)).await;
    browser.fill("#email", "ada@acme.example").await;
    browser.fill("#password", "correct horse battery ada").await;
    browser.click("#sign-in-submit").await;
    // Filled in, and waiting to be sent by hand.
    assert_eq!(value(&browser.find("#code-form #user_code").await).await, waiting.user_code);
    assert!(!browser.has("#device-form").await);
    browser.click("#code-submit").await;
    browser.wait_for_text(&waiting.user_code).await;
    assert_eq!(refusal(&site.app.poll(&waiting.device_code).await), "authorization_pending");
    let widths = "const width = id => document.getElementById(id).getBoundingClientRect().width; \
                  return Math.abs(width('allow') - width('deny'))";
    if matches!(script, Script::On) {
        assert!(browser.js(widths).await.as_f64().unwrap() < 1.0, "one button is larger than the other");
    }
    browser.click("#allow").await;
    browser.wait_for_text("go back to your terminal").await;
    let answer = site.app.poll(&waiting.device_code).await.assert_status(200).json();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(site.whoami(&token), 200);
    browser.goto("/account/sessions").await;
    browser.wait_for_text("Command line on ada-laptop").await;
    browser.click("[id^='session-clt_'] button").await;
    browser.wait_for_text("The command line is signed out.").await;
    assert_eq!(site.whoami(&token), 401);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[actix_web::test]
async fn a_command_line_is_let_in_by_clicking_and_ended_among_the_sessions() {
    allow(Script::On).await;
}

#[actix_web::test]
async fn a_command_line_is_let_in_without_scripts() {
    allow(Script::Off).await;
}

#[actix_web::test]
async fn a_command_line_is_turned_away_by_clicking() {
    let site = Site::start();
    let waiting = site.app.ask_in("ada-laptop").await;
    let browser = site.signed_in("ada", Script::On).await;
    browser.goto("/device").await;
    browser.fill("#user_code", &waiting.user_code.to_lowercase().replace('-', "")).await;
    browser.click("#code-submit").await;
    browser.click("#deny").await;
    browser.wait_for_text("may not act as you").await;
    assert_eq!(refusal(&site.app.poll(&waiting.device_code).await), "access_denied");
}
