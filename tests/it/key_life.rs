//! The life of keys against a model: whatever people do, in whatever order, and however the clock moves, a secret is let in
//! exactly when the rulings say so. The model below is written from those, not from the code.

use std::cell::RefCell;

use futures_util::FutureExt;
use keyrack::actions::keys::{
    Created, NewKey, RevokeInput, create_key, finish_rotation, pause_key, resume_key, revoke_key, rotate_key,
};
use keyrack::actions::people::{KeysFate, change_role, disable_user, enable_user, remove_member};
use keyrack::actions::{AppError, OrgScope, act_in};
use keyrack::domain::key::Grace;
use keyrack::domain::verdict::Verdict;
use keyrack::gate::{Checked, Seen};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::TestApp;
use crate::support::cast;

const HOUR: i64 = 3_600_000_000;
const ACTIVE_MAX: usize = 4;
const PER_HOUR: usize = 6;
/// Olive stays the owner throughout, and does what only an owner can.
const PEOPLE: [&str; 4] = ["ben", "bea", "ada", "olive"];

#[derive(Debug, Clone)]
enum Step {
    Create {
        who: usize,
        expires_hours: Option<i64>,
    },
    Rotate {
        who: usize,
        key: usize,
        grace: usize,
    },
    Finish {
        who: usize,
        key: usize,
    },
    Pause {
        who: usize,
        key: usize,
        pauses: bool,
    },
    Revoke {
        who: usize,
        key: usize,
    },
    Role {
        target: usize,
        admin: bool,
    },
    Remove {
        target: usize,
        hand_over: bool,
    },
    Disable {
        target: usize,
        disabled: bool,
    },
    /// Forward.
    Pass {
        micros: i64,
    },
    /// Exactly to the next deadline, or the microsecond before it.
    ToDeadline {
        before: i64,
    },
    /// Back, though not before anything that exists was made.
    TurnBack {
        micros: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, key, target) = (0..4_usize, 0..8_usize, 0..3_usize);
    let step = prop_oneof![
        5 => (who.clone(), prop_oneof![Just(None), (1..30_i64).prop_map(Some)])
            .prop_map(|(who, expires_hours)| Step::Create { who, expires_hours }),
        5 => (who.clone(), key.clone(), 0..4_usize).prop_map(|(who, key, grace)| Step::Rotate { who, key, grace }),
        2 => (who.clone(), key.clone()).prop_map(|(who, key)| Step::Finish { who, key }),
        2 => (who.clone(), key.clone(), any::<bool>()).prop_map(|(who, key, pauses)| Step::Pause { who, key, pauses }),
        2 => (who, key).prop_map(|(who, key)| Step::Revoke { who, key }),
        2 => (target.clone(), any::<bool>()).prop_map(|(target, admin)| Step::Role { target, admin }),
        1 => (target.clone(), any::<bool>()).prop_map(|(target, hand_over)| Step::Remove { target, hand_over }),
        2 => (target, any::<bool>()).prop_map(|(target, disabled)| Step::Disable { target, disabled }),
        2 => (1..40 * HOUR).prop_map(|micros| Step::Pass { micros }),
        4 => (0..2_i64).prop_map(|before| Step::ToDeadline { before }),
        2 => (1..30 * HOUR).prop_map(|micros| Step::TurnBack { micros }),
    ];
    prop::collection::vec(step, 10..30)
}

const GRACES: [(Grace, i64); 4] =
    [(Grace::Now, 0), (Grace::Hour, HOUR), (Grace::Day, 24 * HOUR), (Grace::Week, 168 * HOUR)];

#[derive(Debug)]
struct Secret {
    plain: String,
    /// Nothing: the current one. Else when its grace is over, and whether somebody ended it before.
    until: Option<i64>,
    ended: bool,
}

#[derive(Debug)]
struct Key {
    id: String,
    owner: usize,
    /// What it may do at most, 2 for all that its owner may: less once it was handed over.
    role_max: usize,
    created: i64,
    expires: Option<i64>,
    revoked: bool,
    paused: bool,
    secrets: Vec<Secret>,
}

