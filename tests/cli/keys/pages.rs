//! The lines that the published pages of three products show, typed as they stand there, on a terminal, under those names.

use std::os::unix::fs::symlink;

use super::stage::{Shell, Stage};
use super::support::app::Setup;

/// What was typed and what was shown, as a person saw it.
struct Session<'s> {
    shell: Shell<'s>,
    transcript: String,
}

impl<'s> Session<'s> {
    /// A person with a link of that name in the path, signed in through the browser.
    fn new(stage: &'s Stage, name: &str) -> Self {
        let folder = stage.home.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        symlink(env!("CARGO_BIN_EXE_keyrack"), folder.join(name)).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let server = format!("http://{}", stage.address);
        let shell = stage.nobody().without("KEYRACK_PLATFORM_URL").set("PATH", &path).program("/bin/sh".as_ref());
        let shell = shell.set(&format!("{}_PLATFORM_URL", name.to_uppercase()), &server).set("BROWSER", "false");
        Self { shell, transcript: String::new() }
    }

    /// Types a line and answers what it asks; what was shown.
    #[track_caller]
    fn types(&mut self, line: &str, answers: &[(&str, &str)]) -> String {
        let screen = self.shell.talk(&["-c", line], answers).ends(0).stdout;
        self.transcript.push_str(&format!("$ {line}\n{screen}\n"));
        screen
    }

    /// `auth login`, with the person saying yes on the page.
    fn signs_in(&mut self, stage: &Stage, who: &str, line: &str) {
        let mut terminal = self.shell.on_terminal(&["-c", line]);
        terminal.wait_for("Press Enter");
        let screen = terminal.text();
        let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-' && word.to_uppercase() == **word;
        let code = screen.split_whitespace().find(is_code).unwrap_or_else(|| panic!("{screen}")).to_owned();
        stage.app.db_allow(who, &code);
        terminal.type_in("\r");
        let screen = terminal.end().ends(0).text;
        self.transcript.push_str(&format!("$ {line}\n{screen}\n"));
    }
}

/// The server of this product.
fn named(setup: &mut Setup, product: &str) {
    let name = product.to_lowercase();
    setup.config.product = product.to_owned();
    setup.config.env_prefix = name.to_uppercase();
    setup.config.project_file = format!("{name}.json");
    setup.config.cli_name = name;
}

/// The secret that stands on a line of its own.
#[track_caller]
fn secret_in(screen: &str, prefix: &str) -> String {
    let found = screen.lines().map(str::trim).find(|line| line.starts_with(prefix) && !line.contains(' '));
    found.unwrap_or_else(|| panic!("{screen}")).to_owned()
}

#[actix_web::test]
async fn outkit() {
    let stage = Stage::with(|setup| named(setup, "Outkit"));
    stage.write("outkit.json", "{\"profile\": \"prof_acme\"}\n");
    let made = stage.app.command_line("ada").post("/v1/profiles", &serde_json::json!({"name": "Production"})).await;
    let profile = made.json()["id"].as_str().unwrap().to_owned();
    let mut session = Session::new(&stage, "outkit");
    session.signs_in(&stage, "ada", "outkit auth login");
    let offer = "Add OUTKIT_API_KEY to .env.local?";
    let screen = session.types("outkit keys create -n \"dev key\"", &[(offer, "y")]);
    let secret = secret_in(&screen, "kr_");
    assert_eq!(stage.read(".env.local"), format!("OUTKIT_API_KEY={secret}\n"));
    let id = secret[3..11].to_owned();
    let screen =
        session.types(&format!("outkit keys create -n \"production\" --profile {profile}"), &[("Replace it", "n")]);
    let other = secret_in(&screen, "kr_");
    let list = session.types("outkit keys list           # active keys for the active profile", &[]);
    assert!(list.contains("dev key") && !list.contains("production"), "{list}");
    session.types("outkit keys list --all     # include revoked keys", &[]);
    let list = session.types(&format!("outkit keys list --profile {profile}"), &[]);
    assert!(list.contains("production") && !list.contains("dev key"), "{list}");
    (0..5).for_each(|n| stage.uses(&secret, "/render", &format!("r{n}")));
    stage.app.catch_up();
    let stats = session.types(&format!("outkit keys stats {id}"), &[]);
    assert!(stats.contains("5 in 24h") && stats.contains("Headroom"), "{stats}");
    let screen = session.types(&format!("outkit keys rotate {id}"), &[("Replace it with the new secret?", "y")]);
    let new = secret_in(&screen, "kr_");
    assert_eq!([stage.status_of(&secret), stage.status_of(&new)], [200, 200]);
    assert_eq!(stage.read(".env.local"), format!("OUTKIT_API_KEY={new}\n"));
    stage.app.catch_up();
    session.types(&format!("outkit keys revoke {id}"), &[("Type its name to revoke it", "dev key")]);
    assert_eq!([stage.status_of(&secret), stage.status_of(&new)], [401, 401]);
    let mut tail = session.shell.on_terminal(&["-c", "exec outkit logs tail"]);
    tail.wait_for("Following");
    stage.uses(&other, "/render/new", "r9");
    stage.app.catch_up();
    tail.wait_for("/render/new");
    tail.type_in("\u{3}");
    session.transcript.push_str(&format!("$ outkit logs tail\n{}\n", tail.end().ends(130).text));
    println!("{}", session.transcript);
}

#[actix_web::test]
async fn orbitkit() {
    let stage = Stage::with(|setup| {
        named(setup, "OrbitKit");
        setup.rules.format.prefix = "ok".to_owned();
    });
    let key = stage.app.db_create_key("ada", "CI/CD Pipeline");
    stage.app.catch_up();
    let mut session = Session::new(&stage, "orbitkit");
    let line = format!("export ORBITKIT_API_KEY={}\norbitkit whoami", key.secret);
    let screen = session.types(&line, &[]);
    assert!(screen.contains("Ada") && screen.contains("Acme") && screen.contains("ORBITKIT_API_KEY"), "{screen}");
    assert!(!screen.contains(&key.secret), "{screen}");
    println!("{}", session.transcript);
}

#[actix_web::test]
async fn keystroke() {
    let stage = Stage::with(|setup| {
        named(setup, "Keystroke");
        setup.rules.format.prefix = "key_live".to_owned();
    });
    let mut session = Session::new(&stage, "keystroke");
    session.signs_in(&stage, "ada", "keystroke auth login");
    let screen = session.types("keystroke api-key create --name \"Production automation\"", &[]);
    let secret = secret_in(&screen, "key_live_");
    assert_eq!(stage.status_of(&secret), 200);
    let list = session.types("keystroke api-key list", &[]);
    for words in ["NAME", "KEY PREVIEW", "CREATED AT", "CREATED BY", "Production automation", "Ada"] {
        assert!(list.contains(words), "{words} is missing:\n{list}");
    }
    let id = secret["key_live_".len()..][..8].to_owned();
    session.types(&format!("keystroke api-key revoke {id} --yes"), &[]);
    assert_eq!(stage.status_of(&secret), 401);
    println!("{}", session.transcript);
}
