//! Interleaved rounds: what is compared runs within seconds of each other, again and again.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::Bench;
use crate::http::Client;
use crate::others::Others;
use crate::process::{Server, processor_seconds};
use crate::report::{judge, number};
use crate::stats::{Spread, quantile, quantile_of_counted, spread};
use crate::wrk::{Shot, fire};

/// One thing to fire at.
pub struct Target {
    pub name: String,
    port: u16,
    pid: u32,
    /// One file for all rounds, or one for each.
    pub requests: Vec<PathBuf>,
    /// The status of every answer, and what stands in its body.
    pub expect: (u16, &'static str),
    /// Ratio of throughput to the first target's that must be reached, and the goal.
    pub must: Option<(f64, f64)>,
    /// Whether its p99 against the first target's is judged.
    pub judge_p99: bool,
    /// Another target to compare with, what must be reached, and the goal.
    pub against: Option<(usize, f64, f64)>,
    /// For how long it must have been quiet before the next is fired at.
    quiet: u32,
}

impl Target {
    pub fn new(name: impl Into<String>, server: &Server, requests: PathBuf) -> Self {
        let expect = (200, "");
        let (name, port, pid) = (name.into(), server.port, server.pid());
        Self {
            name,
            port,
            pid,
            requests: vec![requests],
            expect,
            must: None,
            judge_p99: false,
            against: None,
            quiet: QUIET,
        }
    }

    pub fn expecting(self, status: u16, text: &'static str) -> Self {
        Self { expect: (status, text), ..self }
    }

    pub fn must(self, must: f64, goal: f64) -> Self {
        Self { must: Some((must, goal)), ..self }
    }

    pub fn with_p99(self) -> Self {
        Self { judge_p99: true, ..self }
    }

    /// Uses so many keys that their counts are added up much later.
    pub fn with_backlog(self) -> Self {
        Self { quiet: LONG_QUIET, ..self }
    }

    pub fn against(self, at: usize, must: f64, goal: f64) -> Self {
        Self { against: Some((at, must, goal)), ..self }
    }

    /// The first file is for the probe, the second for warming up.
    fn file(&self, at: usize) -> &Path {
        &self.requests[at.min(self.requests.len() - 1)]
    }

    /// Asks once what will be asked often, so that no benchmark measures an error.
    fn probe(&self) -> Result<()> {
        let text = std::fs::read_to_string(self.file(0))?;
        let answer = Client::connect(self.port)?.send(text.split('\0').next().unwrap_or_default())?;
        let (status, words) = self.expect;
        if answer.status != status || !answer.text().contains(words) {
            bail!("{}: {} instead of {status} {words}: {}", self.name, answer.status, answer.text());
        }
        Ok(())
    }

