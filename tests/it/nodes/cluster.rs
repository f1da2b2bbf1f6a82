//! A PostgreSQL of one test's own, because it is restarted; and a cable to it that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// A cluster on a port of its own, gone when dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    bin: PathBuf,
    user: Option<&'static str>,
    pub(crate) port: u16,
}

fn find_bin() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map(|entries| entries.flatten().collect::<Vec<_>>());
    let mut found: Vec<PathBuf> = versions.unwrap_or_default().iter().map(|entry| entry.path().join("bin")).collect();
    found.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    found.retain(|path| path.join("initdb").exists() && path.join("pg_ctl").exists());
    found.into_iter().next().expect("PostgreSQL's initdb: tests/run installs it")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let has = |name: &str| Command::new("id").arg(name).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let user = match has("postgres") {
            _ if !is_root => None,
            Ok(status) if status.success() => Some("postgres"),
            _ => Some("nobody"),
        };
        let cluster = Self { folder, bin: find_bin(), user, port: free_port() };
        let data = cluster.data();
        cluster.run("initdb", &["-D", &data, "-U", "keyrack", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        cluster.up();
        cluster
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let program = self.bin.join(program);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let out = std::fs::File::create(self.folder.path().join("out")).unwrap();
        let status = command.args(args).current_dir("/").stdout(out.try_clone().unwrap()).stderr(out).status().unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(self.folder.path().join("out")).unwrap());
    }

    fn up(&self) {
        // The system does not crash, only PostgreSQL does: what it has written is there.
        let options = format!("-F -p {} -k {} -c listen_addresses=127.0.0.1", self.port, self.folder.path().display());
        let log = self.folder.path().join("data/log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-t", "30", "-l", &log, "-o", &options, "start"]);
    }

    /// As after a crash.
    pub(crate) fn restart(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        self.up();
    }

    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgres://keyrack@127.0.0.1:{port}/postgres")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if !std::thread::panicking() {
            self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
        } else if let Ok(pid) = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")) {
            let pid = pid.lines().next().unwrap_or_default();
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
        }
    }
}

/// Connections to a port pass through it, until it is cut.
pub(crate) struct Cable {
    pub(crate) port: u16,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (is_cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let cable = Self { port: listener.local_addr().unwrap().port(), is_cut: is_cut.clone(), open: open.clone() };
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) else { continue };
                let mut open = open.lock().unwrap();
                open.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                pass(near.try_clone().unwrap(), far.try_clone().unwrap());
                pass(far, near);
            }
        });
        cable
    }

    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
