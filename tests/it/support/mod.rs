//! The harness: an app in this process on a database of its own, the people who use it, and what is checked after each test.
#![allow(dead_code, reason = "a toolbox: not every pass uses every tool")]

pub(crate) mod actor;
pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod binary;
pub(crate) mod canary;
pub(crate) mod cast;
pub(crate) mod database;
pub(crate) mod device;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod line;
pub(crate) mod lived_in;
pub(crate) mod redis;
pub(crate) mod served;
pub(crate) mod session;

pub(crate) use app::TestApp;
