//! Limits of requests a minute: of an organization by its plan, and of a single key. Both must agree before a request
//! is let in, and one that is refused takes nothing from either.

mod shared;

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::domain::limit::Rate;

pub use crate::domain::limit::Taken;

use shared::Shared;

/// What is left of one quota: the `TAT` of [`crate::domain::limit`] in nanoseconds. Eight bytes, no lock.
///
/// It is exact under any number of threads, because all there is to know is this one number: a thread that lets a
/// request in replaces the very number it had judged, or, when another was faster, judges anew. So the requests let in
/// are those of some sequence, one after the other, each judged by the number that the former left. The order relative
/// to other memory does not matter, because the number guards none.
///
/// Times must come from one clock that never goes back. One that stands still lets in what is left and no more; one
/// that did go back would only refuse until it has caught up.
#[derive(Debug, Default)]
pub struct Bucket(AtomicI64);

impl Bucket {
    /// Lets one request in, and gives the `TAT` after it.
    ///
    /// # Errors
    /// The `TAT` that refuses it.
    fn take(&self, rate: Rate, now: i64) -> Result<i64, i64> {
        let mut tat = self.0.load(Ordering::Relaxed);
        loop {
            let after = rate.after(tat, now).ok_or(tat)?;
            match self.0.compare_exchange_weak(tat, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(after),
                Err(other) => tat = other,
            }
        }
    }

    /// As if the request that left `after` behind had not been let in.
    fn give_back(&self, rate: Rate, after: i64) {
        // Nothing to do where the bucket has been whole since.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tat| rate.without(tat, after));
    }

    /// Counts a request that another budget has let in.
    fn charge(&self, rate: Rate, now: i64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tat| Some(rate.charged(tat, now)));
    }

    /// How long until it is whole.
    fn spent(&self, now: i64) -> i64 {
        self.0.load(Ordering::Relaxed).saturating_sub(now).max(0)
    }

    /// How a request would fare, without taking anything.
    fn look(&self, rate: Rate, quota: u32, now: i64) -> Taken {
        let tat = self.0.load(Ordering::Relaxed);
        rate.taken(rate.after(tat, now).is_some(), tat, now, quota)
    }
}

/// What counts the requests of an organization and of one of its keys, and how many a minute there may be; nothing where that is
/// not limited.
#[derive(Debug, Clone, Copy)]
pub struct Quotas<'b> {
    /// The organization's.
    pub account: (&'b Bucket, Option<u32>),
    /// The key's own.
    pub key: (&'b Bucket, Option<u32>),
}

/// How a request fared against the limits that hold for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The organization's, where its plan has one.
    pub account: Option<Taken>,
    /// The key's own, where its plan has one.
    pub key: Option<Taken>,
}

impl Limits {
    /// Seconds until both may let one in, where one of them did not.
    #[must_use]
    pub fn retry_seconds(&self) -> u32 {
        let waits = [self.account, self.key].into_iter().flatten().filter(|taken| !taken.allowed);
        waits.map(|taken| taken.reset_seconds).max().unwrap_or(0)
    }

    /// Whether both let it in.
    #[must_use]
    pub fn allowed(&self) -> bool {
        [self.account, self.key].iter().flatten().all(|taken| taken.allowed)
    }
}

/// Counts requests. Where several nodes run, they count an organization's together if there is a Redis for it; a key's
/// own limit, and all of them while Redis is away, are divided: each node gives its share.
pub struct Limiter {
    nodes: AtomicU32,
    redis: Option<Shared>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { nodes: AtomicU32::new(1), redis: None }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("nodes", &self.nodes).field("is_shared", &self.is_shared()).finish()
    }
}

impl Limiter {
    /// With the Redis or Valkey at this address: `redis://[user:password@]host[:port][/db]`. It is not used before
    /// `keep_connected` runs.
    ///
    /// # Errors
    /// What is wrong with the address, without repeating it.
    pub fn with_redis(url: &str) -> Result<Self, String> {
        Ok(Self { redis: Some(Shared::new(url)?), ..Self::default() })
    }

    /// Keeps the connection to Redis, for ever; returns at once where there is none. The connection lives on the
    /// runtime that this runs on.
    pub async fn keep_connected(&self) {
        if let Some(redis) = &self.redis {
            redis.keep_connected().await;
        }
    }

