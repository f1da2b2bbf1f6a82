//! A proxy with its files in a folder of its own, the API behind it, and Keyrack on a socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use keyrack::web::State;
use tempfile::TempDir;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    #[expect(dead_code, reason = "shown when a test fails")]
    request: String,
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn assert(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }
}

/// Reads one request: its head, and as many bytes more as it announces.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&buffer[..count]);
        if let Some(end) = text.windows(4).position(|part| part == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&text[..end]).into_owned());
        }
    }
}

/// An API that answers with the head of what reached it.
pub(crate) struct Api {
    pub(crate) address: String,
    count: Arc<AtomicUsize>,
    is_stopped: Arc<AtomicBool>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (count, is_stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let api = Self { address, count: count.clone(), is_stopped: is_stopped.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let count = count.clone();
                std::thread::spawn(move || answer(stream, &count));
            }
        });
        api
    }

    /// How many requests reached it.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// From now on nobody listens there.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        while TcpStream::connect(&self.address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn answer(mut stream: TcpStream, count: &AtomicUsize) {
    let Some(head) = read_request(&mut stream) else { return };
    count.fetch_add(1, Ordering::SeqCst);
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{head}", head.len());
    let _ = stream.shutdown(Shutdown::Write);
}

/// Sends a request, its header lines and its body, and reads the whole answer; what came if that is none.
pub(crate) fn exchange(address: &str, request: &str, headers: &str, body: &str) -> Result<Reply, String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{request} HTTP/1.1\r\nHost: api.example\r\n{length}{headers}\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Err(text) };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Ok(Reply { request: format!("{request}\n{headers}"), status, head: head.to_owned(), body: body.to_owned() })
}

/// Serves Keyrack on a socket, for as long as this process lives.
pub(crate) fn serve(state: Data<State>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(keyrack::web::serve(state, listener, None)));
    wait_for(&address, || true);
    address
}

/// Waits until somebody listens there.
fn wait_for(address: &str, mut is_alive: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on {address}");
        if !is_alive() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A proxy that runs until dropped.
pub(crate) struct Proxy {
    address: String,
    folder: TempDir,
    child: Child,
}

/// The folder and the port to run in.
pub(crate) struct Ground<'f> {
    pub(crate) folder: &'f Path,
    pub(crate) port: u16,
}

impl Proxy {
    /// Runs what `command` makes of a folder and a port. A port that was free may be taken by the time it is used.
    pub(crate) fn start(package: &str, command: impl Fn(&Ground<'_>) -> Command) -> Self {
        for _ in 0..5 {
            let folder = TempDir::new().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = command(&Ground { folder: folder.path(), port });
            let log = std::fs::File::create(folder.path().join("output.log")).unwrap();
            command.current_dir(folder.path()).env("HOME", folder.path()).stdin(Stdio::null());
            command.stdout(log.try_clone().unwrap()).stderr(log);
            let child = command.spawn().unwrap_or_else(|error| {
                panic!("{package} cannot be run ({error}): install Debian's package {package}, or let tests/run do it")
            });
            let mut proxy = Self { address: format!("127.0.0.1:{port}"), folder, child };
            let Self { address, child, .. } = &mut proxy;
            if wait_for(address, || matches!(child.try_wait(), Ok(None))) {
                return proxy;
            }
            let log = proxy.log();
            assert!(
                log.contains("address already in use") || log.contains("Address already in use"),
                "{package}:\n{log}"
            );
        }
        panic!("no port stayed free for {package}");
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn ask(&self, method: &str, uri: &str, headers: &str) -> Reply {
        self.ask_with(method, uri, "close", headers)
    }

    /// The same, with something in `Connection`.
    pub(crate) fn ask_with(&self, method: &str, uri: &str, connection: &str, headers: &str) -> Reply {
        let body = if method == "POST" { "{}" } else { "" };
        let headers = format!("Connection: {connection}\r\n{headers}");
        exchange(&self.address, &format!("{method} {uri}"), &headers, body)
            .unwrap_or_else(|text| panic!("no answer: {text}\n{}", self.log()))
    }

    /// All that it wrote into files.
    pub(crate) fn log(&self) -> String {
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let list = if entry.path().is_dir() { &mut folders } else { &mut paths };
                list.push(entry.path());
            }
        }
        let logs = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, so that a master takes its workers with it.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A file of `examples/` with other addresses in place of those that an operator changes.
pub(crate) fn example(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{name} has no {from}");
        text.replace(from, to)
    })
}
