//! The documentation: every page is there and whole, and every command block in it is run against the real program, with the
//! output that it promises.
//!
//! A fence ```sh is run; the ```output behind it is what must come out, where … stands for anything. `sh serve` starts the
//! server in the background, `sh revoked` is run after the key was revoked. Blocks of other languages are not run.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyrack::actions::keys::{Created, NewKey, RevokeInput, create_key, revoke_key};
use keyrack::actions::{AppError, Ctx, OrgScope, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db::{self, Db};
use keyrack::domain::ids::SessionId;
use keyrack::web::docs::{Docs, Page, render};

use crate::support::TestApp;
use crate::support::app::{usual_config, usual_rules};
use crate::support::binary::fetch;
use crate::support::cast;

fn docs() -> Docs {
    Docs::new(&usual_config())
}

#[actix_web::test]
async fn every_page_is_served_and_every_link_leads_somewhere() {
    let app = TestApp::new();
    let index = app.visitor().get("/docs").await.assert_status(200);
    let llms = app.visitor().get("/llms.txt").await.assert_status(200);
    for page in docs().pages() {
        let name = page.name;
        assert!(index.body.contains(&format!("href=\"/docs/{name}\"")), "{name}");
        assert!(llms.body.contains(&format!("/docs/{name}.md): {}", page.about)), "{name}");
        let source = app.visitor().get(&format!("/docs/{name}.md")).await.assert_status(200);
        assert_eq!(source.body, page.markdown);
        assert!(page.about.ends_with(['.', '!']) && page.about.len() < 200, "{name}: {}", page.about);
        let html = app.visitor().get(&format!("/docs/{name}")).await.assert_status(200).body;
        for word in page.markdown.split('@').skip(1).step_by(2) {
            let is_left = !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase());
            assert!(!is_left, "{name}: @{word}@ is left");
        }
        for link in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = path.strip_prefix("/docs/").filter(|path| !path.ends_with(".md"));
            if let Some(target) = target {
                let target = docs().find(target).cloned().unwrap_or_else(|| panic!("{name} leads to {link}"));
                if let Some(anchor) = anchor {
                    assert!(render(&target.markdown).0.to_string().contains(&format!("id=\"{anchor}\"")), "{link}");
                }
            }
        }
    }
    app.visitor().get("/docs/nothing").await.assert_status(404);
    app.visitor().get("/docs/nothing.md").await.assert_status(404);
}

#[test]
fn the_texts_speak_of_the_product_and_hold_its_references() {
    let mut config = usual_config();
    config.product = "Out<kit>".into();
    config.cli_name = "outkit".into();
    config.env_prefix = "OUTKIT".into();
    config.key_lead = "out_live_".into();
    config.cli_reference = keyrack::cli::reference("outkit");
    let docs = Docs::new(&config);
    let text = |name: &str| docs.find(name).unwrap().markdown.clone();
    assert!(text("using-keys").contains("$OUTKIT_API_KEY") && text("using-keys").contains("out_live_BRTRKFsL"));
    let cli = text("cli");
    for command in
        ["### `outkit keys create`", "### `outkit auth login`", "### `keyrack restore`", "### `keyrack serve`"]
    {
        assert!(cli.contains(command), "{command} is missing:\n{cli}");
    }
    assert!(cli.contains("`--revoke-all-keys`") && !cli.contains("### `keyrack keys"));
    for known in keyrack::settings::SETTINGS {
        assert!(text("configuration").contains(&format!("`{}`", known.path)), "{}", known.path);
    }
    for (_, call) in
        keyrack::web::routes::all().filter(|route| route.path.starts_with("/v1/keys")).map(|r| (r.method, r))
    {
        assert!(text("api").contains(&format!("## `{} {}`", call.method, call.path)), "{} {}", call.method, call.path);
    }
    let (html, _) = render(&docs.index(&config));
    assert!(html.to_string().contains("Out&lt;kit&gt;"), "{html}");
    assert!(text("proxies").contains("auth_request /_keyrack;") && text("security").contains("DynamicUser=yes"));
}

// ---- what the pages tell people to type -------------------------------------------------------------------------------------

/// A block of a page.
#[derive(Debug)]
struct Block {
    info: String,
    text: String,
}

fn blocks(page: &Page) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (None, Some(block)) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a fence is not closed", page.name);
    blocks
}

/// Whether the output is what was promised; … stands for anything, a line of it for any lines.
fn fits(promised: &str, output: &str) -> bool {
    let mut rest = output;
    let pieces: Vec<&str> = promised.split('…').collect();
    for (number, piece) in pieces.iter().enumerate() {
        let found = if number == 0 {
            rest.starts_with(piece).then_some(0)
        } else if number == pieces.len() - 1 {
            // What comes last must come last.
            rest.ends_with(piece).then(|| rest.len() - piece.len())
        } else {
            rest.find(piece)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + piece.len()..];
    }
    pieces.len() > 1 || rest.is_empty()
}

