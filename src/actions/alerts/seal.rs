//! Sealing what must be read again to be used: the secrets of webhook endpoints. AES-256-GCM under a key that follows from
//! the session key, which is not in the database: whoever reads the database alone can sign nothing.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::actions::AppError;
use crate::domain::webhook::{SECRET_BYTES, WebhookSecret};

const NONCE_BYTES: usize = 12;
/// Names the use of the derived key, and its form.
const PURPOSE: &[u8] = b"keyrack webhook endpoint secrets, version 1";
const VERSION: &str = "v1:";

/// Seals and opens.
#[derive(Clone)]
pub struct Seal(Aes256Gcm);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(hidden)")
    }
}

impl Seal {
    /// With a key of its own, derived from the session key.
    #[must_use]
    pub fn from_session_key(session_key: &[u8]) -> Self {
        let mut key = [0; 32];
        // A key of any length will do, says HMAC; there is no error to speak of.
        if let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(session_key) {
            mac.update(PURPOSE);
            key.copy_from_slice(&mac.finalize().into_bytes());
        }
        Self(Aes256Gcm::new(&key.into()))
    }

    /// Seals a secret for the thing called `name`; it opens under no other name.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn seal(&self, name: &str, secret: &WebhookSecret) -> Result<String, AppError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| AppError::Internal(anyhow::anyhow!("no randomness: {error}")))?;
        let payload = Payload { msg: secret.as_bytes(), aad: name.as_bytes() };
        let sealed = self.0.encrypt(Nonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| AppError::Internal(anyhow::anyhow!("a secret could not be sealed")))?;
        Ok(format!("{VERSION}{}", STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what was sealed for the thing called `name`; nothing when the session key is another one now, or it was tampered
    /// with.
    #[must_use]
    pub fn open(&self, name: &str, sealed: &str) -> Option<WebhookSecret> {
        let bytes = STANDARD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let plain = self.0.decrypt(Nonce::from_slice(nonce), payload).ok()?;
        let plain: [u8; SECRET_BYTES] = plain.try_into().ok()?;
        Some(WebhookSecret::new(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_name_only() {
        let seal = Seal::from_session_key(&[7; 64]);
        let secret = WebhookSecret::new([9; 32]);
        let sealed = seal.seal("whe_1", &secret).unwrap();
        assert!(seal.open("whe_1", &sealed) == Some(secret.clone()));
        assert!(seal.open("whe_2", &sealed).is_none());
        assert!(Seal::from_session_key(&[8; 64]).open("whe_1", &sealed).is_none());
        assert_ne!(seal.seal("whe_1", &secret).unwrap(), sealed, "never twice the same");
        for broken in ["", "v1:", "v1:AAAA", "v2:AAAA", &format!("{sealed}A"), &sealed.replace("v1:", "")] {
            assert!(seal.open("whe_1", broken).is_none(), "{broken}");
        }
    }
}
