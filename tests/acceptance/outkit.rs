//! Outkit: keys of a profile, from the command line.

use keyrack::web::routes;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::browser::{close_reveal, value};
use crate::person::Key;
use crate::product::{Product, eventually};
use crate::terminal::Machine;
use crate::wire::Request;

const KEYS: &str = "/orgs/acme/settings/api-keys";
const DAY: i64 = 24 * 3600;

/// A profile made by an admin; its id.
fn new_profile(product: &Product, name: &str) -> String {
    let ada = product.person("ada");
    let page = "/orgs/acme/settings/profiles";
    let nonce = ada.get(page).assert_status(200).field("nonce");
    ada.post(page, &[("nonce", &nonce), ("name", name)]).assert_status(303);
    let ids = product.database.lines(&format!("SELECT id AS line FROM profiles WHERE name = '{name}'"));
    ids.into_iter().next().unwrap()
}

#[actix_web::test]
async fn o01_a_key_is_bound_to_one_profile_for_good() {
    let product = Product::on("outkit").set("KEYRACK_KEYS_KEYS_MAY_MANAGE_KEYS", "true").start();
    let mobile = new_profile(&product, "Mobile");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    browser.click("#new-key").await;
    browser.wait_for_text("The key stays with this profile for good.").await;
    browser.click(&format!("#dialog #profile option[value='{mobile}']")).await;
    browser.fill("#dialog #name", "app").await;
    browser.click("#create-submit").await;
    let key = product.shown_in(&browser, "app").await;
    close_reveal(&browser).await;
    let bound = |secret: &str| product.get("/v1/whoami", secret).assert_status(200).json()["profile"]["id"].clone();
    assert_eq!(bound(&key.secret), json!(mobile));
    // There is no way to another: not by the page, nor by the API, nor by a rotation.
    let ben = product.person("ben");
    ben.get(&ben.page_of(&key)).assert_status(200).assert_has_not("[name=profile]").assert_see("Mobile");
    let edit = ben.post(&ben.page_of(&key), &[("name", "app"), ("note", ""), ("profile", "prof_acme")]);
    assert!((400..500).contains(&edit.status), "{}", edit.status);
    for field in ["profile", "profile_id"] {
        let patch = Request::new("PATCH", &format!("/v1/keys/{}", key.id)).bearer(&key.secret);
        product.ask(patch.json(&json!({field: "prof_acme"}))).assert_problem(422, "INVALID");
    }
    let rotated = ben.rotate(&key, "24h");
    assert_eq!((bound(&rotated.secret), bound(&key.secret)), (json!(mobile), json!(mobile)));
    for foreign in ["prof_globex", "prof_nowhere", ""] {
        let made = ben.try_create(&[("name", "x"), ("profile", foreign)]);
        // Nothing chosen is the first profile; another's is as if it did not exist.
        assert_eq!(made.status, if foreign.is_empty() { 200 } else { 422 }, "{foreign}");
        if made.status == 200 {
            assert_eq!(bound(&ben.revealed(&made, "x").secret), json!("prof_acme"));
        }
    }
}

#[actix_web::test]
async fn o04_the_plaintext_is_shown_once_when_created_or_rotated() {
    let product = Product::start("outkit");
    let browser = product.browser_of("olive").await;
    browser.goto(KEYS).await;
    let first = product.create_in(&browser, "dev key").await;
    close_reveal(&browser).await;
    browser.click(&format!("#rotate-{}", first.id)).await;
    browser.click("#rotate-submit").await;
    browser.wait_for_text("Both secrets work until").await;
    let second = product.shown_in(&browser, "dev key").await;
    assert_eq!(value(&browser.find("#dialog #secret").await).await, second.secret);
    close_reveal(&browser).await;
    assert_eq!((product.call(&first.secret), product.call(&second.secret)), (200, 200));
    // Nor by the way back, a reload, or asking again.
    browser.goto(&format!("{KEYS}/{}", first.id)).await;
    browser.driver.back().await.unwrap();
    browser.driver.refresh().await.unwrap();
    let held = browser.everything_held().await;
    assert!([&first, &second].iter().all(|key| !held.contains(&key.secret[13..])));
    no_page_shows(&product, &[&first, &second]);
}

