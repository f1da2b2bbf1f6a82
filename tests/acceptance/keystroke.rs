//! Keystroke: keys of an organization that act as the people who made them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use keyrack::domain::org::Role;
use serde_json::json;

use crate::browser::{close_reveal, follow_sidebar, revoke_in, row, table_head};
use crate::person::Key;
use crate::product::Product;
use crate::shell::Shell;
use crate::terminal::Machine;
use crate::upstream::{Upstream, sample};
use crate::wire::Request;

const KEYS: &str = "/orgs/acme/settings/api-keys";

#[test]
fn k01_a_key_reaches_nothing_of_another_organization() {
    let product = Product::on("keystroke").set("KEYRACK_KEYS_KEYS_MAY_MANAGE_KEYS", "true").start();
    product.add_to_globex("ada", Role::Admin);
    let upstream = Upstream::start(&product);
    // Ada is an admin in both; each of her keys is for one.
    let (here, there) = (product.person("ada").create("here"), product.person("ada").at("globex").create("there"));
    for (key, org, other) in [(&here, "acme", &there), (&there, "globex", &here)] {
        let who = product.get("/v1/whoami", &key.secret).assert_status(200).json();
        assert_eq!((&who["org"]["slug"], &who["user"]["id"]), (&json!(org), &json!("usr_ada")));
        let projects = upstream.get("/api/projects", &key.secret).assert_status(200).json();
        assert_eq!(projects["account"], json!(format!("org_{org}")));
        let keys = product.get("/v1/keys?all=true", &key.secret).assert_status(200).json();
        assert_eq!(keys["data"].as_array().unwrap().len(), 1, "{keys}");
        for list in ["/v1/members", "/v1/profiles", "/v1/events"] {
            let text = product.get(list, &key.secret).assert_status(200).body;
            let foreign = if org == "acme" { ["xavier", &other.id] } else { ["olive", &other.id] };
            assert!(foreign.iter().all(|name| !text.contains(name)), "{list}: {text}");
        }
        for path in ["", "/stats"] {
            product.get(&format!("/v1/keys/{}{path}", other.id), &key.secret).assert_problem(404, "NOT_FOUND");
        }
        for deed in ["revoke", "rotate"] {
            let request = Request::new("POST", &format!("/v1/keys/{}/{deed}", other.id)).bearer(&key.secret);
            product.ask(request.json(&json!({}))).assert_problem(404, "NOT_FOUND");
        }
    }
    assert_eq!((product.call(&here.secret), product.call(&there.secret)), (200, 200));
    product.person("xavier").get(&format!("{KEYS}/{}", here.id)).assert_status(404);
    // A header that lets people choose does not let a key choose.
    let asked = Request::new("GET", "/v1/whoami").bearer(&here.secret).header("X-Keyrack-Org", "globex");
    let answer = product.ask(asked);
    assert!(answer.status != 200 || answer.json()["org"]["slug"] == "acme", "{}", answer.body);
}

#[test]
fn k02_a_key_acts_as_the_person_who_made_it() {
    let product = Product::start("keystroke");
    let upstream = Upstream::start(&product);
    for (who, role) in [("olive", "owner"), ("ada", "admin"), ("ben", "builder")] {
        let key = product.person(who).create("mine");
        let told = product.get("/v1/whoami", &key.secret).assert_status(200).json();
        assert_eq!((&told["user"]["id"], &told["role"]), (&json!(format!("usr_{who}")), &json!(role)));
        let told = upstream.get("/api/your-endpoint", &key.secret).assert_status(200).json();
        assert_eq!((&told["user"], &told["role"]), (&json!(format!("usr_{who}")), &json!(role)));
        // Whatever a client says of itself, the platform is told what Keyrack says.
        for forged in ["X-Keyrack-User", "x-keyrack-user", "X_Keyrack_User"] {
            let request = Request::new("GET", "/api/your-endpoint").bearer(&key.secret);
            let request = request.header(forged, "usr_xavier").header("X-Keyrack-Role", "owner");
            assert_eq!(upstream.ask(request).assert_status(200).json(), told, "{forged}");
            let nobody = Request::new("GET", "/api/your-endpoint").header(forged, "usr_olive");
            upstream.ask(nobody.header("X-Keyrack-Role", "owner")).assert_status(401);
        }
    }
}

