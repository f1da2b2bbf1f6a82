//! Plans.

use askama::Template;

use super::{Chrome, Meter, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/plan`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "plan.html", blocks = ["panel"])]
pub struct PlanPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The name of the organization's plan.
    pub plan: String,
    /// Where one stands: active keys, creations this hour.
    pub meters: Vec<Meter>,
    /// All plans.
    pub plans: Vec<PlanColumn>,
    /// Where plans are bought, for those who may.
    pub upgrade_url: Option<String>,
    /// “Ask an owner: Ada.” or how the operator is reached.
    pub ask: Option<String>,
}

/// A plan in the table.
#[derive(Debug, Clone, Default)]
pub struct PlanColumn {
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
    /// Whether it is the organization's.
    pub is_current: bool,
}

views!(PlanPage);