/// Asks every route that answers a GET, as the owner and as the key itself.
fn no_page_shows(product: &Product, keys: &[&Key]) {
    let olive = product.person("olive");
    let mut asked = 0;
    for route in routes::all().filter(|route| route.method == "GET" && !route.path.ends_with("/stream")) {
        let path = route.path.replace("{org}", "acme").replace("{id}", &keys[0].id).replace("{user}", "usr_ben");
        for answer in [olive.get(&path), product.get(&path, &keys[0].secret)] {
            asked += u32::from(answer.status == 200);
            for key in keys {
                assert!(!answer.body.contains(&key.secret[13..]), "{path} shows a secret");
            }
        }
    }
    assert!(asked > 20, "only {asked} pages answered");
}

#[test]
fn o05_the_plaintext_is_in_no_log_event_audit_row_url_or_file() {
    let product = Product::on("outkit").set("KEYRACK_LOG", "trace").start();
    let (olive, ben) = (product.person("olive"), product.person("ben"));
    let key = ben.create("dev key");
    let second = ben.rotate(&key, "24h");
    for secret in [&key.secret, &second.secret] {
        assert_eq!(product.call(secret), 200);
        // Where keys land by mistake: in an address, another header, a name, a body that is no JSON.
        product.ask(Request::new("GET", &format!("/v1/whoami?token={secret}")));
        product.ask(Request::new("GET", &format!("/v1/keys/{secret}")).bearer(secret));
        product.ask(Request::new("GET", &format!("/{secret}")).header("User-Agent", secret).bearer(secret));
        product.ask(Request::new("GET", "/v1/auth").bearer(secret).header("User-Agent", secret));
        product.ask(Request::new("GET", "/v1/auth").header("Authorization", secret).header("Referer", secret));
        product.ask(Request::new("POST", "/v1/keys/verify").bearer(secret).json(&json!(secret)));
        olive.post(KEYS, &[("name", secret), ("note", secret)]);
        let found = olive.get(&format!("{KEYS}?q={secret}"));
        assert!(!found.header("location").unwrap_or_default().contains(&secret[13..]));
    }
    ben.revoke(&second);
    assert_eq!(product.call(&second.secret), 401);
    eventually(|| olive.get(&format!("/orgs/acme/logs?key={}", key.id)).body.contains("dev key"));
    for path in ["/orgs/acme/logs", "/orgs/acme/settings/audit", "/orgs/acme/settings/audit/export"] {
        let body = olive.get(path).body;
        assert!(!body.contains(&key.secret[13..]) && !body.contains(&second.secret[13..]), "{path}");
    }
    product.stop();
    assert!(product.log().contains("whoami"), "the log says nothing");
    assert_eq!(product.find_secrets(), Vec::<String>::new());
}

