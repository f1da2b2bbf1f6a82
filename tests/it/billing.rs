//! Events of billing: who is believed, and what comes of what is told, in whatever order and however often.

use hmac::{Hmac, KeyInit, Mac};
use keyrack::domain::billing::reference::References;
use keyrack::domain::org::OnDowngrade;
use keyrack::domain::time::Span;
use keyrack::domain::token::hex;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::TestApp;
use crate::support::answer::Answer;
use crate::support::app::{Request, plan};

const SECRET: &str = "whsec_test_secret_of_acme";
const OLDER_SECRET: &str = "whsec_the_secret_before";
const PATH: &str = "/v1/billing/stripe";

/// Starter without keys, which is what one begins with; Agency with five; Agency+ with fifty.
fn app_with(on_downgrade: OnDowngrade) -> TestApp {
    TestApp::with(|setup| {
        let mut starter = plan("starter", "Starter");
        starter.api_keys = false;
        let mut agency = plan("agency", "Agency");
        agency.active_keys_max = Some(5);
        agency.billing_prices = vec!["price_month".into(), "price_year".into()];
        let mut plus = plan("agency+", "Agency+");
        plus.billing_prices = vec!["prod_plus".into()];
        setup.rules.plans = vec![starter, agency, plus];
        setup.rules.default_plan = "starter".into();
        setup.rules.on_downgrade = on_downgrade;
        setup.config.billing_secrets = vec![SECRET.into(), OLDER_SECRET.into()];
    })
}

fn app() -> TestApp {
    app_with(OnDowngrade::Keep)
}

fn seconds(app: &TestApp) -> i64 {
    app.state.clock.now().as_micros() / 1_000_000
}

fn signature(secret: &str, at: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex(&mac.finalize().into_bytes()))
}

async fn send_signed(app: &TestApp, body: &str, signature: &str) -> Answer {
    let request = Request::new("POST", PATH).body("application/json; charset=utf-8", body.as_bytes().to_vec());
    app.send(request.header("Stripe-Signature", signature)).await
}

/// Sends an event as it should be sent; what came of it.
async fn tell(app: &TestApp, event: &Value) -> String {
    let body = event.to_string();
    let answer = send_signed(app, &body, &signature(SECRET, seconds(app), &body)).await.assert_status(200).json();
    assert_eq!(answer["received"], true);
    answer["outcome"].as_str().unwrap().to_owned()
}

fn event(id: &str, kind: &str, created: i64, object: Value) -> Value {
    json!({"id": id, "object": "event", "type": kind, "created": created, "livemode": false, "data": {"object": object}})
}

/// A subscription of Acme's.
fn subscription(id: &str, status: &str, price: &str) -> Value {
    json!({
        "id": id, "object": "subscription", "customer": "cus_1", "status": status, "metadata": {"keyrack_org": "org_acme"},
        "items": {"data": [{"price": {"id": price, "product": "prod_other"}}]},
    })
}

/// The same without a word on whose it is.
fn nobodys(id: &str) -> Value {
    let mut object = subscription(id, "active", "price_month");
    object["metadata"] = json!({});
    object
}

fn references(app: &TestApp) -> References {
    References::from_session_key(&app.state.config.session_key)
}

/// What our link to the organization carries.
fn reference(app: &TestApp, org: &str) -> String {
    references(app).name(&org.into())
}

const BOUGHT: &str = "checkout.session.completed";

/// A purchase through a link that carries this.
fn session(subscription: &str, reference: &str) -> Value {
    json!({
        "id": "cs_1", "object": "checkout.session", "subscription": subscription, "customer": "cus_1",
        "client_reference_id": reference,
    })
}

const CREATED: &str = "customer.subscription.created";
const UPDATED: &str = "customer.subscription.updated";
const DELETED: &str = "customer.subscription.deleted";

fn plan_of(app: &TestApp, slug: &str) -> String {
    app.database.lines(&format!("SELECT plan AS line FROM orgs WHERE slug = '{slug}'")).remove(0)
}

