//! The server as its operator sees it: metrics, the log, and how it stops.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use keyrack::actions::alerts::{Ways, fan_out};
use keyrack::actions::{Ctx, Origin};
use keyrack::db::alerts::deliveries::give_up_waiting;
use keyrack::domain::time::Span;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::app::Request;
use crate::support::binary::{Place, Server, fetch};

const TOKEN: &str = "metrics-token-of-a-test";

// ---- metrics --------------------------------------------------------------------------------------------------------------

const FAMILIES: [&str; 21] = [
    "keyrack_checks_total",
    "keyrack_check_duration_seconds",
    "keyrack_index_keys",
    "keyrack_index_orgs",
    "keyrack_nodes",
    "keyrack_lease_held",
    "keyrack_limits_shared",
    "keyrack_events_waiting",
    "keyrack_counts_waiting",
    "keyrack_uses_waiting",
    "keyrack_reports_waiting",
    "keyrack_events_not_stored_total",
    "keyrack_counts_lost_total",
    "keyrack_reports_in_vain_total",
    "keyrack_deliveries_waiting",
    "keyrack_deliveries_late_seconds",
    "keyrack_db_connections",
    "keyrack_http_requests_total",
    "keyrack_http_request_duration_seconds",
    "keyrack_build_info",
    "process_start_time_seconds",
];

/// The value of a line of metrics.
#[track_caller]
fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|at| at.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{line} is missing:\n{text}")).parse().unwrap()
}

/// What a scraper would stumble over: each family has help and type first, each line a name, a number, nothing twice.
fn assert_well_formed(text: &str) {
    let (mut families, mut seen) = (std::collections::BTreeMap::new(), BTreeSet::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(families.insert(name, kind).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (series, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok() && seen.insert(series), "{line}");
            let name = series.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| families.contains_key(family)).unwrap_or(name);
            assert!(families.contains_key(family), "{line} has no type");
            assert!((families[family] == "histogram") == (family != name), "{line}");
        }
    }
}

#[actix_web::test]
async fn metrics_are_off_until_there_is_a_token_and_then_it_is_needed() {
    let off = TestApp::new();
    off.visitor().get("/metrics").await.assert_status(404);
    let app = TestApp::with(|setup| {
        setup.config.metrics.token = Some(keyrack::domain::token::SecretHash::of(TOKEN));
    });
    for header in ["", "Bearer ", "Bearer wrong", TOKEN, "Basic metrics-token-of-a-test"] {
        let answer = app.send(Request::new("GET", "/metrics").header("Authorization", header)).await;
        let answer = answer.assert_status(401);
        assert!(!answer.body.contains("keyrack_"), "{}", answer.body);
    }
    let key = app.db_create_key("ben", "ci");
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    app.key("kr_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAA").get("/v1/whoami").await.assert_status(401);
    app.visitor().get("/no-such-page").await.assert_status(404);
    let answer = app.send(Request::new("GET", "/metrics").header("Authorization", &format!("bearer {TOKEN}"))).await;
    let answer = answer.assert_status(200);
    for told in [key.id.as_str(), "acme", "whoami"] {
        assert!(!answer.body.contains(told), "{told}");
    }
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_well_formed(&answer.body);
    assert_eq!(value(&answer.body, "keyrack_checks_total{verdict=\"valid\"}"), 1.0);
    assert_eq!(value(&answer.body, "keyrack_checks_total{verdict=\"no_lease\"}"), 0.0);
    assert_eq!(value(&answer.body, "keyrack_check_duration_seconds_count"), 2.0);
    assert_eq!(value(&answer.body, "keyrack_index_keys"), 1.0);
    assert!(value(&answer.body, "keyrack_index_orgs") >= 1.0 && value(&answer.body, "keyrack_lease_held") == 1.0);
    assert!(value(&answer.body, "keyrack_http_requests_total{status=\"2xx\"}") >= 1.0);
    assert!(value(&answer.body, "keyrack_http_requests_total{status=\"4xx\"}") >= 6.0);
    app.key(&key.secret).get("/v1/auth/a").await.assert_status(200);
    app.key("kr_x").get("/v1/auth").await.assert_status(401);
    app.key("krs_x").post("/v1/keys/verify", &serde_json::json!({"key": "x"})).await.assert_status(401);
    // The application's affair.
    app.key(&key.secret).post("/v1/keys/verify", &serde_json::json!({"key": "x"})).await.assert_status(403);
    let after = app.send(Request::new("GET", "/metrics").header("Authorization", &format!("bearer {TOKEN}"))).await;
    let more = |line: &str| value(&after.body, line) - value(&answer.body, line);
    // The metrics were asked for once in between.
    let classes = ["2xx", "4xx"].map(|class| more(&format!("keyrack_http_requests_total{{status=\"{class}\"}}")));
    assert_eq!(classes, [2.0, 3.0]);
    for (kind, count) in [("check", 3.0), ("other", 2.0)] {
        let durations = |part: &str| format!("keyrack_http_request_duration_seconds_{part}");
        assert_eq!(more(&durations(&format!("count{{kind=\"{kind}\"}}"))), count, "{kind}");
        assert_eq!(more(&durations(&format!("bucket{{kind=\"{kind}\",le=\"+Inf\"}}"))), count, "{kind}");
        assert!(more(&durations(&format!("sum{{kind=\"{kind}\"}}"))) > 0.0, "{kind}");
    }
    let families: Vec<&str> =
        answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let leased: &[&str] = if app.database.is_sqlite() { &[] } else { &["keyrack_lease_age_seconds"] };
    assert_eq!(families.into_iter().collect::<BTreeSet<_>>(), FAMILIES.iter().chain(leased).copied().collect());
    assert!(value(&answer.body, "keyrack_db_connections{state=\"in_use\"}") <= 8.0);
    assert!(value(&answer.body, "process_start_time_seconds") > 1.6e9);
    assert_eq!(value(&answer.body, concat!("keyrack_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")), 1.0);
}

