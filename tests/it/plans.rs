//! The page of plans: where one stands, the way to another plan, and what a smaller one means.

use keyrack::actions::events::{Wanted, lines_after};
use keyrack::actions::people::set_plan;
use keyrack::actions::{Ctx, Origin, Who};
use keyrack::domain::billing::reference::References;
use keyrack::domain::org::OnDowngrade;

use crate::support::TestApp;
use crate::support::app::{Setup, plan};
use crate::support::keys::{LIST, post_key};

const PLAN: &str = "/orgs/acme/settings/plan";

/// Starter without keys, Pro with two and a limit on everything, Agency with many; Acme is on Pro.
fn three_plans(setup: &mut Setup) {
    let mut starter = plan("starter", "Starter");
    starter.api_keys = false;
    starter.price_text = Some("Free".into());
    let mut pro = plan("pro", "Pro");
    pro.active_keys_max = Some(2);
    pro.creations_per_hour = Some(5);
    pro.requests_per_minute = Some(3);
    pro.price_text = Some("€19 a month".into());
    let mut agency = plan("agency", "Agency");
    agency.active_keys_max = Some(1000);
    agency.requests_per_minute = Some(60_000);
    agency.key_requests_per_minute = Some(600);
    setup.rules.plans = vec![starter, pro, agency];
    setup.rules.default_plan = "pro".into();
}

fn put(app: &TestApp, plan: &str) {
    let origin = Origin { via: "server", ..Origin::default() };
    let ctx = Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    app.database.run(|conn| set_plan(conn, ctx, "acme", plan).unwrap());
}

#[actix_web::test]
async fn the_page_names_plans_prices_and_limits_and_where_one_stands() {
    let app = TestApp::with(three_plans);
    let key = app.db_create_key("ben", "ci");
    for _ in 0..5 {
        app.key(&key.secret).get("/v1/whoami").await;
    }
    let page = app.enter("olive").get(PLAN).await.assert_status(200);
    let facts = |plan: &str| page.select(&format!("#plan-{plan}")).remove(0);
    for (plan, words) in [
        ("starter", &["Starter", "Free", "API keysNo"][..]),
        (
            "pro",
            &[
                "Pro your plan",
                "€19 a month",
                "API keysYes",
                "Active keys2",
                "New keys5 per hour",
                "Requests3 per minute",
            ],
        ),
        ("agency", &["Agency", "Active keys1,000", "Requests60,000 per minute", "Requests of one key600 per minute"]),
    ] {
        for word in words {
            assert!(facts(plan).contains(word), "{plan} has no {word:?}: {}", facts(plan));
        }
    }
    assert!(!facts("starter").contains("Active keys"));
    let meters = page.select(".meter");
    assert_eq!(meters[0], "1 of 2 active keys");
    assert!(meters[1].starts_with("4 of 5 creations left this hour, one more at "), "{meters:?}");
    assert!(meters[2].starts_with("0 of 3 requests left this minute, resets in "), "{meters:?}");
    assert_eq!(page.attribute(".meter svg", "aria-valuenow"), ["1", "1", "3"]);
    page.assert_see("2 requests were refused in the last 24 hours because they went over the limit.");
}

#[actix_web::test]
async fn owners_go_to_where_plans_are_sold_with_their_organization_named() {
    let app = TestApp::with(|setup| {
        three_plans(setup);
        setup.config.plans_url = Some("https://billing.example/change?from=app".into());
    });
    let page =
        app.enter("olive").get(PLAN).await.assert_status(200).assert_has_not("#ask").assert_has_not("#plan-pro a");
    let reference = References::from_session_key(&app.state.config.session_key).name(&"org_acme".into());
    let base = format!("https://billing.example/change?from=app&client_reference_id={reference}");
    assert_eq!(page.attribute("#change-plan", "href"), [base.as_str()]);
    assert_eq!(page.attribute("#plan-agency a", "href"), [format!("{base}&plan=agency")]);
    assert_eq!(page.select("#plan-agency a"), ["Upgrade to Agency"]);
    assert_eq!(page.select("#plan-starter a"), ["Change to Starter"]);
    assert!(page.select("main form").is_empty(), "nothing to ask for where it can be bought");
    for who in ["ada", "ben"] {
        let page = app.enter(who).get(PLAN).await.assert_status(200);
        assert!(!page.body.contains("billing.example"), "{who} does not buy");
        page.assert_see("Ask an owner: Olive. Only owners change the plan.").assert_has("#plan-agency form button");
    }
}

#[actix_web::test]
async fn members_ask_their_owners_who_see_it_until_it_is_answered() {
    let app = TestApp::with(three_plans);
    let (ben, bea, olive) = (app.enter("ben"), app.enter("bea"), app.enter("olive"));
    ben.post(PLAN, &[("plan", "agency")]).await.assert_goes_to(PLAN);
    let page = ben.get(PLAN).await.assert_see("You asked for the Agency plan. Owners see your request on this page.");
    page.assert_see("You asked for it").assert_has("#plan-starter form [name=plan]").assert_has_not("#requests-title");
    // Asking twice is asking once, and another plan takes the place of the first.
    ben.post(PLAN, &[("plan", "agency")]).await.assert_status(303);
    bea.post(PLAN, &[("plan", "starter")]).await.assert_status(303);
    bea.post(PLAN, &[("plan", "agency")]).await.assert_status(303);
    assert_eq!(app.count("plan_requests"), 2);
    assert_eq!(app.count("audit_log WHERE action = 'organization.plan_requested'"), 3);
    let page =
        olive.get(PLAN).await.assert_see("Ben asks for the Agency plan").assert_see("Bea asks for the Agency plan");
    page.assert_has("#request-usr_ben button");
    bea.get(PLAN).await.assert_dont_see("Ben asks");
    bea.post(PLAN, &[("withdraw", "usr_ben")]).await.assert_status(403);
    bea.post(PLAN, &[("withdraw", "mine")]).await.assert_goes_to(PLAN);
    bea.get(PLAN).await.assert_dont_see("You asked for it");
    olive.post(PLAN, &[("withdraw", "usr_ben")]).await.assert_goes_to(PLAN);
    assert_eq!(app.count("plan_requests"), 0);
    for (plan, words) in [("gold", "There is no such plan any more"), ("pro", "Pro is your plan already.")] {
        ben.post(PLAN, &[("plan", plan)]).await.assert_status(422).assert_see(words);
    }
    ben.post(PLAN, &[("plan", "agency")]).await.assert_status(303);
    put(&app, "agency");
    assert_eq!(app.count("plan_requests"), 0, "answered");
    let log = olive.get("/orgs/acme/settings/audit").await.assert_see("Asked for the plan Agency");
    log.assert_see("Took back the request for a plan of Ben");
}

