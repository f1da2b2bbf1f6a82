//! Checking a key: from the text that a client sent to a verdict. Everything that lets a key in passes here, and all of
//! it is answered from memory.

mod facts;
mod follow;
mod index;
mod judge;
mod lease;
pub mod limit;
mod load;
pub mod metrics;
mod outside;
mod places;
mod protocol;
pub mod record;
mod sync;
mod tokens;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use smol_str::SmolStr;
use tokio::sync::watch;

pub use facts::{Known, OrgFacts, ProfileFacts, UserFacts, WithJson};
pub use index::KeyTag;
pub use lease::{LEASE, NoLease};
pub use outside::{Settled, settle_from_outside};
pub use tokens::ServiceToken;

use crate::clock::{Clock, Moment, uptime};
use crate::db::Db;
use crate::db::reports::Report;
use crate::domain::ids::KeyId;
use crate::domain::key::KeyStatus;
use crate::domain::org::Role;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use follow::{Follower, Progress, Told, new_node_id};
use index::{Index, KeyRecord};
use judge::Asked;
use lease::{LEASE_OVER, Lease};
use limit::{Limiter, Limits, Quotas};
use load::{Loader, tag_of};
use metrics::{CheckMetrics, Checks, Gauges};
use record::{RecordError, Recorder};
use tokens::Tokens;

/// What the check is given besides the rules.
#[derive(Debug, Default)]
pub struct GateOptions {
    /// Counts requests against limits.
    pub limiter: Limiter,
    /// How many events are stored in full; beyond, those stored say for how many they stand.
    pub events_per_second: u32,
}

/// What is known of the request that presented a key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// `GET`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// The client's address.
    pub address: &'a str,
    /// What the client calls itself.
    pub client: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// Whether the key stood in the URL.
    pub in_url: bool,
}

/// What is asked of a key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question {
    /// What it must at least be allowed to do.
    pub require: Option<Role>,
    /// Whether there is time to count together with other nodes: [`Gate::may_wait`].
    pub may_wait: bool,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// The decision.
    pub verdict: Verdict,
    /// Whose key it is; only where the presented secret was one of the key's.
    pub pass: Option<Pass>,
    /// How it fared against the limits, where it came so far.
    pub limits: Limits,
}

/// A key whose secret was presented, with what is looked up for it on every check.
#[derive(Debug)]
pub struct Pass {
    /// The key's id.
    pub id: KeyTag,
    /// Its name.
    pub name: SmolStr,
    /// Its environment.
    pub environment: &'static str,
    /// Its state; only `Active` and `Rotating` are let in.
    pub status: KeyStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
    /// Its organization.
    pub org: Known<OrgFacts>,
    /// The person it acts as.
    pub user: Known<UserFacts>,
    /// The profile it is bound to.
    pub profile: Known<ProfileFacts>,
    /// What it may do now; nothing when that person no longer belongs.
    pub role: Option<Role>,
    /// When the check was made, by the database's clock.
    pub at: Timestamp,
}

impl Pass {
    /// The key's id as text.
    #[must_use]
    pub fn key_id(&self) -> &str {
        // Made from the characters of a text.
        std::str::from_utf8(&self.id).unwrap_or_default()
    }
}

/// The check, and the thread that keeps its memory exact. Cheap to clone; the last clone that goes stops the thread.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    rules: Arc<Rules>,
    lease: Arc<Lease>,
    index: Arc<Index>,
    tokens: Arc<Tokens>,
    limiter: Arc<Limiter>,
    recorder: Recorder,
    checks: CheckMetrics,
    progress: watch::Receiver<Progress>,
    told: Sender<Told>,
    follower: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    fn stop(&self) {
        let _ = self.told.send(Told::Stop);
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower
            && follower.join().is_err()
        {
            tracing::error!("the follower's thread panicked");
        }
    }
}

impl Gate {
    /// Reads all keys into memory and starts to follow the database.
    ///
    /// # Errors
    /// The database's own failure, in words.
    pub fn open(db: &Db, rules: &Rules, clock: &Clock, options: GateOptions) -> Result<Self, String> {
        let rules = Arc::new(rules.clone());
        let (lease, index) = (Arc::new(Lease::new(clock.clone())), Arc::new(Index::new()));
        let (tokens, limiter) = (Arc::new(Tokens::default()), Arc::new(options.limiter));
        let loader = Loader::new(rules.clone(), index.clone(), tokens.clone());
        let (progress_sender, progress) = watch::channel(Progress::default());
        let id = new_node_id()?;
        let mut follower = Follower::new(id, db.clone(), lease.clone(), limiter.clone(), loader, progress_sender);
        let conn = follower.start()?;
        let recorder = Recorder::new(db.clone(), rules.format.clone(), options.events_per_second);
        recorder.start().map_err(|error| error.to_string())?;
        let checks = CheckMetrics::default();
        let (told, orders) = channel();
        let thread = std::thread::Builder::new().name("follower".to_owned());
        let thread = thread.spawn(move || follower.run(conn, &orders)).map_err(|error| error.to_string())?;
        let follower = Mutex::new(Some(thread));
        let inner = Inner { rules, lease, index, tokens, limiter, recorder, checks, progress, told, follower };
        Ok(Self(Arc::new(inner)))
    }

