//! The command line that speaks to a server: the real binary in a home of its own, against the real server on either database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may stop at the first surprise, sleep, and read the environment"
)]

mod brand;
mod browser;
mod completions;
mod credentials;
mod keys;
mod manners;
mod network;
mod places;
mod schema;
mod sign_in;
mod support;
