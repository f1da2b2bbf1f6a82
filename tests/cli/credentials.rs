//! Which credential is used, where it may go, and how it is kept.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::support::{Home, World};

// ---- which ----------------------------------------------------------------------------------------------------------------

#[test]
fn the_file_goes_before_the_variable_and_both_before_the_sign_in() {
    let world = World::new();
    let (in_file, in_variable) = (world.key("olive", "in a file"), world.key("ben", "in a variable"));
    let home = Home::new().sign_in(&world, "ada").file("key", &format!("{}\n", in_file.secret));
    let who = |home: &Home, args: &[&str]| {
        let found = home.run(&[&["whoami", "--json"], args].concat()).ok().json();
        (found["user"]["name"].as_str().unwrap().to_owned(), found["credential_from"].as_str().unwrap().to_owned())
    };
    let pair = |name: &str, from: &str| (name.to_owned(), from.to_owned());
    assert_eq!(who(&home, &[]), pair("Ada", "file"));
    let home = home.set("KEYRACK_API_KEY", &in_variable.secret);
    assert_eq!(who(&home, &[]), pair("Ben", "KEYRACK_API_KEY"));
    assert_eq!(who(&home, &["--key-file", "key"]), pair("Olive", "--key-file key"));
    let piped = home.run_with(&["whoami", "--json", "--key-file", "-"], &in_file.secret).ok().json();
    assert_eq!(piped["user"]["name"], "Olive");
}

#[test]
fn a_credential_that_cannot_be_one_is_refused_and_not_repeated() {
    let world = World::new();
    let url = world.url();
    let home = Home::new().file("empty", "\n").file("two", "kr_one kr_two_canary");
    home.run(&["whoami", "--server", &url, "--key-file", "empty"]).failed(2, "--key-file empty: it is empty");
    let two = home.run(&["whoami", "--server", &url, "--key-file", "two"]).failed(2, "--key-file two");
    assert!(!two.stderr.contains("canary"), "{two:?}");
    home.run(&["whoami", "--server", &url, "--key-file", "missing"]).failed(2, "--key-file missing: ");
    let home = home.set("KEYRACK_API_KEY", "kr_AAAAAAAA_canary");
    let wrong = home.run(&["whoami", "--server", &url]).failed(4, "does not accept the key from KEYRACK_API_KEY");
    assert!(!wrong.stderr.contains("canary"), "{wrong:?}");
}

#[test]
fn a_key_acts_in_its_own_organization_and_is_not_taken_for_another() {
    let world = World::new();
    let key = world.key("olive", "ci");
    let home = Home::new().set("KEYRACK_API_KEY", &key.secret).set("KEYRACK_PLATFORM_URL", &world.url());
    home.run(&["whoami", "--org", "acme"]).ok();
    home.run(&["whoami", "--org", "globex"]).failed(2, "belongs to acme");
    home.run(&["orgs", "use", "acme"]).failed(2, "belongs to one organization");
}

// ---- where it may go ------------------------------------------------------------------------------------------------------

