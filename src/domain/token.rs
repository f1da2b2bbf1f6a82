//! The text of a key: how it is made, read, checked and shown.
//!
//! `PREFIX_[ENVIRONMENT_]` + 8 base62 characters of id + separator + 24 base62 characters of secret. The last
//! two characters of the secret are CRC-32 (ISO-HDLC) of everything that stands before them, modulo 3844, as two
//! base62 digits, high one first (digits `0-9A-Za-z`). 22 random characters remain: 131 bits.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::ids::{BASE62, KeyId};
use super::names::Name;

/// Characters of the id within a key.
pub const ID_CHARS: usize = 8;
/// Characters of the secret within a key, checksum included.
pub const SECRET_CHARS: usize = 24;
/// Random characters of the secret, checksum excluded.
pub const RANDOM_CHARS: usize = SECRET_CHARS - 2;
/// What stands for the hidden part of a key.
pub const MASK: &str = "••••••••";

/// How this installation's keys look; the operator's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFormat {
    /// Without the underscore that follows it: `ok`, `rk_live`.
    pub prefix: String,
    /// The environments a key may belong to; empty means there is only one, `live`.
    pub environments: Vec<String>,
    /// Whether the environment stands in the key, after the prefix.
    pub environment_in_key: bool,
    /// Between id and secret: `_` or nothing.
    pub separator: String,
}

/// The environment of keys where the operator names none.
pub const ONLY_ENVIRONMENT: &str = "live";

/// The secret half of a key in plain text. Cannot be printed, copied into a log or serialised by accident.
pub struct Secret(String);

/// SHA-256 of a secret: the only form that is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

/// A whole key in plain text, for the one answer that shows it.
pub struct PlainKey(String);

/// What a well-formed key says of itself.
pub struct ParsedKey {
    /// Which key it claims to be.
    pub id: KeyId,
    /// The secret to be checked.
    pub secret: Secret,
}

impl KeyFormat {
    /// Everything before the id for a key of this environment.
    #[must_use]
    pub fn lead(&self, environment: &str) -> String {
        let mut lead = String::new();
        self.put_lead(environment, &mut lead);
        lead
    }

    fn put_lead(&self, environment: &str, text: &mut String) {
        let environment = if self.environment_in_key { [environment, "_"] } else { ["", ""] };
        for part in [&self.prefix, "_"].into_iter().chain(environment) {
            text.push_str(part);
        }
    }

    /// The environments a key may have, never empty.
    #[must_use]
    pub fn environments(&self) -> Vec<&str> {
        if self.environments.is_empty() {
            vec![ONLY_ENVIRONMENT]
        } else {
            self.environments.iter().map(String::as_str).collect()
        }
    }

    /// Puts a key together from its id and 22 random base62 characters.
    #[must_use]
    pub fn compose(&self, environment: &str, id: &KeyId, random: &str) -> (PlainKey, Secret) {
        let head = format!("{}{id}{}{random}", self.lead(environment), self.separator);
        let sum: String = checksum(&head).into_iter().map(char::from).collect();
        let secret = format!("{random}{sum}");
        (PlainKey(format!("{head}{sum}")), Secret(secret))
    }

    /// Reads a key. Nothing for a wrong prefix, length, character or checksum: such a text was never a key.
    #[must_use]
    pub fn parse(&self, token: &str) -> Option<ParsedKey> {
        let (id, secret) = self.split(token)?;
        Some(ParsedKey { id: KeyId(id.to_owned()), secret: Secret(secret.0.to_owned()) })
    }

