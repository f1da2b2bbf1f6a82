//! Everything a person, a key or the operator can do: one function per deed, in one order: load, ask, write, note.
//!
//! A deed opens its transaction, takes the organization's lock as the first statement, looks the caller's rights up
//! within it, and writes its line of the audit log before it commits. Handlers and commands only call.

pub mod account;
pub mod alerts;
pub mod backup;
mod error;
pub mod events;
pub mod keys;
pub mod leaks;
pub mod password;
pub mod people;
pub mod plans;
pub mod random;
mod scope;

pub use error::{AppError, FieldErrors};
pub use scope::{
    Automaton, Ctx, OrgScope, Origin, SERVER, Who, account_audit, act_in, automatic_audit, look_in, server_audit,
};