#[actix_web::test]
async fn k03_the_page_shows_the_keys_of_the_active_organization() {
    let product = Product::start("keystroke");
    product.add_to_globex("ben", Role::Builder);
    let (here, there) = {
        let ben = product.person("ben");
        let here = ben.create("Acme's");
        (here, ben.at("globex").create("Globex's"))
    };
    let browser = product.browser_of("ben").await;
    for (org, shown, hidden) in [("acme", &here, &there), ("globex", &there, &here), ("acme", &here, &there)] {
        browser.goto("/orgs").await;
        browser.click("header.top details.menu summary").await;
        browser.click(&format!("header.top form:has([name=switch][value={org}]) button")).await;
        browser.find("h1").await;
        browser.goto("/settings/api-keys").await;
        browser.find(&format!("#key-{}", shown.id)).await;
        assert!(!browser.has(&format!("#key-{}", hidden.id)).await);
        assert!(browser.url().await.ends_with(&format!("/orgs/{org}/settings/api-keys")));
    }
}

#[test]
fn k04_admins_keys_reach_admin_endpoints_and_demotion_counts_at_once() {
    let product = Product::start("keystroke");
    let upstream = Upstream::start(&product);
    let (ada, ben) = (product.person("ada").create("admin's"), product.person("ben").create("builder's"));
    let shell = Shell::plain();
    let report = |key: &Key| {
        let url = format!("http://{}/api/admin/report", upstream.address);
        let script = format!("curl -o /dev/null -w '%{{http_code}}' -H 'x-api-key: {}' {url}", key.secret);
        shell.paste(&script).assert_ok().stdout
    };
    assert_eq!((report(&ada).as_str(), report(&ben).as_str()), ("200", "403"));
    let olive = product.person("olive");
    let role = |who: &str, role: &str| {
        olive.post(&format!("/orgs/acme/settings/members/usr_{who}/role"), &[("role", role)]).assert_status(303);
    };
    role("ada", "builder");
    assert_eq!((report(&ada).as_str(), report(&ben).as_str()), ("403", "403"));
    assert_eq!(product.call(&ada.secret), 200, "it still does what a builder may");
    role("ada", "admin");
    role("ben", "admin");
    assert_eq!((report(&ada).as_str(), report(&ben).as_str()), ("200", "200"), "a key is what its person is now");
    role("ben", "builder");
    assert_eq!((report(&ada).as_str(), report(&ben).as_str()), ("200", "403"));
}

#[test]
fn k05_headers_everywhere_and_urls_only_where_allowed() {
    let product = Product::start("keystroke");
    let upstream = Upstream::start(&product);
    let ben = product.person("ben");
    let plain = ben.create("script");
    let hook = ben.create_with(&[("name", "hook"), ("url_allowed", "1")]);
    let (shell, base) = (Shell::plain(), format!("http://{}", upstream.address));
    let call = |rest: &str| {
        let script = format!("curl -o /dev/null -w '%{{http_code}}' {}", rest.replace("URL", &base));
        shell.paste(&script).assert_ok().stdout
    };
    let (plain, hook) = (&plain.secret, &hook.secret);
    let bearer = format!("-H 'Authorization: Bearer {plain}'");
    for (rest, status) in [
        (format!("{bearer} URL/api/projects"), "200"),
        (format!("-H 'x-api-key: {plain}' URL/api/projects"), "200"),
        (format!("-X POST 'URL/api/webhooks/deploy?token={hook}'"), "202"),
        (format!("-X POST 'URL/api/webhooks/deploy?api_key={hook}'"), "202"),
        (format!("'URL/api/webhooks/deploy?ref=main&token={hook}'"), "200"),
        // Another endpoint, another key, or two at once.
        (format!("'URL/api/projects?token={hook}'"), "401"),
        (format!("-X POST 'URL/api/webhooks/deploy?token={plain}'"), "401"),
        (format!("-X POST 'URL/api/webhooks/deploy?key={hook}'"), "401"),
        (format!("{bearer} -X POST 'URL/api/webhooks/deploy?token={hook}'"), "400"),
        (format!("{bearer} -H 'x-api-key: {plain}' URL/api/projects"), "400"),
        ("URL/api/projects".to_owned(), "401"),
    ] {
        assert_eq!(call(&rest), status, "{}", rest.split("token=").next().unwrap());
    }
    let logs = upstream.logs();
    assert!(logs.contains("/api/webhooks/deploy"), "{logs}");
    for secret in [plain, hook] {
        assert!(!logs.contains(&secret[16..]), "a key stands in a log");
    }
}

