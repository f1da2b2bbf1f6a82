//! What is said when something does not work.

use askama::Template;

use super::{Chrome, Link, views};
use crate::web::assets::filters;

/// An error as a page, or as the fragment that takes the place of a form.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "error.html", blocks = ["panel"])]
pub struct ErrorPage {
    /// What surrounds it. Empty but for the product's name when even that cannot be known.
    pub chrome: Chrome,
    /// The status code.
    pub status: u16,
    /// A few words.
    pub title: String,
    /// What happened.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// For support.
    pub request_id: String,
    /// Where to go.
    pub links: Vec<Link>,
}

impl ErrorPage {
    /// The usual words for a status; `what` replaces the sentence on what happened.
    #[must_use]
    pub fn new(chrome: Chrome, status: u16, what: Option<String>, request_id: impl Into<String>) -> Self {
        let (title, usual, advice) = words(status);
        let home = if chrome.user.is_some() {
            Link { url: "/settings/api-keys".to_owned(), text: "Go to API keys".to_owned() }
        } else {
            Link { url: "/sign-in".to_owned(), text: "Sign in".to_owned() }
        };
        Self {
            chrome,
            status,
            title: title.to_owned(),
            what: what.unwrap_or_else(|| usual.to_owned()),
            advice: advice.to_owned(),
            request_id: request_id.into(),
            links: if status == 503 { Vec::new() } else { vec![home] },
        }
    }
}

/// Title, what happened, what to do.
const fn words(status: u16) -> (&'static str, &'static str, &'static str) {
    match status {
        400 => (
            "The request could not be read",
            "Something in the address or the form is not in order.",
            "Go back, reload the page and send the form again.",
        ),
        401 => ("You are signed out", "Your session has ended, or you have not signed in yet.", "Sign in to go on."),
        403 => (
            "You may not do this",
            "Your role in this organization does not allow it.",
            "Ask an owner or admin of the organization.",
        ),
        404 => (
            "There is nothing here",
            "This page does not exist, or you cannot see it.",
            "Check the address, or the organization that you have chosen.",
        ),
        405 => (
            "That does not work here",
            "This address takes no such request.",
            "Go back and use the page's own buttons.",
        ),
        409 => (
            "Something changed in between",
            "Somebody else changed this, or it was done already.",
            "Go back, reload the page and look at how it is now.",
        ),
        413 => ("That is too much", "What was sent is larger than this form takes.", "Shorten it and send it again."),
        415 => (
            "That form is not known",
            "What was sent is not in a form that this address takes.",
            "Use the page's own form.",
        ),
        422 => (
            "Something is missing or wrong",
            "Some fields do not fit.",
            "Go back, correct them and send the form again.",
        ),
        429 => ("Too many tries", "There were too many requests in a short time.", "Wait a little and try again."),
        503 => (
            "Keys are safe, this page is not ready",
            "The database does not answer just now, so nothing can be shown or changed.",
            "Try again in a moment. If it lasts, tell the people who run this server.",
        ),
        _ => (
            "Something went wrong here",
            "The server could not finish this. The fault is ours, and it has been logged.",
            "Try again. If it lasts, tell the people who run this server, and give them the request id.",
        ),
    }
}

views!(ErrorPage);
