//! JSON written piece by piece. Only for an answer of which there are so many that going through serde took a tenth of all
//! that they cost; a test beside it holds it to what serde would have written.

use super::hot::Short;
use crate::domain::time::Timestamp;

/// What was written so far. Nobody sees to it that it is JSON but whoever writes.
pub(super) struct JsonText(Vec<u8>);

impl JsonText {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Words of our own, as they are.
    pub(super) fn raw(&mut self, json: &'static str) -> &mut Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// A text between quotation marks.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let is_plain = text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
        if is_plain {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
        } else {
            // Writing a text to memory cannot fail.
            let _ = serde_json::to_writer(&mut self.0, text);
        }
        self
    }

    /// The same, or null.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    pub(super) fn number(&mut self, number: u32) -> &mut Self {
        let mut digits = Short::<10>::new();
        digits.push_number(number);
        self.0.extend_from_slice(digits.as_str().as_bytes());
        self
    }

    pub(super) fn time(&mut self, at: Timestamp) -> &mut Self {
        at.with_text(|text| {
            self.text(text);
        });
        self
    }

    pub(super) fn time_or_null(&mut self, at: Option<Timestamp>) -> &mut Self {
        match at {
            Some(at) => self.time(at),
            None => self.raw("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_and_numbers_are_those_of_serde(text: String, number: u32, micros in -60_000_000_000_000_000..250_000_000_000_000_000_i64) {
            let at = Timestamp::from_micros(micros);
            let mut json = JsonText::with_capacity(0);
            json.raw("[").text(&text).raw(",").number(number).raw(",").time(at).raw(",").time_or_null(None).raw("]");
            let expected = serde_json::to_vec(&(&text, number, at, None::<Timestamp>));
            proptest::prop_assert_eq!(json.into_bytes(), expected.unwrap());
        }
    }

    #[test]
    fn what_would_end_a_text_is_escaped() {
        for text in ["", "\"", "\\", "a\"b", "\u{1f}", "\u{7f}", "ü\n", "</script>"] {
            let mut json = JsonText::with_capacity(0);
            json.text(text);
            assert_eq!(json.into_bytes(), serde_json::to_vec(text).unwrap(), "{text:?}");
        }
    }
}
