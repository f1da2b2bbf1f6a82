//! Checks without end on several nodes, and finds every check that succeeds by a right that was taken before it began.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::line::ask;

/// A secret that is checked, and since when it must not do what it could.
pub(crate) struct Watched {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Whether it is a service token, which is checked by asking with it.
    is_token: bool,
    /// Nanoseconds after the start; `u64::MAX` while it works.
    taken: AtomicU64,
    /// What was taken: 0 all, 1 the role of an admin.
    what: AtomicU8,
}

impl Watched {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        let (taken, what) = (AtomicU64::new(u64::MAX), AtomicU8::new(0));
        Self { id: id.to_owned(), secret: secret.to_owned(), is_token: false, taken, what }
    }

    pub(crate) fn token(id: &str, secret: &str) -> Self {
        Self { is_token: true, ..Self::new(id, secret) }
    }
}

/// How a secret is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a program asks with its key.
    Whoami,
    /// As a proxy asks about a request.
    Require,
    /// As a backend asks about a key.
    Verify,
    /// With a service token about a key that stays.
    Token,
}

const WAYS: [(Way, &str); 4] =
    [(Way::Whoami, "whoami"), (Way::Require, "require"), (Way::Verify, "verify"), (Way::Token, "service token")];

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    /// Checks of secrets whose right had been taken before they began.
    afterwards: AtomicU64,
}

/// What was seen of one node.
#[derive(Default)]
struct Seen {
    /// In the order of `WAYS`.
    by_way: [Counts; 4],
    unavailable: AtomicU64,
    broken: AtomicU64,
    wrong: AtomicU64,
    /// The longest that an answer took, in nanoseconds.
    longest: AtomicU64,
}

/// What the checks themselves need. Nobody takes it away.
pub(crate) struct Tools {
    /// With it a backend asks about keys.
    pub(crate) token: String,
    /// About it service tokens ask.
    pub(crate) key: String,
}

struct Shared {
    began: Instant,
    stop: AtomicBool,
    watched: Vec<Watched>,
    tools: Tools,
    nodes: Vec<(SocketAddr, Seen)>,
}

