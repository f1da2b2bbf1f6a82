//! `/v1/events`: what it lists, for whom, and what upstreams may report.

use keyrack::db::events::Report;
use keyrack::db::usage::{Step, list_counts};
use keyrack::domain::ids::OrgId;
use keyrack::gate::Seen;
use serde_json::{Value, json};

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::app::{MadeKey, Request};

/// Checks a key as a proxy would, under this request id.
pub(crate) async fn check(app: &TestApp, key: &MadeKey, request_id: &str) {
    let seen =
        Seen { method: "GET", path: "/render", address: "192.0.2.7", client: "curl/8", request_id, ..Seen::default() };
    check_as(app, key, &seen).await;
}

async fn check_as(app: &TestApp, key: &MadeKey, seen: &Seen<'_>) {
    app.catch_up();
    app.state.gate.check(&key.secret, None, seen).await.unwrap();
}

fn report(request_id: &str, status: i64) -> Report {
    Report { request_id: request_id.into(), status, duration_ms: Some(12) }
}

async fn events_of(app: &TestApp, asks: &MadeKey, query: &str) -> Vec<Value> {
    let list = app.key(&asks.secret).get(&format!("/v1/events?{query}")).await.assert_status(200).json();
    list["data"].as_array().unwrap().clone()
}

fn column(events: &[Value], pointer: &str) -> Vec<Value> {
    events.iter().map(|event| event.pointer(pointer).cloned().unwrap_or_default()).collect()
}

#[actix_web::test]
async fn a_report_finds_its_event_whichever_comes_first() {
    let app = TestApp::new();
    let (key, asks) = (app.db_create_key("ben", "Warehouse export"), app.db_create_key("ben", "asks"));
    let gate = &app.state.gate;
    check(&app, &key, "after").await;
    gate.flush().unwrap();
    assert_eq!(gate.report(vec![report("after", 500), report("after", 200), report("nobody's", 200)]), 3);
    gate.flush().unwrap();
    check(&app, &key, "before").await;
    assert_eq!(gate.report(vec![report("before", 404)]), 1);
    gate.flush().unwrap();
    assert_eq!(gate.report(vec![report("long before", 201)]), 1);
    gate.flush().unwrap();
    check(&app, &key, "long before").await;
    gate.flush().unwrap();
    gate.flush().unwrap();
    let events = events_of(&app, &asks, &format!("key={}", key.id)).await;
    assert_eq!(column(&events, "/request_id"), [json!("long before"), json!("before"), json!("after")]);
    assert_eq!(column(&events, "/status"), [json!(201), json!(404), json!(500)]);
    let first = &events[0];
    assert_eq!((&first["duration_ms"], &first["weight"]), (&json!(12), &json!(1)));
    assert_eq!(first["key"], json!({"id": key.id, "name": "Warehouse export"}));
    assert_eq!(
        (&first["method"], &first["path"], &first["outcome"]),
        (&json!("GET"), &json!("/render"), &json!("VALID"))
    );
    assert_eq!((&first["address"], &first["client"]), (&json!("192.0.2.7"), &json!("curl/8")));
    let since = app.now().minus(keyrack::domain::time::Span::hours(1));
    let list = |conn: &mut _| list_counts(conn, &OrgId::from("org_acme"), &key.id.as_str().into(), Step::Hour, since);
    let mut counted: Vec<(String, i64)> =
        app.database.run(list).unwrap().into_iter().map(|counted| (counted.outcome, counted.count)).collect();
    counted.sort_unstable();
    let expected = [("STATUS_2XX", 1), ("STATUS_4XX", 1), ("STATUS_5XX", 1), ("VALID", 3)];
    assert_eq!(counted, expected.map(|(outcome, count)| (outcome.to_owned(), count)));
}