fn changes(app: &TestApp) -> Vec<String> {
    app.database.lines(
        "SELECT before || ' ' || after || ' ' || actor_name || ' ' || credential AS line FROM audit_log \
         WHERE action = 'organization.plan_changed' ORDER BY seq",
    )
}

#[actix_web::test]
async fn a_subscription_sets_the_plan_and_its_end_sets_the_default_one() {
    let app = app();
    let at = seconds(&app);
    assert_eq!(plan_of(&app, "acme"), "starter");
    assert_eq!(
        tell(&app, &event("evt_1", CREATED, at, subscription("sub_1", "active", "price_year"))).await,
        "plan_changed"
    );
    assert_eq!(plan_of(&app, "acme"), "agency");
    assert_eq!(plan_of(&app, "globex"), "starter", "nobody else's");
    assert_eq!(
        tell(&app, &event("evt_2", UPDATED, at + 1, subscription("sub_1", "past_due", "price_year"))).await,
        "no_change"
    );
    let mut plus = subscription("sub_1", "active", "price_of_plus");
    plus["items"]["data"][0]["price"]["product"] = json!("prod_plus");
    assert_eq!(tell(&app, &event("evt_3", UPDATED, at + 2, plus)).await, "plan_changed");
    assert_eq!(plan_of(&app, "acme"), "agency+");
    assert_eq!(
        tell(&app, &event("evt_4", DELETED, at + 3, subscription("sub_1", "canceled", "price_year"))).await,
        "plan_changed"
    );
    assert_eq!(plan_of(&app, "acme"), "starter");
    assert_eq!(
        changes(&app),
        [
            "{\"plan\":\"starter\"} {\"plan\":\"agency\"} Billing event evt_1",
            "{\"plan\":\"agency\"} {\"plan\":\"agency+\"} Billing event evt_3",
            "{\"plan\":\"agency+\"} {\"plan\":\"starter\"} Billing event evt_4",
        ]
    );
    let olive = app.enter("olive");
    olive.get("/orgs/acme/settings/audit").await.assert_see("Billing").assert_see("by event evt_4");
}

#[actix_web::test]
async fn the_check_follows_at_once() {
    let app = app_with(OnDowngrade::Refuse);
    let at = seconds(&app);
    tell(&app, &event("evt_1", CREATED, at, subscription("sub_1", "active", "price_month"))).await;
    let key = app.db_create_key("ben", "ci");
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
    tell(&app, &event("evt_2", DELETED, at + 1, subscription("sub_1", "canceled", "price_month"))).await;
    app.key(&key.secret).get("/v1/whoami").await.assert_problem(403, "PLAN_REQUIRED");
    tell(&app, &event("evt_3", CREATED, at + 2, subscription("sub_2", "trialing", "price_month"))).await;
    let who = app.key(&key.secret).get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(who["org"]["plan"], "agency");
}

#[actix_web::test]
async fn only_what_is_signed_now_with_our_secret_is_believed() {
    let app = app();
    let body = event("evt_1", CREATED, seconds(&app), subscription("sub_1", "active", "price_month")).to_string();
    let now = seconds(&app);
    let good = signature(SECRET, now, &body);
    let hex = good.split_once("v1=").unwrap().1;
    let before = app.database.dump();
    for bad in [
        String::new(),
        "v1=00".to_owned(),
        signature("whsec_of_somebody_else", now, &body),
        signature(SECRET, now, &body.replace("org_acme", "org_globex")),
        signature(SECRET, now - 301, &body),
        signature(SECRET, now + 310, &body),
        format!("t={},v1={hex}", now + 1),
        format!("t={now},v0={hex}"),
    ] {
        send_signed(&app, &body, &bad).await.assert_problem(400, "INVALID_REQUEST");
    }
    let unsigned = Request::new("POST", PATH).body("application/json", body.clone().into_bytes());
    app.send(unsigned).await.assert_problem(400, "INVALID_REQUEST");
    let twice = Request::new("POST", PATH).body("application/json", body.clone().into_bytes());
    let twice = twice.header("Stripe-Signature", &good).header("Stripe-Signature", &good);
    app.send(twice).await.assert_problem(400, "INVALID_REQUEST");
    let stale = send_signed(&app, &body, &signature(SECRET, now - 301, &body)).await;
    stale.assert_see("clock");
    let large = format!("{body}{}", " ".repeat(256 * 1024));
    send_signed(&app, &large, &signature(SECRET, now, &large)).await.assert_problem(413, "INVALID_REQUEST");
    for no_event in ["", "[]", "{\"id\": 7}"] {
        send_signed(&app, no_event, &signature(SECRET, now, no_event)).await.assert_problem(400, "INVALID_REQUEST");
    }
    assert!(app.database.dump() == before, "nothing of it was taken");
    send_signed(&app, &body, &signature(OLDER_SECRET, now, &body)).await.assert_status(200);
    assert_eq!(plan_of(&app, "acme"), "agency");
}

