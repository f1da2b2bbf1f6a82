//! Keys of any installation, found in a text by their shape and checksum alone: for programs that do not know the operator's
//! prefix, like the command line, and must not show a secret all the same.

use std::ops::Range;

use super::token::{ID_CHARS, MASK, SECRET_CHARS, checksum};

/// Prefixes of the tokens that are not API keys: of services, and of signed-in command lines.
const TOKEN_PREFIXES: &[&str] = &["krs_", "krc_"];
/// The longest beginning of a key that is looked for: prefix and environment.
const LEAD_CHARS_MAX: usize = 64;

/// Where in a text keys and tokens stand, in order, without overlap.
#[must_use]
pub fn find_secrets(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_word(bytes[at]) {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len() - at);
        find_in_word(text, at..end, &mut found);
        at = end;
    }
    found
}

/// The text with every key and token in it masked.
#[must_use]
pub fn hide_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for place in find_secrets(text) {
        shown += &text[done..place.start + lead_chars(&text[place.clone()])];
        shown += MASK;
        done = place.end;
    }
    shown + &text[done..]
}

/// How much of a key or token its mask shows: the prefix and five characters of the id, or the prefix of a token.
fn lead_chars(secret: &str) -> usize {
    if let Some(prefix) = TOKEN_PREFIXES.iter().find(|prefix| secret.starts_with(**prefix) && !is_key(secret)) {
        return prefix.len();
    }
    let lead = secret.len().saturating_sub(ID_CHARS + SECRET_CHARS);
    let is_apart = secret.as_bytes().get(secret.len().saturating_sub(SECRET_CHARS + 1)) == Some(&b'_');
    lead - usize::from(is_apart) + 5
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_base62(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// How long the id and secret are that begin here, if that is what begins here.
fn body_length(bytes: &[u8]) -> Option<usize> {
    let joined = ID_CHARS + SECRET_CHARS;
    if bytes.len() >= joined && is_base62(&bytes[..joined]) {
        return Some(joined);
    }
    let apart = bytes.get(..joined + 1)?;
    (apart[ID_CHARS] == b'_' && is_base62(&apart[..ID_CHARS]) && is_base62(&apart[ID_CHARS + 1..]))
        .then_some(joined + 1)
}

fn is_key(text: &str) -> bool {
    let (head, sum) = text.split_at(text.len().saturating_sub(2));
    sum.len() == 2 && checksum(head) == sum.as_bytes()
}

fn find_in_word(text: &str, word: Range<usize>, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut from = word.start;
    for sign in word.clone().filter(|at| bytes[*at] == b'_') {
        if sign < from {
            continue;
        }
        let after = &text[..=sign];
        if let Some(prefix) = TOKEN_PREFIXES.iter().find(|prefix| after.ends_with(**prefix))
            && word.end - sign > SECRET_CHARS
        {
            found.push(sign + 1 - prefix.len()..word.end);
            from = word.end;
            continue;
        }
        let Some(length) = body_length(&bytes[sign + 1..word.end]) else { continue };
        let end = sign + 1 + length;
        // Where the prefix begins is not known; only one beginning fits the checksum.
        let first = from.max(sign.saturating_sub(LEAD_CHARS_MAX));
        if let Some(start) = (first..sign).find(|start| is_key(&text[*start..end])) {
            found.push(start..end);
            from = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::KeyId;
    use super::super::token::KeyFormat;
    use super::*;

    fn key(prefix: &str, environment_in_key: bool, separator: &str) -> String {
        let format = KeyFormat {
            prefix: prefix.to_owned(),
            environments: vec!["live".to_owned(), "test".to_owned()],
            environment_in_key,
            separator: separator.to_owned(),
        };
        let (plain, _) = format.compose("live", &KeyId("BRTRKFsL".to_owned()), "51FwqftsmMDHHbJAMEXXHC");
        plain.reveal().to_owned()
    }

    #[test]
    fn keys_of_any_format_are_masked() {
        for (key, mask) in [
            (key("ok", false, "_"), "ok_BRTRK••••••••"),
            (key("rk", true, ""), "rk_live_BRTRK••••••••"),
            (key("key_live", false, ""), "key_live_BRTRK••••••••"),
        ] {
            for (before, after) in [("", ""), ("/v1/", "/x"), ("token=", "&a=b"), ("„", "“"), ("", "xyz")] {
                assert_eq!(hide_secrets(&format!("{before}{key}{after}")), format!("{before}{mask}{after}"), "{key}");
            }
            assert!(find_secrets(&format!("x_{key}")).len() == 1);
            assert_eq!(hide_secrets(&format!("{key} {key}")), format!("{mask} {mask}"));
        }
    }

    #[test]
    fn tokens_are_masked_by_their_prefix() {
        let token = "krc_0123456789abcdefghijABCDEFGHIJ";
        assert_eq!(hide_secrets(&format!("Bearer {token}.")), "Bearer krc_••••••••.");
        assert_eq!(hide_secrets("krc_short and krs_"), "krc_short and krs_");
    }

    #[test]
    fn what_is_no_key_stays() {
        let mut wrong = key("ok", false, "_");
        wrong.pop();
        for text in
            ["", "ok_BRTRKFsL", "/render/sha256_0123456789abcdef0123456789abcdef0123456789abcdef", "ä_ö", &wrong]
        {
            assert_eq!(hide_secrets(text), text);
        }
    }
}