#[actix_web::test]
async fn a_report_never_goes_to_another_keys_request() {
    let app = TestApp::new();
    let (key, other, asks) =
        (app.db_create_key("ben", "ci"), app.db_create_key("ben", "other"), app.db_create_key("ben", "asks"));
    for (key, id) in [(&key, "known"), (&key, "again"), (&key, "again"), (&other, "known")] {
        check(&app, key, id).await;
    }
    let gate = &app.state.gate;
    gate.flush().unwrap();
    assert_eq!(gate.report(vec![report("known", 500), report("again", 500)]), 2);
    gate.flush().unwrap();
    for (key, expected) in [(&key, vec![json!(500), Value::Null, Value::Null]), (&other, vec![Value::Null])] {
        let events = events_of(&app, &asks, &format!("key={}", key.id)).await;
        let mut told = column(&events, "/status");
        told.sort_by_key(Value::is_null);
        assert_eq!(told, expected);
    }
}

#[actix_web::test]
async fn a_backend_that_asks_itself_reports_by_the_id_in_the_answer() {
    let app = TestApp::new();
    let (key, other) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "asks"));
    let token = service_token(&app);
    let backend = app.key(&token);
    let verify = |of: &MadeKey, request: Value| {
        let question = json!({"key": of.secret, "request": request});
        let backend = &backend;
        async move {
            let answer = backend.post("/v1/keys/verify", &question).await.assert_status(200).json();
            answer["request_id"].as_str().unwrap().to_owned()
        }
    };
    let given = verify(&key, json!({"method": "PUT", "path": "/jobs/7"})).await;
    let own = verify(&key, json!({"method": "PUT", "path": "/jobs/8", "request_id": "job-8"})).await;
    verify(&other, json!({})).await;
    let outcomes = json!([
        {"request_id": given, "status": 503, "duration_ms": 1200},
        {"request_id": own, "status": 201},
    ]);
    let taken = backend.post("/v1/events", &outcomes).await.assert_status(202);
    assert_eq!(taken.json(), json!({"accepted": 2}));
    let events = events_of(&app, &other, &format!("key={}", key.id)).await;
    assert_eq!(column(&events, "/request_id"), [json!("job-8"), json!(given)]);
    assert_eq!(column(&events, "/path"), [json!("/jobs/8"), json!("/jobs/7")]);
    assert_eq!(column(&events, "/status"), [json!(201), json!(503)]);
    assert_eq!(column(&events, "/duration_ms"), [Value::Null, json!(1200)]);
    // What nobody reported on stays as it was.
    let others = events_of(&app, &other, &format!("key={}", other.id)).await;
    assert!(!others.is_empty() && column(&others, "/duration_ms").iter().all(Value::is_null), "{others:?}");
}

#[actix_web::test]
async fn reports_are_read_strictly() {
    let app = TestApp::new();
    let token = service_token(&app);
    let backend = app.key(&token);
    let good = json!({"request_id": "r1", "status": 200, "duration_ms": 5});
    let taken = backend.post("/v1/events", &json!([good, {"request_id": "r2", "status": 599}])).await;
    assert_eq!(taken.assert_status(202).json(), json!({"accepted": 2}));
    for wrong in [
        json!([]),
        json!({}),
        json!([{"request_id": "r1"}]),
        json!([{"request_id": "", "status": 200}]),
        json!([{"request_id": "r".repeat(65), "status": 200}]),
        json!([{"request_id": "r1", "status": 99}]),
        json!([{"request_id": "r1", "status": "200"}]),
        json!([{"request_id": "r1", "status": 200, "duration_ms": -1}]),
        json!([{"request_id": "r1", "status": 200, "path": "/"}]),
        Value::Array(vec![good.clone(); 1001]),
    ] {
        backend.post("/v1/events", &wrong).await.assert_problem(422, "INVALID");
    }
    // As many as may be sent, with the longest ids.
    let most = json!({"request_id": "r".repeat(64), "status": 200, "duration_ms": 86_400_000});
    let answer = backend.post("/v1/events", &Value::Array(vec![most; 1000])).await.assert_status(202);
    assert_eq!(answer.json()["accepted"], 1000);
    let huge = Request::new("POST", "/v1/events").body("application/json", vec![b' '; 300_000]);
    backend.send(huge).await.assert_problem(413, "INVALID_REQUEST");
}

