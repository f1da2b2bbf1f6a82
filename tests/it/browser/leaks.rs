//! The leak desk by hand: what is pasted is nowhere afterwards.

use super::driver::Script;
use super::site::Site;

#[actix_web::test]
async fn a_found_key_is_looked_up_and_revoked_and_is_nowhere_afterwards() {
    let site = Site::start();
    let key = site.app.db_create_key("ben", "CI pipeline");
    let browser = site.signed_in("ada", Script::On).await;
    browser.goto("/orgs/acme/settings/leaks").await;
    browser.fill("#found-text", &key.secret).await;
    browser.click("#leak-submit").await;
    browser.wait_for_text("It is “CI pipeline”").await;
    assert_eq!(browser.focus().await, "h2#found-title");
    let part = &key.secret[key.secret.len() - 24..];
    assert!(!browser.everything_held().await.contains(part));
    browser.click("#revoke").await;
    browser.click("#revoke-submit").await;
    browser.wait_for_text("Revoked “CI pipeline”").await;
    assert_eq!(site.whoami(&key.secret), 401);
    browser.driver.back().await.unwrap();
    browser.driver.back().await.unwrap();
    assert!(!browser.everything_held().await.contains(part));
    assert!(!site.log().contains(part));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
