//! A member in a browser without scripts: plain forms and a cookie.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::product::Product;
use crate::support::answer::Answer;
use crate::support::cast;
use crate::wire::Request;

/// Somebody who has signed in.
pub(crate) struct Person<'p> {
    product: &'p Product,
    cookies: RefCell<BTreeMap<String, String>>,
    org: &'static str,
}

/// A key that was made, and all that its maker was told.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) secret: String,
}

impl<'p> Person<'p> {
    /// Signs one of the cast in, by the page.
    pub(crate) fn sign_in(product: &'p Product, who: &str) -> Self {
        let org = cast::CAST.iter().find(|person| person.name.eq_ignore_ascii_case(who)).map(|person| person.org);
        let person = Self { product, cookies: RefCell::default(), org: org.unwrap() };
        let form = [("email", cast::email(who)), ("password", cast::password(who))];
        let form = [("email", form[0].1.as_str()), ("password", form[1].1.as_str())];
        person.post("/sign-in", &form).assert_status(303);
        person
    }

    /// The same person, at work in another organization.
    pub(crate) fn at(mut self, org: &'static str) -> Self {
        self.org = org;
        self
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path))
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Request::new("POST", path).header("Origin", &self.product.url).form(form))
    }

    /// The same as a request that is still to be sent, for a race.
    pub(crate) fn post_later(&self, path: &str, form: &[(&str, &str)]) -> Request {
        self.with_cookies(Request::new("POST", path).header("Origin", &self.product.url).form(form))
    }

    fn with_cookies(&self, request: Request) -> Request {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("Cookie", &cookies.join("; "))
    }

    fn send(&self, request: Request) -> Answer {
        let answer = self.with_cookies(request).to(&self.product.address);
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).unwrap();
            self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// The page of keys.
    pub(crate) fn keys_page(&self) -> String {
        format!("/orgs/{}/settings/api-keys", self.org)
    }

    /// The page of one key.
    pub(crate) fn page_of(&self, key: &Key) -> String {
        format!("{}/{}", self.keys_page(), key.id)
    }

    /// Sends the form that creates a key, as the page gives it.
    pub(crate) fn try_create(&self, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(&format!("{}/new", self.keys_page())).assert_status(200);
        let nonce = page.attribute("#create-form [name=nonce]", "value");
        let nonce = nonce.first().cloned().unwrap_or_default();
        self.post(&self.keys_page(), &[&[("nonce", nonce.as_str())], fields].concat())
    }

    /// Creates a key.
    #[track_caller]
    pub(crate) fn create(&self, name: &str) -> Key {
        self.create_with(&[("name", name)])
    }

    /// Creates a key with these fields, the name first.
    #[track_caller]
    pub(crate) fn create_with(&self, fields: &[(&str, &str)]) -> Key {
        let made = self.try_create(fields).assert_status(200);
        let key = self.revealed(&made, fields[0].1);
        assert_eq!(fields[0].0, "name");
        key
    }

    /// The key that this answer reveals.
    #[track_caller]
    pub(crate) fn revealed(&self, answer: &Answer, name: &str) -> Key {
        let secret = answer.attribute("#secret", "value").remove(0);
        let link = answer.attribute(".quiet a", "href").pop().unwrap();
        self.product.learn(&secret);
        Key { id: link.rsplit('/').next().unwrap().to_owned(), name: name.to_owned(), secret }
    }

    /// Rotates a key; it again, with its new secret.
    #[track_caller]
    pub(crate) fn rotate(&self, key: &Key, grace: &str) -> Key {
        let url = format!("{}/rotate", self.page_of(key));
        let nonce = self.get(&url).assert_status(200).field("nonce");
        let made = self.post(&url, &[("nonce", &nonce), ("grace", grace)]).assert_status(200);
        self.revealed(&made, &key.name)
    }

    /// Revokes a key, with its name typed for good measure.
    #[track_caller]
    pub(crate) fn revoke(&self, key: &Key) {
        self.try_revoke(key).assert_status(303);
    }

    /// Sends the form that revokes a key.
    pub(crate) fn try_revoke(&self, key: &Key) -> Answer {
        self.post(&format!("{}/revoke", self.page_of(key)), &[("confirm_name", &key.name)])
    }
}

/// The text of what matches, with its line breaks.
pub(crate) fn text_of(answer: &Answer, css: &str) -> String {
    let page = scraper::Html::parse_document(&answer.body);
    let found = page.select(&scraper::Selector::parse(css).unwrap()).next();
    found.unwrap_or_else(|| panic!("nothing matches {css}")).text().collect()
}
