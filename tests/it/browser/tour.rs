//! Every page and dialog, one after the other, in every state worth looking at. What is done at each stop is the caller's:
//! axe, or a picture.

use serde_json::json;

use super::driver::{Browser, Script};
use super::site::{Site, value};
use crate::api::service_token;
use crate::support::app::plan;
use crate::support::lived_in::LivedIn;

const LIST: &str = "/orgs/acme/settings/api-keys";

/// A site with a lived-in organization, and Olive signed in.
pub(crate) async fn olives_site() -> (Site, LivedIn, Browser) {
    let site = Site::start();
    let lived_in = site.app.live_in().await;
    // The longest name that a backend may give to a request.
    let asked = json!({"key": lived_in.in_use.secret, "request": {"request_id": "f0a1".repeat(16)}});
    site.app.key(&service_token(&site.app)).post("/v1/keys/verify", &asked).await.assert_status(200);
    site.app.state.gate.flush().unwrap();
    let browser = site.signed_in("olive", Script::On).await;
    (site, lived_in, browser)
}

/// The pages about keys.
pub(crate) async fn key_pages(keys: &LivedIn, browser: &Browser, mut look: impl AsyncFnMut(&Browser, &str)) {
    for (name, path) in [
        ("keys", LIST.to_owned()),
        ("keys-all", format!("{LIST}?all=1")),
        ("keys-no-match", format!("{LIST}?q=nothing-like-this")),
        ("key-new", format!("{LIST}/new")),
        ("key-in-use", format!("{LIST}/{}", keys.in_use.id)),
        ("key-rotating", format!("{LIST}/{}", keys.rotating.id)),
        ("key-unused", format!("{LIST}/{}", keys.unused.id)),
        ("key-revoked", format!("{LIST}/{}", keys.revoked.id)),
        ("key-rotation", format!("{LIST}/{}/rotation", keys.rotating.id)),
        ("key-rotate", format!("{LIST}/{}/rotate", keys.in_use.id)),
        ("key-rotate-not-mine", format!("{LIST}/{}/rotate", keys.unused.id)),
        ("key-rotate-finish", format!("{LIST}/{}/rotate/finish", keys.rotating.id)),
        ("key-rotate-again", format!("{LIST}/{}/rotate", keys.rotating.id)),
        ("key-pause", format!("{LIST}/{}/pause", keys.in_use.id)),
        ("key-resume-not-paused", format!("{LIST}/{}/resume", keys.in_use.id)),
        ("key-revoke-in-use", format!("{LIST}/{}/revoke", keys.in_use.id)),
        ("key-revoke-unused", format!("{LIST}/{}/revoke", keys.unused.id)),
        ("key-revoke-revoked", format!("{LIST}/{}/revoke", keys.revoked.id)),
        ("keys-revoke-many", format!("{LIST}/revoke?ids={}&ids={}", keys.in_use.id, keys.unused.id)),
    ] {
        browser.goto(&path).await;
        browser.find("main h1").await;
        look(browser, name).await;
    }
}

/// The dialogs over the list of keys.
pub(crate) async fn key_dialogs(
    site: &Site,
    keys: &LivedIn,
    browser: &Browser,
    mut look: impl AsyncFnMut(&Browser, &str),
) {
    browser.goto(LIST).await;
    browser.click("#new-key").await;
    browser.find("#dialog[open] #name").await;
    look(browser, "dialog-new").await;
    browser.js("document.querySelector('#dialog form').noValidate = true").await;
    browser.click("#create-submit").await;
    browser.find("#dialog #error-summary").await;
    look(browser, "dialog-new-mistake").await;
    browser.fill("#dialog #name", "Warehouse export").await;
    browser.click("#create-submit").await;
    site.app.learn(&value(&browser.find("#dialog #secret").await).await);
    look(browser, "dialog-reveal").await;
    browser.click("#copy").await;
    browser.wait_for_text("Copied").await;
    look(browser, "dialog-reveal-copied").await;
    for (name, what, id) in [
        ("dialog-rotate", "rotate", &keys.in_use.id),
        ("dialog-revoke-in-use", "revoke", &keys.in_use.id),
        ("dialog-revoke-unused", "revoke", &keys.unused.id),
    ] {
        browser.goto(LIST).await;
        browser.click(&format!("#{what}-{id}")).await;
        browser.find(&format!("#dialog[open] #{what}-form")).await;
        look(browser, name).await;
    }
    browser.goto(&format!("{LIST}/{}", keys.in_use.id)).await;
    browser.click("#revoke").await;
    browser.find("#dialog[open] #revoke-form").await;
    look(browser, "dialog-revoke-on-detail").await;
}

