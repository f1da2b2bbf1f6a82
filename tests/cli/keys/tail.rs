//! Following requests: each once, in order, whatever happens to the connection, and nothing in a line that drives a terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::{PATIENCE, Stage};

/// Passes connections on to a server, until it is stopped; then nothing listens there.
struct Forwarder {
    address: SocketAddr,
    server: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    is_stopped: Arc<AtomicBool>,
    /// The next connections end after so many bytes of an answer.
    cuts: Arc<Mutex<Vec<usize>>>,
    made: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Forwarder {
    fn start(server: SocketAddr, cuts: &[usize]) -> Self {
        let mut forwarder = Self {
            address: "127.0.0.1:0".parse().unwrap(),
            server,
            open: Arc::default(),
            is_stopped: Arc::default(),
            cuts: Arc::new(Mutex::new(cuts.to_vec())),
            made: Arc::default(),
            thread: None,
        };
        forwarder.restart();
        forwarder
    }

    /// Listens, at the address that it had before.
    fn restart(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.address = listener.local_addr().unwrap();
        self.is_stopped.store(false, Ordering::SeqCst);
        let (server, open, is_stopped) = (self.server, self.open.clone(), self.is_stopped.clone());
        let (cuts, made) = (self.cuts.clone(), self.made.clone());
        self.thread = Some(std::thread::spawn(move || {
            for client in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let client = client.unwrap();
                let there = TcpStream::connect(server).unwrap();
                made.fetch_add(1, Ordering::SeqCst);
                open.lock().unwrap().extend([client.try_clone().unwrap(), there.try_clone().unwrap()]);
                let mut cuts = cuts.lock().unwrap();
                let most = if cuts.is_empty() { usize::MAX } else { cuts.remove(0) };
                let (from, to) = (client.try_clone().unwrap(), there.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, usize::MAX));
                std::thread::spawn(move || pass(there, client, most));
            }
        }));
    }

    /// Cuts every connection, and listens no more.
    fn stop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let (mut buffer, mut passed) = ([0; 512], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let count = count.min(most - passed);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        passed += count;
        if passed == most {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// A `logs tail` that runs, and its lines as they come.
struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Ends it by Ctrl-C; its exit code, the lines not taken yet, and what it said.
    fn interrupt(mut self) -> (i32, Vec<String>, String) {
        let done = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.lines.iter().collect(), said)
    }
}

