//! The tables of events and counts, by themselves: numbers, filters, reports and clearing away, on both databases.

use keyrack::db::events::{self, Event, EventFilter, Report, StatusFilter};
use keyrack::db::usage::{self, Count, KeyHour, Step};
use keyrack::db::{self, Conn, DbResult};
use keyrack::domain::ids::{KeyId, OrgId};
use keyrack::domain::time::{Span, Timestamp};

use crate::support::database::TestDatabase;

fn org() -> OrgId {
    "org_acme".into()
}

/// 14:00:00 on some day.
fn two() -> Timestamp {
    Timestamp::parse("2026-11-21T14:00:00Z").unwrap()
}

fn event(key: &str, request_id: &str, at: Timestamp) -> Event {
    Event {
        seq: 0,
        at,
        org: org(),
        key: key.into(),
        secret: -7,
        method: "GET".into(),
        path: "/v1/render".into(),
        outcome: "VALID".into(),
        status: None,
        duration_ms: None,
        address: "192.0.2.1".into(),
        client: "curl/8".into(),
        request_id: request_id.into(),
        weight: 1,
        reported_seq: None,
    }
}

fn store(database: &TestDatabase, mut events: Vec<Event>) -> Vec<Event> {
    database.run(|conn| {
        db::write(conn, |conn| -> DbResult<()> {
            let before = events::take_numbers(conn, i64::try_from(events.len()).unwrap())?;
            events::insert_events(conn, &mut events, before)
        })
        .unwrap();
    });
    events
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.request_id.as_str()).collect()
}

fn list(database: &TestDatabase, filter: &EventFilter, before: Option<i64>, limit: i64) -> Vec<Event> {
    database.run(|conn| events::list_events(conn, &org(), filter, before, limit).unwrap())
}

#[test]
fn events_come_back_as_they_were_stored_the_newest_first() {
    let database = TestDatabase::new();
    // More than one statement takes.
    let stored: Vec<Event> = (0..300).map(|n| event("AAAAAAAA", &format!("r{n}"), two())).collect();
    let stored = store(&database, stored);
    assert_eq!((stored[0].seq, stored[299].seq), (1, 300));
    let mut listed = list(&database, &EventFilter::default(), None, 1000);
    listed.reverse();
    assert_eq!(listed, stored);
    let page = list(&database, &EventFilter::default(), Some(299), 2);
    assert_eq!(ids(&page), ["r297", "r296"]);
    let other = OrgId::from("org_globex");
    assert!(
        database.run(|conn| events::list_events(conn, &other, &EventFilter::default(), None, 9)).unwrap().is_empty()
    );
}

#[test]
fn rows_before_one_that_fails_are_taken_back() {
    let database = TestDatabase::new();
    let many = |name: &str| (0..50).map(|n| event("AAAAAAAA", &format!("{name}{n}"), two())).collect::<Vec<Event>>();
    let stored = store(&database, many("r"));
    // The first thirty fit below those that are there.
    let mut again = many("again");
    let failed = database.run(|conn| {
        db::write(conn, |conn| -> DbResult<()> {
            events::take_numbers(conn, 7)?;
            events::insert_events(conn, &mut again, -30)
        })
    });
    assert!(failed.is_err());
    assert_eq!(list(&database, &EventFilter::default(), None, 1000).len(), stored.len());
    assert_eq!(database.run(|conn| events::last_number(conn).unwrap()), 50);
}

#[test]
fn filters_narrow_the_list() {
    let database = TestDatabase::new();
    let later = two().plus(Span::minutes(1));
    store(
        &database,
        vec![
            Event { outcome: "REVOKED".into(), status: Some(401), ..event("AAAAAAAA", "a", two()) },
            Event { outcome: "RATE_LIMITED".into(), status: Some(429), ..event("BBBBBBBB", "b", later) },
            event("BBBBBBBB", "c", later),
        ],
    );
    let found = |filter: EventFilter| {
        ids(&list(&database, &filter, None, 9)).into_iter().map(str::to_owned).collect::<Vec<_>>().join("")
    };
    let all = EventFilter::default;
    assert_eq!(found(all()), "cba");
    assert_eq!(found(EventFilter { key: Some("BBBBBBBB".into()), ..all() }), "cb");
    assert_eq!(found(EventFilter { status: Some(StatusFilter::Class(4)), ..all() }), "ba");
    assert_eq!(found(EventFilter { status: Some(StatusFilter::Exactly(429)), ..all() }), "b");
    assert_eq!(found(EventFilter { since: Some(later), ..all() }), "cb");
    assert_eq!(found(EventFilter { owner: Some("usr_ben".into()), ..all() }), "");
}

