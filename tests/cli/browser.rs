//! Signing in from end to end: the command line on a terminal, its page in a real Chromium.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::driver::{Browser, Script};
use crate::support::{Home, World, cast};

/// A home whose browser is a script that notes the address it is given.
fn with_browser() -> Home {
    let home = Home::new();
    let (script, note) = (home.path("browser"), home.path("opened"));
    std::fs::write(&script, format!("#!/bin/sh\nprintf %s \"$1\" > '{}'\n", note.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.display().to_string();
    home.set("BROWSER", &script)
}

fn opened(home: &Home) -> String {
    for _ in 0..500 {
        if let Ok(address) = std::fs::read_to_string(home.path("opened"))
            && !address.is_empty()
        {
            return address;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no browser was opened");
}

async fn open_page(address: &str) -> Browser {
    let browser = Browser::open("", Script::On).await;
    browser.goto(address).await;
    browser.fill("#email", &cast::email("ada")).await;
    browser.fill("#password", &cast::password("ada")).await;
    browser.click("#sign-in-submit").await;
    browser
}

#[test]
fn enter_opens_the_page_and_allow_signs_the_terminal_in() {
    let world = World::new();
    let home = with_browser();
    let mut terminal = home.terminal(&["auth", "login", "--server", &world.url()]);
    let shown = terminal.wait_for("Press Enter to open");
    let code = shown.split_once("Your code: ").unwrap().1.lines().next().unwrap().to_owned();
    assert!(!home.path("opened").exists(), "not before Enter");
    terminal.type_in("\r");
    let address = opened(&home);
    assert!(address.starts_with(&format!("{}/device?user_code=", world.url())), "{address}");
    actix_web::rt::System::new().block_on(async {
        let browser = open_page(&address).await;
        browser.click("#code-submit").await;
        browser.wait_for_text(&code).await;
        assert!(!terminal.text().contains("Signed in"), "the page allows nothing by itself");
        browser.click("#allow").await;
        browser.wait_for_text("go back to your terminal").await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    });
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text.contains("as Ada (admin, Acme)."), "{ended:?}");
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["user"]["name"], "Ada");
}

#[test]
fn deny_ends_the_terminals_waiting() {
    let world = World::new();
    let home = with_browser();
    let mut terminal = home.terminal(&["auth", "login", "--server", &world.url()]);
    terminal.wait_for("Press Enter to open");
    terminal.type_in("\r");
    let address = opened(&home);
    actix_web::rt::System::new().block_on(async {
        let browser = open_page(&address).await;
        browser.click("#code-submit").await;
        browser.click("#deny").await;
        browser.wait_for_text("may not act as you").await;
    });
    let ended = terminal.end();
    assert!(ended.code == 5 && ended.text.contains("denied on the page"), "{ended:?}");
}
