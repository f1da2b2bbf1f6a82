//! How people come in: the setup link, invitations, sign-up. Each link works for one of many, and never again.

use futures_util::future::join_all;
use keyrack::actions::{Ctx, Origin, people};
use keyrack::domain::time::Span;

use crate::support::TestApp;
use crate::support::actor::Visitor;
use crate::support::answer::Answer;

fn setup_link(app: &TestApp) -> String {
    let origin = Origin { via: "server", ..Origin::default() };
    let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    let token = app.database.run(|conn| people::make_setup_link(conn, ctx).unwrap());
    app.learn(token.reveal());
    token.reveal().to_owned()
}

fn first_person(token: &str) -> [(&str, &str); 5] {
    [
        ("token", token),
        ("name", "Olga"),
        ("email", "Olga@Example.com"),
        ("password", "four words and a horse"),
        ("organization", "Müller & Söhne"),
    ]
}

/// Invites by the page and gives the link's token.
async fn invite(app: &TestApp, who: &Visitor<'_>, email: &str, role: &str) -> String {
    let page = "/orgs/acme/settings/members/invite";
    let answer = who.fill_in(page, page, &[("email", email), ("role", role)]).await.assert_status(200);
    let token = answer.body.split("/join#").nth(1).expect("a link");
    let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
    app.learn(&token);
    token
}

async fn join(visitor: &Visitor<'_>, token: &str, name: &str, password: &str) -> Answer {
    visitor.post("/join", &[("token", token), ("step", "join"), ("name", name), ("password", password)]).await
}

#[actix_web::test]
async fn the_setup_link_makes_the_first_owner_and_then_the_page_is_gone() {
    let app = TestApp::empty();
    let token = setup_link(&app);
    let visitor = app.visitor();
    visitor.get("/sign-in").await.assert_status(200).assert_see("setup-link");
    visitor.get("/setup").await.assert_status(200);
    visitor.post("/setup", &first_person(&token)).await.assert_goes_to("/settings/api-keys");
    visitor.get("/settings/api-keys").await.assert_goes_to("/orgs/m-ller-s-hne/settings/api-keys");
    visitor.get("/orgs/m-ller-s-hne/settings/api-keys").await.assert_status(200);
    app.visitor().get("/setup").await.assert_status(404);
    app.visitor().post("/setup", &first_person(&token)).await.assert_status(404);
    let again = app.visitor();
    again
        .post("/sign-in", &[("email", "olga@example.com"), ("password", "four words and a horse")])
        .await
        .assert_status(303);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM profiles WHERE name = 'Default'"), 1);
}

#[actix_web::test]
async fn of_fifty_with_the_same_setup_link_one_becomes_the_owner() {
    let app = TestApp::empty();
    let token = setup_link(&app);
    let tries = (0..50).map(|number| {
        let (visitor, token) = (app.visitor(), token.clone());
        async move {
            let email = format!("person{number}@example.com");
            let mut form = first_person(&token);
            form[2].1 = &email;
            visitor.post("/setup", &form).await.status
        }
    });
    let mut statuses = join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 404, 422].contains(status)), "{statuses:?}");
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM users"), 1);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM orgs"), 1);
}

#[actix_web::test]
async fn a_setup_link_that_is_old_replaced_or_wrong_does_nothing() {
    let app = TestApp::empty();
    let replaced = setup_link(&app);
    let token = setup_link(&app);
    for wrong in [replaced.as_str(), "", "0000000000000000000000"] {
        let answer = app.visitor().post("/setup", &first_person(wrong)).await.assert_status(422);
        assert_eq!(answer.assert_see("keyrack admin setup-link").field("organization"), "Müller & Söhne");
    }
    app.advance(Span::minutes(60));
    app.visitor().post("/setup", &first_person(&token)).await.assert_status(422);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM users"), 0);
}

#[actix_web::test]
async fn an_invited_person_joins_although_sign_up_is_closed() {
    let app = TestApp::new();
    app.visitor().get("/sign-up").await.assert_status(404).assert_see("invitation");
    let ada = app.sign_in("ada").await;
    let token = invite(&app, &ada, "Nina@acme.example", "builder").await;
    ada.get("/orgs/acme/settings/members").await.assert_see("nina@acme.example");
    let nina = app.visitor();
    let page = nina.post("/join", &[("token", &token)]).await.assert_status(200);
    page.assert_see("Join Acme").assert_see("Ada").assert_has("input[name=name]");
    join(&nina, &token, "Nina", "short").await.assert_status(422).assert_see("Use at least 10 characters");
    join(&nina, &token, "Nina", "correct horse battery nina").await.assert_goes_to("/orgs/acme/settings/api-keys");
    nina.get("/orgs/acme/settings/members")
        .await
        .assert_status(200)
        .assert_see("Nina")
        .assert_dont_see("Open invitations");
    let late = app.visitor();
    join(&late, &token, "Mallory", "correct horse battery nina").await.assert_status(422);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM users WHERE email = 'nina@acme.example'"), 1);
}