#[actix_web::test]
async fn owners_ask_the_operator_where_plans_are_not_sold() {
    let app = TestApp::with(three_plans);
    let olive = app.enter("olive");
    olive.get(PLAN).await.assert_has("#plan-agency form").assert_see("Ask for a plan here");
    olive.post(PLAN, &[("plan", "agency")]).await.assert_goes_to(PLAN);
    olive
        .get(PLAN)
        .await
        .assert_see("The people who run this server see your request.")
        .assert_has_not("#requests-title");
    let all = app.database.run(|conn| keyrack::actions::plans::list_all_requests(conn).unwrap());
    let keyrack::actions::plans::OrgRequest { slug, org, current, request } = &all[0];
    assert_eq!((slug.as_str(), org.as_str(), current.as_str()), ("acme", "org_acme", "pro"));
    assert_eq!((request.plan.as_str(), request.email.as_str()), ("agency", "olive@acme.example"));
}

#[actix_web::test]
async fn who_leaves_asks_for_nothing_any_more() {
    let app = TestApp::with(three_plans);
    app.enter("bea").post(PLAN, &[("plan", "agency")]).await.assert_status(303);
    let removed = app.enter("olive").post("/orgs/acme/settings/members/usr_bea/remove", &[("keys", "revoke")]).await;
    removed.assert_status(303);
    assert_eq!(app.count("plan_requests"), 0);
}

#[actix_web::test]
async fn a_smaller_plan_keeps_the_keys_and_says_what_stops() {
    let app = TestApp::with(three_plans);
    put(&app, "agency");
    let keys: Vec<_> = ["one", "two", "three"].map(|name| app.db_create_key("ben", name)).into();
    let (ben, olive) = (app.enter("ben"), app.enter("olive"));
    let before = "Your 3 active keys would keep working, but no new one could be created until 2 are revoked.";
    let page = olive.get(PLAN).await.assert_has_not("#overrun").assert_see(before);
    page.assert_see("Your 3 active keys would keep working, but no new one could be created.");
    put(&app, "pro");
    let words = "3 keys are active, and the Pro plan has room for 2. All of them keep working. No new key can be created until 2 are revoked.";
    for page in [olive.get(PLAN).await, olive.get(LIST).await, ben.get(LIST).await] {
        page.assert_status(200).assert_has("#overrun").assert_see(words);
    }
    ben.get(LIST).await.assert_has("#overrun a[href='/orgs/acme/settings/plan']").assert_has("#new-key");
    for key in &keys {
        assert!(app.is_let_in(&key.secret).await);
    }
    ben.get(&format!("{LIST}/new"))
        .await
        .assert_see("This organization has 3 of 2 active keys. Revoke 2, or change the plan.");
    post_key(&ben, "four").await.assert_status(409);
    ben.post(&format!("{LIST}/{}/revoke", keys[0].id), &[("confirm_name", "one")]).await.assert_status(303);
    ben.get(LIST).await.assert_has_not("#overrun").assert_see("2 of 2 active keys");
    post_key(&ben, "four").await.assert_status(409);
    ben.post(&format!("{LIST}/{}/revoke", keys[1].id), &[("confirm_name", "two")]).await.assert_status(303);
    post_key(&ben, "four").await.assert_status(200);
}

#[actix_web::test]
async fn a_plan_without_keys_keeps_or_refuses_them_and_says_which() {
    for (on_downgrade, status, words) in [
        (OnDowngrade::Keep, 200, "Your active key keeps working, and can be revoked or rotated."),
        (OnDowngrade::Refuse, 403, "Your active key is refused until the plan has API keys again, and can be revoked."),
    ] {
        let app = TestApp::with(|setup| {
            three_plans(setup);
            setup.rules.on_downgrade = on_downgrade;
        });
        let key = app.db_create_key("ben", "ci");
        let ben = app.enter("ben");
        ben.get(LIST).await.assert_has_not("#overrun");
        put(&app, "starter");
        app.key(&key.secret).get("/v1/whoami").await.assert_status(status);
        // A stream that it began before goes on or ends with the next line.
        let who = Who::Key { id: key.id.as_str().into() };
        let lines =
            app.db_act("ben", |conn, ctx, _, org| lines_after(conn, ctx, (&who, org), &Wanted::default(), 0, 10));
        assert_eq!(lines.is_ok(), status == 200);
        for path in [PLAN, LIST] {
            ben.get(path).await.assert_has("#overrun").assert_see(words);
        }
        ben.post(&format!("{LIST}/{}/revoke", key.id), &[("confirm_name", "ci")]).await.assert_status(303);
        ben.get(LIST).await.assert_has_not("#overrun");
        app.key(&key.secret).get("/v1/whoami").await.assert_status(401);
    }
}
