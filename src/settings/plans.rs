//! `[[plans]]`: what organizations can be on.

use std::collections::BTreeSet;

use super::known;
use super::read::{Reader, kind};
use crate::domain::org::Plan;

const FIELDS: &[&str] = &[
    "id",
    "name",
    "api_keys",
    "active_keys_max",
    "creations_per_hour",
    "requests_per_minute",
    "key_requests_per_minute",
    "price_text",
    "billing_price",
];

/// The plan where the operator names none.
pub(super) fn standard() -> Plan {
    Plan {
        id: "standard".to_owned(),
        name: "Standard".to_owned(),
        api_keys: true,
        active_keys_max: Some(25),
        creations_per_hour: Some(20),
        requests_per_minute: None,
        key_requests_per_minute: None,
        price_text: None,
        billing_prices: Vec::new(),
    }
}

/// The plans given, or the standard one.
pub(super) fn read_plans(reader: &mut Reader) -> Vec<Plan> {
    let Some(given) = reader.given("plans").cloned() else { return vec![standard()] };
    let value = match &given.value {
        toml::Value::String(json) => match from_json(json) {
            Ok(value) => value,
            Err(message) => {
                reader.refuse("plans", &message);
                return vec![standard()];
            }
        },
        value => value.clone(),
    };
    let toml::Value::Array(items) = value else {
        reader.refuse("plans", "must be written as [[plans]], once for each plan");
        return vec![standard()];
    };
    let mut plans: Vec<Plan> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match read_plan(item) {
            Ok(plan) if plans.iter().any(|other| other.id == plan.id) => {
                reader.refuse("plans", &format!("two plans have the id “{}”", plan.id));
            }
            Ok(plan) => {
                let taken = |price: &&String| plans.iter().any(|other| other.billing_prices.contains(price));
                if let Some(price) = plan.billing_prices.iter().find(taken) {
                    reader.refuse("plans", &format!("two plans have the billing_price “{price}”"));
                }
                plans.push(plan);
            }
            Err(messages) => {
                let name = item
                    .get("id")
                    .and_then(toml::Value::as_str)
                    .map_or_else(|| format!("plan number {}", at + 1), |id| format!("plan “{id}”"));
                for message in messages {
                    reader.refuse("plans", &format!("{name}: {message}"));
                }
            }
        }
    }
    if items.is_empty() {
        reader.refuse("plans", "needs at least one plan");
    }
    plans
}

fn from_json(text: &str) -> Result<toml::Value, String> {
    serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| error.to_string())
        .and_then(|value| toml::Value::try_from(value).map_err(|error| error.to_string()))
        .map_err(|error| format!("must be a JSON list of plans: {error}"))
}

fn read_plan(item: &toml::Value) -> Result<Plan, Vec<String>> {
    let Some(table) = item.as_table() else { return Err(vec![format!("must be a section, not {}", kind(item))]) };
    let mut wrong: Vec<String> = unknown_fields(table);
    let mut text = |field: &str| match table.get(field) {
        None => None,
        Some(toml::Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Some(_) => {
            wrong.push(format!("{field} must be text in quotes"));
            None
        }
    };
    let (id, name, price_text) = (text("id"), text("name"), text("price_text"));
    let billing_prices = match table.get("billing_price").map(texts) {
        None => Vec::new(),
        Some(Some(prices)) => prices,
        Some(None) => {
            wrong.push("billing_price must be text in quotes, or a list of such, without spaces".to_owned());
            Vec::new()
        }
    };
    let mut count = |field: &str| match table.get(field) {
        None => None,
        Some(toml::Value::Integer(number)) if (1..=i64::from(u32::MAX)).contains(number) => u32::try_from(*number).ok(),
        Some(_) => {
            wrong.push(format!("{field} must be a whole number from 1; leave it out for no limit"));
            None
        }
    };
    let active_keys_max = count("active_keys_max");
    let creations_per_hour = count("creations_per_hour");
    let requests_per_minute = count("requests_per_minute");
    let key_requests_per_minute = count("key_requests_per_minute");
    let api_keys = match table.get("api_keys") {
        None => true,
        Some(toml::Value::Boolean(value)) => *value,
        Some(_) => {
            wrong.push("api_keys must be true or false without quotes".to_owned());
            true
        }
    };
    if id.is_none() && !table.contains_key("id") {
        wrong.push("needs an id".to_owned());
    }
    if name.is_none() && !table.contains_key("name") {
        wrong.push("needs a name".to_owned());
    }
    let sane = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '+');
    if id.as_ref().is_some_and(|id| id.len() > 40 || !id.chars().all(sane)) {
        wrong.push("the id may hold a-z, 0-9, -, _ and +, 40 characters at most".to_owned());
    }
    match (id, name) {
        (Some(id), Some(name)) if wrong.is_empty() => Ok(Plan {
            id,
            name,
            api_keys,
            active_keys_max,
            creations_per_hour,
            requests_per_minute,
            key_requests_per_minute,
            price_text,
            billing_prices,
        }),
        _ => Err(wrong),
    }
}

/// One text or several, each a single word.
fn texts(value: &toml::Value) -> Option<Vec<String>> {
    let items = match value {
        toml::Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    let word = |text: &&str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    items.into_iter().map(|item| item.as_str().filter(word).map(str::to_owned)).collect()
}

fn unknown_fields(table: &toml::Table) -> Vec<String> {
    let known: BTreeSet<&str> = FIELDS.iter().copied().collect();
    let unknown = table.keys().filter(|key| !known.contains(key.as_str()));
    unknown
        .map(|key| {
            if known::by_path(key).is_some() {
                return format!(
                    "unknown setting “{key}”; it belongs at the top of the file, above the first [section]"
                );
            }
            let nearest = known::nearest(key, FIELDS.iter().map(|field| (*field).to_owned()));
            format!("unknown setting “{key}”; did you mean “{nearest}”?")
        })
        .collect()
}
