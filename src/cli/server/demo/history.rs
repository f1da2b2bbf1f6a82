//! Plays the story, moment by moment, through the actions that everybody uses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::story::{Ago, DAY, Fate, HOUR, KEYS, Key};
use super::traffic;
use crate::actions::keys::{Created, NewKey, RevokeInput, create_key, revoke_key, rotate_key};
use crate::actions::password::Password;
use crate::actions::people::{self, NewPersonForm};
use crate::actions::{AppError, Ctx, OrgScope, Origin, Who, act_in, random};
use crate::clock::Clock;
use crate::db::{self, Conn, Db};
use crate::domain::ids::{KeyId, SessionId, UserId};
use crate::domain::key::{Grace, LastUse};
use crate::domain::rules::Rules;
use crate::settings::Settings;

/// What the person at the console is told.
pub(super) struct Told {
    pub(super) people: Vec<Person>,
    /// A key that works, in plain text.
    pub(super) key: String,
}

/// Somebody to sign in as.
pub(super) struct Person {
    pub(super) email: String,
    pub(super) password: String,
    pub(super) what: &'static str,
}

const PEOPLE: [(&str, &str, &str); 4] = [
    ("olive", "owner", "owns Acme, Globex (at its limit of keys) and Initech (a plan without keys)"),
    ("ada", "admin", "admin of Acme, builder in Globex"),
    ("ben", "builder", "builder in Acme"),
    ("bea", "builder", "builder in Acme"),
];
const AGENTS: [(&str, &str); 4] = [
    ("192.0.2.10", "python-requests/2.32.3"),
    ("198.51.100.24", "node"),
    ("203.0.113.7", "curl/8.14.1"),
    ("2001:db8::42", "Go-http-client/2.0"),
];
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Which key is printed.
const SHOWN: (&str, &str) = ("acme", "CI/CD pipeline");