#[test]
fn an_output_is_compared_but_for_its_ellipses() {
    assert!(fits("ok", "ok") && !fits("ok", "ok\nmore") && !fits("ok", "no"));
    assert!(fits("{\"a\":…,\"b\":2}", "{\"a\":{\"x\":1},\"b\":2}") && !fits("{…}", "[1]"));
    assert!(fits("ok\n…", "ok\nand\nmore") && !fits("ok\n…end", "ok\nand"));
}

/// Where the commands of a page are run: a folder with a server of its own, the program under its name, and a key.
struct Scene {
    folder: tempfile::TempDir,
    port: u16,
    db: Db,
    key: (String, String),
    server: Option<std::process::Child>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bin = folder.path().join(".bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyrack"), bin.join("keyrack")).unwrap();
        let path = folder.path().join("keyrack.db");
        let db = Db::open(&format!("sqlite://{}", path.display())).unwrap();
        let db = db.with_journal(Some(folder.path().join("keyrack.db.revocations")));
        db::migrate(&db).unwrap();
        let clock = Clock::system();
        db.run(|conn| -> Result<(), AppError> {
            let now = db::now(conn, &clock)?;
            db::write(conn, |conn| {
                cast::seed(conn, "standard", now);
                Ok(())
            })
        })
        .unwrap();
        let mut scene = Self { folder, port, db, key: Default::default(), server: None };
        let new = NewKey { name: "ci".into(), ..NewKey::default() };
        let Created::New(view, plain) = scene.act(|scope| create_key(scope, &new, None)) else { panic!("not new") };
        scene.key = (view.key.id.to_string(), plain.reveal().to_owned());
        scene
    }

    fn act<T>(&self, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> T {
        let (rules, clock, origin) = (usual_rules(), Clock::system(), Origin { via: "page", ..Origin::default() });
        let who = Who::Person { user: cast::user_id("ben"), session: SessionId::from("ses_test") };
        let ctx = Ctx { rules: &rules, clock: &clock, origin: &origin };
        self.db.deed(|conn| act_in(conn, ctx, &who, "acme", f)).0.unwrap()
    }

    fn shell(&self) -> Command {
        let mut command = Command::new("bash");
        let path = format!("{}:{}", self.folder.path().join(".bin").display(), std::env::var("PATH").unwrap());
        command.current_dir(self.folder.path()).env_clear().env("PATH", path).env("HOME", self.folder.path());
        command.env("KEYRACK_LISTEN", format!("127.0.0.1:{}", self.port)).env("KEYRACK_API_KEY", &self.key.1);
        command
    }

    /// Starts the server as the block does, or as usual.
    fn serve(&mut self, block: &str) {
        let mut command = self.shell();
        command.args(["-c", &format!("exec {}", block.trim())]).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(command.spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], self.port));
        while fetch(address, "/readyz", None).is_none_or(|reply| reply.status != 200) {
            assert!(Instant::now() < deadline, "{block}: no server");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn revoke(&self) {
        let id = self.key.0.as_str().into();
        self.act(|scope| revoke_key(scope, &id, &RevokeInput::default()));
        // The server beside this process looks at the file every 20 ms.
        std::thread::sleep(Duration::from_millis(300));
    }

    /// Runs a block as a shell does; what it wrote to stdout.
    fn run(&self, script: &str, state: &Path) -> String {
        let mut child =
            self.shell().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What one block exports the next one has.
        let state = state.display();
        let all =
            format!("set -euo pipefail\n[ -f {state} ] && . {state}\nset -a\n{script}\nset +a\nexport -p > {state}\n");
        child.stdin.take().unwrap().write_all(all.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}\nfailed: {}\n{stdout}\n{stderr}", output.status);
        stdout.into_owned()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn every_command_block_does_what_the_page_says() {
    let names: Vec<&str> = docs().pages().iter().map(|page| page.name).collect();
    let mut run = 0;
    for name in names {
        let mut scene = Scene::new();
        let mut config = usual_config();
        config.public_url = format!("http://127.0.0.1:{}", scene.port);
        let page = Docs::new(&config).find(name).unwrap().clone();
        let blocks = blocks(&page);
        if !blocks.iter().any(|block| block.info == "sh serve") {
            scene.serve("keyrack serve");
        }
        let state = scene.folder.path().join(".state");
        let mut output = None;
        for block in &blocks {
            match block.info.as_str() {
                "sh serve" => scene.serve(&block.text),
                "sh" | "sh revoked" => {
                    if block.info == "sh revoked" {
                        scene.revoke();
                    }
                    output = Some(scene.run(&block.text, &state));
                    run += 1;
                }
                "output" => {
                    let output = output.take().expect("a command before its output");
                    assert!(
                        fits(block.text.trim_end(), output.trim_end()),
                        "{name}: promised\n{}\nbut came\n{output}",
                        block.text
                    );
                }
                "text" | "json" | "toml" | "ini" | "nginx" | "caddy" | "yaml" | "js" | "python" => {}
                other => panic!("{name}: a fence of unknown kind: {other}"),
            }
        }
    }
    assert!(run > 15, "{run} blocks");
}
