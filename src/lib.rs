//! Keyrack: the API-keys half of a SaaS product.

pub mod actions;
pub mod cli;
pub mod clock;
pub mod db;
pub mod domain;
pub mod gate;
pub mod settings;
pub mod web;
