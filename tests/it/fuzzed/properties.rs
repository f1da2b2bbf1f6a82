//! What must be true of whatever strangers send: functions over bytes that panic where it is not. `tests/it/fuzzed.rs` tries
//! them on every run of the suite, the targets in `fuzz/` for as long as one likes.

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use keyrack::domain::in_url;
use keyrack::domain::names::is_deceptive;
use keyrack::domain::org::Role;
use keyrack::domain::sent;
use keyrack::domain::token::{ID_CHARS, KeyFormat, RANDOM_CHARS, SECRET_CHARS, SecretHash};
use keyrack::web::api::auth_path::{self, Require};
use keyrack::web::api::original::Original;
use keyrack::web::api::presented::{Presented, in_headers, in_query};

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Looks of keys that differ in everything that may differ.
pub(crate) fn formats() -> [KeyFormat; 4] {
    let format = |prefix: &str, environments: &[&str], in_key, separator: &str| KeyFormat {
        prefix: prefix.to_owned(),
        environments: environments.iter().map(|&name| name.to_owned()).collect(),
        environment_in_key: in_key,
        separator: separator.to_owned(),
    };
    [
        format("kr", &[], false, "_"),
        format("rk_live", &["live", "test"], false, ""),
        format("key", &["live", "test", "live2"], true, "_"),
        // Begins as it ends.
        format("a_a", &[], false, ""),
    ]
}

/// The values of headers are read by the grammar, written down here a second time in other words.
pub(crate) fn headers_hold_one_credential_or_none(value: &[u8]) {
    let is_credential = |text: &[u8]| {
        let fits = |byte: &u8| BASE62.contains(byte) || b"-._~+/=".contains(byte);
        (1..=512).contains(&text.len()) && text.iter().all(fits)
    };
    let last = value.iter().rposition(|byte| *byte == b' ').map(|at| value.split_at(at + 1));
    let bearer = last.filter(|(scheme, token)| {
        let name: Vec<u8> = scheme.iter().copied().take_while(|byte| *byte != b' ').collect();
        name.eq_ignore_ascii_case(b"bearer") && scheme[6..].iter().all(|byte| *byte == b' ') && is_credential(token)
    });
    let none = || std::iter::empty::<&[u8]>();
    let one = || std::iter::once(value);
    for (presented, expected) in [
        (in_headers(one(), none()), bearer.map(|(_, token)| token)),
        (in_headers(none(), one()), Some(value).filter(|value| is_credential(value))),
    ] {
        match presented {
            Presented::One(token) => assert_eq!(Some(token.as_bytes()), expected),
            Presented::Malformed => assert_eq!(None, expected),
            Presented::Nothing | Presented::Several => panic!("there was one header"),
        }
    }
    assert!(matches!(in_headers(one(), one()), Presented::Several));
    assert!(matches!(in_headers(one().chain(one()), none()), Presented::Several));
}

/// A query holds one credential, and a second one is noticed wherever it is put.
pub(crate) fn a_query_holds_one_credential_or_none(query: &str) {
    let with = [format!("token=k_1&{query}"), format!("{query}&%61pi%5Fkey=k%5f1")];
    match in_query(query) {
        Presented::Nothing => {
            for with in &with {
                assert!(matches!(in_query(with), Presented::One(token) if token == "k_1"), "{with:?}");
            }
            return;
        }
        Presented::One(token) => assert!(token.bytes().all(|byte| byte.is_ascii_graphic()) && token.len() <= 512),
        Presented::Several | Presented::Malformed => {}
    }
    for with in &with {
        assert!(matches!(in_query(with), Presented::Several), "{with:?}");
    }
}

/// What is read as a key composes back to the same text; and a key is found in a text exactly where one stands.
pub(crate) fn what_parses_composes_back(text: &str) {
    for format in formats() {
        if let Some(parsed) = format.parse(text) {
            let secret = &text[text.len() - SECRET_CHARS..];
            let whole = |environment: &&str| {
                format.compose(environment, &parsed.id, &secret[..RANDOM_CHARS]).0.reveal() == text
            };
            assert!(format.environments().iter().any(whole), "{text}");
            assert!(parsed.secret.hash().matches(&SecretHash::of(secret)));
        }
        let tail = ID_CHARS + format.separator.len() + SECRET_CHARS;
        let lengths: Vec<usize> = format.environments().iter().map(|name| format.lead(name).len() + tail).collect();
        let stands_at = |at: usize| lengths.iter().find_map(|length| format.parse(text.get(at..at + length)?));
        let first = (0..text.len()).find_map(stands_at).map(|found| found.id);
        assert_eq!(format.find_key(text), first, "{text}");
        assert_eq!(format.refuse_key(text).is_err(), first.is_some());
    }
}

