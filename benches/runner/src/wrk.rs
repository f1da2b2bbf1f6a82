//! Firing: wrk with ready-made requests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::options::Options;

/// What one run of wrk found. Times in milliseconds.
#[derive(Clone)]
pub struct Shot {
    pub rate: f64,
    /// Microseconds of processor time that the server spent on a request, on all its threads.
    pub cpu: f64,
    /// The share of a core that was used meanwhile by what has nothing to do with this benchmark, if that is known.
    pub others: Option<f64>,
    pub p50: f64,
    pub p99: f64,
    /// Each time there was, in microseconds, and how often.
    pub times: Vec<(u64, u64)>,
    pub requests: u64,
    /// Answers of 400 and above.
    pub refused: u64,
    /// Requests without an answer.
    pub broken: u64,
}

/// A run under way.
pub struct Fire(Child);

/// Writes requests into a file that `load.lua` reads.
pub fn write_requests(folder: &Path, name: &str, requests: &[String]) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.requests"));
    std::fs::write(&path, requests.join("\0"))?;
    Ok(path)
}

pub fn start(options: &Options, port: u16, requests: &Path, seconds: u64) -> Result<Fire> {
    let core = options.load_core.to_string();
    let limit = (seconds + 30).to_string();
    let child = Command::new("timeout")
        .args(["-s", "KILL", &limit, "taskset", "-c", &core, "wrk", "-t1", "-c32", "--timeout", "10s", "-d"])
        .arg(format!("{seconds}s"))
        .arg("-s")
        .arg(&options.lua)
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg("--")
        .arg(requests)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("wrk could not be started")?;
    Ok(Fire(child))
}

impl Fire {
    pub fn finish(self) -> Result<Shot> {
        let done = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&done.stdout);
        let line =
            text.lines().find_map(|line| line.strip_prefix("RESULT ")).with_context(|| format!("wrk: {text}"))?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [requests, micros, p50, p99, _, refused, broken] = numbers[..] else { bail!("wrk: {line}") };
        let ms = |micros: u64| micros as f64 / 1000.0;
        let rate = requests as f64 / (micros as f64 / 1e6);
        let times = text.lines().find_map(|line| line.strip_prefix("TIMES ")).unwrap_or_default().split(' ');
        let times: Option<Vec<(u64, u64)>> = times
            .map(|time| time.split_once(':').and_then(|(time, often)| Some((time.parse().ok()?, often.parse().ok()?))))
            .collect();
        let times = times.with_context(|| "wrk: no times".to_owned())?;
        Ok(Shot { rate, cpu: 0.0, others: None, p50: ms(p50), p99: ms(p99), times, requests, refused, broken })
    }
}

pub fn fire(options: &Options, port: u16, requests: &Path, seconds: u64) -> Result<Shot> {
    start(options, port, requests, seconds)?.finish()
}
