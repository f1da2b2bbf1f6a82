//! The files for proxies that cannot be run here: what must stand in them, so that the API believes nobody but Keyrack and
//! nobody is let in unasked.

use std::collections::BTreeSet;

use super::place::example;
use crate::support::TestApp;

/// What Keyrack tells the API by way of the proxy: the names of its headers.
async fn told() -> BTreeSet<String> {
    let app = TestApp::new();
    let answer = app.key(&app.db_create_key("ben", "ci").secret).get("/v1/auth").await.assert_status(200);
    let names = answer.headers.iter().map(|(name, _)| name.to_lowercase());
    let told: BTreeSet<String> =
        names.filter(|name| name.starts_with("x-keyrack-") || name == "x-request-id").collect();
    assert_eq!(told.len(), 7, "{told:?}");
    told
}

/// What stands behind this key, wherever it does; nothing of comments.
fn values<'t>(file: &'t str, key: &str) -> Vec<&'t str> {
    let lines = file.lines().map(|line| line.trim().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim).collect()
}

/// The lists of headers under this key.
fn lists(file: &str, key: &str) -> Vec<BTreeSet<String>> {
    let begin = format!(" {key}:\n");
    let entry = |line: &str| {
        let entry = line.trim().strip_prefix("- ")?;
        let name = entry.strip_prefix("{ exact: ").map_or(entry, |rest| rest.split(',').next().unwrap());
        Some(name.to_lowercase())
    };
    let lines = file.split(begin.as_str()).skip(1).map(str::lines);
    lines.map(|lines| lines.filter(|line| line.trim() != "patterns:").map_while(entry).collect()).collect()
}

#[actix_web::test]
async fn traefik_passes_on_what_keyrack_tells_and_nothing_like_it() {
    let (file, told) = (example("traefik/keyrack.yml", &[]), told().await);
    let checks = values(&file, "forwardAuth").len();
    assert_eq!(lists(&file, "authResponseHeaders"), vec![told; checks]);
    assert_eq!(values(&file, "trustForwardHeader"), vec!["false"; checks]);
    let any_spelling = "\"(?i)^x[-_](keyrack[-_]|request[-_]id$)\"";
    assert_eq!(values(&file, "authResponseHeadersRegex"), vec![any_spelling; checks]);
    let routers = values(&file, "middlewares").into_iter().filter(|list| !list.is_empty());
    assert_eq!(
        routers.collect::<Vec<_>>(),
        ["[no-forged-address, keyrack-admin, no-key-upstream]", "[no-forged-address, keyrack, no-key-upstream]"]
    );
    assert_eq!(checks, 2);
}

#[actix_web::test]
async fn envoy_passes_on_what_keyrack_tells_and_lets_nobody_in_unasked() {
    let (file, told) = (example("envoy/envoy.yaml", &[]), told().await);
    assert_eq!(values(&file, "failure_mode_allow"), ["false"]);
    assert_eq!(values(&file, "headers_with_underscores_action"), ["REJECT_REQUEST"]);
    // What is removed there is removed after the check.
    assert_eq!(values(&file, "request_headers_to_remove"), ["[authorization, x-api-key]"]);
    assert_eq!(lists(&file, "allowed_upstream_headers"), [told]);
}
