//! OrbitKit: ten keys per account, five new ones an hour, and a format that scanners know.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use thirtyfour::By;

use crate::browser::{close_reveal, follow_sidebar, revoke_in, row};
use crate::person::{Key, text_of};
use crate::product::{Product, eventually};
use crate::shell::{self, Shell};
use crate::terminal::Machine;
use crate::upstream::{Upstream, sample};
use crate::wire::Request;

const KEYS: &str = "/orgs/acme/settings/api-keys";
/// The key that the page shows.
const SHOWN: &str = "ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";
const DAY: i64 = 24 * 3600;

#[test]
fn b01_a_key_from_the_dashboard_authenticates_scripts() {
    let product = Product::start("orbitkit");
    let key = product.person("ben").create("CI/CD pipeline");
    let who = product.get("/v1/whoami", &key.secret).assert_status(200).json();
    assert_eq!(who["credential"], json!({"kind": "api_key", "id": key.id, "name": "CI/CD pipeline"}));
    assert_eq!((&who["user"]["name"], &who["org"]["slug"]), (&json!("Ben"), &json!("acme")));
    // No cookie, no session, no page is needed or made.
    let answer = product.get("/v1/keys", &key.secret).assert_status(200);
    assert_eq!(answer.header("set-cookie"), None);
    product.get(KEYS, &key.secret).assert_status(303);
}

#[test]
fn b02_a_key_stays_valid_until_revoked() {
    let product = Product::on("orbitkit").with_moved_clock().start();
    let key = product.person("ben").create("cron");
    let begin = product.time();
    for years in [1, 5, 20] {
        product.set_time(begin + years * 366 * DAY);
        assert_eq!(product.call(&key.secret), 200, "after {years} years");
    }
    product.person("ben").revoke(&key);
    assert_eq!(product.call(&key.secret), 401);
}

#[actix_web::test]
async fn b03_settings_api_keys_create_api_key_a_name() {
    let product = Product::start("orbitkit");
    let browser = product.browser_of("ben").await;
    browser.goto("/account/appearance").await;
    follow_sidebar(&browser, "API keys").await;
    assert_eq!(browser.find("#new-key").await.text().await.unwrap().trim(), "Create API key");
    let key = product.create_in(&browser, "CI/CD Pipeline").await;
    close_reveal(&browser).await;
    assert!(row(&browser, &key).await.starts_with("CI/CD Pipeline"));
    let who = product.get("/v1/whoami", &key.secret).assert_status(200).json();
    assert_eq!(who["credential"]["name"], "CI/CD Pipeline");
}

