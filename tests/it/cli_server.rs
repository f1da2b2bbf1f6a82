//! The server commands of the real binary: what they print, how they exit, and what they leave alone.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::support::binary::{Place, Ran};
use crate::support::database::TestDatabase;

/// It failed with this code and these words on stderr, without a panic, and printed no data.
#[track_caller]
pub(crate) fn assert_refused(ran: &Ran, code: i32, words: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stderr.contains(words), "{words} is missing:\n{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("RUST_BACKTRACE"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

// ---- settings -------------------------------------------------------------------------------------------------------------

#[test]
fn mistakes_in_settings_are_told_and_nothing_is_left_behind() {
    for (name, value, words) in [
        (
            "KEYRACK_DATABASE_URL",
            "mysql://db/keyrack",
            "error: KEYRACK_DATABASE_URL: must begin with sqlite:// or postgres://",
        ),
        ("KEYRACK_DATABASE_URL", "keyrack.db", "KEYRACK_DATABASE_URL: must begin with"),
        ("KEYRACK_DATABASE_URL", "sqlite:keyrack.db", "KEYRACK_DATABASE_URL: must begin with"),
        (
            "KEYRACK_DATABASE_URL",
            "sqlite://missing/keyrack.db",
            "KEYRACK_DATABASE_URL: the folder missing does not exist",
        ),
        ("KEYRACK_DATABASE_URL", "sqlite://.", "KEYRACK_DATABASE_URL: . is a folder"),
        (
            "KEYRACK_DATABASE_URL",
            "postgres://127.0.0.1:1/keyrack",
            "KEYRACK_DATABASE_URL: PostgreSQL could not be reached",
        ),
        ("KEYRACK_DATABASE_URL", "host=127.0.0.1 dbname=x", "KEYRACK_DATABASE_URL: must begin with"),
        ("KEYRACK_DATABASE_URL_FILE", "nowhere", "KEYRACK_DATABASE_URL_FILE: nowhere cannot be read"),
        ("KEYRACK_LISTEN", "8080", "KEYRACK_LISTEN: “8080” is not an address"),
        ("KEYRACK_LISTEN", "192.0.2.1:80", "KEYRACK_LISTEN: cannot listen on 192.0.2.1:80"),
        ("KEYRACK_PUBLIC_URL", "example.com", "KEYRACK_PUBLIC_URL: “example.com” is not an address"),
        ("KEYRACK_SESSION_KEY", "short", "KEYRACK_SESSION_KEY: must be 128 hex digits"),
        ("KEYRACK_LISEN", "x", "unknown variable KEYRACK_LISEN; did you mean KEYRACK_LISTEN?"),
        ("KEYRACK_CONFIG", "nowhere.toml", "KEYRACK_CONFIG: nowhere.toml cannot be read"),
        ("KEYRACK_LOG", "keyrack=[", "KEYRACK_LOG: “keyrack=[” is not a filter"),
        ("KEYRACK_ADMIN_EMAIL", "olive@acme.example", "KEYRACK_ADMIN_EMAIL: needs KEYRACK_ADMIN_PASSWORD_FILE"),
    ] {
        let mut place = Place::new().set(name, value);
        if name != "KEYRACK_LISTEN" {
            place = place.set("KEYRACK_LISTEN", "127.0.0.1:0");
        }
        assert_refused(&place.run(&[]), 1, words);
        assert_eq!(place.files(), Vec::<String>::new(), "{name}={value}");
    }
}

#[test]
fn mistakes_in_the_file_are_told_with_their_place() {
    let place = Place::new().file("keyrack.toml", "[keys]\nprefx = \"ok\"\n[sign_up]\nopen = \"yes\"\n");
    let ran = place.run(&["serve"]);
    assert_refused(&ran, 1, "error: keyrack.toml: unknown setting “keys.prefx”; did you mean “keys.prefix”?");
    assert_refused(&ran, 1, "error: keyrack.toml: sign_up.open: must be true or false without quotes");
    assert_eq!(place.files(), ["keyrack.toml"]);
}

#[test]
fn a_command_line_that_makes_no_sense_exits_with_two() {
    let place = Place::new();
    assert_refused(&place.run(&["srve"]), 2, "unrecognized subcommand");
    assert_refused(&place.run(&["--lisen", "x"]), 2, "--listen");
    assert_refused(&place.run(&["admin"]), 2, "Usage");
    for args in [["--help"], ["--version"]] {
        let ran = place.run(&args);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn a_file_that_cannot_be_written_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    assert_eq!(place.run(&["migrate"]).code, 0);
    let file = place.path("keyrack.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    // Nothing stops root from writing.
    if std::fs::OpenOptions::new().write(true).open(&file).is_err() {
        assert_refused(
            &place.run(&["--listen", "127.0.0.1:0"]),
            1,
            "KEYRACK_DATABASE_URL: keyrack.db cannot be written",
        );
    }
    let place =
        Place::new().file("keyrack.db", "this is not a database, but long enough to be taken for one: 1234567890");
    assert_refused(&place.run(&["--listen", "127.0.0.1:0"]), 1, "KEYRACK_DATABASE_URL: keyrack.db could not be opened");
    assert_eq!(place.files(), ["keyrack.db"]);
}

#[test]
fn the_dump_says_where_each_value_came_from_and_hides_secrets() {
    let place = Place::new()
        .file("keyrack.toml", "[brand]\nname = \"Outkit\"\n")
        .file("password", "hunter2 hunter2\n")
        .set("KEYRACK_DATABASE_URL", "postgres://keyrack:hunter2@db.example/keyrack")
        .set("KEYRACK_ADMIN_EMAIL", "olive@acme.example")
        .set("KEYRACK_ADMIN_PASSWORD_FILE", "password");
    let ran = place.run(&["config", "dump", "--listen", "127.0.0.1:9000"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let line = |name: &str| {
        let found = ran.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("brand.name"), "brand.name = \"Outkit\" # keyrack.toml");
    assert_eq!(line("listen"), "listen = \"127.0.0.1:9000\" # --listen");
    assert_eq!(line("keys.prefix"), "keys.prefix = \"kr\" # default");
    assert_eq!(line("admin_password"), "admin_password = \"(hidden)\" # KEYRACK_ADMIN_PASSWORD_FILE");
    assert_eq!(
        line("database_url"),
        "database_url = \"postgres://keyrack:***@db.example/keyrack\" # KEYRACK_DATABASE_URL"
    );
    assert_eq!(place.files(), ["keyrack.toml", "password"]);
}

#[test]
fn the_configurations_of_the_four_products_are_understood() {
    for product in ["outkit", "rndrkit", "orbitkit", "keystroke"] {
        let file = format!("{}/examples/{product}/keyrack.toml", env!("CARGO_MANIFEST_DIR"));
        let ran = Place::new().run(&["config", "dump", "--config", &file]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{product}");
    }
}

// ---- starting and stopping ------------------------------------------------------------------------------------------------

#[test]
fn it_serves_without_a_command_answers_and_stops_when_asked() {
    let place = Place::new();
    let server = place.start(&[]);
    assert_eq!(server.get("/healthz").status, 200);
    let address = server.address.to_string();
    let healthy = place.run(&["healthcheck", "--listen", &address]);
    assert_eq!((healthy.code, healthy.stdout.as_str()), (0, "ready\n"));
    let taken = place.run(&["--listen", &address]);
    assert_refused(&taken, 1, &format!("--listen: cannot listen on {address}"));
    let began = Instant::now();
    let (ended, log) = server.stop();
    assert!(ended.success(), "{ended}\n{log}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_refused(&place.run(&["healthcheck", "--listen", &address]), 1, "does not answer");
}

#[test]
fn a_connection_that_stays_open_does_not_hold_up_the_stop() {
    let place = Place::new();
    let server = place.start(&[]);
    let silent = std::net::TcpStream::connect(server.address).unwrap();
    let mut idle = std::net::TcpStream::connect(server.address).unwrap();
    write!(idle, "GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).unwrap();
    assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
    let began = Instant::now();
    let (ended, log) = server.stop();
    assert!(ended.success() && began.elapsed() < Duration::from_secs(2), "{:?}\n{log}", began.elapsed());
    drop((silent, idle));
}

#[test]
#[cfg(unix)]
fn the_database_is_for_its_owners_eyes_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let _server = place.start(&[]);
    let files = place.files();
    assert!(files.iter().any(|name| name == "keyrack.db-wal"), "{files:?}");
    for name in files {
        let mode = std::fs::metadata(place.path(&name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has the mode {mode:o}");
    }
}

#[test]
#[cfg(unix)]
fn a_second_server_on_one_file_is_refused_and_commands_work_beside_the_first() {
    let place = Place::new();
    let server = place.start(&[]);
    std::os::unix::fs::symlink(place.path("keyrack.db"), place.path("link.db")).unwrap();
    for file in ["keyrack.db", "link.db"] {
        let ran = place.run(&["--listen", "127.0.0.1:0", "--database-url", &format!("sqlite://{file}")]);
        let words = format!("KEYRACK_DATABASE_URL: another Keyrack server runs on {file}; stop it first");
        assert_refused(&ran, 1, &words);
    }
    assert_eq!(place.run(&["admin", "service-token", "create", "billing"]).code, 0);
    assert_eq!(place.run(&["doctor"]).code, 0);
    assert_eq!(server.get("/readyz").status, 200);
    // Killed: the lock goes with the process, and the file that stays is no obstacle.
    drop(server);
    assert!(place.files().contains(&"keyrack.db.lock".to_owned()));
    assert_eq!(place.start(&[]).get("/readyz").status, 200);
}

#[test]
fn the_same_commands_work_on_the_database_of_this_run() {
    let database = TestDatabase::new();
    let place = Place::new().set("KEYRACK_DATABASE_URL", &database.url);
    assert!(place.run(&["migrate"]).stderr.contains("the schema is up to date"));
    let server = place.start(&[]);
    assert!(server.setup_token().is_some(), "{}", server.banner);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(place.run(&["admin", "setup-link"]).code, 0);
    let create =
        ["admin", "create-owner", "--email", "olive@acme.example", "--name", "Olive", "--organization", "Acme"];
    assert_eq!(place.run(&create).code, 0);
    assert_refused(&place.run(&["admin", "setup-link"]), 1, "set up already");
    let doctor = place.run(&["doctor"]);
    assert_eq!((doctor.code, doctor.stdout.contains("FAIL")), (0, false), "{}", doctor.stdout);
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");
}

#[test]
#[cfg(unix)]
fn the_session_key_is_private_and_stays_the_same() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    drop(place.start(&[]));
    let file = place.path("keyrack.session-key");
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(place.start(&[]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_refused(
        &place.run(&["--listen", "127.0.0.1:0"]),
        1,
        "KEYRACK_SESSION_KEY: keyrack.session-key may be read by others",
    );
}

#[test]
fn plain_http_that_leaves_the_machine_is_warned_of() {
    let place = Place::new().set("KEYRACK_PUBLIC_URL", "http://keys.example.com");
    assert!(place.start(&[]).banner.contains("Warning: KEYRACK_PUBLIC_URL is http://keys.example.com"));
    let place = Place::new().set("KEYRACK_PUBLIC_URL", "https://keys.example.com");
    assert!(!place.start(&[]).banner.contains("Warning"));
}

#[test]
fn the_schema_is_brought_up_to_date_once_and_a_newer_one_is_refused() {
    let place = Place::new();
    let doctor = place.run(&["doctor"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("FAIL  KEYRACK_DATABASE_URL: there is no database at keyrack.db yet"), "{doctor:?}");
    assert_eq!(place.files(), Vec::<String>::new());
    assert!(place.run(&["migrate"]).stderr.contains("migrations run: "));
    assert!(place.run(&["migrate"]).stderr.contains("the schema is up to date"));
    let doctor = place.run(&["doctor"]);
    assert_eq!((doctor.code, doctor.stdout.contains("FAIL")), (0, false), "{doctor:?}");

    let mut conn =
        <diesel::SqliteConnection as diesel::Connection>::establish(place.path("keyrack.db").to_str().unwrap())
            .unwrap();
    let newer = "INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('29990101000000', CURRENT_TIMESTAMP)";
    diesel::connection::SimpleConnection::batch_execute(&mut conn, newer).unwrap();
    for args in [&["--listen", "127.0.0.1:0"][..], &["migrate"], &["admin", "setup-link"]] {
        assert_refused(&place.run(args), 1, "newer");
    }
    assert_eq!(place.run(&["doctor"]).code, 1);
}

#[test]
fn the_doctor_tells_of_webhook_secrets_that_this_session_key_cannot_read() {
    let (key, other) = ("a1b2".repeat(32), "c3d4".repeat(32));
    let place = Place::new().set("KEYRACK_SESSION_KEY", &key);
    assert_eq!(place.run(&["migrate"]).code, 0);
    let seal = keyrack::actions::alerts::Seal::from_session_key(&[0xa1, 0xb2].repeat(32));
    let sealed = seal.seal("whe_1", &keyrack::domain::webhook::WebhookSecret::new([7; 32])).unwrap();
    let mut conn =
        <diesel::SqliteConnection as diesel::Connection>::establish(place.path("keyrack.db").to_str().unwrap())
            .unwrap();
    let rows = format!(
        "INSERT INTO orgs (id, slug, name, plan, created_at) VALUES ('org_1', 'acme', 'Acme', 'default', 0);
         INSERT INTO webhook_endpoints (id, org_id, url, secret, created_at, created_by) \
         VALUES ('whe_1', 'org_1', 'https://example.com/', '{sealed}', 0, 'usr_1');"
    );
    diesel::connection::SimpleConnection::batch_execute(&mut conn, &rows).unwrap();
    let fine = place.run(&["doctor"]);
    assert!(fine.stdout.contains("ok    session key") && !fine.stdout.contains("webhooks"), "{}", fine.stdout);
    let place = place.set("KEYRACK_SESSION_KEY", &other);
    let told = place.run(&["doctor"]).stdout;
    assert!(told.contains("warn  webhooks: acme has endpoints whose signing secret"), "{told}");
}