#[test]
fn o06_the_database_holds_sha_256_only() {
    let product = Product::start("outkit");
    let ben = product.person("ben");
    let key = ben.create("dev key");
    let query = format!("SELECT hash AS line FROM key_secrets WHERE key_id = '{}'", key.id);
    let hash: String = Sha256::digest(&key.secret.as_bytes()[13..]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(product.database.lines(&query), [hash]);
    let dump = product.database.dump_all();
    assert!(dump.contains(&key.id) && !dump.contains(&key.secret[13..]));
    // No reversible form either.
    let secret = &key.secret.as_bytes()[13..];
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let reversed: String = key.secret[13..].chars().rev().collect();
    assert!(!dump.to_lowercase().contains(&hex) && !dump.contains(&reversed));
}

#[test]
fn o15_for_24_hours_both_secrets_are_accepted() {
    let product = Product::on("outkit").with_moved_clock().start();
    let ben = product.person("ben");
    let old = ben.create("dev key");
    let begin = product.time();
    let new = ben.rotate(&old, "24h");
    for at in [begin, begin + 3600, begin + 12 * 3600, product.just_before(begin + DAY)] {
        product.set_time(at);
        assert_eq!((product.call(&old.secret), product.call(&new.secret)), (200, 200), "after {} s", at - begin);
    }
    let told = product.get(&format!("/v1/keys/{}", old.id), &new.secret).assert_status(200).json();
    let until = told.pointer("/rotation/previous_valid_until").unwrap().as_str().unwrap();
    let until: jiff::Timestamp = until.parse().unwrap();
    // A node of PostgreSQL's counts on by itself between two looks at the clock.
    assert!((begin + DAY..=begin + DAY + 2).contains(&until.as_second()), "{until}");
}

#[test]
fn o16_from_the_deadline_on_the_old_secret_is_refused_even_if_the_server_was_down() {
    let product = Product::on("outkit").with_moved_clock().start();
    let ben = product.person("ben");
    let begin = product.time();
    let keys = ["stays up", "goes down"].map(|name| {
        let old = ben.create(name);
        let new = ben.rotate(&old, "24h");
        (old, new)
    });
    let calls = |expected: u16| {
        for (old, new) in &keys {
            assert_eq!((product.call(&old.secret), product.call(&new.secret)), (expected, 200), "{}", old.name);
        }
    };
    product.set_time(product.just_before(begin + DAY));
    calls(200);
    // Down over the deadline: nobody is there to end anything.
    product.stop();
    product.set_time(begin + DAY + late(&product));
    product.start_again();
    calls(401);
    product.set_time(begin + 30 * DAY);
    calls(401);
    // And running through it, to the second.
    let (old, _) = &keys[0];
    let ben = product.person("ben");
    let now = product.time();
    let third = ben.rotate(&keys[0].1, "24h");
    product.set_time(product.just_before(now + DAY));
    assert_eq!((product.call(&keys[0].1.secret), product.call(&third.secret)), (200, 200));
    product.set_time(now + DAY + late(&product));
    assert_eq!((product.call(&keys[0].1.secret), product.call(&third.secret)), (401, 200));
    assert_eq!(product.call(&old.secret), 401);
}

/// How far a deadline may lie behind the test's own clock: on SQLite not at all, where the process's clock stands still.
fn late(product: &Product) -> i64 {
    if product.database.is_sqlite() { 0 } else { 2 }
}

#[test]
fn o18_the_next_call_with_a_revoked_key_gets_401() {
    let product = Product::start("outkit");
    let ben = product.person("ben");
    for grace in ["24h", "1h"] {
        let old = ben.create(&format!("graced for {grace}"));
        let new = ben.rotate(&old, grace);
        assert_eq!((product.call(&old.secret), product.call(&new.secret)), (200, 200));
        ben.revoke(&old);
        for secret in [&old.secret, &new.secret] {
            for path in ["/v1/whoami", "/v1/auth", "/v1/keys"] {
                product.get(path, secret).assert_problem(401, "UNAUTHORIZED");
            }
        }
    }
    // Nor does it come back with the server.
    let gone = ben.create("gone");
    ben.revoke(&gone);
    product.stop();
    product.start_again();
    assert_eq!(product.call(&gone.secret), 401);
}

#[actix_web::test]
async fn o20_a_key_cannot_be_recovered_and_the_page_says_so() {
    let product = Product::start("outkit");
    let browser = product.browser_of("olive").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "dev key").await;
    browser.wait_for_text("You won't be able to see it again. Nobody can").await;
    close_reveal(&browser).await;
    browser.goto(&format!("{KEYS}/{}", key.id)).await;
    let page = browser.text().await.to_lowercase();
    assert!(!page.contains("show key") && !page.contains("reveal"), "{page}");
    no_page_shows(&product, &[&key]);
    // Sending the form again does not show it again either.
    let olive = product.person("olive");
    let nonce = olive.get(&format!("{KEYS}/new")).field("nonce");
    let form = [("nonce", nonce.as_str()), ("name", "twice")];
    let made = olive.post(KEYS, &form).assert_status(200);
    let twice = olive.revealed(&made, "twice");
    let again = olive.post(KEYS, &form).assert_status(200).assert_see("was already created");
    assert!(!again.body.contains(&twice.secret[13..]));
}

#[actix_web::test]
async fn o23_after_creation_it_says_how_to_wire_the_key_into_a_backend_proxy() {
    let product = Product::start("outkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    product.create_in(&browser, "dev key").await;
    browser.click("#dialog details.advice summary").await;
    let advice = browser.find("#dialog details.advice").await.text().await.unwrap();
    for text in
        ["How to wire it into your backend", "OUTKIT_API_KEY", "call a route of your backend", "Authorization: Bearer"]
    {
        assert!(advice.contains(text), "{text} is missing in\n{advice}");
    }
}

// ---- the command line ------------------------------------------------------------------------------------------------------

/// A machine on which this one of the cast has signed in, in a project whose outkit.json names Acme's profile.
fn machine<'p>(product: &'p Product, who: &str) -> Machine<'p> {
    let machine = Machine::new(product);
    machine.sign_in(who);
    machine.write_project("prof_acme");
    machine
}

