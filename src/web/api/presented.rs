//! The credential as it is presented: a strict grammar over bytes, as pure functions. They read what strangers send before
//! anything else does, so they are fuzzed: no input may make them panic, or take what is not exactly one credential.

use std::borrow::Cow;

/// The longest credential that is looked at; ours are far shorter.
const BYTES_MAX: usize = 512;

/// What a request presents. Holds a secret in plain text, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented<'r> {
    /// Nothing.
    Nothing,
    /// One credential.
    One(Cow<'r, str>),
    /// More than one, or one twice: refused, never ranked.
    Several,
    /// One in a form that none of ours has.
    Malformed,
}

/// Reads the values of all `Authorization` and all `X-Api-Key` fields: `Bearer` in any case, one or more spaces and the
/// credential; or the credential alone. Nothing may stand before or behind.
#[must_use]
pub fn in_headers<'r>(
    authorization: impl Iterator<Item = &'r [u8]>,
    api_key: impl Iterator<Item = &'r [u8]>,
) -> Presented<'r> {
    let mut fields = authorization.map(|value| (true, value)).chain(api_key.map(|value| (false, value)));
    let Some((is_bearer, value)) = fields.next() else { return Presented::Nothing };
    if fields.next().is_some() {
        return Presented::Several;
    }
    let token = if is_bearer { after_scheme(value) } else { Some(value) };
    token.and_then(credential).map_or(Presented::Malformed, |token| Presented::One(Cow::Borrowed(token)))
}

/// What follows `Bearer` and its spaces.
fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"Bearer".len())?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    (scheme.eq_ignore_ascii_case(b"bearer") && spaces > 0).then(|| &rest[spaces..])
}

/// The characters of a bearer token (RFC 6750), which are those of ours and more.
fn credential(bytes: &[u8]) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    // Not up to the first that does not fit: so many are looked at at once.
    let is_good = (1..=BYTES_MAX).contains(&bytes.len()) && bytes.iter().fold(true, |good, byte| good & fits(*byte));
    std::str::from_utf8(bytes).ok().filter(|_| is_good)
}

/// Reads `token=` and `api_key=` of a URL's query, in whatever escapes they are written. A parameter that stands there
/// twice, or both of them, are several.
#[must_use]
pub fn in_query(query: &str) -> Presented<'_> {
    let mut found = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        matches!(&*unescaped(name), b"token" | b"api_key").then_some(value)
    });
    let Some(value) = found.next() else { return Presented::Nothing };
    if found.next().is_some() {
        return Presented::Several;
    }
    let value = unescaped(value);
    match credential(&value) {
        Some(token) => Presented::One(Cow::Owned(token.to_owned())),
        None => Presented::Malformed,
    }
}

fn unescaped(text: &str) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode_str(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'r>(authorization: &[&'r str], api_key: &[&'r str]) -> Presented<'r> {
        in_headers(authorization.iter().map(|text| text.as_bytes()), api_key.iter().map(|text| text.as_bytes()))
    }

    /// Without `Debug`, on purpose: compared as words.
    fn word(presented: &Presented<'_>) -> String {
        match presented {
            Presented::Nothing => "nothing".to_owned(),
            Presented::One(token) => format!("one {token}"),
            Presented::Several => "several".to_owned(),
            Presented::Malformed => "malformed".to_owned(),
        }
    }

    #[test]
    fn one_credential_in_one_header_is_taken() {
        for good in ["Bearer k_1", "bearer k_1", "BEARER   k_1"] {
            assert_eq!(word(&headers(&[good], &[])), "one k_1", "{good}");
        }
        assert_eq!(word(&headers(&[], &["k_1"])), "one k_1");
        assert_eq!(word(&headers(&[], &[])), "nothing");
    }

    #[test]
    fn whatever_is_not_exactly_that_is_malformed() {
        let long = "k".repeat(BYTES_MAX + 1);
        let bad = [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearerk",
            "Basic k",
            "n1 Bearer k",
            " Bearer k",
            "Bearer k ",
            "Bearer k, k",
            "Bearer k k",
            "Bearer\tk",
            "Bearer \tk",
            "Bearer \x0ck",
            "Bearer \nk",
            "Bearer \"k\"",
            "Bearer ü",
            "Bearer:k",
            "Bearer k\0",
            &long,
        ];
        for bad in bad {
            assert_eq!(word(&headers(&[bad], &[])), "malformed", "{bad:?}");
        }
        for bad in ["", " ", "k k", "k,k", "Bearer k", "ü", &long] {
            assert_eq!(word(&headers(&[], &[bad])), "malformed", "{bad:?}");
        }
        assert_eq!(word(&in_headers([&b"Bearer \xff"[..]].into_iter(), [].into_iter())), "malformed");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_sent_is_read_as_one_credential_or_not_at_all(value: Vec<u8>, query in "\\PC*") {
            for presented in [
                in_headers([&value[..]].into_iter(), [].into_iter()),
                in_headers([].into_iter(), [&value[..]].into_iter()),
                in_query(&query),
            ] {
                if let Presented::One(token) = presented {
                    proptest::prop_assert!(credential(token.as_bytes()).is_some());
                }
            }
        }
    }

    #[test]
    fn two_are_several_whatever_they_hold() {
        for (authorization, api_key) in
            [(&["Bearer k", "Bearer k"][..], &[][..]), (&["Bearer k"], &["k"]), (&["Basic k"], &["k"]), (&[""], &[""])]
        {
            assert_eq!(word(&headers(authorization, api_key)), "several");
        }
        assert_eq!(word(&headers(&[], &["k", "k"])), "several");
    }

    #[test]
    fn a_query_holds_a_credential_once_or_not_at_all() {
        for (query, expected) in [
            ("", "nothing"),
            ("a=b&tokens=k&Token=k&api-key=k", "nothing"),
            ("token=k_1", "one k_1"),
            ("a=b&api_key=k_1&c", "one k_1"),
            ("%74oken=k%5F1", "one k_1"),
            ("token=k&token=k", "several"),
            ("token=k&%61pi_key=", "several"),
            ("token", "malformed"),
            ("token=", "malformed"),
            ("token=k%20k", "malformed"),
            ("token=k+k&a", "one k+k"),
            ("token=%FF", "malformed"),
            ("token=k%0", "malformed"),
        ] {
            assert_eq!(word(&in_query(query)), expected, "{query}");
        }
    }
}