#[actix_web::test]
async fn k09_after_the_dialog_only_the_preview_is_left() {
    let product = Product::start("keystroke");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Production automation").await;
    assert_eq!(product.call(&key.secret), 200);
    close_reveal(&browser).await;
    let preview = format!("key_live_{}••••••••", &key.id[..5]);
    for path in [KEYS.to_owned(), format!("{KEYS}/{}", key.id)] {
        browser.goto(&path).await;
        assert!(browser.text().await.contains(&preview), "{}", browser.where_we_are().await);
        assert!(!browser.everything_held().await.contains(&key.secret[17..]), "{path}");
    }
    let listed = product.get(&format!("/v1/keys/{}", key.id), &key.secret).assert_status(200);
    assert_eq!(listed.json()["preview"], json!(preview));
    assert!(!listed.body.contains(&key.secret[17..]));
}

#[actix_web::test]
async fn k10_the_table_has_name_preview_created_at_and_created_by() {
    let product = Product::start("keystroke");
    let (bens, adas) = (product.person("ben").create("Ben's script"), product.person("ada").create("Ada's script"));
    let browser = product.browser_of("ada").await;
    browser.goto(KEYS).await;
    let head = table_head(&browser).await;
    for column in ["Name", "Key", "Created"] {
        assert!(head.iter().any(|text| text == column), "{column} is not in {head:?}");
    }
    let created = |key: &Key| format!("#key-{} td.created", key.id);
    let cell = browser.find(&created(&bens)).await.text().await.unwrap();
    assert!(cell.contains("by Ben"), "{cell}");
    assert!(browser.find(&created(&adas)).await.text().await.unwrap().contains("by you"));
    let shown = row(&browser, &bens).await;
    assert!(shown.contains("Ben's script") && shown.contains(&format!("key_live_{}••••", &bens.id[..5])), "{shown}");
    let today = keyrack::clock::Clock::system().now().iso_day();
    let times = "return [...document.querySelectorAll('#rows td.created time')].map(t => t.dateTime.slice(0, 10))";
    assert_eq!(browser.js(times).await, json!([today, today]));
    // Where the role may not see others' keys, nobody else is named.
    let page = product.person("ben").get(KEYS).assert_see("Ben's script").assert_dont_see("Ada's script");
    page.assert_dont_see("by Ada").assert_has_not("[name=owner]");
}

/// In the browser: sees everybody's keys, creates one, and revokes the colleagues'.
async fn manages_all_keys(product: &Product, who: &str) {
    let keys = ["olive", "ada", "ben"].map(|maker| product.person(maker).create(&format!("Key of {maker}")));
    let browser = product.browser_of(who).await;
    browser.goto(KEYS).await;
    for key in &keys {
        browser.find(&format!("#key-{}", key.id)).await;
    }
    let own = product.create_in(&browser, "One more").await;
    close_reveal(&browser).await;
    assert_eq!(product.call(&own.secret), 200);
    for key in &keys {
        browser.goto(KEYS).await;
        revoke_in(&browser, key).await;
        assert_eq!(product.call(&key.secret), 401, "{}", key.name);
    }
    assert_eq!(product.call(&own.secret), 200);
}

#[actix_web::test]
async fn k11_an_owner_sees_all_keys_creates_and_revokes_any() {
    manages_all_keys(&Product::start("keystroke"), "olive").await;
}

#[actix_web::test]
async fn k12_an_admin_sees_all_keys_creates_and_revokes_any() {
    manages_all_keys(&Product::start("keystroke"), "ada").await;
}

