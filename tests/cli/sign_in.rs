//! `auth`: the device code from both ends, on a terminal and off it.

use crate::credentials::Thief;
use crate::support::{Home, World};

fn begin(home: &Home, world: &World) -> String {
    let first = home.run(&["auth", "login", "--server", &world.url()]).ok().json();
    assert_eq!(first["verification_uri"], format!("{}/device", world.url()));
    assert!(first["expires_in"].as_u64().unwrap() > 0);
    assert!(first["next_step"].as_str().unwrap().contains("auth login --complete"), "{first}");
    first["user_code"].as_str().unwrap().to_owned()
}

fn decide(world: &World, code: &str, button: &str) {
    world.browser("ada").decide(code, button);
}

#[test]
fn off_a_terminal_it_takes_two_steps() {
    let world = World::new();
    let home = Home::new();
    home.run(&["auth", "login", "--complete"]).failed(2, "No sign-in was begun");
    let code = begin(&home, &world);
    decide(&world, &code, "Allow");
    let other = ["auth", "login", "--complete", "--server", "http://127.0.0.1:1"];
    home.run(&other).failed(2, &format!("is for {}, not for http://127.0.0.1:1", world.url()));
    let done = home.run(&["auth", "login", "--complete", "--server", &world.url()]).ok();
    let said = done.json();
    assert_eq!(
        (&said["user"]["name"], &said["org"]["slug"], &said["role"]),
        (&"Ada".into(), &"acme".into(), &"admin".into())
    );
    assert_eq!(said["storage"], "file");
    let host = world.server.address;
    assert!(done.stderr.contains(&format!("Signed in to {host} as Ada (admin, Acme).")), "{done:?}");
    home.run(&["auth", "login", "--complete"]).failed(2, "No sign-in was begun");
    let who = home.run(&["whoami", "--json"]).ok().json();
    assert_eq!((&who["credential"]["kind"], &who["server_from"]), (&"cli_token".into(), &"the last sign-in".into()));
}

#[test]
fn on_a_terminal_it_shows_the_code_and_waits() {
    let world = World::new();
    let home = Home::new();
    let terminal = home.terminal(&["auth", "login", "--no-browser", "--server", &world.url()]);
    let shown = terminal.wait_for("allow this device.");
    let (_, rest) = shown.split_once("Your code: ").unwrap();
    let code = rest.lines().next().unwrap().trim().to_owned();
    assert!(shown.contains(&format!("{}/device?user_code={code}", world.url())), "{shown}");
    decide(&world, &code, "Allow");
    let ended = terminal.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.text.contains("as Ada (admin, Acme)."), "{ended:?}");
    assert!(ended.text.contains("! The system keyring is not available. Stored unencrypted in"), "{ended:?}");
    let status = home.terminal(&["auth", "status"]).end();
    assert!(status.text.contains("SERVER") && status.text.contains("ada@acme.example"), "{status:?}");
}

#[test]
fn a_denied_sign_in_says_so_and_keeps_nothing() {
    let world = World::new();
    let home = Home::new();
    let code = begin(&home, &world);
    decide(&world, &code, "Deny");
    home.run(&["auth", "login", "--complete"]).failed(5, "denied");
    home.run(&["whoami"]).failed(4, "not signed in");
    assert!(!home.credentials().exists());
}

#[test]
fn an_expired_code_says_so() {
    let world = World::new();
    let home = Home::new();
    begin(&home, &world);
    world.database.execute("UPDATE device_codes SET expires_at = 1");
    home.run(&["auth", "login", "--complete"]).failed(4, "expired");
}

