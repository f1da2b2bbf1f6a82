//! Whether somebody who sends rubbish slows down those who send keys.

use anyhow::Result;

use super::{asking, malformed};
use crate::Bench;
use crate::database::Kind;
use crate::options::human;
use crate::report::{judge, number};
use crate::seed::World;
use crate::stats::spread;
use crate::wrk::{Shot, fire, start};

pub fn run(bench: &mut Bench, kind: Kind) -> Result<()> {
    let size = bench.options.usual_size();
    let world = World::build(bench, kind, size)?;
    let server = world.serve(bench)?;
    let keys = world.spread(1_000);
    let valid = asking(bench, "valid", &bench.options.auth, &keys)?;
    let rubbish = [malformed(&keys), World::unknown(1_000)].concat();
    let rubbish = asking(bench, "rubbish", &bench.options.auth, &rubbish)?;
    let options = &bench.options;
    fire(options, server.port, &valid, 1)?;
    let (mut alone, mut beside, mut flood, mut twice) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        alone.push(fire(options, server.port, &valid, options.seconds)?);
        // As many connections of people with keys: what twice the load costs without any rubbish.
        let other = start(options, server.port, &valid, options.seconds)?;
        twice.push(fire(options, server.port, &valid, options.seconds)?);
        other.finish()?;
        let other = start(options, server.port, &rubbish, options.seconds)?;
        beside.push(fire(options, server.port, &valid, options.seconds)?);
        flood.push(other.finish()?);
    }
    // Round by round, as everywhere: what garbage costs more than as many requests with keys would.
    let more = spread(&beside.iter().zip(&twice).map(|(beside, twice)| beside.p99 / twice.p99).collect::<Vec<f64>>());
    let row = |name: &str, shots: &[Shot]| {
        let column = |f: fn(&Shot) -> f64| spread(&shots.iter().map(f).collect::<Vec<f64>>());
        let (rate, p50, p99) = (column(|shot| shot.rate), column(|shot| shot.p50), column(|shot| shot.p99));
        let ms =
            |spread: crate::stats::Spread| format!("{:.2} / **{:.2}** / {:.2}", spread.min, spread.median, spread.max);
        vec![
            name.to_owned(),
            format!("{} / **{}** / {}", number(rate.min), number(rate.median), number(rate.max)),
            ms(p50),
            ms(p99),
            String::new(),
        ]
    };
    let mut rows = [
        row("valid keys, 32 connections, alone", &alone),
        row("valid keys, while 32 others send valid keys", &twice),
        row("valid keys, while 32 others send malformed and unknown keys", &beside),
        row("the flood itself", &flood),
    ];
    let heading = format!("Garbage flood, {}, {} keys", kind.name(), human(size));
    let verdict = judge(more.median, 1.5, 1.1, false);
    rows[2][4] = format!("{:.2} / **{:.2}** / {:.2}: {verdict}", more.min, more.median, more.max);
    let head = ["what", "req/s", "p50 ms", "p99 ms", "p99 × row above, must 1.5 (1.1)"];
    bench.report.table(&heading, &head, &rows)
}
