//! What is remembered of checks: exact, bounded, and never in the way, on both databases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyrack::db::events::{Event, EventFilter, list_events};
use keyrack::db::keys::find_key;
use keyrack::db::usage::{Step, list_counts};
use keyrack::domain::ids::OrgId;
use keyrack::domain::key::ApiKey;
use keyrack::domain::time::{Span, Timestamp};
use keyrack::domain::token::KeyFormat;
use keyrack::domain::verdict::Verdict;
use keyrack::gate::record::{Note, Recorder, Seen, Waiting};

use crate::fault::on_every_connection;
use crate::support::TestApp;
use crate::support::binary::Place;
use crate::support::database::TestDatabase;

pub(crate) const SEEN: Seen<'_> = Seen {
    method: "GET",
    path: "/v1/render",
    address: "192.0.2.1",
    client: "curl/8",
    request_id: "req_1",
    in_url: false,
};

fn recorder(database: &TestDatabase, events_per_second: u32) -> Recorder {
    let format =
        KeyFormat { prefix: "kr".into(), environments: Vec::new(), environment_in_key: false, separator: "_".into() };
    Recorder::new(database.db.clone(), format, events_per_second)
}

fn two() -> Timestamp {
    Timestamp::parse("2026-11-21T14:00:00Z").unwrap()
}

fn note<'a>(key: &str, org: &'a Arc<str>, verdict: Verdict, seen: &'a Seen<'a>) -> Note<'a> {
    Note { key: key.as_bytes().try_into().unwrap(), org, secret: 7, verdict, at: two(), seen }
}

fn events_of(database: &TestDatabase, org: &str) -> Vec<Event> {
    database.run(|conn| list_events(conn, &org.into(), &EventFilter::default(), None, 100_000).unwrap())
}

fn weight_of(database: &TestDatabase, org: &str) -> i64 {
    events_of(database, org).iter().map(|event| event.weight).sum()
}

#[test]
fn counts_and_weights_are_exact_however_many_threads_check() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 100);
    recorder.start().unwrap();
    let orgs: [Arc<str>; 2] = ["org_acme".into(), "org_globex".into()];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (recorder, orgs) = (&recorder, &orgs);
            scope.spawn(move || {
                for n in 0..10_000_i64 {
                    let (key, org) = if n % 4 == 0 { ("BBBBBBBB", &orgs[1]) } else { ("AAAAAAAA", &orgs[0]) };
                    let verdict = if n % 5 == 0 { Verdict::Revoked } else { Verdict::Valid };
                    let at = two().plus(Span::seconds(n % 200));
                    recorder.note(&Note { secret: thread % 2, at, ..note(key, org, verdict, &SEEN) });
                }
            });
        }
    });
    recorder.flush().unwrap();
    assert_eq!(recorder.waiting(), Waiting::default());
    for (table, condition, expected) in [
        ("usage_minutes", "1 = 1", 80_000),
        ("usage_hours", "1 = 1", 80_000),
        ("usage_minutes", "org_id = 'org_globex'", 20_000),
        ("usage_minutes", "outcome = 'REVOKED'", 16_000),
        ("usage_minutes", "secret = 1", 40_000),
        ("usage_minutes", "at = 1795269600000000", 80_000 * 3 / 10),
    ] {
        let sum = format!("SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) AS n FROM {table} WHERE {condition}");
        assert_eq!(database.number(&sum), expected, "{table}: {condition}");
    }
    assert_eq!((weight_of(&database, "org_acme"), weight_of(&database, "org_globex")), (60_000, 20_000));
    drop(recorder);
}

#[test]
fn a_flood_is_stored_in_part_and_says_so_and_quiet_keys_are_not_starved() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 100);
    let (loud, quiet): (Arc<str>, Arc<str>) = ("org_loud".into(), "org_quiet".into());
    let mut stored = 0;
    for round in 1..=5 {
        for _ in 0..3000 {
            recorder.note(&note("AAAAAAAA", &loud, Verdict::Valid, &SEEN));
        }
        recorder.note(&note("BBBBBBBB", &quiet, Verdict::Expired, &SEEN));
        recorder.flush().unwrap();
        assert_eq!(weight_of(&database, "org_loud"), 3000 * round);
        assert_eq!(weight_of(&database, "org_quiet"), round);
        let events = events_of(&database, "org_quiet");
        assert_eq!(events.len() as i64, round);
        assert_eq!((events[0].outcome.as_str(), events[0].status), ("EXPIRED", Some(401)));
        let now = events_of(&database, "org_loud").len();
        assert!(now - stored <= 50, "{} events in a window of half a second", now - stored);
        stored = now;
    }
    assert!(stored >= 200, "{stored}");
}