/// What happens at one moment.
enum Event {
    Arrive,
    Found(&'static str, &'static str),
    Profile(&'static str),
    Join(usize),
    Create(&'static Key),
    Use(&'static Key),
    Rotate(&'static Key, &'static str),
    Revoke(&'static Key, &'static str, &'static str),
    Invite(&'static str),
}

struct Stage<'a> {
    rules: &'a Rules,
    clock: Clock,
    offset: Arc<AtomicI64>,
    people: BTreeMap<&'static str, UserId>,
    passwords: Vec<(Password, String)>,
    keys: BTreeMap<(&'static str, &'static str), (KeyId, String)>,
}

/// Plays the whole story.
pub(super) fn make(db: &Db, settings: &Settings) -> Result<Told, AppError> {
    let rules = settings.rules();
    let offset = Arc::new(AtomicI64::new(0));
    let passwords = PEOPLE.iter().map(|_| Password::random()).collect::<Result<Vec<_>, _>>()?;
    let clock = Clock::shifted(offset.clone());
    let mut stage = Stage { rules: &rules, clock, offset, people: BTreeMap::new(), passwords, keys: BTreeMap::new() };
    let mut events = events();
    events.sort_by_key(|(ago, _)| std::cmp::Reverse(*ago));
    db.run(|conn| {
        events.iter().try_for_each(|(ago, event)| stage.play(conn, *ago, event))?;
        stage.offset.store(0, Ordering::SeqCst);
        let keys = stage.keys.iter().map(|(name, (id, _))| (*name, id.clone())).collect();
        db::write(conn, |conn| traffic::make(conn, &keys, stage.clock.now()))
    })?;
    let people = PEOPLE.iter().zip(&stage.passwords).map(|((name, _, what), (_, password))| Person {
        email: email(name),
        password: password.clone(),
        what,
    });
    let key = stage.keys.get(&SHOWN).map(|(_, plain)| plain.clone()).ok_or(AppError::NotFound)?;
    Ok(Told { people: people.collect(), key })
}

fn email(name: &str) -> String {
    format!("{name}@acme.example")
}

fn events() -> Vec<(Ago, Event)> {
    let mut events = vec![
        (90 * DAY, Event::Arrive),
        (90 * DAY - 20, Event::Profile("Website")),
        (90 * DAY - 21, Event::Profile("Billing")),
        (89 * DAY, Event::Join(1)),
        (76 * DAY, Event::Join(2)),
        (72 * DAY, Event::Join(3)),
        (41 * DAY, Event::Found("Globex", "agency")),
        (3 * DAY, Event::Found("Initech", "starter")),
        (7 * HOUR, Event::Invite("carol@acme.example")),
    ];
    for key in KEYS {
        events.push((key.made, Event::Create(key)));
        events.extend(key.used.iter().map(|ago| (*ago, Event::Use(key))));
        match key.fate {
            Fate::Stays => {}
            Fate::Rotated(ago, grace) => events.push((ago, Event::Rotate(key, grace))),
            Fate::Revoked(ago, by, reason) => events.push((ago, Event::Revoke(key, by, reason))),
        }
    }
    events
}

impl Stage<'_> {
    fn play(&mut self, conn: &mut Conn, ago: Ago, event: &Event) -> Result<(), AppError> {
        self.offset.store(-ago * 60 * 1_000_000, Ordering::SeqCst);
        match event {
            Event::Arrive => self.arrive(conn),
            Event::Found(name, plan) => self.found(conn, name, plan),
            Event::Profile(name) => {
                self.act(conn, ("acme", "olive"), |scope| people::create_profile(scope, name, None).map(|_| ()))
            }
            Event::Join(which) => self.join(conn, *which),
            Event::Create(key) => self.create(conn, key),
            Event::Use(key) => self.use_key(conn, key),
            Event::Rotate(key, grace) => self.rotate(conn, key, grace),
            Event::Revoke(key, by, reason) => {
                let Some((id, _)) = self.keys.get(&(key.org, key.name)).cloned() else {
                    return Err(AppError::NotFound);
                };
                let input = RevokeInput { confirm_name: None, reason: (*reason).to_owned() };
                self.act(conn, (key.org, by), |scope| revoke_key(scope, &id, &input).map(|_| ()))
            }
            Event::Invite(email) => {
                self.act(conn, ("acme", "ada"), |scope| people::invite(scope, email, "builder", None).map(|_| ()))
            }
        }
    }

    fn who(&self, name: &str) -> Result<Who, AppError> {
        let user = self.people.get(name).cloned().ok_or(AppError::SignIn)?;
        Ok(Who::Person { user, session: SessionId::from("ses_demo") })
    }

    fn origin() -> Result<Origin, AppError> {
        Ok(Origin {
            address: "203.0.113.50".to_owned(),
            client: BROWSER.to_owned(),
            via: "page",
            request_id: random::nonce()?,
        })
    }

    fn act<T>(
        &self,
        conn: &mut Conn,
        (org, name): (&str, &str),
        f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let origin = Self::origin()?;
        act_in(conn, Ctx { rules: self.rules, clock: &self.clock, origin: &origin }, &self.who(name)?, org, f)
    }

    fn arrive(&mut self, conn: &mut Conn) -> Result<(), AppError> {
        let origin = Self::origin()?;
        let ctx = Ctx { rules: self.rules, clock: &self.clock, origin: &origin };
        let email = email("olive");
        let form =
            NewPersonForm { email: &email, name: "Olive Owen", password: &self.passwords[0].1, organization: "Acme" };
        let person = people::read_new_person(&self.rules.format, &form).map_err(AppError::Invalid)?;
        let user = people::create_owner(conn, ctx, &person, &person.password.hash()?, true)?;
        self.people.insert("olive", user.ok_or(AppError::NotFound)?.id);
        Ok(())
    }

    fn found(&mut self, conn: &mut Conn, name: &str, plan: &str) -> Result<(), AppError> {
        let origin = Self::origin()?;
        let ctx = Ctx { rules: self.rules, clock: &self.clock, origin: &origin };
        let org = people::create_org(conn, ctx, &self.who("olive")?, name, None)?;
        people::set_plan(conn, ctx, &org.slug, plan)?;
        if plan == "agency" {
            let token = self.invite(conn, &org.slug, "ada", "builder")?;
            let ada = self.people.get("ada").ok_or(AppError::NotFound)?;
            people::accept_invitation(conn, ctx, token.reveal(), ada)?;
        }
        Ok(())
    }

    fn invite(&self, conn: &mut Conn, org: &str, name: &str, role: &str) -> Result<random::Token, AppError> {
        let invited = self.act(conn, (org, "olive"), |scope| people::invite(scope, &email(name), role, None))?;
        invited.map(|(_, token)| token).ok_or(AppError::NotFound)
    }

    fn join(&mut self, conn: &mut Conn, which: usize) -> Result<(), AppError> {
        let (name, role, _) = PEOPLE[which];
        let email = email(name);
        let token = self.invite(conn, "acme", name, role)?;
        let full_name = match name {
            "ada" => "Ada Archer",
            "ben" => "Ben Baker",
            _ => "Bea Brandt",
        };
        let person = people::read_invited_person(&self.rules.format, full_name, &email, &self.passwords[which].1);
        let person = person.map_err(AppError::Invalid)?;
        let origin = Self::origin()?;
        let ctx = Ctx { rules: self.rules, clock: &self.clock, origin: &origin };
        let hash = person.password.hash()?;
        let (signed_in, _) = people::join_as_new_person(conn, ctx, token.reveal(), &person, &hash)?;
        self.people.insert(name, signed_in.user.id);
        Ok(())
    }

    fn create(&mut self, conn: &mut Conn, key: &'static Key) -> Result<(), AppError> {
        let created = self.act(conn, (key.org, key.who), |scope| {
            let profiles = people::list_profiles(scope)?;
            let profile = profiles.into_iter().map(|(profile, _)| profile).find(|profile| profile.name == key.profile);
            let new = NewKey {
                name: key.name.to_owned(),
                environment: Some(key.environment.to_owned()),
                profile: profile.map(|profile| profile.id.to_string()),
                expires: Some(key.expires.to_owned()),
                note: key.note.to_owned(),
                url_allowed: false,
            };
            create_key(scope, &new, None)
        })?;
        if let Created::New(view, plain) = created {
            self.keys.insert((key.org, key.name), (view.key.id, plain.reveal().to_owned()));
        }
        Ok(())
    }

    fn use_key(&mut self, conn: &mut Conn, key: &Key) -> Result<(), AppError> {
        let Some((_, plain)) = self.keys.get(&(key.org, key.name)) else { return Err(AppError::NotFound) };
        let agent = AGENTS[key.name.len() % AGENTS.len()];
        let key = self.rules.format.parse(plain).ok_or(AppError::NotFound)?;
        let at = self.clock.now();
        let used = LastUse { at, address: agent.0.to_owned(), client: agent.1.to_owned() };
        if let Some(found) = db::keys::find_key_anywhere(conn, &key.id)? {
            db::keys::mark_key_used(conn, &key.id, &used)?;
            db::keys::mark_secret_used(conn, &found.current.id, at)?;
        }
        Ok(())
    }

    /// The old secret stays in use for a moment, the new one is what comes after.
    fn rotate(&mut self, conn: &mut Conn, key: &'static Key, grace: &str) -> Result<(), AppError> {
        let Some((id, _)) = self.keys.get(&(key.org, key.name)).cloned() else { return Err(AppError::NotFound) };
        let grace = Grace::parse(grace).map_err(|text| AppError::field("grace", text))?;
        let rotated = self.act(conn, (key.org, key.who), |scope| rotate_key(scope, &id, grace, None))?;
        if let Some(plain) = rotated.secret {
            self.keys.insert((key.org, key.name), (id, plain.reveal().to_owned()));
        }
        Ok(())
    }
}
