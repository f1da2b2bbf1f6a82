//! From where keys were used in a window of time: address and client of each, as long as somebody names them.

/// Bytes beyond which those that nobody names any more are left out: some 80 000 texts.
const ROOM: usize = 4 << 20;

/// Where address and client stand, one behind the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text {
    begin: usize,
    address_bytes: usize,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Texts {
    all: String,
    last: Text,
    many: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self { all: String::new(), last: Text::default(), many: ROOM }
    }
}

impl Texts {
    /// Address and client.
    pub(super) fn get(&self, Text { begin, address_bytes, bytes }: Text) -> (&str, &str) {
        self.all[begin..begin + bytes].split_at(address_bytes)
    }

    /// Where these stand. Most often they are those that were put before.
    pub(super) fn put(&mut self, (address, client): (&str, &str)) -> Text {
        if self.get(self.last) != (address, client) {
            let (begin, bytes) = (self.all.len(), address.len() + client.len());
            self.last = Text { begin, address_bytes: address.len(), bytes };
            self.all.push_str(address);
            self.all.push_str(client);
        }
        self.last
    }

    /// Whether it is time to [`Self::keep`] only some.
    pub(super) fn are_many(&self) -> bool {
        self.all.len() > self.many
    }

    /// Forgets all texts but those that are named here. One that several name may stand there several times then.
    pub(super) fn keep<'t>(&mut self, named: impl Iterator<Item = &'t mut Text>) {
        let old = std::mem::take(self);
        for text in named {
            *text = self.put(old.get(*text));
        }
        // As much again, or there would be no end of it where all are named.
        self.many = ROOM.max(2 * self.all.len());
    }

    /// Forgets all, and keeps a usual amount of memory for what comes.
    pub(super) fn begin_anew(&mut self) {
        self.all.clear();
        self.all.shrink_to(ROOM / 4);
        (self.last, self.many) = (Text::default(), ROOM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: usize) -> String {
        format!("{number:0200}")
    }

    /// Puts so many, of which one in `of` is named at a time.
    fn put_many(texts: &mut Texts, count: usize, of: usize) -> Vec<Text> {
        let mut named = vec![Text::default(); of];
        for number in 0..count {
            named[number % of] = texts.put(("192.0.2.1", &client(number)));
            if texts.are_many() {
                texts.keep(named.iter_mut());
            }
        }
        named
    }

    #[test]
    fn those_that_nobody_names_do_not_pile_up() {
        let (mut texts, count) = (Texts::default(), 5 * ROOM / 200);
        let named = put_many(&mut texts, count, 7);
        assert!(texts.all.len() <= ROOM + 300, "{}", texts.all.len());
        for number in count - 7..count {
            assert_eq!(texts.get(named[number % 7]), ("192.0.2.1", &*client(number)));
        }
    }

    #[test]
    fn all_that_are_named_stay_and_their_memory_is_given_back() {
        let (mut texts, count) = (Texts::default(), 5 * ROOM / 200);
        let named = put_many(&mut texts, count, count);
        assert!(texts.all.len() > 5 * ROOM);
        for (number, text) in named.iter().enumerate() {
            assert_eq!(texts.get(*text), ("192.0.2.1", &*client(number)));
        }
        texts.begin_anew();
        assert!(texts.all.capacity() <= ROOM / 4);
        assert_eq!(texts.get(texts.last), ("", ""));
        assert_eq!((texts.put(("", "")).bytes, texts.put(("a", "")).bytes), (0, 1));
    }

    #[test]
    fn what_was_put_before_is_not_put_again() {
        let mut texts = Texts::default();
        let places = [("a", "bc"), ("a", "bc"), ("ab", "c"), ("ab", "c"), ("a", "bc")];
        let put: Vec<Text> = places.into_iter().map(|place| texts.put(place)).collect();
        assert_eq!(texts.all, "abcabcabc");
        put.into_iter().zip(places).for_each(|(text, place)| assert_eq!(texts.get(text), place));
    }
}
