//! `kill -9` while very many keys are checked: whatever was answered more than a second before has been counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyrack::clock::Clock;
use keyrack::db;
use keyrack::domain::ids::SecretId;
use keyrack::domain::key::{ApiKey, KeySecret};
use keyrack::domain::time::Timestamp;

use crate::support::app::usual_rules;
use crate::support::binary::Place;
use crate::support::cast;
use crate::support::database::TestDatabase;
use crate::support::line::ask;

/// Many more than are counted one by one.
const KEYS: usize = 4000;
const CLIENTS: usize = 4;
/// What is older than this may not be lost.
const SAFE: Duration = Duration::from_secs(1);

/// Writes the keys into the database, past the application: their plain texts.
fn make_keys(database: &TestDatabase) -> Vec<String> {
    let (now, format) = (Clock::system().now(), usual_rules().format);
    let make = |number: usize| {
        let id = format!("K{number:07}").as_str().into();
        let (plain, secret) = format.compose("live", &id, &format!("S{number:021}"));
        (key(id, format!("key {number}"), secret_of(number, secret.hash(), secret.last4(), now), now), plain)
    };
    let keys: Vec<_> = (0..KEYS).map(make).collect();
    database.run(|conn| {
        db::write(conn, |conn| {
            cast::seed(conn, "standard", now);
            keys.iter().try_for_each(|(key, _)| db::keys::insert_key(conn, key))
        })
        .unwrap();
    });
    keys.iter().map(|(_, plain)| plain.reveal().to_owned()).collect()
}

/// Asks about one key after the other until the server is gone. When each answer came.
fn check_until_killed(server: SocketAddr, keys: &[String], next: &AtomicUsize, is_over: &AtomicBool) -> Vec<Instant> {
    let (mut line, mut answered) = (None, Vec::new());
    loop {
        let key = &keys[next.fetch_add(1, Ordering::Relaxed) % keys.len()];
        match ask(&mut line, server, "GET", "/v1/whoami", key, "") {
            Some((200, _)) => answered.push(Instant::now()),
            None if is_over.load(Ordering::SeqCst) => return answered,
            other => panic!("{other:?}"),
        }
    }
}

/// What is counted, and how much of it waits in the backlog to be added up.
fn counted(database: &TestDatabase) -> (i64, i64) {
    // By one statement: what is being added up is in one of the tables at each moment.
    let mut rows = database.lines(
        "SELECT CAST(COALESCE(SUM(count), 0) AS TEXT) AS line FROM usage_minutes UNION ALL SELECT entries FROM usage_backlog",
    );
    let added: i64 = rows.remove(0).parse().unwrap();
    let waiting = rows.iter().flat_map(|row| db::backlog::decode(row)).map(|count| count.count).sum();
    (added + waiting, waiting)
}

/// The second round begins with a backlog, which is worked off while new counts come.
#[test]
fn a_server_that_is_killed_under_load_loses_the_last_second_at_most() {
    let database = TestDatabase::new();
    let (keys, next) = (make_keys(&database), AtomicUsize::new(0));
    for round in 0..2 {
        let (before, left) = counted(&database);
        let server = Place::new().set("KEYRACK_DATABASE_URL", &database.url).start(&[]);
        let (address, is_over) = (server.address, AtomicBool::new(false));
        let (killed, answered) = std::thread::scope(|scope| {
            let client = || check_until_killed(address, &keys, &next, &is_over);
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            std::thread::sleep(Duration::from_secs(5));
            is_over.store(true, Ordering::SeqCst);
            let killed = Instant::now();
            drop(server);
            (killed, clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>())
        });
        let (now, waiting) = counted(&database);
        let safe = answered.iter().filter(|at| killed.saturating_duration_since(**at) > SAFE).count();
        let (counted, asked) = (usize::try_from(now - before).unwrap(), answered.len() + CLIENTS);
        let mut latest: Vec<Duration> = answered.iter().map(|at| killed.saturating_duration_since(*at)).collect();
        latest.sort();
        let lost = latest.get(asked.saturating_sub(counted)).copied().unwrap_or_default();
        println!(
            "round {round}: {} answered, {safe} of them safe, {counted} counted; lost the last {lost:?}; \
             {left} waited before and {waiting} after",
            answered.len()
        );
        assert!(safe > 300 && left + waiting > 0, "too little was tried");
        assert!((safe..=asked).contains(&counted), "{counted} of {asked}, {safe} safe");
    }
}

fn secret_of(number: usize, hash: keyrack::domain::token::SecretHash, last4: String, now: Timestamp) -> KeySecret {
    let id = SecretId(format!("sec_{number}"));
    KeySecret { id, hash, last4, created_at: now, valid_until: None, first_used_at: None, last_used_at: None }
}

fn key(id: keyrack::domain::ids::KeyId, name: String, current: KeySecret, now: Timestamp) -> ApiKey {
    ApiKey {
        id,
        org: cast::org_id("acme"),
        profile: cast::profile_id("acme"),
        owner: cast::user_id("ben"),
        name,
        note: String::new(),
        environment: "live".to_owned(),
        url_allowed: false,
        role_max: None,
        created_at: now,
        expires_at: None,
        paused_at: None,
        revoked: None,
        last_use: None,
        current,
        previous: None,
    }
}
