//! One Chromium, driven through ChromeDriver. Both end with the test, however it ends.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};

/// A browser with what the tests ask of it. Every method waits, and panics with the page's address and text when in vain.
pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    base: String,
    said: RefCell<Vec<String>>,
    _process: Process,
    _profile: TempDir,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    On,
    Off,
}

/// ChromeDriver and all that it started.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Its process group holds the browser too; the standard library has no call for a group.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

impl Browser {
    /// A fresh browser that takes paths as below `base`.
    pub(crate) async fn open(base: &str, script: Script) -> Self {
        let (process, port) = start_driver();
        let profile = TempDir::new().unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities(&profile, script)).await.unwrap();
        // Its own farewell would wait for a driver that is killed already.
        driver.clone().leak().unwrap();
        driver.set_page_load_timeout(Duration::from_secs(30)).await.unwrap();
        Self { driver, base: base.to_owned(), said: RefCell::default(), _process: process, _profile: profile }
    }

    pub(crate) async fn goto(&self, path: &str) {
        let url = if path.contains(':') { path.to_owned() } else { format!("{}{path}", self.base) };
        self.driver.goto(&url).await.unwrap();
    }

    /// The first element that matches, as soon as it can be seen.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let deadline = Instant::now() + Duration::from_secs(15);
        // A page that goes while it is asked is an error at once, and no reason to give up.
        loop {
            let query = self.driver.query(By::Css(css)).wait(Duration::from_secs(5), Duration::from_millis(40));
            match query.and_displayed().first().await {
                Ok(element) => return element,
                Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(40)).await,
                Err(_) => panic!("nothing visible matches {css}\n{}", self.where_we_are().await),
            }
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.find(css).await;
        element.scroll_into_view().await.unwrap();
        if let Err(error) = element.click().await {
            panic!("cannot click {css}: {error}\n{}", self.where_we_are().await);
        }
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(crate) async fn press(&self, key: Key) {
        self.driver.action_chain().send_keys(key).perform().await.unwrap();
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        let elements = self.driver.find_all(By::Css(css)).await.unwrap();
        for element in elements {
            if element.is_displayed().await.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    pub(crate) async fn wait_gone(&self, css: &str) {
        for _ in 0..400 {
            if !self.has(css).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        panic!("{css} is still there\n{}", self.where_we_are().await);
    }

    pub(crate) async fn wait_for_text(&self, text: &str) {
        for _ in 0..400 {
            if self.text().await.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        panic!("the page never says {text:?}\n{}", self.where_we_are().await);
    }

    /// What a person can read.
    pub(crate) async fn text(&self) -> String {
        match self.driver.find(By::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// Runs a function body in the page; needs scripts on.
    pub(crate) async fn js(&self, body: &str) -> Value {
        match self.driver.execute(body, vec![]).await {
            Ok(answer) => answer.json().clone(),
            Err(error) => panic!("{error}\nin: {body:.200}"),
        }
    }

    /// Waits until the function body gives true.
    pub(crate) async fn wait_until(&self, body: &str) {
        for _ in 0..400 {
            if self.js(body).await == json!(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        panic!("never true: {body}\n{}", self.where_we_are().await);
    }

    /// The element that has the focus: `tag#id`.
    pub(crate) async fn focus(&self) -> String {
        let focus = self
            .js("const e = document.activeElement; return e.tagName.toLowerCase() + (e.id ? '#' + e.id : '')")
            .await;
        focus.as_str().unwrap().to_owned()
    }

    /// Light or dark, and how wide: as the operating system and the window would say.
    pub(crate) async fn look(&self, scheme: &str, width: u32) {
        self.look_of(scheme, width, 900).await;
    }

    /// The same with a height of its own.
    pub(crate) async fn look_of(&self, scheme: &str, width: u32, height: u32) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", features).await;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        // Colours on their way from light to dark are no colours to judge.
        self.wait_until(
            "document.getAnimations().forEach((a) => { try { a.finish() } catch { a.cancel() } }); return true",
        )
        .await;
    }

    pub(crate) async fn cdp(&self, method: &str, params: Value) -> Value {
        self.driver.cdp().send_raw(method, params).await.unwrap()
    }

    /// What the content security policy refused so far, on all pages, and every uncaught error of a script.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let new = self.driver.browser_log().await.unwrap().into_iter().map(|entry| entry.message);
        self.said.borrow_mut().extend(new);
        let bad = ["Content Security Policy", "Content-Security-Policy", "Uncaught", "htmx:error"];
        self.said.borrow().iter().filter(|line| bad.iter().any(|word| line.contains(word))).cloned().collect()
    }

    /// Where a secret could be found again: the document with what its fields hold, both storages, the address, the history's state.
    pub(crate) async fn everything_held(&self) -> String {
        let held = self
            .js("const fields = [...document.querySelectorAll('input, textarea')].map(f => f.value);
                 return [document.documentElement.outerHTML, fields, {...localStorage}, {...sessionStorage}, location.href,
                         history.state, document.title, document.cookie].map(x => JSON.stringify(x)).join('\\n')")
            .await;
        held.as_str().unwrap().to_owned()
    }

    pub(crate) async fn where_we_are(&self) -> String {
        format!("at {}\n{}", self.url().await, self.text().await)
    }
}

/// The port that the driver chooses may be taken, for one of its two addresses, before it binds: then it ends, and another
/// try finds another port.
fn start_driver() -> (Process, u16) {
    (0..5).find_map(|_| try_to_start_driver()).expect("chromedriver does not start")
}

fn try_to_start_driver() -> Option<(Process, u16)> {
    let mut command = Command::new("chromedriver");
    command.args(["--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().expect("chromedriver is missing: tests/run installs it");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let port = line.split_once("successfully on port ")?.1;
        port.trim_end_matches('.').parse().ok()
    });
    // A full pipe would stop the driver.
    std::thread::spawn(move || lines.for_each(drop));
    let process = Process(child);
    port.map(|port| (process, port))
}

fn capabilities(profile: &TempDir, script: Script) -> thirtyfour::ChromeCapabilities {
    let mut caps = DesiredCapabilities::chrome();
    let chromium =
        ["/usr/bin/chromium", "/usr/bin/google-chrome"].into_iter().find(|path| std::path::Path::new(path).exists());
    if let Some(path) = chromium {
        caps.set_binary(path).unwrap();
    }
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
        "--host-resolver-rules=MAP keys.test 127.0.0.1",
        &format!("--user-data-dir={}", profile.path().display()),
    ] {
        caps.add_arg(argument).unwrap();
    }
    // The back/forward cache is what could bring a secret back: it must be on, also on small machines.
    caps.add_arg("--enable-features=BackForwardCache:TimeToLiveInBackForwardCacheInSeconds/300,BackForwardCacheMemoryControls:memory_threshold_for_back_forward_cache_in_mb/1").unwrap();
    if script == Script::Off {
        let prefs = json!({"profile.managed_default_content_settings.javascript": 2});
        caps.add_experimental_option("prefs", prefs).unwrap();
    }
    caps.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    caps
}
