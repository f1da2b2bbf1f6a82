//! Keys in the query of a URL.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|query: &str| properties::a_query_holds_one_credential_or_none(query));
