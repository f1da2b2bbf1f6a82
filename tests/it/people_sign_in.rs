//! Signing in: throttling that locks no victim out, sessions that end when they should.

use futures_util::future::join_all;
use keyrack::actions::keys::rotate_key;
use keyrack::actions::{Ctx, Origin, people};
use keyrack::domain::key::Grace;
use keyrack::domain::time::Span;

use crate::support::TestApp;
use crate::support::actor::Visitor;
use crate::support::answer::Answer;
use crate::support::app::Request;
use crate::support::cast::{email, password};

const HOME: &str = "/orgs/acme/settings/api-keys";

async fn try_from(app: &TestApp, address: &str, who: &str, password: &str) -> Answer {
    app.visitor().from(address).post("/sign-in", &[("email", &email(who)), ("password", password)]).await
}

async fn signs_in(app: &TestApp, address: &str, who: &str) -> u16 {
    try_from(app, address, who, &password(who)).await.status
}

/// A wrong guess without the page and without the slow hash, for tests that need many.
fn fail_from(app: &TestApp, address: &str, who: &str) {
    let origin = Origin { address: address.to_owned(), via: "page", ..Origin::default() };
    let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    app.database.run(|conn| {
        let attempt = people::begin_sign_in(conn, ctx, &email(who)).unwrap();
        people::finish_sign_in(conn, ctx, attempt, false).unwrap_err();
    });
}

#[actix_web::test]
async fn an_unknown_address_a_wrong_password_and_a_shut_account_get_the_same_answer() {
    let app = TestApp::new();
    app.database.execute("UPDATE users SET disabled_at = 1 WHERE id = 'usr_bea'");
    let mut pages = Vec::new();
    for (who, typed) in [("nobody", "x".to_owned()), ("ben", "wrong".to_owned()), ("bea", password("bea"))] {
        let answer = try_from(&app, "192.0.2.9", who, &typed).await.assert_status(422);
        assert!(answer.header("set-cookie").is_none());
        pages.push(answer.body.replace(&email(who), "EMAIL"));
    }
    assert!(pages[0].contains("Email or password is wrong."));
    assert!(pages.iter().all(|page| *page == pages[0]));
    app.database.execute("UPDATE users SET disabled_at = NULL");
}

#[actix_web::test]
async fn after_five_failures_a_pair_waits_and_the_answer_says_how_long() {
    let app = TestApp::new();
    for _ in 0..5 {
        try_from(&app, "192.0.2.9", "ben", "wrong").await.assert_status(422);
    }
    let answer = try_from(&app, "192.0.2.9", "ben", &password("ben")).await.assert_status(429);
    let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=60).contains(&seconds), "{seconds}");
    answer.assert_see("Too many tries");
    assert_eq!(signs_in(&app, "192.0.2.9", "bea").await, 303, "another account from there");
    assert_eq!(signs_in(&app, "192.0.2.10", "ben").await, 303, "the same account from elsewhere");
    app.advance(Span::seconds(seconds));
    try_from(&app, "192.0.2.9", "ben", "wrong").await.assert_status(422);
    let answer = try_from(&app, "192.0.2.9", "ben", &password("ben")).await.assert_status(429);
    assert!(answer.header("retry-after").unwrap().parse::<i64>().unwrap() > 100, "the wait grows");
    app.advance(Span::minutes(2));
    assert_eq!(signs_in(&app, "192.0.2.9", "ben").await, 303);
    try_from(&app, "192.0.2.9", "ben", "wrong").await.assert_status(422);
    assert_eq!(signs_in(&app, "192.0.2.9", "ben").await, 303, "success forgets the failures before it");
}

#[actix_web::test]
async fn many_guesses_at_once_do_not_outrun_the_limit() {
    let app = TestApp::new();
    let tries = (0..20).map(|_| try_from(&app, "192.0.2.9", "ben", "wrong"));
    let statuses: Vec<u16> = join_all(tries).await.into_iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 15, "{statuses:?}");
}

#[actix_web::test]
async fn one_source_is_stopped_after_thirty_failures_over_all_accounts() {
    let app = TestApp::new();
    for number in 0..30 {
        fail_from(&app, "192.0.2.9", &format!("guess{number}"));
    }
    assert_eq!(signs_in(&app, "192.0.2.9", "ben").await, 429);
    assert_eq!(signs_in(&app, "192.0.2.10", "ben").await, 303);
    app.advance(Span::minutes(15));
    assert_eq!(signs_in(&app, "192.0.2.9", "ben").await, 303);
}