    /// Reads a key like [`Self::parse`], without copying it: the id and the secret within the text.
    #[must_use]
    pub fn split<'t>(&self, token: &'t str) -> Option<(&'t str, SecretText<'t>)> {
        let rest = token.strip_prefix(self.prefix.as_str())?.strip_prefix('_')?;
        let body = if self.environment_in_key {
            self.environments.iter().find_map(|env| rest.strip_prefix(env.as_str())?.strip_prefix('_'))?
        } else {
            rest
        };
        if body.len() != ID_CHARS + self.separator.len() + SECRET_CHARS || !body.is_ascii() {
            return None;
        }
        let (id, tail) = body.split_at(ID_CHARS);
        let secret = tail.strip_prefix(self.separator.as_str())?;
        // All of them are looked at, many at once: to stop at the first wrong one would take longer for every good key.
        let base62 = |text: &str| text.bytes().fold(true, |good, byte| good & byte.is_ascii_alphanumeric());
        let (head, sum) = token.split_at(token.len() - 2);
        if !base62(id) || !base62(secret) || checksum(head) != sum.as_bytes() {
            return None;
        }
        Some((id, SecretText(secret)))
    }

    /// What may be shown of a key: the first 8 characters, or as many as it takes to show 5 of the id, then bullets.
    #[must_use]
    pub fn mask(&self, environment: &str, id: &str) -> String {
        let mut text = String::new();
        self.put_mask(environment, id, &mut text);
        text
    }

    /// Appends the same to a text.
    pub fn put_mask(&self, environment: &str, id: &str, text: &mut String) {
        let before = text.len();
        self.put_lead(environment, text);
        let shown = (text.len() + 5).max(before + 8);
        text.push_str(id);
        text.truncate(shown);
        text.push_str(MASK);
    }

    /// The id of a whole key that stands anywhere in a text, pasted there by mistake.
    #[must_use]
    pub fn find_key(&self, text: &str) -> Option<KeyId> {
        self.find_token(text).and_then(|token| self.parse(token)).map(|found| found.id)
    }

    /// The first whole key that stands anywhere in a text.
    #[must_use]
    pub fn find_token<'t>(&self, text: &'t str) -> Option<&'t str> {
        let tail = ID_CHARS + self.separator.len() + SECRET_CHARS;
        let lengths: Vec<usize> = self.environments().iter().map(|env| self.lead(env).len() + tail).collect();
        let key_at = |at: usize| {
            lengths.iter().find_map(|length| text.get(at..at + length).filter(|part| self.split(part).is_some()))
        };
        // At every place, and not by `match_indices`: with a prefix like `aa` that passes over the second `a` of `aaa`.
        text.char_indices()
            .filter(|(at, _)| text[*at..].starts_with(self.prefix.as_str()))
            .find_map(|(at, _)| key_at(at))
    }

    /// A name in which no key stands; `what` completes the sentence “Enter a name for …”.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse_name(&self, text: &str, what: &str) -> Result<Name, String> {
        let name = Name::parse(text, what)?;
        self.refuse_key(name.as_str()).map(|()| name)
    }

    /// Refuses a text in which a whole key stands: what is typed into a field is stored and shown.
    ///
    /// # Errors
    /// A sentence for the person who pasted it.
    pub fn refuse_key(&self, text: &str) -> Result<(), String> {
        match self.find_key(text) {
            Some(id) => Err(format!("Remove the API key {id} from this text, and rotate it: it may be known now.")),
            None => Ok(()),
        }
    }
}

pub(super) fn checksum(head: &str) -> [u8; 2] {
    let sum = crc32fast::hash(head.as_bytes()) % 3844;
    let digit = |value: u32| BASE62[value as usize % 62];
    [digit(sum / 62), digit(sum)]
}

/// The secret half of a key within a text that a client sent. Cannot be printed either.
pub struct SecretText<'t>(&'t str);

impl SecretText<'static> {
    /// As long as any, for what takes as long as any.
    pub const NONE: Self = Self("------------------------");
}

impl SecretText<'_> {
    /// Its SHA-256.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0)
    }
}

impl Secret {
    /// Its SHA-256.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// Its last four characters, kept to tell old from new while a key is being rotated.
    #[must_use]
    pub fn last4(&self) -> String {
        self.0[self.0.len().saturating_sub(4)..].to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl PlainKey {
    /// The plain text. Call it only where the one answer is written that may hold it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKey(hidden)")
    }
}

impl SecretHash {
    /// SHA-256 of any secret text of ours.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// 64 lower-case hexadecimal characters, as stored.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads what `to_hex` wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let pairs: &[[u8; 2]; 32] = text.as_bytes().as_chunks().0.try_into().ok().filter(|_| text.len() == 64)?;
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// Its first 8 bytes as a number: tells the secrets of one key apart where they are counted, and opens nothing.
    #[must_use]
    pub const fn tag(&self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        // By numbers of eight bytes, for it is asked on every check.
        let (ours, theirs) = (self.0.as_chunks::<8>().0, other.0.as_chunks::<8>().0);
        let same = ours.iter().zip(theirs).map(|(a, b)| u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b)));
        same.fold(Choice::from(1), |all, same| all & same).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(hidden)")
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(prefix: &str, environments: &[&str], separator: &str) -> KeyFormat {
        KeyFormat {
            prefix: prefix.to_owned(),
            environments: environments.iter().map(|&env| env.to_owned()).collect(),
            environment_in_key: !environments.is_empty(),
            separator: separator.to_owned(),
        }
    }

