//! The steps of docs/revocation.md that keep a node exact, without a database, a clock or keys. The gate gives them its own;
//! `models/` compiles this very file and tries the steps in the orders that threads may take.

use std::collections::HashMap;

use super::sync::{AtomicI64, Ordering};

/// How long a lease lasts from the moment its renewal was sent, in microseconds.
pub(super) const LEASE: i64 = 3_000_000;
/// How long whoever waits for a lease to run out waits: longer by what two clocks may drift apart and a thread may be
/// late.
pub(super) const LEASE_OVER: i64 = 3_300_000;
/// Leases are renewed this often.
const RENEW_EVERY: i64 = 1_000_000;

/// Until when this process may answer from memory. Cheap to ask from any thread.
pub(super) struct Held(AtomicI64);

impl Held {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Holds until this uptime; `i64::MAX` where there is one process and no lease is needed. Everything that was
    /// applied before is seen by whoever then finds the lease held.
    pub(super) fn hold(&self, until: i64) {
        self.0.store(until, Ordering::Release);
    }

    /// Gives it up.
    pub(super) fn drop_now(&self) {
        self.0.store(0, Ordering::Release);
    }

    pub(super) fn until(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }

    /// Whether it is held at `uptime`, which the caller has read after the request came in and before it looks a key
    /// up: then the index holds every change whose call had returned when the request came in.
    pub(super) fn covers(&self, uptime: i64) -> bool {
        uptime < self.until()
    }
}

/// A process on the list of those that may check keys.
pub(super) struct Peer {
    pub(super) id: String,
    /// The number of the newest change that it has applied.
    pub(super) applied: i64,
    /// How often it renewed its lease; while this stands still, no lease was given.
    pub(super) renewals: i64,
}

/// What a node works on: the database, and its own memory.
pub(super) trait World {
    type Change;
    type Error;

    /// This node's name on the list.
    fn id(&self) -> &str;

    /// Whether one process works on the database, so that no lease is needed.
    fn is_alone(&self) -> bool;

    /// The time of a clock that nobody sets and that never stops.
    fn uptime(&self) -> i64;

    /// The number of the newest change that is committed.
    fn newest(&mut self) -> Result<i64, Self::Error>;

    /// The changes after this number, the oldest first; perhaps not all of them.
    fn changes_after(&mut self, seq: i64) -> Result<Vec<(i64, Self::Change)>, Self::Error>;

    /// Reads what these changes name anew, and puts it into memory.
    fn apply(&mut self, changes: &[(i64, Self::Change)]) -> Result<(), Self::Error>;

    /// Reads everything into memory.
    fn load_everything(&mut self) -> Result<(), Self::Error>;

    /// Renews this node's lease or puts it on the list, and gives the number of the newest change that was committed
    /// before: in one statement, during which no change commits.
    fn renew(&mut self, applied: i64) -> Result<i64, Self::Error>;

    /// Asks the database for its time, for checks under the lease that comes next.
    fn set_time(&mut self) -> Result<(), Self::Error>;

    /// The list.
    fn peers(&mut self) -> Result<Vec<Peer>, Self::Error>;

    /// Tells all how far this node is.
    fn acknowledge(&mut self, applied: i64) -> Result<(), Self::Error>;

    /// Takes a node off the list, if it has not renewed since it was read.
    fn take_off(&mut self, peer: &Peer) -> Result<(), Self::Error>;
}

/// How far the nodes are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The newest change applied here.
    pub(super) here: i64,
    /// The newest change that every node on the list has applied.
    pub(super) everywhere: i64,
    /// How many nodes there are.
    pub(super) nodes: usize,
}

/// What the one thread knows that follows the database.
#[derive(Default)]
pub(super) struct Following {
    applied: i64,
    /// The uptime at which the last renewal was sent.
    renewed: i64,
    /// Nodes as last seen: renewals, and since which uptime they have been at that number.
    seen: HashMap<String, (i64, i64)>,
}

impl Following {
    /// Reads everything. Changes are numbered before anything is read: what is committed meanwhile is read again.
    pub(super) fn start<W: World>(&mut self, world: &mut W) -> Result<(), W::Error> {
        let seq = world.newest()?;
        world.load_everything()?;
        self.applied = seq;
        Ok(())
    }

    /// The number of the newest change applied.
    pub(super) fn applied(&self) -> i64 {
        self.applied
    }

    /// Whether it is time to renew the lease.
    pub(super) fn is_due(&self, uptime: i64) -> bool {
        uptime - self.renewed >= RENEW_EVERY
    }

    /// Applies what was changed, renews the lease if it is time, and says how far this node and the others have come.
    pub(super) fn catch_up<W: World>(&mut self, world: &mut W, held: &Held, renew: bool) -> Result<Standing, W::Error> {
        let before = self.applied;
        self.apply_changes(world)?;
        if world.is_alone() {
            held.hold(i64::MAX);
        } else if renew {
            self.renew(world, held)?;
        }
        let peers = world.peers()?;
        self.acknowledge(world, before, &peers)?;
        self.look_around(world, peers)
    }

    fn apply_changes<W: World>(&mut self, world: &mut W) -> Result<(), W::Error> {
        loop {
            let changes = world.changes_after(self.applied)?;
            let Some((first, last)) = changes.first().zip(changes.last()).map(|(first, last)| (first.0, last.0)) else {
                return Ok(());
            };
            if first == self.applied + 1 {
                world.apply(&changes)?;
                self.applied = last;
            } else {
                // Some were forgotten before they were seen here.
                tracing::warn!("too far behind: reading everything anew");
                self.start(world)?;
            }
        }
    }

    /// The lease begins when the renewal is sent, and holds only once all is applied that was committed before it.
    fn renew<W: World>(&mut self, world: &mut W, held: &Held) -> Result<(), W::Error> {
        let sent = world.uptime();
        let seq = world.renew(self.applied)?;
        self.renewed = sent;
        if self.applied < seq {
            self.apply_changes(world)?;
        }
        world.set_time()?;
        held.hold(sent + LEASE);
        Ok(())
    }

    fn acknowledge<W: World>(&self, world: &mut W, before: i64, peers: &[Peer]) -> Result<(), W::Error> {
        let id = world.id();
        let own = peers.iter().find(|peer| peer.id == id);
        let is_asked = if world.is_alone() {
            // There it is a write to the disk, so only for a command of another process that asks for it.
            own.is_some_and(|own| own.renewals == 0)
        } else {
            peers.iter().any(|peer| peer.id != id)
        };
        if !is_asked || own.map_or(before, |own| own.applied) >= self.applied {
            return Ok(());
        }
        world.acknowledge(self.applied)
    }

    /// Works out how far everybody is. A node that has not renewed for longer than a lease lasts has none, and is taken
    /// off the list: nobody has to wait for it, and it must register anew.
    fn look_around<W: World>(&mut self, world: &mut W, peers: Vec<Peer>) -> Result<Standing, W::Error> {
        let now = world.uptime();
        let mut everywhere = self.applied;
        let mut alive = HashMap::new();
        for peer in peers {
            if peer.id == world.id() {
                continue;
            }
            let since = match self.seen.get(&peer.id) {
                Some((renewals, since)) if *renewals == peer.renewals => *since,
                _ => now,
            };
            if now - since > LEASE_OVER && !world.is_alone() {
                world.take_off(&peer)?;
                continue;
            }
            everywhere = everywhere.min(peer.applied);
            alive.insert(peer.id, (peer.renewals, since));
        }
        self.seen = alive;
        Ok(Standing { here: self.applied, everywhere, nodes: self.seen.len() + 1 })
    }
}
