//! What proxies say of the client's request.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|lines: &[u8]| properties::a_proxys_word_is_taken_when_it_is_clear(lines));
