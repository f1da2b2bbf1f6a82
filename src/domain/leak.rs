//! Keys that were found where they should not be: who reports them and is believed, and what is done about which secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde::Deserialize;

use super::key::ApiKey;
use super::sent;
use super::time::Timestamp;
use super::token::{KeyFormat, SecretHash};

/// Keys of a partner that are read from one list.
const KEYS_MAX: usize = 32;
/// Findings that are read from one report.
pub const FINDINGS_MAX: usize = 10_000;
/// Bytes of a place that are stored.
const PLACE_BYTES: usize = 300;
/// Bytes of a partner's word for what kind of secret it is, or where it looked.
const WORD_BYTES: usize = 60;

/// Who looks for keys elsewhere and tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partner {
    /// GitHub's secret scanning.
    Github,
    /// GitLab's secret detection.
    Gitlab,
}

impl Partner {
    /// In tables and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        }
    }

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Github => "GitHub secret scanning",
            Self::Gitlab => "GitLab secret detection",
        }
    }
}

/// What the operator wants done about a key that leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLeak {
    /// Revoke it.
    Revoke,
    /// Tell its organization, and leave it to them.
    Alert,
}

/// A key that a partner signs with.
#[derive(Debug, Clone)]
pub struct PartnerKey {
    /// What its signatures call it.
    pub id: String,
    /// Whether it still signs.
    pub is_current: bool,
    key: VerifyingKey,
}

#[derive(Deserialize)]
struct RawKeys {
    public_keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    key_identifier: String,
    key: String,
    #[serde(default)]
    is_current: bool,
}

/// Reads a partner's list of keys. One that is no P-256 key in PEM is passed over: another may still be good.
///
/// # Errors
/// What is wrong with the list.
pub fn read_keys(body: &[u8]) -> Result<Vec<PartnerKey>, String> {
    let raw: RawKeys = serde_json::from_slice(body).map_err(|error| format!("not a list of keys: {error}"))?;
    if raw.public_keys.len() > KEYS_MAX {
        return Err(format!("more than {KEYS_MAX} keys"));
    }
    let read = |raw: RawKey| {
        let key = VerifyingKey::from_public_key_pem(raw.key.trim()).ok()?;
        Some(PartnerKey { id: raw.key_identifier, is_current: raw.is_current, key })
    };
    let keys: Vec<PartnerKey> = raw.public_keys.into_iter().filter_map(read).collect();
    if keys.is_empty() { Err("no P-256 key in PEM among them".to_owned()) } else { Ok(keys) }
}

impl PartnerKey {
    /// Whether this is its signature over the body: ECDSA with SHA-256, in ASN.1 DER, in base64.
    #[must_use]
    pub fn has_signed(&self, body: &[u8], signature: &str) -> bool {
        let signature = STANDARD.decode(signature.trim()).ok().and_then(|der| Signature::from_der(&der).ok());
        signature.is_some_and(|signature| self.key.verify(body, &signature).is_ok())
    }
}

/// A secret that somebody found. Not `Debug`, on purpose.
pub struct Finding {
    /// The text that was found.
    token: String,
    /// What the partner calls that kind of secret.
    pub kind: String,
    /// Where it is, in the partner's words: `url`, or nothing.
    pub url: String,
    /// Where the partner looked: `content`, `commit`; or nothing.
    pub source: String,
}

impl Finding {
    /// The text that was found.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// SHA-256 of the text, in hexadecimal: how the partner is answered without repeating it.
    #[must_use]
    pub fn token_hash(&self) -> String {
        SecretHash::of(&self.token).to_hex()
    }

