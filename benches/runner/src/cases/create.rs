//! Creating keys durably: committed to the disk before the answer.

use anyhow::Result;

use super::asking;
use crate::Bench;
use crate::database::Kind;
use crate::http::{bearer, post};
use crate::rounds::{self, Target};
use crate::seed::World;
use crate::wrk::write_requests;

/// More than can be created in a round.
const PER_SECOND: usize = 12_000;

pub fn run(bench: &mut Bench, kind: Kind) -> Result<()> {
    let world = World::build(bench, kind, 1_000)?;
    let server = world.serve(bench)?;
    let bare = bench.bare(b"-")?;
    let managers = World::managers();
    let count = PER_SECOND * usize::try_from(bench.options.seconds)?;
    let file = |round: usize| {
        let body = |at: usize| format!("{{\"name\":\"Made {round} {at}\"}}");
        let requests: Vec<String> = (0..count)
            .map(|at| post("/v1/keys", &bearer(&managers[at % managers.len()]), "application/json", &body(at)))
            .collect();
        write_requests(&bench.options.work, &format!("create{round}"), &requests)
    };
    // One more for the probe, one for warming up: no name is taken twice.
    let requests = (0..bench.options.rounds + 2).map(file).collect::<Result<Vec<_>>>()?;
    let mut create = Target::new("create, in turn in 100 organizations", &server, requests[0].clone());
    create.requests = requests;
    let targets = vec![
        Target::new("hello", &bare, asking(bench, "hello", "/hello", &managers)?),
        create.expecting(201, "\"secret\"").must(0.015, 0.025),
    ];
    rounds::run(bench, &format!("Durable create, {}", kind.name()), targets)
}
