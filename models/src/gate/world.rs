// A database, a clock, nodes and their threads, made up around one variant of the protocol. Included once for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use shuttle::rand::Rng;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use shuttle::thread;

use super::facts::{OrgFacts, ProfileFacts, UserFacts, WithJson};
use super::index::{Index, KeyRecord, KeyTag, MemberEntry, NEVER, OrgEntry, ProfileEntry, UserEntry};
use super::protocol::{Following, Held, LEASE, LEASE_OVER, Peer, World};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;
use crate::gate::tests::{Plan, Seen, fault};

/// Each key is changed twice: something about it, and then it is revoked.
const KEYS: [KeyTag; 2] = [*b"AAAAAAAA", *b"BBBBBBBB"];
const REVOKED: i64 = 2;
/// One turn of the clock: a lease outlives four of them.
const TURN: i64 = 700_000;
/// Changes that one look into the log gives, and that it keeps.
const AT_ONCE: usize = 2;
const KEPT: usize = 3;
const CHECKS: usize = 8;

/// Whatever is committed. Each lock of it is one transaction.
#[derive(Default)]
struct Tables {
    newest: i64,
    /// Number, key, and the key's version after it.
    log: Vec<(i64, usize, i64)>,
    versions: [i64; KEYS.len()],
    peers: BTreeMap<&'static str, (i64, i64)>,
}

/// What all threads share.
struct Site {
    plan: Plan,
    tables: Mutex<Tables>,
    uptime: AtomicI64,
    /// The version of each key of which a deed has returned.
    returned: [AtomicI64; KEYS.len()],
    is_over: AtomicBool,
}

/// One process.
struct Node {
    name: &'static str,
    site: Arc<Site>,
    index: Index,
    held: Held,
    /// The newest change that every node on the list has applied, as this one knows; and that this one has.
    everywhere: AtomicI64,
    here: AtomicI64,
    /// When its newest renewal reached the database.
    renewed: AtomicI64,
    /// Whether it has lost its database.
    is_cut: AtomicBool,
    shared: (Arc<MemberEntry>, Arc<ProfileEntry>),
}

fn shared() -> (Arc<MemberEntry>, Arc<ProfileEntry>) {
    let org = Arc::new(OrgEntry { facts: ArcSwap::from_pointee(WithJson(OrgFacts)), bucket: Default::default() });
    let facts = ArcSwap::from_pointee(WithJson(UserFacts));
    let user = Arc::new(UserEntry { facts, is_disabled: AtomicBool::new(false) });
    let profile = Arc::new(ProfileEntry { facts: ArcSwap::from_pointee(WithJson(ProfileFacts)) });
    (Arc::new(MemberEntry::new(org, user, Some(Role::Builder))), profile)
}

impl Node {
    fn new(name: &'static str, site: Arc<Site>) -> Arc<Self> {
        let number = || AtomicI64::new(0);
        let (everywhere, here, renewed) = (number(), number(), number());
        let (index, held, is_cut) = (Index::new(), Held::new(), AtomicBool::new(false));
        Arc::new(Self { name, site, index, held, everywhere, here, renewed, is_cut, shared: shared() })
    }

    /// The version stands where the record says when the key was made.
    fn put(&self, key: usize, version: i64) {
        self.index.put(KeyRecord {
            id: KEYS[key],
            current: SecretHash([0; 32]),
            previous: None,
            member: self.shared.0.clone(),
            profile: self.shared.1.clone(),
            name: "".into(),
            created_at: Timestamp::from_micros(version),
            expires_at: NEVER,
            bucket: None,
            environment: 0,
            role_max: None,
            url_allowed: false,
            is_paused: false,
            is_revoked: version >= REVOKED,
        });
    }

    fn version(&self, key: usize) -> i64 {
        self.index.with(&KEYS[key], |record| record.created_at.as_micros()).unwrap_or(-1)
    }

