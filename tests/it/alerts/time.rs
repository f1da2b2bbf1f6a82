//! Alerts whose cause is the time that passes: each comes once, however often and by however many is looked.

use std::sync::Barrier;

use keyrack::actions::keys::NewKey;
use keyrack::db::alerts::sweeps::{self, FirstUse};
use keyrack::domain::time::{Span, Timestamp};
use serde_json::json;

use crate::support::TestApp;
use crate::support::keys::{at, key_in, post_key};

fn of<'a>(kinds: &'a [String], kind: &str) -> usize {
    kinds.iter().filter(|found: &&'a String| *found == kind).count()
}

fn expiring(app: &TestApp, name: &str, expires: &str) {
    let new = NewKey { name: name.to_owned(), expires: Some(expires.to_owned()), ..NewKey::default() };
    app.db_try_create_key("ben", &new).unwrap();
}

#[actix_web::test]
async fn a_key_that_expires_is_told_of_14_7_and_1_days_before_and_once_each() {
    let app = TestApp::new();
    let courier = app.courier(None);
    courier.work_off().unwrap();
    expiring(&app, "long", "30d");
    let mut told = Vec::new();
    for day in 0..32 {
        for _ in 0..3 {
            courier.work_off().unwrap();
            app.advance(Span::hours(8));
        }
        told.push(of(&app.kinds(), "expiring"));
        let wanted = usize::from(day >= 16) + usize::from(day >= 23) + usize::from(day >= 29);
        assert_eq!(*told.last().unwrap(), wanted, "on day {day}: {told:?}");
    }
    let days: Vec<_> = app
        .alerts()
        .into_iter()
        .filter(|(kind, ..)| kind == "expiring")
        .map(|(_, _, facts)| facts["days"].clone())
        .collect();
    assert_eq!(days, [json!(14), json!(7), json!(1)]);
}

#[actix_web::test]
async fn a_key_made_for_a_week_is_not_told_of_at_once_and_one_that_was_revoked_not_at_all() {
    let app = TestApp::new();
    let courier = app.courier(None);
    expiring(&app, "week", "7d");
    expiring(&app, "gone", "14d");
    let gone = app.database.lines("SELECT id AS line FROM api_keys WHERE name = 'gone'").remove(0);
    courier.work_off().unwrap();
    app.advance(Span::minutes(5));
    courier.work_off().unwrap();
    assert_eq!(of(&app.kinds(), "expiring"), 0);
    app.enter("ben").post(&at(&gone, "/revoke"), &[]).await.assert_status(303);
    app.advance(Span::days(6));
    courier.work_off().unwrap();
    app.advance(Span::days(2));
    courier.work_off().unwrap();
    app.advance(Span::days(20));
    courier.work_off().unwrap();
    assert_eq!(of(&app.kinds(), "expiring"), 1);
}

#[actix_web::test]
async fn the_end_of_a_grace_is_told_an_hour_before_unless_somebody_ended_it() {
    let app = TestApp::new();
    let courier = app.courier(None);
    let ben = app.enter("ben");
    let (one, two) = (key_in(&post_key(&ben, "one").await), key_in(&post_key(&ben, "two").await));
    for key in [&one, &two] {
        ben.post(&at(&key.id, "/rotate"), &[("grace", "24h")]).await.assert_status(200);
    }
    ben.post(&at(&two.id, "/rotate/finish"), &[]).await.assert_status(303);
    for (wait, wanted) in [(Span::minutes(1), 0), (Span::hours(22), 0), (Span::minutes(59), 1), (Span::minutes(30), 1)]
    {
        app.advance(wait);
        courier.work_off().unwrap();
        assert_eq!(of(&app.kinds(), "grace_ending"), wanted, "after {wait:?}");
    }
    let (_, owner, facts) = app.alerts().into_iter().find(|(kind, ..)| kind == "grace_ending").unwrap();
    assert_eq!((owner.as_str(), &facts["key"]["id"]), ("usr_ben", &json!(one.id)));
    assert_eq!(facts["previous_last4"], one.secret[one.secret.len() - 4..]);
}

#[actix_web::test]
async fn a_key_unused_for_90_days_is_told_of_once_for_each_such_time() {
    let app = TestApp::new();
    let courier = app.courier(None);
    let key = app.db_create_key("ben", "idle");
    let told = |days| {
        app.advance(Span::days(days));
        courier.work_off().unwrap();
        of(&app.kinds(), "unused")
    };
    assert_eq!((told(1), told(88), told(2), told(5)), (0, 0, 1, 1));
    assert!(app.is_let_in(&key.secret).await);
    app.catch_up();
    assert_eq!((told(89), told(2), told(30)), (1, 2, 2));
}

#[actix_web::test]
async fn the_first_use_from_another_network_is_told_and_the_first_use_of_all_is_not() {
    use crate::support::app::Request;
    let app = TestApp::new();
    let courier = app.courier(None);
    let key = app.db_create_key("ben", "ci");
    let use_from = async |address: &str| {
        let request = Request::new("GET", "/v1/whoami").header("Authorization", &format!("Bearer {}", key.secret));
        app.send(request.from(address)).await.assert_status(200);
        app.catch_up();
        courier.work_off().unwrap();
        of(&app.kinds(), "new_network")
    };
    assert_eq!(use_from("203.0.113.7").await, 0, "where it belongs");
    assert_eq!(use_from("203.0.113.200").await, 0, "the same network");
    assert_eq!(use_from("198.51.100.1").await, 1);
    assert_eq!(use_from("198.51.100.2").await, 1);
    assert_eq!(use_from("2001:db8:1:2::3").await, 2);
    assert_eq!(use_from("2001:db8:1:ffff::4").await, 2);
    let networks: Vec<_> = app
        .alerts()
        .into_iter()
        .filter(|(kind, ..)| kind == "new_network")
        .map(|(_, _, facts)| facts["network"].clone())
        .collect();
    assert_eq!(networks, ["198.51.100.0/24", "2001:db8:1::/48"]);
}

/// Of very many keys that are used for the first time none has to be looked at again.
#[test]
fn only_networks_after_a_keys_first_wait_to_be_told_of() {
    let app = TestApp::new();
    let use_of = |key: &str, net: u8| FirstUse {
        key: key.into(),
        network: format!("10.0.{net}.0/24"),
        at: Timestamp::from_micros(i64::from(net)),
    };
    let waiting = || -> Vec<String> {
        let found = app.database.run(|conn| sweeps::list_new_networks(conn, 100).unwrap());
        found.iter().map(|found| format!("{} {}", found.key, found.network)).collect()
    };
    let note = |uses: &[FirstUse]| app.database.run(|conn| sweeps::insert_networks(conn, uses).unwrap());
    // The first is the one that was used first.
    note(&[use_of("AAAAAAAA", 1), use_of("BBBBBBBB", 3), use_of("BBBBBBBB", 2)]);
    assert_eq!(waiting(), ["BBBBBBBB 10.0.3.0/24"]);
    // As after a restart, when nothing is known to be written.
    note(&[use_of("AAAAAAAA", 1), use_of("AAAAAAAA", 4), use_of("BBBBBBBB", 3)]);
    assert_eq!(waiting(), ["BBBBBBBB 10.0.3.0/24", "AAAAAAAA 10.0.4.0/24"]);
}

#[actix_web::test]
async fn a_key_that_is_used_from_everywhere_makes_no_endless_noise() {
    let app = TestApp::new();
    let courier = app.courier(None);
    let key = app.db_create_key("ben", "everywhere");
    for net in 0..60 {
        app.database.execute(&format!(
            "INSERT INTO key_networks (key_id, network, first_seen_at) VALUES ('{}', '10.0.{net}.0/24', {net})",
            key.id
        ));
    }
    courier.work_off().unwrap();
    assert_eq!(of(&app.kinds(), "new_network"), 19);
    assert_eq!(app.count("key_networks"), 20);
}

#[actix_web::test]
async fn what_was_idle_before_anybody_ever_looked_is_no_news() {
    let app = TestApp::new();
    app.db_create_key("ben", "idle");
    app.database.execute("UPDATE api_keys SET created_at = created_at - 7862400000000");
    // 91 days ago; the first look finds nothing to tell, and later ones only what comes due.
    app.courier(None).work_off().unwrap();
    app.advance(Span::hours(2));
    app.courier(None).work_off().unwrap();
    assert_eq!(of(&app.kinds(), "unused"), 0);
}

/// As several servers do.
#[actix_web::test]
async fn many_that_look_at_once_find_each_cause_once() {
    let app = TestApp::new();
    expiring(&app, "a", "30d");
    expiring(&app, "b", "30d");
    app.db_create_key("ben", "idle");
    app.courier(None).work_off().unwrap();
    app.advance(Span::days(17));
    app.database.execute("UPDATE api_keys SET last_used_at = created_at - 6393600000000 WHERE name = 'idle'");
    app.database.execute("UPDATE alert_sweeps SET swept_until = swept_until - 172800000000 WHERE kind = 'unused'");
    // It was 90 days a day ago.
    let couriers: Vec<_> = (0..6).map(|_| app.courier(None)).collect();
    let barrier = Barrier::new(couriers.len());
    std::thread::scope(|scope| {
        for courier in &couriers {
            scope.spawn(|| {
                barrier.wait();
                courier.work_off().unwrap();
            });
        }
    });
    let kinds = app.kinds();
    assert_eq!((of(&kinds, "expiring"), of(&kinds, "unused")), (2, 1), "{kinds:?}");
}
