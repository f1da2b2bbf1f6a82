//! Settings as tables: what is written, what comes out, what is refused.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::*;

#[derive(Default)]
struct World {
    files: Vec<(&'static str, &'static str)>,
    variables: Vec<(&'static str, &'static str)>,
    flags: Vec<(&'static str, &'static str)>,
    config: Option<&'static str>,
}

impl World {
    fn load(&self) -> Result<Settings, String> {
        let read_file = |path: &Path| {
            let found = self.files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        let variables: BTreeMap<String, String> =
            self.variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flags = self.flags.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
        let config = self.config.map(PathBuf::from);
        Settings::load(&Sources { flags, config, variables, read_file: &read_file }).map_err(|error| error.to_string())
    }
}

fn toml(text: &'static str) -> Result<Settings, String> {
    World { files: vec![("keyrack.toml", text)], ..World::default() }.load()
}

fn variables(variables: &[(&'static str, &'static str)]) -> Result<Settings, String> {
    World { variables: variables.to_vec(), ..World::default() }.load()
}

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\
                   00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn nothing_set_means_the_documented_defaults() {
    let settings = World::default().load().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_url.as_str(), "sqlite://keyrack.db");
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:8080");
    assert_eq!((settings.default_plan.as_str(), settings.plans.len()), ("standard", 1));
    assert_eq!(settings.plans[0].active_keys_max, Some(25));
    assert_eq!(settings.keys.format().lead("live"), "kr_");
    assert!(!settings.sign_up_open && settings.smtp.is_none() && settings.first_owner.is_none());
    assert_eq!(settings.warnings(), Vec::<String>::new());
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let mut world = World { files: vec![("keyrack.toml", "listen = \"127.0.0.1:1\"")], ..World::default() };
    let listen = |world: &World| {
        let settings = world.load().unwrap();
        (settings.listen.port(), settings.origin("listen").to_string())
    };
    assert_eq!(listen(&world), (1, "keyrack.toml".to_owned()));
    world.variables = vec![("KEYRACK_LISTEN", "127.0.0.1:2")];
    assert_eq!(listen(&world), (2, "KEYRACK_LISTEN".to_owned()));
    world.flags = vec![("listen", "127.0.0.1:3")];
    assert_eq!(listen(&world), (3, "--listen".to_owned()));
}

#[test]
fn the_file_is_named_by_flag_or_variable_and_must_then_exist() {
    let file = ("other.toml", "[brand]\nname = \"Outkit\"");
    let flag = World { files: vec![file], config: Some("other.toml"), ..World::default() };
    assert_eq!(flag.load().unwrap().brand.name, "Outkit");
    let variables = vec![("KEYRACK_CONFIG", "other.toml")];
    let variable = World { files: vec![file], variables: variables.clone(), ..World::default() };
    assert_eq!(variable.load().unwrap().brand.name, "Outkit");
    let missing = World { variables, ..World::default() }.load().unwrap_err();
    assert!(missing.starts_with("KEYRACK_CONFIG: other.toml cannot be read: "), "{missing}");
}

