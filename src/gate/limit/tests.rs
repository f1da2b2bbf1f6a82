//! The bucket against a model that is too slow to be wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

const MINUTE_MICROS: i64 = 60_000_000;

/// Runs a future that never waits.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

fn take(bucket: &Bucket, quota: u32, micros: i64) -> Taken {
    let limits = now_or_never(Limiter::default().take(
        "org",
        Quotas { account: (bucket, Some(quota)), key: (&Bucket::default(), None) },
        micros,
    ));
    limits.account.unwrap()
}

/// A bucket of tokens, in exact fractions of a token: what the algorithm must agree with.
struct Tokens {
    quota: i128,
    /// Times `MINUTE_MICROS`.
    level: i128,
    at: i64,
}

impl Tokens {
    fn new(quota: u32) -> Self {
        let quota = i128::from(quota);
        Self { quota, level: quota * i128::from(MINUTE_MICROS), at: 0 }
    }

    fn take(&mut self, micros: i64) -> bool {
        let full = self.quota * i128::from(MINUTE_MICROS);
        self.level = full.min(self.level + i128::from(micros - self.at) * self.quota);
        self.at = micros;
        let fits = self.level >= i128::from(MINUTE_MICROS);
        self.level -= if fits { i128::from(MINUTE_MICROS) } else { 0 };
        fits
    }
}

