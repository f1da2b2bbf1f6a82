//! What the pages of API keys say of traffic: every number is that of checks that were really made.

use std::sync::Arc;

use keyrack::domain::time::Span;
use keyrack::domain::verdict::Verdict;
use keyrack::gate::record::{Note, Recorder, Seen};

use crate::support::TestApp;
use crate::support::answer::Answer;
use crate::support::app::Request;
use crate::support::keys::{LIST, at, rotate};

async fn check(app: &TestApp, secret: &str, times: usize) {
    for _ in 0..times {
        app.key(secret).get("/v1/whoami").await;
    }
    app.state.gate.flush().unwrap();
}

/// The sum of a column of the chart's table.
fn column(page: &Answer, place: usize) -> i64 {
    page.select(&format!(".numbers tbody td:nth-child({place})")).iter().map(|text| text.parse::<i64>().unwrap()).sum()
}

#[actix_web::test]
async fn the_numbers_on_the_pages_are_those_of_the_checks() {
    let app = TestApp::with(|setup| {
        setup.rules.plans[0].requests_per_minute = Some(1000);
        setup.rules.plans[0].key_requests_per_minute = Some(3);
    });
    let (key, other) = (app.db_create_key("ben", "ci"), app.db_create_key("ben", "other"));
    check(&app, &key.secret, 5).await;
    let ben = app.enter("ben");
    let list = ben.get(LIST).await.assert_status(200).assert_dont_see("unavailable right now");
    let row = format!("#key-{} .day", key.id);
    assert_eq!(list.select(&row), ["55 requests, 2 errors in 24 h40 % errors"]);
    assert_eq!(list.select(&format!("#key-{} .day", other.id)), ["00 requests in 24 h"]);
    assert_eq!(list.attribute(&format!("{row} .spark"), "aria-hidden"), ["true"]);
    for range in ["", "?range=7d", "?range=30d", "?range=nonsense"] {
        let page = ben.get(&format!("{}{range}", at(&key.id, ""))).await.assert_status(200);
        assert_eq!(page.select(".tiles dd").len(), 4);
        let page = page.assert_see("3 served, 2 refused").assert_see("40 %").assert_see("RATE_LIMITED, 2 times");
        assert_eq!((column(&page, 2), column(&page, 3)), (3, 2), "{range}");
        assert_eq!(
            page.select(".numbers tbody tr").len(),
            match range {
                "?range=7d" => 29,
                "?range=30d" => 31,
                _ => 25,
            }
        );
        let words = page.attribute("svg.chart", "aria-label").join("");
        assert!(words.contains("3 requests served, 2 refused"), "{words}");
        assert!(page.attribute(".part-served", "height").len() >= 2 && page.attribute("[style]", "style").is_empty());
        assert_eq!(page.select(".recent tbody tr").len(), 5);
        assert_eq!(page.select(".recent [data-refused]"), ["Refused: RATE_LIMITED", "Refused: RATE_LIMITED"]);
        assert_eq!(page.select(".recent .path")[0], "/v1/whoami");
        // The key's own limit is the nearer one.
        assert_eq!(page.attribute("meter", "max"), ["3", "1000"]);
        page.assert_see("The key's own limit, which binds").assert_see("of 1,000 requests left this minute");
    }
    let page = ben.get(&at(&key.id, "")).await.assert_see("from 192.0.2.0/24");
    assert_eq!(page.attribute(".chart-links a", "href")[1], format!("/orgs/acme/logs?key={}", key.id));
    ben.get(&at(&key.id, "?range=7d&more=1")).await.assert_status(400);
    ben.get(&at(&key.id, "/revoke")).await.assert_see("· 5 requests in 24 h");
    ben.get(&at(&key.id, "/rotate"))
        .await
        .assert_see("In use now: 5 requests in the last hour, last just now from 192.0.2.0/24.");
}

#[actix_web::test]
async fn the_last_fifty_requests_are_named_by_their_ids() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let mut ids = Vec::new();
    for _ in 0..52 {
        let answer = app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
        ids.insert(0, answer.header("x-request-id").unwrap().to_owned());
    }
    app.state.gate.flush().unwrap();
    let page = app.enter("ben").get(&at(&key.id, "")).await.assert_status(200);
    assert_eq!(page.select(".recent [data-l=Client] .sub"), ids[..50]);
}

#[actix_web::test]
async fn a_key_that_nobody_used_shows_how_to_and_an_idle_one_says_so() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let page = app.enter("ben").get(&at(&key.id, "")).await.assert_see("No requests yet").assert_see("Never used");
    page.assert_see("Authorization: Bearer $KEYRACK_API_KEY").assert_has_not(".tiles");
    app.advance(Span::days(29));
    app.enter("ben").get(LIST).await.assert_dont_see("Unused 30+ days");
    app.advance(Span::days(2));
    app.enter("ben").get(LIST).await.assert_see("Unused 30+ days").assert_see("Never used");
}

