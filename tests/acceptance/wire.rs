//! Requests over a real socket, as a script or a browser sends them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::answer::Answer;

/// A request that is put together before it goes.
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, secret: &str) -> Self {
        self.header("Authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        self.body = serde_html_form::to_string(fields).unwrap();
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn json(mut self, value: &serde_json::Value) -> Self {
        self.body = value.to_string();
        self.header("Content-Type", "application/json")
    }

    /// With the same head and another body: what was signed is not what is sent.
    pub(crate) fn json_instead(mut self, value: &serde_json::Value) -> Self {
        self.body = value.to_string();
        self
    }

    /// Sends it to `127.0.0.1:PORT` and reads the whole answer.
    pub(crate) fn to(self, address: &str) -> Answer {
        let request = format!("{} {}", self.method, self.path);
        self.try_to(address).unwrap_or_else(|| panic!("no answer to {request}"))
    }

    /// The same; nothing when nobody answers.
    pub(crate) fn try_to(self, address: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let extra: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        stream.write_all(format!("{head}{}", self.body).as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Some(Answer { request: format!("{} {}", self.method, self.path), status, headers, body: body.to_owned() })
    }
}
