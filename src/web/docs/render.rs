//! Markdown to HTML: headings that can be linked to, boxes that scroll by keyboard. Only for texts that are part of the program; HTML
//! within them is shown, not obeyed.

use std::fmt;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// HTML that was made here and may stand in a page as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered(String);

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one exception to escaping: it holds nothing that anybody typed at run time but the operator's own brand, which was
/// escaped on the way.
impl askama::filters::HtmlSafe for Rendered {}

/// An entry of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Its anchor.
    pub id: String,
    /// Its words.
    pub text: String,
}

/// Renders a page, and lists its headings of the second level.
#[must_use]
pub fn render(markdown: &str) -> (Rendered, Vec<Heading>) {
    let mut headings: Vec<Heading> = Vec::new();
    let mut used: Vec<String> = Vec::new();
    let mut out = Vec::new();
    // The heading that is open: its level, where its content begins in `out`, and its words.
    let mut open: Option<(HeadingLevel, usize, String)> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        if let Some((_, _, words)) = &mut open {
            match &event {
                Event::Text(text) | Event::Code(text) => words.push_str(text),
                _ => {}
            }
        }
        match event {
            Event::Start(Tag::Heading { level, .. }) => open = Some((level, out.len(), String::new())),
            Event::End(TagEnd::Heading(level)) => {
                let (_, at, words) = open.take().unwrap_or((level, out.len(), String::new()));
                let id = anchor(&words, &mut used);
                out.insert(at, raw(format!("<{level} id=\"{id}\">")));
                out.push(raw(format!("</{level}>\n")));
                if level == HeadingLevel::H2 {
                    headings.push(Heading { id, text: words });
                }
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().next().unwrap_or("text").to_owned(),
                    CodeBlockKind::Indented => "text".to_owned(),
                };
                let label = if language == "output" { "Output" } else { "Code" };
                let class: String = language.chars().filter(char::is_ascii_alphanumeric).collect();
                out.push(raw(format!(
                    "<pre class=\"code\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\"><code class=\"language-{class}\">"
                )));
            }
            Event::End(TagEnd::CodeBlock) => out.push(raw("</code></pre>\n".to_owned())),
            Event::Start(Tag::Table(alignment)) => {
                out.push(raw(
                    "<div class=\"docs-table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">".to_owned()
                ));
                out.push(Event::Start(Tag::Table(alignment)));
            }
            Event::End(TagEnd::Table) => {
                out.push(Event::End(TagEnd::Table));
                out.push(raw("</div>\n".to_owned()));
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                out.push(Event::Start(Tag::Link { link_type, dest_url: address(dest_url), title, id }));
            }
            Event::Html(text) | Event::InlineHtml(text) => out.push(Event::Text(text)),
            other => out.push(other),
        }
    }
    let mut text = String::new();
    html::push_html(&mut text, out.into_iter());
    // A corner without words is no heading to a screen reader. What the text itself holds is escaped by now.
    let text = text.replace("<th></th>", "<td></td>");
    (Rendered(text), headings)
}

fn raw(html: String) -> Event<'static> {
    Event::Html(html.into())
}

/// `roles.md#owner` leads to `/docs/roles#owner`.
fn address(url: CowStr<'_>) -> CowStr<'_> {
    let (path, anchor) = url.split_once('#').map_or((&*url, None), |(path, anchor)| (path, Some(anchor)));
    match path.strip_suffix(".md").filter(|name| !name.contains(['/', ':'])) {
        Some(name) => format!("/docs/{name}{}", anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default()).into(),
        None => url,
    }
}

/// Letters and digits, with hyphens between words; no two the same on one page.
fn anchor(words: &str, used: &mut Vec<String>) -> String {
    let lower = words.to_lowercase();
    let parts: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let base = format!("s-{}", parts.join("-"));
    let mut id = base.clone();
    let mut number = 2;
    while used.contains(&id) {
        id = format!("{base}-{number}");
        number += 1;
    }
    used.push(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_anchors_and_links_lead_within_the_documentation() {
        let (html, headings) =
            render("# T\n\n## Keys & `x`\n\n## Keys & `x`\n\n[r](roles.md#s-owner) [o](https://a.example/b.md)");
        let html = html.to_string();
        assert!(html.contains("<h2 id=\"s-keys-x\">Keys &amp; <code>x</code></h2>"), "{html}");
        assert!(html.contains("id=\"s-keys-x-2\"") && html.contains("href=\"/docs/roles#s-owner\""), "{html}");
        assert!(html.contains("href=\"https://a.example/b.md\""), "{html}");
        assert_eq!(headings.len(), 2);
    }

    #[test]
    fn a_corner_without_words_is_no_heading() {
        let html = render("| | who |\n|---|---|\n| may | all |").0.to_string();
        assert!(html.contains("<tr><td></td><th>who</th></tr>"), "{html}");
    }

    #[test]
    fn html_in_a_text_is_shown_and_not_obeyed() {
        let (html, _) = render("a <script>alert(1)</script>\n\n<b onclick=x>\n\n```sh\n<i>\n```\n");
        assert!(!html.to_string().contains("<script") && !html.to_string().contains("<b"), "{html}");
        assert!(html.to_string().contains("&lt;i&gt;"), "{html}");
    }
}
