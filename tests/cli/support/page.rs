//! A browser that is none: it keeps cookies, reads forms, and presses their buttons.

use std::collections::BTreeMap;

use scraper::{ElementRef, Html, Selector};

/// Somebody signed in.
pub(crate) struct Browser {
    agent: ureq::Agent,
    site: String,
    cookies: BTreeMap<String, String>,
}

/// A page.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Browser {
    /// Signs in by the page.
    pub(crate) fn sign_in(site: &str, email: &str, password: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let agent = config.max_redirects_will_error(false).build().new_agent();
        let mut browser = Self { agent, site: site.to_owned(), cookies: BTreeMap::new() };
        let page = browser.post("/sign-in", &[("email", email), ("password", password)]);
        assert_eq!(page.status, 303, "{}", page.text);
        browser
    }

    /// `GET`.
    pub(crate) fn get(&mut self, path: &str) -> Page {
        let request = self.agent.get(format!("{}{path}", self.site)).header("Cookie", self.cookie());
        let answer = request.call().unwrap();
        self.read(answer)
    }

    /// `POST` of a form, as from a page of the site.
    pub(crate) fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.agent.post(format!("{}{path}", self.site)).header("Cookie", self.cookie());
        let request = request.header("Origin", &self.site).header("Sec-Fetch-Site", "same-origin");
        let answer = request.send_form(form.iter().copied()).unwrap();
        self.read(answer)
    }

    /// Opens a page and presses the button that says so, in whatever form it is.
    pub(crate) fn press(&mut self, path: &str, button: &str) -> Page {
        let page = self.get(path);
        assert_eq!(page.status, 200, "{}", page.text);
        let (action, fields) = form_of(&page.text, button);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let action = if action.is_empty() { path.split('?').next().unwrap().to_owned() } else { action };
        self.post(&action, &fields)
    }

    /// Looks at the device behind this code, and presses “Allow” or “Deny”.
    #[track_caller]
    pub(crate) fn decide(&mut self, code: &str, button: &str) {
        let page = self.press(&format!("/device?user_code={code}"), "Look at the device");
        assert_eq!(page.status, 200, "{}", page.text);
        let (action, fields) = form_of(&page.text, button);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let decided = self.post(&action, &fields);
        assert_eq!(decided.status, 303, "{}", decided.text);
    }

    fn cookie(&self) -> String {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        cookies.join("; ")
    }

    fn read(&mut self, mut answer: ureq::http::Response<ureq::Body>) -> Page {
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page { status: answer.status().as_u16(), text: answer.body_mut().read_to_string().unwrap() }
    }
}

/// Where the form of this button goes, and what it sends.
fn form_of(html: &str, button: &str) -> (String, Vec<(String, String)>) {
    let html = Html::parse_document(html);
    let [forms, buttons, inputs] = ["form", "button", "input"].map(|name| Selector::parse(name).unwrap());
    let words = |element: ElementRef<'_>| element.text().collect::<String>().trim().to_owned();
    let attribute = |element: ElementRef<'_>, name: &str| element.value().attr(name).map(str::to_owned);
    let pair = |element| Some((attribute(element, "name")?, attribute(element, "value").unwrap_or_default()));
    for form in html.select(&forms) {
        let Some(pressed) = form.select(&buttons).find(|found| words(*found).starts_with(button)) else { continue };
        let is_off = |input: &ElementRef<'_>| {
            attribute(*input, "type").is_some_and(|kind| kind == "radio") && attribute(*input, "checked").is_none()
        };
        let fields = form.select(&inputs).filter(|input| !is_off(input)).chain([pressed]).filter_map(pair).collect();
        let action = attribute(pressed, "formaction").or_else(|| attribute(form, "action")).unwrap_or_default();
        return (action, fields);
    }
    panic!("no form has the button “{button}”");
}