proptest! {
    #[test]
    fn it_agrees_with_a_bucket_of_exact_fractions(
        // Those that divide a minute of nanoseconds, so that no rounding blurs the comparison.
        quota in prop::sample::select(vec![1u32, 2, 3, 5, 6, 10, 60, 100, 600, 1000, 60_000]),
        steps in prop::collection::vec((0i64..3_000_000, 1u32..20), 1..200),
    ) {
        let (bucket, mut tokens, mut now) = (Bucket::default(), Tokens::new(quota), 0);
        for (pause, times) in steps {
            now += pause;
            for _ in 0..times {
                let taken = take(&bucket, quota, now);
                prop_assert_eq!(taken.allowed, tokens.take(now));
                prop_assert_eq!(i128::from(taken.remaining), tokens.level / i128::from(MINUTE_MICROS));
            }
        }
    }

    #[test]
    fn no_minute_sees_more_than_the_burst_and_what_flows_back(
        quota in 1u32..200,
        steps in prop::collection::vec((prop_oneof![Just(0i64), 0i64..2_000_000, 0i64..90_000_000], 1u32..60), 1..60),
    ) {
        let (bucket, mut now, mut let_in) = (Bucket::default(), 0i64, Vec::new());
        for (pause, times) in steps {
            now += pause;
            let_in.extend((0..times).filter(|_| take(&bucket, quota, now).allowed).map(|_| now));
        }
        for (at, first) in let_in.iter().enumerate() {
            let window = let_in[at..].iter().take_while(|time| **time <= first + MINUTE_MICROS);
            let (count, last) = window.fold((0i64, *first), |(count, _), time| (count + 1, *time));
            // What flows back until the last of them, rounded down.
            let flown = (last - first) * i64::from(quota) / MINUTE_MICROS;
            prop_assert!(count <= i64::from(quota) + flown, "{} in a minute of {}", count, quota);
        }
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_lets_in_no_more_than_the_quota(
        quota in 1u32..100,
        backwards in prop::collection::vec(0i64..100_000_000, 1..100),
    ) {
        let (bucket, start) = (Bucket::default(), 200_000_000i64);
        let at_once = (0..quota + 10).filter(|_| take(&bucket, quota, start).allowed).count();
        prop_assert_eq!(at_once as u32, quota);
        for back in backwards {
            prop_assert!(!take(&bucket, quota, start - back).allowed && !take(&bucket, quota, start).allowed);
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_gives_one_quota_however_far(quota in 1u32..100, jump in MINUTE_MICROS + 1..i64::MAX / 2000) {
        let bucket = Bucket::default();
        for now in [0, jump] {
            let count = (0..quota + 10).filter(|_| take(&bucket, quota, now).allowed).count();
            prop_assert_eq!(count as u32, quota);
        }
    }

    #[test]
    fn both_limits_must_agree_and_a_refusal_takes_nothing(
        quotas in (1u32..20, 1u32..20),
        pauses in prop::collection::vec(0i64..10_000_000, 1..100),
    ) {
        let limiter = Limiter::default();
        let (account, key, mut now) = (Bucket::default(), Bucket::default(), 0);
        for pause in pauses {
            now += pause;
            let before = now_or_never(limiter.look("org", Quotas { account: (&account, Some(quotas.0)), key: (&key, Some(quotas.1)) }, now));
            let states = || (account.0.load(Ordering::Relaxed), key.0.load(Ordering::Relaxed));
            let was = states();
            let limits = now_or_never(limiter.take("org", Quotas { account: (&account, Some(quotas.0)), key: (&key, Some(quotas.1)) }, now));
            prop_assert_eq!(limits.allowed(), before.allowed());
            if !limits.allowed() {
                prop_assert_eq!(states(), was);
                prop_assert_eq!(limits, before);
            }
        }
    }
}

/// How many of `threads` times `each` were let in, all between 0 and `micros`.
fn storm(threads: usize, each: usize, micros: i64, take: impl Fn(i64) -> bool + Send + Sync + 'static) -> u32 {
    let (take, clock, count) = (Arc::new(take), Arc::new(AtomicI64::new(0)), Arc::new(AtomicU32::new(0)));
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let (take, clock, count) = (take.clone(), clock.clone(), count.clone());
            std::thread::spawn(move || {
                for _ in 0..each {
                    let now = clock.fetch_add(micros / (threads * each) as i64, Ordering::Relaxed);
                    count.fetch_add(u32::from(take(now)), Ordering::Relaxed);
                }
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    count.load(Ordering::Relaxed)
}

#[test]
fn threads_together_are_let_in_exactly_as_often_as_one_would_be() {
    for _ in 0..20 {
        let bucket = Arc::new(Bucket::default());
        let shared = bucket.clone();
        assert_eq!(storm(8, 2_000, 0, move |_| take(&shared, 5_000, 1_000_000).allowed), 5_000);
        assert_eq!(take(&bucket, 5_000, 1_000_000).remaining, 0);
    }
}

#[test]
fn threads_under_a_running_clock_are_never_let_in_more_often() {
    for _ in 0..20 {
        let bucket = Bucket::default();
        // Half a minute: the quota and half of it again.
        let count = storm(8, 2_000, 30_000_000, move |now| take(&bucket, 1_000, now).allowed);
        assert!(count <= 1_500, "{count}");
        assert!(count >= 1_400, "{count}");
    }
}

#[test]
fn what_a_race_takes_from_one_limit_comes_back_when_the_other_refuses() {
    for _ in 0..20 {
        let (account, key) = (Arc::new(Bucket::default()), Arc::new(Bucket::default()));
        let (of_account, of_key) = (account.clone(), key.clone());
        let limiter = Limiter::default();
        let count = storm(8, 500, 0, move |_| {
            now_or_never(limiter.take(
                "org",
                Quotas { account: (&of_account, Some(1_000)), key: (&of_key, Some(100)) },
                0,
            ))
            .allowed()
        });
        assert_eq!(count, 100);
        let left = now_or_never(Limiter::default().look(
            "org",
            Quotas { account: (&account, Some(1_000)), key: (&key, Some(100)) },
            0,
        ));
        assert_eq!(left.account.unwrap().remaining, 900);
        assert_eq!(left.key.unwrap().remaining, 0);
    }
}

#[test]
fn nodes_give_their_share_and_show_the_limit_of_the_plan() {
    let (limiter, account, key) = (Limiter::default(), Bucket::default(), Bucket::default());
    limiter.set_nodes(3);
    let take = || {
        now_or_never(limiter.take("org", Quotas { account: (&account, Some(600)), key: (&key, None) }, 0))
            .account
            .unwrap()
    };
    let first = take();
    assert_eq!((first.allowed, first.limit, first.remaining), (true, 600, 597));
    assert_eq!((0..600).filter(|_| take().allowed).count(), 199);
    assert_eq!((take().remaining, take().reset_seconds), (0, 1));
    limiter.set_nodes(1);
    assert!(!take().allowed);
}

#[test]
fn no_limit_is_no_limit() {
    let limiter = Limiter::default();
    let limits = now_or_never(limiter.take(
        "org",
        Quotas { account: (&Bucket::default(), None), key: (&Bucket::default(), None) },
        0,
    ));
    assert!(limits.allowed());
    assert_eq!(limits, Limits::default());
}