/// A key as the command line made it.
struct Made {
    id: String,
    secret: String,
}

/// `outkit keys create …`: its stdout is the secret and nothing else.
#[track_caller]
fn create(product: &Product, machine: &Machine<'_>, args: &[&str]) -> Made {
    let ran = machine.run(&[&["keys", "create", "-n"], args].concat()).assert_ok();
    made(product, &ran.stdout)
}

#[track_caller]
fn made(product: &Product, stdout: &str) -> Made {
    let secret = stdout.strip_suffix('\n').expect("one line").to_owned();
    assert!(secret.starts_with("otk_") && secret.len() == 4 + 8 + 1 + 24, "stdout is not a secret alone: {stdout:?}");
    product.learn(&secret);
    Made { id: secret[4..12].to_owned(), secret }
}

#[test]
fn o02_the_command_line_has_the_whole_life_cycle() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let help = machine.run(&["keys", "--help"]).assert_ok().stdout;
    for command in ["create", "list", "stats", "rotate", "revoke"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in\n{help}");
    }
    let key = create(&product, &machine, &["dev key"]);
    assert_eq!(product.call(&key.secret), 200);
    let listed = machine.run(&["keys", "list", "--json"]).assert_ok().json();
    assert_eq!(listed.pointer("/data/0/id"), Some(&json!(key.id)), "{listed}");
    eventually(|| machine.run(&["keys", "stats", &key.id, "--json"]).assert_ok().json()["served"] == json!(1));
    let rotated = made(&product, &machine.run(&["keys", "rotate", &key.id, "-y"]).assert_ok().stdout);
    assert_eq!((rotated.id.as_str(), product.call(&rotated.secret)), (key.id.as_str(), 200));
    machine.run(&["keys", "revoke", &key.id, "-y"]).assert_ok();
    assert_eq!((product.call(&key.secret), product.call(&rotated.secret)), (401, 401));
}

#[test]
fn o03_create_uses_the_active_profile_of_the_project_file() {
    let product = Product::start("outkit");
    let mobile = new_profile(&product, "Mobile");
    let machine = Machine::new(&product);
    machine.sign_in("ben");
    let deep = machine.project().join("app/src");
    // No project file: nothing is made, and the error says what to do.
    let refused = machine.run_in(&deep, &["keys", "create", "-n", "dev key"]);
    assert!(refused.code == 2 && refused.stderr.contains("--profile") && refused.stdout.is_empty(), "{refused:?}");
    // One above the root of the repository is somebody else's.
    machine.write_file("../outkit.json", &machine.project_file(&mobile));
    let refused = machine.run_in(&deep, &["keys", "create", "-n", "dev key"]);
    assert!(refused.code == 2 && refused.stderr.contains("--profile"), "{refused:?}");
    assert_eq!(product.database.number("SELECT COUNT(*) AS n FROM api_keys"), 0);
    // The one at the root is found from below, and the nearest one wins.
    machine.write_project(&mobile);
    let profile_of =
        |secret: &str| product.get("/v1/whoami", secret).assert_status(200).json()["profile"]["id"].clone();
    let ran = machine.run_in(&deep, &["keys", "create", "-n", "dev key"]).assert_ok();
    assert_eq!(profile_of(&made(&product, &ran.stdout).secret), json!(mobile));
    machine.write_file("app/outkit.json", &machine.project_file("prof_acme"));
    let ran = machine.run_in(&deep, &["keys", "create", "-n", "nearer"]).assert_ok();
    assert_eq!(profile_of(&made(&product, &ran.stdout).secret), json!("prof_acme"));
}

