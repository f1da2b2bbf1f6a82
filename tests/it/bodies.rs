//! Bodies as they come over a real socket: with the head, after it, in pieces, one request behind another, and never.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::served::Served;

/// What the server has to say until it closes the connection. The pieces are sent apart.
fn talk(address: SocketAddr, pieces: &[&[u8]], then: Option<Shutdown>) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
        // It may have closed its end already.
        let _ = socket.write_all(piece);
    }
    if let Some(how) = then {
        socket.shutdown(how).unwrap();
    }
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Asked {
    served: Served,
    token: String,
}

impl Asked {
    fn head(&self, kind: &str, more: &str) -> String {
        format!(
            "POST /v1/keys/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: {kind}\r\n{more}\r\n",
            self.token
        )
    }

    fn head_of(&self, body: &str) -> String {
        self.head("application/json", &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()))
    }

    fn talk(&self, pieces: &[&str]) -> String {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        talk(self.served.address, &pieces, None)
    }
}

/// What is the same in every answer to the same question.
fn told(answer: &str) -> (String, Vec<String>, serde_json::Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().unwrap();
    let varies = |line: &String| line.starts_with("date: ") || line.starts_with("x-request-id: ");
    let mut headers: Vec<String> = lines.filter(|line| !varies(line)).collect();
    headers.sort();
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    body.as_object_mut().unwrap().remove("request_id");
    (status, headers, body)
}

#[actix_web::test]
async fn a_body_is_read_however_it_comes() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci").secret, service_token(&app));
    let asked = Asked { served: Served::start(&app), token };
    let body = format!("{{\"key\":\"{key}\"}}");
    let head = asked.head_of(&body);
    let expected = told(&asked.talk(&[&format!("{head}{body}")]));
    assert_eq!((expected.0.as_str(), &expected.2["code"]), ("HTTP/1.1 200 OK", &"VALID".into()));
    let chunked = asked.head("application/json", "Connection: close\r\nTransfer-Encoding: chunked\r\n");
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let (one, two) = body.split_at(11);
    let chunks = format!("{}{}0\r\n\r\n", chunk(one), chunk(two));
    for pieces in [
        &[head.as_str(), &body][..],
        &[&head, one, two],
        &[&format!("{head}{one}"), two],
        &[&head[..20], &head[20..], one, &two[..3], &two[3..]],
        &[&format!("{chunked}{chunks}")],
        &[&chunked, &chunks],
        &[&chunked, &chunk(one), &chunk(two), "0\r\n\r\n"],
        &[&chunked, &chunks[..15], &chunks[15..]],
    ] {
        assert_eq!(told(&asked.talk(pieces)), expected, "{pieces:?}");
    }
    asked.served.stop().await;
}

