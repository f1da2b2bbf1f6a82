//! Those who speak HTTP to the app: a browser with its cookies, signed in or not, and a script with a key. They do nothing
//! that a real one could not.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use super::answer::Answer;
use super::app::{Request, TestApp};

/// A browser: keeps cookies, says that its requests come from the page itself.
pub(crate) struct Visitor<'a> {
    app: &'a TestApp,
    cookies: RefCell<BTreeMap<String, String>>,
    address: String,
}

/// A form as it is sent: names may repeat.
pub(crate) type Form<'f> = &'f [(&'f str, &'f str)];

impl<'a> Visitor<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: RefCell::default(), address: "192.0.2.1".into() }
    }

    /// The same visitor from another network address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    /// A GET by htmx, which wants only the fragment.
    pub(crate) async fn get_partial(&self, path: &str) -> Answer {
        self.send(partial(Request::new("GET", path))).await
    }

    pub(crate) async fn post(&self, path: &str, form: Form<'_>) -> Answer {
        self.send(Request::new("POST", path).form(form)).await
    }

    /// A POST by htmx, which wants only the fragment.
    pub(crate) async fn post_partial(&self, path: &str, form: Form<'_>) -> Answer {
        self.send(partial(Request::new("POST", path).form(form))).await
    }

    /// Opens the page that holds a form and sends it with the nonce that stands in it.
    pub(crate) async fn fill_in(&self, page: &str, action: &str, form: Form<'_>) -> Answer {
        let nonce = self.get(page).await.assert_status(200).field("nonce");
        let mut form = form.to_vec();
        form.push(("nonce", &nonce));
        self.post(action, &form).await
    }

    /// Whatever request, with this browser's cookies and address.
    pub(crate) async fn send(&self, mut request: Request) -> Answer {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies.join("; "));
        }
        if request.method != "GET" && !request.has("Sec-Fetch-Site") && !request.has("Origin") {
            request = request.header("Sec-Fetch-Site", "same-origin");
        }
        let answer = self.app.send(request.from(&self.address)).await;
        for (_, value) in answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            self.keep(value);
        }
        answer
    }

    /// The cookies held now, for a test that plays tricks with them.
    pub(crate) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.borrow().clone()
    }

    /// Puts other cookies in place.
    pub(crate) fn set_cookies(&self, cookies: BTreeMap<String, String>) {
        *self.cookies.borrow_mut() = cookies;
    }

    fn keep(&self, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let over = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        if over || value.is_empty() {
            self.cookies.borrow_mut().remove(name);
        } else {
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            if name.contains("session") {
                self.app.learn(value);
                // What stands behind the signature is the session's own token.
                self.app.learn(&value[value.len().saturating_sub(43)..]);
            }
        }
    }
}

fn partial(request: Request) -> Request {
    request.header("HX-Request", "true").header("HX-Request-Type", "partial")
}

/// A script with a key.
pub(crate) struct Script<'a> {
    app: &'a TestApp,
    authorization: String,
}

impl<'a> Script<'a> {
    pub(super) fn new(app: &'a TestApp, secret: &str) -> Self {
        Self { app, authorization: format!("Bearer {secret}") }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, json: &Value) -> Answer {
        self.send(Request::new("POST", path).json(json)).await
    }

    pub(crate) async fn patch(&self, path: &str, json: &Value) -> Answer {
        self.send(Request::new("PATCH", path).json(json)).await
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.app.send(request.header("Authorization", &self.authorization)).await
    }
}
