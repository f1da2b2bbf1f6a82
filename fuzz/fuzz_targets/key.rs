//! The text of a key: as it comes, and made of the input with one byte changed.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    properties::what_parses_composes_back(&String::from_utf8_lossy(data));
    let mut key = properties::key_of(data).into_bytes();
    properties::what_parses_composes_back(&String::from_utf8_lossy(&key));
    if let [.., place, byte] = data {
        let at = usize::from(*place) % key.len();
        key[at] = *byte;
        properties::what_parses_composes_back(&String::from_utf8_lossy(&key));
    }
});
