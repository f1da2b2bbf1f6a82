//! Several nodes on one database: no check that began after a change returned succeeds by what was taken. Two real processes and
//! a PostgreSQL of their own; one node's clock is five minutes ahead. docs/revocation.md has the argument.

mod checker;
mod cluster;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use keyrack::actions::keys::{Created, NewKey, create_key};
use keyrack::actions::people::change_role;
use keyrack::actions::{AppError, Ctx, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db::{self, Db};
use keyrack::domain::ids::SessionId;
use keyrack::domain::rules::Rules;
use keyrack::domain::time::{Span, Timestamp};
use keyrack::gate::{Settled, settle_from_outside};

use crate::support::app::{plan, usual_rules};
use crate::support::binary::{Place, Server};
use crate::support::cast;
use checker::{Checker, Watched, ask};
use cluster::{Cable, Cluster};

const SETTINGS: &str = "[keys]\nkeys_may_manage_keys = true\n[[plans]]\nid = \"standard\"\nname = \"Standard\"\n\
                        [[plans]]\nid = \"small\"\nname = \"Small\"\nrequests_per_minute = 120\n";

/// A cluster with the cast: Acme on a plan without limits, Globex on a small one.
struct World {
    cluster: Cluster,
    db: Db,
    rules: Rules,
}

impl World {
    fn new() -> Self {
        let cluster = Cluster::start();
        let db = Db::open(&cluster.url(cluster.port)).unwrap();
        db::migrate(&db).unwrap();
        let mut rules = usual_rules();
        rules.keys_may_manage_keys = true;
        rules.plans[0].active_keys_max = None;
        rules.plans[0].creations_per_hour = None;
        rules.plans.push(plan("small", "Small"));
        let now = Clock::system().now();
        db.run(|conn| -> Result<(), AppError> {
            Ok(db::write(conn, |conn| {
                cast::seed(conn, "standard", now);
                db::orgs::update_org_plan(conn, &cast::org_id("globex"), "small")
            })?)
        })
        .unwrap();
        Self { cluster, db, rules }
    }

    fn key(&self, who: &str, name: &str, expires_at: Option<Timestamp>) -> Watched {
        let origin = Origin::default();
        let clock = Clock::system();
        let ctx = Ctx { rules: &self.rules, clock: &clock, origin: &origin };
        let person = Who::Person { user: cast::user_id(who), session: SessionId::from("ses_test") };
        let expires = expires_at.map(|at| at.to_string());
        let org = cast::CAST.iter().find(|person| person.name.eq_ignore_ascii_case(who)).unwrap().org;
        let new = NewKey { name: name.to_owned(), expires, ..NewKey::default() };
        let (created, changed) =
            self.db.deed(|conn| act_in(conn, ctx, &person, org, |scope| create_key(scope, &new, None)));
        assert_eq!(settle_from_outside(&self.db, changed.unwrap()), Settled::Everywhere);
        let Created::New(view, plain) = created.unwrap() else { panic!("not new") };
        Watched::new(view.key.id.as_str(), plain.reveal())
    }

    /// As another process does it.
    fn demote_ada(&self) {
        let (origin, clock) = (Origin::default(), Clock::system());
        let ctx = Ctx { rules: &self.rules, clock: &clock, origin: &origin };
        let olive = Who::Person { user: cast::user_id("olive"), session: SessionId::from("ses_test") };
        let (done, changed) = self.db.deed(|conn| {
            act_in(conn, ctx, &olive, "acme", |scope| change_role(scope, &cast::user_id("ada"), "builder"))
        });
        done.unwrap();
        assert_eq!(settle_from_outside(&self.db, changed.unwrap()), Settled::Everywhere);
    }

    fn node(&self, port: u16, ahead: bool) -> (Place, Server) {
        let mut place = Place::new().file("keyrack.toml", SETTINGS);
        place = place.set("KEYRACK_DATABASE_URL", &self.cluster.url(port));
        place = place.set("KEYRACK_SESSION_KEY", &"5a3c".repeat(32));
        if ahead {
            let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
                .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
                .into_iter()
                .find(|path| std::path::Path::new(path).exists())
                .expect("libfaketime: tests/run installs it");
            place = place.set("LD_PRELOAD", &library).set("FAKETIME", "+5m").set("DONT_FAKE_MONOTONIC", "1");
        }
        let server = place.start(&["serve"]);
        (place, server)
    }
}

/// Takes a right away by the API of a node, again and again until the answer is whole. How long the last try took.
fn deed(node: SocketAddr, key: &str, path: &str, body: &str) -> Duration {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let began = Instant::now();
        match ask(&mut None, node, "POST", path, key, body) {
            Some((200, _)) => return began.elapsed(),
            Some((503, _)) | None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            other => panic!("{path}: {other:?}"),
        }
    }
}

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