#[derive(Debug, Clone, Copy)]
struct Person {
    member: bool,
    admin: bool,
    disabled: bool,
}

struct Model {
    now: i64,
    /// When anything was last made.
    newest: i64,
    people: [Person; 4],
    keys: Vec<Key>,
}

impl Key {
    fn has_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    fn in_grace(&self, now: i64) -> bool {
        self.secrets.iter().any(|secret| !secret.ended && secret.until.is_some_and(|until| now < until))
    }
}

impl Model {
    fn is_let_in(&self, key: &Key, secret: &Secret) -> bool {
        let owner = self.people[key.owner];
        let in_time = secret.until.is_none_or(|until| !secret.ended && self.now < until);
        !key.revoked && !key.paused && !key.has_expired(self.now) && owner.member && !owner.disabled && in_time
    }

    fn may_act(&self, who: usize) -> bool {
        self.people[who].member && !self.people[who].disabled
    }

    /// 0 builder, 1 admin, 2 owner.
    fn role(&self, who: usize) -> usize {
        if who == 3 { 2 } else { usize::from(self.people[who].admin) }
    }

    /// Owners and admins act on all keys, builders on their own.
    fn may_act_on(&self, who: usize, key: usize) -> bool {
        let person = self.people[who];
        self.may_act(who) && (person.admin || who == 3 || self.keys[key].owner == who)
    }

    fn may_create(&self, who: usize) -> bool {
        let active = self.keys.iter().filter(|key| !key.revoked && !key.has_expired(self.now)).count();
        let recent = self.keys.iter().filter(|key| key.created > self.now - HOUR).count();
        self.may_act(who) && active < ACTIVE_MAX && recent < PER_HOUR
    }

    fn next_deadline(&self) -> Option<i64> {
        let keys = self.keys.iter().filter(|key| !key.revoked);
        let deadlines = keys.flat_map(|key| {
            let graces = key.secrets.iter().filter(|secret| !secret.ended).filter_map(|secret| secret.until);
            graces.chain(key.expires).chain([key.created + HOUR])
        });
        deadlines.filter(|at| *at > self.now + 1).min()
    }
}

