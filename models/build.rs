//! Lays the protocol ready to be compiled, and makes broken variants of the protocol out of the very file that the server runs. A model that finds no fault in them
//! would prove nothing; and a change of the file that leaves no place to break it fails here.

use std::path::Path;

const PROTOCOL: &str = "../src/gate/protocol.rs";

/// Names, and what is replaced by what; each must stand there exactly once.
const VARIANTS: [(&str, &[(&str, &str)]); 8] = [
    ("as_it_is", &[]),
    (
        "acknowledges_before_it_has_applied",
        &[("world.apply(&changes)?;", "world.acknowledge(last)?; world.apply(&changes)?;")],
    ),
    (
        "says_it_is_further_than_it_is",
        &[(
            "let peers = world.peers()?;",
            "let mut peers = world.peers()?; peers.iter_mut().for_each(|peer| peer.applied = self.applied);",
        )],
    ),
    ("counts_the_lease_from_after_the_renewal", &[("held.hold(sent + LEASE);", "held.hold(world.uptime() + LEASE);")]),
    ("uses_the_lease_before_it_has_applied", &[("if self.applied < seq {", "if self.applied < seq && sent < 0 {")]),
    ("takes_others_off_the_list_too_early", &[("now - since > LEASE_OVER", "now - since > LEASE_OVER / 3")]),
    (
        "reads_the_list_before_the_log",
        &[
            ("let before = self.applied;", "let before = self.applied; let peers = world.peers()?;"),
            ("let peers = world.peers()?;\n        self.ack", "self.ack"),
        ],
    ),
    (
        "numbers_what_it_has_read_afterwards",
        &[(
            "let seq = world.newest()?;\n        world.load_everything()?;",
            "world.load_everything()?;\n        let seq = world.newest()?;",
        )],
    ),
];

fn main() {
    println!("cargo::rerun-if-changed={PROTOCOL}");
    let whole = std::fs::read_to_string(PROTOCOL).expect("the protocol can be read");
    // `include!` takes no comment about the whole file.
    let whole: String = whole.lines().filter(|line| !line.starts_with("//!")).map(|line| format!("{line}\n")).collect();
    let folder = std::env::var("OUT_DIR").expect("cargo names a folder");
    for (name, changes) in VARIANTS {
        let mut broken = whole.clone();
        for (from, to) in changes {
            assert_eq!(broken.matches(from).count(), 1, "{name}: this must stand once in {PROTOCOL}:\n{from}");
            broken = broken.replace(from, to);
        }
        std::fs::write(Path::new(&folder).join(format!("{name}.rs")), broken).expect("it can be written");
    }
}