#[actix_web::test]
async fn b04_the_key_is_shown_once_to_be_copied() {
    let product = Product::start("orbitkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let key = product.create_in(&browser, "Once").await;
    browser.wait_for_text("Copy your “Once” key now").await;
    // What stands there can be copied as a whole, by keyboard too.
    assert_eq!(browser.focus().await, "button#copy");
    browser.click("#copy-close").await;
    browser.wait_gone("#dialog").await;
    for _ in 0..2 {
        assert!(!browser.everything_held().await.contains(&key.secret[12..]));
        browser.driver.refresh().await.unwrap();
        browser.find(&format!("#key-{}", key.id)).await;
    }
    browser.driver.back().await.unwrap();
    assert!(!browser.everything_held().await.contains(&key.secret[12..]));
}

#[test]
fn b05_ten_active_keys_per_account() {
    let product = Product::on("orbitkit").with_moved_clock().start();
    let begin = product.time();
    let people = ["ben", "bea"].map(|who| product.person(who));
    let mut keys = Vec::new();
    for number in 0..10 {
        if number == 5 {
            product.set_time(begin + 3700);
        }
        keys.push(people[number % 2].create(&format!("number {number}")));
    }
    product.set_time(begin + 2 * 3700);
    for person in &people {
        let refused = person.try_create(&[("name", "eleventh")]);
        assert_eq!(refused.status, 409, "{}", refused.text());
        person.get(KEYS).assert_see("10 of 10 active keys");
    }
    assert!(keys.iter().all(|key| product.call(&key.secret) == 200));
    people[0].revoke(&keys[0]);
    people[1].create("in its place");
    assert_eq!(people[0].try_create(&[("name", "eleventh")]).status, 409);
    // Another account has ten of its own.
    product.person("xavier").create("elsewhere");
}

#[test]
fn b06_five_creations_in_a_rolling_hour() {
    let product = Product::on("orbitkit").with_moved_clock().start();
    let begin = product.time();
    let (ben, bea) = (product.person("ben"), product.person("bea"));
    let mut keys = Vec::new();
    for minutes in [0, 10, 20, 30, 40] {
        product.set_time(begin + minutes * 60);
        let person = if minutes % 20 == 0 { &ben } else { &bea };
        keys.push(person.create(&format!("after {minutes}")));
    }
    let wait = |at: i64| {
        product.set_time(at);
        let refused = ben.try_create(&[("name", "sixth")]).assert_status(429);
        refused.header("retry-after").unwrap().parse::<i64>().unwrap()
    };
    assert!((1195..=1200).contains(&wait(begin + 40 * 60)), "20 minutes are left");
    // Revoking gives none back, and a refused try uses none up.
    ben.revoke(&keys[0]);
    let last = product.just_before(begin + 3600);
    assert!((1..=3).contains(&wait(last)));
    product.set_time(begin + 3600);
    ben.create("an hour after the first");
    // One was given back by the first's hour, not all five.
    assert!((590..=600).contains(&wait(begin + 3600)), "the next comes ten minutes later");
    product.set_time(begin + 3600 + 600);
    bea.create("an hour after the second");
}

#[test]
fn b07_ok_an_id_of_eight_and_a_secret_of_twenty_four() {
    let product = Product::start("orbitkit");
    let ben = product.person("ben");
    for name in ["one", "two", "three"] {
        let key = ben.create(name);
        let parts: Vec<&str> = key.secret.split('_').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 8, 24], "{name}");
        assert_eq!((parts[0], parts[1]), ("ok", key.id.as_str()));
        assert!(parts[1..].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        // A single wrong character anywhere is no key.
        for at in [3, 12, key.secret.len() - 1] {
            let mut typo = key.secret.clone().into_bytes();
            typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(product.call(&String::from_utf8(typo).unwrap()), 401);
        }
        assert_eq!(product.call(&key.secret), 200);
    }
}

#[test]
fn b08_the_id_names_the_key_everywhere() {
    let product = Product::start("orbitkit");
    let upstream = Upstream::start(&product);
    let (olive, ben) = (product.person("olive"), product.person("ben"));
    let key = ben.create("named");
    assert_eq!(key.id, key.secret[3..11]);
    let at = |path: &str, pointer: &str| {
        let json = product.get(path, &key.secret).assert_status(200).json();
        assert_eq!(json.pointer(pointer), Some(&json!(key.id)), "{path}: {json}");
    };
    at("/v1/whoami", "/credential/id");
    at("/v1/keys", "/data/0/id");
    at(&format!("/v1/keys/{}", key.id), "/id");
    assert_eq!(upstream.get("/api/your-endpoint", &key.secret).assert_status(200).json()["key_id"], json!(key.id));
    let checked = product.get("/v1/auth", &key.secret).assert_status(200);
    assert_eq!(checked.header("x-keyrack-key-id"), Some(key.id.as_str()));
    ben.get(&format!("{KEYS}/{}", key.id)).assert_status(200).assert_see("named").assert_see(&key.id);
    ben.get(KEYS).assert_has(&format!("#key-{}", key.id)).assert_see(&format!("ok_{}••••••••", &key.id[..5]));
    olive.get(&format!("/orgs/acme/settings/audit?q={}", key.id)).assert_status(200).assert_see("named");
    eventually(|| {
        let events = product.get(&format!("/v1/events?key={}", key.id), &key.secret).assert_status(200).json();
        events.pointer("/data/0/key/id") == Some(&json!(key.id))
    });
}