/// The app and the model side by side.
struct Run {
    app: TestApp,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let app = TestApp::with(|setup| {
            setup.frozen = true;
            setup.rules.plans[0].active_keys_max = Some(ACTIVE_MAX as u32);
            setup.rules.plans[0].creations_per_hour = Some(PER_HOUR as u32);
        });
        let person = |admin| Person { member: true, admin, disabled: false };
        let now = app.now().as_micros();
        let people = [person(false), person(false), person(true), person(true)];
        Self { app, model: Model { now, newest: now, people, keys: Vec::new() } }
    }

    fn act<T>(&self, who: usize, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> Result<T, AppError> {
        self.app.db_act(PEOPLE[who], |conn, ctx, who, org| act_in(conn, ctx, who, org, f))
    }

    fn move_to(&mut self, now: i64) {
        self.app.advance_micros(now - self.model.now);
        self.model.now = now;
    }

    /// Does a step in both; what was allowed in one must be in the other.
    fn step(&mut self, step: &Step) {
        let count = self.model.keys.len();
        match *step {
            Step::Create { who, expires_hours } => self.create(who, expires_hours),
            Step::Rotate { who, key, grace } if count > 0 => self.rotate(who, key % count, GRACES[grace]),
            Step::Finish { who, key } if count > 0 => self.finish(who, key % count),
            Step::Pause { who, key, pauses } if count > 0 => self.pause(who, key % count, pauses),
            Step::Revoke { who, key } if count > 0 => self.revoke(who, key % count),
            Step::Role { target, admin } => {
                let expected = self.model.people[target].member;
                let role = if admin { "admin" } else { "builder" };
                let done = self.act(3, |scope| change_role(scope, &cast::user_id(PEOPLE[target]), role));
                assert_eq!(done.is_ok(), expected, "{done:?}");
                self.model.people[target].admin = admin;
            }
            Step::Remove { target, hand_over } => self.remove(target, hand_over),
            Step::Disable { target, disabled } => {
                let email = cast::email(PEOPLE[target]);
                let change = if disabled { disable_user } else { enable_user };
                self.app.db_act("olive", |conn, ctx, _, _| change(conn, ctx, &email)).unwrap();
                self.model.people[target].disabled = disabled;
            }
            Step::Pass { micros } => self.move_to(self.model.now + micros),
            Step::ToDeadline { before } => {
                if let Some(at) = self.model.next_deadline() {
                    self.move_to(at - before);
                }
            }
            Step::TurnBack { micros } => self.move_to((self.model.now - micros).max(self.model.newest)),
            Step::Rotate { .. } | Step::Finish { .. } | Step::Pause { .. } | Step::Revoke { .. } => {}
        }
    }

    fn create(&mut self, who: usize, expires_hours: Option<i64>) {
        let new = NewKey {
            name: format!("key {}", self.model.keys.len()),
            expires: expires_hours.map(|hours| format!("{hours}h")),
            ..NewKey::default()
        };
        let expected = self.model.may_create(who);
        let done = self.act(who, |scope| create_key(scope, &new, None));
        assert_eq!(done.is_ok(), expected, "{done:?}");
        let Ok(Created::New(view, plain)) = done else { return };
        let now = self.model.now;
        self.model.newest = self.model.newest.max(now);
        self.model.keys.push(Key {
            id: view.key.id.to_string(),
            owner: who,
            role_max: 2,
            created: now,
            expires: expires_hours.map(|hours| now + hours * HOUR),
            revoked: false,
            paused: false,
            secrets: vec![Secret { plain: plain.reveal().to_owned(), until: None, ended: false }],
        });
    }

    fn rotate(&mut self, who: usize, at: usize, (grace, length): (Grace, i64)) {
        let (now, key) = (self.model.now, &self.model.keys[at]);
        let is_free = length == 0 || !key.in_grace(now);
        // A new secret acts as the key's owner, so it is shown to nobody else.
        let is_own = self.model.may_act(who) && key.owner == who;
        let expected = is_own && !key.revoked && !key.has_expired(now) && is_free;
        let id = key.id.as_str().into();
        let done = self.act(who, |scope| rotate_key(scope, &id, grace, None));
        assert_eq!(done.is_ok(), expected, "{done:?}");
        let Ok(rotated) = done else { return };
        self.model.newest = self.model.newest.max(now + 1);
        let secrets = &mut self.model.keys[at].secrets;
        for secret in secrets.iter_mut() {
            // Without a grace, every older secret ends, for good.
            secret.ended |= length == 0;
            secret.until = secret.until.or(Some(now + length));
        }
        secrets.push(Secret { plain: rotated.secret.unwrap().reveal().to_owned(), until: None, ended: false });
    }

    fn finish(&mut self, who: usize, at: usize) {
        let key = &self.model.keys[at];
        let expected = self.model.may_act_on(who, at) && !key.revoked && key.in_grace(self.model.now);
        let id = key.id.as_str().into();
        let done = self.act(who, |scope| finish_rotation(scope, &id));
        assert_eq!(done.is_ok(), expected, "{done:?}");
        if expected {
            let old = self.model.keys[at].secrets.iter_mut().filter(|secret| secret.until.is_some());
            old.for_each(|secret| secret.ended = true);
        }
    }

    fn pause(&mut self, who: usize, at: usize, pauses: bool) {
        let key = &self.model.keys[at];
        let expected = self.model.may_act_on(who, at) && !key.revoked && !key.has_expired(self.model.now);
        let id = key.id.as_str().into();
        let deed = if pauses { pause_key } else { resume_key };
        let done = self.act(who, |scope| deed(scope, &id));
        assert_eq!(done.is_ok(), expected, "{done:?}");
        if expected {
            self.model.keys[at].paused = pauses;
        }
    }

    fn revoke(&mut self, who: usize, at: usize) {
        let expected = self.model.may_act_on(who, at);
        let id = self.model.keys[at].id.as_str().into();
        let done = self.act(who, |scope| revoke_key(scope, &id, &RevokeInput::default()));
        assert_eq!(done.is_ok(), expected, "{done:?}");
        self.model.keys[at].revoked |= expected;
    }

    fn remove(&mut self, target: usize, hand_over: bool) {
        let fate = if hand_over { KeysFate::Transfer } else { KeysFate::Revoke };
        let done = self.act(3, |scope| remove_member(scope, &cast::user_id(PEOPLE[target]), fate));
        assert_eq!(done.is_ok(), self.model.people[target].member, "{done:?}");
        self.model.people[target].member = false;
        let role = self.model.role(target);
        for key in self.model.keys.iter_mut().filter(|key| key.owner == target && !key.revoked && done.is_ok()) {
            if hand_over {
                key.owner = 3;
                key.role_max = key.role_max.min(role);
            } else {
                key.revoked = true;
            }
        }
    }

    /// Every secret there ever was is let in exactly if the model says so, with its owner's role.
    fn check(&self) {
        for key in &self.model.keys {
            for (number, secret) in key.secrets.iter().enumerate() {
                let checked = check(&self.app, &secret.plain);
                let (is_let_in, expected) = (checked.verdict == Verdict::Valid, self.model.is_let_in(key, secret));
                let now = self.model.now;
                assert_eq!(is_let_in, expected, "secret {number} at {now}: {:?}\n{key:#?}", checked.verdict);
                if is_let_in {
                    let role = checked.pass.unwrap().role.unwrap().as_str();
                    let expected = ["builder", "admin", "owner"][self.model.role(key.owner).min(key.role_max)];
                    assert_eq!(role, expected);
                }
            }
        }
    }

    /// The same by HTTP: let in, or the one 401.
    fn check_by_http(&self) {
        actix_web::rt::System::new().block_on(async {
            for key in &self.model.keys {
                for secret in &key.secrets {
                    assert_eq!(self.app.is_let_in(&secret.plain).await, self.model.is_let_in(key, secret), "{key:#?}");
                }
            }
        });
    }
}

