use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;

use super::*;
use crate::domain::key::{KeySecret, Revocation};
use crate::domain::time::Span;

/// GitHub's own key of 2020 to 2022, and a message it signed, as their documentation and its readers published them.
const GITHUB_KEYS: &str = r#"{"public_keys": [{
    "key_identifier": "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
    "key": "PEM",
    "is_current": true
}]}"#;
const GITHUB_BODY: &str = r#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#;
const GITHUB_SIGNATURE: &str =
    "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=";

/// The list that GitLab's documentation shows. It publishes no message signed with that key.
const GITLAB_KEYS: &str = r#"{"public_keys": [{
    "key_identifier": "6917d7584f0fa65c8c33df5ab20f54dfb9a6e6ae",
    "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEN05/VjsBwWTUGYMpijqC5pDtoLEf\nuWz2CVZAZd5zfa/NAlSFgWRDdNRpazTARndB2+dHDtcHIVfzyVPNr2aznw==\n-----END PUBLIC KEY-----\n",
    "is_current": true
}]}"#;

fn github_keys() -> String {
    GITHUB_KEYS.replace("PEM", &include_str!("github_2020.pem").trim_end().replace('\n', "\\n"))
}

#[test]
fn the_published_vector_of_github_holds_and_nothing_near_it() {
    let keys = read_keys(github_keys().as_bytes()).unwrap();
    assert!(keys[0].is_current && keys[0].id.starts_with("90a42116"));
    assert!(keys[0].has_signed(GITHUB_BODY.as_bytes(), GITHUB_SIGNATURE));
    assert!(!keys[0].has_signed(GITHUB_BODY.replace("some_url", "some_uri").as_bytes(), GITHUB_SIGNATURE));
    assert!(!keys[0].has_signed(format!("{GITHUB_BODY}\n").as_bytes(), GITHUB_SIGNATURE));
    for signature in ["", "MEUC", "not base64!", &GITHUB_SIGNATURE.replace("MEUCIQDK", "MEUCIQDL")] {
        assert!(!keys[0].has_signed(GITHUB_BODY.as_bytes(), signature), "{signature}");
    }
    let findings = read_report(GITHUB_BODY.as_bytes()).unwrap();
    assert_eq!(
        (findings[0].token(), findings[0].kind.as_str(), findings[0].source.as_str()),
        ("some_token", "some_type", "")
    );
}

#[test]
fn the_published_key_of_gitlab_is_read_and_checks_what_such_a_key_signs() {
    let keys = read_keys(GITLAB_KEYS.as_bytes()).unwrap();
    assert_eq!(keys[0].id, "6917d7584f0fa65c8c33df5ab20f54dfb9a6e6ae");
    assert!(!keys[0].has_signed(GITHUB_BODY.as_bytes(), GITHUB_SIGNATURE), "another key's");
    let body = br#"[{"type": "my_api_token", "token": "XXXXXXXXXXXXXXXX", "url": "https://example.com/some-repo/-/raw/abcdefghijklmnop/compromisedfile1.java"}]"#;
    assert_eq!(read_report(body).unwrap()[0].token(), "XXXXXXXXXXXXXXXX");
    let ours = SigningKey::from_slice(&[7; 32]).unwrap();
    let signature: Signature = ours.sign(body);
    let key = PartnerKey { id: "x".to_owned(), is_current: true, key: *ours.verifying_key() };
    assert!(key.has_signed(body, &STANDARD.encode(signature.to_der().as_bytes())));
}

