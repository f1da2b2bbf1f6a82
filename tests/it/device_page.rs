//! The page on which a person lets a command line in, and the list in which they end it.

use keyrack::actions::people::{self, Decision};
use keyrack::actions::{AppError, Who};
use keyrack::domain::time::Span;

use crate::support::TestApp;
use crate::support::device::refusal;

const PAGE: &str = "/device";

#[actix_web::test]
async fn a_person_sees_the_device_and_allows_it() {
    let app = TestApp::new();
    let (ada, waiting) = (app.enter("ada"), app.ask_in("ada-laptop").await);
    // The link fills the field in and does no more, however often it is opened.
    let link = format!("{PAGE}?user_code={}", waiting.user_code);
    let first = ada.get(&link).await.assert_status(200).assert_has("#code-form");
    assert_eq!(first.field("user_code"), waiting.user_code);
    ada.get(&format!("{link}&decision=allow&org=acme")).await.assert_status(200).assert_has("#code-form");
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "authorization_pending");
    // Typed by hand, in any form.
    let typed = format!(" {} ", waiting.user_code.to_lowercase().replace('-', " "));
    let second = ada.post(PAGE, &[("user_code", &typed)]).await.assert_status(200).assert_has("#device-form");
    let second = ["ada-laptop", "Ada (ada@acme.example)", "Acme", "203.0.113.7", "Just now", &waiting.user_code]
        .iter()
        .fold(second, |page, text| page.assert_see(text));
    assert_eq!(second.attribute("#device-form button", "class"), ["outline", "outline"], "neither is the main one");
    assert_eq!(second.select("#device-form button"), ["Allow ada-laptop", "Deny ada-laptop"]);
    assert_eq!(app.count("audit_log WHERE chain = 'usr_ada'"), 0, "looking does nothing");
    let form = [("user_code", waiting.user_code.as_str()), ("org", "acme"), ("decision", "allow")];
    ada.post(PAGE, &form).await.assert_goes_to("/device?done=allowed");
    ada.get("/device?done=allowed").await.assert_status(200).assert_see("go back to your terminal");
    app.poll(&waiting.device_code).await.assert_status(200);
    // A code works once, for both sides.
    ada.post(PAGE, &form).await.assert_status(422).assert_see("This code was used already");
}

#[actix_web::test]
async fn a_denied_device_is_told_and_stays_out() {
    let app = TestApp::new();
    let (ada, waiting) = (app.enter("ada"), app.ask_in("ada-laptop").await);
    let decide = |decision| [("user_code", waiting.user_code.as_str()), ("org", "acme"), ("decision", decision)];
    ada.post(PAGE, &decide("perhaps")).await.assert_status(400);
    ada.post(PAGE, &decide("deny")).await.assert_goes_to("/device?done=denied");
    ada.get("/device?done=denied").await.assert_status(200).assert_see("may not act as you");
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "access_denied");
    ada.post(PAGE, &decide("allow")).await.assert_status(422).assert_see("This code was used already");
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "access_denied");
    ada.get("/account/security").await.assert_see("Denied a command line").assert_see("ada-laptop");
}

#[actix_web::test]
async fn wrong_and_expired_codes_are_told_apart_and_guessing_ends_soon() {
    let app = TestApp::new();
    let (ada, waiting) = (app.enter("ada"), app.ask_in("ada-laptop").await);
    for broken in ["", "BCDF", "AEIO-UAEI", "BCDF-GHJK-L"] {
        ada.post(PAGE, &[("user_code", broken)]).await.assert_status(422).assert_see("A code has eight letters");
    }
    app.advance(Span::minutes(15));
    ada.post(PAGE, &[("user_code", &waiting.user_code)]).await.assert_status(422).assert_see("This code has expired");
    let fresh = app.ask_in("ada-laptop").await;
    for guess in 0..9 {
        let code = format!("BBBB-BBB{}", char::from(b"BCDFGHJKL"[guess]));
        let form = [("user_code", code.as_str()), ("org", "acme"), ("decision", "allow")];
        // A decision is a guess like any other.
        let form = if guess % 2 == 0 { &form[..1] } else { &form[..] };
        ada.post(PAGE, form).await.assert_status(422).assert_see("No device waits for this code");
    }
    let shut = ada.post(PAGE, &[("user_code", &fresh.user_code)]).await.assert_status(429).assert_see("Too many tries");
    assert!(shut.header("retry-after").is_some());
    // Nobody else is shut out by that.
    app.enter("ben").post(PAGE, &[("user_code", &fresh.user_code)]).await.assert_status(200);
    app.advance(Span::minutes(15));
    let fresh = app.ask_in("ada-laptop").await;
    for _ in 0..30 {
        // Looking at the right one, again and again, is no guessing.
        ada.post(PAGE, &[("user_code", &fresh.user_code)]).await.assert_status(200);
    }
}

#[actix_web::test]
async fn whoever_must_sign_in_first_comes_back_to_the_code() {
    let app = TestApp::new();
    let (nobody, waiting) = (app.visitor(), app.ask_in("ada-laptop").await);
    let place = format!("/sign-in?next=%2Fdevice%3Fuser%5Fcode%3D{}", waiting.user_code.replace('-', "%2D"));
    nobody.get(&format!("{PAGE}?user_code={}", waiting.user_code)).await.assert_goes_to(&place);
    nobody.post(PAGE, &[("user_code", &waiting.user_code)]).await.assert_goes_to(&place);
    let next = nobody.get(&place).await.field("next");
    let form = [("email", "ada@acme.example"), ("password", "correct horse battery ada"), ("next", &next)];
    let there = format!("/device?user_code={}", waiting.user_code);
    nobody.post("/sign-in", &form).await.assert_goes_to(&there);
    assert_eq!(nobody.get(&there).await.assert_status(200).field("user_code"), waiting.user_code);
}

