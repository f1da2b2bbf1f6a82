//! From the check through the proxy to the API, and from what the API reports back to that very check.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{Proxy, Reply, exchange};
use super::{World, bearer, headers_told};
use crate::api::service_token;
use crate::support::app::MadeKey;

/// The id under which the API may report: one, and as Keyrack makes them.
#[track_caller]
fn id_told(reply: &Reply) -> String {
    let ids: Vec<_> = headers_told(reply).filter(|(name, _)| name == "x-request-id").map(|(_, id)| id).collect();
    assert!(ids.len() == 1 && ids[0].len() == 32, "{ids:?}: {reply:?}");
    ids[0].to_owned()
}

/// A call of Keyrack's API, over its socket.
fn call(world: &World, request: &str, secret: &str, body: &str) -> Reply {
    let headers = format!("Connection: close\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n");
    exchange(&world.keyrack, request, &headers, body).unwrap()
}

/// Path, status and duration of a key's event, as the key's own people see it.
fn event(world: &World, key: &MadeKey, id: &str) -> Option<Value> {
    let list = call(world, &format!("GET /v1/events?key={}&limit=200", key.id), &key.secret, "").assert(200);
    let list: Value = serde_json::from_str(&list.body).unwrap();
    let event = list["data"].as_array().unwrap().iter().find(|event| event["request_id"] == id)?;
    Some(json!([event["path"], event["status"], event["duration_ms"]]))
}

#[track_caller]
fn wait_for(world: &World, key: &MadeKey, id: &str, expected: &Value) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        // What cannot be written now is tried again.
        let _ = world.app.state.gate.flush();
        let event = event(world, key, id);
        if event.as_ref() == Some(expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{id}: {event:?} instead of {expected}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whatever id a client sends, the API gets that of the check, and what it reports is noted there and nowhere else.
pub(crate) fn reports_reach_their_checks(world: &World, proxy: &Proxy) {
    let (other, token) = (world.app.db_create_key("xavier", "another tenant's"), service_token(&world.app));
    world.app.catch_up();
    let victim = id_told(&proxy.ask("GET", "/projects", &bearer(&other)).assert(200));
    let mut reports = Vec::new();
    let mut note = |key, path, reply: Reply| reports.push((key, path, id_told(&reply.assert(200))));
    for forged in [
        String::new(),
        "X-Request-Id:\r\n".to_owned(),
        format!("X-Request-Id: {victim}\r\n"),
        format!("x-request-id: {victim}\r\nX-REQUEST-ID: {victim}\r\n"),
        format!("X_Request_Id: {victim}\r\nx_request-id: {victim}\r\n"),
        format!("X-Request_Id: {victim}\r\nX-Request-Id: {victim}\r\n"),
    ] {
        for (path, key) in [("/projects", &world.builder), ("/admin/x", &world.admin)] {
            note(key, path, proxy.ask("GET", path, &(bearer(key) + forged.as_str())));
        }
    }
    // What `Connection` names is dropped on the way: then the API could not report.
    for names in ["X-Request-Id", "x_request_id, X-Request_Id"] {
        let headers = format!("{}X-Request-Id: {victim}\r\n", bearer(&world.builder));
        note(&world.builder, "/projects", proxy.ask_with("GET", "/projects", &format!("close, {names}"), &headers));
    }
    let ids: BTreeSet<&String> = reports.iter().map(|(_, _, id)| id).collect();
    assert!(ids.len() == reports.len() && !ids.contains(&victim), "{victim}: {ids:?}");

    let outcomes: Vec<Value> = (1..)
        .zip(&reports)
        .map(|(n, (_, _, id))| json!({"request_id": id, "status": 500 + n, "duration_ms": 1000 + n}))
        .collect();
    let taken = call(world, "POST /v1/events", &token, &json!(outcomes).to_string()).assert(202);
    assert_eq!(taken.body, json!({"accepted": reports.len()}).to_string());
    for (n, (key, path, id)) in (1..).zip(&reports) {
        wait_for(world, key, id, &json!([path, 500 + n, 1000 + n]));
    }
    assert_eq!(event(world, &other, &victim), Some(json!(["/projects", null, null])));
}
