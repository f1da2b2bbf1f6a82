//! Whether the time of a refusal tells why: Welch's t-test over interleaved samples.

use std::time::Instant;

use anyhow::{Result, bail};

use super::malformed;
use crate::Bench;
use crate::database::Kind;
use crate::http::{Client, bearer, get};
use crate::keys::{self, Numbers};
use crate::seed::World;
use crate::stats::{mean_and_variance, quantile, welch};

const SAMPLES: usize = 50_000;
/// Different keys of each class.
const KEYS: usize = 2_000;
/// From here on two classes count as told apart.
const TOLD_APART: f64 = 4.5;

pub fn run(bench: &mut Bench, kind: Kind) -> Result<()> {
    let world = World::build(bench, kind, bench.options.usual_size())?;
    let server = world.serve(bench)?;
    let ids = world.random(KEYS, 8);
    let wrong: Vec<String> = ids.iter().map(|id| keys::key(id, 9).text).collect();
    let classes = [
        ("unknown id", World::unknown(KEYS)),
        ("right id, wrong secret", wrong.clone()),
        ("revoked", world.revoked(KEYS)),
        ("malformed", malformed(&wrong)),
    ];
    let requests: Vec<Vec<String>> = classes
        .iter()
        .map(|(_, keys)| keys.iter().map(|key| get(&bench.options.auth, &bearer(key))).collect())
        .collect();
    let mut client = Client::connect(server.port)?;
    let mut numbers = Numbers(4);
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); classes.len()];
    let count = bench.options.tries(SAMPLES);
    while samples.iter().any(|class| class.len() < count) {
        // At random, so that no class always follows the same other.
        let class = numbers.below(classes.len());
        let request = &requests[class][numbers.below(requests[class].len())];
        let began = Instant::now();
        let answer = client.send(request)?;
        let micros = began.elapsed().as_nanos() as f64 / 1000.0;
        if answer.status != 401 {
            bail!("{} answers {}", classes[class].0, answer.status);
        }
        if samples[class].len() < count {
            samples[class].push(micros);
        }
    }
    // Interruptions of the machine are cut off for all classes alike.
    let cut = quantile(&samples.concat(), 0.99);
    let kept: Vec<Vec<f64>> =
        samples.iter().map(|class| class.iter().copied().filter(|value| *value <= cut).collect()).collect();
    let rows: Vec<Vec<String>> = (0..classes.len())
        .map(|at| {
            let (mean, variance) = mean_and_variance(&kept[at]);
            let (all, t) = (welch(&samples[at], &samples[0]).abs(), welch(&kept[at], &kept[0]).abs());
            vec![
                classes[at].0.to_owned(),
                format!("{:.3}", quantile(&samples[at], 0.5)),
                format!("{mean:.3} ± {:.3}", variance.sqrt()),
                if at == 0 { "-".to_owned() } else { format!("{all:.2}") },
                if at == 0 { "-".to_owned() } else { format!("{t:.2}") },
                if at > 0 && t.max(all) > TOLD_APART { "told apart" } else { "" }.to_owned(),
            ]
        })
        .collect();
    let heading = format!(
        "Time of a refusal, {}, {count} samples each, in turn at random (|t| above {TOLD_APART} tells)",
        kind.name()
    );
    let head = [
        "presented",
        "median µs",
        "mean µs below the 99th percentile",
        "|t| of all against unknown",
        "|t| below the 99th",
        "",
    ];
    bench.report.table(&heading, &head, &rows)
}