pub(crate) struct Checker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Checker {
    /// One thread for each node.
    pub(crate) fn start(nodes: &[SocketAddr], watched: Vec<Watched>, tools: Tools) -> Self {
        let nodes: Vec<_> = nodes.iter().map(|address| (*address, Seen::default())).collect();
        let shared = Arc::new(Shared { began: Instant::now(), stop: AtomicBool::new(false), watched, tools, nodes });
        let threads = (0..shared.nodes.len()).map(|node| {
            let shared = shared.clone();
            thread::spawn(move || shared.check_for_ever(node))
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    pub(crate) fn watched(&self, number: usize) -> &Watched {
        &self.shared.watched[number]
    }

    /// From now on this secret lets nobody in.
    pub(crate) fn taken(&self, number: usize) {
        self.shared.watched[number].taken.store(self.shared.now(), Ordering::SeqCst);
    }

    /// From now on this secret does not act as an admin.
    pub(crate) fn demoted(&self, number: usize) {
        self.shared.watched[number].what.store(1, Ordering::SeqCst);
        self.taken(number);
    }

    fn seen(&self, node: usize) -> &Seen {
        &self.shared.nodes[node].1
    }

    /// How many checks a node has let through.
    pub(crate) fn accepted(&self, node: usize) -> u64 {
        self.seen(node).by_way.iter().map(|counts| counts.accepted.load(Ordering::SeqCst)).sum()
    }

    /// How many checks a node has refused to make.
    pub(crate) fn unavailable(&self, node: usize) -> u64 {
        self.seen(node).unavailable.load(Ordering::SeqCst)
    }

    /// How many checks of a node have broken off without an answer, and the longest that one took.
    pub(crate) fn answers(&self, node: usize) -> (u64, Duration) {
        let seen = self.seen(node);
        (seen.broken.load(Ordering::SeqCst), Duration::from_nanos(seen.longest.load(Ordering::SeqCst)))
    }

    /// Lets it run for a while.
    pub(crate) fn run(&self, millis: u64) {
        thread::sleep(Duration::from_millis(millis));
    }

    /// Waits until a node accepts again.
    pub(crate) fn wait_for_accepts(&self, node: usize) {
        let before = self.accepted(node);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.accepted(node) < before + 20 {
            assert!(Instant::now() < deadline, "node {node} does not accept again");
            self.run(10);
        }
    }

    /// Stops and reports. Nothing may have been wrong, and each node must have done its part: so much of everything in each way.
    pub(crate) fn finish(self, least: u64) -> String {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (mut report, mut is_enough) = (String::new(), true);
        for (number, (_, seen)) in self.shared.nodes.iter().enumerate() {
            let (unavailable, broken) = (read(&seen.unavailable), read(&seen.broken));
            report.push_str(&format!("node {number}: {unavailable} unavailable, {broken} broken off\n"));
            for (counts, (way, name)) in seen.by_way.iter().zip(WAYS) {
                let all = [&counts.accepted, &counts.refused, &counts.afterwards].map(read);
                let [accepted, refused, afterwards] = all;
                report.push_str(&format!(
                    "  {name}: {accepted} accepted, {refused} refused; {afterwards} began after their right was taken\n"
                ));
                let has_any = self.shared.watched.iter().any(|watched| watched.is_token == (way == Way::Token));
                is_enough &= !has_any || all.iter().all(|count| *count >= least);
            }
        }
        let wrong: u64 = self.shared.nodes.iter().map(|(_, seen)| read(&seen.wrong)).sum();
        report.push_str(&format!("{wrong} checks succeeded by a right that was taken before they began\n"));
        assert_eq!(wrong, 0, "{report}");
        assert!(is_enough, "too little was tried:\n{report}");
        report
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    fn check_for_ever(&self, node: usize) {
        let (address, seen) = &self.nodes[node];
        let mut line = None;
        // By turns in each way, and each secret in another way each time round.
        let (mut next, mut round) = (node * 7, node);
        while !self.stop.load(Ordering::SeqCst) {
            next += 1;
            if next >= self.watched.len() {
                (next, round) = (0, round + 1);
            }
            let watched = &self.watched[next];
            let way = if watched.is_token { Way::Token } else { WAYS[(next + round) % 3].0 };
            let began = self.now();
            let answer = self.ask(&mut line, *address, watched, way);
            let is_after = watched.taken.load(Ordering::SeqCst) < began;
            seen.longest.fetch_max(self.now() - began, Ordering::SeqCst);
            // Some room for the nodes and the database, which share the machine with this.
            thread::sleep(Duration::from_millis(1));
            let counts = &seen.by_way[way as usize];
            counts.afterwards.fetch_add(u64::from(is_after), Ordering::SeqCst);
            let Some((status, body)) = answer else {
                seen.broken.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            match status {
                // A key that is not good is told of in an answer that is.
                200 if way == Way::Verify && body.contains("\"valid\":false") => {
                    _ = counts.refused.fetch_add(1, Ordering::SeqCst)
                }
                200 => {
                    assert!(!matches!(way, Way::Verify | Way::Token) || body.contains("\"valid\":true"), "{body}");
                    counts.accepted.fetch_add(1, Ordering::SeqCst);
                    let is_admin = way == Way::Require || body.contains("\"role\":\"admin\"");
                    let kept = watched.what.load(Ordering::SeqCst) == 1 && !is_admin;
                    if is_after && !kept {
                        seen.wrong.fetch_add(1, Ordering::SeqCst);
                    }
                }
                // The token that asks is good: a refusal must be one of the key, which is told with 200.
                401 | 403 if way == Way::Verify => panic!("{status} from node {node}: {body}"),
                // Builders do not have the role that is asked for.
                401 | 403 => _ = counts.refused.fetch_add(1, Ordering::SeqCst),
                503 => _ = seen.unavailable.fetch_add(1, Ordering::SeqCst),
                other => panic!("{other} from node {node}: {body}"),
            }
        }
    }

    fn ask(
        &self,
        line: &mut Option<TcpStream>,
        address: SocketAddr,
        watched: &Watched,
        way: Way,
    ) -> Option<(u16, String)> {
        let verify = |key: &str| format!("{{\"key\":\"{key}\"}}");
        let secret = &watched.secret;
        let (method, path, credential, body) = match way {
            Way::Whoami => ("GET", "/v1/whoami", secret, String::new()),
            Way::Require => ("GET", "/v1/auth/require/role:admin", secret, String::new()),
            Way::Verify => ("POST", "/v1/keys/verify", &self.tools.token, verify(secret)),
            Way::Token => ("POST", "/v1/keys/verify", secret, verify(&self.tools.key)),
        };
        ask(line, address, method, path, credential, &body)
    }
}
