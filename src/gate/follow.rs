//! The follower: one thread that keeps the index as the database is, holds this process's lease, and tells others how
//! far it has come. The protocol and why it is right: docs/revocation.md.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::watch;

use super::lease::{LEASE, LEASE_OVER, Lease};
use super::limit::Limiter;
use super::load::Loader;
use crate::clock::{Clock, uptime};
use crate::db::changes::{list_changes, read_clock};
use crate::db::{self, Conn, Db, DbResult, nodes};
use crate::domain::time::Span;

/// Leases are renewed this often.
const RENEW_EVERY: Span = Span::seconds(1);
/// How long it sleeps when nothing happens. PostgreSQL's notifications can only be polled for.
const PAUSE_POSTGRES: Duration = Duration::from_millis(2);
const PAUSE_SQLITE: Duration = Duration::from_millis(20);
/// Between tries to reach a database that is away.
const PAUSE_BROKEN: Duration = Duration::from_millis(100);
/// Changes read at once.
const CHANGES_AT_ONCE: i64 = 1000;

/// How far this process and the slowest live one have come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The newest change applied here.
    pub(super) here: i64,
    /// The newest change that every node on the list has applied.
    pub(super) everywhere: i64,
    /// How many nodes there are.
    pub(super) nodes: usize,
    /// How many organizations there are.
    pub(super) orgs: usize,
}

/// What the follower is told.
pub(super) enum Told {
    /// There may be news: a deed of this process has committed.
    Look,
    /// Stop, and take this node off the list.
    Stop,
}

struct EndOfLease(Arc<Lease>);

impl Drop for EndOfLease {
    fn drop(&mut self) {
        self.0.drop_now();
    }
}

/// See the module.
pub(super) struct Follower {
    pub(super) id: String,
    pub(super) db: Db,
    pub(super) lease: Arc<Lease>,
    pub(super) limiter: Arc<Limiter>,
    pub(super) loader: Loader,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) applied: i64,
    /// The uptime at which the last renewal was sent.
    renewed: i64,
    /// SQLite's `data_version` when last looked at.
    version: i64,
    /// Nodes as last seen: renewals, and since which uptime they have been at that number.
    seen: HashMap<String, (i64, i64)>,
    is_broken: bool,
}

impl Follower {
    pub(super) fn new(
        id: String,
        db: Db,
        lease: Arc<Lease>,
        limiter: Arc<Limiter>,
        loader: Loader,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let (applied, renewed, version, seen) = (0, 0, 0, HashMap::new());
        Self { id, db, lease, limiter, loader, progress, applied, renewed, version, seen, is_broken: false }
    }

    /// Reads everything and takes the first lease; then checks may begin. Changes are numbered before anything is
    /// read: what is committed meanwhile is read again.
    pub(super) fn start(&mut self) -> Result<Conn, String> {
        let mut conn = self.db.connect()?;
        self.first_load(&mut conn).map_err(|error| error.to_string())?;
        Ok(conn)
    }

    fn first_load(&mut self, conn: &mut Conn) -> DbResult<()> {
        nodes::listen(conn)?;
        let seq = read_clock(conn)?;
        self.loader.load_everything(conn)?;
        self.applied = seq;
        if conn.is_sqlite() {
            nodes::insert_only_node(conn, &self.id, seq)?;
        }
        self.catch_up(conn, true)
    }