#[actix_web::test]
async fn attackers_everywhere_cannot_lock_the_victim_out() {
    let app = TestApp::new();
    assert_eq!(signs_in(&app, "198.51.100.7", "ben").await, 303, "the place where Ben usually is");
    for number in 0..100 {
        fail_from(&app, &format!("203.0.113.{number}"), "ben");
    }
    assert_eq!(signs_in(&app, "203.0.113.200", "ben").await, 429, "a new place must wait");
    assert_eq!(signs_in(&app, "198.51.100.7", "ben").await, 303, "the known one need not");
    assert_eq!(signs_in(&app, "203.0.113.200", "bea").await, 303, "nor anybody else");
    app.advance(Span::hours(1));
    assert_eq!(signs_in(&app, "203.0.113.200", "ben").await, 303);
}

#[actix_web::test]
async fn signing_in_makes_a_new_session_and_the_old_cookie_is_worth_nothing() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    let planted = ben.cookies();
    // A victim's browser into which an attacker put the attacker's own cookie.
    let victim = app.visitor();
    victim.set_cookies(planted.clone());
    let form = [("email", email("olive")), ("password", password("olive"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    victim.post("/sign-in", &form).await.assert_status(303);
    assert_ne!(victim.cookies(), planted);
    let attacker = app.visitor();
    attacker.set_cookies(planted);
    attacker.get(HOME).await.assert_status(303);
}

#[actix_web::test]
async fn signing_out_ends_the_session_on_the_server() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    ben.get(HOME).await.assert_status(200);
    let kept = ben.cookies();
    let answer = ben.post("/sign-out", &[]).await.assert_goes_to("/sign-in");
    assert!(answer.header("clear-site-data").unwrap().contains("\"storage\""));
    let thief = app.visitor();
    thief.set_cookies(kept);
    thief.get(HOME).await.assert_goes_to("/sign-in?next=%2Forgs%2Facme%2Fsettings%2Fapi%2Dkeys");
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM sessions WHERE user_id = 'usr_ben'"), 0);
}

#[actix_web::test]
async fn a_session_ends_after_three_idle_days_or_thirty_in_all() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    app.advance(Span::hours(71));
    ben.get(HOME).await.assert_status(200);
    app.advance(Span::hours(72));
    ben.get(HOME).await.assert_status(303);
    let bea = app.sign_in("bea").await;
    for _ in 0..14 {
        app.advance(Span::days(2));
        bea.get(HOME).await.assert_status(200);
    }
    app.advance(Span::days(2));
    bea.get(HOME).await.assert_status(303);
}

#[actix_web::test]
async fn people_change_their_own_name_and_checks_tell_it_at_once() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    assert_eq!(ben.get("/account/security").await.assert_status(200).field("name"), "Ben");
    ben.post("/account/name", &[("name", "  Benjamin ")]).await.assert_goes_to("/account/security");
    let page = ben.get("/account/security").await.assert_see("Your name is “Benjamin” now.").assert_see("Name changed");
    assert_eq!(page.field("name"), "Benjamin");
    let who = app.key(&key.secret).get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(who["user"]["name"], "Benjamin");
    for wrong in ["", " ", "\u{202e}x", &key.secret] {
        let refused = ben.post("/account/name", &[("name", wrong)]).await.assert_status(422);
        refused
            .assert_has("#name-form .error-summary, #name-form #error-summary")
            .assert_has_not("#password-form #error-summary");
    }
    assert_eq!(ben.get("/account/security").await.field("name"), "Benjamin");
}

#[actix_web::test]
async fn a_page_that_refreshes_itself_does_not_keep_its_session_alive() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    app.db_deed("ben", |scope| rotate_key(scope, &key.id.as_str().into(), Grace::Week, None));
    for path in [format!("{HOME}/{}/rotation", key.id), "/orgs/acme/logs/stream".to_owned()] {
        let ben = app.sign_in("ben").await;
        for _ in 0..2 {
            app.advance(Span::hours(35));
            ben.send(Request::new("HEAD", &path)).await.assert_status(200);
        }
        app.advance(Span::hours(3));
        ben.send(Request::new("HEAD", &path)).await.assert_status(303);
    }
}