#[actix_web::test]
async fn requests_may_come_one_behind_another() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci").secret, service_token(&app));
    let asked = Asked { served: Served::start(&app), token };
    let body = format!("{{\"key\":\"{key}\"}}");
    let first = format!("{}{body}", asked.head("application/json", &format!("Content-Length: {}\r\n", body.len())));
    let last = format!("{}{body}", asked.head_of(&body));
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (pieces, answers) in [
        (&[format!("{first}{first}{last}").as_str()][..], 3),
        (&[&first, &first, &last], 3),
        // The body of the last comes later than its head, which came with another request.
        (&[&format!("{first}{}", &last[..last.len() - body.len()]), &body], 2),
        (&[&format!("{get}{}", &last[..last.len() - 7]), &last[last.len() - 7..]], 1),
    ] {
        let text = asked.talk(pieces);
        assert_eq!(text.matches("\"code\":\"VALID\"").count(), answers, "{text}");
        assert_eq!(text.matches("HTTP/1.1 200").count(), answers + usize::from(pieces[0].starts_with("GET")), "{text}");
    }
    asked.served.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_with_a_body_is_said_however_it_comes() {
    let app = TestApp::new();
    let (key, token) = (app.db_create_key("ben", "ci").secret, service_token(&app));
    let asked = Asked { served: Served::start(&app), token };
    let starts = |pieces: &[&str], status: &str, says: &str| {
        let (line, headers, body) = told(&asked.talk(pieces));
        assert!(line.starts_with(&format!("HTTP/1.1 {status}")), "{line} {pieces:?}");
        assert!(body["detail"].as_str().unwrap().contains(says), "{body}");
        assert!(headers.iter().any(|line| line == "content-type: application/problem+json"), "{headers:?}");
        for usual in ["cache-control: no-store", "referrer-policy: no-referrer", "x-content-type-options: nosniff"] {
            assert!(headers.iter().any(|line| line == usual), "{headers:?}");
        }
    };
    for (body, cut) in [
        ("{\"key\":\"\\u0000\"}".to_owned(), 10),
        ("{\"key\":\"k\\u0000k\"}".to_owned(), 12),
        ("{\"key\":\"k\\\\\\u0000\"}".to_owned(), 13),
        ("{\"\\u0000\":1}".to_owned(), 3),
        (format!("{{\"key\":\"{key}\",\"request\":{{\"path\":\"/a\\n\\u0000\"}}}}"), 75),
    ] {
        let head = asked.head_of(&body);
        let (one, two) = body.split_at(cut);
        starts(&[&format!("{head}{body}")], "422", "NUL");
        starts(&[&head, one, two], "422", "NUL");
    }
    // A backslash alone is no NUL.
    let body = "{\"key\":\"\\u0001 \\\\u000 \\n\"}";
    let (_, _, answer) = told(&asked.talk(&[&asked.head_of(body), body]));
    assert_eq!(answer["code"], "MALFORMED");
    let body = format!("{{\"key\":\"{key}\"}}");
    for kind in ["text/plain", "application/jsonx", "application/x-www-form-urlencoded", "a;application/json"] {
        let head = asked.head(kind, &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        starts(&[&format!("{head}{body}")], "415", "application/json");
    }
    for kind in ["Application/JSON", "application/json; charset=utf-8", " application/json ;x"] {
        let head = asked.head(kind, &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        let (line, _, _) = told(&asked.talk(&[&format!("{head}{body}")]));
        assert!(line.starts_with("HTTP/1.1 200"), "{kind}: {line}");
    }
    let large = format!("{{\"key\":\"{}\"}}", "k".repeat(70_000));
    starts(&[&format!("{}{large}", asked.head_of(&large))], "413", "");
    starts(&[&asked.head_of(&large), &large[..40_000], &large[40_000..]], "413", "");
    let most = format!("{{\"key\":\"{}\"}}", "k".repeat(64 * 1024 - 10));
    let (_, _, answer) = told(&asked.talk(&[&format!("{}{most}", asked.head_of(&most))]));
    assert_eq!((most.len(), &answer["code"]), (64 * 1024, &"MALFORMED".into()));
    let more = most.replace("\"}", " \"}");
    starts(&[&format!("{}{more}", asked.head_of(&more))], "413", "");
    asked.served.stop().await;
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = TestApp::new();
    let asked = Asked { served: Served::start(&app), token: service_token(&app) };
    let (address, head) = (asked.served.address, asked.head_of("12345678"));
    let half = talk(address, &[format!("{head}1234").as_bytes()], Some(Shutdown::Write));
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 400"), "{half}");
    let waiting: Vec<_> =
        [head.clone(), format!("{head}1234"), format!("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n{head}")]
            .into_iter()
            .map(|text| std::thread::spawn(move || talk(address, &[text.as_bytes()], None)))
            .collect();
    let began = Instant::now();
    for told in waiting {
        let told = told.join().unwrap();
        assert!(told.contains("HTTP/1.1 408"), "{told}");
    }
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    asked.served.stop().await;
}
