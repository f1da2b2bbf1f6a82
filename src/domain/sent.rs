//! Texts that clients choose and that are stored: cut to a length, without what drives a terminal, and without keys.

use std::borrow::Cow;

use super::names::is_deceptive;
use super::token::KeyFormat;

/// What stands where a key stood.
pub const REMOVED: &str = "(removed: it held an API key)";

/// Bytes of a method that are stored at most.
pub const METHOD: usize = 16;
/// Bytes of a path.
pub const PATH: usize = 512;
/// Bytes of an address.
pub const ADDRESS: usize = 64;
/// Bytes of what a client calls itself.
pub const CLIENT: usize = 256;
/// Bytes of a request's id.
pub const REQUEST_ID: usize = 64;

/// More than the longest key takes that settings allow, were each of its characters written as `%XX`.
const KEY_BYTES: usize = 256;

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// As much of a text as [`harmless`] needs to give `bytes` of it: a key that begins within them is there to its end.
#[must_use]
pub fn beginning(text: &str, bytes: usize) -> &str {
    cut(text, bytes + KEY_BYTES)
}

/// The path of a request's target, in case it still has a query.
#[must_use]
pub fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// The text as it may be stored and shown, of `bytes` bytes at most. Keys are looked for before it is cut: of one across
/// the cut a part would stay.
#[must_use]
pub fn harmless(text: &str, bytes: usize, format: &KeyFormat) -> String {
    let decoded: Cow<'_, str> = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    if format.find_key(text).is_some() || format.find_key(&decoded).is_some() {
        return cut(REMOVED, bytes).to_owned();
    }
    let kept = cut(text, bytes);
    if kept.contains(is_deceptive) {
        let shown: String =
            kept.chars().map(|c| if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
        return cut(&shown, bytes).to_owned();
    }
    kept.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::KeyId;

    /// The longest keys there may be.
    fn format() -> KeyFormat {
        KeyFormat {
            prefix: "a".repeat(20),
            environments: vec!["b".repeat(12)],
            environment_in_key: true,
            separator: "_".into(),
        }
    }

    /// The same key with each character as `%XX`, some characters so, and none.
    fn spellings() -> [String; 3] {
        let (plain, _) = format().compose(&"b".repeat(12), &KeyId::from("BRTRKFsL"), "51FwqftsmMDHHbJAMEXXHC");
        let plain = plain.reveal();
        [plain.to_owned(), plain.replace('_', "%5F"), plain.bytes().map(|byte| format!("%{byte:02X}")).collect()]
    }

    #[test]
    fn what_clients_send_is_cut_and_made_harmless() {
        let harmless = |text: &str| harmless(text, PATH, &format());
        assert_eq!(cut("größe", 3), "gr");
        assert_eq!(cut("abc", 9), "abc");
        assert_eq!(without_query("/a?token=x#y"), "/a");
        assert_eq!(harmless("/v1/größe"), "/v1/größe");
        assert_eq!(harmless("a\u{1b}]0;x\r\n\u{202e}b"), "a\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}b");
        assert_eq!(harmless(&"\u{7}".repeat(PATH)).len(), PATH / 3 * 3);
        for key in spellings() {
            assert_eq!(harmless(&key), REMOVED);
            assert_eq!(harmless(&format!("/x/{key}/y")), REMOVED);
        }
    }

    #[test]
    fn no_part_of_a_key_that_lies_across_the_cut_is_kept() {
        for key in spellings() {
            for bytes in [METHOD, CLIENT, PATH] {
                for before in 0..bytes + KEY_BYTES {
                    let text = format!("{}{key}/and on", "x".repeat(before));
                    let kept = harmless(beginning(&text, bytes), bytes, &format());
                    let whole = if before < bytes { cut(REMOVED, bytes) } else { &text[..bytes] };
                    assert!(kept == whole || kept == cut(REMOVED, bytes), "{before}: {kept}");
                }
            }
        }
    }
}
