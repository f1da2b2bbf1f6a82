//! Following events over a real socket: nothing is lost and nothing comes twice, whatever happens to the connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use keyrack::actions::keys::{RevokeInput, pause_key, revoke_key};
use keyrack::actions::people::{KeysFate, disable_user, remove_member};
use keyrack::db;
use keyrack::db::events::Report;
use keyrack::domain::org::Role;
use keyrack::domain::time::Span;
use keyrack::gate::Seen;
use serde_json::Value;

use crate::support::actor::Visitor;
use crate::support::app::MadeKey;
use crate::support::served::Served;
use crate::support::{TestApp, cast};

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    id: i64,
    event: String,
    data: Value,
}

/// A connection to a stream. HTTP/1.0, so that the body comes as it is.
struct Follower {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Follower {
    fn connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(socket, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n").unwrap();
        Self { socket, received: Vec::new() }
    }

    fn with_key(address: SocketAddr, path: &str, key: &MadeKey, after: Option<i64>) -> Self {
        let (key, after) = (format!("Bearer {}", key.secret), after.map(|after| after.to_string()));
        let mut headers = vec![("Authorization", key.as_str())];
        headers.extend(after.as_deref().map(|after| ("Last-Event-ID", after)));
        Self::connect(address, path, &headers)
    }

