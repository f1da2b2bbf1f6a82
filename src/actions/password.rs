//! Passwords: argon2id with 19 MiB, two passes and one lane. A hash takes some 30 ms and its memory, so callers bound
//! how many run at once and never hold a transaction meanwhile.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use super::{AppError, random};
use crate::domain::names::check_password;

/// What a hash of nobody looks like: checking against it takes as long as checking against a real one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as typed. It can be hashed and compared, and nothing else.
#[derive(Default)]
pub struct Password(String);

/// An argon2id PHC string. Not for printing either: it can be attacked offline.
pub struct HashedPassword(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(hidden)")
    }
}

impl Password {
    /// One to compare with, whatever it is.
    #[must_use]
    pub fn typed(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// One to keep, if it is good enough; `about` holds words that must not be it (e-mail, name).
    ///
    /// # Errors
    /// A sentence for the person who chose it.
    pub fn chosen(text: impl Into<String>, about: &[&str]) -> Result<Self, String> {
        let text = text.into();
        check_password(&text, about)?;
        Ok(Self(text))
    }

    /// A random one with its plain text, to be told once.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<(Self, String), AppError> {
        let text = random::base62(20)?;
        Ok((Self(text.clone()), text))
    }

    /// Its hash, with a new salt. Slow.
    ///
    /// # Errors
    /// The operating system gave no randomness or no memory.
    pub fn hash(&self) -> Result<HashedPassword, AppError> {
        let hashed = Argon2::default().hash_password(self.0.as_bytes());
        hashed
            .map(|phc| HashedPassword(phc.to_string()))
            .map_err(|error| AppError::Internal(anyhow::anyhow!("password hash: {error}")))
    }
}

impl HashedPassword {
    /// One read back from the database.
    pub(super) const fn stored(phc: String) -> Self {
        Self(phc)
    }

    /// As stored.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `typed` is the password behind `stored`. Without one it is not, after just as long. Slow.
#[must_use]
pub fn verify(stored: Option<&HashedPassword>, typed: &Password) -> bool {
    let phc = stored.map_or(NOBODY, HashedPassword::as_str);
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    Argon2::default().verify_password(typed.0.as_bytes(), &parsed).is_ok() && stored.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_passes_and_others_do_not() {
        let password = Password::typed("correct horse battery olive");
        let hashed = password.hash().unwrap();
        assert!(hashed.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(Some(&hashed), &password));
        assert!(!verify(Some(&hashed), &Password::typed("correct horse battery Olive")));
        assert!(!verify(None, &password));
    }

    #[test]
    fn the_hash_of_nobody_is_one_that_takes_the_full_time() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = Password::typed("correct horse battery olive").hash().unwrap();
        let real = PasswordHash::new(real.as_str()).unwrap();
        assert_eq!((nobody.algorithm, nobody.version, &nobody.params), (real.algorithm, real.version, &real.params));
        assert_eq!(nobody.hash.map(|hash| hash.len()), real.hash.map(|hash| hash.len()));
    }

    #[test]
    fn passwords_cannot_be_printed() {
        let password = Password::typed("correct horse battery olive");
        assert_eq!(format!("{password:?} {:?}", password.hash().unwrap()), "Password(hidden) HashedPassword(hidden)");
    }
}