#[actix_web::test]
async fn one_of_several_signatures_is_enough_while_a_secret_changes() {
    let app = app();
    let body = event("evt_1", CREATED, seconds(&app), subscription("sub_1", "active", "price_month")).to_string();
    let now = seconds(&app);
    let theirs = signature("whsec_not_known_here_yet", now, &body);
    let ours = signature(SECRET, now, &body);
    let both = format!("{theirs},{}", ours.split_once(',').unwrap().1);
    send_signed(&app, &body, &both).await.assert_status(200);
    assert_eq!(plan_of(&app, "acme"), "agency");
}

#[actix_web::test]
async fn where_the_operator_set_no_secret_there_is_no_such_place() {
    let app = TestApp::new();
    let body = event("evt_1", "x", 1, json!({})).to_string();
    send_signed(&app, &body, &signature("", seconds(&app), &body)).await.assert_problem(404, "NOT_FOUND");
}

#[actix_web::test]
async fn an_event_is_taken_once_however_often_it_comes() {
    let app = app();
    let at = seconds(&app);
    let first = event("evt_1", CREATED, at, subscription("sub_1", "active", "price_month"));
    assert_eq!(tell(&app, &first).await, "plan_changed");
    assert_eq!(tell(&app, &first).await, "handled_before");
    tell(&app, &event("evt_2", DELETED, at + 5, subscription("sub_1", "canceled", "price_month"))).await;
    // Signed anew, days later, when its id may be forgotten: what it tells is outdated.
    app.advance(Span::days(60));
    let before = app.count("billing_events");
    let origin = keyrack::actions::Origin { via: "server", ..keyrack::actions::Origin::default() };
    let ctx = keyrack::actions::Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    app.database.run(|conn| keyrack::actions::people::clean_up(conn, ctx).unwrap());
    assert_eq!((before, app.count("billing_events")), (2, 0));
    assert_eq!(tell(&app, &first).await, "no_change");
    assert_eq!(plan_of(&app, "acme"), "starter");
    assert_eq!(changes(&app).len(), 2);
}

#[actix_web::test]
async fn what_comes_late_does_not_bring_an_older_plan_back() {
    let app = app();
    let at = seconds(&app);
    let created = event("evt_1", CREATED, at, subscription("sub_1", "active", "price_month"));
    let changed = event("evt_2", UPDATED, at, subscription("sub_1", "active", "price_other"));
    let ended = event("evt_3", DELETED, at + 9, subscription("sub_1", "canceled", "price_month"));
    // Within one second a creation comes before a change.
    assert_eq!(tell(&app, &changed).await, "no_change", "no plan has that price");
    assert_eq!(tell(&app, &created).await, "no_change");
    assert_eq!(plan_of(&app, "acme"), "starter");
    assert_eq!(tell(&app, &ended).await, "no_change");
    let late = event("evt_4", UPDATED, at + 8, subscription("sub_1", "active", "price_month"));
    assert_eq!(tell(&app, &late).await, "no_change");
    assert_eq!((plan_of(&app, "acme").as_str(), changes(&app).len()), ("starter", 0));
}

