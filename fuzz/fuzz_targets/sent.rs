//! Texts that clients choose and that are stored: as they come, and with a key made of the input in their middle.
#![no_main]

#[path = "../../tests/it/fuzzed/properties.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    properties::no_part_of_a_key_is_kept(&text);
    let at = text.floor_char_boundary(data.first().map_or(0, |byte| usize::from(*byte)));
    properties::no_part_of_a_key_is_kept(&format!("{}{}{}", &text[..at], properties::key_of(data), &text[at..]));
});