#[actix_web::test]
async fn metrics_say_how_many_alerts_wait_by_which_way_and_for_how_long() {
    let app = TestApp::with(|setup| {
        setup.config.metrics.token = Some(keyrack::domain::token::SecretHash::of(TOKEN));
        setup.config.alerts.private_webhooks = true;
    });
    let read = async || {
        let answer =
            app.send(Request::new("GET", "/metrics").header("Authorization", &format!("Bearer {TOKEN}"))).await;
        assert_well_formed(&answer.body);
        let of = |name: &str, channel: &str| {
            value(&answer.body, &format!("keyrack_deliveries_{name}{{channel=\"{channel}\"}}"))
        };
        [of("waiting", "email"), of("waiting", "webhook"), of("late_seconds", "email"), of("late_seconds", "webhook")]
    };
    assert_eq!(read().await, [0.0; 4]);
    let url = [("url", "http://127.0.0.1:9/hooks")];
    let page = "/orgs/acme/settings/notifications/webhooks";
    let secret = crate::support::keys::secret_in(&app.enter("ada").post(page, &url).await.assert_status(200));
    app.learn(&secret);
    app.db_create_key("ben", "ci");
    let origin = Origin { via: "server", ..Origin::default() };
    let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    let ways = Ways { has_mail: true, digest: Span::minutes(5) };
    app.database.run(|conn| assert_eq!(fan_out(conn, ctx, ways).unwrap(), 1));
    let [email, webhook, email_late, webhook_late] = read().await;
    assert_eq!((webhook, email_late), (1.0, 0.0), "e-mail waits for company");
    assert_eq!(email, app.count("alert_deliveries WHERE channel = 'email'") as f64);
    assert!(email > 0.0 && webhook_late < 60.0, "{webhook_late}");
    app.advance(Span::minutes(6));
    let [_, _, email_late, webhook_late] = read().await;
    assert!(
        (60.0..120.0).contains(&email_late) && (360.0..420.0).contains(&webhook_late),
        "{email_late} {webhook_late}"
    );
    app.database.run(|conn| give_up_waiting(conn, app.now()).unwrap());
    assert_eq!(read().await, [0.0; 4], "what was given up waits no more");
}

#[test]
fn metrics_on_a_socket_of_their_own_are_nowhere_else() {
    let place = Place::new().set("KEYRACK_METRICS_LISTEN", "127.0.0.1:0");
    let server = place.start(&[]);
    assert_eq!(server.get("/metrics").status, 404);
    let metrics = fetch(server.metrics_address(), "/metrics", None).unwrap();
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert_eq!(fetch(server.metrics_address(), "/healthz", None).unwrap().status, 404);
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");

    let place = place.set("KEYRACK_METRICS_TOKEN", TOKEN);
    let server = place.start(&[]);
    assert_eq!(fetch(server.metrics_address(), "/metrics", None).unwrap().status, 401);
    assert_eq!(fetch(server.metrics_address(), "/metrics", Some(TOKEN)).unwrap().status, 200);
    let taken = Place::new()
        .set("KEYRACK_METRICS_LISTEN", &server.metrics_address().to_string())
        .run(&["--listen", "127.0.0.1:0"]);
    assert!(taken.stderr.contains("KEYRACK_METRICS_LISTEN: cannot listen on 127.0.0.1:"), "{taken:?}");
}

// ---- the log --------------------------------------------------------------------------------------------------------------