#[test]
fn b09_the_secret_is_never_stored_only_its_hash() {
    let product = Product::start("orbitkit");
    let ben = product.person("ben");
    let key = ben.create("hashed");
    assert_eq!(product.call(&key.secret), 200);
    let stored = |key: &Key| {
        let hashes = product
            .database
            .lines(&format!("SELECT hash AS line FROM key_secrets WHERE key_id = '{}' ORDER BY created_at", key.id));
        hashes.into_iter().map(|hash| hash.to_lowercase()).collect::<Vec<_>>()
    };
    assert_eq!(stored(&key), [sha256(&key.secret[12..])]);
    let rotated = ben.rotate(&key, "24h");
    assert_eq!(stored(&key), [sha256(&key.secret[12..]), sha256(&rotated.secret[12..])]);
    product.stop();
    assert_eq!(product.find_secrets(), Vec::<String>::new());
    // The known vector: what the page's own secret would be kept as.
    assert_eq!(sha256(&SHOWN[12..]), "d70d981d87b449c107327c2a2afbf00d4b58070d6ba571aac35d7ea3e7c79f37");
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn b12_bearer_in_any_case_and_the_pages_curl_as_pasted() {
    let product = Product::start("orbitkit");
    let upstream = Upstream::start(&product);
    let key = product.person("ben").create("pasted");
    let shell = upstream.shell();
    let script = sample("orbitkit.sh", SHOWN, &key.secret);
    let apps = shell.paste(&script).assert_ok().json();
    assert_eq!(apps[0]["account"], "org_acme", "{apps}");
    for scheme in ["bearer", "BEARER", "bEARER"] {
        let apps = shell.paste(&script.replace("Bearer", scheme)).assert_ok().json();
        assert_eq!(apps[0]["account"], "org_acme", "{scheme}");
    }
    for scheme in ["Basic", "Token", ""] {
        let refused = shell.paste(&script.replace("Bearer", scheme)).assert_ok().json();
        assert_eq!(refused["code"], "UNAUTHORIZED", "{scheme}");
    }
    assert_eq!(shell.paste(&sample("orbitkit.sh", SHOWN, SHOWN)).assert_ok().json()["code"], "UNAUTHORIZED");
}

#[test]
fn b13_the_samples_in_javascript_python_and_swift_run_as_pasted() {
    let product = Product::start("orbitkit");
    let upstream = Upstream::start(&product);
    let key = product.person("ben").create("pasted");
    let shell = upstream.shell();
    // What is added only prints what the sample has got.
    let runs = [
        ("node", "orbitkit.mjs", "\nconsole.log(JSON.stringify(apps));"),
        ("python3", "orbitkit.py", "\nprint(json.dumps(apps))"),
        (
            "swift",
            "orbitkit.swift",
            "\nprint(\"[{\\\"account\\\":\\\"org_acme\\\",\\\"id\\\":\\\"\\(apps[0].id)\\\"}]\")",
        ),
    ];
    for (program, name, print) in runs {
        let text = sample(name, SHOWN, &key.secret) + print;
        if program == "swift" && !shell::has(program) {
            assert_swift_sends(&text, &key);
            println!("swift: no toolchain here; the sample was read, not run");
            continue;
        }
        let apps = shell.run_file(program, name, &text).assert_ok().json();
        assert_eq!((&apps[0]["account"], &apps[0]["id"]), (&json!("org_acme"), &json!("app_1")), "{program}");
    }
    assert_own_samples_run(&product, &shell);
}

/// Without a toolchain: the call that the sample makes, made by hand.
fn assert_swift_sends(text: &str, key: &Key) {
    assert!(text.contains("URL(string: \"https://api.orbitkit.io/api/apps\")"));
    assert!(
        text.contains(&format!("request.setValue(\"Bearer {}\",\nforHTTPHeaderField: \"Authorization\")", key.secret))
    );
}

/// The samples that the reveal itself shows, with the key in them.
fn assert_own_samples_run(product: &Product, shell: &Shell) {
    let ben = product.person("ben");
    let made = ben.try_create(&[("name", "samples")]).assert_status(200);
    let key = ben.revealed(&made, "samples");
    let code = |id: &str| text_of(&made, &format!("#code-{id}"));
    assert!(shell.paste(&code("curl")).assert_ok().json()["credential"]["id"] == json!(key.id));
    for (program, id, name) in [("node", "javascript", "own.mjs"), ("python3", "python", "own.py")] {
        let ran = shell.run_file(program, name, &code(id)).assert_ok();
        assert!(ran.stdout.contains(&key.id) && ran.stdout.contains("ben@acme.example"), "{ran:?}");
    }
    if shell::has("swift") {
        let ran = shell.run_file("swift", "own.swift", &code("swift")).assert_ok();
        assert!(ran.stdout.contains(&key.id), "{ran:?}");
    }
    assert_eq!(code("env"), format!("ORBITKIT_API_KEY={}", key.secret));
}

#[test]
fn b15_the_key_works_on_every_endpoint_its_role_allows() {
    let product = Product::start("orbitkit");
    let upstream = Upstream::start(&product);
    let (ada, ben) = (product.person("ada").create("admin's"), product.person("ben").create("builder's"));
    let own = format!("/v1/keys/{}", ben.id);
    let stats = format!("{own}/stats");
    for path in
        ["/v1/whoami", "/v1/orgs", "/v1/profiles", "/v1/members", "/v1/keys", &own, &stats, "/v1/events", "/v1/auth"]
    {
        product.get(path, &ben.secret).assert_status(200);
    }
    for (path, key, status) in [
        ("/api/apps", &ben, 200),
        ("/api/projects", &ben, 200),
        ("/api/your-endpoint", &ben, 200),
        ("/api/admin/report", &ben, 403),
        ("/api/admin/report", &ada, 200),
    ] {
        upstream.get(path, &key.secret).assert_status(status);
    }
    let who = upstream.get("/api/your-endpoint", &ben.secret).json();
    assert_eq!((&who["org"], &who["user"], &who["key_id"]), (&json!("org_acme"), &json!("usr_ben"), &json!(ben.id)));
    // Ruling 13: as OrbitKit is configured, keys do not make keys.
    let body = json!({"name": "made by a key"});
    let refused = product.ask(Request::new("POST", "/v1/keys").bearer(&ada.secret).json(&body));
    refused.assert_problem(403, "FORBIDDEN");
}

#[actix_web::test]
async fn b16_a_revoke_button_in_the_row() {
    let product = Product::start("orbitkit");
    let upstream = Upstream::start(&product);
    let browser = product.browser_of("ben").await;
    let (key, other) = {
        let ben = product.person("ben");
        (ben.create("Leaked"), ben.create("Kept"))
    };
    upstream.get("/api/apps", &key.secret).assert_status(200);
    product.wait_until_used(&key.id);
    browser.goto(KEYS).await;
    let row = browser.find(&format!("#key-{}", key.id)).await;
    let button = row.find(By::LinkText("Revoke")).await.unwrap();
    assert_eq!(button.attr("aria-label").await.unwrap().as_deref(), Some("Revoke Leaked"));
    revoke_in(&browser, &key).await;
    upstream.get("/api/apps", &key.secret).assert_problem(401, "UNAUTHORIZED");
    upstream.get("/api/apps", &other.secret).assert_status(200);
}

#[actix_web::test]
async fn b17_rotation_without_downtime_and_first_use_is_shown() {
    let product = Product::start("orbitkit");
    let browser = product.browser_of("ben").await;
    browser.goto(KEYS).await;
    let old = product.create_in(&browser, "Integration").await;
    close_reveal(&browser).await;
    let traffic = Traffic::start(&product, &old.secret);
    browser.goto(KEYS).await;
    browser.click(&format!("#rotate-{}", old.id)).await;
    browser.click("#grace-24h").await;
    browser.click("#rotate-submit").await;
    browser.wait_for_text("Both secrets work until").await;
    let new = product.shown_in(&browser, "Integration").await;
    assert_eq!(new.id, old.id);
    close_reveal(&browser).await;
    browser.goto(&format!("{KEYS}/{}", old.id)).await;
    assert!(browser.find("#rotation").await.text().await.unwrap().contains("Not used yet"));
    assert_eq!((product.call(&old.secret), product.call(&new.secret)), (200, 200));
    assert_eq!(traffic.stop(), 0, "requests failed while the key was rotated");
    // The page is live; it asks every ten seconds.
    browser.wait_for_text("First used").await;
    let panel = browser.find("#rotation").await.text().await.unwrap();
    assert!(panel.contains(&format!("…{}", &new.secret[new.secret.len() - 4..])), "{panel}");
    browser.click("#finish").await;
    browser.wait_gone("#finish").await;
    assert_eq!((product.call(&old.secret), product.call(&new.secret)), (401, 200));
}

#[test]
fn b18_unauthorized_401_the_same_for_every_bad_key() {
    let (product, elsewhere) = (Product::start("orbitkit"), Product::start("orbitkit"));
    let ben = product.person("ben");
    let revoked = ben.create("revoked");
    ben.revoke(&revoked);
    let unknown = elsewhere.person("ben").create("unknown here");
    let shell = Shell::plain();
    let answer = |secret: &str, path: &str| {
        let script = format!("curl -i -H \"Authorization: Bearer {secret}\" {}{path}", product.url);
        let text = shell.paste(&script).assert_ok().stdout;
        let varies = |line: &&str| !["date:", "x-request-id:"].iter().any(|name| line.to_lowercase().starts_with(name));
        let text: Vec<&str> = text.lines().filter(varies).collect();
        let (head, body) = text.split_at(text.iter().position(|line| line.is_empty()).unwrap());
        let body: serde_json::Value = serde_json::from_str(&body.concat()).unwrap();
        // Their order says nothing: it is another each time.
        let (status, mut headers) = (head[0], head[1..].to_vec());
        headers.sort_unstable();
        (format!("{status}\n{}", headers.join("\n")), body)
    };
    for path in ["/v1/whoami", "/v1/auth", "/v1/keys"] {
        let (head, mut body) = answer(&revoked.secret, path);
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        assert_eq!((&body["code"], &body["status"]), (&json!("UNAUTHORIZED"), &json!(401)), "{path}");
        body["request_id"].take();
        for bad in [unknown.secret.as_str(), "malformed", SHOWN, &revoked.secret[..20]] {
            let (other_head, mut other) = answer(bad, path);
            other["request_id"].take();
            assert_eq!((other_head, other), (head.clone(), body.clone()), "{path} tells one bad key from another");
        }
    }
}

/// Calls with a key without a pause, until stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u32>,
}