#[actix_web::test]
async fn the_list_is_filtered_and_goes_on_page_by_page() {
    let app = TestApp::new();
    let (key, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "asks"));
    for n in 0..5 {
        check(&app, &key, &format!("r{n}")).await;
    }
    app.state.gate.flush().unwrap();
    let _ = app.state.gate.report(vec![report("r1", 404), report("r3", 200)]);
    let of_key = format!("key={}", key.id);
    let ids = |query: &str| {
        let (app, asks, query) = (&app, &asks, format!("{of_key}&{query}"));
        async move {
            let events = events_of(app, asks, &query).await;
            events.iter().map(|event| event["request_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(ids("").await, "r4 r3 r2 r1 r0");
    assert_eq!(ids("status=4xx").await, "r1");
    assert_eq!(ids("status=200").await, "r3");
    assert_eq!(ids("status=VALID&since=10m").await, "r4 r3 r2 r1 r0");
    assert_eq!(ids("status=REVOKED").await, "");
    assert_eq!(ids("since=2100-01-01T00:00:00Z").await, "");
    let script = app.key(&asks.secret);
    let page = script.get(&format!("/v1/events?{of_key}&limit=3")).await.assert_status(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&format!("limit=3&cursor={next}")).await, "r1 r0");
    for wrong in ["status=9xx", "status=no", "since=never", "limit=0", "limit=201", "cursor=x"] {
        script.get(&format!("/v1/events?{wrong}")).await.assert_problem(422, "INVALID");
    }
    script.get("/v1/events?path=/x").await.assert_problem(400, "INVALID_REQUEST");
    for wrong in ["last_event_id=x", "last_event_id=-1"] {
        script.get(&format!("/v1/events/stream?{wrong}")).await.assert_problem(422, "INVALID");
    }
}

#[actix_web::test]
async fn a_builder_sees_only_their_own_keys_events() {
    let app = TestApp::new();
    let keys = ["ben", "bea", "ada", "xavier"].map(|who| app.db_create_key(who, who));
    for key in &keys {
        check(&app, key, "r").await;
    }
    let [ben, _, ada, xavier] = &keys;
    let seen = |asks: &MadeKey, query: &'static str| {
        let (app, asks) = (&app, MadeKey { id: asks.id.clone(), secret: asks.secret.clone() });
        async move {
            let names = column(&events_of(app, &asks, query).await, "/key/name");
            let names: std::collections::BTreeSet<String> =
                names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            names.into_iter().collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(seen(ben, "").await, "ben");
    assert_eq!(seen(ada, "").await, "ada bea ben");
    assert_eq!(seen(xavier, "").await, "xavier");
}

#[actix_web::test]
async fn what_strangers_send_comes_back_harmless() {
    let app = TestApp::new();
    let (key, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "asks"));
    let path = format!("/x/{}\r\ndata: forged\u{1b}]0;\u{202e}", key.secret);
    let client = "<script>alert(1)</script>\u{7}\ndata: {}";
    let seen = Seen {
        method: "G\u{0}T",
        path: &path,
        address: "192.0.2.7",
        client,
        request_id: "<r>\n\nid: 1",
        ..Seen::default()
    };
    check_as(&app, &key, &seen).await;
    let answer = app.key(&asks.secret).get(&format!("/v1/events?key={}", key.id)).await.assert_status(200);
    assert!(answer.body.contains("<script>"), "it is a text like any other in JSON: {}", answer.body);
    let (json, decoded) = (answer.json(), |event: &Value| format!("{event}"));
    let text = decoded(&json["data"][0]);
    for control in ["\\n", "\\r", "\\u0000", "\\u001b", "\\u0007", "\u{202e}", key.secret.as_str()] {
        assert!(!text.contains(control), "{control:?} in {text}");
    }
}
