//! What the link to where plans are sold carries, so that a purchase tells whose it is. It goes through the buyer's hands, who
//! must not be able to make it name somebody else: a small plan bought for another organization would take the place of a
//! greater one that its operator set by hand.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::ids::OrgId;
use crate::domain::token::{SecretHash, hex};

/// Names the use of the derived key, and its form.
const PURPOSE: &[u8] = b"keyrack billing references, version 1";

/// Makes references and reads them. Only letters, digits, `-` and `_` stand in them: Stripe drops a reference with anything
/// else in it, and says nothing.
#[derive(Clone)]
pub struct References([u8; 32]);

impl std::fmt::Debug for References {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("References(hidden)")
    }
}

/// A key of any length will do, says HMAC; there is no error to speak of.
fn mac(key: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text);
    Some(mac)
}

impl References {
    /// With a key of its own, derived from the session key.
    #[must_use]
    pub fn from_session_key(session_key: &[u8]) -> Self {
        let key = mac(session_key, PURPOSE).map(|mac| mac.finalize().into_bytes());
        Self(key.map(Into::into).unwrap_or_default())
    }

    /// The reference to an organization: its id, and a signature behind it.
    #[must_use]
    pub fn name(&self, org: &OrgId) -> String {
        let signature = mac(&self.0, org.as_str().as_bytes()).map(|mac| hex(&mac.finalize().into_bytes()));
        format!("{org}-{}", signature.unwrap_or_default())
    }

    /// The organization that a reference names, if we made it.
    #[must_use]
    pub fn read(&self, reference: &str) -> Option<OrgId> {
        let (org, signature) = reference.rsplit_once('-')?;
        let signature = SecretHash::from_hex(signature)?;
        mac(&self.0, org.as_bytes())?.verify_slice(&signature.0).ok().map(|()| OrgId(org.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_made_is_read() {
        let references = References::from_session_key(&[7; 64]);
        let reference = references.name(&"org_4fK9aB".into());
        assert_eq!(references.read(&reference), Some("org_4fK9aB".into()));
        let is_kept_by_stripe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        assert!(reference.len() <= 200 && reference.chars().all(is_kept_by_stripe), "{reference}");
        let signature = reference.split_once('-').unwrap().1;
        let others = [
            "org_4fK9aB".to_owned(),
            "org_4fK9aB-".to_owned(),
            format!("org_other1-{signature}"),
            format!("org_4fK9a-B{signature}"),
            reference[..reference.len() - 2].to_owned(),
            format!("{reference}00"),
            References::from_session_key(&[8; 64]).name(&"org_4fK9aB".into()),
        ];
        for other in others {
            assert_eq!(references.read(&other), None, "{other}");
        }
    }
}
