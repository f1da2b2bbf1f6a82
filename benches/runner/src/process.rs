//! Processes that end when this one does, on the core that was chosen for them.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::http::{Client, get};

/// A server that was started here.
pub struct Server {
    child: Child,
    pub port: u16,
    pub log: PathBuf,
    /// From the start of the process until it said that it was ready.
    pub started_in: Duration,
}

/// A command on one core; the kernel ends it with this signal should this process die first.
pub fn pinned(core: usize, signal: &str, user: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.args(["--pdeathsig", signal, "taskset", "-c", &core.to_string()]).arg(program);
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Server {
    /// Starts it and waits until `/readyz` answers 200.
    pub fn start(mut command: Command, port: u16, log: PathBuf, patience: Duration) -> Result<Self> {
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut server = Self { child, port, log, started_in: Duration::ZERO };
        while !server.is_ready() {
            if server.child.try_wait()?.is_some() || began.elapsed() > patience {
                bail!("a server did not start: {}", server.last_words());
            }
            sleep(Duration::from_millis(2));
        }
        server.started_in = began.elapsed();
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let ask = || Client::connect(self.port)?.send(&get("/readyz", "Accept: */*"));
        ask().is_ok_and(|answer| answer.status == 200)
    }

    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }

    /// For asking how much of the processor it used.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes, now and at its highest.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
            let number: u64 = line.trim().trim_end_matches(" kB").parse()?;
            Ok(number * 1024)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

/// Seconds of processor time, its own and the kernel's for it, that a process has used so far.
pub fn processor_seconds(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold spaces; the times are the 12th and 13th field after it. A hundred ticks a second,
    // on every Linux there is.
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse().unwrap_or(0)).sum();
    Ok(ticks as f64 / 100.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child, "TERM");
    }
}

/// Asks politely, and after a while not.
pub fn stop(child: &mut Child, signal: &str) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
