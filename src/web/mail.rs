//! Laying out e-mails: the same letter as text and as HTML.

use askama::Template as _;

use super::views::mail::{HtmlLetter, LetterItem, LetterView, TextLetter};
use crate::actions::alerts::letter::{Item, LaidOut, Letter};

/// A letter as text and as HTML.
///
/// # Errors
/// The template does not fit: a fault in the program.
pub fn lay_out(letter: &Letter) -> Result<LaidOut, String> {
    let item = |item: &Item| LetterItem {
        title: item.title.clone(),
        lines: item.lines.clone(),
        advice: item.advice,
        url: item.url.clone(),
    };
    let letter = LetterView {
        subject: letter.subject.clone(),
        product: letter.product.clone(),
        organization: letter.organization.clone(),
        reader: letter.reader.clone(),
        items: letter.items.iter().map(item).collect(),
        settings_url: letter.settings_url.clone(),
    };
    let failed = |error: askama::Error| format!("The e-mail could not be laid out: {error}");
    let text = TextLetter { letter: &letter }.render().map_err(failed)?;
    let html = HtmlLetter { letter: &letter }.render().map_err(failed)?;
    Ok(LaidOut { text, html })
}