#[actix_web::test]
async fn of_several_subscriptions_the_greatest_counts_and_the_operators_word_holds_meanwhile() {
    let app = app();
    let at = seconds(&app);
    let mut plus = subscription("sub_2", "active", "x");
    plus["metadata"]["keyrack_plan"] = json!("agency+");
    tell(&app, &event("evt_1", CREATED, at + 1, plus)).await;
    assert_eq!(plan_of(&app, "acme"), "agency+");
    assert_eq!(
        tell(&app, &event("evt_2", CREATED, at + 2, subscription("sub_1", "active", "price_month"))).await,
        "no_change"
    );
    let over = event("evt_3", DELETED, at + 3, subscription("sub_2", "canceled", "x"));
    assert_eq!(tell(&app, &over).await, "plan_changed");
    assert_eq!(plan_of(&app, "acme"), "agency");
    // By hand, as `admin set-plan` does; billing tells of a new card only, and changes nothing.
    let origin = keyrack::actions::Origin { via: "server", ..keyrack::actions::Origin::default() };
    let ctx = keyrack::actions::Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    app.database.run(|conn| keyrack::actions::people::set_plan(conn, ctx, "acme", "agency+").unwrap());
    let card = event("evt_4", UPDATED, at + 4, subscription("sub_1", "active", "price_month"));
    assert_eq!((tell(&app, &card).await.as_str(), plan_of(&app, "acme").as_str()), ("no_change", "agency+"));
}

#[actix_web::test]
async fn a_purchase_by_our_link_tells_whose_it_is_before_or_after() {
    let app = app();
    let at = seconds(&app);
    let session = |id: &str, org: &str| session(id, &reference(&app, org));
    assert_eq!(tell(&app, &event("evt_1", CREATED, at, nobodys("sub_1"))).await, "waiting_for_organization");
    assert_eq!(tell(&app, &event("evt_2", BOUGHT, at, session("sub_1", "org_acme"))).await, "plan_changed");
    assert_eq!(plan_of(&app, "acme"), "agency");
    // The same customer's next one is known by the customer.
    assert_eq!(tell(&app, &event("evt_3", DELETED, at + 1, nobodys("sub_1"))).await, "plan_changed");
    assert_eq!(tell(&app, &event("evt_4", CREATED, at + 2, nobodys("sub_2"))).await, "plan_changed");
    // Whose it is it stays: the link's address is in the buyer's hands.
    assert_eq!(tell(&app, &event("evt_5", BOUGHT, at + 3, session("sub_2", "org_globex"))).await, "no_change");
    assert_eq!((plan_of(&app, "acme").as_str(), plan_of(&app, "globex").as_str()), ("agency", "starter"));
    // The purchase first, and an organization that there is not.
    let mut other = session("sub_3", "org_globex");
    other["customer"] = json!("cus_2");
    assert_eq!(tell(&app, &event("evt_6", BOUGHT, at + 4, other.clone())).await, "no_change");
    let mut third = nobodys("sub_3");
    third["customer"] = json!("cus_2");
    assert_eq!(tell(&app, &event("evt_7", CREATED, at + 4, third)).await, "plan_changed");
    assert_eq!(plan_of(&app, "globex"), "agency");
    other["subscription"] = json!("sub_4");
    other["customer"] = json!("cus_3");
    other["client_reference_id"] = json!(reference(&app, "org_nowhere"));
    assert_eq!(tell(&app, &event("evt_8", BOUGHT, at + 5, other)).await, "waiting_for_organization");
}