#[actix_web::test]
async fn the_cockpit_tells_the_old_secret_from_the_new_and_says_when_it_is_safe_to_stop() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    check(&app, &key.secret, 2).await;
    let ben = app.enter("ben");
    let rotation = at(&key.id, "/rotation");
    ben.get(&rotation).await.assert_status(200).assert_see("Only the new secret works").assert_has_not("[hx-trigger]");
    let new = rotate(&ben, &key.id, "24h").await;
    check(&app, &key.secret, 2).await;
    let used = |page: &Answer| page.select("#rotation tbody td:nth-child(2)");
    let page = ben.get(&at(&key.id, "")).await.assert_dont_see("safe to stop");
    assert!(used(&page)[0].starts_with("0 requests since"), "{:?}", used(&page));
    assert_eq!(used(&page)[1], "4 requests in the last hourLast used Just now");
    check(&app, &new, 3).await;
    let page = ben.get(&rotation).await.assert_has("header.top");
    assert!(used(&page)[0].starts_with("3 requests since"), "{:?}", used(&page));
    ben.get(LIST).await.assert_see(&format!(
        "New …{} 3, old …{} 4 requests in 24 h",
        &new[new.len() - 4..],
        &key.secret[key.secret.len() - 4..]
    ));
    // htmx gets the panel alone, which asks for itself again.
    let part = ben.get_partial(&rotation).await.assert_status(200).assert_has_not("header.top");
    assert_eq!(part.attribute("#rotation", "hx-get"), [rotation.as_str()]);
    assert_eq!(part.attribute("#rotation", "hx-trigger"), ["every 10s"]);
    app.advance(Span::minutes(58));
    app.enter("ben").get(&rotation).await.assert_dont_see("safe to stop");
    app.advance(Span::minutes(4));
    let page = app.enter("ben").get(&rotation).await.assert_see("No traffic for 1 h: safe to stop.");
    assert!(used(&page)[1].starts_with("No requests in the last hour"), "{:?}", used(&page));
    check(&app, &key.secret, 1).await;
    app.enter("ben").get(&rotation).await.assert_dont_see("safe to stop").assert_see("1 request in the last hour");
    app.enter("ben").get(&at(&key.id, "/rotate/finish")).await.assert_see("1 request with it in the last hour.");
}

#[actix_web::test]
async fn an_old_secret_that_rests_is_not_safe_to_stop_while_the_new_one_is_nowhere_in_place() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    rotate(&app.enter("ben"), &key.id, "24h").await;
    app.advance(Span::minutes(62));
    let page = app.enter("ben").get(&at(&key.id, "")).await;
    page.assert_dont_see("safe to stop").assert_see("the new one has not been used either");
}

#[actix_web::test]
async fn tries_with_a_revoked_key_are_counted_under_it() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    check(&app, &key.secret, 2).await;
    let ben = app.enter("ben");
    ben.post(&at(&key.id, "/revoke"), &[("confirm_name", "ci")]).await.assert_status(303);
    ben.get(&at(&key.id, "")).await.assert_see("No request with it has come since.");
    check(&app, &key.secret, 3).await;
    let page = ben.get(&at(&key.id, "")).await.assert_see("Refused 3 times since it was revoked, last just now.");
    assert_eq!(page.select(".recent [data-refused]"), ["Refused: REVOKED"; 3]);
    page.assert_dont_see("Rate limit headroom");
    ben.get(&format!("{LIST}?all=1")).await.assert_see("Refused 3 times since");
    app.advance(Span::days(3));
    app.enter("ben").get(&format!("{LIST}?all=1")).await.assert_see("Refused 3 times since");
}

#[actix_web::test]
async fn pages_work_while_the_statistics_cannot_be_read() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    check(&app, &key.secret, 1).await;
    let ben = app.enter("ben");
    rotate(&ben, &key.id, "24h").await;
    app.database.execute("ALTER TABLE usage_hours RENAME TO usage_hours_away");
    app.database.execute("ALTER TABLE usage_minutes RENAME TO usage_minutes_away");
    let list = ben.get(LIST).await.assert_status(200).assert_see("Usage numbers are unavailable right now.");
    assert_eq!(list.select("#rows a.name"), ["ci"]);
    assert_eq!(list.select("#rows .day"), ["–Unknown"]);
    let page =
        ben.get(&at(&key.id, "")).await.assert_status(200).assert_see("Usage numbers are unavailable right now.");
    page.assert_has("#rotation").assert_has("#edit-form").assert_see("Last used");
    for below in ["/rotate", "/rotate/finish", "/rotation", "/revoke"] {
        ben.get(&at(&key.id, below)).await.assert_status(200);
    }
    app.database.execute("ALTER TABLE usage_hours_away RENAME TO usage_hours");
    app.database.execute("ALTER TABLE usage_minutes_away RENAME TO usage_minutes");
    ben.get(LIST).await.assert_dont_see("unavailable right now");
}

#[actix_web::test]
async fn what_clients_call_themselves_and_ask_for_is_text() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(2)>";
    let request = Request::new("GET", "/v1/whoami").header("Authorization", &format!("Bearer {}", key.secret));
    app.send(request.header("User-Agent", hostile)).await.assert_status(200);
    app.state.gate.flush().unwrap();
    let recorder = Recorder::new(app.database.db.clone(), app.state.rules.format.clone(), 1000);
    let (org, id): (Arc<str>, _) = ("org_acme".into(), key.id.as_bytes().try_into().unwrap());
    let path = format!("/{hostile}");
    let seen =
        Seen { method: "<b>", path: &path, address: "192.0.2.9", client: hostile, request_id: "req_1", in_url: false };
    recorder.note(&Note { key: id, org: &org, secret: 1, verdict: Verdict::Expired, at: app.now(), seen: &seen });
    recorder.flush().unwrap();
    let page = app.enter("ben").get(&at(&key.id, "")).await.assert_status(200).assert_see("<script>alert(1)</script>");
    page.assert_has_not("main script").assert_has_not("main img").assert_has_not("main td b");
}