fn request_id(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    event["request_id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn no_line_is_lost_and_none_comes_twice_over_forced_reconnects() {
    const EVENTS: usize = 400;
    let stage = Stage::new();
    let key = stage.app.db_create_key("ada", "busy");
    // The first request is whoami or the search for the key, and must not be cut off; the streams are, in the middle of lines.
    let mut forwarder = Forwarder::start(stage.address, &[]);
    let shell = stage.shell("ada").set("KEYRACK_PLATFORM_URL", &format!("http://{}", forwarder.address));
    stage.uses(&key.secret, "/render", "r0");
    stage.app.catch_up();
    let tail = Tail::of(shell.start(&["logs", "tail", "--json", "--since", "1h"]));
    assert_eq!(request_id(&tail.next()), "r0");
    let mut downs = 0;
    for n in 1..EVENTS {
        stage.uses(&key.secret, "/render", &format!("r{n}"));
        if n % 20 == 0 {
            stage.app.catch_up();
            std::thread::sleep(Duration::from_millis(30));
        }
        if n % 100 == 50 {
            forwarder.stop();
            downs += 1;
            // The connections after this one break off in the middle of an event.
            forwarder.cuts.lock().unwrap().extend([3001, 7777]);
        }
        if n % 100 == 90 {
            forwarder.restart();
        }
    }
    stage.app.catch_up();
    let rest: Vec<String> = (1..EVENTS).map(|_| request_id(&tail.next())).collect();
    assert_eq!(rest, (1..EVENTS).map(|n| format!("r{n}")).collect::<Vec<_>>());
    let connections = forwarder.made.load(Ordering::SeqCst);
    let (code, more, said) = tail.interrupt();
    assert_eq!((code, more.len()), (130, 0), "{said}");
    assert!(downs == 4 && connections > 4, "{downs} {connections}");
    assert_eq!(said, "", "JSON is all that is wanted");
    forwarder.stop();
}

#[actix_web::test]
async fn a_person_is_told_of_a_gap() {
    let stage = Stage::new();
    let key = stage.app.db_create_key("ada", "busy");
    let mut forwarder = Forwarder::start(stage.address, &[]);
    let shell = stage.shell("ada").set("KEYRACK_PLATFORM_URL", &format!("http://{}", forwarder.address));
    stage.uses(&key.secret, "/first", "r0");
    stage.app.catch_up();
    let mut terminal = shell.on_terminal(&["logs", "tail", "--since", "1h", "--key", "busy"]);
    terminal.wait_for("/first");
    forwarder.stop();
    stage.uses(&key.secret, "/between", "r1");
    stage.app.catch_up();
    terminal.wait_for("The connection is lost; trying again.");
    forwarder.restart();
    terminal.wait_for("/between");
    terminal.wait_for(" s gap");
    terminal.type_in("\u{3}");
    let screen = terminal.end().ends(130).text;
    assert!(screen.contains("reconnected, ") && screen.matches("/first").count() == 1, "{screen}");
    forwarder.stop();
}

#[actix_web::test]
async fn lines_come_within_a_second_and_only_those_asked_for() {
    let stage = Stage::with(|setup| setup.rules.plans[0].requests_per_minute = Some(12));
    let (key, other) = (stage.app.db_create_key("ada", "ci"), stage.app.db_create_key("ada", "other"));
    let shell = stage.shell("ada");
    stage.uses(&key.secret, "/api/first", "r0");
    stage.app.catch_up();
    let tails = [
        vec!["logs", "tail", "--since", "1h"],
        vec!["logs", "tail", "--since", "1h", "--key", "ci"],
        vec!["logs", "tail", "--since", "1h", "--path", "/api/*"],
    ];
    let tails: Vec<Tail> = tails.iter().map(|args| Tail::of(shell.start(args))).collect();
    let refused = Tail::of(shell.start(&["logs", "tail", "--since", "1h", "--status", "4xx"]));
    for tail in &tails {
        assert!(tail.next().contains("\tVALID\t\tGET\t/api/first\tci ("));
    }
    // The fastest of a few: the machine may be busy with other things.
    let mut waited = Vec::new();
    for n in 0..4 {
        let began = Instant::now();
        stage.uses(&other.secret, "/quick", &format!("q{n}"));
        stage.app.catch_up();
        tails[0].next();
        waited.push(began.elapsed());
    }
    assert!(waited.iter().min() < Some(&Duration::from_secs(1)), "{waited:?}");
    stage.uses(&other.secret, "/web", "r1");
    stage.uses(&key.secret, "/api/second", "r2");
    stage.app.catch_up();
    let lines = [tails[0].next(), tails[0].next(), tails[1].next(), tails[2].next()];
    for (line, path) in lines.iter().zip(["/web", "/api/second", "/api/second", "/api/second"]) {
        assert_eq!(line.split('\t').nth(4), Some(path), "{line}");
    }
    for n in 0..12 {
        stage.uses(&key.secret, "/api/third", &format!("t{n}"));
    }
    stage.app.catch_up();
    let line = refused.next();
    assert_eq!(line.split('\t').nth(1), Some("429 RATE_LIMITED"), "{line}");
    for tail in tails.into_iter().chain([refused]) {
        assert_eq!(tail.interrupt().0, 130);
    }
}

#[actix_web::test]
async fn nothing_in_a_line_drives_the_terminal_or_shows_a_secret() {
    use keyrack::domain::ids::KeyId;
    use keyrack::domain::token::KeyFormat;
    let stage = Stage::new();
    let key = stage.app.db_create_key("ada", "ci");
    let elsewhere = KeyFormat {
        prefix: "other".to_owned(),
        environments: Vec::new(),
        environment_in_key: false,
        separator: "_".to_owned(),
    };
    let (foreign, _) = elsewhere.compose("live", &KeyId("BRTRKFsL".to_owned()), "51FwqftsmMDHHbJAMEXXHC");
    stage.uses(&key.secret, &format!("/a\u{1b}[2J/{}/\u{202e}b", foreign.reveal()), "r0");
    stage.app.catch_up();
    let shell = stage.shell("ada");
    for args in [&["logs", "tail", "--since", "1h"][..], &["logs", "tail", "--since", "1h", "--json"]] {
        let tail = Tail::of(shell.start(args));
        let line = tail.next();
        assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line:?}");
        assert!(line.contains("other_BRTRK••••••••") && !line.contains("51Fwq"), "{line}");
        tail.interrupt();
    }
}

#[actix_web::test]
async fn it_ends_with_whoever_reads_it_and_with_the_right_to_it() {
    let stage = Stage::new();
    let key = stage.app.db_create_key("ada", "ci");
    stage.uses(&key.secret, "/one", "r0");
    stage.app.catch_up();
    let shell = stage.shell("ada");
    let line = format!("set -o pipefail; {} logs tail --since 1h | head -n 1", env!("CARGO_BIN_EXE_keyrack"));
    let mut piped = shell.clone().program("/bin/bash".as_ref()).start(&["-c", &line]);
    let deadline = Instant::now() + PATIENCE;
    let mut n = 0;
    let ended = loop {
        if let Some(ended) = piped.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < deadline, "it does not notice that nobody reads");
        n += 1;
        stage.uses(&key.secret, "/more", &format!("m{n}"));
        stage.app.catch_up();
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut said = String::new();
    piped.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((ended.code(), said.as_str()), (Some(0), ""));
    // A key that follows and is revoked: the stream ends, and it says why.
    let follows = stage.app.db_create_key("ada", "follows");
    stage.app.catch_up();
    let with_key = stage.nobody().set("KEYRACK_API_KEY", &follows.secret);
    let mut tail = Tail::of(with_key.start(&["logs", "tail", "--since", "1h"]));
    assert!(tail.next().contains("/one"));
    shell.run(&["keys", "revoke", "-yq", "follows"]).ends(0);
    let deadline = Instant::now() + PATIENCE;
    let ended = loop {
        stage.uses(&key.secret, "/more", "x");
        stage.app.catch_up();
        if let Some(ended) = tail.child.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < deadline, "it does not notice that the key was revoked");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(ended.code(), Some(4));
}
