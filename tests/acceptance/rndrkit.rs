//! RndrKit: keys are part of the larger plans, five per account.

use std::collections::BTreeSet;

use serde_json::json;

use crate::browser::{close_reveal, follow_sidebar, revoke_in, row, table_head, value};
use crate::person::Key;
use crate::product::{Product, eventually};
use crate::shell::Shell;
use crate::support::receiver::Receiver;
use crate::support::smtp::{Message, Smtp};
use crate::terminal::Machine;
use crate::upstream::{Upstream, sample};
use crate::wire::Request;

const KEYS: &str = "/orgs/acme/settings/api-keys";
const DAY: i64 = 24 * 3600;

fn with_api_key(path: &str, header: &str, secret: &str) -> Request {
    Request::new("GET", path).header(header, secret)
}

#[test]
fn r01_scripts_authenticate_with_an_api_key() {
    let product = Product::start("rndrkit");
    let key = product.person("ben").create("Deployment Script");
    let who = product.ask(with_api_key("/v1/whoami", "X-Api-Key", &key.secret)).assert_status(200).json();
    assert_eq!(who["credential"], json!({"kind": "api_key", "id": key.id, "name": "Deployment Script"}));
    assert_eq!((&who["user"]["email"], &who["org"]["slug"]), (&json!("ben@acme.example"), &json!("acme")));
    product.ask(Request::new("GET", "/v1/whoami")).assert_problem(401, "UNAUTHORIZED");
    product.ask(with_api_key("/v1/whoami", "X-Api-Key", "YOUR_API_KEY")).assert_problem(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn r02_keys_are_for_the_agency_plan_and_above() {
    let product = Product::on("rndrkit").plan("starter").start();
    let browser = product.browser_of("olive").await;
    browser.goto(KEYS).await;
    browser.wait_for_text("API keys are part of the Agency and Agency+ plans. You're on Starter.").await;
    assert!(!browser.has("#new-key").await);
    set_plan(&product, "agency");
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "First").await;
    assert_eq!(product.call(&key.secret), 200);
}

#[actix_web::test]
async fn r03_the_way_leads_from_the_sidebar_to_create_api_key() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ada").await;
    browser.goto("/account/security").await;
    follow_sidebar(&browser, "API keys").await;
    let button = browser.find("#new-key").await;
    assert_eq!(button.text().await.unwrap().trim(), "Create API key");
    assert!(browser.url().await.ends_with(KEYS));
    button.click().await.unwrap();
    browser.find("#dialog[open] #create-form").await;
    assert_eq!(browser.find("#dialog #panel-title").await.text().await.unwrap(), "Create API key");
}

#[actix_web::test]
async fn r04_a_key_gets_a_descriptive_name_and_is_created() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ada").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "CI/CD Pipeline").await;
    browser.wait_for_text("CI/CD Pipeline").await;
    close_reveal(&browser).await;
    assert!(row(&browser, &key).await.starts_with("CI/CD Pipeline"));
    let who = product.get("/v1/whoami", &key.secret).assert_status(200).json();
    assert_eq!(who["credential"]["name"], "CI/CD Pipeline");
}

#[actix_web::test]
async fn r05_the_key_is_displayed_once_with_copy_and_a_warning() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ada").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Once").await;
    browser.wait_for_text("You won't be able to see it again").await;
    browser.click("#copy").await;
    browser.wait_for_text("Copied").await;
    close_reveal(&browser).await;
    for path in [KEYS.to_owned(), format!("{KEYS}/{}", key.id), "/orgs/acme/settings/audit".to_owned()] {
        browser.goto(&path).await;
        let held = browser.everything_held().await;
        assert!(!held.contains(&key.secret[16..]), "{path} holds the secret");
    }
    browser.goto("about:blank").await;
    browser.js("document.body.innerHTML = '<textarea id=here></textarea>'").await;
    let here = browser.find("#here").await;
    here.send_keys(thirtyfour::Key::Control + "v").await.unwrap();
    assert_eq!(value(&here).await, key.secret);
}