#[test]
fn a_hostile_project_file_gets_no_credential() {
    let world = World::new();
    let thief = Thief::start();
    let key = world.key("olive", "ci");
    let home = Home::new().sign_in(&world, "ada").in_folder("cloned").with_git();
    let home = home.file("keyrack.json", &format!(r#"{{"server":"{}"}}"#, thief.url));
    home.run(&["whoami"]).failed(4, "which keyrack.json names");
    home.run(&["keys", "list"]).failed(4, "which keyrack.json names");
    let home = home.set("KEYRACK_API_KEY", &key.secret).file("key", &key.secret);
    for args in [&["whoami"][..], &["orgs", "list"], &["keys", "create", "-n", "x"], &["whoami", "--key-file", "key"]] {
        home.run(args).failed(4, "is not sent");
    }
    home.run_with(&["auth", "login", "--with-token"], &key.secret).failed(2, "if you say so yourself");
    home.run(&["auth", "logout"]).ok();
    assert_eq!(thief.heard(), "", "not even a connection");
    // The person's own word is another matter.
    home.run(&["whoami", "--server", &thief.url]);
    assert!(thief.heard().contains("authorization"), "{}", thief.heard());
}

#[test]
fn a_project_file_may_name_a_server_that_the_person_signed_in_to() {
    let (first, second) = (World::new(), World::new());
    let home = Home::new().sign_in(&first, "ada").sign_in(&second, "xavier");
    let home = home.file("keyrack.json", &format!(r#"{{"server":"{}"}}"#, first.url()));
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["user"]["name"], "Ada");
    let home = home.set("KEYRACK_API_KEY", &first.key("ben", "ci").secret);
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["user"]["name"], "Ben");
}

#[test]
fn no_credential_follows_a_redirect() {
    let world = World::new();
    let (thief, key) = (Thief::start(), world.key("olive", "ci"));
    let gate = Thief::answering(&format!("HTTP/1.1 302 Found\r\nLocation: {}/v1/whoami\r\n", thief.url));
    let home = Home::new().set("KEYRACK_API_KEY", &key.secret);
    let refused = home.run(&["whoami", "--server", &gate.url]).failed(1, "sends elsewhere");
    assert!(refused.stderr.contains(&format!("--server {}", thief.url)), "{refused:?}");
    assert_eq!(thief.heard(), "");
}

// ---- how it is kept -------------------------------------------------------------------------------------------------------

#[test]
fn without_a_keyring_the_sign_in_is_kept_in_a_private_file_with_a_warning() {
    let world = World::new();
    let home = Home::new();
    let first = home.run(&["auth", "login", "--server", &world.url()]).ok().json();
    let code = first["user_code"].as_str().unwrap();
    world.browser("ada").decide(code, "Allow");
    let done = home.run(&["auth", "login", "--complete"]).ok();
    let path = home.credentials();
    assert!(done.stderr.contains(&format!("Stored unencrypted in {}", path.display())), "{done:?}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let token = token_of(&home);
    assert!(token.starts_with("krc_") && !done.stdout.contains(&token) && !done.stderr.contains(&token));
    let holders: Vec<_> = home.files().into_iter().filter(|(_, text)| text.contains(&token)).collect();
    assert_eq!(holders.len(), 1, "{holders:?}");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["whoami"]).failed(1, "may be read by others (mode 644)");
    home.run(&["auth", "status"]).failed(1, "chmod 600");
    home.run(&["auth", "login", "--server", &world.url()]).failed(1, "chmod 600");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.run(&["whoami"]).ok();
    std::fs::write(&path, "{").unwrap();
    home.run(&["whoami"]).failed(1, "is damaged");
}

#[test]
fn a_list_of_sign_ins_that_cannot_be_used_stops_only_what_needs_it() {
    let world = World::new();
    let key = world.key("olive", "ci");
    let home = Home::new().sign_in(&world, "ada").file("key", &key.secret);
    for (text, mode, why) in [(None, 0o644, "chmod 600"), (Some("{"), 0o600, "is damaged")] {
        text.into_iter().for_each(|text| std::fs::write(home.credentials(), text).unwrap());
        std::fs::set_permissions(home.credentials(), std::fs::Permissions::from_mode(mode)).unwrap();
        let url = world.url();
        home.run(&["whoami", "--server", &url]).failed(1, why);
        home.run(&["whoami", "--server", &url, "--key-file", "key"]).ok();
        // Which server was the last one, only the list knows.
        home.run(&["whoami", "--key-file", "key"]).failed(1, why);
    }
    let home = home.set("KEYRACK_API_KEY", &key.secret).set("KEYRACK_PLATFORM_URL", &world.url());
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["user"]["name"], "Olive");
    // Whether the person signed in where a project file points to, only the list knows.
    let home = home.unset("KEYRACK_PLATFORM_URL").file("keyrack.json", &format!(r#"{{"server":"{}"}}"#, world.url()));
    home.run(&["whoami"]).failed(1, "is damaged");
}

#[test]
fn a_keyring_keeps_the_token_out_of_every_file() {
    let world = World::new();
    let key = world.key("olive", "ci");
    let home = Home::new();
    let script = format!(
        "key=$(cat); printf %s \"$key\" | $CLI auth login --with-token --server {}\n\
         $CLI whoami --json; $CLI auth status --json; $CLI auth logout; $CLI whoami --json || echo code $?",
        world.url()
    );
    let ran = home.in_session(&script, &key.secret);
    assert!(!ran.stderr.contains("unencrypted") && ran.stderr.contains("Signed out of"), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].contains("\"credential_from\":\"keyring\"") && lines[1].contains("\"storage\":\"keyring\""),
        "{ran:?}"
    );
    assert_eq!(lines[2], "code 4", "{ran:?}");
    for (path, text) in home.files() {
        assert!(!text.contains(&key.secret), "{}", path.display());
    }
    let ran = home.in_session(&script.replace("--with-token", "--with-token --insecure-storage"), &key.secret);
    assert!(ran.stderr.contains("Stored unencrypted in") && ran.stdout.contains("\"storage\":\"file\""), "{ran:?}");
}

#[test]
fn a_keyring_that_never_answers_holds_nothing_up_for_long() {
    let world = World::new();
    let home = Home::new();
    let path = home.path("bus");
    let bus = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let home = home.set("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={}", path.display()));
    let began = Instant::now();
    let home = home.sign_in(&world, "ada");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(10), "it was asked: {took:?}");
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(token_of(&home).starts_with("krc_"));
    drop(bus);
}

