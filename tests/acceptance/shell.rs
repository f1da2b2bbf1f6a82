//! A terminal: what people paste is run as it is. Names of hosts lead to this machine by curl's own settings, and for
//! node and Python by a module that is loaded before the sample.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::upstream::HOSTS;

/// A home folder of its own.
pub(crate) struct Shell {
    home: TempDir,
    certificate: String,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn assert_ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What was printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl Shell {
    /// With this in `.curlrc`.
    pub(crate) fn new(curlrc: &str, tls_port: u16, certificate: &str) -> Self {
        let home = TempDir::new().unwrap();
        let hosts = HOSTS.map(|host| format!("\"{host}\"")).join(", ");
        let files = [
            (".curlrc", format!("silent\nshow-error\n{curlrc}")),
            (
                "hosts.mjs",
                format!(
                    "import tls from 'node:tls';\nconst connect = tls.connect;\ntls.connect = (options, ...rest) =>\n  \
                     [{hosts}].includes(options.host)\n    ? connect({{ ...options, host: '127.0.0.1', port: {tls_port}, \
                     servername: options.host }}, ...rest)\n    : connect(options, ...rest);\n"
                ),
            ),
            (
                "sitecustomize.py",
                format!(
                    "import socket\nconnect = socket.create_connection\n\ndef elsewhere(address, *args, **kwargs):\n    \
                     if address[0] in ({hosts}):\n        address = ('127.0.0.1', {tls_port})\n    return \
                     connect(address, *args, **kwargs)\n\nsocket.create_connection = elsewhere\n"
                ),
            ),
        ];
        for (name, text) in files {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        Self { home, certificate: certificate.to_owned() }
    }

    /// A shell that can reach nothing by name.
    pub(crate) fn plain() -> Self {
        Self::new("", 1, "/dev/null")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs what was pasted into a terminal.
    pub(crate) fn paste(&self, script: &str) -> Ran {
        self.run("bash", &["-c", script])
    }

    /// Runs a file of this text and name by a program: `node`, `python3`, `swift`.
    pub(crate) fn run_file(&self, program: &str, name: &str, text: &str) -> Ran {
        std::fs::write(self.path(name), text).unwrap();
        let hosts = self.path("hosts.mjs").display().to_string();
        let file = self.path(name).display().to_string();
        match program {
            "node" => self.run(program, &["--import", &hosts, &file]),
            _ => self.run(program, &[&file]),
        }
    }

    fn run(&self, program: &str, args: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.home.path()).env_clear().stdin(Stdio::null());
        command
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("PYTHONPATH", self.home.path())
            .env("SSL_CERT_FILE", &self.certificate)
            .env("NODE_EXTRA_CA_CERTS", &self.certificate);
        // Some Pythons are found by a wrapper that wants it.
        if let Some(root) = std::env::var_os("PYENV_ROOT") {
            command.env("PYENV_ROOT", root);
        }
        let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Whether there is such a program.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}