#[test]
fn it_slows_down_when_the_server_wants_it() {
    let world = World::new();
    let home = Home::new();
    let code = begin(&home, &world);
    let pending = std::fs::read_to_string(home.credentials().with_file_name("pending.json")).unwrap();
    let pending: serde_json::Value = serde_json::from_str(&pending).unwrap();
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&client_id=keyrack-cli&device_code={}",
        pending["device_code"].as_str().unwrap()
    );
    // Somebody else polls right before: the command line's own poll comes too early, and it is told so.
    assert!(world.server.post("/v1/device/token", &form).body.contains("authorization_pending"));
    let began = std::time::Instant::now();
    let child = home.start(&["auth", "login", "--complete"]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    decide(&world, &code, "Allow");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(began.elapsed() >= std::time::Duration::from_secs(9), "5 seconds and 5 more: {:?}", began.elapsed());
}

/// A sign-in that was begun, and is to be finished on another server than it knows.
fn begun_for(url: &str) -> Home {
    let world = World::new();
    let home = Home::new();
    begin(&home, &world);
    let path = home.credentials().with_file_name("pending.json");
    let pending = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, pending.replace(&world.url(), url)).unwrap();
    home
}

#[test]
fn a_server_in_trouble_is_not_the_last_word() {
    let trouble = Thief::answering("HTTP/1.1 500 Internal Server Error\r\n");
    let home = begun_for(&trouble.url);
    let mut child = home.start(&["auth", "login", "--complete"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none() && trouble.heard().contains("/v1/device/token"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_token_that_cannot_be_kept_is_ended() {
    let answer = r#"{"access_token":"krc_0123456789abcdefghijABCDEFGHIJ","expires_in":60}"#;
    let server = Thief::saying("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", answer);
    let home = begun_for(&server.url);
    home.run(&["auth", "login", "--complete"]).failed(1, "");
    let heard = server.heard();
    let (_, after) = heard.split_once("get /v1/whoami").unwrap();
    assert!(after.contains("post /v1/device/revoke") && after.contains("bearer krc_"), "{heard}");
    assert!(!home.credentials().exists());
}

#[test]
fn ctrl_c_while_waiting_ends_with_130_and_keeps_nothing() {
    let world = World::new();
    let home = Home::new();
    let mut terminal = home.terminal(&["auth", "login", "--no-browser", "--server", &world.url()]);
    terminal.wait_for("Your code: ");
    terminal.type_in("\x03");
    assert_eq!(terminal.end().code, 130);
    assert!(!home.credentials().exists());
}

#[test]
fn signing_out_ends_the_token_on_the_server_and_here() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    let kept = std::fs::read_to_string(home.credentials()).unwrap();
    let (_, rest) = kept.split_once("krc_").unwrap();
    let token = format!("krc_{}", rest.split('"').next().unwrap());
    assert_eq!(world.server.get_with("/v1/whoami", &token).status, 200);
    let out = home.run(&["auth", "logout", "--json"]).ok().json();
    assert_eq!((&out["signed_out"], &out["server"]), (&true.into(), &world.url().into()));
    assert_eq!(world.server.get_with("/v1/whoami", &token).status, 401);
    assert!(!std::fs::read_to_string(home.credentials()).unwrap().contains("krc_"));
    home.run(&["whoami"]).failed(4, "auth login");
    home.run(&["auth", "logout"]).ok();
}

#[test]
fn a_server_that_is_gone_can_be_forgotten() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    drop(world);
    home.run(&["auth", "logout"]).failed(8, "auth logout --local");
    home.run(&["auth", "status"]).ok();
    home.run(&["auth", "logout", "--local"]).ok();
    home.run(&["auth", "status"]).failed(4, "not signed in");
}

#[test]
fn a_sign_in_that_was_ended_elsewhere_says_how_to_go_on() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    let copy = std::fs::read(home.credentials()).unwrap();
    home.run(&["auth", "logout"]).ok();
    std::fs::write(home.credentials(), copy).unwrap();
    let refused = home.run(&["whoami"]).failed(4, "Your sign-in to");
    assert!(refused.stderr.contains("auth login --server"), "{refused:?}");
}

#[test]
fn signing_in_again_ends_the_token_before() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    let before = token(&home);
    let home = home.sign_in(&world, "ada");
    assert_ne!(token(&home), before);
    assert_eq!(world.server.get_with("/v1/whoami", &before).status, 401);
    assert_eq!(world.server.get_with("/v1/whoami", &token(&home)).status, 200);
}