#[test]
fn lists_of_keys_are_bounded_and_keys_of_other_kinds_passed_over() {
    let github = github_keys();
    let mixed = github.replacen(
        "[{",
        "[{\"key_identifier\": \"rsa\", \"key\": \"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\"}, {",
        1,
    );
    assert_eq!(read_keys(mixed.as_bytes()).unwrap().len(), 1);
    let key = github.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
    let many = format!("{{\"public_keys\": [{}]}}", vec![key; KEYS_MAX + 1].join(","));
    assert!(read_keys(many.as_bytes()).is_err());
    for bad in
        ["", "{}", "[]", "{\"public_keys\": []}", "{\"public_keys\": [{\"key_identifier\": \"x\", \"key\": \"y\"}]}"]
    {
        assert!(read_keys(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn reports_are_bounded_and_need_no_more_than_a_token() {
    let one = r#"{"token":"x"}"#;
    assert_eq!(read_report(format!("[{one}]").as_bytes()).unwrap().len(), 1);
    let with_more = r#"[{"token":"x","type":"t","url":null,"source":"COMMIT","more":{"a":1}}]"#;
    assert_eq!(read_report(with_more.as_bytes()).unwrap()[0].source, "COMMIT");
    assert!(read_report(format!("[{}]", vec![one; FINDINGS_MAX + 1].join(",")).as_bytes()).is_err());
    for bad in ["", "{}", "[1]", "[{\"type\":\"x\"}]", "[{\"token\":7}]"] {
        assert!(read_report(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn format() -> KeyFormat {
    KeyFormat {
        prefix: "ok".to_owned(),
        environments: Vec::new(),
        environment_in_key: false,
        separator: "_".to_owned(),
    }
}

#[test]
fn a_place_holds_neither_the_key_nor_other_secrets() {
    let (plain, _) = format().compose("live", &"BRTRKFsL".into(), "51FwqftsmMDHHbJAMEXXHC");
    let key = plain.reveal();
    let place = |url: &str| {
        let finding =
            Finding { token: key.to_owned(), kind: String::new(), url: url.to_owned(), source: String::new() };
        finding.place(&format())
    };
    for (url, expected) in [
        ("https://github.com/a/b/blob/c/d.txt", "https://github.com/a/b/blob/c/d.txt"),
        ("https://github.com/a/b/blob/c/d.txt?token=GHSAT0", "https://github.com/a/b/blob/c/d.txt"),
        ("https://me:pass@host.example/x@y", "https://host.example/x@y"),
        ("some_url", "some_url"),
        ("", ""),
        (&format!("https://x.example/{key}"), ""),
        (&format!("https://x.example/?q={}", key.replace('_', "%5F")), ""),
        (&format!("https://x.example/{}{key}", "a".repeat(290)), ""),
    ] {
        assert_eq!(place(url), expected, "{url}");
    }
    assert!(place(&format!("https://x.example/{}", "a".repeat(1000))).len() <= PLACE_BYTES);
    assert!(!place("https://x.example/\u{202e}evil").contains('\u{202e}'));
    let finding =
        Finding { token: key.to_owned(), kind: key.to_owned(), url: String::new(), source: "commit".to_owned() };
    assert_eq!(
        (finding.word(&finding.kind, &format()), finding.word(&finding.source, &format())),
        (String::new(), "commit".to_owned())
    );
}

fn secret(text: &str, valid_until: Option<Timestamp>) -> KeySecret {
    KeySecret {
        id: text.into(),
        hash: SecretHash::of(text),
        last4: text.to_owned(),
        created_at: Timestamp::from_micros(0),
        valid_until,
        first_used_at: None,
        last_used_at: None,
    }
}

#[test]
fn the_remedy_fits_the_secret_that_was_found() {
    let now = Timestamp::from_micros(1_000_000_000);
    let mut key = ApiKey {
        id: "BRTRKFsL".into(),
        org: "org_1".into(),
        profile: "prof_1".into(),
        owner: "usr_1".into(),
        name: "ci".to_owned(),
        note: String::new(),
        environment: "live".to_owned(),
        url_allowed: false,
        role_max: None,
        created_at: Timestamp::from_micros(0),
        expires_at: None,
        paused_at: None,
        revoked: None,
        last_use: None,
        current: secret("new", None),
        previous: Some(secret("old", Some(now.plus(Span::hours(1))))),
    };
    let found = |key: &ApiKey, text: &str| found_in(key, &SecretHash::of(text), now);
    assert_eq!(["new", "old", "older"].map(|text| found(&key, text)), [Found::Current, Found::InGrace, Found::Ended]);
    let what = |key: &ApiKey, found, on_leak| remedy(key, found, on_leak, now);
    for (found, revoke, alert) in [
        (Found::Current, Remedy::Revoke, Remedy::Tell),
        (Found::InGrace, Remedy::EndOldSecret, Remedy::Tell),
        (Found::Ended, Remedy::Nothing, Remedy::Nothing),
    ] {
        assert_eq!((what(&key, found, OnLeak::Revoke), what(&key, found, OnLeak::Alert)), (revoke, alert));
    }
    key.paused_at = Some(now);
    assert_eq!(what(&key, Found::Current, OnLeak::Revoke), Remedy::Revoke, "it could be resumed");
    key.previous = Some(secret("old", Some(now)));
    assert_eq!(found(&key, "old"), Found::Ended, "at its deadline it is over");
    key.expires_at = Some(now);
    assert_eq!(what(&key, Found::Current, OnLeak::Revoke), Remedy::Nothing);
    key.expires_at = None;
    key.revoked = Some(Revocation { at: now, by: None, reason: String::new() });
    assert_eq!(what(&key, Found::Current, OnLeak::Alert), Remedy::Nothing);
}

proptest::proptest! {
    #[test]
    fn whatever_is_sent_is_answered(body: Vec<u8>, text in "\\PC*", signature in "\\PC*") {
        let _ = read_keys(&body);
        let _ = read_report(text.as_bytes());
        if let Ok(keys) = read_keys(github_keys().as_bytes()) {
            assert!(!keys[0].has_signed(&body, &signature));
        }
        let finding = Finding { token: "x_y".to_owned(), kind: text.clone(), url: text.clone(), source: signature };
        assert!(finding.place(&format()).len() <= PLACE_BYTES + 3);
        let _ = finding.word(&text, &format());
    }
}
