//! Which key is meant: by its id, the beginning of its id, or its name. A secret in that place is refused, and not repeated.

use super::answers::{Key, Listing};
use super::context::Session;
use super::text::clean;
use crate::cli::CliError;
use crate::domain::token::{ID_CHARS, SECRET_CHARS};

/// Fewer characters of an id are a guess.
const PREFIX_CHARS_MIN: usize = 4;
const PAGE: &str = "200";

/// The one key that is meant.
///
/// # Errors
/// When there is none (not found), when there are several (usage, with the list), or when a secret was pasted (usage).
pub(in crate::cli) fn find_key(session: &Session<'_>, text: &str) -> Result<Key, CliError> {
    refuse_secret(text, &session.context.brand.cli)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(CliError::usage("Which key? Give its id or its name."));
    }
    let keys = fetch(session, text)?;
    choose(keys, text).map_err(|found| match found.as_slice() {
        [] => CliError::not_found(format!(
            "There is no key “{}” that you may see. Look: {} keys list --all",
            clean(text),
            session.context.brand.cli
        )),
        several => {
            let lines = several.iter().map(|key| format!("  {}  {}  {}", key.id, clean(&key.name), key.status));
            let lines: Vec<String> = lines.collect();
            CliError::usage(format!("“{}” is more than one key. Give the id:\n{}", clean(text), lines.join("\n")))
        }
    })
}

fn fetch(session: &Session<'_>, text: &str) -> Result<Vec<Key>, CliError> {
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("q", text), ("all", "true"), ("limit", PAGE)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page: Listing<Key> = session.http.get("/v1/keys", &query)?;
        keys.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(keys);
        }
    }
}

/// The key meant among those found; else those that it could be. Keys that work go before keys that ended.
fn choose(keys: Vec<Key>, text: &str) -> Result<Key, Vec<Key>> {
    if let Some(key) = keys.iter().find(|key| key.id == text) {
        return Ok(key.clone());
    }
    let is_prefix = |key: &Key| text.len() >= PREFIX_CHARS_MIN && key.id.starts_with(text);
    let matches: Vec<Key> = keys.into_iter().filter(|key| key.name == text || is_prefix(key)).collect();
    let alive: Vec<Key> = matches.iter().filter(|key| key.is_alive()).cloned().collect();
    let mut left = if alive.is_empty() { matches } else { alive };
    if left.len() == 1 { left.pop().ok_or_else(Vec::new) } else { Err(left) }
}

/// Refuses what looks like a secret.
///
/// # Errors
/// A mistake of usage that does not repeat it.
pub(in crate::cli) fn refuse_secret(text: &str, cli: &str) -> Result<(), CliError> {
    if !looks_like_secret(text) {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "That looks like a secret, not an id. It may be in your shell's history now: rotate that key.\n\
         Its id stands in the list: {cli} keys list, then {cli} keys rotate ID"
    )))
}

/// A long word whose last part is as long as a secret and made like one.
pub(in crate::cli) fn looks_like_secret(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).any(|word| {
        let tail = word.rsplit(['_', '-']).next().unwrap_or_default();
        let is_mixed = tail.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
        let is_key = tail.len() >= SECRET_CHARS && word.len() >= ID_CHARS + SECRET_CHARS;
        is_mixed && is_key
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::answers::Named;
    use crate::domain::time::Timestamp;

    fn key(id: &str, name: &str, status: &str) -> Key {
        Key {
            id: id.to_owned(),
            name: name.to_owned(),
            preview: String::new(),
            environment: String::new(),
            created_by: Named { id: String::new(), name: String::new() },
            created_at: Timestamp::from_micros(0),
            last_used_at: None,
            expires_at: None,
            status: status.to_owned(),
        }
    }

    #[test]
    fn an_id_goes_before_a_name_and_a_working_key_before_an_ended_one() {
        let keys = vec![
            key("BTRKFsL1", "ci", "active"),
            key("BTRKFsL2", "ci", "revoked"),
            key("BTRKxxx3", "BTRKFsL1", "active"),
            key("ZZZZzzz4", "old", "revoked"),
        ];
        let chosen = |text: &str| choose(keys.clone(), text).map(|key| key.id).map_err(|several| several.len());
        assert_eq!(chosen("BTRKFsL1").as_deref(), Ok("BTRKFsL1"));
        assert_eq!(chosen("ci").as_deref(), Ok("BTRKFsL1"));
        assert_eq!(chosen("old").as_deref(), Ok("ZZZZzzz4"));
        assert_eq!(chosen("BTRKx").as_deref(), Ok("BTRKxxx3"));
        assert_eq!(chosen("BTRK"), Err(2));
        assert_eq!(chosen("ZZZ"), Err(0), "three characters are too few");
    }

    #[test]
    fn a_secret_is_told_from_an_id_or_a_name() {
        for secret in [
            "ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG",
            "rk_live_BRTRKFsL51FwqftsmMDHHbJAMEXXHCgG",
            "krc_51FwqftsmMDHHbJAMEXXHCgG51FwqftsmMDHHbJAMEX",
            " ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG\n",
        ] {
            assert!(looks_like_secret(secret));
            assert!(!refuse_secret(secret, "keyrack").unwrap_err().message.contains("51Fwq"));
        }
        for fine in ["BRTRKFsL", "ci", "nightly build of the data warehouse", "a-very-long-name-for-a-deployment-key"] {
            assert!(!looks_like_secret(fine), "{fine}");
        }
    }
}
