//! A real mail server: aiosmtpd, which keeps what it is given in a Maildir.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tempfile::TempDir;

/// Runs until dropped.
pub(crate) struct Smtp {
    pub(crate) port: u16,
    folder: TempDir,
    child: Child,
}

/// A message as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Head and body as they came.
    pub(crate) raw: String,
}

impl Smtp {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = TempDir::new().unwrap();
        let child = spawn(port, &folder);
        Self { port, folder, child }
    }

    /// Refuses everything for now, or no longer.
    pub(crate) fn set_busy(&self, is_busy: bool) {
        let file = self.folder.path().join("busy");
        if is_busy { std::fs::write(file, "").unwrap() } else { std::fs::remove_file(file).unwrap() }
    }

    /// What has arrived, the oldest first.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let new = self.folder.path().join("mail").join("new");
        let Ok(entries) = std::fs::read_dir(new) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
        paths.iter().map(|path| Message { raw: std::fs::read_to_string(path).unwrap() }).collect()
    }
}

fn spawn(port: u16, folder: &TempDir) -> Child {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/alerts");
    let child = Command::new("/usr/bin/aiosmtpd")
        .args(["-n", "-l", &format!("127.0.0.1:{port}"), "-c", "mailbox_of_tests.Moody"])
        .arg(folder.path())
        .env("PYTHONPATH", here)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("aiosmtpd: tests/run installs it");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "aiosmtpd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Message {
    /// A field of the head, put together again where it was folded and decoded where it was encoded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.replace("\r\n", "\n");
        let (head, _) = head.split_once("\n\n")?;
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        let line =
            unfolded.lines().find(|line| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())))?;
        Some(decode_words(line.split_once(':')?.1.trim()))
    }

    /// Text and HTML, decoded.
    pub(crate) fn body(&self) -> String {
        let raw = self.raw.replace("\r\n", "\n");
        let mut text = String::new();
        let kind = self.header("Content-Type").unwrap();
        let (_, boundary) = kind.split_once("boundary=").unwrap();
        for part in raw.split(&format!("\n--{}", boundary.trim_matches('"'))).skip(1) {
            let Some((head, body)) = part.split_once("\n\n") else { continue };
            let head = head.to_lowercase();
            if head.contains("quoted-printable") {
                text.push_str(&decode_quoted(body));
            } else if head.contains("base64") {
                let packed: String = body.split_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(packed).unwrap();
                text.push_str(&String::from_utf8(bytes).unwrap());
            } else {
                text.push_str(body);
            }
        }
        text
    }
}

fn decode_quoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let bytes = joined.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'=').then(|| joined.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

fn decode_words(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.to_owned();
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        if !before.trim().is_empty() {
            bytes.extend_from_slice(before.as_bytes());
        }
        let (word, after) = after.split_once("?=").unwrap();
        bytes.extend(base64::engine::general_purpose::STANDARD.decode(word).unwrap());
        rest = after.to_owned();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}