#[actix_web::test]
async fn a_person_of_several_organizations_chooses_the_one_to_begin_in() {
    let app = TestApp::new();
    app.database.execute(
        "INSERT INTO memberships (org_id, user_id, role, joined_at) VALUES ('org_globex', 'usr_ada', 'builder', 1)",
    );
    let (ada, waiting) = (app.enter("ada"), app.ask_in("ada-laptop").await);
    ada.get("/orgs/globex/settings/api-keys").await.assert_status(200);
    let page = ada.post(PAGE, &[("user_code", &waiting.user_code)]).await.assert_status(200);
    assert_eq!(page.attribute("[name=org]", "value"), ["acme", "globex"]);
    assert_eq!(page.attribute("[name=org][checked]", "value"), ["globex"], "where they are now");
    let decide = |org| [("user_code", waiting.user_code.as_str()), ("org", org), ("decision", "allow")];
    for wrong in ["", "nowhere", "initech"] {
        let page = ada.post(PAGE, &decide(wrong)).await.assert_status(422);
        page.assert_see("Choose one of your organizations").assert_has("#device-form");
    }
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "authorization_pending");
    ada.post(PAGE, &decide("globex")).await.assert_status(303);
    let token = app.poll(&waiting.device_code).await.assert_status(200).json();
    let me = app.key(token["access_token"].as_str().unwrap()).get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(me["org"]["slug"], "globex");
}

#[actix_web::test]
async fn whoever_belongs_nowhere_is_told_so() {
    let app = TestApp::new();
    let (bea, waiting) = (app.enter("bea"), app.ask_in("bea-laptop").await);
    app.database.execute("DELETE FROM memberships WHERE user_id = 'usr_bea'");
    let page = bea.post(PAGE, &[("user_code", &waiting.user_code)]).await.assert_status(200);
    page.assert_see("You belong to no organization").assert_has_not("#allow").assert_has("#deny");
    let form = [("user_code", waiting.user_code.as_str()), ("org", "acme"), ("decision", "allow")];
    bea.post(PAGE, &form).await.assert_status(422);
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "authorization_pending");
}

#[actix_web::test]
async fn command_lines_stand_among_the_sessions_and_end_there() {
    let app = TestApp::new();
    let (ben, bea) = (app.enter("ben"), app.enter("bea"));
    let (first, second) = (app.db_command_line("ben"), app.db_command_line("ben"));
    app.key(&first).get("/v1/whoami").await.assert_status(200);
    let page = ben.get("/account/sessions").await.assert_status(200);
    let page =
        page.assert_see("Command line on ada-laptop").assert_see("last used Just now").assert_see("not used yet");
    let ids: Vec<String> =
        page.attribute("[name=end]", "value").into_iter().filter(|id| id.starts_with("clt_")).collect();
    assert_eq!(ids.len(), 2);
    bea.get("/account/sessions").await.assert_dont_see("ada-laptop");
    for id in &ids {
        bea.post("/account/sessions", &[("end", id)]).await.assert_status(404);
    }
    let used = app.database.lines("SELECT id AS line FROM cli_tokens WHERE last_used_at IS NOT NULL").remove(0);
    ben.post("/account/sessions", &[("end", &used)]).await.assert_goes_to("/account/sessions");
    ben.get("/account/sessions").await.assert_see("The command line is signed out.").assert_dont_see("last used");
    app.key(&first).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    ben.post("/account/sessions", &[("end", &used)]).await.assert_status(404);
    app.key(&second).get("/v1/whoami").await.assert_status(200);
    ben.post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    app.key(&second).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    ben.get("/account/sessions").await.assert_status(200).assert_dont_see("ada-laptop");
    ben.get("/account/security").await.assert_see("Ended a command line").assert_see("Signed in on the command line");
}

#[actix_web::test]
async fn a_changed_password_ends_command_lines_where_it_ends_sessions() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let token = app.db_command_line("ben");
    let change = |new, end_others| {
        [("current_password", "correct horse battery ben"), ("password", new), ("end_others", end_others)]
    };
    ben.post("/account/security", &change("correct horse battery ben", "")).await.assert_status(303);
    app.key(&token).get("/v1/whoami").await.assert_status(200);
    ben.post("/account/security", &change("correct horse battery ben 2", "1")).await.assert_status(303);
    app.key(&token).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_session_that_has_ended_meanwhile_lets_no_device_in() {
    let app = TestApp::new();
    let waiting = app.ask_in("ada-laptop").await;
    // As when somebody ends their other sessions between the look at the cookie and the deed.
    let (user, now) = ("usr_ada".into(), app.now());
    let (_, session) = app.db_begin_session(&user, now);
    app.enter("ada").post("/account/sessions", &[("end", "others")]).await.assert_status(303);
    let who = Who::Person { user, session };
    let decided = app.db_act("ada", |conn, ctx, _, org| {
        people::decide_device(conn, ctx, &who, &waiting.user_code, Decision::Allow(org))
    });
    assert!(matches!(decided, Err(AppError::SignIn)), "{decided:?}");
    assert_eq!(refusal(&app.poll(&waiting.device_code).await), "authorization_pending");
}
