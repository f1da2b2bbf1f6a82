//! A home: an own folder and own variables, in which commands are typed, under the product's name or another.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::terminal::Terminal;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The JSON of the error on the last line of stderr.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str::<Value>(last).unwrap_or_else(|_| panic!("{self:?}"))["error"].clone()
    }

    /// That it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// That it failed so, for this reason.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, why: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(why), "{why} is not in {self:?}");
        self
    }
}

/// A home.
pub(crate) struct Home {
    folder: TempDir,
    program: PathBuf,
    variables: Vec<(String, String)>,
    cwd: PathBuf,
}

impl Home {
    /// Empty, with nothing set but `HOME`.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let cwd = folder.path().join("work");
        std::fs::create_dir(&cwd).unwrap();
        Self { folder, program: PathBuf::from(env!("CARGO_BIN_EXE_keyrack")), variables: Vec::new(), cwd }
    }

    /// The program under another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        let link = self.path("bin").join(name);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyrack"), &link).unwrap();
        self.program = link;
        self
    }

    /// With one more variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without this variable.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.retain(|(other, _)| other != name);
        self
    }

    /// In this folder below the home, made if need be.
    pub(crate) fn in_folder(mut self, name: &str) -> Self {
        self.cwd = self.path(name);
        std::fs::create_dir_all(&self.cwd).unwrap();
        self
    }

    /// A git repository in the folder at hand.
    pub(crate) fn with_git(self) -> Self {
        self.git(&["init", "-q"]);
        self
    }

    /// Runs git in the folder at hand.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@acme.example"]).args(args);
        let done = git.current_dir(&self.cwd).env("HOME", self.folder.path()).status().unwrap();
        assert!(done.success(), "{args:?}");
    }

    /// With one more file, in the folder at hand.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.cwd.join(name), text).unwrap();
        self
    }

    /// A path below the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder at hand.
    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// What a file in the folder at hand holds.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.cwd.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The file of sign-ins.
    pub(crate) fn credentials(&self) -> PathBuf {
        let name = self.program.file_name().unwrap().to_str().unwrap();
        self.path(".local/state").join(name).join("credentials.json")
    }

    /// Every file below the home with its text, for looking for what should not be there.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let (mut found, mut waiting) = (Vec::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    continue;
                } else if path.is_dir() {
                    waiting.push(path);
                } else if path.is_file() {
                    // Not a keyring's socket.
                    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                    found.push((path, text));
                }
            }
        }
        found
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let home = (OsString::from("HOME"), self.folder.path().as_os_str().to_owned());
        let path = (OsString::from("PATH"), std::env::var_os("PATH").unwrap_or_default());
        let own = self.variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        [home, path].into_iter().chain(own).collect()
    }

    /// A command that is about to start, off a terminal.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.cwd).env_clear().envs(self.environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command to its end, off a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// Runs a command to its end, off a terminal, with this on its stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self.start(args);
        let mut pipe = child.stdin.take().unwrap();
        // A command that does not read may be gone by now.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        ran(child)
    }

    /// Runs a shell script, `$CLI` being the program, in a session of its own with a real keyring that is unlocked.
    pub(crate) fn in_session(&self, script: &str, stdin: &str) -> Ran {
        let unlock = "printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1";
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "bash", "-ec", &format!("{unlock}\n{script}")]).current_dir(&self.cwd);
        command.env_clear().envs(self.environment()).env("CLI", &self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("dbus-run-session is missing: tests/run installs it");
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        ran(child)
    }

    /// Runs a command on a terminal of 100 columns.
    pub(crate) fn terminal(&self, args: &[&str]) -> Terminal {
        Terminal::start(&self.program, args, &self.cwd, &self.environment(), 100)
    }

    /// Signs this one of the cast in, by the device code and the page.
    #[track_caller]
    pub(crate) fn sign_in(self, world: &super::World, who: &str) -> Self {
        let first = self.run(&["auth", "login", "--server", &world.url()]).ok().json();
        let code = first["user_code"].as_str().unwrap();
        world.browser(who).decide(code, "Allow");
        self.run(&["auth", "login", "--complete"]).ok();
        self
    }
}

fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
