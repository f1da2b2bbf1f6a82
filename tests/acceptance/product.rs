//! The real program, started with a product's configuration from `examples/`, on a database that the test can look into.

use std::cell::RefCell;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyrack::clock::Clock;
use keyrack::db::{self, DbError};
use keyrack::domain::ids::OrgId;
use keyrack::domain::org::Role;
use sha2::{Digest as _, Sha512};

use crate::moved::{self, MovedClock};
use crate::person::Person;
use crate::support::answer::Answer;
use crate::support::cast;
use crate::support::database::TestDatabase;
use crate::wire::Request;

/// A running Keyrack that is one of the four products. When it goes, no secret it gave out may be found anywhere.
pub(crate) struct Product {
    /// `outkit`, as its folder under `examples/` is called.
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) database: TestDatabase,
    clock: RefCell<Option<MovedClock>>,
    settings: Vec<(String, String)>,
    process: RefCell<Option<Child>>,
    learned: RefCell<Vec<String>>,
}

/// What a test sets otherwise than the product's file does.
pub(crate) struct Start {
    name: &'static str,
    plan: &'static str,
    settings: Vec<(String, String)>,
    has_moved_clock: bool,
}

impl Start {
    /// The plan that Acme and Globex are on.
    pub(crate) fn plan(mut self, plan: &'static str) -> Self {
        self.plan = plan;
        self
    }

    /// One more variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The server lives by a clock that the test moves.
    pub(crate) fn with_moved_clock(mut self) -> Self {
        self.has_moved_clock = true;
        self
    }

    /// Starts it, with the cast in its database.
    pub(crate) fn start(self) -> Product {
        let database = TestDatabase::new();
        database.run(|conn| {
            let now = db::now(conn, &Clock::system()).unwrap();
            db::write(conn, |conn| {
                cast::seed(conn, self.plan, now);
                Ok::<(), DbError>(())
            })
            .unwrap();
        });
        let clock = self.has_moved_clock.then(|| MovedClock::new(&database));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let product = Product {
            name: self.name,
            url: format!("http://{address}"),
            address,
            database,
            clock: RefCell::new(clock),
            settings: self.settings,
            process: RefCell::default(),
            learned: RefCell::default(),
        };
        product.start_again();
        product
    }
}

impl Product {
    /// As its page describes it, on the plan that has keys.
    pub(crate) fn start(name: &'static str) -> Self {
        Self::on(name).start()
    }

    /// The same, with more to say before it starts.
    pub(crate) fn on(name: &'static str) -> Start {
        let plan = match name {
            "rndrkit" => "agency",
            "keystroke" => "team",
            _ => "standard",
        };
        Start { name, plan, settings: Vec::new(), has_moved_clock: false }
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{}/keyrack.toml", self.name))
    }

    /// A command of this installation: `serve`, `admin …`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrack"));
        command
            .args(args)
            .arg("--config")
            .arg(self.config())
            .env_clear()
            .env("KEYRACK_LISTEN", &self.address)
            .env("KEYRACK_PUBLIC_URL", &self.url)
            .env("KEYRACK_DATABASE_URL", moved::database_url(&self.database))
            .env("KEYRACK_SESSION_KEY", self.session_key())
            .env("KEYRACK_TRUSTED_PROXIES", "127.0.0.1/32")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.database.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// The same for every node of this installation, and for no other.
    fn session_key(&self) -> String {
        let seed = self.database.folder.path().display().to_string();
        Sha512::digest(seed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Starts the server; at first, or after `stop`.
    pub(crate) fn start_again(&self) {
        let path = self.database.folder.path().join("server.log");
        let log = File::options().create(true).append(true).open(path).unwrap();
        let mut command = self.command(&["serve"]);
        if let Some(clock) = self.clock.borrow().as_ref() {
            clock.give(&self.database, &mut command);
        }
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Request::new("GET", "/readyz").try_to(&self.address).is_none_or(|answer| answer.status != 200) {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not start ({ended:?}):\n{}", self.log());
            std::thread::sleep(Duration::from_millis(25));
        }
        *self.process.borrow_mut() = Some(child);
    }

    /// Ends the server as an init system does.
    pub(crate) fn stop(&self) {
        let Some(mut child) = self.process.borrow_mut().take() else { return };
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the server printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.database.folder.path().join("server.log")).unwrap_or_default()
    }

    /// What its own clock shows, in seconds since the epoch.
    pub(crate) fn time(&self) -> i64 {
        self.clock.borrow().as_ref().unwrap().at()
    }

    /// Moves the clock it lives by.
    pub(crate) fn set_time(&self, at: i64) {
        self.clock.borrow_mut().as_mut().unwrap().set(&self.database, at);
    }

    /// The last second before `at` that the clock can show for certain.
    pub(crate) fn just_before(&self, at: i64) -> i64 {
        at - MovedClock::slack(&self.database)
    }

    /// This one of the cast, signed in.
    pub(crate) fn person(&self, who: &str) -> Person<'_> {
        Person::sign_in(self, who)
    }

