//! The benchmark of Keyrack: see `benches/README.md`. Started by `benches/run`, which builds everything first.

mod cases;
mod database;
mod http;
mod keys;
mod options;
mod others;
mod process;
mod report;
mod rounds;
mod seed;
mod stats;
mod wrk;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::database::{Cluster, Kind};
use crate::options::Options;
use crate::process::{Server, free_port, output, pinned};
use crate::report::Report;

/// What all cases share.
pub struct Bench {
    pub options: Options,
    pub report: Report,
    cluster: Option<Cluster>,
    worlds: usize,
}

impl Bench {
    /// The PostgreSQL of this run, started when it is first needed.
    pub fn cluster(&mut self) -> Result<&Cluster> {
        let cluster = match self.cluster.take() {
            Some(cluster) => cluster,
            None => {
                let cluster = Cluster::start(&self.options.work, self.options.server_core)?;
                self.report.say(&format!("* {} with fsync, on the servers' core", cluster.version))?;
                cluster
            }
        };
        Ok(self.cluster.insert(cluster))
    }

    /// Starts the bare server. `page` is what it answers `/page` with.
    pub fn bare(&self, page: &[u8]) -> Result<Server> {
        let file = self.options.work.join("page.html");
        std::fs::write(&file, page)?;
        let port = free_port()?;
        let mut command = pinned(self.options.server_core, "KILL", None, &self.options.bare);
        command.arg(port.to_string()).arg(&file);
        Server::start(command, port, self.options.work.join("bare.log"), Duration::from_secs(10))
    }
}

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches/run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let report = Report::new(options.out.clone())?;
    let mut bench = Bench { options, report, cluster: None, worlds: 0 };
    describe(&bench)?;
    let began = Instant::now();
    let mut broken = Vec::new();
    for name in bench.options.cases.clone() {
        if let Err(error) = run(&mut bench, &name) {
            bench.report.say(&format!("\nThe case {name} could not be run: {error:#}"))?;
            broken.push(name);
        }
    }
    bench.report.say(&format!("\nDone in {} s; load average now {}.", began.elapsed().as_secs(), load_average()))?;
    if broken.is_empty() { Ok(()) } else { anyhow::bail!("not run: {}", broken.join(", ")) }
}

fn run(bench: &mut Bench, name: &str) -> Result<()> {
    let databases = bench.options.databases.clone();
    match name {
        "revoke" if databases.contains(&Kind::Postgres) => cases::revoke::run(bench),
        "revoke" => Ok(()),
        "timing" => cases::timing::run(bench, databases[0]),
        _ => databases.into_iter().try_for_each(|kind| match name {
            "check" => cases::check::run(bench, kind),
            "size" => cases::size::run(bench, kind, true),
            // The case `size` measures it on the way.
            "memory" if bench.options.cases.iter().any(|name| name == "size") => Ok(()),
            "memory" => cases::size::run(bench, kind, false),
            "page" => cases::page::run(bench, kind),
            "create" => cases::create::run(bench, kind),
            _ => cases::flood::run(bench, kind),
        }),
    }
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// Machine, versions and rounds: no number without them.
fn describe(bench: &Bench) -> Result<()> {
    let options = &bench.options;
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes: u64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let say =
        |program: &str, args: &[&str]| output(Command::new(program).args(args)).unwrap_or_default().trim().to_owned();
    let wrk = Command::new("wrk").arg("-v").output().map(|done| String::from_utf8_lossy(&done.stdout).into_owned());
    let wrk = wrk
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .split(" Copyright")
        .next()
        .unwrap_or_default()
        .to_owned();
    bench.report.say(&format!(
        "# Benchmark of Keyrack\n\n* {} of {}\n* {cores} cores of {}, {} GB, Linux {}; servers on core {}, load on core {}; load average at the start {}\n\
         * {}, {}, {wrk}\n* {} rounds of {} s, hello and every case in turn in each; req/s and ratios as min / median / max",
        say(&options.keyrack.display().to_string(), &["--version"]),
        options.from,
        model.trim_start_matches([' ', '\t', ':']).trim(),
        kilobytes / 1024 / 1024,
        say("uname", &["-r"]),
        options.server_core,
        options.load_core,
        load_average(),
        say("rustc", &["--version"]),
        locked("actix-web"),
        options.rounds,
        options.seconds,
    ))
}

/// A package with the version that the bare server is built with; `benches/run` sees to it that Keyrack is too.
fn locked(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let version =
        lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1).and_then(|rest| rest.split('"').next());
    format!("{name} {}", version.unwrap_or("?"))
}