    /// Reads once. False when the server has ended it.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) => assert!(
                matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                "{error}"
            ),
        }
        true
    }

    /// Reads until this holds, ten seconds at most.
    #[track_caller]
    fn read_until(&mut self, is_enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_enough(self) {
            let goes_on = self.read();
            assert!((goes_on || is_enough(self)) && Instant::now() < deadline, "{}", self.text());
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    fn status(&self) -> u16 {
        self.text().get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The messages that came whole, and the last id that stood before an empty line.
    fn messages(&self) -> (Vec<Message>, Option<i64>) {
        let text = self.text();
        let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let (mut messages, mut last) = (Vec::new(), None);
        let whole = body.rfind("\n\n").map_or("", |at| &body[..at]);
        for block in whole.split("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let id = field("id: ").map(|id| id.parse().unwrap());
            last = id.or(last);
            if let (Some(id), Some(data)) = (id, field("data: ")) {
                let event = field("event: ").unwrap().to_owned();
                messages.push(Message { id, event, data: serde_json::from_str(data).unwrap() });
            }
        }
        (messages, last)
    }

    #[track_caller]
    fn wait_for_begin(&mut self) -> i64 {
        self.read_until(|follower| follower.messages().1.is_some());
        self.messages().1.unwrap()
    }

    /// Once the stream has begun.
    fn begun(mut self) -> Self {
        self.wait_for_begin();
        self
    }

    /// The requests whose checks came, by their ids.
    fn seen(&self) -> Vec<String> {
        let messages = self.messages().0.into_iter().filter(|message| message.event == "check");
        messages.map(|message| message.data["request_id"].as_str().unwrap().to_owned()).collect()
    }

    fn has_seen(&self, request_id: &str) -> bool {
        self.seen().iter().any(|seen| seen == request_id)
    }

    fn read_to_the_end(&mut self) {
        while self.read() {}
    }
}

fn check(app: &TestApp, key: &MadeKey, request_id: &str) {
    let seen =
        Seen { method: "GET", path: "/render", address: "192.0.2.7", client: "curl/8", request_id, ..Seen::default() };
    futures_util::FutureExt::now_or_never(app.state.gate.check(&key.secret, None, &seen)).unwrap().unwrap();
}

/// Connects again and again, each time for a while only, and returns all that came until nothing is missing.
fn follow_with_cuts(
    address: SocketAddr,
    key: &MadeKey,
    path: &str,
    begin: i64,
    expected: usize,
) -> (Vec<Message>, usize) {
    let (mut all, mut last, mut connections) = (Vec::new(), begin, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while all.len() < expected && Instant::now() < deadline {
        connections += 1;
        let mut follower = Follower::with_key(address, path, key, Some(last));
        // Cut off anywhere, in the middle of a message too.
        let enough = 1000 + connections * 7919 % 200_000;
        let mut silent = 0;
        while follower.received.len() < enough && silent < 5 {
            let before = follower.received.len();
            if !follower.read() {
                break;
            }
            silent = if follower.received.len() == before { silent + 1 } else { 0 };
        }
        if follower.status() == 429 {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        let (messages, id) = follower.messages();
        all.extend(messages);
        last = id.unwrap_or(last);
    }
    (all, connections)
}

#[actix_web::test]
async fn ten_thousand_events_arrive_once_each_over_forced_reconnects() {
    const EVENTS: usize = 10_000;
    let app = TestApp::with(|setup| setup.gate.events_per_second = 1_000_000);
    let (key, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "follows"));
    app.catch_up();
    let server = Served::start(&app);
    let path = format!("/v1/events/stream?key={}", key.id);
    let begin = Follower::with_key(server.address, &path, &asks, None).wait_for_begin();
    let address = server.address;
    let (all, connections) = std::thread::scope(|scope| {
        let (path, asks) = (&path, &asks);
        let reader = scope.spawn(move || follow_with_cuts(address, asks, path, begin, EVENTS + EVENTS / 10));
        for n in 0..EVENTS {
            check(&app, &key, &format!("r{n}"));
            if n % 10 == 0 {
                let report = Report { request_id: format!("r{n}"), status: 200, duration_ms: Some(3) };
                assert_eq!(app.state.gate.report(vec![report]), 1);
            }
            if n % 100 == 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        reader.join().unwrap()
    });
    assert!(connections > 10, "only {connections} connections");
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id), "out of order, or twice");
    let ids = |event: &str| {
        let of = all.iter().filter(|message| message.event == event);
        let mut ids: Vec<usize> =
            of.map(|message| message.data["request_id"].as_str().unwrap()[1..].parse().unwrap()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids("check"), (0..EVENTS).collect::<Vec<_>>());
    assert_eq!(ids("outcome"), (0..EVENTS).step_by(10).collect::<Vec<_>>());
    server.stop().await;
}

#[actix_web::test]
async fn a_stream_may_begin_in_the_past_and_then_goes_on_without_a_gap() {
    let app = TestApp::new();
    let (key, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "follows"));
    app.catch_up();
    let server = Served::start(&app);
    for request_id in ["old", "recent"] {
        check(&app, &key, request_id);
        app.state.gate.flush().unwrap();
        app.advance(Span::minutes(20));
    }
    let path = format!("/v1/events/stream?since=30m&key={}", key.id);
    let mut follower = Follower::with_key(server.address, &path, &asks, None);
    follower.read_until(|follower| follower.seen() == ["recent"]);
    // What began in the past is not left out when it is older than that, by now.
    app.advance(Span::hours(1));
    let report = Report { request_id: "recent".to_owned(), status: 200, duration_ms: Some(3) };
    assert_eq!(app.state.gate.report(vec![report]), 1);
    check(&app, &key, "new");
    follower.read_until(|follower| follower.messages().0.len() == 3);
    // Going on from an id goes before it.
    let last = follower.messages().1;
    let mut again = Follower::with_key(server.address, &path, &asks, last).begun();
    check(&app, &key, "newest");
    again.read_until(|follower| follower.seen() == ["newest"]);
    let mut wrong = Follower::with_key(server.address, "/v1/events/stream?since=soon", &asks, None);
    wrong.read_until(|follower| follower.status() == 422);
    app.state.running.stop();
    server.stop().await;
}

/// What is checked once `end` has taken the right of `asks` does not reach its stream, while the stream of another goes on.
async fn assert_ends(asks: impl FnOnce(&TestApp) -> MadeKey, end: impl AsyncFnOnce(&TestApp, &MadeKey)) {
    let app = TestApp::new();
    let (key, last, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "stays"), asks(&app));
    app.catch_up();
    let server = Served::start(&app);
    let mut follower = Follower::with_key(server.address, "/v1/events/stream", &asks, None).begun();
    let mut stays = Follower::with_key(server.address, "/v1/events/stream?status=VALID", &last, None).begun();
    check(&app, &key, "seen");
    follower.read_until(|follower| follower.has_seen("seen"));
    end(&app, &asks).await;
    app.catch_up();
    check(&app, &key, "not seen");
    stays.read_until(|follower| follower.has_seen("not seen"));
    follower.read_to_the_end();
    assert!(!follower.has_seen("not seen"), "{}", follower.text());
    let began = Instant::now();
    app.state.running.stop();
    stays.read_to_the_end();
    assert!(began.elapsed() < Duration::from_secs(1));
    server.stop().await;
}

#[actix_web::test]
async fn a_stream_ends_with_the_right_to_it_and_with_the_server() {
    let end = async |app: &TestApp, asks: &MadeKey| {
        app.db_deed("ada", |scope| revoke_key(scope, &asks.id.as_str().into(), &RevokeInput::default()));
    };
    assert_ends(|app| app.db_create_key("ada", "follows"), end).await;
    // The same for a command line that its person signs out.
    let end = async |app: &TestApp, _: &MadeKey| {
        app.enter("ada").post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    };
    assert_ends(|app| MadeKey { id: String::new(), secret: app.db_command_line("ada") }, end).await;
}

/// The next heartbeat would come after 15 seconds.
#[actix_web::test]
async fn a_silent_stream_ends_at_once_when_its_right_does() {
    let app = TestApp::new();
    let [revoked, paused, stays] = ["revoked", "paused", "stays"].map(|name| app.db_create_key("ada", name));
    let of_disabled = app.db_create_key("ben", "of a shut account");
    let [signed_out, of_removed] =
        ["ada", "bea"].map(|who| MadeKey { id: String::new(), secret: app.db_command_line(who) });
    app.database.run(|conn| {
        let (org, bea, now) = (cast::org_id("globex"), cast::user_id("bea"), app.now());
        db::write(conn, |conn| db::orgs::insert_member(conn, &org, &bea, Role::Builder, now)).unwrap();
    });
    app.catch_up();
    let server = Served::start(&app);
    let by_key = |key| Follower::with_key(server.address, "/v1/events/stream", key, None).begun();
    let by_cookie = |visitor: &Visitor<'_>, slug: &str| {
        let cookies: Vec<String> = visitor.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = format!("/orgs/{slug}/logs/stream");
        Follower::connect(server.address, &path, &[("Cookie", &cookies.join("; "))]).begun()
    };
    let (olive, bea) = (app.sign_in("olive").await, app.enter("bea"));
    let ending = [
        by_key(&revoked),
        by_key(&paused),
        by_key(&of_disabled),
        by_key(&signed_out),
        by_key(&of_removed),
        by_cookie(&olive, "acme"),
        by_cookie(&bea, "acme"),
    ];
    let staying = [by_key(&stays), by_cookie(&bea, "globex")];
    // That they were opened is written and read, so that nothing but their end wakes them from now on.
    app.state.gate.flush().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    app.db_deed("ada", |scope| revoke_key(scope, &revoked.id.as_str().into(), &RevokeInput::default()));
    app.db_deed("ada", |scope| pause_key(scope, &paused.id.as_str().into()));
    app.db_act("olive", |conn, ctx, _, _| disable_user(conn, ctx, &cast::email("ben"))).unwrap();
    app.db_deed("olive", |scope| remove_member(scope, &cast::user_id("bea"), KeysFate::Revoke));
    app.enter("ada").post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    olive.post("/sign-out", &[]).await.assert_status(303);
    for (place, mut stream) in ending.into_iter().enumerate() {
        stream.read_to_the_end();
        assert!(began.elapsed() < Duration::from_secs(5), "stream {place} after {:?}", began.elapsed());
    }
    for mut stream in staying {
        assert!(stream.read());
    }
    app.state.running.stop();
    server.stop().await;
}