/// Everything else that Olive sees.
pub(crate) async fn other_pages(browser: &Browser, mut look: impl AsyncFnMut(&Browser, &str)) {
    let org = "/orgs/acme/settings";
    for (name, path) in [
        ("members", format!("{org}/members")),
        ("member-invite", format!("{org}/members/invite")),
        ("member-remove", format!("{org}/members/usr_bea/remove")),
        ("member-role", format!("{org}/members/usr_ben/role")),
        ("profiles", format!("{org}/profiles")),
        ("profile", format!("{org}/profiles/prof_acme")),
        ("organization", format!("{org}/organization")),
        ("organization-leave", format!("{org}/organization/leave")),
        ("plan", format!("{org}/plan")),
        ("notifications", format!("{org}/notifications")),
        ("leaks", format!("{org}/leaks")),
        ("audit", format!("{org}/audit")),
        ("audit-no-match", format!("{org}/audit?q=nothing-like-this")),
        ("logs", "/orgs/acme/logs".to_owned()),
        ("logs-live", "/orgs/acme/logs?live=1".to_owned()),
        ("logs-empty", "/orgs/acme/logs?status=5xx&since=1h".to_owned()),
        ("logs-mistake", "/orgs/acme/logs?status=nine".to_owned()),
        ("organizations", "/orgs".to_owned()),
        ("security", "/account/security".to_owned()),
        ("sessions", "/account/sessions".to_owned()),
        ("appearance", "/account/appearance".to_owned()),
        ("docs", "/docs".to_owned()),
        ("docs-configuration", "/docs/configuration".to_owned()),
        ("docs-cli", "/docs/cli".to_owned()),
        ("docs-proxies", "/docs/proxies".to_owned()),
        ("error-not-found", "/orgs/nowhere/settings/api-keys".to_owned()),
    ] {
        browser.goto(&path).await;
        browser.find("main h1").await;
        look(browser, name).await;
    }
    browser.goto(LIST).await;
    browser.click("header .menu > summary").await;
    look(browser, "menu-organizations").await;
}

/// Letting a command line in, and the list in which it stands then.
pub(crate) async fn devices(site: &Site, browser: &Browser, mut look: impl AsyncFnMut(&Browser, &str)) {
    let name = "olives-workstation-in-the-corner-of-the-office-upstairs";
    let waiting = site.app.ask_in(name).await;
    browser.goto(&format!("/device?user_code={}", waiting.user_code)).await;
    look(browser, "device").await;
    browser.fill("#user_code", "BCDF").await;
    browser.click("#code-submit").await;
    browser.find("#error-summary").await;
    look(browser, "device-mistake").await;
    browser.fill("#user_code", &waiting.user_code).await;
    browser.click("#code-submit").await;
    browser.find("#device-form").await;
    look(browser, "device-found").await;
    site.app.database.execute(
        "INSERT INTO memberships (org_id, user_id, role, joined_at) VALUES ('org_globex', 'usr_olive', 'builder', 1)",
    );
    browser.goto(&format!("/device?user_code={}", waiting.user_code)).await;
    browser.click("#code-submit").await;
    browser.find("#device-form [type=radio]").await;
    look(browser, "device-found-choice").await;
    browser.click("#allow").await;
    browser.wait_for_text("go back to your terminal").await;
    look(browser, "device-allowed").await;
    site.app.poll(&waiting.device_code).await.assert_status(200);
    browser.goto("/account/sessions").await;
    browser.wait_for_text(name).await;
    look(browser, "sessions-command-line").await;
}

