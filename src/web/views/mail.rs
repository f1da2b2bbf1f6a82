//! E-mails.

use askama::Template;

/// An e-mail in words.
#[derive(Debug, Clone, Default)]
pub struct LetterView {
    /// One line.
    pub subject: String,
    /// Who sends it.
    pub product: String,
    /// The organization it is about.
    pub organization: String,
    /// The reader's name.
    pub reader: String,
    /// What happened.
    pub items: Vec<LetterItem>,
    /// Where to choose what one is told.
    pub settings_url: String,
}

/// One alert in words.
#[derive(Debug, Clone, Default)]
pub struct LetterItem {
    /// What happened.
    pub title: String,
    /// Name and value.
    pub lines: Vec<(&'static str, String)>,
    /// What to do about it.
    pub advice: &'static str,
    /// Where to do it.
    pub url: String,
}

/// As text: nothing is escaped, since nothing in it is markup.
#[derive(Debug, Template)]
#[template(path = "mail/letter.txt")]
pub struct TextLetter<'a> {
    /// The words.
    pub letter: &'a LetterView,
}

/// As HTML.
#[derive(Debug, Template)]
#[template(path = "mail/letter.html")]
pub struct HtmlLetter<'a> {
    /// The words.
    pub letter: &'a LetterView,
}