    /// Follows until told to stop.
    pub(super) fn run(mut self, conn: Conn, told: &Receiver<Told>) {
        // However this ends, a panic included: nobody follows any more, so nothing may be answered from memory.
        let _end = EndOfLease(self.lease.clone());
        let mut conn = Some(conn);
        loop {
            let pause = match &conn {
                None => PAUSE_BROKEN,
                Some(Conn::Sqlite(_)) => PAUSE_SQLITE,
                Some(Conn::Postgres(_)) => PAUSE_POSTGRES,
            };
            let woken = match told.recv_timeout(pause) {
                Ok(Told::Look) => true,
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => false,
            };
            if let Err(error) = self.step(&mut conn, woken) {
                // The lease of a node on PostgreSQL runs out by itself; where none is needed, memory is not trusted.
                if self.db.is_sqlite() {
                    self.lease.drop_now();
                }
                conn = None;
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::warn!(error, "cannot follow the database; checks will be refused");
                }
            } else if std::mem::take(&mut self.is_broken) {
                tracing::info!("following the database again");
            }
        }
        self.lease.drop_now();
        if let Some(mut conn) = conn.or_else(|| self.db.connect().ok())
            && let Err(error) = nodes::delete_own_node(&mut conn, &self.id)
        {
            tracing::debug!(%error, "could not take this node off the list");
        }
    }

    fn step(&mut self, conn: &mut Option<Conn>, woken: bool) -> Result<(), String> {
        let is_new = conn.is_none();
        let conn = match conn {
            Some(conn) => conn,
            None => {
                let mut fresh = self.db.connect()?;
                nodes::listen(&mut fresh).map_err(|error| error.to_string())?;
                conn.insert(fresh)
            }
        };
        let news = nodes::has_news(conn, &mut self.version).map_err(|error| error.to_string())?;
        let is_due = uptime() - self.renewed >= RENEW_EVERY.as_micros();
        if news || woken || is_new || (is_due && !conn.is_sqlite()) {
            self.catch_up(conn, is_due || is_new).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Applies what was changed, renews the lease if it is time, and says how far this node has come.
    fn catch_up(&mut self, conn: &mut Conn, renew: bool) -> DbResult<()> {
        let before = self.applied;
        self.apply_changes(conn)?;
        if conn.is_sqlite() {
            self.lease.hold(i64::MAX);
        } else if renew {
            self.renew(conn)?;
        }
        let others = nodes::list_nodes(conn)?;
        let is_alone = others.iter().all(|node| node.id == self.id);
        if !is_alone || conn.is_sqlite() {
            self.acknowledge(conn, before, &others)?;
        }
        self.publish(conn, others)
    }

    fn apply_changes(&mut self, conn: &mut Conn) -> DbResult<()> {
        loop {
            let changes = list_changes(conn, self.applied, CHANGES_AT_ONCE)?;
            let Some((first, last)) = changes.first().zip(changes.last()).map(|(first, last)| (first.0, last.0)) else {
                return Ok(());
            };
            if first == self.applied + 1 {
                self.loader.apply(conn, &changes)?;
                self.applied = last;
            } else {
                // Some were forgotten before they were seen here.
                tracing::warn!("too far behind: reading everything anew");
                let seq = read_clock(conn)?;
                self.loader.load_everything(conn)?;
                self.applied = seq;
            }
        }
    }

    /// The lease begins when the renewal is sent, and holds only once all is applied that was committed before it.
    fn renew(&mut self, conn: &mut Conn) -> DbResult<()> {
        let sent = uptime();
        let seq = nodes::renew_lease(conn, &self.id, self.applied)?;
        self.renewed = sent;
        if self.applied < seq {
            self.apply_changes(conn)?;
        }
        let asked = uptime();
        // Without the test's shift, which is added when the time is asked for.
        self.lease.set_time(db::now(conn, &Clock::system())?, asked);
        self.lease.hold(sent + LEASE.as_micros());
        Ok(())
    }

    fn acknowledge(&self, conn: &mut Conn, before: i64, others: &[nodes::Node]) -> DbResult<()> {
        let own = others.iter().find(|node| node.id == self.id);
        // On SQLite this is a write to the disk, so only for a command of another process that asks for it.
        let is_asked = if conn.is_sqlite() { own.is_some_and(|own| own.renewals == 0) } else { true };
        if !is_asked || own.map_or(before, |own| own.applied) >= self.applied {
            return Ok(());
        }
        match nodes::mark_applied(conn, &self.id, self.applied) {
            // A disk that is full or read-only stops nobody from checking: only commands of other processes wait.
            Err(error) if conn.is_sqlite() => tracing::debug!(%error, "could not acknowledge"),
            other => other?,
        }
        Ok(())
    }

    /// Works out how far everybody is. A node that has not renewed for longer than a lease lasts has none, and is taken
    /// off the list: nobody has to wait for it, and it must register anew.
    fn publish(&mut self, conn: &mut Conn, nodes: Vec<nodes::Node>) -> DbResult<()> {
        let now = uptime();
        let mut everywhere = self.applied;
        let mut alive = HashMap::new();
        for node in nodes.into_iter().filter(|node| node.id != self.id) {
            let since = match self.seen.get(&node.id) {
                Some((renewals, since)) if *renewals == node.renewals => *since,
                _ => now,
            };
            if now - since > LEASE_OVER.as_micros() && !conn.is_sqlite() {
                nodes::delete_node(conn, &node.id, node.renewals)?;
                tracing::warn!(node = %node.id, "a node has let its lease run out");
                continue;
            }
            everywhere = everywhere.min(node.applied);
            alive.insert(node.id, (node.renewals, since));
        }
        self.seen = alive;
        let nodes = self.seen.len() + 1;
        self.limiter.set_nodes(u32::try_from(nodes).unwrap_or(u32::MAX));
        self.progress.send_replace(Progress { here: self.applied, everywhere, nodes, orgs: self.loader.orgs() });
        Ok(())
    }
}

/// A name for this run of the process, by which other nodes know it.
pub(super) fn new_node_id() -> Result<String, String> {
    let mut bytes = [0; 64];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    crate::domain::ids::base62_from(&bytes, 16).ok_or_else(|| "no random number".to_owned())
}