    fn check(&self, shot: &Shot) -> Result<()> {
        let refused = if self.expect.0 < 400 { 0 } else { shot.requests };
        if shot.broken > 0 || shot.refused != refused || shot.requests == 0 {
            bail!(
                "{}: of {} requests {} were refused and {} got no answer",
                self.name,
                shot.requests,
                shot.refused,
                shot.broken
            );
        }
        Ok(())
    }
}

/// What a target did: a shot for each round, or why there are none.
type Shots = Result<Vec<Shot>>;

/// Fires at all targets in turn, round by round, and writes a table. The first target is what the others are measured
/// by; one that answers wrongly is left out from then on, and the table says so.
pub fn run(bench: &Bench, heading: &str, mut targets: Vec<Target>) -> Result<()> {
    let options = &bench.options;
    if let Some(only) = &options.only {
        let mut first = true;
        targets.retain(|target| std::mem::take(&mut first) || target.name.contains(only.as_str()));
        // Places have changed.
        targets.iter_mut().for_each(|target| target.against = None);
    }
    let targets = &targets[..];
    let fire = |target: &Target, at: usize, seconds: u64| -> Result<Shot> {
        let (before, others) = (processor_seconds(target.pid)?, Others::now());
        let mut shot = fire(options, target.port, target.file(at), seconds)?;
        shot.others = others.share();
        let after = settled(target.pid, target.quiet)?;
        shot.cpu = (after - before) * 1e6 / shot.requests as f64;
        target.check(&shot).map(|()| shot)
    };
    // Warm, and not counted.
    let warm = |target| Target::probe(target).and_then(|()| fire(target, 1, 1)).map(|_| Vec::new());
    let mut all: Vec<Shots> = targets.iter().map(warm).collect();
    for round in 0..options.rounds {
        for (target, shots) in targets.iter().zip(&mut all) {
            let Ok(done) = shots else { continue };
            match fire(target, round + 2, options.seconds) {
                Ok(shot) => {
                    eprintln!(
                        "  round {}: {} {:.0}/s, p99 {:.2} ms, {:.2} µs, others {}",
                        round + 1,
                        target.name,
                        shot.rate,
                        shot.p99,
                        shot.cpu,
                        shot.others.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
                    );
                    done.push(shot);
                }
                Err(error) => *shots = Err(error),
            }
        }
    }
    let Ok(first) = &all[0] else { bail!("the first target cannot be fired at") };
    let rows: Vec<Vec<String>> = (0..targets.len()).map(|at| row(targets, &all, first, at)).collect();
    let head = [
        "what",
        "req/s",
        "p50 / p99 ms",
        "× first row",
        "must (goal)",
        "p99 × first row, must 2 (1.3)",
        "CPU µs",
        "× by CPU",
        "compared with",
    ];
    bench.report.table(heading, &head, &rows)?;
    let broken: Vec<&str> =
        targets.iter().zip(&all).filter(|(_, shots)| shots.is_err()).map(|(target, _)| target.name.as_str()).collect();
    if broken.is_empty() { Ok(()) } else { bail!("not measured: {}", broken.join(", ")) }
}

/// Quarters of a second in which nothing happens: Keyrack writes what it noted twice a second.
const QUIET: u32 = 3;
/// The same where more keys were used than it writes one by one: those it begins to add up half a minute later.
const LONG_QUIET: u32 = 126;

/// Waits until a server has written what it noted while it was fired at, which would slow down whatever is fired at next. Returns
/// the seconds of processor it has used by then.
fn settled(pid: u32, quiet_enough: u32) -> Result<f64> {
    let (mut used, mut quiet) = (processor_seconds(pid)?, 0);
    for _ in 0..2400 {
        sleep(Duration::from_millis(250));
        let before = std::mem::replace(&mut used, processor_seconds(pid)?);
        quiet = if used - before < 0.015 { quiet + 1 } else { 0 };
        if quiet == quiet_enough {
            return Ok(used);
        }
    }
    bail!("the server did not come to rest in ten minutes")
}

/// Below how many microseconds this share of these rounds' requests lies, all taken together.
fn of_all<'a>(shots: impl IntoIterator<Item = &'a Shot>, share: f64) -> f64 {
    quantile_of_counted(shots.into_iter().flat_map(|shot| shot.times.iter().copied()), share)
}

/// Others' share of a core in a quiet round at most. What takes more than a hundredth of the server's core decides its p99 by itself;
/// a part of it takes the load's core.
const OTHERS_MAX: f64 = 0.015;
/// So many quiet rounds say more than all.
const QUIET_MIN: usize = 5;

/// What two targets did in the rounds that were quiet while either was fired at.
fn quiet<'a>(mine: &'a [Shot], first: &'a [Shot]) -> (Vec<&'a Shot>, Vec<&'a Shot>) {
    let is_quiet = |shot: &Shot| shot.others.is_some_and(|share| share <= OTHERS_MAX);
    mine.iter().zip(first).filter(|(mine, first)| is_quiet(mine) && is_quiet(first)).unzip()
}

/// The 99th percentile of a target against the first one's: of the quiet rounds where there are enough, and of all.
fn p99(mine: &[Shot], first: &[Shot], is_judged: bool) -> String {
    let all = of_all(mine, 0.99) / of_all(first, 0.99);
    let (quiet_mine, quiet_first) = quiet(mine, first);
    let count = quiet_mine.len();
    let enough = count >= QUIET_MIN;
    let (took, took_first) = match enough {
        true => (of_all(quiet_mine, 0.99), of_all(quiet_first, 0.99)),
        false => (of_all(mine, 0.99), of_all(first, 0.99)),
    };
    let ratio = took / took_first;
    let judged = if is_judged { format!(": {}", judge(ratio, 2.0, 1.3, false)) } else { String::new() };
    let whose = if enough { "in" } else { "of all, for there are only" };
    let (took, took_first) = (took / 1000.0, took_first / 1000.0);
    format!(
        "**{ratio:.2}**{judged} ({took:.2} / {took_first:.2} ms {whose} {count} quiet of {}); all {all:.2}",
        mine.len()
    )
}