    /// Whether a check may have to wait, for Redis, instead of being answered at once.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.0.limiter.is_shared()
    }

    /// Checks the text of a key, from memory. It waits for nothing, unless the limit is shared through Redis.
    /// `require` is what the key must at least be allowed to do.
    ///
    /// # Errors
    /// This node holds no lease: then it must not answer.
    pub async fn check(&self, token: &str, require: Option<Role>, seen: &Seen<'_>) -> Result<Checked, NoLease> {
        let question = Question { require, may_wait: self.may_wait() };
        self.answer(token, question, seen).await
    }

    /// The same. Unless it `may_wait`, it is there at once, and a limit that is shared is judged by this node's part of it.
    ///
    /// # Errors
    /// This node holds no lease.
    pub async fn answer(&self, token: &str, question: Question, seen: &Seen<'_>) -> Result<Checked, NoLease> {
        let inner = &*self.0;
        // First the lease, then the look-up: see `Lease::check`.
        let began = Moment::now();
        let started = began.uptime();
        inner.lease.check(started).inspect_err(|NoLease| inner.checks.observe_no_lease())?;
        let now = inner.lease.time_at(started);
        let asked = Asked { question, in_url: seen.in_url, now, uptime: started };
        let mut judged = inner.judge(token, &asked);
        let limits = match judged.limits {
            Some(limits) => limits,
            None => inner.take(&judged, &asked).await,
        };
        if !limits.allowed() {
            judged.verdict = Verdict::RateLimited;
        }
        let checked = inner.note(judged, limits, seen, now);
        inner.checks.observe(checked.verdict, began.elapsed());
        Ok(checked)
    }

    /// The service token of this text, while it is not revoked. `at` is when the request came, or later.
    ///
    /// # Errors
    /// This node holds no lease.
    pub fn find_service_token(&self, token: &str, at: Moment) -> Result<Option<Arc<ServiceToken>>, NoLease> {
        self.0.lease.check(at.uptime())?;
        Ok(self.0.tokens.find(token))
    }

    /// What is left of the limits that hold for a key, without taking anything.
    pub async fn headroom(&self, key: &KeyId) -> Limits {
        let counted_by = |record: &KeyRecord| (record.member.org.clone(), record.bucket.clone().unwrap_or_default());
        let found = tag_of(key).and_then(|tag| self.0.index.with(&tag, counted_by));
        let Some((org, bucket)) = found else { return Limits::default() };
        let facts = org.facts.load_full();
        let quotas = Quotas { account: (&org.bucket, facts.quota), key: (&bucket, facts.key_quota) };
        self.0.limiter.look(&facts.id, quotas, uptime()).await
    }

    /// Waits until every process that may check keys has applied the change of this number, or its lease has run out:
    /// then no check that begins afterwards, on any node, knows less. 3.3 seconds at most on PostgreSQL.
    pub async fn settled(&self, seq: i64) {
        let _ = self.0.told.send(Told::Look);
        let mut progress = self.0.progress.clone();
        let over = tokio::time::sleep(LEASE_OVER.to_std());
        let followed = progress.wait_for(|progress| progress.everywhere >= seq);
        let is_followed = tokio::time::timeout(LEASE_OVER.to_std(), followed).await.is_ok_and(|seen| seen.is_ok());
        if is_followed {
            return;
        }
        // Also when nobody follows here any more: leases that were given before the change was committed have run out by
        // then, whatever keeps their holders.
        over.await;
        tracing::warn!(seq, "waited for a lease to run out");
        // On SQLite no lease runs out: this process answers from memory until it has followed, or has given up.
        while self.0.lease.seconds_left().is_none() && self.0.progress.borrow().here < seq {
            tokio::time::sleep(Span::millis(20).to_std()).await;
        }
    }

    /// Waits until this process has applied all that is committed. For tests that write past the actions.
    #[expect(clippy::disallowed_methods, reason = "only tests wait here")]
    pub fn catch_up(&self, seq: i64) {
        let _ = self.0.told.send(Told::Look);
        while self.0.progress.borrow().here < seq && self.0.progress.has_changed().is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Keeps the connection to Redis, where one is set, for ever.
    pub async fn keep_connected(&self) {
        self.0.limiter.keep_connected().await;
    }

    /// Whether checks are answered right now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.lease.check(uptime()).is_ok()
    }

    /// How it stands, for the metrics.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let progress = *self.0.progress.borrow();
        let left = self.0.lease.seconds_left();
        Gauges {
            keys: self.0.index.len(),
            orgs: progress.orgs,
            nodes: progress.nodes,
            lease_held: self.is_ready(),
            lease_age_seconds: left.map(|left| LEASE.as_micros() as f64 / 1e6 - left),
            limits_shared: self.0.limiter.is_shared(),
            waiting: self.0.recorder.waiting(),
            left_out: self.0.recorder.left_out(),
        }
    }

    /// How checks ended, and how long they took.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.0.checks.read()
    }

    /// Takes in what upstreams report of requests that were let in. Returns how many there was room for.
    #[must_use]
    pub fn report(&self, reports: Vec<Report>) -> usize {
        self.0.recorder.report(reports)
    }

    /// Writes what was noted of the checks so far.
    ///
    /// # Errors
    /// What could not be written stays and is tried again.
    pub fn flush(&self) -> Result<(), RecordError> {
        self.0.recorder.flush()
    }

    /// Stops to check and to follow, and takes this node off the list, so that nobody waits for it.
    pub fn stop(&self) {
        self.0.stop();
    }
}