#[test]
fn no_check_is_silent_even_where_there_was_no_room_for_any_event() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 2);
    let orgs: Vec<Arc<str>> = (0..50).map(|n| format!("org_{n}").into()).collect();
    for (n, org) in orgs.iter().enumerate() {
        for _ in 0..3 {
            recorder.note(&note(&format!("KEY{n:05}"), org, Verdict::Revoked, &SEEN));
        }
    }
    recorder.flush().unwrap();
    for org in &orgs {
        assert_eq!(weight_of(&database, org), 3, "{org}");
        assert_eq!(events_of(&database, org)[0].outcome, "REVOKED");
    }
}

#[test]
fn what_clients_send_is_stored_harmless() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let recorder = recorder(&app.database, 100);
    let org: Arc<str> = "org_acme".into();
    let long = "x".repeat(10_000);
    let in_path = format!("/hook/{}/x", key.secret);
    for seen in [
        Seen { path: &format!("/a?token={}", key.secret), client: "a\u{1b}[31mb\u{202e}", ..SEEN },
        Seen { path: &in_path, client: &key.secret, request_id: &key.secret, ..SEEN },
        Seen { path: &long, client: &long, request_id: &long, method: &long, address: &long, in_url: false },
    ] {
        recorder.note(&note(&key.id, &org, Verdict::Valid, &seen));
    }
    recorder.flush().unwrap();
    let events = events_of(&app.database, "org_acme");
    assert_eq!((events[2].path.as_str(), events[2].client.as_str()), ("/a", "a\u{fffd}[31mb\u{fffd}"));
    assert_eq!(events[1].path, "(removed: it held an API key)");
    let lengths = [&events[0].method, &events[0].path, &events[0].address, &events[0].client, &events[0].request_id];
    assert_eq!(lengths.map(String::len), [16, 512, 64, 256, 64]);
    // That no table and no log holds the key is checked when the app goes.
}

fn find(app: &TestApp, id: &str) -> ApiKey {
    app.database.run(|conn| find_key(conn, &OrgId::from("org_acme"), &id.into()).unwrap().unwrap())
}

#[test]
fn the_last_use_of_a_key_and_its_secret_never_goes_backwards() {
    let app = TestApp::new();
    let made = app.db_create_key("ben", "ci");
    let recorder = recorder(&app.database, 100);
    let org: Arc<str> = "org_acme".into();
    let tag = find(&app, &made.id).current.hash.tag();
    let use_it = |secret, verdict, seconds: i64, address: &str| {
        let at = two().plus(Span::seconds(seconds));
        let seen = Seen { address, ..SEEN };
        recorder.note(&Note { secret, at, ..note(&made.id, &org, verdict, &seen) });
    };
    use_it(tag, Verdict::Revoked, 1, "192.0.2.9");
    recorder.flush().unwrap();
    assert!(find(&app, &made.id).last_use.is_none(), "a refusal is no use");
    use_it(tag, Verdict::Valid, 50, "192.0.2.5");
    use_it(tag, Verdict::Valid, 100, "192.0.2.1");
    use_it(tag, Verdict::Valid, 20, "192.0.2.2");
    recorder.flush().unwrap();
    use_it(tag, Verdict::Valid, 30, "192.0.2.3");
    // An older secret of the same key, whose row is gone.
    use_it(tag ^ 1, Verdict::Valid, 40, "192.0.2.4");
    recorder.flush().unwrap();
    let key = find(&app, &made.id);
    let used = key.last_use.unwrap();
    assert_eq!((used.at, used.address.as_str()), (two().plus(Span::seconds(100)), "192.0.2.1"));
    assert_eq!(key.current.first_used_at, Some(two().plus(Span::seconds(20))));
    assert_eq!(key.current.last_used_at, Some(two().plus(Span::seconds(100))));
}

#[test]
fn a_database_that_cannot_be_written_is_caught_up_with_later() {
    let app = TestApp::new();
    let made = app.db_create_key("ben", "ci");
    let recorder = recorder(&app.database, 100);
    let org: Arc<str> = "org_acme".into();
    let [on, off] = if app.database.is_sqlite() {
        ["PRAGMA query_only = ON", "PRAGMA query_only = OFF"]
    } else {
        ["SET default_transaction_read_only = on", "SET default_transaction_read_only = off"]
    };
    on_every_connection(&app.database.db, on);
    for round in 1..=30 {
        for _ in 0..100 {
            recorder.note(&note(&made.id, &org, Verdict::Valid, &SEEN));
        }
        assert!(recorder.flush().is_err());
        assert_eq!(recorder.waiting().counts, 1, "round {round}");
    }
    // Bounded, whatever was noted.
    assert!(recorder.waiting().events <= 1001);
    on_every_connection(&app.database.db, off);
    recorder.flush().unwrap();
    assert_eq!(recorder.waiting(), Waiting::default());
    let counts =
        app.database.run(|conn| list_counts(conn, &"org_acme".into(), &made.id.as_str().into(), Step::Hour, two()));
    assert_eq!(counts.unwrap().iter().map(|counted| counted.count).sum::<i64>(), 3000);
    assert_eq!(weight_of(&app.database, "org_acme"), 3000);
    assert!(find(&app, &made.id).last_use.is_some());
}

