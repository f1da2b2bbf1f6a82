//! The commands for keys and logs: the real binary, on a terminal and off it, against the whole server on either database.
#![allow(
    clippy::duplicate_mod,
    reason = "these tests run the server in this process, with the harness of tests/it; the others start it as one of its own"
)]

mod env_file;
mod life;
mod manners;
mod pages;
pub(crate) mod stage;
#[path = "../../it/support/mod.rs"]
pub(crate) mod support;
mod tail;
mod traces;