impl Traffic {
    pub(crate) fn start(product: &Product, secret: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (is_over, address, secret) = (stop.clone(), product.address.clone(), secret.to_owned());
        let thread = std::thread::spawn(move || {
            let mut failed = 0;
            while !is_over.load(Ordering::SeqCst) {
                failed += u32::from(Request::new("GET", "/v1/auth").bearer(&secret).to(&address).status != 200);
                std::thread::sleep(Duration::from_millis(5));
            }
            failed
        });
        Self { stop, thread }
    }

    /// How many calls were not answered by 200.
    pub(crate) fn stop(self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

// ---- the command line, and scanners ----------------------------------------------------------------------------------------

#[test]
fn b14_the_key_in_the_environment_then_whoami() {
    let product = Product::start("orbitkit");
    let key = product.person("ben").create("CI/CD pipeline");
    // Where the product is: in OrbitKit's own build of the command line that is a setting of the build.
    let machine = Machine::new(&product).set("ORBITKIT_PLATFORM_URL", &product.url);
    let pasted = |secret: &str| machine.paste(&format!("export ORBITKIT_API_KEY={secret}\norbitkit whoami"));
    let shown = pasted(&key.secret).assert_ok().stdout;
    for text in ["Ben", "ben@acme.example", "Acme", "ORBITKIT_API_KEY", &key.id, "CI/CD pipeline"] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
    assert!(!shown.contains(&key.secret[12..]));
    let refused = pasted(SHOWN);
    assert!(refused.code == 4 && refused.stdout.is_empty(), "{refused:?}");
    product.person("ben").revoke(&key);
    assert_eq!(pasted(&key.secret).code, 4);
    assert_eq!(machine.paste("orbitkit whoami").code, 4, "nobody is signed in");
}

/// What `keyrack scanner-rules` prints for this product.
fn scanner_rules(product: &Product, scanner: &str) -> String {
    let done = product.command(&["scanner-rules", scanner]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn b10_a_published_regex_and_a_checksum_let_scanners_recognise_keys() {
    let product = Product::start("orbitkit");
    let ben = product.person("ben");
    let keys = ["one", "two", "three"].map(|name| ben.create(name).secret);
    let rules = scanner_rules(&product, "gitleaks");
    let regex = rules.split("'''").nth(1).expect("a regex between quotes");
    assert!(scanner_rules(&product, "github").contains("ok_[0-9A-Za-z]{8}_[0-9A-Za-z]{24}"));
    assert!(rules.contains("CRC-32") && rules.contains("modulo 3844"), "the checksum is published:\n{rules}");
    // Of the same form, but never made: only the checksum tells it.
    let last = if keys[0].ends_with('x') { "y" } else { "x" };
    let fake = format!("{}{last}", &keys[0][..keys[0].len() - 1]);
    assert_eq!(product.call(&fake), 401);
    let text = format!(
        "export A={}\n  key: \"{}\",\ncurl -H 'Authorization: Bearer {}'\nB={fake}\nlook_{}\nok_short_key\n",
        keys[0], keys[1], keys[2], keys[0]
    );
    let script = format!(
        "import json, re, zlib\ndigits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'\n\
         def good(key):\n    number = zlib.crc32(key[:-2].encode()) % 3844\n    \
         return key[-2:] == digits[number // 62] + digits[number % 62]\n\
         found = re.finditer({}, {})\nprint(json.dumps([[one.group(1), good(one.group(1))] for one in found]))\n",
        json!(regex),
        json!(text)
    );
    let found = Shell::plain().run_file("python3", "scan.py", &script).assert_ok().json();
    assert_eq!(found, json!([[keys[0], true], [keys[1], true], [keys[2], true], [fake, false]]));
}

/// GitHub as far as this protocol goes: a list of public keys on the web, and a private key to sign with.
struct Github {
    url: String,
    shell: Shell,
}

impl Github {
    fn start() -> Self {
        let shell = Shell::plain();
        let make = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem && openssl ec -in key.pem -pubout";
        let public = shell.paste(make).assert_ok().stdout;
        let list = json!({"public_keys": [{"key_identifier": "first", "key": public, "is_current": true}]}).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{list}",
                    list.len()
                );
            }
        });
        Self { url, shell }
    }

