//! What an e-mail says, before anybody lays it out.

use super::courier::Mail;
use crate::domain::alert::Alert;
use crate::domain::alert::words::{advice, one_line, particulars, title};
use crate::domain::org::{Org, User};

/// An e-mail in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Who sends it: the product.
    pub product: String,
    /// The organization it is about.
    pub organization: String,
    /// The reader's name.
    pub reader: String,
    /// What happened, the oldest first.
    pub items: Vec<Item>,
    /// Where to choose what one is told.
    pub settings_url: String,
}

/// One alert in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What happened.
    pub title: String,
    /// The particulars: name and value.
    pub lines: Vec<(&'static str, String)>,
    /// What to do about it.
    pub advice: &'static str,
    /// Where to do it.
    pub url: String,
}

/// A letter as it was laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaidOut {
    /// For programs that show text.
    pub text: String,
    /// For programs that show HTML.
    pub html: String,
}

/// The page of an organization's notifications.
#[must_use]
pub fn settings_url(public_url: &str, org: &Org) -> String {
    format!("{public_url}/orgs/{}/settings/notifications", org.slug)
}

/// Puts an e-mail into words.
#[must_use]
pub fn write(mail: &Mail, (user, org): (&User, &Org), product: &str, public_url: &str) -> Letter {
    let items: Vec<Item> = mail.deliveries.iter().map(|delivery| item(&delivery.alert, org, public_url)).collect();
    let subject = match items.as_slice() {
        [only] => only.title.clone(),
        many => format!("{} alerts about your API keys", many.len()),
    };
    Letter {
        subject: one_line(&format!("[{}] {subject}", org.name)),
        product: product.to_owned(),
        organization: org.name.clone(),
        reader: user.name.clone(),
        items,
        settings_url: settings_url(public_url, org),
    }
}

fn item(alert: &Alert, org: &Org, public_url: &str) -> Item {
    let keys = format!("{public_url}/orgs/{}/settings/api-keys", org.slug);
    let url = match (&alert.facts.key, alert.kind.is_about_a_key()) {
        (Some(key), true) => format!("{keys}/{}", key.id),
        _ if alert.facts.limit.is_some() => keys,
        _ => settings_url(public_url, org),
    };
    Item { title: title(alert), lines: particulars(alert), advice: advice(alert), url }
}
