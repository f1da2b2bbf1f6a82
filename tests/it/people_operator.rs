//! What the operator does from the command line, and what is cleared away by itself.

use keyrack::actions::password::{HashedPassword, Password};
use keyrack::actions::people::{self, NewPerson, NewPersonForm};
use keyrack::actions::{AppError, Ctx, Origin};
use keyrack::db::Conn;
use keyrack::domain::time::Span;

use crate::support::TestApp;
use crate::support::app::usual_rules;
use crate::support::cast::{email, password};

fn as_operator<T>(app: &TestApp, f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError>) -> Result<T, AppError> {
    let origin = Origin { via: "server", ..Origin::default() };
    app.database.run(|conn| f(conn, Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin }))
}

fn person(number: u32) -> (NewPerson, HashedPassword) {
    let address = format!("owner{number}@example.com");
    let form =
        NewPersonForm { email: &address, name: "Owner", password: "four words and a horse", organization: "Acme" };
    let person = people::read_new_person(&usual_rules().format, &form).unwrap();
    let hash = person.password.hash().unwrap();
    (person, hash)
}

#[actix_web::test]
async fn a_shut_account_loses_its_sessions_and_its_keys_at_once() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    as_operator(&app, |conn, ctx| people::disable_user(conn, ctx, "Ben@acme.example")).unwrap();
    ben.get("/orgs/acme/settings/api-keys").await.assert_status(303);
    app.key(&key.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    let form = [("email", email("ben")), ("password", password("ben"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    app.visitor().post("/sign-in", &form).await.assert_status(422);
    as_operator(&app, |conn, ctx| people::enable_user(conn, ctx, &email("ben"))).unwrap();
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    app.sign_in("ben").await;
}

#[actix_web::test]
async fn a_reset_password_replaces_the_old_one_and_ends_all_sessions() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    let (new, plain) = Password::random().unwrap();
    app.learn(&plain);
    let hash = new.hash().unwrap();
    as_operator(&app, |conn, ctx| people::reset_password(conn, ctx, &email("ben"), &hash)).unwrap();
    ben.get("/account/sessions").await.assert_status(303);
    let (address, old) = (email("ben"), password("ben"));
    app.visitor().post("/sign-in", &[("email", &address), ("password", &old)]).await.assert_status(422);
    app.visitor().post("/sign-in", &[("email", &address), ("password", &plain)]).await.assert_status(303);
    let unknown = as_operator(&app, |conn, ctx| people::reset_password(conn, ctx, "nobody@acme.example", &hash));
    assert!(unknown.unwrap_err().to_string().contains("nobody@acme.example"));
}

#[test]
fn of_many_unattended_first_starts_one_makes_the_owner() {
    let app = TestApp::empty();
    let people: Vec<_> = (0..8).map(person).collect();
    let state = &app.state;
    let made: usize = std::thread::scope(|threads| {
        let starts: Vec<_> = people
            .iter()
            .map(|(person, hash)| {
                threads.spawn(move || {
                    let origin = Origin { via: "server", ..Origin::default() };
                    let ctx = Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
                    let made: Result<_, AppError> =
                        state.db.run(|conn| people::create_owner(conn, ctx, person, hash, true));
                    usize::from(made.unwrap().is_some())
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM users"), 1);
}

#[test]
fn owners_made_at_once_get_organizations_of_different_addresses() {
    let app = TestApp::new();
    let people: Vec<_> = (0..6).map(person).collect();
    let state = &app.state;
    std::thread::scope(|threads| {
        for (person, hash) in &people {
            threads.spawn(move || {
                let origin = Origin { via: "server", ..Origin::default() };
                let ctx = Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
                let made: Result<_, AppError> =
                    state.db.run(|conn| people::create_owner(conn, ctx, person, hash, false));
                assert!(made.unwrap().is_some());
            });
        }
    });
    let mut slugs = app.database.lines("SELECT slug AS line FROM orgs WHERE slug LIKE 'acme%'");
    slugs.sort();
    assert_eq!(slugs, ["acme", "acme-2", "acme-3", "acme-4", "acme-5", "acme-6", "acme-7"]);
    let taken = as_operator(&app, |conn, ctx| people::create_owner(conn, ctx, &people[0].0, &people[0].1, false));
    assert!(matches!(taken, Err(AppError::Invalid(_))));
}

#[test]
fn plans_are_set_by_name_and_mistakes_are_named() {
    let app = TestApp::with(|setup| setup.rules.plans.push(crate::support::app::plan("pro", "Pro")));
    let set = |slug: &str, plan: &str| as_operator(&app, |conn, ctx| people::set_plan(conn, ctx, slug, plan));
    assert!(set("acme", "gold").unwrap_err().to_string().contains("standard, pro"));
    assert!(set("nowhere", "pro").unwrap_err().to_string().contains("nowhere"));
    assert_eq!(set("acme", "pro").unwrap().plan, "pro");
    set("acme", "pro").unwrap();
    let noted = "SELECT COUNT(*) AS n FROM audit_log WHERE chain = 'org_acme' AND action = 'organization.plan_changed'";
    assert_eq!(app.database.number(noted), 1);
}

#[test]
fn service_tokens_are_shown_once_listed_and_revoked() {
    let app = TestApp::new();
    let (record, token) = as_operator(&app, |conn, ctx| people::create_service_token(conn, ctx, "backend")).unwrap();
    app.learn(token.reveal());
    assert!(token.reveal().starts_with("krs_"));
    let revoke = || as_operator(&app, |conn, ctx| people::revoke_service_token(conn, ctx, &record.id));
    revoke().unwrap();
    assert!(matches!(revoke(), Err(AppError::NotFound)));
    let listed = as_operator(&app, |conn, _| people::list_service_tokens(conn)).unwrap();
    assert!(listed.len() == 1 && listed[0].revoked_at.is_some());
}

#[actix_web::test]
async fn dead_sessions_old_nonces_and_idle_throttles_are_cleared_away() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    ben.fill_in("/orgs", "/orgs", &[("organization", "Ben's")]).await.assert_status(303);
    app.visitor().post("/sign-in", &[("email", "nobody@acme.example"), ("password", "x")]).await.assert_status(422);
    let left = || {
        let count = |table: &str| app.database.number(&format!("SELECT COUNT(*) AS n FROM {table}"));
        (count("sessions"), count("done_once"), count("throttles"))
    };
    let before = left();
    as_operator(&app, people::clean_up).unwrap();
    // Ben's own pair has nothing counted any more: the one row that may go.
    assert_eq!((before, left()), ((1, 1, 5), (1, 1, 4)));
    app.advance(Span::days(4));
    as_operator(&app, people::clean_up).unwrap();
    assert_eq!(left(), (0, 0, 0));
}

#[actix_web::test]
async fn a_grace_that_ran_out_stays_over_when_the_clock_is_turned_back() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    let rotate = format!("/orgs/acme/settings/api-keys/{}/rotate", key.id);
    let page = ben.post(&rotate, &[("grace", "1h")]).await.assert_status(200);
    app.learn(&page.attribute("input[readonly]", "value")[0]);
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    app.advance(Span::hours(2));
    app.key(&key.secret).get("/v1/whoami").await.assert_status(401);
    as_operator(&app, people::clean_up).unwrap();
    app.advance_micros(-90 * 60 * 1_000_000);
    app.key(&key.secret).get("/v1/whoami").await.assert_status(401);
    app.advance(Span::hours(2));
}
