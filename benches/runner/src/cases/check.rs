//! The check of a key, with limit, counting and events on.

use anyhow::Result;

use super::{asking, malformed, verifying};
use crate::Bench;
use crate::database::Kind;
use crate::keys;
use crate::options::human;
use crate::rounds::{self, Target};
use crate::seed::World;

pub fn run(bench: &mut Bench, kind: Kind) -> Result<()> {
    let size = bench.options.usual_size();
    let world = World::build(bench, kind, size)?;
    let bare = bench.bare(b"-")?;
    let server = world.serve(bench)?;
    let keys = world.spread(1_000);
    let random: Vec<String> = world.random(200_000, 3).iter().map(|id| keys::key(id, 0).text).collect();
    // A refused key answers 401, and must not be slower than one that is let in:
    // three in a hundred are this measurement's own noise.
    let refused = |name: &str, file: &str, keys: &[String]| -> Result<Target> {
        Ok(Target::new(name, &server, asking(bench, file, &bench.options.auth, keys)?)
            .expecting(401, "")
            .against(1, 0.97, 1.0))
    };
    let targets = vec![
        Target::new("hello", &bare, asking(bench, "hello", "/hello", &keys)?),
        Target::new("auth: 1000 valid keys", &server, asking(bench, "valid", &bench.options.auth, &keys)?)
            .must(0.70, 0.85)
            .with_p99(),
        Target::new("auth: one hot key", &server, asking(bench, "hot", &bench.options.auth, &keys[..1])?)
            .must(0.70, 0.85)
            .with_p99(),
        Target::new("auth: any key at random", &server, asking(bench, "random", &bench.options.auth, &random)?)
            .must(0.70, 0.85)
            .with_p99()
            .with_backlog(),
        refused("auth: unknown keys", "unknown", &World::unknown(1_000))?,
        refused("auth: revoked keys", "revoked", &world.revoked(1_000))?,
        refused("auth: malformed keys", "malformed", &malformed(&keys))?,
        Target::new("verify: 1000 valid keys", &server, verifying(bench, "verify", &world.service_token, &keys)?)
            .expecting(200, "\"VALID\"")
            .must(0.70, 0.85)
            .with_p99(),
    ];
    rounds::run(bench, &format!("Check, {}, {} keys", kind.name(), human(size)), targets)
}
