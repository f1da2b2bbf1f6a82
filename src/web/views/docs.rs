//! The documentation.

use askama::Template;

use super::{Chrome, views};
use crate::web::assets::filters;
use crate::web::docs::Rendered;

/// A group of pages in the menu.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// They.
    pub entries: Vec<Entry>,
}

/// A page in the menu.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Its address.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Whether it is the one that is shown.
    pub is_current: bool,
}

/// The table of contents of all of it.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "docs/index.html", blocks = ["panel"])]
pub struct Indexed {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The menu.
    pub groups: Vec<Group>,
}

/// A page.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "docs/page.html", blocks = ["panel"])]
pub struct DocsPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The menu.
    pub groups: Vec<Group>,
    /// Its title.
    pub title: String,
    /// Anchors and words of its headings.
    pub contents: Vec<(String, String)>,
    /// The text with its first heading.
    pub body: Rendered,
    /// Where its Markdown is.
    pub source: String,
}

views!(Indexed, DocsPage);