#[test]
fn every_line_of_a_json_log_is_an_object_and_those_of_a_request_name_it() {
    let place = Place::new().set("KEYRACK_LOG", "debug").set("KEYRACK_LOG_FORMAT", "json");
    let server = place.start(&[]);
    let fine = server.get("/sign-in");
    assert_eq!(fine.status, 200);
    let file = place.path("keyrack.db");
    let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    // The server may be writing just now.
    conn.batch_execute("PRAGMA busy_timeout = 5000; ALTER TABLE users RENAME TO elsewhere").unwrap();
    let broken = server.post("/sign-in", "email=olive%40acme.example&password=x%0a%22y%22");
    assert!(broken.status >= 500, "{broken:?}");
    conn.batch_execute("ALTER TABLE elsewhere RENAME TO users").unwrap();
    let (ended, log) = server.stop();
    assert!(ended.success());
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    for (reply, least) in [(&fine, 1), (&broken, 2)] {
        let id = reply.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        let of_it: Vec<_> = lines.iter().filter(|line| line["span"]["request_id"] == id).collect();
        assert!(of_it.len() >= least, "{log}");
    }
    let (requests, errors) = (|line: &&Value| line["message"] == "request", |line: &&Value| line["level"] == "ERROR");
    assert!(lines.iter().filter(requests).all(|line| line["request_id"].is_string()));
    assert!(lines.iter().filter(errors).count() > 0);
    assert!(lines.iter().filter(errors).all(|line| line["span"]["request_id"].is_string()), "{log}");
}

#[test]
fn a_log_of_errors_only_still_names_the_request() {
    let place = Place::new().set("KEYRACK_LOG", "error");
    let server = place.start(&[]);
    let file = place.path("keyrack.db");
    let mut conn = <diesel::SqliteConnection as diesel::Connection>::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn.batch_execute("ALTER TABLE users RENAME TO elsewhere").unwrap();
    let broken = server.post("/sign-in", "email=olive%40acme.example&password=x");
    let id = broken.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
    let (_, log) = server.stop();
    assert!(!log.is_empty() && log.lines().all(|line| line.contains(&id)), "{log}");
}

/// What anybody can make the server read, without a key that is worth anything: a request each, or what is none.
const OF_STRANGERS: [&str; 12] = [
    "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost x\r\n\r\n",
    "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "POST /v1/keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer krs_x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
    "GET /v1/auth/require/role:nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /v1/auth?key=x&%ff HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer kr_x\r\nConnection: close\r\n\r\n",
    "GET /no/%ff/such HTTP/1.1\r\nHost: x\r\nCookie: keyrack=x\r\nConnection: close\r\n\r\n",
    "POST /v1/keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
];

#[test]
fn strangers_do_not_fill_the_log() {
    let place = Place::new().set("KEYRACK_LOG", "warn");
    let server = place.start(&[]);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    for sent in OF_STRANGERS.into_iter().chain([head.as_str()]) {
        for _ in 0..10 {
            let mut socket = TcpStream::connect(server.address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            // It may have answered and closed before it has read all.
            let _ = socket.write_all(sent.as_bytes());
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let _ = socket.read_to_end(&mut Vec::new());
        }
    }
    assert_eq!(server.get("/healthz").status, 200);
    let (ended, log) = server.stop();
    assert!(ended.success());
    // A path that asks for a role there is not may be the operator's mistake: that is said, once a minute.
    assert!(log.lines().count() <= 2, "{log}");
}

// ---- stopping -------------------------------------------------------------------------------------------------------------

/// A request whose last byte is still to come.
fn begin_slow_request(server: &Server) -> TcpStream {
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let body = "email=olive%40acme.example&password=x";
    write!(
        slow,
        "POST /sign-in HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {1}\r\n\r\n{2}",
        server.address,
        body.len(),
        &body[..body.len() - 1]
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    slow
}

#[test]
fn a_request_under_way_gets_its_answer_before_the_server_stops() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut slow = begin_slow_request(&server);
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    slow.write_all(b"x").unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 422");
    let began = Instant::now();
    drop(slow);
    let (ended, log) = server.ended();
    assert!(ended.success() && began.elapsed() < Duration::from_secs(4), "{ended} {:?}\n{log}", began.elapsed());
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT")] {
        let place = Place::new();
        let server = place.start(&[]);
        let slow = begin_slow_request(&server);
        server.signal(first);
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        server.signal(second);
        let (ended, log) = server.ended();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}\n{log}", began.elapsed());
        assert_eq!(ended.code(), Some(1), "{log}");
        drop(slow);
    }
}

#[actix_web::test]
async fn a_server_that_is_about_to_stop_is_not_ready_but_healthy() {
    let app = TestApp::new();
    let mut stopping = app.state.running.stopping();
    assert!(!*stopping.borrow_and_update());
    app.visitor().get("/readyz").await.assert_status(200);
    app.state.running.stop();
    assert!(stopping.changed().await.is_ok() && *stopping.borrow());
    app.visitor().get("/readyz").await.assert_status(503).assert_see("stopping");
    app.visitor().get("/healthz").await.assert_status(200);
}