    /// Makes one of Acme's a member of Globex too.
    pub(crate) fn add_to_globex(&self, who: &str, role: Role) {
        self.database.run(|conn| {
            let now = db::now(conn, &Clock::system()).unwrap();
            db::write(conn, |conn| {
                db::orgs::insert_member(conn, &OrgId("org_globex".into()), &cast::user_id(who), role, now).unwrap();
                Ok::<(), DbError>(())
            })
            .unwrap();
        });
    }

    /// A request of anybody's.
    pub(crate) fn ask(&self, request: Request) -> Answer {
        request.to(&self.address)
    }

    /// `GET path` with a key.
    pub(crate) fn get(&self, path: &str, secret: &str) -> Answer {
        self.ask(Request::new("GET", path).bearer(secret))
    }

    /// What a call with this key gets.
    pub(crate) fn call(&self, secret: &str) -> u16 {
        self.get("/v1/whoami", secret).status
    }

    /// Waits until the page knows of a key's use: that is written down some moments later.
    #[track_caller]
    pub(crate) fn wait_until_used(&self, key_id: &str) {
        let query = format!("SELECT COUNT(*) AS n FROM api_keys WHERE id = '{key_id}' AND last_used_at IS NOT NULL");
        eventually(|| self.database.number(&query) == 1);
    }

    /// From now on this must not be found anywhere.
    pub(crate) fn learn(&self, secret: &str) {
        self.learned.borrow_mut().push(secret.to_owned());
    }

    /// All that was learned.
    pub(crate) fn learned(&self) -> Vec<String> {
        self.learned.borrow().clone()
    }

    /// Another server on the same database.
    pub(crate) fn second_node(&self) -> Node {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let log = File::create(self.database.folder.path().join("second.log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.env("KEYRACK_LISTEN", &address).stdout(log.try_clone().unwrap()).stderr(log);
        let node = Node { address, child: command.spawn().unwrap() };
        eventually(|| Request::new("GET", "/readyz").try_to(&node.address).is_some_and(|answer| answer.status == 200));
        node
    }

    /// Where a learned secret, or the part of it that is secret, stands in plain text: in a file of the installation or a
    /// column of a table.
    pub(crate) fn find_secrets(&self) -> Vec<String> {
        let mut places = vec![("the tables".to_owned(), self.database.dump_all())];
        let mut folders = vec![self.database.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if let Ok(bytes) = std::fs::read(entry.path()) {
                    places.push((entry.path().display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        let mut found = Vec::new();
        for secret in self.learned.borrow().iter() {
            let part = &secret[secret.len() - 24..];
            let here = places.iter().filter(|(_, text)| text.contains(part));
            found.extend(here.map(|(place, _)| format!("a secret stands in {place}")));
        }
        found
    }
}

/// A second server, until dropped.
pub(crate) struct Node {
    pub(crate) address: String,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the server said:\n{}", self.log());
        }
        if let Some(mut child) = self.process.borrow_mut().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            assert_eq!(self.find_secrets(), Vec::<String>::new());
            if self.clock.borrow().is_none() {
                assert_eq!(self.database.broken_invariants(&Clock::system()), Vec::<String>::new());
            }
        }
    }
}

/// Waits until it is so, some seconds at most.
#[track_caller]
pub(crate) fn eventually(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never becomes so");
        std::thread::sleep(Duration::from_millis(100));
    }
}
