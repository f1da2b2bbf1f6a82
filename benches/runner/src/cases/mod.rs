//! What is measured, a file each.

pub mod check;
pub mod create;
pub mod flood;
pub mod page;
pub mod revoke;
pub mod size;
pub mod timing;

use std::path::PathBuf;

use anyhow::Result;

use crate::Bench;
use crate::http::{bearer, get, post};
use crate::keys;
use crate::wrk::write_requests;

/// A file of requests that ask `path` with each of these keys.
pub fn asking(bench: &Bench, name: &str, path: &str, keys: &[String]) -> Result<PathBuf> {
    let requests: Vec<String> = keys.iter().map(|key| get(path, &bearer(key))).collect();
    write_requests(&bench.options.work, name, &requests)
}

/// A file of requests that have a backend verify each of these keys.
pub fn verifying(bench: &Bench, name: &str, token: &str, keys: &[String]) -> Result<PathBuf> {
    let body = |key: &String| format!("{{\"key\":\"{key}\"}}");
    let requests: Vec<String> =
        keys.iter().map(|key| post("/v1/keys/verify", &bearer(token), "application/json", &body(key))).collect();
    write_requests(&bench.options.work, name, &requests)
}

/// Keys that never were keys.
pub fn malformed(keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| keys::malformed(key)).collect()
}