#[test]
fn r06_the_format_is_rk_live_and_32_characters() {
    let product = Product::start("rndrkit");
    let ada = product.person("ada");
    let mut seen = BTreeSet::new();
    for name in ["one", "two", "three", "four", "five"] {
        let key = ada.create(name);
        let rest = key.secret.strip_prefix("rk_live_").unwrap();
        assert!(rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        assert_eq!(key.id, rest[..8]);
        assert!(seen.insert(rest.to_owned()));
    }
}

#[test]
fn r07_x_api_key_in_any_case_and_one_credential_only() {
    let product = Product::start("rndrkit");
    let key = product.person("ben").create("ci");
    let (shell, url) = (Shell::plain(), format!("{}/v1/whoami", product.url));
    let status = |headers: &str| {
        shell.paste(&format!("curl -o /dev/null -w '%{{http_code}}' {headers} {url}")).assert_ok().stdout
    };
    for name in ["X-Api-Key", "x-api-key", "X-API-KEY", "X-API-Key"] {
        assert_eq!(status(&format!("-H '{name}: {}'", key.secret)), "200", "{name}");
    }
    assert_eq!(status(&format!("-H 'X-Api-Key: {}x'", key.secret)), "401");
    assert_eq!(status("-H 'X-Api-Key;'"), "401");
    let twice = format!("-H 'X-Api-Key: {0}' -H 'Authorization: Bearer {0}'", key.secret);
    assert_eq!(status(&twice), "400");
}

#[test]
fn r08_the_pages_curl_works_as_pasted() {
    let product = Product::start("rndrkit");
    let upstream = Upstream::start(&product);
    let key = product.person("ben").create("pasted");
    let shell = upstream.shell();
    let who = shell.paste(&sample("rndrkit.sh", "YOUR_API_KEY", &key.secret)).assert_ok().json();
    assert_eq!(who["key_id"], json!(key.id));
    assert_eq!((&who["org"], &who["user"], &who["role"]), (&json!("org_acme"), &json!("usr_ben"), &json!("builder")));
    // Left as it stands on the page, it is a 401.
    let refused = shell.paste(&sample("rndrkit.sh", "YOUR_API_KEY", "YOUR_API_KEY")).assert_ok();
    assert_eq!(refused.json()["code"], "UNAUTHORIZED");
}

#[actix_web::test]
async fn r09_the_list_shows_name_created_last_used_and_masked_prefix() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let (used, unused, gone) = {
        let ben = product.person("ben");
        (ben.create("Used"), ben.create("Unused"), ben.create("Gone"))
    };
    assert_eq!(product.call(&used.secret), 200);
    product.person("ben").revoke(&gone);
    product.wait_until_used(&used.id);
    browser.goto(KEYS).await;
    let head = table_head(&browser).await;
    for column in ["Name", "Key", "Created", "Last used"] {
        assert!(head.iter().any(|text| text == column), "{column} is not in {head:?}");
    }
    let (used_row, unused_row) = (row(&browser, &used).await, row(&browser, &unused).await);
    let masked = format!("rk_live_{}••••••••", &used.id[..5]);
    assert!(used_row.contains("Used") && used_row.contains(&masked), "{used_row}");
    assert!(!used_row.contains("Never used") && unused_row.contains("Never used"), "{used_row}\n{unused_row}");
    let times = "return [...document.querySelectorAll('#rows td.created time')].map(t => t.dateTime.slice(0, 10))";
    let today = keyrack::clock::Clock::system().now().iso_day();
    assert_eq!(browser.js(times).await, json!([today, today]));
    assert!(!browser.has(&format!("#key-{}", gone.id)).await, "a revoked key is no active one");
}

#[actix_web::test]
async fn r10_revoking_asks_and_cancelling_changes_nothing() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Old script").await;
    close_reveal(&browser).await;
    browser.click(&format!("#revoke-{}", key.id)).await;
    browser.wait_for_text("Revoke “Old script”?").await;
    browser.click("#dialog [data-close]").await;
    browser.wait_gone("#dialog").await;
    assert_eq!(product.call(&key.secret), 200);
    // It was used a moment ago: now its name is asked for, and without it nothing happens.
    product.wait_until_used(&key.id);
    browser.goto(KEYS).await;
    browser.click(&format!("#revoke-{}", key.id)).await;
    browser.click("#revoke-submit").await;
    browser.find("#dialog[open] #error-summary").await;
    assert_eq!(product.call(&key.secret), 200);
    browser.fill("#confirm_name", "Old script").await;
    browser.click("#revoke-submit").await;
    browser.wait_gone(&format!("#key-{}", key.id)).await;
    browser.wait_for_text("Revoked “Old script”").await;
    assert_eq!(product.call(&key.secret), 401);
}

