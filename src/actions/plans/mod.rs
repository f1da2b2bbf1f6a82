//! Plans: where an organization stands, asking for another, and what changes it: the operator, or billing.

mod billing;
mod change;
mod requests;
mod standing;

pub use crate::db::plan_requests::{OrgRequest, PlanRequest};
pub use billing::{EVENTS_REMEMBERED, Taken, take_event};
pub use change::change_plan;
pub use requests::{ask_for_plan, list_all_requests, list_requests, withdraw_request};
pub use standing::{Standing, standing};