#[test]
fn a_stream_gives_each_event_once_and_its_report_once() {
    let database = TestDatabase::new();
    store(&database, (0..5).map(|n| event("AAAAAAAA", &format!("r{n}"), two())).collect());
    let report = |id: &str, status| Report { request_id: id.into(), status, duration_ms: Some(12) };
    let reports = [report("r1", 500), report("r1", 200), report("r4", 201), report("nobody's", 200)];
    let noted = |conn: &mut Conn| db::write(conn, |conn| events::report_outcomes(conn, "VALID", &reports));
    assert_eq!(database.run(noted).unwrap(), 2);
    assert_eq!(database.run(noted).unwrap(), 0, "the first report counts");
    store(&database, vec![event("AAAAAAAA", "r5", two())]);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let lines = database.run(|conn| events::list_lines_after(conn, &org(), &EventFilter::default(), after, 3));
        let lines = lines.unwrap();
        after = lines.upto;
        seen.extend(lines.lines.into_iter().map(|line| (line.event.request_id, line.is_report, line.event.status)));
        if !lines.has_more {
            break;
        }
    }
    let line = |id: &str, is_report, status| (id.to_owned(), is_report, status);
    let expected = [
        line("r0", false, None),
        line("r1", false, Some(500)),
        line("r2", false, None),
        line("r3", false, None),
        line("r4", false, Some(201)),
        line("r1", true, Some(500)),
        line("r4", true, Some(201)),
        line("r5", false, None),
    ];
    assert_eq!(seen, expected);
    assert_eq!(database.run(events::last_number).unwrap(), after);
    let counted =
        database.run(|conn| usage::list_counts(conn, &org(), &"AAAAAAAA".into(), Step::Minute, two())).unwrap();
    let counted: Vec<_> = counted.iter().map(|counted| (counted.outcome.as_str(), counted.count)).collect();
    assert_eq!(counted, [("STATUS_2XX", 1), ("STATUS_5XX", 1)]);
}