#[actix_web::test]
async fn r11_a_revoked_key_gets_401_at_once() {
    let product = Product::start("rndrkit");
    let upstream = Upstream::start(&product);
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Compromised").await;
    close_reveal(&browser).await;
    let shell = upstream.shell();
    let script = sample("rndrkit.sh", "YOUR_API_KEY", &key.secret) + " -w '%{http_code}' -o /dev/null";
    let script = script.replace("\"\n -w", "\" -w");
    assert_eq!(shell.paste(&script).assert_ok().stdout, "200");
    product.wait_until_used(&key.id);
    browser.goto(KEYS).await;
    revoke_in(&browser, &key).await;
    assert_eq!(shell.paste(&script).assert_ok().stdout, "401");
    product.ask(with_api_key("/v1/whoami", "X-Api-Key", &key.secret)).assert_problem(401, "UNAUTHORIZED");
}

#[test]
fn r12_five_active_keys_exactly_under_concurrent_creates() {
    let product = Product::start("rndrkit");
    let people = ["olive", "ada", "ben", "bea"].map(|who| product.person(who));
    let forms: Vec<_> = (0..20)
        .map(|number| {
            let person = &people[number % 4];
            (person, person.get(&format!("{KEYS}/new")).field("nonce"), format!("racer {number}"))
        })
        .collect();
    let address = product.address.clone();
    let requests =
        forms.iter().map(|(person, nonce, name)| person.post_later(KEYS, &[("nonce", nonce), ("name", name)]));
    let racers: Vec<_> = requests
        .map(|request| {
            let address = address.clone();
            std::thread::spawn(move || request.to(&address))
        })
        .collect();
    let answers: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    let made: Vec<Key> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| people[0].revealed(answer, "racer"))
        .collect();
    assert_eq!(made.len(), 5, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 409, "{}", answer.text());
    }
    assert!(made.iter().all(|key| product.call(&key.secret) == 200));
    // Rotating needs no room; revoking makes some, for exactly one.
    people[0].get(KEYS).assert_see("5 of 5 active keys");
    let maker = of_key(&product, &made[0], "owner_id");
    product.person(maker.strip_prefix("usr_").unwrap()).rotate(&made[0], "24h");
    let name = of_key(&product, &made[1], "name");
    people[0].post(&format!("{KEYS}/{}/revoke", made[1].id), &[("confirm_name", &name)]).assert_status(303);
    people[0].create("room");
    assert_eq!(people[0].try_create(&[("name", "no room")]).status, 409);
    let active = product.database.number("SELECT COUNT(*) AS n FROM api_keys WHERE revoked_at IS NULL");
    assert_eq!(active, 5);
}

fn of_key(product: &Product, key: &Key, column: &str) -> String {
    let found = product.database.lines(&format!("SELECT {column} AS line FROM api_keys WHERE id = '{}'", key.id));
    found.into_iter().next().unwrap()
}

#[test]
fn r13_keys_share_their_accounts_rate_limit() {
    let product = Product::start("rndrkit");
    let (one, two) = (product.person("ben").create("one"), product.person("bea").create("two"));
    let other = product.person("xavier").create("of another account");
    let first = product.get("/v1/auth", &one.secret).assert_status(200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"account\";q=300;w=60"));
    let mut refused = 0;
    for number in 0..310 {
        let key = if number % 2 == 0 { &one } else { &two };
        refused += u32::from(product.get("/v1/auth", &key.secret).status == 429);
    }
    assert!((1..=11).contains(&refused), "{refused} of 311 requests were refused");
    for key in [&one, &two] {
        // There is room for one more every 200 ms, and one of these moments may be just now.
        let answers = [(); 2].map(|()| product.get("/v1/auth", &key.secret));
        let limited = answers.into_iter().find(|answer| answer.status == 429).unwrap();
        let limited = limited.assert_problem(429, "RATE_LIMITED");
        let wait: u32 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    product.get("/v1/auth", &other.secret).assert_status(200);
}

#[test]
fn r14_a_key_does_not_expire_unless_asked_to() {
    let product = Product::on("rndrkit").with_moved_clock().start();
    let ben = product.person("ben");
    let (lasting, passing) = (ben.create("lasting"), ben.create_with(&[("name", "passing"), ("expires", "30d")]));
    let begin = product.time();
    product.set_time(product.just_before(begin + 30 * DAY));
    assert_eq!((product.call(&lasting.secret), product.call(&passing.secret)), (200, 200));
    product.set_time(begin + 30 * DAY);
    assert_eq!((product.call(&lasting.secret), product.call(&passing.secret)), (200, 401));
    product.set_time(begin + 10 * 366 * DAY);
    assert_eq!(product.call(&lasting.secret), 200);
    let page = product.person("ben").get(&format!("{KEYS}/{}", lasting.id)).assert_see("older than a year");
    page.assert_see("ExpiresNever");
}

