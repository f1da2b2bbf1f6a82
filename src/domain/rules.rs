//! What the operator decided for all organizations: the settings that the rules read.

use super::leak::OnLeak;
use super::org::{OnDowngrade, Plan};
use super::time::Span;
use super::token::KeyFormat;

/// The operator's choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How keys look.
    pub format: KeyFormat,
    /// All plans; never empty.
    pub plans: Vec<Plan>,
    /// The id of the plan that new organizations get.
    pub default_plan: String,
    /// What becomes of keys when their plan no longer has any.
    pub on_downgrade: OnDowngrade,
    /// Whether a key may create, rotate and revoke keys (ruling 13).
    pub keys_may_manage_keys: bool,
    /// The upstream's paths under which a key may come in the URL; empty means nowhere (ruling 12).
    pub url_endpoints: Vec<String>,
    /// How long a key lives when its maker says nothing; nothing means for ever.
    pub default_expiry: Option<Span>,
    /// How long a key may live at most.
    pub max_expiry: Option<Span>,
    /// How long counts of checks by the hour are kept.
    pub usage_kept: Span,
    /// How long checked requests are kept.
    pub events_kept: Span,
    /// What is done about keys that scanners found.
    pub on_leak: OnLeak,
    /// Whether strangers may sign up.
    pub sign_up_open: bool,
}

impl Rules {
    /// The plan that is paid for by one of these names of billing: `plan`, where somebody wrote a plan's id, else the
    /// greatest that one of `prices` belongs to. Plans stand in the settings from the least to the greatest.
    #[must_use]
    pub fn plan_of_billing(&self, plan: Option<&str>, prices: &[String]) -> Option<&Plan> {
        if let Some(id) = plan {
            return self.plans.iter().find(|known| known.id == id);
        }
        let is_paid = |known: &&Plan| known.billing_prices.iter().any(|price| prices.contains(price));
        self.plans.iter().rfind(is_paid)
    }

    /// The place of a plan among all, the least first; nothing for one that the settings no longer name.
    #[must_use]
    pub fn rank_of_plan(&self, id: &str) -> Option<usize> {
        self.plans.iter().position(|plan| plan.id == id)
    }

    /// The plan of this id. One that the settings no longer name has no API keys: what was not paid for is not given,
    /// and the name tells the operator what to look for.
    #[must_use]
    pub fn plan(&self, id: &str) -> Plan {
        self.plans.iter().find(|plan| plan.id == id).cloned().unwrap_or_else(|| Plan {
            id: id.to_owned(),
            name: id.to_owned(),
            api_keys: false,
            active_keys_max: None,
            creations_per_hour: None,
            requests_per_minute: None,
            key_requests_per_minute: None,
            price_text: None,
            billing_prices: Vec::new(),
        })
    }
}