#[test]
fn o07_the_key_is_offered_to_the_env_file() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    machine.write_file(".gitignore", ".env*\n");
    machine.write_file(".env.local", "OTHER=1");
    let mut session = machine.at_terminal(&["keys", "create", "-n", "refused"]);
    session.wait_for("Add OUTKIT_API_KEY to .env.local?");
    session.type_text("n\r");
    let (code, screen) = session.end();
    assert_eq!((code, machine.read(".env.local").as_str()), (0, "OTHER=1"), "{screen}");
    learn_from(&product, &screen);
    let mut session = machine.at_terminal(&["keys", "create", "-n", "accepted"]);
    session.wait_for("Add OUTKIT_API_KEY to .env.local?");
    session.type_text("y\r");
    let (code, screen) = session.end();
    let secret = learn_from(&product, &screen);
    assert_eq!(code, 0, "{screen}");
    assert_eq!(machine.read(".env.local"), format!("OTHER=1\nOUTKIT_API_KEY={secret}\n"));
    // The project's own file, by name.
    let key = create(&product, &machine, &["by flag", "--write-env=.env.development"]);
    assert_eq!(machine.read(".env.development"), format!("OUTKIT_API_KEY={}\n", key.secret));
    assert_eq!(machine.mode(".env.development"), 0o600);
    let sourced = machine.paste("set -a; . ./.env.development; outkit whoami --json").assert_ok();
    assert_eq!(sourced.json()["credential"]["id"], json!(key.id));
}

/// The secret that a terminal showed.
fn learn_from(product: &Product, screen: &str) -> String {
    let word = screen.split_whitespace().find(|word| word.starts_with("otk_") && word.len() == 37);
    let secret = word.unwrap_or_else(|| panic!("no secret is shown:\n{screen}")).to_owned();
    product.learn(&secret);
    secret
}

#[test]
fn o08_profile_binds_elsewhere_without_touching_the_project_file() {
    let product = Product::start("outkit");
    let mobile = new_profile(&product, "Mobile");
    let machine = machine(&product, "ben");
    let before = machine.read("outkit.json");
    let key = create(&product, &machine, &["production", "--profile", &mobile]);
    let who = product.get("/v1/whoami", &key.secret).assert_status(200).json();
    assert_eq!(who["profile"]["id"], json!(mobile));
    for other in ["prof_globex", "prof_nowhere"] {
        let refused = machine.run(&["keys", "create", "-n", "x", "--profile", other]);
        assert!(refused.code == 3 && refused.stdout.is_empty(), "{other}: {refused:?}");
    }
    assert_eq!(product.database.number("SELECT COUNT(*) AS n FROM api_keys"), 1);
    assert_eq!(machine.read("outkit.json"), before);
    // The active one is still the file's.
    let usual = create(&product, &machine, &["usual"]);
    let who = product.get("/v1/whoami", &usual.secret).assert_status(200).json();
    assert_eq!(who["profile"]["id"], json!("prof_acme"));
}

/// The names in a list, in order of the alphabet.
fn names(machine: &Machine<'_>, args: &[&str]) -> Vec<String> {
    let listed = machine.run(&[&["keys", "list", "--json"], args].concat()).assert_ok().json();
    let mut names: Vec<String> =
        listed["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect();
    // The table that people read has the same rows.
    let table = machine.run(&[&["keys", "list"], args].concat()).assert_ok().stdout;
    assert!(names.iter().all(|name| table.contains(name.as_str())), "{table}");
    assert_eq!(table.lines().count(), names.len() + usize::from(table.starts_with("NAME")), "{table}");
    names.sort();
    names
}

/// Two active keys and a revoked one in Acme's own profile, one in another.
fn some_keys(product: &Product, machine: &Machine<'_>) -> String {
    let mobile = new_profile(product, "Mobile");
    for name in ["one", "two"] {
        create(product, machine, &[name]);
    }
    let gone = create(product, machine, &["gone"]);
    machine.run(&["keys", "revoke", &gone.id, "--yes"]).assert_ok();
    create(product, machine, &["elsewhere", "--profile", &mobile]);
    product.person("xavier").create("a stranger's");
    mobile
}

#[test]
fn o09_list_shows_the_active_keys_of_the_active_profile() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let mobile = some_keys(&product, &machine);
    assert_eq!(names(&machine, &[]), ["one", "two"]);
    machine.run(&["profiles", "use", &mobile]).assert_ok();
    assert_eq!(names(&machine, &[]), ["elsewhere"]);
}

#[test]
fn o10_list_all_includes_revoked_keys() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    some_keys(&product, &machine);
    assert_eq!(names(&machine, &["--all"]), ["gone", "one", "two"]);
    let listed = machine.run(&["keys", "list", "--all", "--json"]).assert_ok().json();
    let gone = listed["data"].as_array().unwrap().iter().find(|key| key["name"] == "gone").unwrap();
    assert_eq!(gone["status"], "revoked");
    let line = machine.run(&["keys", "list", "--all"]).assert_ok().stdout;
    assert!(line.lines().any(|line| line.contains("gone") && line.contains("revoked")), "{line}");
}

