//! The real program, started as an operator starts it, on a database that a test can look into.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyrack::domain::token::hex;
use thirtyfour::prelude::*;

use super::driver::{Browser, Script};
use crate::support::app::{Setup, TestApp};
use crate::support::{cast, http};

/// A running Keyrack.
pub(crate) struct Site {
    process: Child,
    /// What people type: `http://127.0.0.1:PORT`, or a host name that stands for it.
    pub(crate) url: String,
    address: String,
    /// The same database, seen from the test. Checked when the site goes.
    pub(crate) app: TestApp,
}

impl Site {
    /// With the cast, on this machine's own address.
    pub(crate) fn start() -> Self {
        Self::start_with("127.0.0.1", "", |_| ())
    }

    /// Under a host name, with a `keyrack.toml`, and whatever is set otherwise.
    pub(crate) fn start_with(host: &str, toml: &str, change: impl FnOnce(&mut Setup)) -> Self {
        let app = TestApp::with(change);
        let folder = app.database.folder.path();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (url, address) = (format!("http://{host}:{port}"), format!("127.0.0.1:{port}"));
        std::fs::write(folder.join("keyrack.toml"), toml).unwrap();
        let log = File::create(folder.join("server.log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_keyrack"))
            .env_clear()
            .env("KEYRACK_LISTEN", &address)
            .env("KEYRACK_PUBLIC_URL", &url)
            .env("KEYRACK_DATABASE_URL", &app.database.url)
            .env("KEYRACK_SESSION_KEY", hex(&app.state.config.session_key))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut site = Self { process, url, address, app };
        site.wait_until_ready();
        site
    }

    fn wait_until_ready(&mut self) {
        for _ in 0..400 {
            if http::get(&self.address, "/readyz", &[]).is_some_and(|(status, _)| status == 200) {
                return;
            }
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("the server does not become ready:\n{}", self.log());
    }

    /// What the server printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.app.database.folder.path().join("server.log")).unwrap()
    }

    /// A browser at this site.
    pub(crate) async fn browser(&self, script: Script) -> Browser {
        Browser::open(&self.url, script).await
    }

    /// A browser in which this one of the cast has signed in, by the page.
    pub(crate) async fn signed_in(&self, who: &str, script: Script) -> Browser {
        let browser = self.browser(script).await;
        browser.goto("/sign-in").await;
        browser.fill("#email", &cast::email(who)).await;
        browser.fill("#password", &cast::password(who)).await;
        browser.click("#sign-in-submit").await;
        browser.find("header.top").await;
        for cookie in browser.driver.get_all_cookies().await.unwrap() {
            if cookie.name.contains("session") {
                self.app.learn(&cookie.value);
                self.app.learn(&cookie.value[cookie.value.len() - 43..]);
            }
        }
        browser
    }

    /// What `/v1/whoami` says to a script with this key.
    pub(crate) fn whoami(&self, secret: &str) -> u16 {
        let authorization = format!("Bearer {secret}");
        http::get(&self.address, "/v1/whoami", &[("Authorization", &authorization)]).expect("no answer").0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("---- the server said:\n{}", self.log());
        }
    }
}

/// The value of a field, which is not its attribute.
pub(crate) async fn value(element: &WebElement) -> String {
    element.prop("value").await.unwrap().unwrap_or_default()
}
