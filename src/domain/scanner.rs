//! Rules by which secret scanners find this installation's keys, made from the format of its keys.

use super::ids::KeyId;
use super::token::{ID_CHARS, KeyFormat, RANDOM_CHARS, SECRET_CHARS};

/// An id that stands in examples; no key has it, because ids are random and this one is not made.
const EXAMPLE_ID: &str = "EXAMPLE0";

impl KeyFormat {
    /// A regular expression for whole keys, without what stands around them. It reads alike for RE2, PCRE, Python and
    /// Hyperscan, and holds no group.
    #[must_use]
    pub fn pattern(&self) -> String {
        let environment = match self.environments.as_slice() {
            _ if !self.environment_in_key => String::new(),
            [one] => format!("{one}_"),
            several => format!("(?:{})_", several.join("|")),
        };
        let Self { prefix, separator, .. } = self;
        if separator.is_empty() {
            return format!("{prefix}_{environment}[0-9A-Za-z]{{{}}}", ID_CHARS + SECRET_CHARS);
        }
        format!("{prefix}_{environment}[0-9A-Za-z]{{{ID_CHARS}}}{separator}[0-9A-Za-z]{{{SECRET_CHARS}}}")
    }

    /// A text with the form and the checksum of a key, which is no key.
    #[must_use]
    pub fn example(&self) -> String {
        let environment = self.environments().first().copied().unwrap_or_default().to_owned();
        let random = "0123456789abcdefghijkl";
        debug_assert_eq!(random.len(), RANDOM_CHARS);
        self.compose(&environment, &KeyId(EXAMPLE_ID.to_owned()), random).0.reveal().to_owned()
    }
}

/// How the rules are called: the product's name and a short form of it.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// For people: `Outkit`.
    pub product: &'a str,
    /// For ids: `outkit`.
    pub id: &'a str,
}

/// A rule for gitleaks, as a part of its `.gitleaks.toml`.
#[must_use]
pub fn gitleaks(format: &KeyFormat, named: &Named<'_>) -> String {
    let Named { product, id } = named;
    let (pattern, prefix) = (format.pattern(), &format.prefix);
    format!(
        "# gitleaks: add this to .gitleaks.toml.\n\
         # It goes by the form alone. The last two characters of a key are a checksum, which gitleaks cannot compute:\n\
         # {CHECKSUM}\n\
         [[rules]]\n\
         id = \"{id}-api-key\"\n\
         description = \"{} API key\"\n\
         regex = '''\\b({pattern})(?:[^0-9A-Za-z_]|$)'''\n\
         secretGroup = 1\n\
         keywords = [\"{prefix}_\"]\n",
        toml_text(product)
    )
}

const CHECKSUM: &str =
    "CRC-32 (ISO-HDLC) of all that stands before them, modulo 3844, as two base62 digits (0-9A-Za-z), high one first.";

/// What GitHub asks for in a custom pattern, and from those who enrol in its partner program.
#[must_use]
pub fn github(format: &KeyFormat, named: &Named<'_>) -> String {
    let (product, pattern, example) = (named.product, format.pattern(), format.example());
    format!(
        "Pattern name:    {product} API key\n\
         Secret format:   {pattern}\n\
         Before secret:   \\A|[^0-9A-Za-z_]\n\
         After secret:    \\z|[^0-9A-Za-z_]\n\
         Test string:     {example}\n\
         Checksum:        the last two characters are {CHECKSUM}\n"
    )
}

/// A plugin for detect-secrets: a Python file for `detect-secrets scan --plugin FILE`. It checks the checksum.
#[must_use]
pub fn detect_secrets(format: &KeyFormat, named: &Named<'_>) -> String {
    let (pattern, class) = (format.pattern(), class_name(named.id));
    let product = python_text(named.product);
    format!(
        r#"# detect-secrets: detect-secrets scan --plugin THIS_FILE
# The last two characters of a key are a checksum, so that what only looks like a key is not reported:
# {CHECKSUM}
import re
import zlib

from detect_secrets.plugins.base import RegexBasedDetector

DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'


def has_checksum(key):
    number = zlib.crc32(key[:-2].encode()) % 3844
    return key[-2:] == DIGITS[number // 62] + DIGITS[number % 62]


class {class}ApiKeyDetector(RegexBasedDetector):
    """Finds {product} API keys."""

    secret_type = '{product} API key'
    denylist = [re.compile(r'(?<![0-9A-Za-z_]){pattern}(?![0-9A-Za-z_])')]

    def analyze_string(self, string):
        for key in super().analyze_string(string):
            if has_checksum(key):
                yield key
"#
    )
}

/// `my-product` as `MyProduct`.
fn class_name(id: &str) -> String {
    let words = id.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'K');
    }
    name
}

fn python_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"")
}

fn toml_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
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

    #[test]
    fn the_pattern_says_what_the_format_is() {
        for (format, pattern) in [
            (format("ok", &[], "_"), "ok_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"),
            (format("rk_live", &[], ""), "rk_live_[0-9A-Za-z]{32}"),
            (format("key", &["live"], "_"), "key_live_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"),
            (format("key", &["live", "test"], ""), "key_(?:live|test)_[0-9A-Za-z]{32}"),
        ] {
            assert_eq!(format.pattern(), pattern);
            assert!(format.parse(&format.example()).is_some(), "{}", format.example());
        }
    }

    #[test]
    fn rules_carry_names_that_break_nothing() {
        let named = Named { product: "It's \"x\" \\", id: "9-my.product" };
        let format = format("ok", &[], "_");
        let rule: toml::Table = gitleaks(&format, &named).parse().unwrap();
        assert_eq!(rule["rules"][0]["description"].as_str(), Some("It's \"x\" \\ API key"));
        assert_eq!(rule["rules"][0]["id"].as_str(), Some("9-my.product-api-key"));
        let plugin = detect_secrets(&format, &named);
        assert!(
            plugin.contains("class K9MyProductApiKeyDetector(") && plugin.contains("'It\\'s \\\"x\\\" \\\\ API key'")
        );
        assert!(github(&format, &named).contains("ok_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"));
    }
}
