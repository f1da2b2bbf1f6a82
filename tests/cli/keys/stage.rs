//! What the tests of the key commands stand on: the whole server behind a socket, the real binary in folders of its own, and a
//! terminal to run it on.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use keyrack::gate::Seen;
use serde_json::Value;
use tempfile::TempDir;

use super::support::TestApp;
use super::support::app::Setup;
use crate::support::terminal::{Shown, Terminal};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and a person's folders.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
    /// The person's home.
    pub(crate) home: TempDir,
    /// The folder that they work in: a repository.
    pub(crate) project: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How a command is run.
#[derive(Clone)]
pub(crate) struct Shell<'s> {
    _stage: &'s Stage,
    program: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Stage {
    /// The usual cast, and Ada's project.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With whatever the test sets otherwise.
    pub(crate) fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let app = TestApp::with(|setup| {
            setup.config.public_url = format!("http://{address}");
            change(setup);
        });
        let (sender, receiver) = channel();
        let state = app.state.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = keyrack::web::server(state, listener, Some(2)).unwrap();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = receiver.recv().unwrap();
        let (home, project) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let stage = Self { app, address, handle, thread: Some(thread), home, project };
        stage.git(&["init", "-q"]);
        stage.write("keyrack.json", "{\"profile\": \"prof_acme\"}\n");
        stage.write(".gitignore", ".env.local\n");
        stage
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let ran = Command::new("git").arg("-C").arg(self.project.path()).args(args).output().unwrap();
        assert!(ran.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    /// A path in the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|_| "(no file)".to_owned())
    }

    /// The command line of one of the cast, by a token in a variable.
    pub(crate) fn shell(&self, who: &str) -> Shell<'_> {
        let token = self.app.db_command_line(who);
        self.app.catch_up();
        self.nobody().set("KEYRACK_API_KEY", &token)
    }

    /// A command line that has no credential.
    pub(crate) fn nobody(&self) -> Shell<'_> {
        let shell = Shell {
            _stage: self,
            program: env!("CARGO_BIN_EXE_keyrack").into(),
            folder: self.project.path().to_owned(),
            variables: Vec::new(),
        };
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .set("PATH", &path)
            .set("HOME", self.home.path().to_str().unwrap())
            .set("TERM", "xterm-256color")
            .set("KEYRACK_PLATFORM_URL", &format!("http://{}", self.address))
    }

    /// Uses a key once, as an upstream does that asks about a request.
    pub(crate) fn uses(&self, secret: &str, path: &str, request_id: &str) {
        self.app.catch_up();
        let seen = Seen { method: "GET", path, address: "192.0.2.7", client: "curl/8", request_id, ..Seen::default() };
        let checked = futures_util::FutureExt::now_or_never(self.app.state.gate.check(secret, None, &seen));
        let _ = checked.expect("an answer at once");
    }

    /// The status of an answer to this key, over the wire.
    pub(crate) fn status_of(&self, secret: &str) -> u16 {
        let url = format!("http://{}/v1/auth", self.address);
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H"]);
        let ran = curl.arg(format!("Authorization: Bearer {secret}")).arg(url).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().parse().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.app.state.running.stop();
        let stop = self.handle.stop(false);
        // Not awaited: a thread of its own does that.
        std::thread::spawn(move || actix_web::rt::System::new().block_on(stop)).join().unwrap();
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

impl Shell<'_> {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What a variable holds.
    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.variables.iter().find(|(known, _)| known == name).expect(name).1
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// In another folder.
    pub(crate) fn at(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// With another program: a link to the binary, or what runs it.
    pub(crate) fn program(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.folder).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, off a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts a command, off a terminal.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Starts a command on a terminal.
    pub(crate) fn on_terminal(&self, args: &[&str]) -> Terminal {
        self.on_terminal_of(120, args)
    }

    /// Starts a command on a terminal of so many columns.
    pub(crate) fn on_terminal_of(&self, columns: u16, args: &[&str]) -> Terminal {
        let variables: Vec<(OsString, OsString)> =
            self.variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Terminal::start(&self.program, args, &self.folder, &variables, columns)
    }

    /// Runs a command on a terminal, answers what it asks, and returns what was on the screen.
    pub(crate) fn talk(&self, args: &[&str], answers: &[(&str, &str)]) -> Ran {
        let mut terminal = self.on_terminal(args);
        for (question, answer) in answers {
            terminal.wait_for(question);
            terminal.type_in(&format!("{answer}\r"));
        }
        let Shown { code, text, .. } = terminal.end();
        Ran { code: i32::try_from(code).unwrap(), stdout: text, stderr: String::new() }
    }
}

impl Ran {
    /// It ended like this.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n--\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// It failed with this code and these words, and printed no data.
    #[track_caller]
    pub(crate) fn refuses(self, code: i32, words: &str) -> Self {
        let ran = self.ends(code);
        assert!(ran.stderr.contains(words), "{words} is missing:\n{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        ran
    }

    /// Its data as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The cells of its data, by line.
    pub(crate) fn cells(&self) -> Vec<Vec<String>> {
        self.stdout.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }
}

/// The names of an object's fields, in order.
#[track_caller]
pub(crate) fn fields(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