#[test]
fn o11_list_profile_shows_those_of_another_profile() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let mobile = some_keys(&product, &machine);
    assert_eq!(names(&machine, &["--profile", &mobile]), ["elsewhere"]);
    let refused = machine.run(&["keys", "list", "--profile", "prof_globex"]);
    assert!(refused.code == 3 && !refused.stdout.contains("stranger"), "{refused:?}");
}

#[test]
fn o12_list_has_masked_key_name_environment_last_used_and_status() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let (live, test) =
        (create(&product, &machine, &["in live"]), create(&product, &machine, &["in test", "--env", "test"]));
    assert_eq!(product.call(&test.secret), 200);
    product.wait_until_used(&test.id);
    let mut session = machine.at_terminal(&["keys", "list"]);
    let (code, screen) = session.end();
    assert_eq!(code, 0, "{screen}");
    let head: Vec<&str> =
        screen.lines().find(|line| line.contains("NAME")).unwrap().split("  ").map(str::trim).collect();
    for column in ["NAME", "KEY", "ENV", "LAST USED", "STATUS"] {
        assert!(head.contains(&column), "{column} is not in {head:?}");
    }
    let line = |name: &str| screen.lines().find(|line| line.contains(name)).unwrap().to_owned();
    for (name, key, env, used) in [("in live", &live, "live", false), ("in test", &test, "test", true)] {
        let line = line(name);
        let masked = format!("otk_{}••••••••", &key.id[..5]);
        assert!(line.contains(&masked) && line.contains(env) && line.contains("active"), "{line}");
        assert_eq!(line.to_lowercase().contains("never"), !used, "{line}");
        assert!(!screen.contains(&key.secret[13..]));
    }
}

#[test]
fn o13_stats_are_real_numbers_of_real_traffic() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let key = create(&product, &machine, &["busy"]);
    let empty = machine.run(&["keys", "stats", &key.id, "--json"]).assert_ok().json();
    assert_eq!((&empty["served"], &empty["last_used_at"]), (&json!(0), &json!(null)));
    for _ in 0..6 {
        product.get("/v1/auth", &key.secret).assert_status(200);
    }
    for _ in 0..2 {
        product.get("/v1/auth/require/role:admin", &key.secret).assert_status(403);
    }
    let stats = || machine.run(&["keys", "stats", &key.id, "--json"]).assert_ok().json();
    eventually(|| stats()["served"] == json!(6) && stats()["refused"]["FORBIDDEN"] == json!(2));
    let stats = stats();
    assert_eq!((&stats["error_rate"], stats["last_used_at"].is_string()), (&json!(0.25), true), "{stats}");
    assert_eq!(stats["rate_limit"]["account"]["limit"], json!(600), "{stats}");
    // The account's budget fills up again by ten a second: something must use it the moment before.
    let other = create(&product, &machine, &["other"]);
    eventually(|| {
        for _ in 0..20 {
            product.get("/v1/auth", &other.secret).assert_status(200);
        }
        let stats = machine.run(&["keys", "stats", &key.id, "--json"]).assert_ok().json();
        (500..600).contains(&stats["rate_limit"]["account"]["remaining"].as_i64().unwrap())
    });
    let lines = machine.run(&["keys", "stats", &key.id]).assert_ok().stdout;
    for line in ["served\t6", "refused\t2", "error_rate\t0.25", "account_limit\t600"] {
        assert!(lines.lines().any(|found| found == line), "{line} is not in\n{lines}");
    }
    let (_, screen) = machine.at_terminal(&["keys", "stats", &key.id]).end();
    for text in ["6 in 24h", "FORBIDDEN 2", "25.0 %", "of 600 left this minute", "Last used"] {
        assert!(screen.contains(text), "{text} is not in\n{screen}");
    }
    // One more call, one more in the numbers.
    product.get("/v1/auth", &key.secret).assert_status(200);
    eventually(|| machine.run(&["keys", "stats", &key.id, "--json"]).assert_ok().json()["served"] == json!(7));
}