/// Proxies cut what is silent for longer.
#[actix_web::test]
async fn a_stream_with_nothing_to_say_shows_every_15_seconds_that_it_lives() {
    let app = TestApp::new();
    let (key, asks) = (app.db_create_key("ben", "ci"), app.db_create_key("ada", "follows"));
    app.catch_up();
    let server = Served::start(&app);
    let path = format!("/v1/events/stream?key={}", key.id);
    let mut follower = Follower::with_key(server.address, &path, &asks, None).begun();
    let (began, length) = (Instant::now(), follower.received.len());
    // News of others are no sign of life to this one.
    check(&app, &asks, "of another");
    app.state.gate.flush().unwrap();
    while follower.received.len() == length {
        assert!(follower.read() && began.elapsed() < Duration::from_secs(25), "{}", follower.text());
    }
    let silent = began.elapsed();
    assert!((14..=20).contains(&silent.as_secs()), "{silent:?}");
    follower.read_until(|follower| follower.text()[length..].contains(": heartbeat\n\n"));
    assert!(follower.messages().0.is_empty(), "{}", follower.text());
    app.state.running.stop();
    server.stop().await;
}

#[actix_web::test]
async fn there_are_only_so_many_streams_for_a_key() {
    let app = TestApp::new();
    let (asks, other) = (app.db_create_key("ben", "follows"), app.db_create_key("ben", "another"));
    app.catch_up();
    let server = Served::start(&app);
    let connect = |key| {
        let mut follower = Follower::with_key(server.address, "/v1/events/stream", key, None);
        follower.read_until(|follower| follower.status() > 0);
        follower
    };
    let mut open: Vec<Follower> = (0..20).map(|_| connect(&asks)).collect();
    assert!(open.iter().all(|follower| follower.status() == 200));
    assert_eq!(connect(&asks).status(), 429);
    assert_eq!(connect(&other).status(), 200);
    open.truncate(10);
    let deadline = Instant::now() + Duration::from_secs(20);
    while connect(&asks).status() != 200 {
        assert!(Instant::now() < deadline, "places are not given back");
        std::thread::sleep(Duration::from_millis(50));
    }
    app.state.running.stop();
    server.stop().await;
}