#[actix_web::test]
async fn a_buyer_who_edits_the_link_buys_for_nobody_else() {
    let app = app();
    let at = seconds(&app);
    // Set by hand: a purchase of the small plan in its name would take it away.
    let origin = keyrack::actions::Origin { via: "server", ..keyrack::actions::Origin::default() };
    let ctx = keyrack::actions::Ctx { rules: &app.state.rules, clock: &app.state.clock, origin: &origin };
    app.database.run(|conn| keyrack::actions::people::set_plan(conn, ctx, "globex", "agency+").unwrap());
    let ours = reference(&app, "org_acme");
    let edited = ours.replace("org_acme", "org_globex");
    for (number, forged) in ["org_globex", "org_globex-", &edited, &format!("{ours},org_globex")].iter().enumerate() {
        let id = format!("sub_{number}");
        let bought = event(&format!("evt_b{number}"), BOUGHT, at, session(&id, forged));
        assert_eq!(tell(&app, &bought).await, "waiting_for_organization", "{forged}");
        let created = event(&format!("evt_c{number}"), CREATED, at, nobodys(&id));
        assert_eq!(tell(&app, &created).await, "waiting_for_organization", "{forged}");
    }
    assert_eq!((plan_of(&app, "globex").as_str(), plan_of(&app, "acme").as_str()), ("agency+", "starter"));
    // What was bought is not lost: the operator says whose it is.
    let said = event("evt_s", UPDATED, at + 1, subscription("sub_0", "active", "price_month"));
    assert_eq!(tell(&app, &said).await, "plan_changed");
    assert_eq!((plan_of(&app, "globex").as_str(), plan_of(&app, "acme").as_str()), ("agency+", "agency"));
    // The operator's own program is believed by the organization's id, which no buyer can set.
    let mut by_program = session("sub_9", "org_globex");
    by_program["metadata"] = json!({"keyrack_org": "org_acme"});
    assert_eq!(tell(&app, &event("evt_p", BOUGHT, at + 2, by_program)).await, "no_change");
    let whose = "SELECT org_id AS line FROM billing_subscriptions WHERE id = 'sub_9'";
    assert_eq!(app.database.lines(whose), ["org_acme"]);
}

#[actix_web::test]
async fn what_is_none_of_ours_is_taken_and_changes_nothing() {
    let app = app();
    let at = seconds(&app);
    for (id, kind) in [("evt_1", "invoice.paid"), ("evt_2", "customer.created"), ("evt_3", "something.new")] {
        assert_eq!(tell(&app, &event(id, kind, at, json!({"id": "x"}))).await, "no_change");
    }
    let mut unknown = subscription("sub_1", "active", "price_of_a_mug");
    unknown["metadata"]["keyrack_plan"] = json!("gold");
    assert_eq!(tell(&app, &event("evt_4", CREATED, at, unknown)).await, "no_change");
    assert_eq!((plan_of(&app, "acme").as_str(), changes(&app).len()), ("starter", 0));
}

#[test]
fn told_by_many_at_once_it_is_done_once() {
    let app = app();
    let state = &app.state;
    let references = &references(&app);
    let at = seconds(&app);
    let told: Vec<keyrack::domain::billing::BillingEvent> = (0..24)
        .map(|number| {
            // Eight threads bring each of three events, of two subscriptions.
            let (id, object) = match number % 3 {
                0 => ("evt_1", event("evt_1", CREATED, at, subscription("sub_1", "active", "price_month"))),
                1 => ("evt_2", event("evt_2", UPDATED, at + 1, subscription("sub_1", "unpaid", "price_month"))),
                _ => ("evt_3", event("evt_3", CREATED, at + 2, subscription("sub_2", "active", "price_year"))),
            };
            let read = keyrack::domain::billing::read_event(object.to_string().as_bytes()).unwrap();
            assert_eq!(read.id, id);
            read
        })
        .collect();
    let outcomes: Vec<&str> = std::thread::scope(|threads| {
        let all: Vec<_> = told
            .iter()
            .map(|event| {
                threads.spawn(move || {
                    let origin = keyrack::actions::Origin { via: "billing", ..keyrack::actions::Origin::default() };
                    let ctx = keyrack::actions::Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
                    let taken: Result<_, keyrack::actions::AppError> =
                        state.db.run(|conn| keyrack::actions::plans::take_event(conn, ctx, references, event));
                    taken.unwrap().as_str()
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "handled_before").count(), 21, "{outcomes:?}");
    assert_eq!((plan_of(&app, "acme").as_str(), app.count("billing_events")), ("agency", 3));
    let lines = changes(&app);
    assert!(lines.len() % 2 == 1, "it went there, or there, back and there again: {lines:?}");
}