#[test]
fn k13_a_builder_creates_and_sees_their_own_and_no_others() {
    let product = Product::start("keystroke");
    let (ben, bea, ada) = (product.person("ben"), product.person("bea"), product.person("ada"));
    let own = ben.create("own");
    let others = [bea.create("Bea's"), ada.create("Ada's")];
    let page = ben.get(KEYS).assert_see("own").assert_dont_see("Bea's").assert_dont_see("Ada's");
    assert_eq!(page.select("#rows tr").len(), 1);
    ben.get(&format!("{KEYS}?owner=usr_bea&all=1")).assert_dont_see("Bea's");
    for key in &others {
        ben.get(&ben.page_of(key)).assert_status(403).assert_dont_see(&key.name);
        ben.try_revoke(key).assert_status(403);
        ben.post(&KEYS.replace("api-keys", "api-keys/revoke"), &[("ids", &key.id), ("confirm_count", "1")]);
        assert_eq!(product.call(&key.secret), 200);
        let by_key = product.get(&format!("/v1/keys/{}", key.id), &own.secret);
        assert!([403, 404].contains(&by_key.status), "{}", by_key.body);
    }
    let listed = product.get("/v1/keys", &own.secret).assert_status(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn k14_every_member_can_revoke_their_own() {
    let product = Product::start("keystroke");
    for who in ["olive", "ada", "ben"] {
        let person = product.person(who);
        let (one, two) = (person.create("one"), person.create("two"));
        assert_eq!(product.call(&one.secret), 200);
        person.revoke(&one);
        assert_eq!((product.call(&one.secret), product.call(&two.secret)), (401, 200), "{who}");
        person.get(KEYS).assert_has_not(&format!("#key-{}", one.id)).assert_has(&format!("#key-{}", two.id));
        person.get(&format!("{KEYS}?all=1")).assert_has(&format!("#key-{}[data-status=revoked]", one.id));
    }
}

#[actix_web::test]
async fn k15_when_a_teammate_leaves_their_keys_are_listed_and_revoked_or_handed_over() {
    let product = Product::start("keystroke");
    let (bens, beas) = (product.person("ben").create("Ben's job"), product.person("bea").create("Bea's job"));
    let browser = product.browser_of("ada").await;
    for (user, key, choice) in [("usr_ben", &bens, "revoke"), ("usr_bea", &beas, "transfer")] {
        browser.goto("/orgs/acme/settings/members").await;
        browser.click(&format!("#remove-{user}")).await;
        let listed = browser.find("#dialog .key-lines").await.text().await.unwrap();
        assert!(listed.contains(&key.name) && listed.contains(&key.id[..5]), "{listed}");
        assert_eq!(product.call(&key.secret), 200);
        browser.click(&format!("#keys-{choice}")).await;
        browser.click("#remove-submit").await;
        browser.wait_gone(&format!("#member-{user}")).await;
    }
    assert_eq!(product.call(&bens.secret), 401);
    let who = product.get("/v1/whoami", &beas.secret).assert_status(200).json();
    assert_eq!((&who["user"]["id"], &who["role"]), (&json!("usr_ada"), &json!("builder")), "{who}");
    browser.goto(KEYS).await;
    assert!(row(&browser, &beas).await.contains("by you"));
    // Whoever left reaches nothing any more.
    product.person("ben").get(KEYS).assert_status(404);
}

#[test]
fn k17_revocation_takes_effect_at_once_under_traffic() {
    let product = Product::start("keystroke");
    let ben = product.person("ben");
    let key = ben.create("busy");
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, address, secret) = (stop.clone(), product.address.clone(), key.secret.clone());
            std::thread::spawn(move || {
                let mut calls = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    calls.push((began, Request::new("GET", "/v1/auth").bearer(&secret).to(&address).status));
                }
                calls
            })
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(300));
    ben.revoke(&key);
    let revoked = Instant::now();
    std::thread::sleep(std::time::Duration::from_millis(500));
    stop.store(true, Ordering::SeqCst);
    let calls: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    let (before, after): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(began, _)| *began < revoked);
    assert!(before.iter().filter(|(_, status)| *status == 200).count() > 10, "there was no traffic");
    assert!(after.len() > 10 && after.iter().all(|(_, status)| *status == 401), "{after:?}");
}

#[test]
fn k18_the_pages_curl_reaches_the_platforms_projects() {
    let product = Product::start("keystroke");
    let upstream = Upstream::start(&product);
    let key = product.person("ben").create("Production automation");
    let shell = upstream.shell();
    let script = sample("keystroke.sh", "key_live_...", &key.secret);
    let script = script.replace("https://<your-platform-url>", "https://platform.example");
    let projects = shell.paste(&script).assert_ok().json();
    assert_eq!((&projects["account"], &projects["acting_as"]), (&json!("org_acme"), &json!("usr_ben")));
    assert_eq!(projects["projects"].as_array().unwrap().len(), 2, "{projects}");
    product.person("ben").revoke(&key);
    assert_eq!(shell.paste(&script).assert_ok().json()["code"], "UNAUTHORIZED");
}