#[test]
fn o14_rotate_makes_a_new_secret_shown_once() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let key = create(&product, &machine, &["dev key"]);
    let ran = machine.run(&["keys", "rotate", &key.id]).assert_ok();
    let new = made(&product, &ran.stdout);
    assert!(new.secret != key.secret && new.id == key.id);
    assert!(!ran.stderr.contains(&new.secret[13..]), "{}", ran.stderr);
    assert!(ran.stderr.contains("works until"), "{}", ran.stderr);
    assert_eq!((product.call(&key.secret), product.call(&new.secret)), (200, 200));
    for args in [&["keys", "list", "--all"][..], &["keys", "stats", &key.id], &["keys", "list", "--json"], &["whoami"]]
    {
        let ran = machine.run(args).assert_ok();
        assert!(
            [&key, &new].iter().all(|key| !(format!("{}{}", ran.stdout, ran.stderr)).contains(&key.secret[13..])),
            "{args:?}"
        );
    }
    let again = machine.run(&["keys", "rotate", &key.id]);
    assert!(again.code != 0 && again.stdout.is_empty(), "a rotation is running: {again:?}");
}

#[test]
fn o17_revoke_ends_the_key_everywhere_at_once() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    // Where there are several nodes, at each of them.
    let second = (!product.database.is_sqlite()).then(|| product.second_node());
    let key = create(&product, &machine, &["dev key"]);
    let new = made(&product, &machine.run(&["keys", "rotate", &key.id]).assert_ok().stdout);
    let nodes: Vec<String> = [Some(product.address.clone()), second.as_ref().map(|node| node.address.clone())]
        .into_iter()
        .flatten()
        .collect();
    let call = |address: &str, secret: &str| Request::new("GET", "/v1/auth").bearer(secret).to(address).status;
    for address in &nodes {
        assert_eq!((call(address, &key.secret), call(address, &new.secret)), (200, 200));
    }
    machine.run(&["keys", "revoke", &key.id, "--yes", "--reason", "leaked"]).assert_ok();
    for address in &nodes {
        assert_eq!((call(address, &key.secret), call(address, &new.secret)), (401, 401));
    }
    product.person("olive").get("/orgs/acme/settings/audit").assert_see("dev key");
}

#[test]
fn o19_yes_skips_the_question_no_changes_nothing_and_nobody_to_ask_is_no_yes() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let key = create(&product, &machine, &["dev key"]);
    let failed = machine.run(&["keys", "revoke", &key.id]);
    assert!(failed.code == 2 && failed.stderr.contains("--yes"), "{failed:?}");
    let failed = machine.run(&["keys", "revoke", &key.id, "--no-input"]);
    assert_eq!((failed.code, product.call(&key.secret)), (2, 200), "{failed:?}");
    let unused = create(&product, &machine, &["unused"]);
    let mut session = machine.at_terminal(&["keys", "revoke", &unused.id]);
    session.wait_for("Revoke “unused”");
    session.wait_for("Requests get 401 at once");
    session.type_text("n\r");
    let (code, screen) = session.end();
    assert_eq!((code, product.call(&unused.secret)), (7, 200), "{screen}");
    machine.run(&["keys", "revoke", &key.id, "-y"]).assert_ok();
    assert_eq!((product.call(&key.secret), product.call(&unused.secret)), (401, 200));
}

#[test]
fn o21_the_env_file_is_never_one_that_git_tracks() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let count = || product.database.number("SELECT COUNT(*) AS n FROM api_keys");
    machine.write_file(".env.local", "A=1\n");
    machine.git(&["add", ".env.local"]);
    machine.git(&["commit", "--quiet", "-m", "by mistake"]);
    let refused = machine.run(&["keys", "create", "-n", "x", "--write-env"]);
    assert!(refused.code != 0 && refused.stderr.contains("tracked by git"), "{refused:?}");
    assert_eq!((refused.stdout.as_str(), count(), machine.read(".env.local").as_str()), ("", 0, "A=1\n"));
    // Not tracked, but not ignored either: it is written as asked, with a warning.
    let ran = machine.run(&["keys", "create", "-n", "warned", "--write-env=.env.dev"]).assert_ok();
    let key = made(&product, &ran.stdout);
    assert!(ran.stderr.contains("git does not ignore .env.dev"), "{}", ran.stderr);
    assert_eq!(machine.read(".env.dev"), format!("OUTKIT_API_KEY={}\n", key.secret));
    machine.write_file(".gitignore", ".env.test\n");
    let ran = machine.run(&["keys", "create", "-n", "quiet", "--write-env=.env.test"]).assert_ok();
    made(&product, &ran.stdout);
    assert!(!ran.stderr.contains("ignore"), "{}", ran.stderr);
}