fn token(home: &Home) -> String {
    let kept = std::fs::read_to_string(home.credentials()).unwrap();
    let (_, rest) = kept.split_once("krc_").unwrap();
    format!("krc_{}", rest.split('"').next().unwrap())
}

#[test]
fn a_token_or_key_can_be_piped_in() {
    let world = World::new();
    let key = world.key("ben", "laptop");
    let home = Home::new();
    let url = world.url();
    home.run_with(&["auth", "login", "--with-token", "--server", &url], "kr_nonsense\n").failed(4, "does not accept");
    home.run_with(&["auth", "login", "--with-token", "--server", &url], "").failed(2, "reads one token");
    let done = home.run_with(&["auth", "login", "--with-token", "--server", &url], &key.secret).ok();
    assert!(done.stderr.contains("as Ben (builder, Acme).") && done.stdout.is_empty(), "{done:?}");
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["credential"]["id"], key.id.as_str());
    home.run(&["auth", "logout"]).ok();
    assert_eq!(world.server.get_with("/v1/whoami", &key.secret).status, 200, "the key itself lives on");
    let made = world.admin(&["admin", "service-token", "create", "Backend"]);
    let service = made.stdout.trim();
    home.run_with(&["auth", "login", "--with-token", "--server", &url], service).failed(2, "for a backend");
}

#[test]
fn status_lists_every_sign_in() {
    let (first, second) = (World::new(), World::new());
    let home = Home::new().sign_in(&first, "ada").sign_in(&second, "xavier");
    let list = home.run(&["auth", "status", "--json"]).ok().json();
    let of = |world: &World| {
        let entries = list["data"].as_array().unwrap();
        entries.iter().find(|entry| entry["server"] == world.url().as_str()).unwrap().clone()
    };
    assert_eq!((&of(&first)["user"]["email"], &of(&first)["newest"]), (&"ada@acme.example".into(), &false.into()));
    assert_eq!((&of(&second)["org"], &of(&second)["newest"]), (&"globex".into(), &true.into()));
    assert_eq!((&of(&second)["storage"], &of(&second)["expired"]), (&"file".into(), &false.into()));
    assert!(of(&second)["expires_at"].as_str().unwrap().ends_with('Z'));
    let plain = home.run(&["auth", "status"]).ok();
    assert_eq!(plain.stdout.lines().count(), 2, "{plain:?}");
    assert!(plain.stdout.lines().all(|line| line.split('\t').count() == 6), "{plain:?}");
    let nobody = Home::new().run(&["auth", "status", "--json"]).failed(4, "");
    assert_eq!((&nobody.json()["data"], &nobody.error()["code"]), (&serde_json::json!([]), &"NOT_SIGNED_IN".into()));
}

#[test]
fn it_does_not_sign_in_where_everybody_can_listen() {
    let home = Home::new();
    home.run(&["auth", "login", "--server", "http://keys.acme.example"]).failed(2, "Use https");
    home.run(&["auth", "login"]).failed(2, "Which server? Pass --server URL, or set KEYRACK_PLATFORM_URL.");
    home.run(&["auth", "login", "--server", "https://keys.acme.example/path"]).failed(2, "--server: ");
}

#[test]
fn a_page_on_another_server_is_not_opened() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 8192]);
        let body = r#"{"device_code":"d","user_code":"BCDF-GHJK","verification_uri":"https://evil.example/device","expires_in":900}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    let refused = Home::new().run(&["auth", "login", "--server", &url]).failed(1, "sends the browser to another place");
    assert!(refused.stdout.is_empty(), "{refused:?}");
}