#[actix_web::test]
async fn r15_after_creation_it_says_where_keys_belong() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Staging").await;
    browser.click("label[for=sample-env]").await;
    let line = browser.find("#code-env").await.text().await.unwrap();
    assert_eq!(line, format!("RNDRKIT_API_KEY={}", key.secret));
    browser.click("#dialog details.advice summary").await;
    let advice = browser.find("#dialog details.advice ol").await.text().await.unwrap();
    assert!(
        advice.contains("environment as RNDRKIT_API_KEY") && advice.contains("Never into the repository"),
        "{advice}"
    );
    assert!(browser.text().await.contains("If you lose it, rotate the key."));
}

#[test]
fn r16_revoking_one_key_never_touches_another() {
    let product = Product::start("rndrkit");
    let ben = product.person("ben");
    let keys = ["staging", "production", "CI/CD"].map(|name| ben.create(name));
    let other = product.person("xavier").create("staging");
    ben.revoke(&keys[1]);
    let calls = keys.each_ref().map(|key| product.call(&key.secret));
    assert_eq!((calls, product.call(&other.secret)), ([200, 401, 200], 200));
    ben.revoke(&keys[0]);
    assert_eq!((product.call(&keys[2].secret), product.call(&other.secret)), (200, 200));
    let rows = ben.get(KEYS).select("#rows tr th .name");
    assert_eq!(rows, ["CI/CD"]);
}

#[actix_web::test]
async fn r17_rotating_by_hand_is_possible() {
    let product = Product::start("rndrkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let old = product.create_in(&browser, "Script, spring").await;
    close_reveal(&browser).await;
    assert_eq!(product.call(&old.secret), 200);
    let new = product.create_in(&browser, "Script, autumn").await;
    close_reveal(&browser).await;
    assert_eq!((product.call(&old.secret), product.call(&new.secret)), (200, 200));
    product.wait_until_used(&old.id);
    browser.goto(KEYS).await;
    revoke_in(&browser, &old).await;
    assert_eq!((product.call(&old.secret), product.call(&new.secret)), (401, 200));
}

#[actix_web::test]
async fn r18_unused_keys_can_be_found_and_revoked() {
    let product = Product::on("rndrkit").with_moved_clock().start();
    let (unused, used) = {
        let ben = product.person("ben");
        (ben.create("Forgotten"), ben.create("Busy"))
    };
    product.set_time(product.time() + 40 * DAY);
    assert_eq!(product.call(&used.secret), 200);
    product.wait_until_used(&used.id);
    let browser = product.browser_of("ben").await;
    browser.goto(&format!("{KEYS}?sort=last_used")).await;
    let forgotten = row(&browser, &unused).await;
    assert!(forgotten.contains("Unused 30+ days") && forgotten.contains("Never used"), "{forgotten}");
    assert!(!row(&browser, &used).await.contains("nused"));
    let first = "return document.querySelector('#rows tr').id";
    assert_eq!(browser.js(first).await, json!(format!("key-{}", unused.id)));
    browser.click(&format!("#revoke-{}", unused.id)).await;
    browser.wait_for_text("Revoke “Forgotten”?").await;
    assert!(!browser.has("#confirm_name").await, "an unused key needs no typing");
    browser.click("#revoke-submit").await;
    browser.wait_gone(&format!("#key-{}", unused.id)).await;
    assert_eq!((product.call(&unused.secret), product.call(&used.secret)), (401, 200));
}

#[actix_web::test]
async fn r19_starter_and_pro_see_an_upgrade_panel_and_no_create() {
    let product = Product::start("rndrkit");
    let key = product.person("olive").create("made on Agency");
    let machine = Machine::new(&product);
    machine.sign_in("olive");
    let create = |name: &str| machine.run(&["api-key", "create", "--name", name]);
    let browser = product.browser_of("olive").await;
    for (plan, name) in [("starter", "Starter"), ("pro", "Pro")] {
        set_plan(&product, plan);
        browser.goto(KEYS).await;
        let panel = browser.find("section.gate").await.text().await.unwrap();
        assert!(panel.contains(&format!("You're on {name}.")) && panel.contains("Up to 5 active API keys"), "{panel}");
        assert!(!browser.has("#new-key").await && browser.has(&format!("#key-{}", key.id)).await);
        product.person("ben").get(KEYS).assert_see("Ask an owner: Olive").assert_has_not("#new-key");
        assert_eq!(product.person("ada").try_create(&[("name", "anyway")]).status, 403);
        let told = machine.run(&["api-key", "create", "--name", "anyway", "--json"]);
        assert!(told.code == 5 && format!("{told:?}").contains("PLAN_REQUIRED"), "{told:?}");
        assert!(create("anyway").stderr.contains("plan"), "people are told by words");
        // Ruling 14: what was made before goes on working, and can be revoked.
        assert_eq!(product.call(&key.secret), 200);
    }
    for plan in ["agency", "agency_plus"] {
        set_plan(&product, plan);
        browser.goto(KEYS).await;
        browser.find("#new-key").await;
        assert!(!browser.has("section.gate").await);
        let secret = create(plan).assert_ok().stdout;
        product.learn(secret.trim_end());
        assert_eq!(product.call(secret.trim_end()), 200);
    }
}

#[actix_web::test]
async fn r20_the_links_to_plans_lead_somewhere_real() {
    let product = Product::on("rndrkit").plan("pro").start();
    let browser = product.browser_of("olive").await;
    browser.goto(KEYS).await;
    browser.click("section.gate a.button").await;
    browser.wait_for_text("Agency+").await;
    assert!(browser.url().await.ends_with("/orgs/acme/settings/plan"), "{}", browser.where_we_are().await);
    let page = browser.text().await;
    for text in ["Starter", "Pro", "Agency", "Active keys", "300 per minute", "1,200 per minute"] {
        assert!(page.contains(text), "{text} is not on the page\n{page}");
    }
    // And upgrading: asked for here, given by the operator, and the keys are there.
    browser.click("#plan-agency form.plan-act button").await;
    browser.find("#plan-agency .plan-act").await;
    browser.wait_for_text("You asked for it").await;
    set_plan(&product, "agency");
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "After the upgrade").await;
    assert_eq!(product.call(&key.secret), 200);
}

