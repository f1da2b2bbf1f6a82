//! What a client appends to the operator's path.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|path: &str| properties::the_operators_requirement_stays(path));
