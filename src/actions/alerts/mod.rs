//! Telling people and programs what happens to keys: raising alerts, choosing which ones one gets, and endpoints that take
//! them. When and how they are sent is for `jobs`.

pub mod courier;
mod endpoints;
mod fan_out;
pub mod letter;
mod raise;
mod reach;
mod seal;
mod sweep;
mod switches;

pub use crate::db::alerts::deliveries::{Attempt, Delivery};
pub use crate::db::alerts::endpoints::Endpoint;
pub use endpoints::{
    WithSecret, can_sign, create_endpoint, delivery_log, enable_endpoint, get_endpoint, list_endpoints,
    list_unreadable, redeliver, remove_endpoint, rotate_secret, test_endpoint, test_mail,
};
pub use fan_out::{Ways, fan_out};
pub use raise::{raise, raise_for_key, raise_in, raise_limit};
pub use reach::{host_of, is_public, parse_url};
pub use seal::Seal;
pub use sweep::sweep;
pub use switches::{SwitchView, list_switches, turn_switches};