#[actix_web::test]
async fn after_signing_in_only_places_of_this_site_are_gone_to() {
    let app = TestApp::new();
    let go = |next: &'static str| {
        let (app, form) = (&app, [email("ben"), password("ben")]);
        async move {
            let answer =
                app.visitor().post("/sign-in", &[("email", &form[0]), ("password", &form[1]), ("next", next)]).await;
            answer.header("location").unwrap_or_default().to_owned()
        }
    };
    assert_eq!(go("/orgs/acme/settings/members?x=1").await, "/orgs/acme/settings/members?x=1");
    for next in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""] {
        assert_eq!(go(next).await, "/settings/api-keys", "{next}");
    }
}

async fn change(visitor: &Visitor<'_>, current: &str, new: &str, end_others: &str) -> Answer {
    let form = [("current_password", current), ("password", new), ("end_others", end_others)];
    visitor.post("/account/security", &form).await
}

#[actix_web::test]
async fn a_password_is_changed_with_the_current_one_and_other_sessions_end() {
    let app = TestApp::new();
    let (here, there) = (app.sign_in("ben").await, app.sign_in("ben").await);
    let (old, new) = (password("ben"), "four other words of ben");
    change(&here, "wrong", new, "1").await.assert_status(422).assert_see("not your current password");
    change(&here, &old, "short", "1").await.assert_status(422);
    change(&here, &old, "ben@acme.example", "1").await.assert_status(422).assert_see("easy to guess");
    let before = here.cookies();
    change(&here, &old, new, "1").await.assert_goes_to("/account/security");
    assert_ne!(here.cookies(), before, "the cookie is a new one");
    here.get("/account/security").await.assert_status(200).assert_see("Password changed");
    there.get("/account/security").await.assert_status(303);
    try_from(&app, "192.0.2.1", "ben", &old).await.assert_status(422);
    try_from(&app, "192.0.2.1", "ben", new).await.assert_status(303);
}

#[actix_web::test]
async fn guessing_the_current_password_is_throttled_too() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    for _ in 0..5 {
        change(&ben, "wrong", "four other words of ben", "1").await.assert_status(422);
    }
    let answer = change(&ben, &password("ben"), "four other words of ben", "1").await.assert_status(429);
    assert!(answer.header("retry-after").is_some());
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let app = TestApp::new();
    let (one, two, three) = (app.sign_in("ben").await, app.sign_in("ben").await, app.sign_in("ben").await);
    let bea = app.sign_in("bea").await;
    let page = one.get("/account/sessions").await.assert_status(200);
    let ids: Vec<String> =
        page.attribute("[name=end]", "value").into_iter().filter(|value| value.starts_with("ses_")).collect();
    assert!(ids.len() >= 2, "{ids:?}");
    bea.post("/account/sessions", &[("end", &ids[0])]).await.assert_status(404);
    one.post("/account/sessions", &[("end", &ids[0])]).await.assert_status(303);
    let mut alive = 0;
    for visitor in [&two, &three] {
        alive += u32::from(visitor.get("/account/sessions").await.status == 200);
    }
    assert_eq!(alive, 1);
    one.post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    for visitor in [&two, &three] {
        visitor.get("/account/sessions").await.assert_status(303);
    }
    one.get("/account/sessions").await.assert_status(200);
    bea.get("/account/sessions").await.assert_status(200);
}

#[actix_web::test]
async fn the_theme_is_a_cookie_of_the_browser() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    ben.post("/account/appearance", &[("theme", "neon")]).await.assert_status(422);
    ben.post("/account/appearance", &[("theme", "dark")]).await.assert_status(303);
    ben.get("/account/appearance").await.assert_has("html[data-theme=dark]");
}

#[actix_web::test]
async fn requests_of_another_site_change_nothing() {
    use crate::support::app::Request;
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        for path in ["/sign-out", "/sign-in", "/orgs", "/account/sessions"] {
            let request =
                Request::new("POST", path).form(&[("end", "others"), ("organization", "Evil")]).header(name, value);
            ben.send(request).await.assert_status(403);
        }
    }
    ben.get(HOME).await.assert_status(200);
}
