//! Answers as they come to connections that read slowly, not at all, or are gone.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::TestApp;
use crate::support::served::Served;

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

/// Requests behind one another, of half a kilobyte each, of which the last one closes the connection. Every third has no key, the
/// others ask whether the server lives.
fn requests(count: usize) -> String {
    let much = "x".repeat(450);
    let path = |at| if at % 3 == 0 { "/v1/auth" } else { "/healthz" };
    let end = |at| if at + 1 == count { "Connection: close\r\n" } else { "" };
    let request = |at| format!("GET {} HTTP/1.1\r\nHost: x\r\nX-Much: {much}\r\n{}\r\n", path(at), end(at));
    (0..count).map(request).collect()
}

/// Whether these are the whole answers to [`requests`], in their order.
fn assert_answers(mut bytes: &[u8], count: usize) {
    for at in 0..count {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer {at}"));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let status = if at % 3 == 0 { "HTTP/1.1 401 " } else { "HTTP/1.1 200 " };
        assert!(head.starts_with(status), "answer {at}: {head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        bytes = &bytes[end + 4 + length.parse::<usize>().unwrap()..];
    }
    assert_eq!(bytes.len(), 0);
}

#[actix_web::test]
async fn who_reads_late_gets_every_answer() {
    const COUNT: usize = 20_000;
    let app = TestApp::new();
    let served = Served::start(&app);
    let mut socket = connect(served.address);
    let mut asking = socket.try_clone().unwrap();
    let asking = std::thread::spawn(move || asking.write_all(requests(COUNT).as_bytes()));
    // More than the system keeps for somebody who does not read.
    std::thread::sleep(Duration::from_secs(2));
    assert!(!asking.is_finished(), "the server has read more than it can have answered");
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    asking.join().unwrap().unwrap();
    assert_answers(&bytes, COUNT);
    served.stop().await;
}

#[actix_web::test]
async fn whoever_asks_is_answered_whether_few_or_many_ask() {
    let app = TestApp::new();
    let served = Served::start(&app);
    for count in [1, 7, 8, 9, 17, 40] {
        let mut sockets: Vec<TcpStream> = (0..count).map(|_| connect(served.address)).collect();
        for _ in 0..20 {
            for socket in &mut sockets {
                socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            }
            for socket in &mut sockets {
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"ok\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    bytes.push(byte[0]);
                }
                assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
            }
        }
    }
    served.stop().await;
}

#[actix_web::test]
async fn who_goes_away_takes_nobody_along() {
    let app = TestApp::new();
    let served = Served::start(&app);
    for round in 0..20 {
        let mut steady: Vec<TcpStream> = (0..12).map(|_| connect(served.address)).collect();
        let mut gone: Vec<TcpStream> = (0..12).map(|_| connect(served.address)).collect();
        for (steady, gone) in steady.iter_mut().zip(&mut gone) {
            gone.write_all(requests(60).as_bytes()).unwrap();
            steady.write_all(requests(60).as_bytes()).unwrap();
        }
        if round % 2 == 0 {
            // With answers that were not read, so that the other side is told that nobody will.
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(gone);
        for steady in &mut steady {
            let mut bytes = Vec::new();
            steady.read_to_end(&mut bytes).unwrap();
            assert_answers(&bytes, 60);
        }
    }
    served.stop().await;
}
