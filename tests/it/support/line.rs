//! HTTP over a connection that is kept from one request to the next, as clients of the check do it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

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
                let answer = (head.get(9..12)?.parse().ok()?, rest.to_owned());
                if head.lines().any(|field| field.eq_ignore_ascii_case("connection: close")) {
                    *line = None;
                }
                return Some(answer);
            }
        }
        match stream.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
