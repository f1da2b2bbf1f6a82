//! Plans.

use askama::Template;

use super::{Chrome, Errors, Link, Meter, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/plan`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "plan.html", blocks = ["panel"])]
pub struct PlanPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page: its forms post here.
    pub url: String,
    /// The name of the organization's plan.
    pub plan: String,
    /// What the plan does not allow and is there all the same: what stops, what goes on.
    pub overrun: Option<Overrun>,
    /// Where one stands: active keys, creations this hour, requests this minute.
    pub meters: Vec<Meter>,
    /// “12 requests were refused in the last 24 hours …”; empty when none was.
    pub refused: String,
    /// All plans.
    pub plans: Vec<PlanColumn>,
    /// Where plans are bought, for those who may.
    pub upgrade_url: Option<String>,
    /// “Ask an owner: Ada.” or how the operator is reached.
    pub ask: Option<String>,
    /// Where the operator's people are reached.
    pub support_url: Option<String>,
    /// What members ask for, for owners.
    pub requests: Vec<RequestRow>,
    /// What is wrong with what was sent.
    pub errors: Errors,
}

/// A plan in the table.
#[derive(Debug, Clone, Default)]
pub struct PlanColumn {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its price in the operator's words, or empty.
    pub price: String,
    /// Whether it has API keys.
    pub api_keys: bool,
    /// “5”, “No limit”.
    pub active_keys: String,
    /// “5 per hour”.
    pub creations: String,
    /// “600 per minute”.
    pub requests: String,
    /// “60 per minute”; empty where a key has no limit of its own.
    pub key_requests: String,
    /// Whether it is the organization's.
    pub is_current: bool,
    /// What would be exceeded on it, or empty.
    pub warning: String,
    /// Where it is bought, for those who may: “Upgrade to Agency”.
    pub buy: Option<Link>,
    /// The button that asks for it: “Ask for Agency”; empty where it is bought or asked for already.
    pub ask: String,
    /// When the reader asked for it.
    pub asked: Option<Time>,
}

/// What a member asks for.
#[derive(Debug, Clone, Default)]
pub struct RequestRow {
    /// Who asks.
    pub user: String,
    /// Their name.
    pub name: String,
    /// The plan's name.
    pub plan: String,
    /// When they asked.
    pub asked: Time,
}

/// The banner while there is more than the plan allows.
#[derive(Debug, Clone, Default)]
pub struct Overrun {
    /// What stops, what goes on.
    pub text: String,
    /// What to do about it: the active keys, the plans.
    pub links: Vec<Link>,
}

views!(PlanPage);
