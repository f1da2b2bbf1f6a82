//! What a billing service tells by webhook, in the form and under the signature that Stripe gives its events. It comes from
//! strangers until the signature was found good, so all of it is bounded and nothing of it is trusted by its shape.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::BTreeMap;
use thiserror::Error;

pub mod reference;

use super::time::{Span, Timestamp};

/// How far the time of a signature may be from now, before or after.
pub const TOLERANCE: Span = Span::minutes(5);
/// Signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 16;
/// The longest header that is read.
const HEADER_BYTES_MAX: usize = 4096;
/// Names of things in an event: ids, kinds.
const NAME_BYTES_MAX: usize = 255;

/// Why an event is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadSignature {
    /// None, not readable, or not made with a secret of ours.
    #[error("The signature is missing or does not fit.")]
    Wrong,
    /// Made with our secret, but too long ago or in the future: a replay, or a clock that is wrong.
    #[error("The signature is older than five minutes, or from the future. Is this server's clock right?")]
    Stale,
}

/// Checks `t=SECONDS,v1=HEX[,v1=HEX…]`: one of the signatures must be the HMAC-SHA256 of `SECONDS.BODY` under one of the
/// secrets, and the time near. Signatures of other schemes are passed over.
///
/// # Errors
/// Why it is not believed.
pub fn check_signature<'s>(
    header: &str,
    body: &[u8],
    secrets: impl Iterator<Item = &'s str>,
    now: Timestamp,
) -> Result<(), BadSignature> {
    let (time, signatures) = read_header(header).ok_or(BadSignature::Wrong)?;
    let mut fits = false;
    for secret in secrets {
        for signature in &signatures {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { continue };
            mac.update(time.as_bytes());
            mac.update(b".");
            mac.update(body);
            fits |= mac.verify_slice(signature).is_ok();
        }
    }
    if !fits {
        return Err(BadSignature::Wrong);
    }
    let at = seconds(time).ok_or(BadSignature::Wrong)?;
    let distance = if at > now { at.since(now) } else { now.since(at) };
    if distance > TOLERANCE { Err(BadSignature::Stale) } else { Ok(()) }
}

/// The time as it is written, and the signatures of the scheme `v1`.
fn read_header(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value) if time.replace(value).is_some() => return None,
            ("v1", value) => signatures.extend(super::token::SecretHash::from_hex(value).map(|hash| hash.0)),
            _ => {}
        }
    }
    let is_good = (1..=SIGNATURES_MAX).contains(&signatures.len());
    time.filter(|_| is_good).map(|time| (time, signatures))
}

fn seconds(text: &str) -> Option<Timestamp> {
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = if is_number { text.parse().ok()? } else { return None };
    Some(Timestamp::from_micros(seconds * 1_000_000))
}

/// An event that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingEvent {
    /// Its id: the same event always has the same.
    pub id: String,
    /// `customer.subscription.updated`.
    pub kind: String,
    /// When what it tells of happened, to the second.
    pub created_at: Timestamp,
    /// What it tells.
    pub told: Told,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A purchase is complete: whose the subscription is.
    Purchase {
        /// The subscription.
        subscription: String,
        /// Who pays.
        customer: String,
        /// Whose it is.
        org: Named,
    },
    /// How a subscription stands.
    Subscription(Subscription),
    /// Something that changes no plan.
    Nothing,
}

/// How a purchase names the organization it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By `metadata.keyrack_org`, which only the operator's program can set: an organization's id.
    ByOperator(String),
    /// By `client_reference_id`, which the buyer can change: a reference that is still to be read.
    ByLink(String),
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Who pays.
    pub customer: String,
    /// `metadata.keyrack_org`, an organization's id.
    pub org: Option<String>,
    /// `metadata.keyrack_plan`, a plan's id.
    pub plan: Option<String>,
    /// What is paid for: ids of prices and products, and look-up keys.
    pub prices: Vec<String>,
    /// Whether it counts.
    pub is_live: bool,
    /// Orders what was told within one second: creation, changes, end.
    pub rank: i64,
}

