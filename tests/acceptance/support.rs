//! What is shared with the other tests.
#![allow(dead_code, reason = "a toolbox: not every tool is used here")]

#[path = "../it/support/answer.rs"]
pub(crate) mod answer;
#[path = "../it/support/cast.rs"]
pub(crate) mod cast;
#[path = "../it/support/database.rs"]
pub(crate) mod database;
#[path = "../it/browser/driver.rs"]
pub(crate) mod driver;
#[path = "../it/alerts/receiver.rs"]
pub(crate) mod receiver;
#[path = "../it/alerts/smtp.rs"]
pub(crate) mod smtp;
