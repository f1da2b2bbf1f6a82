//! Names of things that never mix: each kind of id is a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta] $name:ident),* $(,)?) => {$(
        #[$doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as it is stored and shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )*};
}

id! {
    /// An organization, `org_…`.
    OrgId,
    /// A person, `usr_…`.
    UserId,
    /// A profile of an organization, `prof_…`.
    ProfileId,
    /// An API key: the eight base62 characters that stand in the key itself.
    KeyId,
    /// One secret of a key, `sec_…`.
    SecretId,
    /// A session as its owner sees it in the list, `ses_…`; never what the cookie holds.
    SessionId,
    /// A link that works once (setup, invitation, password reset), `lnk_…`; never its token.
    LinkId,
    /// A credential of the operator's own backend, `svc_…`.
    ServiceTokenId,
    /// A device that waits to be let in, `dev_…`; never one of its codes.
    DeviceId,
    /// A signed-in command line as its owner sees it in the list, `clt_…`; never its token.
    CliTokenId,
    /// Something that people and programs are told of, `alr_…`.
    AlertId,
    /// An alert on its way to one recipient, `dlv_…`.
    DeliveryId,
    /// Where an organization takes alerts by HTTP, `whe_…`.
    EndpointId,
}

/// The digits of base62 in the order of their values.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `len` base62 characters from random bytes; bytes that would favour some digits are passed over.
/// Returns nothing when the bytes run out, so the caller asks again with new ones.
#[must_use]
pub fn base62_from(bytes: &[u8], len: usize) -> Option<String> {
    let digits: String = bytes
        .iter()
        .filter(|&&byte| byte < 248)
        .take(len)
        .map(|&byte| char::from(BASE62[usize::from(byte % 62)]))
        .collect();
    (digits.len() == len).then_some(digits)
}