/// A mistake in a webhook's address, its secret, its page with a delivery under way, and the questions about it.
pub(crate) async fn webhooks(site: &Site, browser: &Browser, mut look: impl AsyncFnMut(&Browser, &str)) {
    browser.goto("/orgs/acme/settings/notifications").await;
    browser.js("document.querySelector('#endpoint-form').noValidate = true").await;
    browser.click("#endpoint-submit").await;
    browser.find("#error-summary").await;
    look(browser, "notifications-mistake").await;
    browser.fill("#url", "https://hooks.acme.example/services/a-very-long-path-that-does-not-end/keys").await;
    browser.click("#endpoint-submit").await;
    site.app.learn(&value(&browser.find("#secret").await).await);
    look(browser, "webhook-secret").await;
    browser.click("#saved").await;
    browser.find("#test").await;
    look(browser, "webhook-new").await;
    browser.click("#test").await;
    browser.find("#log").await;
    look(browser, "webhook").await;
    let page = browser.js("return location.pathname").await.as_str().unwrap().to_owned();
    for (name, below) in [("webhook-rotate", "rotate"), ("webhook-remove", "remove")] {
        browser.goto(&format!("{page}/{below}")).await;
        browser.find("#confirm").await;
        look(browser, name).await;
    }
    browser.goto("/orgs/acme/settings/notifications").await;
    browser.find("main h1").await;
    look(browser, "notifications-webhook").await;
}

/// The dialogs about members, a form with a mistake on a page, and an invitation up to the other end of its link.
pub(crate) async fn invitations(site: &Site, browser: &Browser, mut look: impl AsyncFnMut(&Browser, &str)) {
    let members = "/orgs/acme/settings/members";
    browser.goto(members).await;
    browser.click("#remove-usr_bea").await;
    browser.find("#dialog[open] #panel-title").await;
    look(browser, "dialog-member-remove").await;
    browser.goto(members).await;
    browser.click("#invite").await;
    browser.fill("#dialog[open] #email", "nora").await;
    browser.js("document.querySelector('#invite-form').noValidate = true").await;
    browser.click("#invite-submit").await;
    browser.find("#dialog #error-summary").await;
    look(browser, "dialog-invite-mistake").await;
    browser.fill("#dialog #email", "nora@acme.example").await;
    browser.click("#invite-submit").await;
    let link = value(&browser.find("#dialog #secret").await).await;
    let (_, token) = link.split_once('#').expect("a token that no server sees");
    site.app.learn(token);
    look(browser, "dialog-invited").await;
    browser.click("#saved").await;
    browser.wait_gone("#dialog").await;
    browser.wait_for_text("nora@acme.example").await;
    assert!(!browser.everything_held().await.contains(token));
    look(browser, "members-with-invitation").await;

    let nora = site.browser(Script::On).await;
    nora.goto("/join").await;
    look(&nora, "join").await;
    nora.goto(&link).await;
    if nora.has("#token-submit").await {
        nora.click("#token-submit").await;
    }
    nora.find("#join-form").await;
    look(&nora, "join-invited").await;
    nora.fill("#name", "Nora").await;
    nora.fill("#password", "password1234").await;
    nora.click("#join-submit").await;
    nora.find("#error-summary").await;
    look(&nora, "join-mistake").await;
    nora.fill("#password", "correct horse battery nora").await;
    nora.click("#join-submit").await;
    nora.find("header.top").await;

    browser.goto("/account/security").await;
    browser.fill("#current_password", "not this one").await;
    browser.fill("#password", "correct horse battery olive two").await;
    browser.click("#password-submit").await;
    browser.find("#error-summary").await;
    look(browser, "security-mistake").await;
}

/// What is seen before signing in, by a builder, and where a plan sets limits.
pub(crate) async fn other_people(mut look: impl AsyncFnMut(&Browser, &str)) {
    let site = Site::start();
    let browser = site.browser(Script::On).await;
    browser.goto("/sign-in").await;
    look(&browser, "sign-in").await;
    browser.fill("#email", "ben@acme.example").await;
    browser.fill("#password", "not my password").await;
    browser.click("#sign-in-submit").await;
    browser.find("#error-summary").await;
    look(&browser, "sign-in-mistake").await;
    let ben = site.signed_in("ben", Script::On).await;
    ben.goto(LIST).await;
    look(&ben, "keys-empty").await;
    ben.goto("/orgs/acme/settings/audit").await;
    look(&ben, "error-forbidden").await;
    ben.goto("/orgs/acme/settings/members").await;
    look(&ben, "members-as-builder").await;

    let site = Site::start_with("127.0.0.1", "[sign_up]\nopen = true\n", |_| ());
    let browser = site.browser(Script::On).await;
    browser.goto("/sign-up").await;
    browser.find("#sign-up-form").await;
    look(&browser, "sign-up").await;
    site.app.database.execute("ALTER TABLE users RENAME TO users_away");
    browser.goto("/sign-in").await;
    browser.wait_for_text("our side").await;
    look(&browser, "error-internal").await;
    site.app.database.execute("ALTER TABLE users_away RENAME TO users");
    plans(&mut look).await;
    downgraded(look).await;
}