    /// What a check does: the clock, the lease, the look-up, in this order. Nothing where it must not answer.
    fn check(&self, key: usize) -> Option<i64> {
        let plan = self.site.plan;
        let looked_up_first = plan.looks_up_first.then(|| self.version(key));
        let now = self.site.uptime.load(Ordering::SeqCst);
        if !self.held.covers(now) {
            return None;
        }
        let renewed = self.renewed.load(Ordering::SeqCst);
        if !plan.is_alone && now >= renewed + LEASE {
            fault("answered without a lease");
        }
        if plan.fills_from_look_ups && self.version(key) < REVOKED {
            // What a cache does that is filled by whoever misses something.
            let version = self.site.tables.lock().unwrap().versions[key];
            self.put(key, version);
        }
        // The one other thing that writes to the index: it must not bring back what it found.
        self.index.bucket_of(&KEYS[key]);
        Some(looked_up_first.unwrap_or_else(|| self.version(key)))
    }

    /// A deed through this node: it has returned when this has.
    fn deed(&self, key: usize) {
        let site = &self.site;
        let (seq, version) = {
            let mut tables = site.tables.lock().unwrap();
            tables.newest += 1;
            tables.versions[key] += 1;
            let (seq, version) = (tables.newest, tables.versions[key]);
            tables.log.push((seq, key, version));
            if tables.log.len() > KEPT {
                tables.log.remove(0);
            }
            (seq, version)
        };
        let began = site.uptime.load(Ordering::SeqCst);
        let is_over = || site.uptime.load(Ordering::SeqCst) - began >= LEASE_OVER;
        while !site.plan.does_not_wait && self.everywhere.load(Ordering::SeqCst) < seq && !is_over() {
            thread::yield_now();
        }
        while site.plan.is_alone && !site.plan.does_not_wait && self.here.load(Ordering::SeqCst) < seq {
            thread::yield_now();
        }
        site.returned[key].store(version, Ordering::SeqCst);
    }

    /// The follower's thread.
    fn follow(self: &Arc<Self>) {
        let (mut following, mut world) = (Following::default(), Here(self.clone()));
        let (mut has_started, mut random) = (false, shuttle::rand::thread_rng());
        while !self.site.is_over.load(Ordering::SeqCst) {
            if self.site.plan.cuts && random.gen_ratio(1, 6) {
                self.is_cut.fetch_xor(true, Ordering::SeqCst);
            }
            if !has_started {
                has_started = following.start(&mut world).is_ok();
            }
            let renew = following.is_due(world.uptime());
            match following.catch_up(&mut world, &self.held, renew) {
                Ok(standing) if has_started => {
                    self.here.store(standing.here, Ordering::SeqCst);
                    self.everywhere.store(standing.everywhere, Ordering::SeqCst);
                }
                Err(Cut) if self.site.plan.is_alone => self.held.drop_now(),
                Ok(_) | Err(Cut) => {}
            }
            thread::yield_now();
        }
    }

    /// A client that checks one key again and again.
    fn check_on(&self, key: usize, seen: &Seen) {
        let mut newest = -1;
        for _ in 0..CHECKS {
            let returned = self.site.returned[key].load(Ordering::SeqCst);
            if let Some(version) = self.check(key) {
                seen.count(returned);
                if version < returned {
                    fault("a check knew less than a deed that had returned");
                }
                if version < newest {
                    fault("an old record came back");
                }
                newest = version;
            }
            thread::yield_now();
        }
    }
}

/// The database could not be reached.
struct Cut;

/// A node as its follower sees it.
struct Here(Arc<Node>);

impl Here {
    /// One transaction.
    fn at<T>(&self, f: impl FnOnce(&mut Tables) -> T) -> Result<T, Cut> {
        if self.0.is_cut.load(Ordering::SeqCst) { Err(Cut) } else { Ok(f(&mut self.0.site.tables.lock().unwrap())) }
    }

    /// Who says to be so far must know what was changed so far.
    fn assert_applied(&self, applied: i64) {
        let log = self.0.site.tables.lock().unwrap().log.clone();
        if log.iter().any(|(seq, key, version)| *seq <= applied && self.0.version(*key) < *version) {
            fault("acknowledged what was not applied");
        }
    }
}

impl World for Here {
    type Change = usize;
    type Error = Cut;

    fn id(&self) -> &str {
        self.0.name
    }

