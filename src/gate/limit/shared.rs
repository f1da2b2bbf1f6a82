//! One budget for several nodes, in Redis or Valkey. A node reserves a few requests ahead and spends them from memory;
//! only when they are used up a check asks, and only one at a time for each organization. What is reserved is at most
//! a fiftieth of the quota and a second old, so the nodes together never let in more than the quota, and what one of
//! them holds unused is little and comes back.
//!
//! While Redis does not answer, each node gives its share of the quota instead; see [`super::Limiter`].

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script, ScriptInvocation};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Taken;
use crate::clock::Moment;

/// The longest that a check waits for an answer.
const PATIENCE: Duration = Duration::from_millis(50);
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// How old reserved requests get, and how long a refusal is believed.
const CHUNK_MICROS: i64 = 1_000_000;
const CHUNKS_PER_QUOTA: u32 = 50;
const MINUTE_MICROS: i64 = 60_000_000;
const SHELVES: usize = 16;

/// The budgets of all organizations, as far as this node knows them.
pub(super) struct Shared {
    client: Client,
    script: Script,
    link: Mutex<Link>,
    is_up: AtomicBool,
    lost: Notify,
    hasher: RandomState,
    /// Written to only when an organization is first seen.
    shelves: [RwLock<HashMap<Box<str>, Arc<Share>>>; SHELVES],
}

#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    /// How often a connection was made.
    generation: u64,
}

/// What this node holds of one organization's budget. Checks wait for each other only while Redis is asked for more.
#[derive(Default)]
pub(super) struct Share {
    chunk: ArcSwap<Chunk>,
    /// Whoever asks holds it; the others wait and find the answer.
    asking: tokio::sync::Mutex<()>,
}

/// Times are the caller's, in microseconds.
#[derive(Default)]
struct Chunk {
    /// All that ever changes. What is taken of it is taken once, also from a chunk that another one replaces meanwhile: whoever
    /// asks for the next has taken what was left, to give it back.
    left: AtomicU32,
    size: u32,
    until: i64,
    epoch: i64,
    generation: u64,
    /// When the budget is whole again, if nobody takes of it.
    whole_at: i64,
    /// Set when nothing was granted: when one will be.
    refused_until: i64,
}

/// What the script answers.
type Answer = (u32, i64, i64, i64);

