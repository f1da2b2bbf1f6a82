//! The one integration binary. A module per subject; `support` is what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may stop at the first surprise, sleep, and read the environment"
)]

mod alerts;
mod api;
mod auth;
mod auth_in_url;
mod backup;
mod billing;
mod bodies;
mod browser;
mod cli_admin;
mod cli_server;
mod device_api;
mod device_page;
mod disk;
mod docs;
mod error_pages;
mod escalation;
mod event_stream;
mod events;
mod events_api;
mod fault;
mod fuzzed;
mod gate_race;
mod group_commit;
mod harness;
mod key_life;
mod key_limits;
mod keys_page;
mod leaks;
mod logs_page;
mod matrix;
mod migrations;
mod nodes;
mod openapi;
mod pasted;
mod pause;
mod people_arrival;
mod people_members;
mod people_operator;
mod people_sign_in;
mod plans;
mod proxies;
mod recorder;
mod recorder_killed;
mod running;
mod scanner_rules;
mod sending;
mod shared_limits;
mod stats;
mod support;
mod tidy;
mod usage_pages;
mod verify;
mod views;
