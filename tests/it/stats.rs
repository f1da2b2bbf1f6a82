//! Statistics of keys, as the API gives them and as pages will; and how long they are kept.

use std::sync::Arc;

use keyrack::actions::keys::{
    Point, RevokeInput, get_key, key_stats, key_traffic, pulses, refused_since_revoked, revoke_key, rotate_key,
};
use keyrack::actions::people::clean_up;
use keyrack::actions::{AppError, OrgScope, look_in};
use keyrack::db::events::{EventFilter, Report, list_events, report_outcomes};
use keyrack::db::keys::find_key;
use keyrack::db::usage::{Step, list_counts};
use keyrack::domain::ids::{KeyId, OrgId};
use keyrack::domain::key::Grace;
use keyrack::domain::time::{Span, Timestamp};
use keyrack::domain::verdict::Verdict;
use keyrack::gate::record::{Note, Recorder, Seen};
use keyrack::{actions, db};
use serde_json::{Value, json};

use crate::recorder::SEEN;
use crate::support::TestApp;
use crate::support::app::MadeKey;
use crate::support::keys::at;

/// A recorder beside the app's, whose notes the test chooses.
struct Traffic<'a> {
    app: &'a TestApp,
    recorder: Recorder,
    key: KeyId,
}

impl<'a> Traffic<'a> {
    fn of(app: &'a TestApp, key: &MadeKey) -> Self {
        let recorder = Recorder::new(app.database.db.clone(), app.state.rules.format.clone(), 1000);
        Self { app, recorder, key: key.id.as_str().into() }
    }

    fn tag(&self) -> i64 {
        let find = |conn: &mut db::Conn| find_key(conn, &OrgId::from("org_acme"), &self.key).unwrap().unwrap();
        self.app.database.run(find).current.hash.tag()
    }

    fn note(&self, secret: i64, verdict: Verdict, ago: Span, times: usize) {
        let org: Arc<str> = "org_acme".into();
        let (at, key) = (self.app.now().minus(ago), self.key.as_str().as_bytes().try_into().unwrap());
        for _ in 0..times {
            self.recorder.note(&Note { key, org: &org, secret, verdict, at, seen: &SEEN });
        }
        self.recorder.flush().unwrap();
    }
}

fn look<T>(app: &TestApp, who: &str, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> T {
    app.db_act(who, |conn, ctx, who, org| look_in(conn, ctx, who, org, f)).unwrap()
}

fn sum(series: &Value, field: &str) -> i64 {
    series.as_array().unwrap().iter().map(|point| point[field].as_i64().unwrap()).sum()
}

#[actix_web::test]
async fn statistics_are_exact_for_the_time_that_was_asked_for() {
    let app = TestApp::with(|setup| setup.frozen = true);
    let key = app.db_create_key("ben", "ci");
    let script = app.key(&app.db_create_key("ben", "asks").secret);
    let traffic = Traffic::of(&app, &key);
    let tag = traffic.tag();
    let empty = script.get(&format!("/v1/keys/{}/stats", key.id)).await.assert_status(200).json();
    assert_eq!((&empty["served"], &empty["refused"], &empty["error_rate"]), (&json!(0), &json!({}), &json!(0.0)));
    assert_eq!((&empty["last_used_at"], empty["series"].as_array().unwrap().len()), (&Value::Null, 25));
    traffic.note(tag, Verdict::Valid, Span::minutes(1), 6);
    traffic.note(tag, Verdict::Expired, Span::minutes(2), 2);
    traffic.note(tag, Verdict::Valid, Span::hours(20), 30);
    traffic.note(tag, Verdict::Valid, Span::hours(25), 500);
    traffic.note(tag, Verdict::Valid, Span::days(6), 1000);
    let stats = |since: &'static str| {
        let path = format!("/v1/keys/{}/stats?since={since}", key.id);
        let script = &script;
        async move { script.get(&path).await.assert_status(200).json() }
    };
    let day = stats("24h").await;
    assert_eq!((&day["served"], &day["refused"]), (&json!(36), &json!({"EXPIRED": 2})));
    assert_eq!((sum(&day["series"], "served"), sum(&day["series"], "refused")), (36, 2));
    assert!((day["error_rate"].as_f64().unwrap() - 2.0 / 38.0).abs() < 1e-9);
    assert_eq!(day["last_used_at"], json!(app.now().minus(Span::minutes(1))));
    assert_eq!(day["rate_limit"], json!({"key": null, "account": null, "binding": null}));
    let hour = stats("1h").await;
    assert_eq!((&hour["served"], hour["series"].as_array().unwrap().len()), (&json!(6), 61));
    assert_eq!(hour["series"][59], json!({"at": hour["series"][59]["at"], "served": 6, "refused": 0, "failed": 0}));
    assert_eq!(stats("7d").await["served"], 1536);
    for wrong in ["0s", "2y", "soon", ""] {
        let path = format!("/v1/keys/{}/stats?since={wrong}", key.id);
        script.get(&path).await.assert_problem(422, "INVALID");
    }
}

#[actix_web::test]
async fn what_upstreams_report_counts_as_failed_and_not_twice() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let traffic = Traffic::of(&app, &key);
    traffic.note(traffic.tag(), Verdict::Valid, Span::seconds(1), 1);
    let report = Report { request_id: "req_1".into(), status: 502, duration_ms: Some(7) };
    let noted = |conn: &mut db::Conn| db::write(conn, |conn| report_outcomes(conn, "VALID", &[report]));
    assert_eq!(app.database.run(noted).unwrap(), 1);
    let answer = app.key(&key.secret).get(&format!("/v1/keys/{}/stats?since=1h", key.id)).await;
    let stats = answer.assert_status(200).json();
    assert_eq!((sum(&stats["series"], "failed"), &stats["refused"]), (1, &json!({})));
    assert!(stats["error_rate"].as_f64().unwrap() > 0.0);
}