/// Of a text that is stored, no part of a key is kept, wherever it is cut.
pub(crate) fn no_part_of_a_key_is_kept(text: &str) {
    for format in formats() {
        let tail = ID_CHARS + format.separator.len() + SECRET_CHARS;
        let lengths: Vec<usize> = format.environments().iter().map(|name| format.lead(name).len() + tail).collect();
        let stands_at = |at: usize| {
            lengths.iter().any(|length| text.get(at..at + length).is_some_and(|part| format.parse(part).is_some()))
        };
        for bytes in [16, 64] {
            let kept = sent::harmless(sent::beginning(text, bytes), bytes, &format);
            assert!(kept.len() <= bytes && !kept.contains(is_deceptive), "{kept:?}");
            if (0..text.len().min(bytes)).any(stands_at) {
                assert_eq!(kept, sent::REMOVED[..sent::REMOVED.len().min(bytes)], "{text:?}");
            }
        }
    }
}

/// A key made of these bytes, which decide about everything in it.
pub(crate) fn key_of(bytes: &[u8]) -> String {
    let at = |place: usize| bytes.get(place).copied().unwrap_or_default();
    let digits = |from: usize, count: usize| -> String {
        (from..from + count).map(|place| char::from(BASE62[usize::from(at(place)) % 62])).collect()
    };
    let formats = formats();
    let format = &formats[usize::from(at(0)) % formats.len()];
    let environments = format.environments();
    let environment = environments[usize::from(at(1)) % environments.len()];
    let (id, random) = (digits(2, ID_CHARS), digits(2 + ID_CHARS, RANDOM_CHARS));
    let (key, secret) = format.compose(environment, &id.as_str().into(), &random);
    let parsed = format.parse(key.reveal()).expect("what was composed is read");
    assert_eq!(parsed.id.as_str(), id);
    assert!(parsed.secret.hash().matches(&secret.hash()));
    key.reveal().to_owned()
}

/// What proxies say of the client's request is taken when it is clear and they are trusted. Each line is a header: its first
/// byte chooses which, the rest is its value.
pub(crate) fn a_proxys_word_is_taken_when_it_is_clear(lines: &[u8]) {
    let names = ["x-original-uri", "x-forwarded-uri", "x-original-method", "x-forwarded-method", "x-forwarded-for"];
    let headers: Vec<(&str, HeaderValue)> = lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first())
        .filter_map(|(name, value)| {
            Some((names[usize::from(*name) % names.len()], HeaderValue::from_bytes(value).ok()?))
        })
        .collect();
    let request = headers.iter().fold(TestRequest::put(), |request, header| request.append_header(header.clone()));
    let request = request.to_http_request();
    let own = Original::of(request.head(), false, "/own");
    assert_eq!((own.method, own.path, own.query), ("PUT", "/own", ""));
    // `None`: nobody says anything. `Some(None)`: it is not clear.
    let said = |which: &[&str]| -> Option<Option<&str>> {
        let values: Vec<&[u8]> =
            headers.iter().filter(|(name, _)| which.contains(name)).map(|(_, value)| value.as_bytes()).collect();
        let first = *values.first()?;
        Some(std::str::from_utf8(first).ok().filter(|_| values.iter().all(|value| *value == first)))
    };
    let told = Original::of(request.head(), true, "/own");
    assert_eq!(told.method, said(&names[2..4]).unwrap_or(Some("PUT")).unwrap_or("-"));
    match said(&names[..2]) {
        None => assert_eq!((told.path, told.query), ("/own", "")),
        Some(Some(uri)) if uri.starts_with('/') => {
            let rest = uri.strip_prefix(told.path).expect("begins with the path");
            assert!(!told.path.contains('?'));
            assert_eq!(rest.strip_prefix('?').unwrap_or(rest), told.query);
            assert!(!rest.is_empty() || told.query.is_empty());
        }
        Some(_) => assert_eq!((told.path, told.query), ("-", "")),
    }
    // A key in the URL is only taken where everybody reads the path alike.
    if in_url::is_taken_at(&["/hooks".to_owned()], told.path) {
        let steps: Vec<&str> = told.path.split('/').collect();
        assert!(steps[..2] == ["", "hooks"] && !steps.contains(&"..") && !told.path.contains(['%', '\\', ';']));
    }
}

/// Whatever a client appends to the operator's path, what the operator asked for stays.
pub(crate) fn the_operators_requirement_stays(appended: &str) {
    let admin = Require::Role(Role::Admin);
    for (path, for_nginx, require) in [
        (format!("/v1/auth/require/role:admin/{appended}"), false, admin),
        (format!("/v1/auth/nginx/require/role:admin/{appended}"), true, admin),
        (format!("/v1/auth/require/role:admin/envoy/{appended}"), false, admin),
        (format!("/v1/auth/envoy/{appended}"), false, Require::Nothing),
    ] {
        let asked = auth_path::read(&path);
        assert_eq!((asked.for_nginx, asked.require), (for_nginx, require), "{path}");
        assert!(path.ends_with(asked.rest));
    }
    let _ = auth_path::read(appended);
}
