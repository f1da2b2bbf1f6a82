//! What the tests of several nodes are about: a PostgreSQL with the cast, the nodes on it, and deeds that are done beside them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use keyrack::actions::keys::{Created, NewKey, create_key, finish_rotation};
use keyrack::actions::people::{KeysFate, change_role, create_service_token, remove_member};
use keyrack::actions::{AppError, Ctx, OrgScope, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db::{self, Conn, Db};
use keyrack::domain::ids::SessionId;
use keyrack::domain::org::{OnDowngrade, Org, Profile, Role};
use keyrack::domain::rules::Rules;
use keyrack::domain::time::Timestamp;
use keyrack::gate::{Settled, settle_from_outside};

use super::checker::{Tools, Watched};
use super::cluster::Cluster;
use crate::support::app::{plan, usual_rules};
use crate::support::binary::{Place, Server};
use crate::support::cast;
use crate::support::line::ask;

const SETTINGS: &str = "on_downgrade = \"refuse\"\n[keys]\nkeys_may_manage_keys = true\n\
                        [[plans]]\nid = \"standard\"\nname = \"Standard\"\n\
                        [[plans]]\nid = \"small\"\nname = \"Small\"\nrequests_per_minute = 120\n\
                        [[plans]]\nid = \"none\"\nname = \"None\"\napi_keys = false\n";

/// A cluster with the cast: Acme on a plan without limits, Globex on a small one, and Initech, which is Xavier's as well, on
/// one without limits.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    db: Db,
    rules: Rules,
}

impl World {
    pub(crate) fn new() -> Self {
        let cluster = Cluster::start();
        let db = Db::open(&cluster.url(cluster.port)).unwrap();
        db::migrate(&db).unwrap();
        let mut rules = usual_rules();
        rules.keys_may_manage_keys = true;
        rules.on_downgrade = OnDowngrade::Refuse;
        rules.plans[0].active_keys_max = None;
        rules.plans[0].creations_per_hour = None;
        rules.plans.push(plan("small", "Small"));
        let now = Clock::system().now();
        db.run(|conn| -> Result<(), AppError> {
            Ok(db::write(conn, |conn| {
                cast::seed(conn, "standard", now);
                found_initech(conn, now);
                db::orgs::update_org_plan(conn, &cast::org_id("globex"), "small")
            })?)
        })
        .unwrap();
        Self { cluster, db, rules }
    }

    /// Does something as another process does it, and waits as that does until every node knows.
    fn deed<T>(&self, f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError>) -> T {
        let (origin, clock) = (Origin::default(), Clock::system());
        let ctx = Ctx { rules: &self.rules, clock: &clock, origin: &origin };
        let (done, changed) = self.db.deed(|conn| f(conn, ctx));
        let done = done.unwrap();
        assert_eq!(settle_from_outside(&self.db, changed.unwrap()), Settled::Everywhere);
        done
    }

    fn act<T>(&self, who: &str, org: &str, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> T {
        let person = Who::Person { user: cast::user_id(who), session: SessionId::from("ses_test") };
        self.deed(|conn, ctx| act_in(conn, ctx, &person, org, f))
    }

    pub(crate) fn key(&self, (who, org): (&str, &str), name: &str, expires_at: Option<Timestamp>) -> Watched {
        let expires = expires_at.map(|at| at.to_string());
        let new = NewKey { name: name.to_owned(), expires, ..NewKey::default() };
        let created = self.act(who, org, |scope| create_key(scope, &new, None));
        let Created::New(view, plain) = created else { panic!("not new") };
        Watched::new(view.key.id.as_str(), plain.reveal())
    }

    pub(crate) fn token(&self, name: &str) -> Watched {
        let (record, token) = self.deed(|conn, ctx| create_service_token(conn, ctx, name));
        Watched::token(record.id.as_str(), token.reveal())
    }

    /// What a checker needs.
    pub(crate) fn tools(&self) -> Tools {
        let (token, key) = (self.token("asks"), self.key(("olive", "acme"), "asked about", None));
        Tools { token: token.secret, key: key.secret }
    }

    /// The role of an admin.
    pub(crate) fn demote_ada(&self) {
        self.act("olive", "acme", |scope| change_role(scope, &cast::user_id("ada"), "builder"));
    }

    /// With the keys, which are revoked.
    pub(crate) fn remove_ben(&self) {
        self.act("olive", "acme", |scope| remove_member(scope, &cast::user_id("ben"), KeysFate::Revoke));
    }

    /// The old secret of a key that is being rotated.
    pub(crate) fn finish_rotation(&self, id: &str) {
        self.act("olive", "acme", |scope| finish_rotation(scope, &id.into()));
    }

    /// As the operator types it. When it returns, it holds on every node.
    pub(crate) fn admin(&self, args: &[&str]) {
        let place = Place::new().file("keyrack.toml", SETTINGS);
        let place = place.set("KEYRACK_DATABASE_URL", &self.cluster.url(self.cluster.port));
        let ran = place.run(&[&["admin"], args].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    pub(crate) fn node(&self, port: u16, ahead: bool) -> (Place, Server) {
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

fn found_initech(conn: &mut Conn, now: Timestamp) {
    let (id, text) = (cast::org_id("initech"), str::to_owned);
    let org =
        Org { id: id.clone(), slug: text("initech"), name: text("Initech"), plan: text("standard"), created_at: now };
    db::orgs::insert_org(conn, &org).unwrap();
    let profile = Profile { id: cast::profile_id("initech"), org: id.clone(), name: text("Default"), created_at: now };
    db::orgs::insert_profile(conn, &profile).unwrap();
    db::orgs::insert_member(conn, &id, &cast::user_id("xavier"), Role::Owner, now).unwrap();
}

/// Takes a right away by the API of a node, again and again until the answer is whole. How long the last try took.
pub(crate) fn deed(node: SocketAddr, key: &str, path: &str, body: &str) -> Duration {
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
