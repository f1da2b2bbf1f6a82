//! A web server that takes webhooks and checks their signatures as a receiver does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// How it answers the next request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    /// 307 to there.
    Redirect(String),
    /// Not at all, until the other side hangs up.
    Silence,
}

/// Listens until the test ends.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    connections: Arc<Mutex<usize>>,
}

impl Receiver {
    /// Answers 204 to everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let this = Self { address, received: Arc::default(), answers: Arc::default(), connections: Arc::default() };
        let receiver = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                *receiver.connections.lock().unwrap() += 1;
                let receiver = receiver.clone();
                std::thread::spawn(move || receiver.take(&stream));
            }
        });
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?to=keys", self.address)
    }

    /// The next requests get these answers.
    pub(crate) fn will_answer(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers.iter().cloned());
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    fn take(&self, stream: &TcpStream) {
        let Some(request) = read(stream) else { return };
        self.received.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
        let mut stream = stream;
        let _ = match answer {
            Answer::Status(status) => {
                write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Answer::Redirect(to) => {
                write!(stream, "HTTP/1.1 307 There\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            }
            Answer::Silence => stream.read(&mut [0; 16]).map(|_| ()),
        };
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).unwrap() })
}

impl Received {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).1.as_str()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// How many of the signatures are by this secret.
    pub(crate) fn signatures_by(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body);
        let mine = |signature: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(signed.as_bytes());
            let bytes = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
            mac.verify_slice(&bytes).is_ok()
        };
        self.header("webhook-signature").split(' ').filter(|signature| mine(signature)).count()
    }
}
