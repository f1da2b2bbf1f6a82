//! A PostgreSQL of one test's own, because it is restarted; and a cable to it that can be cut or go dead.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
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

    /// By its socket in the file system.
    pub(crate) fn socket_url(&self) -> String {
        format!("postgres://keyrack@/postgres?host={}&port={}", self.folder.path().display(), self.port)
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

/// Connections to a port pass through it, until it is cut or goes dead.
pub(crate) struct Cable {
    pub(crate) port: u16,
    listener: TcpListener,
    is_cut: Arc<AtomicBool>,
    is_dead: AtomicBool,
    open: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Clone)]
struct Connection {
    near: Arc<TcpStream>,
    far: Arc<TcpStream>,
    is_dead: Arc<AtomicBool>,
}

impl Cable {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (is_cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let own = listener.try_clone().unwrap();
        let cable = Self {
            port: listener.local_addr().unwrap().port(),
            listener: own,
            is_cut: is_cut.clone(),
            is_dead: AtomicBool::new(false),
            open: open.clone(),
        };
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) else { continue };
                let connection = Connection { near: Arc::new(near), far: Arc::new(far), is_dead: Arc::default() };
                open.lock().unwrap().push(connection.clone());
                connection.pass();
            }
        });
        cable
    }

    /// Both ends are told.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for connection in self.open.lock().unwrap().drain(..) {
            let _ = connection.near.shutdown(Shutdown::Both);
            let _ = connection.far.shutdown(Shutdown::Both);
        }
    }

    /// From now on packets vanish: nothing arrives, and not even that is said. As when a machine on the way loses its power.
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        open.iter().for_each(|connection| connection.is_dead.store(true, Ordering::SeqCst));
        let near = open.iter().map(|connection| OwnedFd::from(connection.near.try_clone().unwrap()));
        filter(near.chain([self.listener.try_clone().unwrap().into()]), "drop");
    }

    /// New connections pass again. What was cut stays cut, and what was dead stays dead.
    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
        if self.is_dead.swap(false, Ordering::SeqCst) {
            filter([self.listener.try_clone().unwrap().into()], "pass");
        }
    }
}

impl Connection {
    fn pass(self) {
        let Self { near, far, is_dead } = self;
        for (from, to) in [(near.clone(), far.clone()), (far, near)] {
            let is_dead = is_dead.clone();
            thread::spawn(move || {
                let (mut from, mut to) = (&*from, &*to);
                let mut bytes = [0; 16 * 1024];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    if !is_dead.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                if !is_dead.load(Ordering::SeqCst) {
                    let _ = to.shutdown(Shutdown::Both);
                }
            });
        }
    }
}

/// Attaches a filter to its socket that lets no packet in, or takes it off. Before TCP sees them, so that none is acknowledged;
/// and anybody may do that to their own sockets. Not in Rust, where it is not safe.
const FILTER: &str = "import ctypes, socket, struct, sys
line = socket.socket(fileno=0)
if sys.argv[1] == 'drop':
    nothing = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0))
    line.setsockopt(socket.SOL_SOCKET, 26, struct.pack('@HP', 1, ctypes.addressof(nothing)))
else:
    line.setsockopt(socket.SOL_SOCKET, 27, 0)
line.detach()";

fn filter(sockets: impl IntoIterator<Item = OwnedFd>, what: &str) {
    let start = |socket: OwnedFd| {
        Command::new("python3").args(["-ISc", FILTER, what]).stdin(Stdio::from(socket)).spawn().unwrap()
    };
    let started: Vec<_> = sockets.into_iter().map(start).collect();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
}
