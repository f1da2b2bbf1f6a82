//! Several nodes on one database: no check that began after a change returned succeeds by what was taken. Two real processes and
//! a PostgreSQL of their own; one node's clock is five minutes ahead. docs/revocation.md has the argument.

mod checker;
mod cluster;
mod dead;
mod world;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822::DateTimeParser;
use keyrack::clock::Clock;
use keyrack::domain::time::Span;

use crate::support::binary::{Server, fetch};
use crate::support::line::ask;
use checker::{Checker, Watched};
use cluster::Cable;
use world::{World, deed};

/// What a node's clock shows, to the second, by an answer of its.
fn seconds_of(node: SocketAddr) -> i64 {
    let reply = fetch(node, "/readyz", None).unwrap();
    let date = reply.head.lines().find_map(|line| line.strip_prefix("Date: ").or_else(|| line.strip_prefix("date: ")));
    DateTimeParser::new().parse_timestamp(date.expect("a date")).unwrap().as_second()
}

const OLIVE: (&str, &str) = ("olive", "acme");
/// Keys that are revoked, rotated and paused one after the other.
const KEYS: usize = 64;

/// Without Redis each of two nodes gives half of an organization's 120 requests a minute.
fn assert_limit_is_split(nodes: &[SocketAddr], secret: &str) {
    for node in nodes {
        let (began, mut line) = (Instant::now(), None);
        let asked = (0..130).map(|_| ask(&mut line, *node, "GET", "/v1/whoami", secret, "").unwrap().0);
        let let_in = asked.filter(|status| *status == 200).count();
        let flown = began.elapsed().as_secs_f64().ceil() as usize;
        assert!((60..=60 + flown).contains(&let_in), "{let_in} in {:?}", began.elapsed());
    }
}

/// Which of the watched secrets are whose, but for the numbered keys.
struct Places {
    of_ada: usize,
    of_bea: usize,
    of_ben: usize,
    of_initech: usize,
    expiring: usize,
    tokens: [usize; 3],
}

struct Run {
    world: World,
    checker: Checker,
    places: Places,
    nodes: [SocketAddr; 2],
    manager: String,
    next: usize,
    times: Vec<Duration>,
}

impl Run {
    fn revoke(&mut self, by: usize) -> Duration {
        let id = self.checker.watched(self.next).id.clone();
        let took = deed(self.nodes[by], &self.manager, &format!("/v1/keys/{id}/revoke"), "{}");
        self.checker.taken(self.next);
        self.next += 1;
        took
    }