#[test]
fn a_check_of_very_many_keys_is_safe_at_once_and_counted_soon() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 100);
    let org: Arc<str> = "org_acme".into();
    for round in 0..2 {
        for n in 0..3000 {
            let at = two().plus(Span::minutes(round));
            recorder.note(&Note { at, ..note(&format!("K{n:07}"), &org, Verdict::Expired, &SEEN) });
            recorder.note(&Note { secret: -1, ..note(&format!("K{n:07}"), &org, Verdict::Valid, &SEEN) });
        }
        recorder.flush().unwrap();
        assert_eq!(recorder.waiting(), Waiting::default());
        assert_eq!(weight_of(&database, "org_acme"), 6000 * (round + 1));
    }
    let left = || database.number("SELECT COUNT(*) AS n FROM usage_backlog");
    assert!(left() > 0);
    drop(recorder);
    // Another process works it off.
    let next = self::recorder(&database, 100);
    next.start().unwrap();
    assert!(wait_until(|| left() == 0));
    drop(next);
    for table in ["usage_minutes", "usage_hours"] {
        let sum = |what: &str| database.number(&format!("SELECT CAST(SUM({what}) AS BIGINT) AS n FROM {table}"));
        assert_eq!((sum("count"), sum("count * secret")), (12_000, 6000 * 7 - 6000), "{table}");
    }
}

fn counted(database: &TestDatabase, table: &str) -> i64 {
    database.number(&format!("SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) AS n FROM {table}"))
}

/// Waits for a minute at most.
fn wait_until(done: impl Fn() -> bool) -> bool {
    (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        done()
    })
}

#[test]
fn very_many_keys_of_which_no_event_is_stored_are_counted_too() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 0);
    let org: Arc<str> = "org_acme".into();
    for n in 0..300 {
        recorder.note(&note(&format!("K{n:07}"), &org, Verdict::Valid, &SEEN));
    }
    recorder.start().unwrap();
    assert!(wait_until(|| counted(&database, "usage_hours") == 300));
}

#[test]
fn while_very_many_keys_are_used_their_counts_are_added_up_again_and_again() {
    let database = TestDatabase::new();
    // What another version left, which parted keys in another way.
    database.execute(&format!(
        "INSERT INTO usage_backlog (seq, part, entries) VALUES (0, 31, '={} VALID\n@org_acme\n0AAAAAAAAAAAAAAAAAc5\n')",
        two().as_micros()
    ));
    let recorder = recorder(&database, 100);
    recorder.start().unwrap();
    let org: Arc<str> = "org_acme".into();
    let (mut noted, mut passes, mut seen) = (0, 0, 0);
    let began = Instant::now();
    while passes < 2 && began.elapsed() < Duration::from_secs(90) {
        for n in 0..600 {
            recorder.note(&note(&format!("{}K{n:06}", char::from(b'A' + (n % 26) as u8)), &org, Verdict::Valid, &SEEN));
        }
        noted += 600;
        std::thread::sleep(Duration::from_millis(100));
        let added = counted(&database, "usage_hours");
        passes += i64::from(added > seen + 1000);
        seen = added;
    }
    assert_eq!(passes, 2, "{seen} of {noted}");
    drop(recorder);
    let next = self::recorder(&database, 100);
    next.start().unwrap();
    assert!(wait_until(|| counted(&database, "usage_hours") == noted + 5), "{}", counted(&database, "usage_hours"));
    assert_eq!(counted(&database, "usage_minutes"), noted + 5);
}

#[test]
fn what_a_recorder_holds_is_written_when_it_goes() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 100);
    recorder.start().unwrap();
    let org: Arc<str> = "org_acme".into();
    for _ in 0..7 {
        recorder.note(&note("AAAAAAAA", &org, Verdict::Valid, &SEEN));
    }
    drop(recorder);
    assert_eq!(weight_of(&database, "org_acme"), 7);
}

fn checks_counted(database: &TestDatabase) -> i64 {
    counted(database, "usage_minutes WHERE outcome = 'VALID'")
}

