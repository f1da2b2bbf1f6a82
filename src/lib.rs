//! Keyrack: the API-keys half of a SaaS product.
//!
//! # Map
//!
//! `domain` ← `db` ← `gate`, `actions` ← `jobs`, `web` ← `cli`: an arrow points to who may be imported. `tests/it/tidy.rs` keeps it so.
//!
//! * [`domain`]: what a key, a role, a plan and an audit line are, and every rule about them. Pure. Begin with `policy.rs`.
//! * [`db`]: all SQL, for both databases at once. Nobody else names diesel.
//! * [`gate`]: checks a key that a request brought: token in, verdict out.
//! * [`actions`]: one function per deed: lock the organization, ask the policy, write, note it in the audit log.
//! * [`jobs`]: what the server does by itself: sending alerts.
//! * [`web`]: the table of routes, pages, `/v1`, sessions. Parses, calls one action, draws the answer.
//! * [`cli`]: the command line; the server's commands open the database and call actions.
//! * [`settings`]: what the operator chose, read once. [`clock`]: what time it is; nobody else asks.
//!
//! # Glossary
//!
//! * **Organization**: a customer of the operator; the tenant. Everything but an account belongs to one.
//! * **Member**: a person in an organization, as owner, admin or builder.
//! * **Profile**: a part of an organization that a key is bound to for life.
//! * **Key**: has an id (eight characters that everybody may know), a name, an owner whose rights it has, and secrets.
//! * **Secret**: the 24 characters that prove a key. Shown once; only its SHA-256 is kept.
//! * **Rotate**: give a key a new secret; the old one works on for the *grace*.
//! * **Revoke**: end a key for good. Its row stays.
//! * **Verdict**: what a check says of a presented key. A refusal is a value, not an error.
//! * **Deed**: something that changes the database. Each leaves a line in an audit chain.

pub mod actions;
pub mod cli;
pub mod clock;
pub mod db;
pub mod domain;
pub mod gate;
pub mod jobs;
pub mod settings;
pub mod web;