#[derive(Deserialize)]
struct RawEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    data: RawData,
}

#[derive(Deserialize)]
struct RawData {
    object: serde_json::Value,
}

#[derive(Deserialize)]
struct RawSession {
    #[serde(default)]
    subscription: Option<String>,
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    client_reference_id: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RawSubscription {
    id: String,
    customer: String,
    status: String,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    items: Option<RawItems>,
}

#[derive(Deserialize)]
struct RawItems {
    data: Vec<RawItem>,
}

#[derive(Deserialize)]
struct RawItem {
    #[serde(default)]
    price: Option<RawPrice>,
    #[serde(default)]
    plan: Option<RawPrice>,
}

#[derive(Deserialize)]
struct RawPrice {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    lookup_key: Option<String>,
}

/// Reads an event whose signature was found good.
///
/// # Errors
/// A sentence that repeats nothing of it.
pub fn read_event(body: &[u8]) -> Result<BillingEvent, String> {
    let raw: RawEvent = serde_json::from_slice(body).map_err(|_| "The body is not an event.".to_owned())?;
    if !is_name(&raw.id) || !is_name(&raw.kind) || !(0..=253_402_300_799).contains(&raw.created) {
        return Err("The body is not an event.".to_owned());
    }
    let wrong = || format!("The object of this {} event does not have its form.", raw.kind);
    let told = match raw.kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            let session = serde_json::from_value(raw.data.object).map_err(|_| wrong())?;
            purchase(session).ok_or_else(wrong)?
        }
        "customer.subscription.created"
        | "customer.subscription.updated"
        | "customer.subscription.paused"
        | "customer.subscription.resumed"
        | "customer.subscription.deleted" => {
            let object = serde_json::from_value(raw.data.object).map_err(|_| wrong())?;
            Told::Subscription(subscription(object, &raw.kind).ok_or_else(wrong)?)
        }
        _ => Told::Nothing,
    };
    let created_at = Timestamp::from_micros(raw.created * 1_000_000);
    Ok(BillingEvent { id: raw.id, kind: raw.kind, created_at, told })
}

/// Visible ASCII without spaces, as all names of theirs and ours are.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn noted(metadata: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    metadata.and_then(|metadata| metadata.get(name)).filter(|text| is_name(text)).cloned()
}

/// A purchase without a subscription or an organization is none of ours; nothing where a name has no form of a name.
fn purchase(session: RawSession) -> Option<Told> {
    let link = || session.client_reference_id.map(Named::ByLink);
    let org = noted(session.metadata.as_ref(), "keyrack_org").map(Named::ByOperator).or_else(link);
    let (Some(subscription), Some(customer), Some(org)) = (session.subscription, session.customer, org) else {
        return Some(Told::Nothing);
    };
    let (Named::ByOperator(name) | Named::ByLink(name)) = &org;
    let is_good = is_name(&subscription) && is_name(&customer) && is_name(name);
    is_good.then_some(Told::Purchase { subscription, customer, org })
}

fn subscription(raw: RawSubscription, kind: &str) -> Option<Subscription> {
    let items = raw.items.map(|items| items.data).unwrap_or_default();
    let prices = items.into_iter().flat_map(|item| item.price.into_iter().chain(item.plan));
    let names = prices.flat_map(|price| [price.id, price.product, price.lookup_key]).flatten();
    let rank = match kind {
        "customer.subscription.created" => 0,
        "customer.subscription.deleted" => 2,
        _ => 1,
    };
    let subscription = Subscription {
        org: noted(raw.metadata.as_ref(), "keyrack_org"),
        plan: noted(raw.metadata.as_ref(), "keyrack_plan"),
        prices: names.filter(|name| is_name(name)).take(64).collect(),
        // What is overdue is still being asked for; what was given up, never paid or paused is not.
        is_live: rank < 2 && matches!(raw.status.as_str(), "active" | "trialing" | "past_due"),
        id: raw.id,
        customer: raw.customer,
        rank,
    };
    (is_name(&subscription.id) && is_name(&subscription.customer)).then_some(subscription)
}

#[cfg(test)]
mod tests;