#[test]
fn a_server_that_is_asked_to_stop_loses_no_count() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let server = Place::new().set("KEYRACK_DATABASE_URL", &app.database.url).start(&[]);
    for _ in 0..50 {
        assert_eq!(server.get_with("/v1/whoami", &key.secret).status, 200);
    }
    let (ended, log) = server.stop();
    assert!(ended.success(), "{log}");
    assert_eq!((checks_counted(&app.database), weight_of(&app.database, "org_acme")), (50, 50));
}

#[test]
fn a_server_that_is_killed_loses_the_last_second_at_most() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let server = Place::new().set("KEYRACK_DATABASE_URL", &app.database.url).start(&[]);
    let (began, mut answered) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_millis(2700) {
        assert_eq!(server.get_with("/v1/whoami", &key.secret).status, 200);
        answered.push(Instant::now());
    }
    let killed = Instant::now();
    drop(server);
    let counted = usize::try_from(checks_counted(&app.database)).unwrap();
    let safe = answered.iter().filter(|at| killed - **at > Duration::from_secs(1)).count();
    assert!(safe > 10 && (safe..=answered.len()).contains(&counted), "{counted} of {}, {safe} safe", answered.len());
    assert_eq!(usize::try_from(weight_of(&app.database, "org_acme")).unwrap(), counted);
}

#[test]
fn each_key_keeps_its_own_last_client_however_many_checks_are_counted_together() {
    let app = TestApp::new();
    let keys = ["a", "b", "c"].map(|name| app.db_create_key("ben", name));
    let (recorder, org): (_, Arc<str>) = (recorder(&app.database, 0), "org_acme".into());
    let tags = keys.each_ref().map(|key| find(&app, &key.id).current.hash.tag());
    // The first two are the same text when put together.
    let clients = [("192.0.2.1", "1x"), ("192.0.2.11", "x"), ("", "")];
    for n in 0..1000 {
        let (address, client) = clients[n % 3];
        let (seen, at) = (Seen { address, client, ..SEEN }, two().plus(Span::seconds(n as i64 / 100)));
        recorder.note(&Note { secret: tags[n % 3], at, ..note(&keys[n % 3].id, &org, Verdict::Valid, &seen) });
    }
    recorder.flush().unwrap();
    for (key, (address, client)) in keys.iter().zip(clients) {
        let used = find(&app, &key.id).last_use.unwrap();
        assert_eq!((used.address.as_str(), used.client.as_str()), (address, client));
    }
    assert_eq!(weight_of(&app.database, "org_acme"), 1000);
}

/// More keys than one transaction notes.
#[test]
fn each_of_many_keys_is_noted_as_used_while_the_recorder_runs() {
    let app = TestApp::new();
    let keys: Vec<_> = (0..20).map(|number| app.db_create_key("ben", &format!("key {number}"))).collect();
    let (recorder, org): (_, Arc<str>) = (recorder(&app.database, 100), "org_acme".into());
    for (number, key) in keys.iter().enumerate() {
        let (tag, address) = (find(&app, &key.id).current.hash.tag(), format!("198.51.{number}.7"));
        let seen = Seen { address: &address, ..SEEN };
        recorder.note(&Note { secret: tag, ..note(&key.id, &org, Verdict::Valid, &seen) });
    }
    recorder.start().unwrap();
    let networks = "SELECT COUNT(*) AS n FROM key_networks WHERE network LIKE '198.51.%.0/24' AND is_told = 1";
    assert!(wait_until(|| app.database.number(networks) == 20), "each key's first network is known");
    for (number, key) in keys.iter().enumerate() {
        let key = find(&app, &key.id);
        let used = key.last_use.unwrap();
        assert_eq!((used.at, used.address), (two(), format!("198.51.{number}.7")));
        assert_eq!(key.current.last_used_at, Some(two()));
    }
}

/// Otherwise whichever deed makes it long carries it over for all others, thousands of pages at once.
#[test]
fn the_log_of_sqlite_is_carried_over_by_the_recorder() {
    let database = TestDatabase::new();
    let recorder = recorder(&database, 2000);
    let org: Arc<str> = "org_acme".into();
    for round in 1..=40 {
        for _ in 0..1000 {
            recorder.note(&note("AAAAAAAA", &org, Verdict::Valid, &SEEN));
        }
        recorder.flush().unwrap();
        assert!(events_of(&database, "org_acme").len() >= 800 * round);
    }
    // On PostgreSQL there is none, and the server sees to its own.
    if let Some(path) = database.db.sqlite_path() {
        let log = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
        assert!((1..4 << 20).contains(&log), "{log}");
    }
}