#[test]
fn o22_otherwise_no_key_is_ever_written_to_disk() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let key = create(&product, &machine, &["dev key"]);
    let rotated = made(&product, &machine.run(&["keys", "rotate", &key.id]).assert_ok().stdout);
    create(&product, &machine, &["json", "--no-write-env"]);
    for args in [&["keys", "list", "--all"][..], &["keys", "stats", &key.id], &["whoami"], &["init", "--force"]] {
        machine.run(args).assert_ok();
    }
    machine.paste(&format!("OUTKIT_API_KEY={} outkit whoami", rotated.secret)).assert_ok();
    // A secret in place of an id is refused, and not kept either.
    let pasted = machine.run(&["keys", "stats", &rotated.secret]);
    assert!(pasted.code == 2 && !pasted.stderr.contains(&rotated.secret[13..]), "{pasted:?}");
    machine.run(&["keys", "revoke", &key.id, "-y"]).assert_ok();
    let files = machine.files();
    assert!(files.iter().any(|(path, _)| path.ends_with("outkit.json")), "{files:?}");
    for (path, text) in files {
        let held = product.learned().into_iter().find(|secret| text.contains(&secret[13..]));
        assert!(held.is_none(), "{} holds a key", path.display());
    }
}

#[test]
fn o24_logs_tail_streams_without_losing_or_repeating_a_line() {
    let product = Product::start("outkit");
    let machine = machine(&product, "ben");
    let key = create(&product, &machine, &["streamed"]);
    let tail = machine.start(&["logs", "tail"]);
    let call = |number: u32| {
        let request = Request::new("GET", "/v1/auth").bearer(&key.secret);
        let path = format!("/renders/{number:03}?secret=no");
        product.ask(request.header("X-Original-URI", &path).header("X-Original-Method", "GET")).assert_status(200);
    };
    // Until it is connected, a request is before its time.
    let began = std::time::Instant::now();
    while !tail.stdout().contains("/renders/9") {
        assert!(began.elapsed().as_secs() < 20, "{}", tail.stderr());
        call(900 + u32::try_from(began.elapsed().as_millis() / 300).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    for number in 0..20 {
        call(number);
        let took = tail.wait_for(&format!("/renders/{number:03}"));
        assert!(took < std::time::Duration::from_secs(1), "{took:?}");
    }
    for number in 20..60 {
        call(number);
        if number % 15 == 0 {
            product.stop();
            product.start_again();
        }
    }
    tail.wait_for("/renders/059");
    let lines = tail.stdout();
    for number in 0..60 {
        let count = lines.matches(&format!("/renders/{number:03}")).count();
        assert_eq!(count, 1, "line {number} is there {count} times:\n{lines}");
    }
    assert!(!lines.contains("secret=no") && !lines.contains(&key.secret[13..]));
}

#[test]
fn o25_llms_txt_is_an_index_of_the_documentation() {
    let product = Product::start("outkit");
    let index = product.ask(Request::new("GET", "/llms.txt")).assert_status(200);
    assert!(index.header("content-type").unwrap().starts_with("text/plain"));
    assert!(index.body.starts_with("# Outkit"), "{}", index.body);
    let links: Vec<&str> = index.body.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() >= 8, "{}", index.body);
    for link in &links {
        let path = link.strip_prefix(&product.url).expect("an address of this installation");
        let page = product.ask(Request::new("GET", path)).assert_status(200);
        assert!(page.body.len() > 300, "{link} says nothing");
    }
    for topic in ["quick-start", "cli", "api", "rotation", "security"] {
        assert!(links.iter().any(|link| link.contains(&format!("/docs/{topic}"))), "{topic} is not in {links:?}");
    }
    // For everybody, signed in or not, and with nothing missing: every page that /docs lists is in the index.
    let listed = product.ask(Request::new("GET", "/docs")).assert_status(200);
    for page in listed.attribute(".docs-index a", "href") {
        assert!(links.iter().any(|link| link.contains(&page)), "{page} is not in the index");
    }
}
