//! The way to the server: proxies, certificates, time limits, and servers that are none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::credentials::Thief;
use crate::support::{Home, World};

fn with_key(world: &World) -> Home {
    Home::new().set("KEYRACK_API_KEY", &world.key("olive", "ci").secret)
}

// ---- proxies --------------------------------------------------------------------------------------------------------------

/// A proxy that tunnels, and notes for whom.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = asked.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let target = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            notes.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
            let host = target.trim_start_matches("http://").split('/').next().unwrap().to_owned();
            let Ok(mut server) = TcpStream::connect(&host) else { continue };
            let mut client = client;
            if head.starts_with("CONNECT") {
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            } else {
                server.write_all(head.as_bytes()).unwrap();
            }
            let (mut back_from, mut back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
            std::thread::spawn(move || std::io::copy(&mut client, &mut server));
        }
    });
    (address, asked)
}

#[test]
fn the_usual_variables_lead_through_a_proxy() {
    let world = World::new();
    let (proxy, asked) = proxy();
    let home = with_key(&world).set("http_proxy", &proxy);
    home.run(&["whoami", "--server", &world.url()]).ok();
    let heard = asked.lock().unwrap().clone();
    assert!(heard.len() == 1 && heard[0].contains(&world.server.address.to_string()), "{heard:?}");
    let home = home.set("no_proxy", "127.0.0.1");
    home.run(&["whoami", "--server", &world.url()]).ok();
    assert_eq!(asked.lock().unwrap().len(), 1, "not through it");
    let home = home.unset("no_proxy").set("http_proxy", "http://127.0.0.1:1");
    home.run(&["whoami", "--server", &world.url()]).failed(8, "cannot be reached");
    let home = home.set("http_proxy", "nonsense://user:canary@x");
    let refused = home.run(&["whoami", "--server", &world.url()]).failed(2, "http_proxy is not the address of a proxy");
    assert!(!refused.stderr.contains("canary"));
}

// ---- certificates -----------------------------------------------------------------------------------------------------------

/// A TLS server with a certificate of its own, that answers `GET /v1/whoami`.
struct Tls {
    child: Child,
    url: String,
}

impl Tls {
    fn start(home: &Home) -> Self {
        let folder = home.path("tls");
        std::fs::create_dir_all(folder.join("v1")).unwrap();
        let body = r#"{"credential":{"kind":"api_key","id":"AAAAAAAA","name":"x"},"user":null,"org":null,"role":null}"#;
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        std::fs::write(folder.join("v1/whoami"), answer).unwrap();
        let made = Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-HTTP", "-cert", "cert.pem", "-key", "key.pem", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, url: format!("https://localhost:{port}") }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_certificate_of_ones_own_is_trusted_by_its_file_and_not_without() {
    let home = Home::new().set("KEYRACK_API_KEY", "kr_whatever");
    let tls = Tls::start(&home);
    let refused = home.run(&["whoami", "--server", &tls.url]).failed(8, "certificate");
    assert!(refused.stderr.contains("SSL_CERT_FILE"), "{refused:?}");
    let home = home.set("SSL_CERT_FILE", "/nowhere/cert.pem");
    home.run(&["whoami", "--server", &tls.url]).failed(2, "SSL_CERT_FILE: /nowhere/cert.pem");
    let home = home.file("empty.pem", "nothing").set("SSL_CERT_FILE", "empty.pem");
    home.run(&["whoami", "--server", &tls.url]).failed(2, "holds no certificate");
    let certificate = home.path("tls/cert.pem").display().to_string();
    let home = home.set("SSL_CERT_FILE", &certificate);
    let trusted = home.run(&["whoami", "--json", "--server", &tls.url]).ok().json();
    assert_eq!(trusted["credential"]["id"], "AAAAAAAA");
    let (proxy, asked) = proxy();
    let home = home.set("HTTPS_PROXY", &proxy).set("http_proxy", "http://127.0.0.1:1");
    home.run(&["whoami", "--server", &tls.url]).ok();
    let host = tls.url.trim_start_matches("https://").to_owned();
    assert!(asked.lock().unwrap()[0].starts_with(&format!("CONNECT {host} ")), "{:?}", asked.lock().unwrap());
}

// ---- servers that are none ----------------------------------------------------------------------------------------------------

#[test]
fn a_server_that_is_another_one_is_told_apart() {
    let home = Home::new().set("KEYRACK_API_KEY", "kr_whatever");
    let other = Thief::start();
    home.run(&["whoami", "--server", &other.url]).failed(1, "does not answer as expected (HTTP 404)");
    let gateway = Thief::answering("HTTP/1.1 502 Bad Gateway\r\n");
    home.run(&["whoami", "--server", &gateway.url]).failed(8, "HTTP 502");
    home.run(&["whoami", "--server", "https://no-such-host.invalid"])
        .failed(8, "no-such-host.invalid cannot be reached");
}

#[test]
fn a_server_that_never_answers_is_given_up_after_half_a_minute() {
    let silent = Thief::silent();
    let home = Home::new().set("KEYRACK_API_KEY", "kr_whatever");
    let began = Instant::now();
    home.run(&["whoami", "--server", &silent.url]).failed(8, "no answer in time");
    assert!((29..40).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn waiting_shows_a_sign_of_life_on_a_terminal_and_ctrl_c_ends_it() {
    let silent = Thief::silent();
    let home = Home::new().set("KEYRACK_API_KEY", "kr_whatever");
    let mut terminal = home.terminal(&["whoami", "--server", &silent.url]);
    terminal.wait_for("Waiting for 127.0.0.1");
    terminal.type_in("\x03");
    assert_eq!(terminal.end().code, 130);
    let mut child = home.start(&["whoami", "--server", &silent.url]);
    silent.wait_for_somebody();
    std::thread::sleep(Duration::from_millis(600));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(130), ""));
}

#[test]
fn what_a_server_says_cannot_command_the_terminal() {
    let body = r#"{"credential":{"kind":"api_key","id":"x\u001b[2J","name":"a\u009b31m\u202e"},"org":{"slug":"s","name":"\u001b]0;title\u0007","plan":"p"}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 8192]);
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        }
    });
    let home = Home::new().set("KEYRACK_API_KEY", "kr_whatever");
    let raw = home.terminal(&["whoami", "--no-color", "--server", &url]).end().raw;
    let json = home.run(&["whoami", "--json", "--server", &url]).ok().stdout;
    for text in [&raw.replace("\x1b[?25h", ""), &json] {
        assert!(!["\x1b]0;", "\x1b[2J", "\u{9b}", "\u{202e}"].iter().any(|bad| text.contains(bad)), "{text:?}");
    }
    assert!(raw.contains('�') && json.contains("\\u009b"), "{raw:?} {json:?}");
}
