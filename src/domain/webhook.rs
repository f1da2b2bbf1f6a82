//! Webhooks as the specification of Standard Webhooks has them: what an endpoint's secret looks like, and what it signs.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::alert::Alert;
use super::org::Org;

/// What an endpoint's secret begins with.
pub const SECRET_PREFIX: &str = "whsec_";
/// Random bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// The secret of an endpoint. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret([u8; SECRET_BYTES]);

impl WebhookSecret {
    /// Of these random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The plain text. Call it only where the one answer is written that may hold it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

/// The value of `webhook-signature`: one signature for each secret, so that receivers may replace theirs at any time while
/// two are valid.
#[must_use]
pub fn signatures(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &str) -> String {
    let signed = secrets.iter().map(|secret| signature(&secret.0, id, timestamp, body));
    signed.collect::<Vec<_>>().join(" ")
}

fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    // A key of any length will do, says HMAC; there is no error to speak of.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The body that tells of an alert. It is the same at every attempt, whatever else has changed meanwhile but names.
#[must_use]
pub fn payload(alert: &Alert, org: &Org) -> String {
    let mut data = serde_json::to_value(&alert.facts).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut data {
        fields.insert("alert_id".to_owned(), json!(alert.id));
        fields.insert("org".to_owned(), json!({"id": org.id, "slug": org.slug, "name": org.name}));
        if let (Some(Value::Object(key)), Some(owner)) = (fields.get_mut("key"), &alert.owner) {
            key.insert("owner_id".to_owned(), json!(owner));
        }
    }
    json!({"type": alert.kind.event_type(), "timestamp": alert.at, "data": data}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::{AlertKind, Facts, KeyFacts};
    use crate::domain::time::Timestamp;

    /// The example of the specification's own libraries.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures_and_neither_prints_itself() {
        let (one, two) = (WebhookSecret::new([1; 32]), WebhookSecret::new([2; 32]));
        let both = signatures(&[one.clone(), two], "msg_1", 1, "{}");
        let alone = signatures(std::slice::from_ref(&one), "msg_1", 1, "{}");
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.starts_with(&alone) && alone.starts_with("v1,"));
        assert_eq!(format!("{one:?}"), "WebhookSecret(hidden)");
        assert!(one.reveal().starts_with("whsec_AQEB"));
    }

    #[test]
    fn a_payload_says_what_happened_to_which_key_of_whom() {
        let at = Timestamp::parse("2026-11-21T14:05:00Z").unwrap();
        let key = KeyFacts {
            id: "BRTRKFsL".to_owned(),
            name: "Deploy".to_owned(),
            preview: "kr_BRTRK••••••••".to_owned(),
            environment: "live".to_owned(),
        };
        let alert = Alert {
            id: "alr_1".into(),
            org: "org_1".into(),
            kind: AlertKind::Revoked,
            once: "x".to_owned(),
            at,
            owner: Some("usr_1".into()),
            facts: Facts { key: Some(key), actor: Some("Ada".to_owned()), ..Facts::default() },
        };
        let (id, slug, name) = ("org_1".into(), "acme".to_owned(), "Acme".to_owned());
        let org = Org { id, slug, name, plan: "standard".to_owned(), created_at: at };
        let read: Value = serde_json::from_str(&payload(&alert, &org)).unwrap();
        let wanted = json!({
            "type": "key.revoked",
            "timestamp": "2026-11-21T14:05:00Z",
            "data": {
                "alert_id": "alr_1",
                "org": {"id": "org_1", "slug": "acme", "name": "Acme"},
                "key": {
                    "id": "BRTRKFsL", "name": "Deploy", "preview": "kr_BRTRK••••••••", "environment": "live",
                    "owner_id": "usr_1",
                },
                "actor": "Ada",
            },
        });
        assert_eq!(read, wanted);
    }
}
