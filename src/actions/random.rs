//! Randomness from the operating system: ids and secrets.

use crate::actions::AppError;
use crate::domain::device::user_code_from;
use crate::domain::ids::base62_from;
use crate::domain::token::{SecretHash, hex};

/// `len` random base62 characters.
///
/// # Errors
/// The operating system gave no randomness.
pub fn base62(len: usize) -> Result<String, AppError> {
    let mut bytes = vec![0; len * 2];
    loop {
        getrandom::fill(&mut bytes).map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))?;
        if let Some(text) = base62_from(&bytes, len) {
            return Ok(text);
        }
    }
}

/// An id like `usr_4fK9…`: a short name of the kind and 16 characters.
///
/// # Errors
/// The operating system gave no randomness.
pub fn id(kind: &str) -> Result<String, AppError> {
    Ok(format!("{kind}_{}", base62(16)?))
}

/// A token for a link, a session or a service: plain text to give away once, with its hash to store.
pub struct Token {
    text: String,
}

impl Token {
    /// A new one with 24 random characters (142 bits) behind `prefix`.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new(prefix: &str) -> Result<Self, AppError> {
        Ok(Self { text: format!("{prefix}{}", base62(24)?) })
    }

    /// The plain text. Call it only where the one answer is written that may hold it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// SHA-256 in hexadecimal, as stored.
    #[must_use]
    pub fn hash(&self) -> String {
        SecretHash::of(&self.text).to_hex()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// A code that a person reads on one screen and types on another.
///
/// # Errors
/// The operating system gave no randomness.
pub fn user_code() -> Result<String, AppError> {
    let mut bytes = [0; 32];
    loop {
        getrandom::fill(&mut bytes).map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))?;
        if let Some(code) = user_code_from(&bytes) {
            return Ok(code);
        }
    }
}

/// Any number.
///
/// # Errors
/// The operating system gave no randomness.
pub fn number() -> Result<u32, AppError> {
    getrandom::u32().map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))
}

/// 16 random bytes in hexadecimal: a form's nonce, a request's id.
///
/// # Errors
/// The operating system gave no randomness.
pub fn nonce() -> Result<String, AppError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(hex(&bytes))
}
