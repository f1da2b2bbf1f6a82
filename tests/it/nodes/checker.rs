//! Checks keys without end on several nodes, and finds every check that succeeds by a right that was taken before it began.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A secret that is checked, and since when it must not do what it could.
pub(crate) struct Watched {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Nanoseconds after the start; `u64::MAX` while it works.
    taken: AtomicU64,
    /// What was taken: 0 all, 1 the role of an admin.
    what: AtomicU8,
}

impl Watched {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        let (taken, what) = (AtomicU64::new(u64::MAX), AtomicU8::new(0));
        Self { id: id.to_owned(), secret: secret.to_owned(), taken, what }
    }
}

/// What was seen of one node.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) checks: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) broken: AtomicU64,
    /// Checks of secrets whose right had been taken before they began.
    pub(crate) afterwards: AtomicU64,
    pub(crate) wrong: AtomicU64,
}

struct Shared {
    began: Instant,
    stop: AtomicBool,
    watched: Vec<Watched>,
    nodes: Vec<(SocketAddr, Seen)>,
}

pub(crate) struct Checker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Checker {
    pub(crate) fn start(nodes: &[SocketAddr], watched: Vec<Watched>, threads_per_node: usize) -> Self {
        let nodes: Vec<_> = nodes.iter().map(|address| (*address, Seen::default())).collect();
        let shared = Arc::new(Shared { began: Instant::now(), stop: AtomicBool::new(false), watched, nodes });
        let places = (0..shared.nodes.len()).flat_map(|node| (0..threads_per_node).map(move |number| (node, number)));
        let threads = places
            .map(|(node, number)| {
                let shared = shared.clone();
                thread::spawn(move || shared.check_for_ever(node, number))
            })
            .collect();
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

    pub(crate) fn seen(&self, node: usize) -> &Seen {
        &self.shared.nodes[node].1
    }

    /// Lets it run for a while.
    pub(crate) fn run(&self, millis: u64) {
        thread::sleep(Duration::from_millis(millis));
    }

    /// Waits until a node accepts again.
    pub(crate) fn wait_for_accepts(&self, node: usize) {
        let before = self.seen(node).accepted.load(Ordering::SeqCst);
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.seen(node).accepted.load(Ordering::SeqCst) < before + 20 {
            assert!(Instant::now() < deadline, "node {node} does not accept again");
            self.run(10);
        }
    }

    /// Stops and reports. Nothing may have been wrong, and each node must have done its part.
    pub(crate) fn finish(self) -> String {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut report = String::new();
        for (number, (_, seen)) in self.shared.nodes.iter().enumerate() {
            let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
            let (checks, accepted, refused) = (read(&seen.checks), read(&seen.accepted), read(&seen.refused));
            let (unavailable, broken) = (read(&seen.unavailable), read(&seen.broken));
            let (afterwards, wrong) = (read(&seen.afterwards), read(&seen.wrong));
            report.push_str(&format!(
                "node {number}: {checks} checks, {accepted} accepted, {refused} refused, {unavailable} unavailable, \
                 {broken} broken off; {afterwards} began after their right was taken, {wrong} of those succeeded\n"
            ));
            assert!(accepted > 100 && refused > 100 && afterwards > 100, "too little was tried:\n{report}");
            assert_eq!(wrong, 0, "{report}");
        }
        report
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    fn check_for_ever(&self, node: usize, thread: usize) {
        let (address, seen) = &self.nodes[node];
        let mut line = None;
        let (mut next, mut as_proxy) = (thread * 7, false);
        while !self.stop.load(Ordering::SeqCst) {
            next = (next + 1) % self.watched.len();
            let watched = &self.watched[next];
            // By turns as a program asks and as a proxy does.
            as_proxy = !as_proxy;
            let path = if as_proxy { "/v1/auth/require/role:admin" } else { "/v1/whoami" };
            let began = self.now();
            let answer = ask(&mut line, *address, "GET", path, &watched.secret, "");
            let is_after = watched.taken.load(Ordering::SeqCst) < began;
            // Some room for the nodes and the database, which share the machine with this.
            thread::sleep(Duration::from_millis(1));
            seen.checks.fetch_add(1, Ordering::SeqCst);
            seen.afterwards.fetch_add(u64::from(is_after), Ordering::SeqCst);
            let Some((status, body)) = answer else {
                seen.broken.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            match status {
                200 => {
                    seen.accepted.fetch_add(1, Ordering::SeqCst);
                    let is_admin = as_proxy || body.contains("\"role\":\"admin\"");
                    let kept = watched.what.load(Ordering::SeqCst) == 1 && !is_admin;
                    if is_after && !kept {
                        seen.wrong.fetch_add(1, Ordering::SeqCst);
                    }
                }
                // Builders do not have the role that is asked for.
                401 | 403 => _ = seen.refused.fetch_add(1, Ordering::SeqCst),
                503 => _ = seen.unavailable.fetch_add(1, Ordering::SeqCst),
                other => panic!("{other} from node {node}: {body}"),
            }
        }
    }
}

/// Asks over a connection that is kept, or a new one. Nothing when it broke off.
pub(crate) fn ask(
    line: &mut Option<TcpStream>,
    address: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
) -> Option<(u16, String)> {
    let answer = try_ask(line, address, method, path, key, body);
    if answer.is_none() {
        *line = None;
    }
    answer
}

fn try_ask(
    line: &mut Option<TcpStream>,
    address: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
) -> Option<(u16, String)> {
    if line.is_none() {
        let fresh = TcpStream::connect(address).ok()?;
        fresh.set_nodelay(true).ok()?;
        fresh.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        *line = Some(fresh);
    }
    let stream = line.as_mut()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            })?;
            if rest.len() >= length {
                return Some((head.get(9..12)?.parse().ok()?, rest.to_owned()));
            }
        }
        match stream.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
