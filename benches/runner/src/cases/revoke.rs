//! Two nodes on one PostgreSQL: from the answer of a revoke to the last accept on either node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::Bench;
use crate::database::Kind;
use crate::http::{Client, bearer, get, post};
use crate::report::judge;
use crate::seed::World;
use crate::stats::quantile;

const REVOKES: usize = 300;
/// On each node.
const CHECKERS: usize = 2;
/// Checking goes on for so long after a revoke has answered.
const AFTER: Duration = Duration::from_millis(30);

/// One check of a key.
struct Check {
    began: Instant,
    ended: Instant,
    status: u16,
}

/// What one revoke showed.
struct Revoked {
    took: Duration,
    /// How many checks that began after the answer were let in. Must be none.
    late: usize,
    /// From the answer to the beginning of the last check that was let in; negative when it began before.
    last_begin: f64,
    /// How long before the answer the first refusal ended.
    first_refusal: f64,
    checks: usize,
}

pub fn run(bench: &mut Bench) -> Result<()> {
    let world = World::build(bench, Kind::Postgres, bench.options.usual_size())?;
    let nodes = [world.serve(bench)?, world.serve(bench)?];
    let ports = [nodes[0].port, nodes[1].port];
    let manager = World::managers().swap_remove(0);
    let mut done = Vec::new();
    for (at, (id, key)) in World::victims(bench.options.tries(REVOKES)).into_iter().enumerate() {
        let ask = get(&bench.options.auth, &bearer(&key));
        done.push(revoke(ports, at % 2, &manager, &id, &ask)?);
    }
    let took: Vec<f64> = done.iter().map(|one| one.took.as_secs_f64() * 1000.0).collect();
    let late: usize = done.iter().map(|one| one.late).sum();
    let last: Vec<f64> = done.iter().map(|one| one.last_begin).collect();
    let first: Vec<f64> = done.iter().map(|one| one.first_refusal).collect();
    let median = quantile(&took, 0.5);
    let rows = [
        vec!["revokes, in turn on either node".to_owned(), done.len().to_string(), String::new()],
        vec![
            "checks on both nodes meanwhile".to_owned(),
            done.iter().map(|one| one.checks).sum::<usize>().to_string(),
            String::new(),
        ],
        vec![
            "accepts that began after the revoke returned (must be 0)".to_owned(),
            late.to_string(),
            if late == 0 { "goal" } else { "MISSED" }.to_owned(),
        ],
        vec![
            "last accept began, ms after the answer: median / latest".to_owned(),
            format!("{:.2} / {:.2}", quantile(&last, 0.5), quantile(&last, 1.0)),
            String::new(),
        ],
        vec![
            "first refusal on either node, ms before the answer: median / greatest".to_owned(),
            format!("{:.2} / {:.2}", quantile(&first, 0.5), quantile(&first, 1.0)),
            String::new(),
        ],
        vec![
            "the revoke call, ms: median (must 50) / p99 / longest".to_owned(),
            format!("{median:.2} / {:.2} / {:.2}", quantile(&took, 0.99), quantile(&took, 1.0)),
            judge(median, 50.0, 50.0, false).to_owned(),
        ],
    ];
    bench.report.table("Revocation on two nodes, PostgreSQL", &["what", "found", ""], &rows)
}

/// Revokes on one node while both are asked about the key without pause.
fn revoke(ports: [u16; 2], on: usize, manager: &str, id: &str, request: &str) -> Result<Revoked> {
    let stop = AtomicBool::new(false);
    let body = "{\"reason\":\"benchmark\"}";
    let call = post(&format!("/v1/keys/{id}/revoke"), &bearer(manager), "application/json", body);
    scope(|scope| {
        let watch = |port: u16| -> Result<Vec<Check>> {
            let mut client = Client::connect(port)?;
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let status = client.send(request)?.status;
                seen.push(Check { began, ended: Instant::now(), status });
            }
            Ok(seen)
        };
        let watchers: Vec<_> =
            ports.iter().flat_map(|port| [*port; CHECKERS]).map(|port| scope.spawn(move || watch(port))).collect();
        sleep(Duration::from_millis(20));
        let asked = || -> Result<(Instant, Instant)> {
            let mut client = Client::connect(ports[on])?;
            let began = Instant::now();
            let answer = client.send(&call)?;
            let answered = Instant::now();
            if answer.status != 200 {
                bail!("a revoke answered {}: {}", answer.status, answer.text());
            }
            Ok((began, answered))
        };
        let asked = asked();
        sleep(AFTER);
        stop.store(true, Ordering::Relaxed);
        let mut checks = Vec::new();
        for watcher in watchers {
            let seen = watcher.join().map_err(|_| anyhow::anyhow!("a watcher panicked"))??;
            if seen.first().is_none_or(|check| check.status != 200) {
                bail!("the key was refused before it was revoked, or never asked about");
            }
            checks.extend(seen);
        }
        let (began, answered) = asked?;
        judge_checks(&checks, began, answered)
    })
}

fn judge_checks(checks: &[Check], began: Instant, answered: Instant) -> Result<Revoked> {
    let after = |moment: Instant| -> f64 {
        let late = moment.saturating_duration_since(answered).as_secs_f64();
        (late - answered.saturating_duration_since(moment).as_secs_f64()) * 1000.0
    };
    if let Some(odd) = checks.iter().find(|check| ![200, 401].contains(&check.status)) {
        bail!("a check answered {}", odd.status);
    }
    let accepts: Vec<&Check> = checks.iter().filter(|check| check.status == 200).collect();
    let last_begin = accepts.iter().map(|check| after(check.began)).fold(f64::NEG_INFINITY, f64::max);
    let first_refusal = checks
        .iter()
        .filter(|check| check.status == 401)
        .map(|check| -after(check.ended))
        .fold(f64::NEG_INFINITY, f64::max);
    Ok(Revoked {
        took: answered.duration_since(began),
        late: accepts.iter().filter(|check| check.began > answered).count(),
        last_begin,
        first_refusal,
        checks: checks.len(),
    })
}