    const RANDOM: &str = "51FwqftsmMDHHbJAMEXXHC";

    #[test]
    fn the_published_hash_vector_holds() {
        let hash = SecretHash::of("51FwqftsmMDHHbJAMEXXHCgG");
        assert_eq!(hash.to_hex(), "d70d981d87b449c107327c2a2afbf00d4b58070d6ba571aac35d7ea3e7c79f37");
        assert_eq!(SecretHash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(SecretHash::from_hex("zz"), None);
    }

    #[test]
    fn the_checksum_vector_holds() {
        let (key, secret) = format("ok", &[], "_").compose("live", &"BRTRKFsL".into(), RANDOM);
        assert_eq!(key.reveal(), "ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgB");
        assert_eq!(secret.last4(), "HCgB");
    }

    #[test]
    fn every_format_reads_what_it_wrote_and_nothing_else() {
        for (format, environment, length) in [
            (format("ok", &[], "_"), "live", 36),
            (format("rk_live", &[], ""), "live", 40),
            (format("key", &["live", "test"], "_"), "test", 42),
        ] {
            let (key, secret) = format.compose(environment, &"BRTRKFsL".into(), RANDOM);
            let text = key.reveal();
            assert_eq!(text.len(), length, "{text}");
            let parsed = format.parse(text).expect("reads its own key");
            assert_eq!(parsed.id.as_str(), "BRTRKFsL");
            assert!(parsed.secret.hash().matches(&secret.hash()));
            for at in 0..text.len() {
                let mut other = text.to_owned().into_bytes();
                other[at] = if other[at] == b'x' { b'y' } else { b'x' };
                let other = String::from_utf8(other).expect("ascii");
                assert!(format.parse(&other).is_none(), "{other} differs at {at}");
            }
            for wrong in ["", "ok_", &text[1..], &format!("{text}x"), &format!(" {text}"), "ok_ÄÖÜ"] {
                assert!(format.parse(wrong).is_none(), "{wrong:?}");
            }
        }
    }

    #[test]
    fn a_key_is_found_in_a_text() {
        for format in [format("ok", &[], "_"), format("key", &["live", "test"], "")] {
            let environment = format.environments()[0];
            let (key, _) = format.compose(environment, &"BRTRKFsL".into(), RANDOM);
            let text = format!("ok_ key_ see {} there", key.reveal());
            assert_eq!(format.find_key(&text), Some("BRTRKFsL".into()));
            assert!(format.refuse_key(&text).is_err_and(|words| !words.contains(RANDOM)));
            assert_eq!(format.find_key(&text.replace("FsL", "FsM")), None);
        }
        let doubled = format("aa", &[], "_");
        let (key, _) = doubled.compose("live", &"BRTRKFsL".into(), RANDOM);
        assert_eq!(doubled.find_key(&format!("a{}", key.reveal())), Some("BRTRKFsL".into()));
    }

    #[test]
    fn the_mask_shows_five_characters_of_the_id() {
        let id = "BRTRKFsL";
        assert_eq!(format("ok", &[], "_").mask("live", id), "ok_BRTRK••••••••");
        assert_eq!(format("rk_live", &[], "").mask("live", id), "rk_live_BRTRK••••••••");
        assert_eq!(format("k", &[], "_").mask("live", id), "k_BRTRKF••••••••");
        assert_eq!(format("k", &["live", "test"], "_").mask("test", id), "k_test_BRTRK••••••••");
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let (key, secret) = format("ok", &[], "_").compose("live", &"BRTRKFsL".into(), RANDOM);
        assert_eq!(
            format!("{key:?} {secret:?} {:?}", secret.hash()),
            "PlainKey(hidden) Secret(hidden) SecretHash(hidden)"
        );
    }

    #[test]
    fn a_hash_matches_itself_and_none_that_differs_in_a_single_bit() {
        let hash = SecretHash::of("secret");
        assert!(hash.matches(&hash));
        for bit in 0..256 {
            let mut other = hash;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!hash.matches(&other) && !other.matches(&hash), "bit {bit}");
        }
    }
}
