//! Texts that clients choose: cut to a length, without what drives a terminal, and without keys.

use std::borrow::Cow;

use crate::domain::names::is_deceptive;
use crate::domain::token::KeyFormat;

/// What stands where a key stood.
const REMOVED: &str = "(removed: it held an API key)";

/// The beginning of a text, of `bytes` bytes at most.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// The path of a request's target, in case it still has a query.
pub(super) fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// The text as it may be stored and shown.
pub(super) fn harmless(text: String, format: &KeyFormat) -> String {
    let decoded: Cow<'_, str> = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
    if format.find_key(&text).is_some() || format.find_key(&decoded).is_some() {
        return REMOVED.to_owned();
    }
    if text.contains(is_deceptive) {
        return text.chars().map(|c| if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::KeyId;

    #[test]
    fn what_clients_send_is_cut_and_made_harmless() {
        let format = KeyFormat {
            prefix: "kr".into(),
            environments: Vec::new(),
            environment_in_key: false,
            separator: "_".into(),
        };
        let harmless = |text: &str| harmless(text.to_owned(), &format);
        assert_eq!(cut("größe", 3), "gr");
        assert_eq!(cut("abc", 9), "abc");
        assert_eq!(without_query("/a?token=x#y"), "/a");
        assert_eq!(harmless("/v1/größe"), "/v1/größe");
        assert_eq!(harmless("a\u{1b}]0;x\r\n\u{202e}b"), "a\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}b");
        let (plain, _) = format.compose("live", &KeyId::from("BRTRKFsL"), "51FwqftsmMDHHbJAMEXXHC");
        for text in [plain.reveal().to_owned(), plain.reveal().replace('_', "%5F"), format!("/x/{}/y", plain.reveal())]
        {
            assert_eq!(harmless(&text), REMOVED);
        }
    }
}
