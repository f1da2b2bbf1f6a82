//! Everything again in a browser that runs no scripts.

use thirtyfour::prelude::*;

use super::driver::{Browser, Script};
use super::site::{Site, value};

const LIST: &str = "/orgs/acme/settings/api-keys";

async fn shown_secret(site: &Site, browser: &Browser) -> String {
    let secret = value(&browser.find("#secret").await).await;
    site.app.learn(&secret);
    secret
}

#[actix_web::test]
async fn a_key_lives_its_life_without_scripts() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::Off).await;
    browser.goto(LIST).await;
    browser.click("#new-key").await;
    browser.fill("#name", "x".repeat(60).as_str()).await;
    browser.fill("#name", "No script").await;
    browser.click("#create-submit").await;
    let secret = shown_secret(&site, &browser).await;
    assert_eq!(site.whoami(&secret), 200);
    let id = secret.split('_').rev().nth(1).unwrap().to_owned();

    browser.click("#saved").await;
    browser.find(&format!("#key-{id}")).await;
    assert_secret_absent(&browser, &secret).await;
    browser.click(&format!("#rotate-{id}")).await;
    browser.click("#rotate-submit").await;
    let second = shown_secret(&site, &browser).await;
    assert_eq!((site.whoami(&secret), site.whoami(&second)), (200, 200));

    browser.goto(&format!("{LIST}/{id}")).await;
    browser.click("#finish").await;
    browser.wait_gone("#finish").await;
    assert_eq!((site.whoami(&secret), site.whoami(&second)), (401, 200));

    browser.click("#revoke").await;
    browser.click("#revoke-submit").await;
    browser.find("#error-summary").await;
    browser.fill("#confirm_name", "No script").await;
    browser.click("#revoke-submit").await;
    browser.wait_for_text("Revoked").await;
    assert_eq!(site.whoami(&second), 401);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[actix_web::test]
async fn reloading_or_going_back_shows_no_secret_and_makes_no_second_key() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::Off).await;
    browser.goto(&format!("{LIST}/new")).await;
    browser.fill("#name", "Only one").await;
    browser.click("#create-submit").await;
    let secret = shown_secret(&site, &browser).await;

    browser.driver.refresh().await.unwrap();
    browser.wait_for_text("already created").await;
    assert_secret_absent(&browser, &secret).await;

    browser.goto(LIST).await;
    let _ = browser.driver.back().await;
    assert_secret_absent(&browser, &secret).await;
    let _ = browser.driver.back().await;
    assert_secret_absent(&browser, &secret).await;
    assert_eq!(site.app.database.number("SELECT COUNT(*) AS n FROM api_keys"), 1);
}

#[actix_web::test]
async fn mistakes_come_back_with_what_was_typed() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::Off).await;
    browser.goto(&format!("{LIST}/new")).await;
    browser.fill("#name", " ").await;
    browser.fill("#note", "kept").await;
    browser.click("#create-submit").await;
    browser.find("#error-summary").await;
    assert_eq!(value(&browser.find("#note").await).await, "kept");
    assert!(browser.has("#name[aria-invalid]").await);
    assert!(browser.driver.title().await.unwrap().starts_with("Error: "));
}

#[actix_web::test]
async fn signing_out_ends_the_session_on_the_server() {
    let site = Site::start();
    let browser = site.signed_in("ben", Script::Off).await;
    let cookies = browser.driver.get_all_cookies().await.unwrap();
    browser.goto("/account/sessions").await;
    browser.click("form[action='/sign-out'] button.outline").await;
    browser.find("#sign-in-form").await;
    // Somebody kept the cookie.
    for cookie in cookies {
        browser.driver.add_cookie(cookie).await.unwrap();
    }
    browser.goto("/account/sessions").await;
    browser.find("#sign-in-form").await;
}

async fn assert_secret_absent(browser: &Browser, secret: &str) {
    let source = browser.driver.source().await.unwrap();
    assert!(!source.contains(&secret[secret.len() - 24..]), "{source}");
    for field in browser.driver.find_all(By::Css("input, textarea")).await.unwrap() {
        assert!(!value(&field).await.contains(secret));
    }
}
