//! A picture of every page and dialog in light, dark and 320 px. Not a check: `tests/run screenshots` makes them to be looked at.

use std::path::PathBuf;

use super::driver::Browser;
use super::tour;

async fn picture(browser: &Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    for (look, scheme, width) in [("light", "light", 1280), ("dark", "dark", 1280), ("narrow", "light", 320)] {
        browser.look(scheme, width).await;
        // A page is shown to its end, a dialog as it lies in the window.
        let height = "return document.querySelector('dialog')?.open ? 900 : document.documentElement.scrollHeight";
        let height = browser.js(height).await.as_u64().unwrap().clamp(700, 4000);
        browser.look_of(scheme, width, u32::try_from(height).unwrap()).await;
        browser.driver.screenshot(&folder.join(format!("{name}-{look}.png"))).await.unwrap();
    }
    browser.look("light", 1280).await;
}

#[actix_web::test]
#[ignore = "pictures for people: tests/run screenshots"]
async fn of_keys() {
    let (site, keys, browser) = tour::olives_site().await;
    tour::key_pages(&keys, &browser, picture).await;
    tour::key_dialogs(&site, &keys, &browser, picture).await;
}

#[actix_web::test]
#[ignore = "pictures for people: tests/run screenshots"]
async fn of_the_other_pages() {
    let (site, _, browser) = tour::olives_site().await;
    tour::other_pages(&browser, picture).await;
    tour::webhooks(&site, &browser, picture).await;
    tour::invitations(&site, &browser, picture).await;
}

#[actix_web::test]
#[ignore = "pictures for people: tests/run screenshots"]
async fn of_devices() {
    let (site, _, browser) = tour::olives_site().await;
    tour::devices(&site, &browser, picture).await;
}

#[actix_web::test]
#[ignore = "pictures for people: tests/run screenshots"]
async fn of_other_people() {
    tour::other_people(picture).await;
    tour::first_run(picture).await;
}
