//! Keyrack.

pub mod domain;