#[actix_web::test]
async fn of_fifty_with_the_same_invitation_one_joins() {
    let app = TestApp::new();
    let token = invite(&app, &app.sign_in("olive").await, "nina@acme.example", "admin").await;
    let tries = (0..50).map(|number| {
        let (visitor, token) = (app.visitor(), token.clone());
        async move { join(&visitor, &token, &format!("Nina {number}"), "correct horse battery nina").await.status }
    });
    let statuses = join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    // Who comes when the account is there must know its password; of many at once one may have to wait.
    assert!(statuses.iter().all(|status| [303, 422, 429].contains(status)), "{statuses:?}");
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme'"), 5);
}

#[actix_web::test]
async fn somebody_with_an_account_joins_with_its_password_or_signed_in() {
    let app = TestApp::new();
    let olive = app.sign_in("olive").await;
    let token = invite(&app, &olive, "xavier@globex.example", "builder").await;
    let stranger = app.visitor();
    stranger.post("/join", &[("token", &token)]).await.assert_status(200).assert_has_not("input[name=name]");
    join(&stranger, &token, "", "wrong password here").await.assert_status(422);
    let bea = app.sign_in("bea").await;
    bea.post("/join", &[("token", &token), ("step", "join")]).await.assert_status(409).assert_see("another address");
    let xavier = app.sign_in("xavier").await;
    xavier.post("/join", &[("token", &token)]).await.assert_status(200).assert_has_not("input[name=password]");
    xavier.post("/join", &[("token", &token), ("step", "join")]).await.assert_status(303);
    xavier.get("/orgs/acme/settings/api-keys").await.assert_status(200);
    xavier.get("/orgs/globex/settings/api-keys").await.assert_status(200);
}

#[actix_web::test]
async fn an_invitation_ends_when_it_is_old_replaced_withdrawn_or_its_maker_may_no_longer_invite() {
    let app = TestApp::new();
    let (olive, ada) = (app.sign_in("olive").await, app.sign_in("ada").await);
    let works = |token: String| {
        let visitor = app.visitor();
        async move { visitor.post("/join", &[("token", &token)]).await.status == 200 }
    };
    let first = invite(&app, &ada, "nina@acme.example", "admin").await;
    assert!(works(first.clone()).await);
    let second = invite(&app, &ada, "nina@acme.example", "admin").await;
    assert!(!works(first).await && works(second.clone()).await);
    let page = ada.get("/orgs/acme/settings/members").await;
    let withdraw = page.attribute("form[action$=withdraw]", "action").remove(0);
    ada.post(&withdraw, &[]).await.assert_status(303);
    ada.post(&withdraw, &[]).await.assert_status(404);
    assert!(!works(second).await);
    let third = invite(&app, &ada, "nina@acme.example", "builder").await;
    olive.post("/orgs/acme/settings/members/usr_ada/role", &[("role", "builder")]).await.assert_status(303);
    assert!(!works(third.clone()).await, "a demoted person's invitation");
    olive.post("/orgs/acme/settings/members/usr_ada/role", &[("role", "admin")]).await.assert_status(303);
    assert!(works(third.clone()).await);
    app.advance(Span::hours(72));
    assert!(!works(third).await);
}

#[actix_web::test]
async fn inviting_follows_the_rules() {
    let app = TestApp::new();
    let page = "/orgs/acme/settings/members/invite";
    let (ada, ben) = (app.sign_in("ada").await, app.sign_in("ben").await);
    ben.get(page).await.assert_status(403);
    ben.post(page, &[("email", "a@b.example"), ("role", "builder")]).await.assert_status(403);
    app.sign_in("xavier").await.get(page).await.assert_status(404);
    app.visitor().post(page, &[("email", "a@b.example")]).await.assert_status(303);
    ada.post(page, &[("email", "a@b.example"), ("role", "owner")]).await.assert_status(403);
    let answer = ada.post(page, &[("email", "ben@acme.example"), ("role", "builder")]).await.assert_status(422);
    answer.assert_see("is a member of Acme already");
    ada.post(page, &[("email", "no address"), ("role", "king")]).await.assert_status(422).assert_see("Choose owner");
    let nonce = ada.get(page).await.field("nonce");
    let form = [("email", "a@b.example"), ("role", "builder"), ("nonce", nonce.as_str())];
    ada.post(page, &form).await.assert_status(200);
    ada.post(page, &form).await.assert_status(303);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM one_time_links"), 1);
}

#[actix_web::test]
async fn open_sign_up_founds_an_organization_of_ones_own() {
    let app = TestApp::with(|setup| setup.rules.sign_up_open = true);
    let form = [
        ("email", "new@acme.example"),
        ("name", "New"),
        ("password", "correct horse battery new"),
        ("organization", "Acme"),
        ("next", "//evil.example"),
    ];
    let visitor = app.visitor();
    visitor.post("/sign-up", &form).await.assert_goes_to("/settings/api-keys");
    visitor.get("/settings/api-keys").await.assert_goes_to("/orgs/acme-2/settings/api-keys");
    visitor.get("/orgs/acme/settings/api-keys").await.assert_status(404);
    app.visitor().post("/sign-up", &form).await.assert_status(422).assert_see("There is an account");
    for _ in 0..8 {
        app.visitor().post("/sign-up", &form).await.assert_status(422);
    }
    let answer = app.visitor().post("/sign-up", &form).await.assert_status(429);
    assert!(answer.header("retry-after").is_some());
}