#[actix_web::test]
async fn where_events_are_stored_in_part_the_reports_that_are_kept_stand_for_all() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let traffic = Traffic::of(&app, &key);
    let recorder = Recorder::new(app.database.db.clone(), app.state.rules.format.clone(), 20);
    let (org, tag): (Arc<str>, i64) = ("org_acme".into(), traffic.tag());
    let key_id = key.id.as_bytes().try_into().unwrap();
    for n in 0..1000 {
        let seen = Seen { request_id: &format!("req_{n}"), ..SEEN };
        let at = app.now().minus(Span::seconds(1));
        recorder.note(&Note { key: key_id, org: &org, secret: tag, verdict: Verdict::Valid, at, seen: &seen });
    }
    recorder.flush().unwrap();
    assert!(recorder.left_out().events > 900, "{:?}", recorder.left_out());
    let report =
        |n: i64| Report { request_id: format!("req_{n}"), status: [503, 200][n as usize % 2], duration_ms: None };
    assert_eq!(recorder.report((0..1000).map(report).collect()), 1000);
    recorder.flush().unwrap();
    let kept = app.database.number("SELECT COUNT(*) AS n FROM events WHERE reported_seq IS NOT NULL");
    assert!((2..100).contains(&kept), "{kept}");
    let rate = look(&app, "ben", |scope| key_stats(scope, &traffic.key, Span::hours(1))).error_rate;
    assert!((0.3..=0.7).contains(&rate), "{rate}");
    let page = app.enter("ben").get(&at(&key.id, "")).await;
    page.assert_status(200).assert_see(&format!("of {kept} reported answers"));
}

#[test]
fn an_upstream_that_tells_of_failures_only_is_taken_at_its_word() {
    let point = Point { served: 1000, refused: 10, failed: 5, ..Point::empty(Timestamp::from_micros(0)) };
    assert_eq!((point.errors(), Point { fine: 45, ..point }.errors()), (15, 110));
    assert_eq!((point.error_rate() * 1010.0).round() as i64, 15);
    assert_eq!(Point { failed: 2000, ..point }.error_rate(), 1.0);
    assert_eq!(Point { served: 0, refused: 0, fine: 1, ..point }.error_rate(), 0.0);
}

#[actix_web::test]
async fn while_two_secrets_work_their_traffic_is_told_apart() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let traffic = Traffic::of(&app, &key);
    let old = traffic.tag();
    traffic.note(old, Verdict::Valid, Span::minutes(50), 5);
    let rotated = app.db_deed("ben", |scope| rotate_key(scope, &traffic.key, Grace::Day, None));
    app.learn(rotated.secret.unwrap().reveal());
    traffic.note(traffic.tag(), Verdict::Valid, Span::minutes(1), 3);
    let seen = look(&app, "ben", |scope| key_traffic(scope, &traffic.key, Span::hours(24)));
    let served = |points: &[actions::keys::Point]| points.iter().map(|point| point.served).sum::<i64>();
    assert_eq!((served(&seen.current), served(&seen.previous)), (3, 5));
    let quiet = app.now().since(seen.previous_used_at.unwrap());
    assert!(quiet >= Span::minutes(50) && quiet < Span::minutes(52), "{quiet:?}");
}

#[actix_web::test]
async fn a_revoked_key_says_how_often_it_was_refused_since() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let traffic = Traffic::of(&app, &key);
    assert_eq!(look(&app, "ben", |scope| refused_since_revoked(scope, &traffic.key)), None);
    app.db_deed("ben", |scope| {
        revoke_key(scope, &traffic.key, &RevokeInput { confirm_name: None, ..Default::default() })
    });
    traffic.note(traffic.tag(), Verdict::Revoked, Span::ZERO, 4);
    assert_eq!(look(&app, "ben", |scope| refused_since_revoked(scope, &traffic.key)), Some(4));
    let pulses = look(&app, "ben", |scope| {
        let view = get_key(scope, &traffic.key)?;
        pulses(scope, &[view])
    });
    let pulse = &pulses[0];
    assert_eq!((pulse.points.len(), pulse.refused_since_revoked), (24, Some(4)));
    assert_eq!(pulse.points.iter().map(|point| point.refused).sum::<i64>(), 4);
}

#[actix_web::test]
async fn what_is_older_than_the_operator_wants_is_cleared_away() {
    let app = TestApp::with(|setup| {
        setup.rules.usage_kept = Span::days(10);
        setup.rules.events_kept = Span::days(2);
    });
    let key = app.db_create_key("ben", "ci");
    let traffic = Traffic::of(&app, &key);
    for days in [1, 3, 9, 11] {
        traffic.note(traffic.tag(), Verdict::Expired, Span::days(days), 1);
    }
    let clean = || {
        let origin = actions::Origin { via: "server", ..Default::default() };
        let ctx = actions::Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
        app.database.run(|conn| clean_up(conn, ctx)).unwrap()
    };
    assert_eq!(clean(), 3 + 1 + 3);
    assert_eq!(clean(), 0);
    let since = app.now().minus(Span::days(100));
    let left = app.database.run(|conn| {
        let count =
            |conn: &mut db::Conn, step| list_counts(conn, &"org_acme".into(), &traffic.key, step, since).unwrap();
        let events = list_events(conn, &"org_acme".into(), &EventFilter::default(), None, 9).unwrap();
        (count(conn, Step::Minute).len(), count(conn, Step::Hour).len(), events.len())
    });
    assert_eq!(left, (1, 3, 1));
}
