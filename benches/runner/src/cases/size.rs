//! The check at a growing number of keys; memory per key; the time to start.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::asking;
use crate::Bench;
use crate::database::Kind;
use crate::keys;
use crate::options::human;
use crate::process::Server;
use crate::report::judge;
use crate::rounds::{self, Target};
use crate::seed::World;

/// More keys than this would make the generator's own memory the limit.
const RANDOM_KEYS: usize = 300_000;

pub fn run(bench: &mut Bench, kind: Kind, fires: bool) -> Result<()> {
    let mut running: Vec<(usize, World, Server, u64, u64)> = Vec::new();
    for size in bench.options.sizes.clone() {
        eprintln!("  seeding {} keys", human(size));
        let world = World::build(bench, kind, size)?;
        let server = world.serve(bench)?;
        // What it does only once at the start is over by then.
        sleep(Duration::from_secs(1));
        let (now, peak) = server.memory()?;
        running.push((size, world, server, now, peak));
    }
    memory(bench, kind, &running)?;
    if !fires {
        return Ok(());
    }
    let bare = bench.bare(b"-")?;
    let mut targets = vec![Target::new("hello", &bare, asking(bench, "hello", "/hello", &World::unknown(1_000))?)];
    for (size, world, server, ..) in &running {
        let name = human(*size);
        let spread = asking(bench, &format!("spread{size}"), &bench.options.auth, &world.spread(1_000))?;
        let random: Vec<String> =
            world.random(RANDOM_KEYS.min(*size * 4), 3).iter().map(|id| keys::key(id, 0).text).collect();
        let random = asking(bench, &format!("random{size}"), &bench.options.auth, &random)?;
        // From here on by the specification: 0.90 of the rate at the smallest size, 0.80 at ten millions.
        let (must, goal) = if *size > 1_000_000 { (0.80, 0.90) } else { (0.90, 0.95) };
        let first = targets.len() == 1;
        for (at, (what, file)) in [("1000 keys of", spread), ("random keys of", random)].into_iter().enumerate() {
            let target = Target::new(format!("{what} {name}"), server, file).must(0.70, 0.85);
            let target = if at == 1 { target.with_backlog() } else { target };
            targets.push(if first { target } else { target.against(1 + at, must, goal) });
        }
    }
    rounds::run(bench, &format!("Check at growing size, {}", kind.name()), targets)
}

fn memory(bench: &Bench, kind: Kind, running: &[(usize, World, Server, u64, u64)]) -> Result<()> {
    let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let (least, .., base, _) = &running[0];
    let rows: Vec<Vec<String>> = running
        .iter()
        .map(|(size, _, server, now, peak)| {
            let more = (*now as f64 - *base as f64) / (*size as f64 - *least as f64);
            // Below a hundred thousand the allocator's own pages weigh more than the keys.
            let is_telling = *size >= 100_000 && size > least;
            vec![
                human(*size),
                format!("{:.0}", server.started_in.as_secs_f64() * 1000.0),
                mb(*now),
                mb(*peak),
                if is_telling { format!("{more:.0}") } else { "-".to_owned() },
                if is_telling { judge(more, 300.0, 150.0, false) } else { "" }.to_owned(),
            ]
        })
        .collect();
    let head = ["keys", "start to ready, ms", "resident MB", "peak MB", "bytes per idle key, must 300 (150)", ""];
    bench.report.table(&format!("Start and memory, {}", kind.name()), &head, &rows)
}
