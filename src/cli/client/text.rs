//! Text that came from elsewhere, made harmless before it reaches a terminal or a table.

/// The text with every character visible that a terminal would obey: control characters, and those that reorder a line.
pub(in crate::cli) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_dangerous(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Like [`clean`], with line breaks and tabs kept: for text of several lines.
pub(in crate::cli) fn clean_lines(text: &str) -> String {
    let kept = |c: char| c == '\n' || c == '\t';
    text.chars().map(|c| if is_dangerous(c) && !kept(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// JSON on one line or several in which no character is one that a terminal obeys. JSON itself only escapes those below 0x20.
pub(in crate::cli) fn json(value: &serde_json::Value, pretty: bool) -> String {
    let text = if pretty { format!("{value:#}") } else { value.to_string() };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_dangerous(c) && c != '\n' {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn is_dangerous(c: char) -> bool {
    // Directions and marks that make text read otherwise than it is written, invisible separators, and tags.
    let reorders =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_control() || reorders || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(clean("a\x1b[31mb\u{9b}2Jc\rd\u{202e}e"), "a�[31mb�2Jc�d�e");
        assert_eq!(clean_lines("a\n\tb\x07"), "a\n\tb�");
        let shown = json(&serde_json::json!({"n": "\u{1b}]0;x\u{7}\u{9b}\u{202e}é"}), false);
        assert_eq!(shown, r#"{"n":"\u001b]0;x\u0007\u009b\u202eé"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()["n"], "\u{1b}]0;x\u{7}\u{9b}\u{202e}é");
    }
}