impl Shared {
    /// Without connecting yet.
    ///
    /// # Errors
    /// What is wrong with the address, without repeating it.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        Ok(Self {
            client: Client::open(url).map_err(|error| error.to_string())?,
            script: Script::new(include_str!("take.lua")),
            link: Mutex::default(),
            is_up: AtomicBool::new(false),
            lost: Notify::new(),
            hasher: RandomState::new(),
            shelves: Default::default(),
        })
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// What this node holds for an organization.
    pub(super) fn share(&self, org: &str) -> Arc<Share> {
        let shelf = &self.shelves[self.hasher.hash_one(org) as usize % SHELVES];
        if let Some(share) = shelf.read().unwrap_or_else(PoisonError::into_inner).get(org) {
            return share.clone();
        }
        shelf.write().unwrap_or_else(PoisonError::into_inner).entry(org.into()).or_default().clone()
    }

    /// What is left of an organization's budget, whoever spent of it, without taking anything. Nothing when Redis does not answer.
    pub(super) async fn look(&self, org: &str, quota: u32, now: i64) -> Option<Taken> {
        let (mut connection, generation) = self.connection()?;
        let mut call = self.script.key(key_of(org));
        call.arg(quota).arg(0).arg(0).arg(0).arg(0);
        let answer = self.invoke(&call, &mut connection, generation).await?;
        // What this node has reserved is not spent.
        let (_, _, whole, wait) = answer;
        let left = self.share(org).left(now);
        let chunk =
            Chunk { whole_at: now.saturating_add(whole), refused_until: now.saturating_add(wait), ..Chunk::default() };
        Some(if wait > 0 && left == 0 { chunk.refused(quota, now) } else { chunk.allowed(left, quota, now) })
    }

    fn connection(&self) -> Option<(MultiplexedConnection, u64)> {
        let link = lock(&self.link);
        let connection = link.connection.clone().filter(|_| self.is_up())?;
        Some((connection, link.generation))
    }

    async fn invoke(
        &self,
        call: &ScriptInvocation<'_>,
        connection: &mut MultiplexedConnection,
        generation: u64,
    ) -> Option<Answer> {
        match timeout(PATIENCE, call.invoke_async::<Answer>(connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => self.lose(generation, &error.to_string()),
            Err(_) => self.lose(generation, "no answer in time"),
        }
    }

    /// Reserves more and takes one of it. Nothing when Redis does not answer. `spent` is how many microseconds of the
    /// budget this node knows to be spent.
    pub(super) async fn ask(&self, share: &Share, org: &str, quota: u32, spent: i64, now: i64) -> Option<Taken> {
        let _asking = share.asking.lock().await;
        // Another has asked meanwhile, or has found that nobody answers.
        if let Some(taken) = share.spend(quota, now) {
            return Some(taken);
        }
        let (mut connection, generation) = self.connection()?;
        let (old, left, wanted) = share.start_asking(quota);
        let is_first = old.generation != generation;
        let mut call = self.script.key(key_of(org));
        call.arg(quota).arg(wanted);
        // After an outage the budget may be younger than the chunk, and does not know what was spent meanwhile.
        call.arg(if is_first { 0 } else { left }).arg(old.epoch).arg(if is_first { spent } else { 0 });
        let answer = self.invoke(&call, &mut connection, generation).await?;
        Some(share.refill(answer, quota, generation, now))
    }

    /// Told once however many find out.
    fn lose<T>(&self, generation: u64, why: &str) -> Option<T> {
        let mut link = lock(&self.link);
        if link.generation == generation && link.connection.take().is_some() {
            self.is_up.store(false, Ordering::Relaxed);
            self.lost.notify_one();
            tracing::warn!(error = why, "Redis is away: until it is back each node gives its share of a limit");
        }
        None
    }

    /// Connects, and again whenever the connection is lost; for ever.
    pub(super) async fn keep_connected(&self) {
        let (mut pause, mut is_told) = (RETRY_FIRST, false);
        loop {
            match self.connect().await {
                Ok(()) => {
                    tracing::info!("limits are counted in Redis");
                    let since = Moment::now();
                    self.lost.notified().await;
                    is_told = true;
                    pause = if since.elapsed() > STEADY { RETRY_FIRST } else { pause };
                }
                Err(error) if !is_told => {
                    tracing::warn!(%error, "Redis is away: until it is back each node gives its share of a limit");
                    is_told = true;
                }
                Err(error) => tracing::debug!(%error, "Redis is still away"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_LAST);
        }
    }

    async fn connect(&self) -> Result<(), RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_PATIENCE));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        // Not a ping: what counts is that this script may run and write.
        let mut probe = self.script.key("keyrack:probe");
        let probe = probe.arg(1).arg(0).arg(0).arg(0).arg(0);
        let _: Answer = probe.invoke_async(&mut connection).await?;
        let mut link = lock(&self.link);
        *link = Link { connection: Some(connection), generation: link.generation + 1 };
        self.is_up.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Share {
    /// Takes one of what is reserved, or refuses where Redis just did; nothing when it must be asked.
    pub(super) fn spend(&self, quota: u32, now: i64) -> Option<Taken> {
        let chunk = self.chunk.load();
        if now < chunk.until
            && let Ok(left) = chunk.change(|left| left.checked_sub(1))
        {
            return Some(chunk.allowed(left - 1, quota, now));
        }
        (now < chunk.refused_until.min(chunk.until)).then(|| chunk.refused(quota, now))
    }

    /// How many are reserved.
    fn left(&self, now: i64) -> u32 {
        let chunk = self.chunk.load();
        if now < chunk.until { chunk.left.load(Ordering::Relaxed) } else { 0 }
    }

    /// Puts one back that was spent for nothing.
    pub(super) fn give_back(&self, now: i64) {
        let chunk = self.chunk.load();
        // One of an older chunk is let go.
        if now < chunk.until {
            let _ = chunk.change(|left| (left < chunk.size).then_some(left + 1));
        }
    }

    /// How a request would fare, as far as this node knows.
    pub(super) fn look(&self, quota: u32, now: i64) -> Taken {
        let chunk = self.chunk.load();
        let left = chunk.left.load(Ordering::Relaxed);
        if now < chunk.refused_until { chunk.refused(quota, now) } else { chunk.allowed(left, quota, now) }
    }

    /// Empties the chunk, and says what it was, what was left of it, and how many to reserve now: twice as many as were used up in
    /// time, else as many as were used.
    fn start_asking(&self, quota: u32) -> (Arc<Chunk>, u32, u32) {
        let old = self.chunk.load_full();
        let left = old.left.swap(0, Ordering::Relaxed);
        let most = (quota / CHUNKS_PER_QUOTA).max(1);
        let used = old.size.saturating_sub(left);
        let wanted = if left == 0 { used.saturating_mul(2) } else { used };
        (old, left, wanted.clamp(1, most))
    }

    fn refill(&self, (granted, epoch, whole, wait): Answer, quota: u32, generation: u64, now: i64) -> Taken {
        let refused_until = if granted == 0 { now.saturating_add(wait.max(1)) } else { 0 };
        let left = granted.saturating_sub(1);
        let chunk = Chunk {
            left: AtomicU32::new(left),
            size: granted,
            until: now.saturating_add(CHUNK_MICROS),
            epoch,
            generation,
            whole_at: now.saturating_add(whole),
            refused_until,
        };
        let taken = if granted == 0 { chunk.refused(quota, now) } else { chunk.allowed(left, quota, now) };
        self.chunk.store(Arc::new(chunk));
        taken
    }
}

impl Chunk {
    /// What was left before.
    ///
    /// # Errors
    /// The same, where there is nothing to change.
    fn change(&self, change: impl Fn(u32) -> Option<u32>) -> Result<u32, u32> {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
    }

    fn allowed(&self, left: u32, quota: u32, now: i64) -> Taken {
        let spent = self.whole_at.saturating_sub(now).clamp(0, MINUTE_MICROS);
        let free = i128::from(MINUTE_MICROS - spent) * i128::from(quota) / i128::from(MINUTE_MICROS);
        let free = u32::try_from(free).unwrap_or(quota);
        let remaining = free.saturating_add(left).min(quota);
        Taken { allowed: true, limit: quota, remaining, reset_seconds: whole_seconds(spent) }
    }

    fn refused(&self, quota: u32, now: i64) -> Taken {
        let reset_seconds = whole_seconds(self.refused_until.saturating_sub(now)).max(1);
        Taken { allowed: false, limit: quota, remaining: 0, reset_seconds }
    }
}

fn key_of(org: &str) -> String {
    format!("keyrack:{org}")
}

fn whole_seconds(micros: i64) -> u32 {
    u32::try_from(micros.max(0).saturating_add(999_999) / 1_000_000).unwrap_or(u32::MAX)
}

/// A thread that died in here left whole numbers behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
