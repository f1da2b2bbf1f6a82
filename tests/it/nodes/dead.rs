//! A node whose packets to the database vanish without a word, as when a machine on the way loses its power: nothing tells it
//! that its connections are dead, so it must find out by itself.

use std::time::{Duration, Instant};

use keyrack::db::Db;

use super::checker::Checker;
use super::cluster::Cable;
use super::world::{World, deed};

#[test]
fn a_node_whose_packets_vanish_refuses_and_comes_back_by_itself() {
    let world = World::new();
    // The limits of time are nothing to a socket in the file system.
    Db::open(&world.cluster.socket_url()).unwrap();
    let cable = Cable::to(world.cluster.port);
    let olive = ("olive", "acme");
    let manager = world.key(olive, "manager", None).secret;
    let mut watched: Vec<_> = (0..8).map(|n| world.key(olive, &format!("key {n}"), None)).collect();
    watched.extend([world.token("goes"), world.token("stays")]);
    let tools = world.tools();
    let (_place_a, server_a) = world.node(world.cluster.port, false);
    let (_place_b, server_b) = world.node(cable.port, false);
    let nodes = [server_a.address, server_b.address];
    let checker = Checker::start(&nodes, watched, tools);
    let revoke = |by: usize, number: usize| {
        let id = &checker.watched(number).id;
        let took = deed(nodes[by], &manager, &format!("/v1/keys/{id}/revoke"), "{}");
        checker.taken(number);
        took
    };
    for node in [0, 1] {
        checker.wait_for_accepts(node);
        revoke(node, node);
    }

    cable.die();
    let died = Instant::now();
    world.admin(&["service-token", "revoke", &checker.watched(8).id]);
    checker.taken(8);
    let took = revoke(0, 2);
    assert!(took < Duration::from_secs(8), "{took:?}");
    while checker.unavailable(1) < 20 {
        assert!(died.elapsed() < Duration::from_secs(10), "a node without its database goes on");
        checker.run(10);
    }
    let accepted = checker.accepted(1);
    checker.run(1000);
    assert_eq!(checker.accepted(1), accepted);

    cable.mend();
    let mended = Instant::now();
    checker.wait_for_accepts(1);
    let back = mended.elapsed();
    revoke(1, 3);
    revoke(0, 4);
    checker.run(1000);
    // Refused at once, not held up until somebody finds out.
    let (broken, longest) = checker.answers(1);
    assert!(broken == 0 && longest < Duration::from_secs(5), "{broken} broken off, {longest:?}");
    let refused = checker.unavailable(1);
    println!("{}back {back:?} after there was a way again", checker.finish(5));

    // Anybody can ask: the node says that it refuses, not each time that it does.
    let (_, log) = server_b.stop();
    let complaints = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(log.contains("cannot follow the database"), "{log}");
    assert!(refused > 100 && complaints < 20, "{complaints} complaints of {refused} refusals:\n{log}");
}
