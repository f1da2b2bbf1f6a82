//! The real binary in a folder of its own, with an environment of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder to run in.
pub(crate) struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A server that runs until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What it had printed by the time it listened.
    pub(crate) banner: String,
    child: Child,
    log: Option<std::thread::JoinHandle<String>>,
}

/// An answer over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Place {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// With one more variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With one more file.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    /// A path in this folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of all files here, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyrack"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs a command to its end, with this on its stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A command that does not read may be gone by now.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs a command and kills it after a while. Says whether it had ended before.
    pub(crate) fn run_and_kill(&self, args: &[&str], after: Duration) -> bool {
        let mut child = self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + after;
        while Instant::now() < deadline {
            if child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        ended
    }

    /// Starts a server on a free port and waits until it answers.
    pub(crate) fn start(&self, args: &[&str]) -> Server {
        let args = [args, &["--listen", "127.0.0.1:0"]].concat();
        let mut child = self.command(&args).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut banner = String::new();
        let mut address = None;
        let deadline = Instant::now() + Duration::from_secs(30);
        while address.is_none_or(|address| {
            TcpStream::connect(address).is_err() || ask(address, "GET", "/readyz", "", None).is_none()
        }) {
            match lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => {
                    let found = line.trim().strip_prefix("listening on").map(|rest| rest.trim().replace("http://", ""));
                    address = address.or(found.and_then(|found| found.parse().ok()));
                    banner.push_str(&line);
                    banner.push('\n');
                }
                Err(_) if matches!(child.try_wait(), Ok(Some(_))) || Instant::now() > deadline => {
                    let _ = child.kill();
                    panic!("the server did not start:\n{banner}\n{}", log.join().unwrap());
                }
                Err(_) => {}
            }
        }
        banner.extend(lines.try_iter().map(|line| line + "\n"));
        Server { address: address.unwrap(), banner, child, log: Some(log) }
    }
}

fn lines_of(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Server {
    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Reply {
        ask(self.address, "GET", path, "", None).expect("an answer")
    }

    /// `GET path` with an API key.
    pub(crate) fn get_with(&self, path: &str, key: &str) -> Reply {
        ask(self.address, "GET", path, "", Some(key)).expect("an answer")
    }

    /// `POST path` with a form, as a browser on the site's own page does.
    pub(crate) fn post(&self, path: &str, form: &str) -> Reply {
        ask(self.address, "POST", path, form, None).expect("an answer")
    }

    /// Where it serves metrics, by its banner.
    pub(crate) fn metrics_address(&self) -> SocketAddr {
        let (_, rest) = self.banner.split_once("metrics       http://").expect("an address for metrics");
        rest.split('/').next().unwrap().parse().unwrap()
    }

    /// Sends it a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The setup token that the banner holds.
    pub(crate) fn setup_token(&self) -> Option<String> {
        let (_, rest) = self.banner.split_once("/setup#")?;
        rest.split_whitespace().next().map(str::to_owned)
    }

    /// Asks it to stop as an init system does; how it ended, and what it had logged.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended; how, and what it had logged.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let ended = loop {
            match self.child.try_wait().unwrap() {
                Some(ended) => break ended,
                None if Instant::now() > deadline => panic!("it does not stop"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let log = self.log.take().map(|log| log.join().unwrap()).unwrap_or_default();
        (ended, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already when it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `GET path` at this address, with a key or token.
pub(crate) fn fetch(address: SocketAddr, path: &str, key: Option<&str>) -> Option<Reply> {
    ask(address, "GET", path, "", key)
}

fn ask(address: SocketAddr, method: &str, path: &str, form: &str, key: Option<&str>) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nConnection: close\r\n\
         {}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default(),
        form.len()
    )
    .ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
}