/// Where a plan has no keys, and where it has no more room.
async fn plans(look: &mut impl AsyncFnMut(&Browser, &str)) {
    let gated = "default_plan = \"pro\"\n[[plans]]\nid = \"pro\"\nname = \"Pro\"\napi_keys = false\nprice_text = \"$29 a month\"\n\
                 [[plans]]\nid = \"agency\"\nname = \"Agency\"\napi_keys = true\nactive_keys_max = 5\nprice_text = \"$99 a month\"\n";
    let site = Site::start_with("127.0.0.1", gated, |setup| {
        setup.rules.plans = vec![plan("pro", "Pro"), plan("agency", "Agency")];
        setup.rules.default_plan = "pro".into();
    });
    site.app.live_in().await;
    let olive = site.signed_in("olive", Script::On).await;
    for (name, path) in
        [("plan-gate", LIST), ("plan-gate-new", &format!("{LIST}/new")), ("plans", "/orgs/acme/settings/plan")]
    {
        olive.goto(path).await;
        look(&olive, name).await;
    }
    site.app.enter("ben").post("/orgs/acme/settings/plan", &[("plan", "agency")]).await.assert_status(303);
    olive.goto("/orgs/acme/settings/plan").await;
    olive.wait_for_text("Ben asks for").await;
    look(&olive, "plans-requested").await;
    let limited =
        "default_plan = \"one\"\n[[plans]]\nid = \"one\"\nname = \"One\"\napi_keys = true\nactive_keys_max = 1\n";
    let site = Site::start_with("127.0.0.1", limited, |setup| {
        setup.rules.plans = vec![plan("one", "One")];
        setup.rules.default_plan = "one".into();
    });
    site.app.db_create_key("ben", "The only one");
    let olive = site.signed_in("olive", Script::On).await;
    for (name, path) in [("keys-at-limit", LIST), ("key-new-at-limit", &format!("{LIST}/new"))] {
        olive.goto(path).await;
        look(&olive, name).await;
    }
}

/// First run, before there is anybody.
pub(crate) async fn first_run(mut look: impl AsyncFnMut(&Browser, &str)) {
    let site = Site::start_with("127.0.0.1", "", |setup| setup.seeded = false);
    let browser = site.browser(Script::On).await;
    browser.goto("/sign-in").await;
    look(&browser, "sign-in-first-run").await;
    let log = site.log();
    let link =
        log.split_whitespace().find(|word| word.contains("/setup#")).expect("no setup link in the log").to_owned();
    browser.goto(&link).await;
    browser.find("#setup-form").await;
    look(&browser, "setup").await;
}

/// More keys than the plan has room for, where plans are sold elsewhere.
async fn downgraded(mut look: impl AsyncFnMut(&Browser, &str)) {
    let toml = "default_plan = \"pro\"\n[brand]\nplans_url = \"https://billing.example/plans\"\n\
                [[plans]]\nid = \"starter\"\nname = \"Starter\"\napi_keys = false\nprice_text = \"Free\"\n\
                [[plans]]\nid = \"pro\"\nname = \"Pro\"\nactive_keys_max = 2\ncreations_per_hour = 5\nrequests_per_minute = 600\nprice_text = \"€19 a month\"\n\
                [[plans]]\nid = \"agency\"\nname = \"Agency\"\nactive_keys_max = 50\nrequests_per_minute = 6000\nprice_text = \"€79 a month\"\n";
    let site = Site::start_with("127.0.0.1", toml, |setup| {
        setup.rules.plans = vec![plan("pro", "Pro"), plan("agency", "Agency")];
        setup.rules.default_plan = "pro".into();
    });
    for name in ["CI/CD pipeline", "Deploy script", "Warehouse export"] {
        site.app.db_create_key("olive", name);
    }
    let olive = site.signed_in("olive", Script::On).await;
    let ben = site.signed_in("ben", Script::On).await;
    for (name, path) in [("keys-overrun", LIST), ("plan-overrun", "/orgs/acme/settings/plan")] {
        olive.goto(path).await;
        olive.find("#overrun").await;
        look(&olive, name).await;
    }
    ben.goto("/orgs/acme/settings/plan").await;
    ben.click("#plan-agency form button").await;
    ben.wait_for_text("You asked for the Agency plan").await;
    look(&ben, "plan-as-builder").await;
}