    fn is_alone(&self) -> bool {
        self.0.site.plan.is_alone
    }

    fn uptime(&self) -> i64 {
        self.0.site.uptime.load(Ordering::SeqCst)
    }

    fn newest(&mut self) -> Result<i64, Cut> {
        self.at(|tables| tables.newest)
    }

    fn changes_after(&mut self, seq: i64) -> Result<Vec<(i64, usize)>, Cut> {
        self.at(|tables| {
            let newer = tables.log.iter().filter(|(number, ..)| *number > seq);
            newer.take(AT_ONCE).map(|(number, key, _)| (*number, *key)).collect()
        })
    }

    fn apply(&mut self, changes: &[(i64, usize)]) -> Result<(), Cut> {
        for (_, key) in changes {
            let version = self.at(|tables| tables.versions[*key])?;
            self.0.put(*key, version);
        }
        Ok(())
    }

    fn load_everything(&mut self) -> Result<(), Cut> {
        for key in 0..KEYS.len() {
            self.apply(&[(0, key)])?;
        }
        Ok(())
    }

    fn renew(&mut self, applied: i64) -> Result<i64, Cut> {
        self.assert_applied(applied);
        let (name, node) = (self.0.name, self.0.clone());
        self.at(|tables| {
            let place = tables.peers.entry(name).or_default();
            *place = (applied, place.1 + 1);
            node.renewed.store(node.site.uptime.load(Ordering::SeqCst), Ordering::SeqCst);
            tables.newest
        })
    }

    fn set_time(&mut self) -> Result<(), Cut> {
        self.at(|_| ())
    }

    fn peers(&mut self) -> Result<Vec<Peer>, Cut> {
        self.at(|tables| {
            let peer = |(id, at): (&&str, &(i64, i64))| Peer { id: (*id).to_owned(), applied: at.0, renewals: at.1 };
            tables.peers.iter().map(peer).collect()
        })
    }

    fn acknowledge(&mut self, applied: i64) -> Result<(), Cut> {
        self.assert_applied(applied);
        let name = self.0.name;
        self.at(|tables| tables.peers.get_mut(name).map(|place| place.0 = applied)).map(drop)
    }

    fn take_off(&mut self, peer: &Peer) -> Result<(), Cut> {
        self.at(|tables| tables.peers.retain(|name, place| *name != peer.id || place.1 != peer.renewals))
    }
}

/// One run: nodes that follow, deeds through the first of them, clients of all, and a clock that goes on meanwhile.
pub(in crate::gate) fn run(plan: Plan, seen: &Arc<Seen>) {
    let site = Arc::new(Site {
        plan,
        tables: Mutex::default(),
        uptime: AtomicI64::new(10 * LEASE),
        returned: [AtomicI64::new(0), AtomicI64::new(0)],
        is_over: AtomicBool::new(false),
    });
    let names: &[&'static str] = if plan.is_alone { &["a"] } else { &["a", "b"] };
    let nodes: Vec<Arc<Node>> = names.iter().map(|name| Node::new(name, site.clone())).collect();
    let clock = {
        let site = site.clone();
        thread::spawn(move || {
            while !site.is_over.load(Ordering::SeqCst) {
                site.uptime.fetch_add(TURN, Ordering::SeqCst);
                thread::yield_now();
            }
        })
    };
    let follow = |node: &Arc<Node>| {
        let node = node.clone();
        thread::spawn(move || node.follow())
    };
    let followers: Vec<_> = nodes.iter().map(follow).collect();
    let mut clients = Vec::new();
    for key in 0..KEYS.len() {
        let node = nodes[0].clone();
        clients.push(thread::spawn(move || (0..REVOKED).for_each(|_| node.deed(key))));
    }
    for (number, node) in nodes.iter().chain(&nodes).enumerate() {
        let (node, seen) = (node.clone(), seen.clone());
        clients.push(thread::spawn(move || node.check_on(number / names.len(), &seen)));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    site.is_over.store(true, Ordering::SeqCst);
    clock.join().unwrap();
    followers.into_iter().for_each(|follower| follower.join().unwrap());
}
