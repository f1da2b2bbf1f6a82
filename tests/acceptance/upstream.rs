//! The sample upstream of `examples/upstream`, behind a real nginx with the configuration beside it. For the pages' own
//! addresses nginx speaks TLS as well, with a certificate that only this test's clients trust.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::product::{Product, eventually};
use crate::shell::{self, Shell};
use crate::support::answer::Answer;
use crate::wire::Request;

/// The hosts that the pages name.
pub(crate) const HOSTS: [&str; 3] = ["api.orbitkit.io", "rndrkit.io", "platform.example"];

/// nginx and the API behind it, until dropped.
pub(crate) struct Upstream {
    /// `127.0.0.1:PORT`, without TLS.
    pub(crate) address: String,
    tls_port: u16,
    folder: TempDir,
    processes: Vec<Child>,
}

impl Upstream {
    /// Behind this product's Keyrack.
    pub(crate) fn start(product: &Product) -> Self {
        Self::start_with(product, None)
    }

    /// The same; with a service token the API reports how each request ended.
    fn start_with(product: &Product, token: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        make_certificate(folder.path());
        let (port, tls_port) = (free_port(), free_port());
        let mut upstream = Self { address: format!("127.0.0.1:{port}"), tls_port, folder, processes: Vec::new() };
        let conf = configuration(product, port, tls_port);
        std::fs::write(upstream.path("nginx.conf"), conf).unwrap();
        let server = example("server.py").display().to_string();
        let mut python = Command::new("python3");
        python.args(["-B", &server, "upstream.sock"]);
        if let Some(token) = token {
            // A proxy of the machine's own has no business in between.
            python.arg(&product.url).env("SERVICE_TOKEN", token).env("no_proxy", "*");
        }
        upstream.spawn(python, "api.log");
        let folder = upstream.folder.path().display().to_string();
        // Debian keeps it where only root looks.
        let nginx = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut nginx = Command::new(nginx);
        nginx.args(["-p", &folder, "-e", "stderr", "-c", &format!("{folder}/nginx.conf")]);
        upstream.spawn(nginx, "nginx.log");
        upstream.wait_until_ready();
        upstream
    }

    fn spawn(&mut self, mut command: Command, log: &str) {
        let log = std::fs::File::create(self.path(log)).unwrap();
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn();
        let program = command.get_program();
        let child = child.unwrap_or_else(|error| panic!("{program:?}: {error}; tests/run installs it"));
        self.processes.push(child);
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&self.address).is_err() || !self.path("upstream.sock").exists() {
            for child in &mut self.processes {
                let ended = child.try_wait().unwrap();
                let log =
                    || ["api.log", "nginx.log"].map(|name| std::fs::read_to_string(self.folder.path().join(name)));
                assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {:?}", log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All that nginx and the API wrote.
    pub(crate) fn logs(&self) -> String {
        ["api.log", "nginx.log", "access.log"].map(|name| std::fs::read_to_string(self.path(name)).unwrap()).concat()
    }

    /// A request to nginx.
    pub(crate) fn ask(&self, request: Request) -> Answer {
        request.to(&self.address)
    }

    /// `GET path` with a key.
    pub(crate) fn get(&self, path: &str, secret: &str) -> Answer {
        self.ask(Request::new("GET", path).bearer(secret))
    }

    /// A shell for which the pages' hosts are this nginx.
    pub(crate) fn shell(&self) -> Shell {
        let certificate = self.path("cert.pem").display().to_string();
        let routes: String =
            HOSTS.iter().map(|host| format!("connect-to = \"{host}:443:127.0.0.1:{}\"\n", self.tls_port)).collect();
        let curlrc = format!("{routes}cacert = \"{certificate}\"\n");
        shell::Shell::new(&curlrc, self.tls_port, &certificate)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for child in &mut self.processes {
            // SIGTERM, so that nginx takes its worker with it.
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// A file of `examples/upstream`.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/upstream").join(name)
}

/// A sample of a page, with a real key in place of the one that the page shows.
pub(crate) fn sample(name: &str, shown: &str, secret: &str) -> String {
    let text = std::fs::read_to_string(example("samples").join(name)).unwrap();
    assert_eq!(text.matches(shown).count(), 1, "{name} should show {shown} once");
    text.replace(shown, secret)
}

/// The example's file with the addresses that an operator changes, and TLS.
fn configuration(product: &Product, port: u16, tls_port: u16) -> String {
    let listen = format!(
        "listen 127.0.0.1:{port};\nlisten 127.0.0.1:{tls_port} ssl;\nssl_certificate cert.pem;\nssl_certificate_key key.pem;"
    );
    // As root nginx would make its worker somebody who may not open the socket.
    let id = Command::new("id").arg("-u").output().unwrap();
    let user = if id.stdout == b"0\n" { "user root;\n" } else { "" };
    let text = std::fs::read_to_string(example("nginx.conf")).unwrap();
    let changes = [("listen 8000;", listen), ("server 127.0.0.1:8080;", format!("server {};", product.address))];
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "nginx.conf should say {from} once");
        text.replace(from, to)
    });
    format!("{user}{text}")
}

fn make_certificate(folder: &Path) {
    let names = HOSTS.map(|host| format!("DNS:{host}")).join(",");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=samples", "-addext", &format!("subjectAltName={names}")])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl is missing: tests/run installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_sample_reports_how_each_request_ended() {
    let product = Product::start("keystroke");
    let made = product.command(&["admin", "service-token", "create", "Sample API"]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    product.learn(&token);
    let upstream = Upstream::start_with(&product, Some(&token));
    let key = product.person("ben").create("mine");
    let events = || {
        let events = product.get("/v1/events?limit=200", &key.secret).assert_status(200).json();
        events["data"].as_array().unwrap().clone()
    };
    let of = |path: &str| events().into_iter().find(|event| event["path"] == path);
    let is_reported = |path: &str, status: i64| {
        of(path).is_some_and(|event| event["status"] == json!(status) && event["duration_ms"].is_i64())
    };
    upstream.get("/api/projects", &key.secret).assert_status(200);
    eventually(|| is_reported("/api/projects", 200));
    let first = of("/api/projects").unwrap();
    // Whatever id a client sends: what is reported is reported of its own request.
    for (name, path) in [("X-Request-Id", "/api/nothing"), ("X_Request_Id", "/api/nowhere")] {
        let request = Request::new("GET", path).bearer(&key.secret);
        let forged = first["request_id"].as_str().unwrap();
        upstream.ask(request.header(name, forged)).assert_status(404);
        eventually(|| is_reported(path, 404));
    }
    assert_eq!(of("/api/projects"), Some(first));
    assert!(!upstream.logs().contains("not reported") && !upstream.logs().contains(&token), "{}", upstream.logs());
}
