//! axe without a violation, nothing wider than the screen, and no complaint of the content security policy: on every page and
//! dialog, in light, dark, and 320 pixels wide.

use super::driver::Browser;
use super::{axe, tour};

const LOOKS: [(&str, u32); 3] = [("light", 1280), ("dark", 1280), ("light", 320)];

/// Everything that is wrong with a page as it stands.
async fn look(browser: &Browser, name: &str, found: &mut Vec<String>) {
    for (scheme, width) in LOOKS {
        browser.look(scheme, width).await;
        let place = format!("{name}, {scheme}, {width} px");
        found.extend(axe::violations(browser).await.into_iter().map(|violation| format!("{place}: {violation}")));
        let overflow =
            browser.js("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        if overflow != 0 {
            found.push(format!("{place}: {overflow} px too wide"));
        }
    }
    browser.look("light", 1280).await;
    found.extend(browser.complaints().await.into_iter().map(|line| format!("{name}: {line}")));
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n  {}", found.join("\n  "));
}

#[actix_web::test]
async fn pages_about_keys() {
    let (_site, keys, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::key_pages(&keys, &browser, async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}

#[actix_web::test]
async fn dialogs_about_keys() {
    let (site, keys, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::key_dialogs(&site, &keys, &browser, async |browser: &Browser, name: &str| {
        look(browser, name, &mut found).await
    })
    .await;
    assert_none(&found);
}

#[actix_web::test]
async fn the_other_pages() {
    let (_site, _, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::other_pages(&browser, async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}

#[actix_web::test]
async fn letting_a_command_line_in() {
    let (site, _, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::devices(&site, &browser, async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}

#[actix_web::test]
async fn webhooks() {
    let (site, _, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::webhooks(&site, &browser, async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}

#[actix_web::test]
async fn invitations() {
    let (site, _, browser) = tour::olives_site().await;
    let mut found = Vec::new();
    tour::invitations(&site, &browser, async |browser: &Browser, name: &str| look(browser, name, &mut found).await)
        .await;
    assert_none(&found);
}

#[actix_web::test]
async fn pages_of_other_people() {
    let mut found = Vec::new();
    tour::other_people(async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}

#[actix_web::test]
async fn the_first_run() {
    let mut found = Vec::new();
    tour::first_run(async |browser: &Browser, name: &str| look(browser, name, &mut found).await).await;
    assert_none(&found);
}
