//! Limits counted by several nodes together, in a real Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyrack::gate::limit::{Bucket, Limiter, Limits, Quotas};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::redis::Redis;

/// A node that counts the requests of one organization and one key.
#[derive(Clone)]
struct Node {
    limiter: Arc<Limiter>,
    account: Arc<Bucket>,
    key: Arc<Bucket>,
    started: Instant,
}

impl Node {
    /// One of two.
    fn new(limiter: Limiter) -> Self {
        limiter.set_nodes(2);
        let limiter = Arc::new(limiter);
        let keeper = limiter.clone();
        actix_web::rt::spawn(async move { keeper.keep_connected().await });
        Self { limiter, account: Arc::default(), key: Arc::default(), started: Instant::now() }
    }

    async fn connected(redis: &Redis) -> Self {
        let node = Self::new(Limiter::with_redis(&redis.url()).unwrap());
        node.wait_until_shared(true).await;
        node
    }

    async fn wait_until_shared(&self, shared: bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.limiter.is_shared() != shared {
            assert!(Instant::now() < deadline, "shared is not {shared}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn take(&self, quota: u32, key_quota: Option<u32>) -> Limits {
        let micros = i64::try_from(self.started.elapsed().as_micros()).unwrap() + 1;
        let quotas = Quotas { account: (&self.account, Some(quota)), key: (&self.key, key_quota) };
        self.limiter.take("org_acme", quotas, micros).await
    }

    /// What is left of the organization's budget.
    async fn look(&self, quota: u32) -> u32 {
        let micros = i64::try_from(self.started.elapsed().as_micros()).unwrap() + 1;
        let quotas = Quotas { account: (&self.account, Some(quota)), key: (&self.key, None) };
        self.limiter.look("org_acme", quotas, micros).await.account.unwrap().remaining
    }

    /// How many of `times` are let in.
    async fn take_many(&self, quota: u32, times: usize) -> u32 {
        let mut count = 0;
        for _ in 0..times {
            count += u32::from(self.take(quota, None).await.allowed());
        }
        count
    }
}

/// What flows back since `began`, rounded up.
fn flown(quota: u32, began: Instant) -> u32 {
    (began.elapsed().as_secs_f64() * f64::from(quota) / 60.0).ceil() as u32
}

#[actix_web::test]
async fn two_nodes_share_one_budget_to_within_a_chunk_and_never_more() {
    const QUOTA: u32 = 600;
    let redis = Redis::start();
    let (one, two) = (Node::connected(&redis).await, Node::connected(&redis).await);
    let began = Instant::now();
    // The first takes most of it, more than any share.
    let most = one.take_many(QUOTA, 450).await;
    assert_eq!(most, 450);
    // Which the other can say, though it has let in none.
    let (of_one, of_two) = (one.look(QUOTA).await, two.look(QUOTA).await);
    for (left, reserved) in [(of_one, 0), (of_two, QUOTA / 50)] {
        let least = QUOTA - 450 - reserved;
        assert!((least..=least + reserved + flown(QUOTA, began)).contains(&left), "{left} left");
    }
    let (more_of_one, of_two) = futures_util::future::join(one.take_many(QUOTA, 300), two.take_many(QUOTA, 300)).await;
    let (total, chunk) = (most + more_of_one + of_two, QUOTA / 50);
    // How much is a matter of luck: what the first has reserved is its own.
    assert!(of_two > 0, "the second node had no part");
    assert!(total <= QUOTA + flown(QUOTA, began), "{total}");
    assert!(total >= QUOTA - 2 * chunk, "{total}");
}

/// A whole node whose organization may ask so often a minute, and what keeps it connected.
async fn whole_node(redis: &Redis, quota: u32) -> (TestApp, JoinHandle<()>) {
    let app = TestApp::with(|setup| {
        setup.rules.plans[0].requests_per_minute = Some(quota);
        setup.gate.limiter = Limiter::with_redis(&redis.url()).unwrap();
    });
    let gate = app.state.gate.clone();
    let keeper = actix_web::rt::spawn(async move { gate.keep_connected().await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while !app.state.gate.may_wait() {
        assert!(Instant::now() < deadline, "no connection to Redis");
        sleep(Duration::from_millis(5)).await;
    }
    (app, keeper)
}

#[actix_web::test]
async fn both_endpoints_wait_for_redis_and_count_each_request_once() {
    const QUOTA: u32 = 300;
    const EACH: u32 = 200;
    let redis = Redis::start();
    // Each has a database of its own, but the organization has the same id.
    let ((one, keeper_of_one), (two, keeper_of_two)) =
        (whole_node(&redis, QUOTA).await, whole_node(&redis, QUOTA).await);
    let (key, other) = (one.db_create_key("ben", "ci").secret, two.db_create_key("ben", "ci").secret);
    let (token, body) = (service_token(&two), json!({ "key": other }));
    let began = Instant::now();
    let (mut let_in, mut refused) = (0, 0);
    for _ in 0..EACH {
        match one.key(&key).get("/v1/auth").await.status {
            200 => let_in += 1,
            429 => refused += 1,
            status => panic!("{status}"),
        }
        match two.key(&token).post("/v1/keys/verify", &body).await.json()["code"].as_str().unwrap() {
            "VALID" => let_in += 1,
            "RATE_LIMITED" => refused += 1,
            code => panic!("{code}"),
        }
    }
    assert_eq!(let_in + refused, 2 * EACH);
    let chunk = QUOTA / 50;
    assert!((QUOTA - 2 * chunk..=QUOTA + flown(QUOTA, began)).contains(&let_in), "{let_in}");
    for app in [&one, &two] {
        let counted: u64 = app.state.gate.checks().counts.iter().flatten().sum();
        assert_eq!(counted, u64::from(EACH), "none is begun twice");
    }
    for keeper in [keeper_of_one, keeper_of_two] {
        keeper.abort();
        let _ = keeper.await;
    }
}

#[actix_web::test]
async fn many_checks_at_once_ask_redis_once_and_are_counted_each() {
    const QUOTA: u32 = 500;
    let redis = Redis::start();
    let nodes = [Node::connected(&redis).await, Node::connected(&redis).await];
    let began = Instant::now();
    let crowd = (0..1000).map(|number| {
        let node = nodes[number % 2].clone();
        async move { node.take(QUOTA, None).await.allowed() }
    });
    let let_in = futures_util::future::join_all(crowd).await.into_iter().filter(|allowed| *allowed).count() as u32;
    assert!(let_in <= QUOTA + flown(QUOTA, began) && let_in >= QUOTA - 20, "{let_in}");
}

#[actix_web::test]
async fn a_slow_trickle_on_every_node_wastes_nothing_of_a_small_budget() {
    // One a second flows back; each node wants one every two seconds.
    const QUOTA: u32 = 60;
    let redis = Redis::start();
    let nodes = [Node::connected(&redis).await, Node::connected(&redis).await];
    for node in nodes.iter().cycle().take(QUOTA as usize) {
        assert!(node.take(QUOTA, None).await.allowed());
    }
    let refused = nodes[0].take(QUOTA, None).await.account.unwrap();
    assert_eq!((refused.allowed, refused.remaining, refused.limit, refused.reset_seconds), (false, 0, QUOTA, 1));
    for node in nodes.iter().cycle().take(3) {
        sleep(Duration::from_millis(1100)).await;
        assert!(node.take(QUOTA, None).await.allowed());
    }
}

#[actix_web::test]
async fn a_key_that_is_out_of_requests_takes_none_from_its_organization() {
    let redis = Redis::start();
    let node = Node::connected(&redis).await;
    // Its share of six between two nodes.
    for _ in 0..3 {
        assert!(node.take(100, Some(6)).await.allowed());
    }
    let before = node.take(100, Some(6)).await;
    assert!(!before.key.unwrap().allowed && before.account.unwrap().allowed);
    for _ in 0..50 {
        assert!(!node.take(100, Some(6)).await.allowed());
    }
    assert_eq!(node.take_many(100, 97).await, 97);
}

#[actix_web::test]
async fn without_redis_each_node_gives_its_share() {
    let node = Node::new(Limiter::default());
    let began = Instant::now();
    let count = node.take_many(100, 200).await;
    assert!(count >= 50 && count <= 50 + flown(100, began), "{count}");
}

#[actix_web::test]
async fn redis_that_dies_and_comes_back_never_doubles_a_budget() {
    const QUOTA: u32 = 200;
    let mut redis = Redis::start();
    let (one, two) = (Node::connected(&redis).await, Node::connected(&redis).await);
    let began = Instant::now();
    let mut total = one.take_many(QUOTA, 120).await;
    assert_eq!(total, 120);
    redis.kill();
    // Its own share is spent already, the other's is not: that is what two halves are. What the first still had reserved
    // it may spend.
    let of_one = one.take_many(QUOTA, 200).await;
    assert!(of_one <= QUOTA / 50 + flown(QUOTA, began), "{of_one}");
    let of_two = two.take_many(QUOTA, 200).await;
    assert!(of_two >= QUOTA / 2 && of_two <= QUOTA / 2 + flown(QUOTA, began), "{of_two}");
    total += of_one + of_two;
    one.wait_until_shared(false).await;
    redis.start_again();
    one.wait_until_shared(true).await;
    two.wait_until_shared(true).await;
    // The new Redis knows nothing, but the nodes do.
    total += one.take_many(QUOTA, 200).await + two.take_many(QUOTA, 200).await;
    let beyond_its_share = 20 + QUOTA / 50;
    assert!(total <= QUOTA + beyond_its_share + 2 * flown(QUOTA, began), "{total}");
}

#[actix_web::test]
async fn a_redis_that_hangs_holds_up_one_check_and_no_more() {
    let redis = Redis::start();
    let node = Node::connected(&redis).await;
    assert!(node.take(50, None).await.allowed());
    redis.freeze(true);
    let began = Instant::now();
    let crowd = (0..20).map(|_| async { node.take(50, None).await.allowed() });
    let let_in = futures_util::future::join_all(crowd).await.into_iter().filter(|allowed| *allowed).count();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(let_in, 20);
    redis.freeze(false);
    node.wait_until_shared(true).await;
}

#[actix_web::test]
async fn an_address_that_leads_nowhere_is_no_reason_to_wait() {
    let node = Node::new(Limiter::with_redis("redis://127.0.0.1:1").unwrap());
    assert!(node.take(50, None).await.allowed());
    assert!(!node.limiter.is_shared());
    let error = Limiter::with_redis("redis://:hunter2@").unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}
