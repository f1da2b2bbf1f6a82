//! What came back, and what to say about it. Assertions name the request, so a failure reads by itself.

use scraper::{Html, Selector};
use serde_json::Value;

/// An answer of the server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// `POST /sign-in`.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn assert_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.request, self.readable());
        self
    }

    /// A 303 to this place.
    #[track_caller]
    pub(crate) fn assert_goes_to(self, place: &str) -> Self {
        assert_eq!((self.status, self.header("location")), (303, Some(place)), "{}\n{}", self.request, self.readable());
        self
    }

    #[track_caller]
    pub(crate) fn assert_header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "{name} of {}", self.request);
        self
    }

    /// A person can read this.
    #[track_caller]
    pub(crate) fn assert_see(self, text: &str) -> Self {
        assert!(self.text().contains(text), "{} does not say {text:?}:\n{}", self.request, self.readable());
        self
    }

    #[track_caller]
    pub(crate) fn assert_dont_see(self, text: &str) -> Self {
        assert!(!self.text().contains(text), "{} says {text:?}:\n{}", self.request, self.readable());
        self
    }

    /// Something matches.
    #[track_caller]
    pub(crate) fn assert_has(self, css: &str) -> Self {
        assert!(!self.select(css).is_empty(), "{} has no {css}:\n{}", self.request, self.body);
        self
    }

    #[track_caller]
    pub(crate) fn assert_has_not(self, css: &str) -> Self {
        assert!(self.select(css).is_empty(), "{} has {css}:\n{}", self.request, self.body);
        self
    }

    /// A problem of the JSON API with this code.
    #[track_caller]
    pub(crate) fn assert_problem(self, status: u16, code: &str) -> Self {
        let answer = self.assert_status(status).assert_header("content-type", "application/problem+json");
        assert_eq!(answer.json()["code"], code, "{}\n{}", answer.request, answer.body);
        answer
    }

    /// The text of each element that matches, with single spaces.
    pub(crate) fn select(&self, css: &str) -> Vec<String> {
        let selector = Selector::parse(css).unwrap();
        let texts = self.html().select(&selector).map(|element| element.text().collect::<String>()).collect::<Vec<_>>();
        texts.iter().map(|text| squeeze(text)).collect()
    }

    /// An attribute of each element that matches and has it.
    pub(crate) fn attribute(&self, css: &str, name: &str) -> Vec<String> {
        let selector = Selector::parse(css).unwrap();
        let page = self.html();
        page.select(&selector).filter_map(|element| element.attr(name)).map(str::to_owned).collect()
    }

    /// The value of the field of this name.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let values = self.attribute(&format!("[name=\"{name}\"]"), "value");
        values.into_iter().next().unwrap_or_else(|| panic!("{} has no field {name}:\n{}", self.request, self.body))
    }

    /// All that a person reads, with single spaces.
    pub(crate) fn text(&self) -> String {
        if self.body.trim_start().starts_with('<') { self.select(":root, body").join(" ") } else { self.body.clone() }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} is not JSON:\n{}", self.request, self.body))
    }

    fn html(&self) -> Html {
        Html::parse_document(&self.body)
    }

    fn readable(&self) -> String {
        let place = self.header("location").map(|place| format!("goes to {place}\n")).unwrap_or_default();
        format!("{} {place}{}", self.status, self.text())
    }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