fn row(targets: &[Target], all: &[Shots], first: &[Shot], at: usize) -> Vec<String> {
    let target = &targets[at];
    let mine = match &all[at] {
        Ok(mine) => mine,
        Err(error) => {
            let mut row = vec![target.name.clone(), format!("not measured: {error:#}").replace(['\n', '|'], " ")];
            row.resize(9, String::new());
            return row;
        }
    };
    let take = |f: fn(&Shot) -> f64| mine.iter().map(f).collect::<Vec<f64>>();
    let ratios = |other: &[Shot], f: fn(&Shot) -> f64| {
        spread(&mine.iter().zip(other).map(|(a, b)| f(a) / f(b)).collect::<Vec<f64>>())
    };
    let rates = spread(&take(|shot| shot.rate));
    let ratio = ratios(first, |shot| shot.rate);
    let digits = |value: f64| if value < 0.1 { format!("{value:.3}") } else { format!("{value:.2}") };
    let must = |(must, goal): (f64, f64)| format!("{must} ({goal}): {}", judge(ratio.median, must, goal, true));
    let compared = target.against.and_then(|(other, must, goal)| {
        let ratio = ratios(all[other].as_ref().ok()?, |shot| shot.rate);
        let verdict = judge(ratio.median, must, goal, true);
        let Spread { min, median, max } = ratio;
        Some(format!("{}: {min:.2} / **{median:.2}** / {max:.2}, {must} ({goal}): {verdict}", targets[other].name))
    });
    vec![
        target.name.clone(),
        format!("{} / **{}** / {}", number(rates.min), number(rates.median), number(rates.max)),
        format!("{:.2} / {:.2}", of_all(mine, 0.5) / 1000.0, of_all(mine, 0.99) / 1000.0),
        format!("{} / **{}** / {}", digits(ratio.min), digits(ratio.median), digits(ratio.max)),
        target.must.map_or_else(String::new, must),
        p99(mine, first, target.judge_p99),
        format!("{:.2}", quantile(&take(|shot| shot.cpu), 0.5)),
        format!("{:.3}", 1.0 / ratios(first, |shot| shot.cpu).median),
        compared.unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shots(others: &[Option<f64>]) -> Vec<Shot> {
        let shot = |(number, others): (usize, &Option<f64>)| Shot {
            rate: number as f64,
            cpu: 0.0,
            others: *others,
            p50: 0.0,
            p99: 0.0,
            times: vec![(100, 80), (if *others > Some(OTHERS_MAX) { 9000 } else { 200 }, 20)],
            requests: 100,
            refused: 0,
            broken: 0,
        };
        others.iter().enumerate().map(shot).collect()
    }

    #[test]
    fn rounds_are_quiet_in_pairs() {
        let mine = shots(&[Some(0.0), Some(0.5), Some(0.01), None, Some(0.0)]);
        let first = shots(&[Some(0.0), Some(0.0), Some(0.02), Some(0.0), Some(0.015)]);
        let (mine, first) = quiet(&mine, &first);
        let rates = |shots: Vec<&Shot>| shots.iter().map(|shot| shot.rate).collect::<Vec<f64>>();
        assert_eq!((rates(mine), rates(first)), (vec![0.0, 4.0], vec![0.0, 4.0]));
    }

    #[test]
    fn p99_is_of_all_rounds_where_few_are_quiet_and_says_so() {
        let first = shots(&[Some(0.0); 6]);
        let mine = shots(&[Some(0.0), Some(0.0), Some(0.0), Some(0.0), Some(0.0), Some(0.5)]);
        assert_eq!(p99(&mine, &first, true), "**1.00**: goal (0.20 / 0.20 ms in 5 quiet of 6); all 45.00");
        let mine = shots(&[Some(0.0), Some(0.0), Some(0.0), Some(0.0), Some(0.5), Some(0.5)]);
        assert!(p99(&mine, &first, true).starts_with("**45.00**: MISSED (9.00 / 0.20 ms of all, for there are only 4"));
    }
}
