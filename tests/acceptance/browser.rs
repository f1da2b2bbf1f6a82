//! Chromium at a product.

use thirtyfour::prelude::*;

use crate::person::Key;
use crate::product::Product;
use crate::support::cast;
pub(crate) use crate::support::driver::{Browser, Script};

impl Product {
    /// A browser in which this one of the cast has signed in, by the page.
    pub(crate) async fn browser_of(&self, who: &str) -> Browser {
        let browser = Browser::open(&self.url, Script::On).await;
        browser.goto("/sign-in").await;
        browser.fill("#email", &cast::email(who)).await;
        browser.fill("#password", &cast::password(who)).await;
        browser.click("#sign-in-submit").await;
        browser.find("header.top").await;
        browser
    }

    /// Creates a key in the dialog, which stays open on its secret. The browser must be on the page of keys.
    pub(crate) async fn create_in(&self, browser: &Browser, name: &str) -> Key {
        browser.click("#new-key").await;
        browser.fill("#dialog[open] #name", name).await;
        browser.click("#create-submit").await;
        self.shown_in(browser, name).await
    }

    /// The key whose secret the dialog shows.
    pub(crate) async fn shown_in(&self, browser: &Browser, name: &str) -> Key {
        let secret = value(&browser.find("#dialog #secret").await).await;
        self.learn(&secret);
        // It stands in the page for those without scripts, unseen.
        let link = browser.driver.find(By::Css("#dialog .quiet a:last-of-type")).await.unwrap();
        let link = link.attr("href").await.unwrap().unwrap();
        Key { id: link.rsplit('/').next().unwrap().to_owned(), name: name.to_owned(), secret }
    }
}

/// The value of a field, which is not its attribute.
pub(crate) async fn value(element: &WebElement) -> String {
    element.prop("value").await.unwrap().unwrap_or_default()
}

/// Every text of the table's head.
pub(crate) async fn table_head(browser: &Browser) -> Vec<String> {
    let mut texts = Vec::new();
    for cell in browser.driver.find_all(By::Css("table.keys thead th")).await.unwrap() {
        texts.push(cell.text().await.unwrap().lines().last().unwrap_or_default().to_owned());
    }
    texts
}

/// What a person reads in the row of this key.
pub(crate) async fn row(browser: &Browser, key: &Key) -> String {
    browser.find(&format!("#key-{}", key.id)).await.text().await.unwrap()
}

/// Follows a link of the sidebar under “Settings”, which must be there to be seen and hit. Where there is room the sidebar is
/// open by style alone, and what WebDriver takes for visible knows nothing of that.
pub(crate) async fn follow_sidebar(browser: &Browser, text: &str) {
    let hit = format!(
        "const nav = document.querySelector('nav[aria-label=Settings]');
         const heading = nav.querySelector('h2').textContent;
         const link = [...nav.querySelectorAll('a')].find(a => a.textContent.trim() === {text:?});
         link.scrollIntoView({{block: 'center'}});
         const box = link.getBoundingClientRect();
         const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
         if (heading !== 'Settings' || top.closest('a') !== link) return false;
         link.click();
         return true"
    );
    assert_eq!(browser.js(&hit).await, serde_json::json!(true), "{text} is not to be seen in the sidebar");
}

/// Revokes a key by the button in its row; types its name where that is asked for. The browser must be on the page of keys.
pub(crate) async fn revoke_in(browser: &Browser, key: &Key) {
    browser.click(&format!("#revoke-{}", key.id)).await;
    browser.find("#dialog[open] #revoke-submit").await;
    if browser.has("#confirm_name").await {
        browser.fill("#confirm_name", &key.name).await;
    }
    browser.click("#revoke-submit").await;
    browser.wait_gone(&format!("#key-{}", key.id)).await;
}

/// Waits for the dialog with its secret to go, by its button.
pub(crate) async fn close_reveal(browser: &Browser) {
    browser.click("#saved").await;
    browser.wait_gone("#dialog").await;
}