#[test]
fn every_setting_has_a_variable() {
    let all = variables(&[
        ("KEYRACK_LISTEN", "[::1]:9000"),
        ("KEYRACK_PUBLIC_URL", "https://Keys.Example.com:443/"),
        ("KEYRACK_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
        ("KEYRACK_PLANS", r#"[{"id":"a+","name":"A","active_keys_max":5},{"id":"b","name":"B","api_keys":false}]"#),
        ("KEYRACK_DEFAULT_PLAN", "b"),
        ("KEYRACK_ON_DOWNGRADE", "refuse"),
        ("KEYRACK_BRAND_NAME", "Outkit"),
        ("KEYRACK_BRAND_ENV_PREFIX", "OUTKIT_"),
        ("KEYRACK_KEYS_PREFIX", "rk_live_"),
        ("KEYRACK_KEYS_ENVIRONMENTS", "live,test"),
        ("KEYRACK_KEYS_ENVIRONMENT_IN_KEY", "1"),
        ("KEYRACK_KEYS_SEPARATOR", ""),
        ("KEYRACK_KEYS_MAX_EXPIRY", "1y"),
        ("KEYRACK_USAGE_KEEP", "1y"),
        ("KEYRACK_EVENTS_KEEP", "12h"),
        ("KEYRACK_EVENTS_PER_SECOND", "50"),
        ("KEYRACK_SIGN_UP_OPEN", "true"),
        ("KEYRACK_SMTP_HOST", "mail.example.com"),
        ("KEYRACK_SMTP_FROM", "keys@example.com"),
        ("KEYRACK_SECURITY_TXT_CONTACT", "mailto:security@example.com"),
        ("KEYRACK_SECURITY_TXT_EXPIRES", "2027-12-31"),
        ("KEYRACK_METRICS_LISTEN", "127.0.0.1:9090"),
        ("KEYRACK_LOG_FORMAT", "json"),
        ("KEYRACK_API_KEY", "belongs to the command line"),
        ("KEYRACK_SMTP_USERNAME", ""),
    ]);
    let all = all.unwrap();
    assert_eq!(all.public_url.as_str(), "https://keys.example.com");
    assert_eq!(all.trusted_proxies.len(), 2);
    assert_eq!((all.plans[0].id.as_str(), all.plans[1].api_keys), ("a+", false));
    assert_eq!((all.keys.prefix.as_str(), all.keys.separator.as_str()), ("rk_live", ""));
    assert_eq!(all.keys.default_expiry, all.keys.max_expiry);
    assert_eq!(all.brand.env_prefix, "OUTKIT");
    assert_eq!((all.rules().usage_kept, all.rules().events_kept), (Span::days(365), Span::hours(12)));
    assert_eq!(all.records.events_per_second, 50);
    assert!(all.smtp.is_some() && all.security_txt.is_some() && all.sign_up_open);
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let mut world = World { files: vec![("/run/key", KEY), ("/run/empty", "\n")], ..World::default() };
    world.variables = vec![("KEYRACK_SESSION_KEY_FILE", "/run/key")];
    assert!(world.load().unwrap().session_key.is_some());
    world.variables.push(("KEYRACK_SESSION_KEY", KEY));
    assert_eq!(
        world.load().unwrap_err(),
        "KEYRACK_SESSION_KEY and KEYRACK_SESSION_KEY_FILE are both set; keep one of the two"
    );
    for (file, why) in
        [("/run/none", "KEYRACK_SMTP_PASSWORD_FILE: /run/none cannot be read"), ("/run/empty", "is empty")]
    {
        world.variables = vec![("KEYRACK_SMTP_PASSWORD_FILE", file)];
        let error = world.load().unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    world.variables.clear();
    world.files.push(("keyrack.toml", "session_key_file = \"/run/key\""));
    assert!(world.load().unwrap().session_key.is_some());
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    for (text, error) in [
        ("lisen = 1", "keyrack.toml: unknown setting “lisen”; did you mean “listen”?"),
        ("[keys]\nprefx = \"ok\"", "keyrack.toml: unknown setting “keys.prefx”; did you mean “keys.prefix”?"),
        ("prefix = \"ok\"", "keyrack.toml: unknown setting “prefix”; did you mean “prefix” under [keys]?"),
        ("[brand]\nlisten = \"x\"", "did you mean “listen” at the top of the file, above the first [section]?"),
        ("[brnd]\nname = \"x\"", "keyrack.toml: unknown setting “brnd”; did you mean"),
        ("[[plans]]\nid=\"a\"\nname=\"A\"\nactive_key_max=1", "did you mean “active_keys_max”?"),
        ("[[plans]]\nid=\"a\"\nname=\"A\"\ndefault_plan=\"a\"", "it belongs at the top of the file"),
        ("listen_file = \"x\"", "unknown setting “listen_file”"),
    ] {
        let found = toml(text).unwrap_err();
        assert!(found.contains(error), "{text}: {found}");
    }
    assert_eq!(
        variables(&[("KEYRACK_KEY_PREFIX", "ok")]).unwrap_err(),
        "unknown variable KEYRACK_KEY_PREFIX; did you mean KEYRACK_KEYS_PREFIX?"
    );
}

#[test]
fn wrong_values_are_refused_in_plain_words() {
    for (text, error) in [
        ("listen = 8080", "keyrack.toml: listen: must be text in quotes, not a number"),
        ("listen = \"8080\"", "is not an address and port like 127.0.0.1:8080"),
        ("database_url = \"mysql://x\"", "keyrack.toml: database_url: must begin with sqlite:// or postgres://"),
        ("database_url = \"sqlite:x.db\"", "must begin with sqlite://"),
        ("database_url = \"sqlite://:memory:\"", "name a file"),
        ("database_url = \"postgres://a:hunt er2@db/x\"", "holds a space or a second @"),
        ("database_url = \"postgres://a:hun@ter2@db/x\"", "holds a space or a second @"),
        ("public_url = \"keys.example.com\"", "is not an address like https://keys.example.com"),
        ("public_url = \"https://example.com/keys\"", "must end after the host"),
        ("public_url = \"https://a@example.com\"", "is not an address"),
        ("session_key = \"secret\"", "must be 128 hex digits"),
        ("trusted_proxies = [\"10.0.0.0/99\"]", "“10.0.0.0/99” is not an address or network"),
        ("trusted_proxies = \"10.0.0.0/8\"", "must be a list of texts"),
        ("on_downgrade = \"delete\"", "must be keep or refuse, not “delete”"),
        ("default_plan = \"gold\"", "no plan has the id “gold”; there is standard"),
        ("admin_email = \"a@example.com\"", "needs KEYRACK_ADMIN_PASSWORD_FILE beside it"),
        ("admin_email = \"a@example.com\"\nadmin_password = \"password12\"", "is easy to guess"),
        ("brand = 1", "is a section; write [brand]"),
        ("[keys]\nprefix = \"OK\"", "may hold a-z, 0-9 and _ only"),
        ("[keys]\nprefix = \"krc\"", "“krc” is what Keyrack's own tokens begin with"),
        ("[keys]\nprefix = \"krs_live\"", "“krs_live” is what Keyrack's own tokens begin with"),
        ("[keys]\nprefix = \"_\"", "may hold a-z, 0-9 and _ only"),
        ("[keys]\nseparator = \"-\"", "must be “_” or empty, not “-”"),
        ("[keys]\nenvironments = [\"Live\"]", "“Live” must be 1 to 12 characters of a-z and 0-9"),
        ("[keys]\nenvironments = [\"live\", \"live\"]", "stands there twice"),
        ("[keys]\nkeys_may_manage_keys = \"true\"", "must be true or false without quotes"),
        ("[events]\nkeep = \"never\"", "“never” is not a length of time; write 12h, 7d or 1y, at least 1h"),
        ("[events]\nper_second = 0", "events.per_second: must be a number from 1 to 100000"),
        ("[keys]\nmax_expiry = \"soon\"", "“soon” is not a lifetime; write 90d, 24h, 1y or never"),
        ("[keys]\nmax_expiry = \"30d\"\ndefault_expiry = \"90d\"", "is longer than keys.max_expiry"),
        ("[keys]\nmax_expiry = \"30d\"\ndefault_expiry = \"never\"", "is never, but keys.max_expiry"),
        ("[keys]\nquery_parameter_endpoints = [\"hooks\"]", "must be a path like /hooks/in"),
        ("[brand]\nsupport_url = \"javascript:alert(1)\"", "must begin with https:// or"),
        ("[[plans]]\nid = \"a\"", "plan “a”: needs a name"),
        ("[[plans]]\nname = \"a\"", "plan number 1: needs an id"),
        ("[[plans]]\nid = \"a\"\nname = \"A\"\nactive_keys_max = 0", "must be a whole number from 1"),
        ("[[plans]]\nid=\"a\"\nname=\"A\"\n[[plans]]\nid=\"a\"\nname=\"B\"", "two plans have the id “a”"),
        ("[[plans]]\nid=\"a\"\nname=\"A\"\nbilling_price=[\"x y\"]", "billing_price must be text in quotes, or a list"),
        (
            "[[plans]]\nid=\"a\"\nname=\"A\"\nbilling_price=\"p\"\n[[plans]]\nid=\"b\"\nname=\"B\"\nbilling_price=[\"q\", \"p\"]",
            "two plans have the billing_price “p”",
        ),
        ("[billing]\nwebhook_secret = \"short\"", "must be 16 visible characters at least"),
        ("[plans]\nid = \"a\"", "must be written as [[plans]]"),
        ("[smtp]\nport = 70000", "must be a port"),
        ("[smtp]\nfrom = \"a@example.com\"", "needs smtp.host"),
        ("[security_txt]\ncontact = \"mailto:a@example.com\"", "needs security_txt.expires beside it"),
        ("metrics_token = \"short\"", "metrics_token: must be 16 visible characters at least"),
        ("redis_url = \"redis\"", "redis_url: must begin with redis:// and name a host"),
        ("redis_url = \"rediss://redis\"", "redis_url: TLS to Redis is not supported"),
        ("listen = ", "keyrack.toml: TOML parse error at line 1"),
    ] {
        let found = toml(text).map(|settings| settings.dump()).unwrap_err();
        assert!(found.contains(error), "{text}: {found}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = toml("listen = 1\nlog_format = \"xml\"\n[keys]\nprefix = \"!\"").unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_prefix_means_the_same_with_its_underscore_and_without() {
    for text in ["[keys]\nprefix = \"ok\"", "[keys]\nprefix = \"ok_\""] {
        assert_eq!(toml(text).unwrap().keys.prefix, "ok");
    }
}

#[test]
fn the_dump_hides_secrets_and_reads_back() {
    let world = World {
        variables: vec![
            ("KEYRACK_SESSION_KEY", KEY),
            ("KEYRACK_ADMIN_EMAIL", "olive@acme.example"),
            ("KEYRACK_ADMIN_PASSWORD", "correct horse battery olive"),
            ("KEYRACK_DATABASE_URL", "postgres://kr:hunter2@db/keyrack?sslmode=require&password=hunter3"),
            ("KEYRACK_SMTP_HOST", "mail.example.com"),
            ("KEYRACK_SMTP_FROM", "keys@example.com"),
            ("KEYRACK_SMTP_USERNAME", "keys"),
            ("KEYRACK_SMTP_PASSWORD", "hunter4"),
            ("KEYRACK_METRICS_TOKEN", "hunter5-hunter5-"),
            ("KEYRACK_REDIS_URL", "redis://:hunter6@redis:6379"),
        ],
        ..World::default()
    };
    let settings = world.load().unwrap();
    for text in [settings.dump(), format!("{settings:?}")] {
        for secret in ["hunter", "correct horse", &KEY[..16]] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let dump = settings.dump();
    assert!(dump.contains("database_url = \"postgres://kr:***@db/keyrack?sslmode=require&password=***\""), "{dump}");
    for known in SETTINGS {
        assert!(dump.lines().any(|line| line.trim_start_matches("# ").starts_with(known.path)), "{}", known.path);
    }
    let again = World::default().load().unwrap().dump();
    assert!(again.parse::<::toml::Table>().is_ok(), "{again}");
    assert!(Settings::from_toml(&again).is_ok(), "{again}");
}

#[test]
fn cookies_are_secure_on_https_and_on_this_machine_only() {
    for (url, secure, warned) in [
        ("https://keys.example.com", true, false),
        ("http://127.0.0.1:8080", true, false),
        ("http://[::1]:8080", true, false),
        ("http://localhost", true, false),
        ("http://keys.localhost:3000", true, false),
        ("http://keys.example.com", false, true),
        ("http://127.0.0.1.example.com", false, true),
    ] {
        let settings = Settings::with(&[("public_url", url)]).unwrap();
        assert_eq!(settings.has_secure_cookies(), secure, "{url}");
        assert_eq!(!settings.warnings().is_empty(), warned, "{url}");
    }
}

#[test]
fn the_public_url_follows_the_bound_port_unless_it_is_set() {
    let mut settings = Settings::with(&[("listen", "127.0.0.1:0")]).unwrap();
    settings.bound_to(([127, 0, 0, 1], 4711).into());
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:4711");
    let mut settings = Settings::with(&[("public_url", "https://keys.example.com")]).unwrap();
    settings.bound_to(([127, 0, 0, 1], 4711).into());
    assert_eq!(settings.public_url.as_str(), "https://keys.example.com");
    assert_eq!(PublicUrl::of_listener(([0, 0, 0, 0], 80).into()).as_str(), "http://localhost");
}

#[test]
#[cfg(unix)]
fn the_session_key_is_made_once_and_kept_from_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = file_beside(Some(&folder.path().join("keyrack.db")));
    let keys: Vec<SessionKey> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_create(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(load_or_create(&path).unwrap_err().contains("may be read by others (mode 640)"));
    let nowhere = load_or_create(Path::new("/nonexistent/keyrack.session-key")).unwrap_err();
    assert!(nowhere.starts_with("KEYRACK_SESSION_KEY: "), "{nowhere}");
}

#[test]
fn the_secret_of_billing_may_be_two_while_it_changes_and_is_never_shown() {
    let text = "[billing]\nwebhook_secret = \"whsec_the_new_secret,whsec_the_old_secret\"\n[[plans]]\nid = \"a\"\nname = \"A\"\nbilling_price = \"price_1\"";
    let settings = Settings::from_toml(text).unwrap();
    let secrets: Vec<&str> = settings.billing_secrets.iter().map(super::Hidden::expose).collect();
    assert_eq!(secrets, ["whsec_the_new_secret", "whsec_the_old_secret"]);
    assert_eq!(settings.plans[0].billing_prices, ["price_1"]);
    let dump = settings.dump();
    assert!(dump.contains("billing_price = [\"price_1\"]") && !dump.contains("whsec_"), "{dump}");
    assert!(dump.contains("billing.webhook_secret = \"(hidden)\""), "{dump}");
    assert!(Settings::with(&[]).unwrap().billing_secrets.is_empty());
}
