//! The values of `Authorization` and `X-Api-Key`.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|value: &[u8]| properties::headers_hold_one_credential_or_none(value));
