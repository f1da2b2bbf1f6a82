//! The command line under the product's own name: a link to the program, in a home of its own, with or without a terminal.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tempfile::TempDir;

use crate::product::Product;
use crate::shell::Ran;

/// Somebody's machine.
pub(crate) struct Machine<'p> {
    product: &'p Product,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl<'p> Machine<'p> {
    /// With the product's command in its path, a project folder below a git root, and nobody signed in.
    pub(crate) fn new(product: &'p Product) -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["bin", "home", "project/app/src"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let link = folder.path().join("bin").join(product.name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyrack"), link).unwrap();
        let machine = Self { product, folder, variables: Vec::new() };
        machine.git(&["init", "--quiet"]);
        machine
    }

    /// The same with one more variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The root of the project, which is a git repository.
    pub(crate) fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// All of the machine's files, and what they hold.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().join("home"), self.project()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if let Ok(bytes) = std::fs::read(entry.path()) {
                    files.push((entry.path(), String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        files
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Test", "-c", "user.email=test@acme.example", "-c", "init.defaultBranch=main"]);
        let done = command.args(args).current_dir(self.project()).env("HOME", self.home()).output().unwrap();
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn path(&self) -> String {
        let bin = self.folder.path().join("bin").display().to_string();
        format!("{bin}:{}", std::env::var("PATH").unwrap())
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("HOME".to_owned(), self.home().display().to_string()),
            ("PATH".to_owned(), self.path()),
            ("TERM".to_owned(), "xterm".to_owned()),
            ("NO_COLOR".to_owned(), "1".to_owned()),
        ];
        all.extend(self.variables.iter().cloned());
        all
    }

    /// Signs this one of the cast in; they allow the device on its page.
    #[track_caller]
    pub(crate) fn sign_in(&self, who: &str) {
        let begun = self.run(&["auth", "login", "--server", &self.product.url]).assert_ok().json();
        let code = begun["user_code"].as_str().unwrap().to_owned();
        let person = self.product.person(who);
        let page = person.post("/device", &[("user_code", &code)]).assert_status(200);
        // Whoever is in several organizations chooses one to begin in.
        let orgs = page.attribute("#device-form input[name=org]", "value");
        let org = orgs.iter().find(|org| org.as_str() == "acme").or(orgs.first()).unwrap();
        person.post("/device", &[("user_code", &code), ("org", org), ("decision", "allow")]).assert_status(303);
        self.run(&["auth", "login", "--complete"]).assert_ok();
    }

    /// A project file of this profile.
    pub(crate) fn project_file(&self, profile: &str) -> String {
        serde_json::json!({"server": self.product.url, "org": "acme", "profile": profile}).to_string()
    }

    /// Puts it at the root of the project.
    pub(crate) fn write_project(&self, profile: &str) {
        self.write_file(&format!("{}.json", self.product.name), &self.project_file(profile));
    }

    /// Writes a file of the project.
    pub(crate) fn write_file(&self, name: &str, text: &str) {
        std::fs::write(self.project().join(name), text).unwrap();
    }

    /// What a file of the project holds.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.project().join(name)).unwrap()
    }

    /// Who may read a file of the project, as in `chmod`.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        let metadata = std::fs::metadata(self.project().join(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
    }

    /// Runs `outkit ARGS` in the project, without a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_in(&self.project(), args)
    }

    /// The same in this folder.
    pub(crate) fn run_in(&self, folder: &Path, args: &[&str]) -> Ran {
        let words: Vec<String> = args.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        self.paste_in(folder, &format!("{} {}", self.product.name, words.join(" ")))
    }

    /// Runs what was pasted, in the project.
    pub(crate) fn paste(&self, script: &str) -> Ran {
        self.paste_in(&self.project(), script)
    }

    fn paste_in(&self, folder: &Path, script: &str) -> Ran {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(folder).env_clear().envs(self.environment()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Starts `outkit ARGS` in the project and lets it run.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = Command::new(self.folder.path().join("bin").join(self.product.name));
        command.args(args).current_dir(self.project()).env_clear().envs(self.environment()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new((String::new(), String::new())));
        collect(child.stdout.take().unwrap(), said.clone(), |said, text| said.0.push_str(text));
        collect(child.stderr.take().unwrap(), said.clone(), |said, text| said.1.push_str(text));
        Running { child, said }
    }

    /// Starts `outkit ARGS` in the project, at a terminal.
    pub(crate) fn at_terminal(&self, args: &[&str]) -> Session {
        let pair =
            native_pty_system().openpty(PtySize { rows: 40, cols: 200, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(self.folder.path().join("bin").join(self.product.name));
        command.args(args);
        command.cwd(self.project());
        command.env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new((String::new(), String::new())));
        collect(pair.master.try_clone_reader().unwrap(), screen.clone(), |said, text| said.0.push_str(text));
        let keyboard = pair.master.take_writer().unwrap();
        Session { child, screen, keyboard, _master: pair.master }
    }
}

/// What it wrote to stdout and to stderr.
type Said = Arc<Mutex<(String, String)>>;

fn collect(
    mut from: impl std::io::Read + Send + 'static,
    said: Said,
    add: impl Fn(&mut (String, String), &str) + Send + 'static,
) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            add(&mut said.lock().unwrap(), &String::from_utf8_lossy(&buffer[..count]));
        }
    });
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    said: Said,
}

impl Running {
    pub(crate) fn stdout(&self) -> String {
        self.said.lock().unwrap().0.clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.said.lock().unwrap().1.clone()
    }

    /// Waits until its output, of both kinds, holds this; how long that took.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> Duration {
        let began = Instant::now();
        while !format!("{}{}", self.stdout(), self.stderr()).contains(text) {
            let passed = began.elapsed();
            assert!(passed < Duration::from_secs(20), "it never says {text:?}:\n{}\n{}", self.stdout(), self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
        began.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command at a terminal.
pub(crate) struct Session {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    screen: Said,
    keyboard: Box<dyn std::io::Write + Send>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Session {
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().0.clone()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.screen().contains(text) {
            assert!(Instant::now() < deadline, "the terminal never shows {text:?}:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits for its end: how it exited, and all that was to be seen.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (u32, String) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(50));
                return (status.exit_code(), self.screen());
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