    /// Whether organizations are counted together with other nodes right now.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.redis.as_ref().is_some_and(Shared::is_up)
    }

    /// How many nodes are alive, this one included.
    pub fn set_nodes(&self, nodes: u32) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// Takes one request from both limits, or from neither. `now_micros` is that of a clock that never goes back. Waits
    /// only where Redis has to be asked.
    pub async fn take(&self, org: &str, quotas: Quotas<'_>, now_micros: i64) -> Limits {
        if let (Some(redis), Some(limit)) = (&self.redis, self.limit(quotas.account))
            && redis.is_up()
            && let Some(limits) = take_shared(redis, org, limit, self.limit(quotas.key), now_micros).await
        {
            return limits;
        }
        self.take_here(quotas, now_micros)
    }

    /// Takes one request as [`Self::take`] does, and asks nobody.
    #[must_use]
    pub fn take_here(&self, quotas: Quotas<'_>, now_micros: i64) -> Limits {
        take_both(self.limit(quotas.account), self.limit(quotas.key), now_micros.saturating_mul(1000))
    }

    /// How a request would fare, without taking anything. Waits only where Redis has to be asked.
    pub async fn look(&self, org: &str, quotas: Quotas<'_>, now_micros: i64) -> Limits {
        let mut limits = self.look_here(org, quotas, now_micros);
        // Others may have spent of it as well.
        if let (Some(redis), Some(limit)) = (&self.redis, self.limit(quotas.account))
            && redis.is_up()
            && let Some(taken) = redis.look(org, limit.quota, now_micros).await
        {
            limits.account = Some(taken);
        }
        limits
    }

    fn look_here(&self, org: &str, quotas: Quotas<'_>, now_micros: i64) -> Limits {
        let now = now_micros.saturating_mul(1000);
        let account = self.limit(quotas.account).map(|limit| match &self.redis {
            Some(redis) if redis.is_up() => redis.share(org).look(limit.quota, now_micros),
            _ => limit.look(now),
        });
        Limits { account, key: self.limit(quotas.key).map(|limit| limit.look(now)) }
    }

    fn limit<'b>(&self, (bucket, quota): (&'b Bucket, Option<u32>)) -> Option<Limit<'b>> {
        let nodes = self.nodes.load(Ordering::Relaxed);
        quota.map(|quota| Limit { bucket, quota, nodes, rate: Rate::share(quota, nodes) })
    }
}

/// One limit with what counts it here.
#[derive(Clone, Copy)]
struct Limit<'b> {
    bucket: &'b Bucket,
    quota: u32,
    nodes: u32,
    rate: Rate,
}

impl Limit<'_> {
    fn look(self, now: i64) -> Taken {
        self.of_all_nodes(self.bucket.look(self.rate, self.quota, now))
    }

    fn taken(self, outcome: Result<i64, i64>, now: i64) -> Taken {
        let (Ok(tat) | Err(tat)) = outcome;
        self.of_all_nodes(self.rate.taken(outcome.is_ok(), tat, now, self.quota))
    }

    /// What is left is estimated: as if the other nodes had spent as much of theirs.
    fn of_all_nodes(self, taken: Taken) -> Taken {
        Taken { remaining: taken.remaining.saturating_mul(self.nodes).min(self.quota), ..taken }
    }
}

fn take_both(account: Option<Limit<'_>>, key: Option<Limit<'_>>, now: i64) -> Limits {
    let (Some(account), Some(key)) = (account, key) else {
        let alone = |limit: Option<Limit<'_>>| limit.map(|limit| limit.taken(limit.bucket.take(limit.rate, now), now));
        return Limits { account: alone(account), key: alone(key) };
    };
    // A look first: then something has to be given back only where two requests race for the last one.
    let of_key = key.look(now);
    if !of_key.allowed {
        return Limits { account: Some(account.look(now)), key: Some(of_key) };
    }
    let of_account = account.bucket.take(account.rate, now);
    let Ok(after) = of_account else {
        return Limits { account: Some(account.taken(of_account, now)), key: Some(of_key) };
    };
    let of_key = key.bucket.take(key.rate, now);
    if of_key.is_err() {
        account.bucket.give_back(account.rate, after);
        return Limits { account: Some(account.look(now)), key: Some(key.taken(of_key, now)) };
    }
    Limits { account: Some(account.taken(of_account, now)), key: Some(key.taken(of_key, now)) }
}

/// The organization's limit in Redis, the key's here. Nothing when Redis does not answer.
async fn take_shared(
    redis: &Shared,
    org: &str,
    account: Limit<'_>,
    key: Option<Limit<'_>>,
    now_micros: i64,
) -> Option<Limits> {
    let (now, quota, share) = (now_micros.saturating_mul(1000), account.quota, redis.share(org));
    let of_key = key.map(|key| key.look(now));
    if of_key.is_some_and(|key| !key.allowed) {
        return Some(Limits { account: Some(share.look(quota, now_micros)), key: of_key });
    }
    let of_account = match share.spend(quota, now_micros) {
        Some(taken) => taken,
        None => redis.ask(&share, org, quota, account.bucket.spent(now) / 1000, now_micros).await?,
    };
    if !of_account.allowed {
        return Some(Limits { account: Some(of_account), key: of_key });
    }
    let of_key = key.map(|key| key.taken(key.bucket.take(key.rate, now), now));
    if of_key.is_some_and(|key| !key.allowed) {
        share.give_back(now_micros);
        return Some(Limits { account: Some(share.look(quota, now_micros)), key: of_key });
    }
    // So that this node knows where it stands should Redis go away.
    account.bucket.charge(account.rate, now);
    Some(Limits { account: Some(of_account), key: of_key })
}

#[cfg(test)]
mod tests;