fn check(app: &TestApp, plain: &str) -> Checked {
    app.catch_up();
    app.state.gate.check(plain, None, &Seen::default()).now_or_never().expect("asks nobody").expect("a lease")
}

fn live(cases: u32) {
    let seen = RefCell::new((0, 0));
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&steps(), |steps| {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
            run.check();
        }
        run.check_by_http();
        let secrets = run.model.keys.iter().flat_map(|key| key.secrets.iter().map(move |secret| (key, secret)));
        let let_in = secrets.clone().filter(|(key, secret)| run.model.is_let_in(key, secret)).count();
        let mut seen = seen.borrow_mut();
        *seen = (seen.0 + let_in, seen.1 + secrets.count());
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    // A run in which all is refused, or nothing, would prove nothing.
    let (let_in, all) = seen.into_inner();
    assert!(let_in > 0 && let_in < all, "{let_in} of {all}");
}

#[test]
fn a_secret_is_let_in_exactly_when_the_rulings_say_so() {
    live(12);
}

#[test]
fn a_secret_is_let_in_exactly_when_the_rulings_say_so_again() {
    live(12);
}

#[test]
fn a_grace_that_was_ended_stays_ended_when_the_clock_is_turned_back() {
    for by_finishing in [true, false] {
        let mut run = Run::new();
        run.step(&Step::Create { who: 0, expires_hours: None });
        run.step(&Step::Rotate { who: 0, key: 0, grace: 2 });
        run.step(&Step::Pass { micros: 2 * HOUR });
        run.step(&if by_finishing {
            Step::Finish { who: 0, key: 0 }
        } else {
            Step::Rotate { who: 0, key: 0, grace: 0 }
        });
        run.check();
        run.app.advance_micros(-2 * HOUR);
        for (number, old) in run.model.keys[0].secrets.iter().filter(|secret| secret.until.is_some()).enumerate() {
            let verdict = check(&run.app, &old.plain).verdict;
            assert_ne!(verdict, Verdict::Valid, "secret {number}, by finishing: {by_finishing}");
        }
        run.app.advance_micros(2 * HOUR);
    }
}
