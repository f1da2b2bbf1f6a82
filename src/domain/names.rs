//! What people type: parsed once at the edge, so that everything behind it may trust the type.

use super::org::Role;

/// A name for people to read: a key, an organization, a profile, a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// Longest name in characters.
pub const NAME_CHARS_MAX: usize = 60;
/// Longest note or reason in characters.
pub const NOTE_CHARS_MAX: usize = 200;
/// Shortest password in characters (ASVS 5.0 V6.2.1).
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longest password in bytes: bounds the work that a sign-in can ask for.
pub const PASSWORD_BYTES_MAX: usize = 1024;

impl Name {
    /// Trims and checks a name of 1 to 60 visible characters. `what` completes the sentence “Enter a name for …”.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse(text: &str, what: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("Enter a name for {what}."));
        }
        check_text(text, NAME_CHARS_MAX)?;
        if !text.chars().any(char::is_alphanumeric) {
            return Err("Use at least one letter or digit.".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The trimmed text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An optional note of up to 200 characters; empty means none.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse_note(text: &str) -> Result<String, String> {
    let text = text.trim();
    check_text(text, NOTE_CHARS_MAX)?;
    Ok(text.to_owned())
}

fn check_text(text: &str, chars_max: usize) -> Result<(), String> {
    let count = text.chars().count();
    if count > chars_max {
        return Err(format!("Use {chars_max} characters at most; this is {count}."));
    }
    match text.chars().find(|&c| is_deceptive(c)) {
        Some(c) => Err(format!("Remove the invisible character U+{:04X}.", u32::from(c))),
        None => Ok(()),
    }
}

/// Characters that hide, reorder or drive a terminal: controls, bidi marks and zero-width spaces
/// (Unicode TR 36; “Trojan Source”, CVE-2021-42574).
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A lower-case e-mail address: one `@`, something on either side, no spaces, 254 bytes at most (RFC 5321).
/// Whether mail arrives there is only known by sending some.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse_email(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let wrong = || "Enter an e-mail address like ada@example.com.".to_owned();
    let (local, host) = text.split_once('@').ok_or_else(wrong)?;
    let sane = |c: char| !c.is_whitespace() && !is_deceptive(c) && !matches!(c, '<' | '>' | '"' | ',' | ';' | '@');
    if local.is_empty() || host.is_empty() || text.len() > 254 || !text.chars().all(|c| c == '@' || sane(c)) {
        return Err(wrong());
    }
    if host.contains('@') || host.starts_with('.') || host.ends_with('.') {
        return Err(wrong());
    }
    Ok(text)
}

/// A password good enough to keep; `about` holds words that must not be it (e-mail, name).
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check_password(password: &str, about: &[&str]) -> Result<(), String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(format!("Use at least {PASSWORD_CHARS_MIN} characters."));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("Use {PASSWORD_BYTES_MAX} bytes at most."));
    }
    let lower = password.to_lowercase();
    if is_common_password(&lower) || about.iter().any(|word| !word.is_empty() && lower == word.to_lowercase()) {
        return Err("This password is easy to guess. Choose another, for example four random words.".to_owned());
    }
    Ok(())
}

/// The common ones that are long enough to pass the length rule: a repeated part, a run, or a listed word.
fn is_common_password(lower: &str) -> bool {
    const LISTED: &[&str] = &[
        "password",
        "passwort",
        "passw0rd",
        "qwertyuiop",
        "qwerty123",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "letmein",
        "iloveyou",
        "administrator",
        "welcome",
        "changeme",
        "keyrack",
        "football",
        "baseball",
        "sunshine",
        "princess",
        "superman",
        "trustno1",
        "starwars",
        "computer",
        "michelle",
        "internet",
        "samantha",
        "liverpool",
        "manchester",
        "asdfghjkl",
        "zxcvbnm",
        "q1w2e3r4t5",
        "abcdefghij",
        "1234567890",
        "0987654321",
        "9876543210",
    ];
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let squeezed = if core.is_empty() { lower } else { core };
    let chars: Vec<char> = lower.chars().collect();
    let repeats =
        (1..=4).any(|size| chars.len().is_multiple_of(size) && chars.chunks(size).all(|part| part == &chars[..size]));
    let run = chars.windows(2).all(|pair| u32::from(pair[1]).abs_diff(u32::from(pair[0])) <= 1);
    repeats || run || LISTED.iter().any(|word| *word == squeezed || *word == lower)
}

/// The slug of an organization: lower-case letters, digits and single hyphens, 1 to 40 characters.
#[must_use]
pub fn slug_from(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(40).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "org".to_owned() } else { slug.to_owned() }
}

/// A role by its name.
///
/// # Errors
/// A sentence for the person who chose it.
pub fn parse_role(text: &str) -> Result<Role, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_sixty_visible_characters() {
        assert_eq!(Name::parse("  CI/CD pipeline ", "this key").map(|n| n.0), Ok("CI/CD pipeline".to_owned()));
        assert!(Name::parse(&"ä".repeat(60), "this key").is_ok());
        for wrong in ["", "   ", "---", &"x".repeat(61), "a\nb", "a\u{202E}b", "a\u{200B}b", "a\u{1b}[31m"] {
            assert!(Name::parse(wrong, "this key").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn e_mail_addresses_are_lower_cased_and_sane() {
        assert_eq!(parse_email(" Ada@Example.COM "), Ok("ada@example.com".to_owned()));
        for wrong in ["", "ada", "@x", "a@", "a b@x.y", "a@b@c", "a@.x", "a@x.", "a\u{202E}@x.y", "<a@x.y>"] {
            assert!(parse_email(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn easy_passwords_are_refused() {
        for wrong in
            ["short", "1234567890", "aaaaaaaaaaaa", "abcabcabcabc", "Password!!", "password123", "ada@example.com"]
        {
            assert!(check_password(wrong, &["ada@example.com"]).is_err(), "{wrong}");
        }
        assert!(check_password("correct horse battery", &[]).is_ok());
        assert!(check_password(&"x y".repeat(400), &[]).is_err());
    }

    #[test]
    fn slugs_come_from_names() {
        assert_eq!(slug_from("Acme & Söhne, Inc."), "acme-s-hne-inc");
        assert_eq!(slug_from("  "), "org");
    }
}
