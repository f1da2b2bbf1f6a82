//! What strangers send, in thousands of random forms: arbitrary bytes, and good inputs with a few slips. `fuzz/` does the same
//! under a fuzzer, for hours.

mod properties;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use properties::{
    a_proxys_word_is_taken_when_it_is_clear, a_query_holds_one_credential_or_none, headers_hold_one_credential_or_none,
    key_of, no_part_of_a_key_is_kept, the_operators_requirement_stays, what_parses_composes_back,
};

fn anything() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

/// These bytes with up to three slips: one changed, put in, left out, or the rest cut off.
fn mutated(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), select(b" \t,=_-&?%/.\0kKrR09".to_vec())];
    (good, vec((any::<Index>(), 0..4_u8, byte), 0..4)).prop_map(|(mut bytes, slips)| {
        for (place, kind, byte) in slips {
            let at = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                _ if at == bytes.len() => bytes.push(byte),
                2 => bytes[at] = byte,
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 32).prop_map(|bytes| key_of(&bytes).into_bytes())
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    let lead = select(vec!["Bearer ", "bearer   ", "BEARER ", "Basic ", "Bearer", ""]);
    let long = (505..520_usize).prop_map(|count| vec![b'k'; count]);
    (lead, prop_oneof![4 => key(), 1 => long]).prop_map(|(lead, key)| [lead.as_bytes(), &key].concat())
}

fn words(words: &'static [&'static str], count: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(select(words), 0..count).prop_map(|words| words.concat().into_bytes())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const QUERY: &[&str] = &["token", "api_key", "%74oken", "=", "=", "&", "&", "k_1", "%6b", "%", "+", "a", "%26", "%3D"];
/// Each line a header, by its first byte: 0 and 1 are addresses, 2 and 3 methods.
const PROXY: &[&str] =
    &["\n\0", "\n\x01", "\n\x02", "\n\x03", "/hooks", "/", "?", "token=k", "..", "%2e", "PUT", "GET"];
const PATH: &[&str] =
    &["/", "require", "role:", "owner", "builder", "envoy", "nginx", "%2F", "..", "v1/auth", "?", "ü"];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_stands_in_a_header_is_one_credential_or_none(bytes in prop_oneof![anything(), mutated(header())]) {
        headers_hold_one_credential_or_none(&bytes);
    }

    #[test]
    fn whatever_stands_in_a_query_is_one_credential_or_none(
        bytes in prop_oneof![anything(), mutated(words(QUERY, 10))],
    ) {
        a_query_holds_one_credential_or_none(&text(&bytes));
    }

    #[test]
    fn whatever_is_read_as_a_key_composes_back_to_the_same_text(
        before in "[a_kr]{0,4}",
        bytes in prop_oneof![anything(), mutated(key()), key()],
        after in "[_0-9A-Za-zü]{0,4}",
    ) {
        what_parses_composes_back(&text(&bytes));
        what_parses_composes_back(&format!("{before}{}{after}", text(&bytes)));
    }

    #[test]
    fn whatever_is_stored_of_a_text_holds_no_part_of_a_key(before in "[a_kr%/ü]{0,70}", key in key(), after in "[a_kr]{0,4}") {
        no_part_of_a_key_is_kept(&text(&[before.as_bytes(), &key, after.as_bytes()].concat()));
        no_part_of_a_key_is_kept(&before);
    }

    #[test]
    fn whatever_proxies_say_is_taken_only_when_it_is_clear(bytes in prop_oneof![anything(), mutated(words(PROXY, 12))]) {
        a_proxys_word_is_taken_when_it_is_clear(&bytes);
    }

    #[test]
    fn whatever_clients_append_the_operators_requirement_stays(
        bytes in prop_oneof![anything(), mutated(words(PATH, 10))],
    ) {
        the_operators_requirement_stays(&text(&bytes));
    }
}