    fn rotate(&mut self, by: usize, with_grace: bool) {
        let id = self.checker.watched(self.next).id.clone();
        let path = format!("/v1/keys/{id}/rotate");
        if with_grace {
            deed(self.nodes[by], &self.manager, &path, r#"{"grace":"1h"}"#);
            self.checker.run(20);
        }
        deed(self.nodes[1 - by], &self.manager, &path, r#"{"grace":"now"}"#);
        self.checker.taken(self.next);
        self.next += 1;
    }

    fn pause(&mut self, by: usize) {
        let id = self.checker.watched(self.next).id.clone();
        deed(self.nodes[by], &self.manager, &format!("/v1/keys/{id}/pause"), "{}");
        self.checker.taken(self.next);
        self.next += 1;
    }

    /// Ends the grace that a rotation gave.
    fn finish_rotation(&mut self, by: usize) {
        let id = self.checker.watched(self.next).id.clone();
        deed(self.nodes[by], &self.manager, &format!("/v1/keys/{id}/rotate"), r#"{"grace":"1h"}"#);
        self.checker.run(20);
        self.world.finish_rotation(&id);
        self.checker.taken(self.next);
        self.next += 1;
    }

    fn revoke_token(&self, number: usize) {
        let place = self.places.tokens[number];
        self.world.admin(&["service-token", "revoke", &self.checker.watched(place).id]);
        self.checker.taken(place);
    }

    fn calm(&mut self) {
        for by in [0, 1].repeat(12) {
            let took = self.revoke(by);
            self.times.push(took);
            self.checker.run(20);
        }
        for by in [0, 1].repeat(4) {
            self.rotate(by, by == 0);
            self.pause(by);
        }
        for by in [0, 1] {
            self.finish_rotation(by);
        }
        self.world.remove_ben();
        self.checker.taken(self.places.of_ben);
        self.world.admin(&["set-plan", "initech", "none"]);
        self.checker.taken(self.places.of_initech);
        self.revoke_token(0);
    }

    fn stopped(&mut self, server: &Server) {
        server.signal("STOP");
        let began = Instant::now();
        self.world.demote_ada();
        self.checker.demoted(self.places.of_ada);
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        for _ in 0..2 {
            let took = self.revoke(0);
            assert!(took < Duration::from_secs(8), "{took:?}");
            self.pause(0);
        }
        // Without a grace, so by the other one alone.
        self.rotate(1, false);
        self.finish_rotation(0);
        self.revoke_token(1);
        // Now nobody waits for it any more.
        assert!(self.revoke(0) < Duration::from_secs(3));
        server.signal("CONT");
        self.checker.wait_for_accepts(1);
        self.revoke(0);
        self.revoke(1);
    }

    fn cut(&mut self, cable: &Cable) {
        cable.cut();
        self.world.admin(&["disable-user", "bea@acme.example"]);
        self.checker.taken(self.places.of_bea);
        self.revoke_token(2);
        for _ in 0..2 {
            let took = self.revoke(0);
            assert!(took < Duration::from_secs(8), "{took:?}");
            self.pause(0);
        }
        self.checker.run(500);
        assert!(self.checker.unavailable(1) > 0, "a node without its database goes on");
        cable.mend();
        self.checker.wait_for_accepts(1);
        self.revoke(1);
    }

    fn restarted(&mut self) {
        let cluster = &self.world.cluster;
        std::thread::scope(|scope| {
            scope.spawn(|| cluster.restart());
            for by in [0, 1, 0] {
                let id = self.checker.watched(self.next).id.clone();
                deed(self.nodes[by], &self.manager, &format!("/v1/keys/{id}/revoke"), "{}");
                self.checker.taken(self.next);
                self.next += 1;
            }
        });
        self.checker.wait_for_accepts(0);
        self.checker.wait_for_accepts(1);
    }
}

/// The secrets that are watched, but for the one that expires.
fn watched(world: &World) -> (Vec<Watched>, Places) {
    // Keys are managed by their owner's key alone when they are rotated.
    let mut watched: Vec<Watched> = (0..KEYS).map(|n| world.key(OLIVE, &format!("key {n}"), None)).collect();
    watched.extend((0..6).map(|n| world.key(OLIVE, &format!("stays {n}"), None)));
    let mut add = |one: Watched| {
        watched.push(one);
        watched.len() - 1
    };
    let places = Places {
        of_ada: add(world.key(("ada", "acme"), "of ada", None)),
        of_bea: add(world.key(("bea", "acme"), "of bea", None)),
        of_ben: add(world.key(("ben", "acme"), "of ben", None)),
        of_initech: add(world.key(("xavier", "initech"), "of initech", None)),
        tokens: [0, 1, 2].map(|n| add(world.token(&format!("token {n}")))),
        expiring: 0,
    };
    add(world.token("stays"));
    (watched, places)
}

#[test]
fn no_check_that_began_after_a_right_was_taken_succeeds_on_any_node() {
    let world = World::new();
    let cable = Cable::to(world.cluster.port);
    let manager = world.key(OLIVE, "manager", None).secret;
    let limited = world.key(("xavier", "globex"), "limited", None).secret;
    let (mut watched, mut places) = watched(&world);
    let tools = world.tools();
    let (_place_a, server_a) = world.node(world.cluster.port, false);
    let (_place_b, server_b) = world.node(cable.port, true);
    let nodes = [server_a.address, server_b.address];
    let ahead = seconds_of(nodes[1]) - seconds_of(nodes[0]);
    assert!(ahead > 4 * 60, "both clocks show the same: {ahead} s");
    let ends = Clock::system().now().plus(Span::seconds(8));
    places.expiring = watched.len();
    watched.push(world.key(("ada", "acme"), "expires", Some(ends)));
    let checker = Checker::start(&nodes, watched, tools);
    let (next, times) = (0, Vec::new());
    let mut run = Run { world, checker, places, nodes, manager, next, times };
    run.checker.wait_for_accepts(0);
    run.checker.wait_for_accepts(1);

    // The database's clock decides, though one node's is five minutes ahead.
    let expiring = run.places.expiring;
    let (_, body) = ask(&mut None, nodes[1], "GET", "/v1/whoami", &run.checker.watched(expiring).secret, "").unwrap();
    assert!(Clock::system().now() < ends, "too slow a machine to see the key before it expires");
    assert!(body.contains("\"name\":\"expires\""), "{body}");
    while Clock::system().now() < ends {
        run.checker.run(1);
    }
    run.checker.taken(expiring);

    assert_limit_is_split(&nodes, &limited);
    run.calm();
    run.stopped(&server_b);
    run.cut(&cable);
    run.restarted();

    run.checker.run(500);
    assert!(run.next <= KEYS, "too few keys");
    let mut times = std::mem::take(&mut run.times);
    times.sort();
    let report = run.checker.finish(20);
    println!("{report}revoke on two healthy nodes: median {:?}, longest {:?}", times[times.len() / 2], times.last());
}
