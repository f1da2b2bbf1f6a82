//! The follower: one thread that keeps the index as the database is, holds this process's lease, and tells others how
//! far it has come. The protocol and why it is right: docs/revocation.md.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::watch;

use super::lease::Lease;
use super::limit::Limiter;
use super::load::Loader;
use super::protocol::{Following, Peer, Standing, World};
use crate::clock::{Clock, uptime};
use crate::db::changes::{Change, list_changes, read_clock};
use crate::db::{self, Conn, Db, DbError, DbResult, nodes};

/// How long it sleeps when nothing happens. PostgreSQL's notifications can only be polled for: often, for whoever revokes waits
/// for all followers.
const PAUSE_POSTGRES: Duration = Duration::from_millis(2);
/// The same once nothing has happened for [`CALM_AFTER`] of them: to look costs a fiftieth of a core that checks could have.
const PAUSE_CALM: Duration = Duration::from_millis(8);
/// A second of short pauses.
const CALM_AFTER: u32 = 500;
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
        self.0.held.drop_now();
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
    following: Following,
    /// SQLite's `data_version` when last looked at.
    version: i64,
    is_broken: bool,
    /// Looks in a row at which there was nothing new.
    in_vain: u32,
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
        let following = Following::default();
        Self { id, db, lease, limiter, loader, progress, following, version: 0, is_broken: false, in_vain: 0 }
    }

    /// Reads everything and takes the first lease; then checks may begin.
    pub(super) fn start(&mut self) -> Result<Conn, String> {
        let mut conn = self.db.connect()?;
        self.first_load(&mut conn).map_err(|error| error.to_string())?;
        Ok(conn)
    }

    fn first_load(&mut self, conn: &mut Conn) -> DbResult<()> {
        nodes::listen(conn)?;
        let mut here = Here { id: &self.id, conn, lease: &self.lease, loader: &mut self.loader };
        self.following.start(&mut here)?;
        if conn.is_sqlite() {
            nodes::insert_only_node(conn, &self.id, self.following.applied())?;
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
                Some(Conn::Postgres(_)) if self.in_vain > CALM_AFTER => PAUSE_CALM,
                Some(Conn::Postgres(_)) => PAUSE_POSTGRES,
            };
            let woken = match told.recv_timeout(pause) {
                Ok(Told::Look) => true,
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => false,
            };
            // Deeds that were done together are followed together.
            if told.try_iter().any(|told| matches!(told, Told::Stop)) {
                break;
            }
            if let Err(error) = self.step(&mut conn, woken) {
                // The lease of a node on PostgreSQL runs out by itself; where none is needed, memory is not trusted.
                if self.db.is_sqlite() {
                    self.lease.held.drop_now();
                }
                conn = None;
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::warn!(error, "cannot follow the database; checks will be refused");
                }
            } else if std::mem::take(&mut self.is_broken) {
                tracing::info!("following the database again");
            }
        }
        self.lease.held.drop_now();
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
        self.in_vain = if news || woken { 0 } else { self.in_vain.saturating_add(1) };
        let is_due = self.following.is_due(uptime());
        if news || woken || is_new || (is_due && !conn.is_sqlite()) {
            self.catch_up(conn, is_due || is_new).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn catch_up(&mut self, conn: &mut Conn, renew: bool) -> DbResult<()> {
        let mut here = Here { id: &self.id, conn, lease: &self.lease, loader: &mut self.loader };
        let standing = self.following.catch_up(&mut here, &self.lease.held, renew)?;
        self.limiter.set_nodes(u32::try_from(standing.nodes).unwrap_or(u32::MAX));
        let Standing { here, everywhere, nodes } = standing;
        self.progress.send_replace(Progress { here, everywhere, nodes, orgs: self.loader.orgs() });
        Ok(())
    }
}

/// What the protocol works on here.
struct Here<'a> {
    id: &'a str,
    conn: &'a mut Conn,
    lease: &'a Lease,
    loader: &'a mut Loader,
}

impl World for Here<'_> {
    type Change = Change;
    type Error = DbError;

    fn id(&self) -> &str {
        self.id
    }

    fn is_alone(&self) -> bool {
        self.conn.is_sqlite()
    }

    fn uptime(&self) -> i64 {
        uptime()
    }

    fn newest(&mut self) -> DbResult<i64> {
        read_clock(self.conn)
    }

    fn changes_after(&mut self, seq: i64) -> DbResult<Vec<(i64, Change)>> {
        list_changes(self.conn, seq, CHANGES_AT_ONCE)
    }

    fn apply(&mut self, changes: &[(i64, Change)]) -> DbResult<()> {
        self.loader.apply(self.conn, changes)
    }

    fn load_everything(&mut self) -> DbResult<()> {
        self.loader.load_everything(self.conn)
    }

    fn renew(&mut self, applied: i64) -> DbResult<i64> {
        nodes::renew_lease(self.conn, self.id, applied)
    }

    fn set_time(&mut self) -> DbResult<()> {
        let asked = uptime();
        // Without the test's shift, which is added when the time is asked for.
        self.lease.set_time(db::now(self.conn, &Clock::system())?, asked);
        Ok(())
    }

    fn peers(&mut self) -> DbResult<Vec<Peer>> {
        let peer = |node: nodes::Node| Peer { id: node.id, applied: node.applied, renewals: node.renewals };
        Ok(nodes::list_nodes(self.conn)?.into_iter().map(peer).collect())
    }

    fn acknowledge(&mut self, applied: i64) -> DbResult<()> {
        match nodes::mark_applied(self.conn, self.id, applied) {
            // A disk that is full or read-only stops nobody from checking: only commands of other processes wait.
            Err(error) if self.is_alone() => tracing::debug!(%error, "could not acknowledge"),
            other => other?,
        }
        Ok(())
    }

    fn take_off(&mut self, peer: &Peer) -> DbResult<()> {
        nodes::delete_node(self.conn, &peer.id, peer.renewals)?;
        tracing::warn!(node = %peer.id, "a node has let its lease run out");
        Ok(())
    }
}

/// A name for this run of the process, by which other nodes know it.
pub(super) fn new_node_id() -> Result<String, String> {
    let mut bytes = [0; 64];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    crate::domain::ids::base62_from(&bytes, 16).ok_or_else(|| "no random number".to_owned())
}