#[test]
fn numbers_become_visible_in_their_order_with_many_writers() {
    let database = TestDatabase::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let database = &database;
                scope.spawn(move || {
                    for n in 0..25 {
                        store(database, vec![event("AAAAAAAA", &format!("{writer}-{n}"), two()); 3]);
                    }
                })
            })
            .collect();
        let (mut after, mut seen) = (0, 0);
        while seen < 300 {
            let lines = database.run(|conn| events::list_lines_after(conn, &org(), &EventFilter::default(), after, 50));
            for line in lines.unwrap().lines {
                assert_eq!(line.number, after + 1, "a number was passed over");
                after = line.number;
                seen += 1;
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

fn count<'a>(key: &'a str, at: Timestamp, secret: i64, outcome: &'a str, count: i64) -> Count<'a> {
    Count { key, at, secret, outcome, org: "org_acme", count }
}

fn add(database: &TestDatabase, counts: &[Count<'_>]) {
    for step in [Step::Minute, Step::Hour] {
        database.run(|conn| db::write(conn, |conn| usage::add_counts(conn, step, counts)).unwrap());
    }
}

#[test]
fn counts_add_up_by_minute_and_by_hour() {
    let database = TestDatabase::new();
    let at = two().plus(Span::seconds(90));
    let counts = [
        count("AAAAAAAA", at, 1, "VALID", 2),
        count("AAAAAAAA", at.plus(Span::seconds(10)), 1, "VALID", 3),
        count("AAAAAAAA", at.plus(Span::seconds(60)), 1, "VALID", 4),
        count("AAAAAAAA", at, 2, "REVOKED", 5),
    ];
    add(&database, &counts);
    add(&database, &counts);
    let listed = |step, since| {
        let counted = database.run(|conn| usage::list_counts(conn, &org(), &"AAAAAAAA".into(), step, since)).unwrap();
        counted.into_iter().map(|c| (c.at.time_of_day(), c.secret, c.outcome, c.count)).collect::<Vec<_>>()
    };
    let row = |at: &str, secret, outcome: &str, count| (at.to_owned(), secret, outcome.to_owned(), count);
    let minutes = [row("14:01", 1, "VALID", 10), row("14:01", 2, "REVOKED", 10), row("14:02", 1, "VALID", 8)];
    assert_eq!(listed(Step::Minute, two()), minutes);
    assert_eq!(listed(Step::Minute, two().plus(Span::minutes(2)))[..], minutes[2..]);
    assert_eq!(listed(Step::Hour, at), [row("14:00", 1, "VALID", 18), row("14:00", 2, "REVOKED", 10)]);
}

#[test]
fn refusals_since_a_moment_are_counted_to_the_minute_while_it_is_known() {
    let database = TestDatabase::new();
    let minute = |n| two().plus(Span::minutes(n));
    add(&database, &[1, 30, 59, 61].map(|n| count("AAAAAAAA", minute(n), 1, "REVOKED", 1)));
    add(&database, &[count("AAAAAAAA", minute(40), 1, "VALID", 100)]);
    let refused = |since, now| {
        database.run(|conn| usage::count_refused(conn, &org(), &"AAAAAAAA".into(), "REVOKED", since, now)).unwrap()
    };
    assert_eq!(refused(minute(30), minute(90)), 3);
    assert_eq!(refused(minute(31), minute(90)), 2);
    assert_eq!(refused(minute(60), minute(90)), 1);
    assert_eq!(refused(minute(31), minute(60 * 60)), 4, "by the hour when minutes are gone");
}

#[test]
fn a_page_of_keys_gets_its_hours_in_one_query() {
    let database = TestDatabase::new();
    let hour = |n| two().plus(Span::hours(n));
    add(
        &database,
        &[
            count("AAAAAAAA", hour(0), 1, "VALID", 1),
            count("AAAAAAAA", hour(1), 1, "VALID", 2),
            count("AAAAAAAA", hour(1), 2, "VALID", 3),
            count("BBBBBBBB", hour(1), 4, "EXPIRED", 5),
            count("CCCCCCCC", hour(1), 5, "VALID", 6),
        ],
    );
    let keys: [KeyId; 2] = ["AAAAAAAA".into(), "BBBBBBBB".into()];
    let keys = [&keys[0], &keys[1]];
    let hours = database.run(|conn| usage::list_hours_of(conn, &org(), &keys, hour(1))).unwrap();
    let expected = |key: &str, secret, outcome: &str, count| {
        let (key, outcome) = (key.into(), outcome.into());
        KeyHour { key, at: hour(1), secret, outcome, count }
    };
    let of_a = [expected("AAAAAAAA", 1, "VALID", 2), expected("AAAAAAAA", 2, "VALID", 3)];
    assert_eq!(hours, [of_a[0].clone(), of_a[1].clone(), expected("BBBBBBBB", 4, "EXPIRED", 5)]);
    let foreign = database.run(|conn| usage::list_hours_of(conn, &"org_globex".into(), &keys, hour(0))).unwrap();
    assert_eq!(foreign, []);
}

#[test]
fn what_is_old_is_cleared_away_in_pieces() {
    let database = TestDatabase::new();
    let hour = |n| two().plus(Span::hours(n));
    for n in 0..6 {
        add(&database, &[count("AAAAAAAA", hour(n), 1, "VALID", 1)]);
        store(&database, vec![event("AAAAAAAA", "r", hour(n))]);
    }
    for step in [Step::Minute, Step::Hour] {
        let pieces: Vec<usize> =
            (0..3).map(|_| database.run(|conn| usage::delete_counts(conn, step, hour(3), 2)).unwrap()).collect();
        assert_eq!(pieces, [2, 1, 0]);
        let left = database.run(|conn| usage::list_counts(conn, &org(), &"AAAAAAAA".into(), step, two())).unwrap();
        assert_eq!(left.first().map(|counted| counted.at), Some(hour(3)));
    }
    let pieces: Vec<usize> =
        (0..3).map(|_| database.run(|conn| events::delete_events(conn, hour(3), 2)).unwrap()).collect();
    assert_eq!(pieces, [2, 1, 0]);
    assert_eq!(list(&database, &EventFilter::default(), None, 9).last().map(|event| event.at), Some(hour(3)));
}