    /// Where it was found, as it may be stored and shown: without a query, a password or the key itself.
    #[must_use]
    pub fn place(&self, format: &KeyFormat) -> String {
        let url = self.url.trim();
        let bare = match url.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or(host))
            }
            None => url.to_owned(),
        };
        // Looked for in the whole of it: a key across the end of what is kept would leave a part.
        let is_there = |text: &str| text.contains(&self.token) || format.find_key(text).is_some();
        let decoded = percent_encoding::percent_decode_str(&bare).decode_utf8_lossy();
        if is_there(&bare) || is_there(&decoded) {
            return String::new();
        }
        sent::harmless(bare.split('?').next().unwrap_or_default(), PLACE_BYTES, format)
    }

    /// A word of the partner's, as it may be stored and shown.
    #[must_use]
    pub fn word(&self, text: &str, format: &KeyFormat) -> String {
        if text.contains(&self.token) { String::new() } else { sent::harmless(text.trim(), WORD_BYTES, format) }
    }
}

#[derive(Deserialize)]
struct RawFinding {
    token: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

/// Reads a report whose signature was found good.
///
/// # Errors
/// A sentence that repeats nothing of it.
pub fn read_report(body: &[u8]) -> Result<Vec<Finding>, String> {
    let raw: Vec<RawFinding> = serde_json::from_slice(body)
        .map_err(|_| "The body is not a list of findings, each with token, type and url.".to_owned())?;
    if raw.len() > FINDINGS_MAX {
        return Err(format!("The body holds more than {FINDINGS_MAX} findings."));
    }
    let read = |raw: RawFinding| Finding {
        token: raw.token,
        kind: raw.kind,
        url: raw.url.unwrap_or_default(),
        source: raw.source.unwrap_or_default(),
    };
    Ok(raw.into_iter().map(read).collect())
}

/// Which secret of a key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The one that is used now.
    Current,
    /// The one before, which still works beside it.
    InGrace,
    /// One that ended.
    Ended,
}

impl Found {
    /// For people: “the current secret”.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Current => "the current secret",
            Self::InGrace => "the old secret, which still works",
            Self::Ended => "an old secret, which ended before",
        }
    }

    /// In tables and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::InGrace => "in_grace",
            Self::Ended => "ended",
        }
    }

    /// Reads what `as_str` wrote.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text {
            "current" => Self::Current,
            "in_grace" => Self::InGrace,
            _ => Self::Ended,
        }
    }
}

/// Which secret of this key has this hash; one that is neither of the two latest ended long ago.
#[must_use]
pub fn found_in(key: &ApiKey, hash: &SecretHash, now: Timestamp) -> Found {
    if key.current.hash.matches(hash) {
        return Found::Current;
    }
    match key.secret_in_grace(now) {
        Some(old) if old.hash.matches(hash) => Found::InGrace,
        _ => Found::Ended,
    }
}

/// What is done about a secret that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The key is revoked: whoever has its current secret has it.
    Revoke,
    /// Only the old secret is ended: who uses the new one is not disturbed.
    EndOldSecret,
    /// Its organization is told.
    Tell,
    /// Nothing is left to do: what was found opens nothing any more.
    Nothing,
}

impl Remedy {
    /// In tables and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoke => "revoked",
            Self::EndOldSecret => "old_secret_ended",
            Self::Tell => "told",
            Self::Nothing => "nothing",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(text: &str) -> &'static str {
        match text {
            "revoked" => "Revoked",
            "old_secret_ended" => "Old secret ended",
            "told" => "Still works: revoke or rotate it",
            _ => "Had ended before",
        }
    }
}

/// What is to be done about a secret of a key.
#[must_use]
pub fn remedy(key: &ApiKey, found: Found, on_leak: OnLeak, now: Timestamp) -> Remedy {
    if !key.is_live(now) || found == Found::Ended {
        return Remedy::Nothing;
    }
    match (on_leak, found) {
        (OnLeak::Alert, _) => Remedy::Tell,
        (OnLeak::Revoke, Found::InGrace) => Remedy::EndOldSecret,
        (OnLeak::Revoke, Found::Current | Found::Ended) => Remedy::Revoke,
    }
}

#[cfg(test)]
mod tests;