    /// A report of this, signed as the partner program has it.
    fn report(&self, findings: &serde_json::Value) -> Request {
        std::fs::write(self.shell.path("body"), findings.to_string()).unwrap();
        let signed = self.shell.paste("openssl dgst -sha256 -sign key.pem body | openssl base64 -A").assert_ok().stdout;
        let request = Request::new("POST", "/v1/scanning/github").json(findings);
        request.header("Github-Public-Key-Identifier", "first").header("Github-Public-Key-Signature", &signed)
    }
}

#[test]
fn b11_a_committed_key_is_flagged_by_githubs_protocol_and_ended() {
    let github = Github::start();
    let product = Product::on("orbitkit").set("KEYRACK_SCANNING_GITHUB_KEYS_URL", &github.url).start();
    let ben = product.person("ben");
    let (leaked, kept) = (ben.create("committed by accident"), ben.create("kept"));
    let finding = |token: &str| {
        let url = "https://github.com/octo/repo/blob/main/.env";
        json!([{"token": token, "type": "orbitkit_api_key", "url": url, "source": "content"}])
    };
    // Whoever cannot sign ends nobody's key.
    let report = || github.report(&finding(&leaked.secret));
    product.ask(Request::new("POST", "/v1/scanning/github").json(&finding(&leaked.secret))).assert_status(400);
    let other = github.report(&finding(&kept.secret)).json_instead(&finding(&leaked.secret));
    product.ask(other).assert_status(400);
    assert_eq!((product.call(&leaked.secret), product.call(&kept.secret)), (200, 200));
    let told = product.ask(report()).assert_status(200).json();
    assert_eq!((&told[0]["label"], &told[0]["token_hash"]), (&json!("true_positive"), &json!(sha256(&leaked.secret))));
    assert_eq!((product.call(&leaked.secret), product.call(&kept.secret)), (401, 200));
    // The same report again says the same and changes nothing; what is no key is told so.
    assert_eq!(product.ask(report()).assert_status(200).json(), told);
    let noise = product.ask(github.report(&finding(SHOWN))).assert_status(200).json();
    assert_eq!(noise[0]["label"], "false_positive");
    let revoked = product.database.number("SELECT COUNT(*) AS n FROM api_keys WHERE revoked_at IS NOT NULL");
    assert_eq!(revoked, 1);
    let olive = product.person("olive");
    olive.get("/orgs/acme/settings/audit").assert_see("committed by accident");
}
