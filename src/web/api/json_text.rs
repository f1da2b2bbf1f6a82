//! JSON written piece by piece. Only for an answer of which there are so many that going through serde took a tenth of all
//! that they cost; a test beside it holds it to what serde would have written.

use std::cell::Cell;

use actix_web::web::Bytes;

use super::hot;
use crate::domain::time::Timestamp;

/// What was written so far. Nobody sees to it that it is JSON but whoever writes.
pub(super) struct JsonText(String);

impl JsonText {
    /// What `write` writes. It is written into memory that is used again for the next, and so is near.
    pub(super) fn written_by(write: impl FnOnce(&mut Self)) -> Bytes {
        thread_local!(static ROOM: Cell<String> = const { Cell::new(String::new()) });
        let mut json = Self(ROOM.take());
        json.0.clear();
        write(&mut json);
        let bytes = hot::copied(json.0.as_bytes());
        ROOM.set(json.0);
        bytes
    }

    /// JSON, as it is.
    #[inline]
    pub(super) fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// A text between quotation marks in which nothing needs to be escaped, as in ids and words of our own.
    #[inline]
    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        debug_assert!(is_plain(text), "{text:?}");
        self.raw("\"").raw(text).raw("\"")
    }

    /// A text between quotation marks.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        if is_plain(text) {
            return self.raw("\"").raw(text).raw("\"");
        }
        // A text can always be written.
        self.raw(&serde_json::to_string(text).unwrap_or_default())
    }

    /// A text that `put` writes to the end of what it is lent, between quotation marks.
    pub(super) fn text_by(&mut self, put: impl FnOnce(&mut String)) -> &mut Self {
        let begins = self.0.len();
        self.raw("\"");
        put(&mut self.0);
        if is_plain(&self.0[begins + 1..]) {
            return self.raw("\"");
        }
        let text = self.0.split_off(begins);
        self.text(&text[1..])
    }

    /// A word of ours between quotation marks, or null.
    pub(super) fn word_or_null(&mut self, word: Option<&'static str>) -> &mut Self {
        match word {
            Some(word) => self.plain(word),
            None => self.raw("null"),
        }
    }

    pub(super) fn number(&mut self, number: u32) -> &mut Self {
        self.raw(itoa::Buffer::new().format(number))
    }

    pub(super) fn time(&mut self, at: Timestamp) -> &mut Self {
        at.with_text(|text| {
            self.plain(text);
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

/// Whether a text stands in JSON as it is. Eight bytes at a time: one by one it took longer than to copy them.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    // The high bit of each byte that is 0 before; of others too, but only above such a one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let special = |word: u64| {
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        controls | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')))
    };
    eights.iter().fold(0, |found, bytes| found | special(u64::from_ne_bytes(*bytes))) == 0
        && rest.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_and_numbers_are_those_of_serde(text: String, number: u32, micros in -60_000_000_000_000_000..250_000_000_000_000_000_i64) {
            let at = Timestamp::from_micros(micros);
            let written = JsonText::written_by(|json| {
                json.raw("[").text(&text).raw(",").text_by(|room| room.push_str(&text)).raw(",").number(number);
                json.raw(",").time(at).raw(",").time_or_null(None).raw("]");
            });
            let expected = serde_json::to_vec(&(&text, &text, number, at, None::<Timestamp>));
            proptest::prop_assert_eq!(written, expected.unwrap());
        }
    }

    #[test]
    fn what_would_end_a_text_is_escaped() {
        for text in [
            "",
            "\"",
            "\\",
            "a\"b",
            "\u{1f}",
            "\u{7f}",
            "ü\n",
            "</script>",
            "1234567\"",
            "12345678\\",
            "\u{80}12345678\u{1f}",
            "1234567ü\t",
        ] {
            let written = JsonText::written_by(|json| {
                json.text(text);
            });
            assert_eq!(written, serde_json::to_vec(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn what_is_plain_is_what_serde_leaves_as_it_is() {
        let usual = "abcdefghijklmnopqrst";
        for (place, special) in
            (0..usual.len()).flat_map(|place| (0..=0xff_u8).map(move |byte| (place, char::from(byte))))
        {
            let text = format!("{}{special}{}", &usual[..place], &usual[place..]);
            let is_as_it_is = serde_json::to_string(&text).unwrap() == format!("\"{text}\"");
            assert_eq!(is_plain(&text), is_as_it_is, "{text:?}");
        }
    }
}