struct Run {
    world: World,
    checker: Checker,
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
    }

    fn stopped(&mut self, server: &Server, of_ada: usize) {
        server.signal("STOP");
        let began = Instant::now();
        self.world.demote_ada();
        self.checker.demoted(of_ada);
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        for _ in 0..2 {
            let took = self.revoke(0);
            assert!(took < Duration::from_secs(8), "{took:?}");
            self.pause(0);
        }
        // Without a grace, so by the other one alone.
        self.rotate(1, false);
        // Now nobody waits for it any more.
        assert!(self.revoke(0) < Duration::from_secs(3));
        server.signal("CONT");
        self.checker.wait_for_accepts(1);
        self.revoke(0);
        self.revoke(1);
    }

    fn cut(&mut self, cable: &Cable, of_bea: usize) {
        cable.cut();
        let operator = Place::new().set("KEYRACK_DATABASE_URL", &self.world.cluster.url(self.world.cluster.port));
        let ran = operator.run(&["admin", "disable-user", "bea@acme.example"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        self.checker.taken(of_bea);
        for _ in 0..2 {
            let took = self.revoke(0);
            assert!(took < Duration::from_secs(8), "{took:?}");
            self.pause(0);
        }
        self.checker.run(500);
        let refusing = self.checker.seen(1).unavailable.load(std::sync::atomic::Ordering::SeqCst);
        assert!(refusing > 0, "a node without its database goes on");
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

#[test]
fn no_check_that_began_after_a_right_was_taken_succeeds_on_any_node() {
    let world = World::new();
    let cable = Cable::to(world.cluster.port);
    let manager = world.key("olive", "manager", None).secret;
    let limited = world.key("xavier", "limited", None).secret;
    // Keys are managed by their owner's key alone when they are rotated.
    let mut watched: Vec<Watched> = (0..60).map(|n| world.key("olive", &format!("key {n}"), None)).collect();
    let stays = watched.len();
    watched.extend((0..6).map(|n| world.key("olive", &format!("stays {n}"), None)));
    let of_ada = watched.len();
    watched.push(world.key("ada", "of ada", None));
    let of_bea = watched.len();
    watched.push(world.key("bea", "of bea", None));
    let expiring = watched.len();
    let (_place_a, server_a) = world.node(world.cluster.port, false);
    let (_place_b, server_b) = world.node(cable.port, true);
    let ends = Clock::system().now().plus(Span::seconds(8));
    watched.push(world.key("ben", "expires", Some(ends)));
    let nodes = [server_a.address, server_b.address];
    let checker = Checker::start(&nodes, watched, 1);
    let (next, times) = (0, Vec::new());
    let mut run = Run { world, checker, nodes, manager, next, times };
    run.checker.wait_for_accepts(0);
    run.checker.wait_for_accepts(1);

    // The database's clock decides, though one node's is five minutes ahead.
    let (_, body) = ask(&mut None, nodes[1], "GET", "/v1/whoami", &run.checker.watched(expiring).secret, "").unwrap();
    assert!(Clock::system().now() < ends, "too slow a machine to see the key before it expires");
    assert!(body.contains("\"name\":\"expires\""), "{body}");
    while Clock::system().now() < ends {
        run.checker.run(1);
    }
    run.checker.taken(expiring);

    assert_limit_is_split(&nodes, &limited);
    run.calm();
    run.stopped(&server_b, of_ada);
    run.cut(&cable, of_bea);
    run.restarted();

    run.checker.run(500);
    assert!(run.next <= stays, "too few keys");
    let mut times = std::mem::take(&mut run.times);
    times.sort();
    let report = run.checker.finish();
    println!("{report}revoke on two healthy nodes: median {:?}, longest {:?}", times[times.len() / 2], times.last());
}