/// As the operator does it, while the server runs.
fn set_plan(product: &Product, plan: &str) {
    let done = product.command(&["admin", "set-plan", "acme", plan]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[actix_web::test]
async fn r21_notifications_are_chosen_on_a_page_and_arrive() {
    let (inbox, receiver) = (Smtp::start(), Receiver::start());
    let product = Product::on("rndrkit")
        .set("KEYRACK_SMTP_HOST", "127.0.0.1")
        .set("KEYRACK_SMTP_PORT", &inbox.port.to_string())
        .set("KEYRACK_SMTP_TLS", "none")
        .set("KEYRACK_SMTP_FROM", "alerts@rndrkit.example")
        .set("KEYRACK_ALERTS_DIGEST", "0s")
        .set("KEYRACK_ALERTS_PRIVATE_WEBHOOKS", "true")
        .start();
    let browser = product.browser_of("ada").await;
    browser.goto(KEYS).await;
    follow_sidebar(&browser, "Notifications").await;
    browser.find("#endpoint-form").await;
    browser.fill("#endpoint-form #url", &receiver.url()).await;
    browser.click("#endpoint-submit").await;
    let signing = value(&browser.find("#secret").await).await;
    browser.click("#saved").await;
    browser.goto("/orgs/acme/settings/notifications").await;
    for (switch, wanted) in [("created.email_all", true), ("revoked.email_all", false), ("revoked.webhook", true)] {
        let switch = browser.find(&format!("[id='on-{switch}']")).await;
        if switch.is_selected().await.unwrap() != wanted {
            switch.scroll_into_view().await.unwrap();
            switch.click().await.unwrap();
        }
    }
    browser.click("#alerts-submit").await;
    browser.wait_for_text("The alerts are saved.").await;
    let ben = product.person("ben");
    let key = ben.create("Deployment Script");
    let to_ada = |words: &str| {
        let is_it = |mail: &&Message| {
            mail.header("To").is_some_and(|to| to.contains("ada@acme.example")) && mail.body().contains(words)
        };
        inbox.messages().iter().filter(is_it).count()
    };
    eventually(|| to_ada("Deployment Script") == 1);
    ben.revoke(&key);
    eventually(|| receiver.received().iter().any(|post| post.json()["type"] == "key.revoked"));
    let posts = receiver.received();
    let post = posts.iter().find(|post| post.json()["type"] == "key.revoked").unwrap();
    assert_eq!(post.signatures_by(&signing), 1, "{}", post.body);
    assert!(post.body.contains(&key.id) && post.body.contains("Deployment Script"), "{}", post.body);
    // Switched off, it is not sent; and nothing that is sent holds the secret.
    assert_eq!(to_ada("Deployment Script"), 1);
    let secret = &key.secret[16..];
    assert!(inbox.messages().iter().all(|mail| !mail.raw.contains(secret) && !mail.body().contains(secret)));
    assert!(posts.iter().all(|post| !post.body.contains(secret)));
}