#[test]
fn k19_keys_begin_with_key_live() {
    let product = Product::start("keystroke");
    for who in ["olive", "ada", "ben"] {
        let key = product.person(who).create("prefix");
        let rest = key.secret.strip_prefix("key_live_").expect("the prefix");
        assert!(rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(product.call(&key.secret), 200);
        assert_eq!(product.call(rest), 401, "without its prefix it is no key");
    }
}

#[actix_web::test]
async fn k20_a_name_is_required_and_a_duplicate_pointed_out() {
    let product = Product::start("keystroke");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let first = product.create_in(&browser, "Nightly").await;
    close_reveal(&browser).await;
    browser.click("#new-key").await;
    browser.find("#dialog[open] #name").await;
    // The browser itself asks for it; and so does the server, of whoever goes around the browser.
    let asks = "return document.querySelector('#dialog #create-form').checkValidity()";
    assert_eq!(browser.js(asks).await, json!(false));
    browser.fill("#dialog #name", "Nightly").await;
    browser.click("#create-submit").await;
    browser.wait_for_text("You already have a key named “Nightly”").await;
    assert!(!browser.has("#secret").await);
    let ben = product.person("ben");
    for name in ["", "   ", "Nightly"] {
        let refused = ben.try_create(&[("name", name)]).assert_status(422);
        refused.assert_has("#name-error");
    }
    assert_eq!(product.database.number("SELECT COUNT(*) AS n FROM api_keys"), 1);
    // Where it is somebody else's name, or free again, nothing stands in the way.
    product.person("bea").create("Nightly");
    ben.revoke(&first);
    ben.create("Nightly");
}

// ---- the command line ------------------------------------------------------------------------------------------------------

#[actix_web::test]
async fn k06_auth_login_signs_the_person_in_by_their_browser() {
    let product = Product::start("keystroke");
    let machine = Machine::new(&product);
    let browser = product.browser_of("ada").await;
    let mut login = machine.at_terminal(&["auth", "login", "--server", &product.url, "--no-browser"]);
    login.wait_for("/device?user_code=");
    let screen = login.screen();
    let at = screen.find(&format!("{}/device", product.url)).unwrap();
    let address = screen[at..].split_whitespace().next().unwrap().to_owned();
    browser.goto(&address).await;
    browser.click("#code-submit").await;
    browser.wait_for_text("Only allow it if you just ran").await;
    browser.click("#allow").await;
    login.wait_for("Signed in");
    let (code, screen) = login.end();
    assert!(code == 0 && screen.contains("Ada"), "{screen}");
    let who = machine.run(&["whoami", "--json"]).assert_ok().json();
    assert_eq!((&who["credential"]["kind"], &who["user"]["id"]), (&json!("cli_token"), &json!("usr_ada")));
    assert_eq!(who["role"], "admin");
    // No API key was made for it, and none that is made or revoked matters to it.
    assert_eq!(product.database.number("SELECT COUNT(*) AS n FROM api_keys"), 0);
    let ada = product.person("ada");
    ada.revoke(&ada.create("unrelated"));
    machine.run(&["whoami"]).assert_ok();
    // She sees the device among her sessions, and ends it there or by the command.
    browser.goto("/account/sessions").await;
    browser.wait_for_text("Sessions").await;
    machine.run(&["auth", "logout"]).assert_ok();
    assert_eq!(machine.run(&["whoami"]).code, 4);
}

#[test]
fn k07_the_cli_reaches_every_organization_and_switches() {
    let product = Product::start("keystroke");
    product.add_to_globex("ada", Role::Builder);
    let (here, there) = (product.person("ada").create("Acme's"), product.person("ada").at("globex").create("Globex's"));
    let machine = Machine::new(&product);
    machine.sign_in("ada");
    let orgs = machine.run(&["orgs", "list", "--json"]).assert_ok().json();
    let mut found: Vec<(&str, &str)> = orgs["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|org| (org["slug"].as_str().unwrap(), org["role"].as_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("acme", "admin"), ("globex", "builder")]);
    for (slug, key, other) in [("globex", &there, &here), ("acme", &here, &there), ("globex", &there, &here)] {
        machine.run(&["orgs", "use", slug]).assert_ok();
        let listed = machine.run(&["api-key", "list"]).assert_ok().stdout;
        assert!(listed.contains(&key.name) && !listed.contains(&other.name), "{slug}: {listed}");
        let who = machine.run(&["whoami", "--json"]).assert_ok().json();
        assert_eq!(who["org"]["slug"], json!(slug));
    }
    // For one command only; and nowhere that she does not belong.
    let listed = machine.run(&["api-key", "list", "--org", "acme"]).assert_ok().stdout;
    assert!(listed.contains(&here.name) && !listed.contains(&there.name), "{listed}");
    assert_eq!(machine.run(&["orgs", "use", "initech"]).code, 3);
    assert_ne!(machine.run(&["api-key", "list", "--org", "initech"]).code, 0);
}

#[actix_web::test]
async fn k08_a_key_is_made_on_the_web_or_by_the_cli_and_shown_then_only() {
    let product = Product::start("keystroke");
    let machine = Machine::new(&product);
    machine.sign_in("ben");
    let ran = machine.run(&["api-key", "create", "--name", "Production automation"]).assert_ok();
    let secret = ran.stdout.trim_end().to_owned();
    product.learn(&secret);
    assert!(
        secret.starts_with("key_live_") && secret.len() == 9 + 32 && !ran.stderr.contains(&secret[17..]),
        "{ran:?}"
    );
    let who = product.get("/v1/whoami", &secret).assert_status(200).json();
    assert_eq!((&who["credential"]["name"], &who["user"]["id"]), (&json!("Production automation"), &json!("usr_ben")));
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    browser.wait_for_text("Production automation").await;
    let on_the_web = product.create_in(&browser, "From the web").await;
    close_reveal(&browser).await;
    let listed = machine.run(&["api-key", "list"]).assert_ok().stdout;
    assert!(listed.contains("Production automation") && listed.contains("From the web"), "{listed}");
    for secret in [&secret, &on_the_web.secret] {
        assert!(!listed.contains(&secret[17..]));
    }
    assert_eq!(machine.run(&["api-key", "create"]).code, 2, "a name is required");
}

#[test]
fn k16_api_key_list_and_revoke() {
    let product = Product::start("keystroke");
    let (ada, ben) = (product.person("ada"), product.person("ben"));
    let (adas, bens, kept) = (ada.create("Ada's"), ben.create("Ben's"), ben.create("Kept"));
    let machine = Machine::new(&product);
    machine.sign_in("ada");
    let listed = machine.run(&["api-key", "list"]).assert_ok().stdout;
    for key in [&adas, &bens, &kept] {
        assert!(listed.contains(&key.name) && listed.contains(&key.id), "{listed}");
    }
    let refused = machine.run(&["api-key", "revoke", &bens.id]);
    assert_eq!((refused.code, product.call(&bens.secret)), (2, 200), "{refused:?}");
    machine.run(&["api-key", "revoke", &bens.id, &adas.id, "--yes"]).assert_ok();
    assert_eq!([&adas, &bens, &kept].map(|key| product.call(&key.secret)), [401, 401, 200]);
    let left = machine.run(&["api-key", "list"]).assert_ok().stdout;
    assert!(!left.contains(&bens.id) && !left.contains(&adas.id) && left.contains(&kept.id), "{left}");
    assert_eq!(machine.run(&["api-key", "revoke", "AAAAAAAA", "--yes"]).code, 3);
    // A builder revokes their own, and no other's.
    let other = Machine::new(&product);
    other.sign_in("bea");
    assert!([3, 5].contains(&other.run(&["api-key", "revoke", &kept.id, "--yes"]).code));
    assert_eq!(product.call(&kept.secret), 200);
}

#[actix_web::test]
async fn k21_members_and_organization_pages_and_a_cli_reference_exist() {
    let product = Product::start("keystroke");
    let browser = product.browser_of("ada").await;
    for (link, path, text) in [
        ("Members", "/orgs/acme/settings/members", "ben@acme.example"),
        ("Organization", "/orgs/acme/settings/organization", "Leave Acme"),
    ] {
        browser.goto(KEYS).await;
        follow_sidebar(&browser, link).await;
        browser.wait_for_text(text).await;
        assert!(browser.url().await.ends_with(path), "{}", browser.where_we_are().await);
    }
    browser.goto("/docs/cli").await;
    let reference = browser.find("article.docs").await.text().await.unwrap();
    // Every command that the program itself knows, under the product's name.
    let machine = Machine::new(&product);
    for group in ["api-key", "keys", "auth", "orgs", "profiles", "logs"] {
        let help = machine.run(&[group, "--help"]).assert_ok().stdout;
        let commands = help.split("Commands:").nth(1).unwrap().lines().skip(1).take_while(|line| !line.is_empty());
        for command in commands.filter_map(|line| line.split_whitespace().next()) {
            let whole = format!("keystroke {group} {command}");
            assert!(reference.contains(&whole), "{whole} is not in the reference:\n{reference}");
        }
    }
}
