//! Tries the protocol of docs/revocation.md in the orders that threads of several nodes may take. The files of the server are
//! compiled here as they are, with the locks and numbers of a scheduler (shuttle) in place of the system's; only the
//! database and the clock are made up, in `gate/world.rs`.
//!
//!     cargo test --manifest-path models/Cargo.toml
#![cfg(test)]
#![allow(dead_code, clippy::duplicate_mod, reason = "the server uses more of its files than is tried here")]

mod domain;
mod gate;
