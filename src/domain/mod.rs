//! The rules and words of Keyrack, without any I/O: no database, no clock, no randomness.
//!
//! Everything here is a value or a pure function of values, so all of it is tested without a server.

pub mod alert;
pub mod any_key;
pub mod audit;
pub mod billing;
mod denied;
pub mod device;
pub mod downgrade;
pub mod ids;
pub mod in_url;
pub mod key;
pub mod leak;
pub mod limit;
pub mod names;
pub mod org;
pub mod policy;
pub mod rights;
pub mod rules;
pub mod scanner;
pub mod sent;
pub mod session;
pub mod throttle;
pub mod time;
pub mod token;
pub mod verdict;
pub mod webhook;