#[test]
fn nothing_secret_stands_in_the_list_of_processes() {
    let world = World::new();
    let key = world.key("olive", "ci");
    let slow = Thief::silent();
    let home = Home::new().set("KEYRACK_API_KEY", &key.secret);
    let mut child = home.start(&["whoami", "--server", &slow.url]);
    slow.wait_for_somebody();
    let listed = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("whoami --server") && !listed.contains(&key.secret));
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) fn token_of(home: &Home) -> String {
    let text = std::fs::read_to_string(home.credentials()).unwrap();
    let content: serde_json::Value = serde_json::from_str(&text).unwrap();
    let login = content["logins"].as_object().unwrap().values().next().unwrap();
    login["token"].as_str().unwrap().to_owned()
}

// ---- a server that only listens ---------------------------------------------------------------------------------------------

/// Writes down what it is told.
pub(crate) struct Thief {
    pub(crate) url: String,
    heard: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Thief {
    /// That answers 404.
    pub(crate) fn start() -> Self {
        Self::answering("HTTP/1.1 404 Not Found\r\n")
    }

    /// That never answers.
    pub(crate) fn silent() -> Self {
        Self::answering("")
    }

    /// That answers with this head, and no body.
    pub(crate) fn answering(head: &str) -> Self {
        Self::saying(head, "")
    }

    /// That answers with this head and body.
    pub(crate) fn saying(head: &str, body: &'static str) -> Self {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heard, head) = (std::sync::Arc::new(std::sync::Mutex::new(String::new())), head.to_owned());
        let notes = heard.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                notes.lock().unwrap().push_str("[connection]\n");
                let mut buffer = [0; 8192];
                let read = stream.read(&mut buffer).unwrap_or(0);
                notes.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]).to_lowercase());
                if head.is_empty() {
                    kept.push(stream);
                } else {
                    let _ = write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                }
            }
        });
        Self { url, heard }
    }

    pub(crate) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn wait_for_somebody(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.heard().contains("authorization") {
            assert!(Instant::now() < deadline, "nobody comes");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
