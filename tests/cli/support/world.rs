//! A server of the test's own, with the usual cast on a database of its own: SQLite, or PostgreSQL with TEST_DATABASE_URL.

use keyrack::actions::keys::{Created, NewKey, create_key};
use keyrack::actions::{Ctx, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db;
use keyrack::domain::ids::SessionId;
use keyrack::gate::settle_from_outside;
use keyrack::settings::Settings;

use super::binary::{Place, Server};
use super::cast;
use super::database::TestDatabase;
use super::page::Browser;

/// A key that a test made, with its plain text.
pub(crate) struct MadeKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A running server and whoever uses it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) database: TestDatabase,
    settings: Settings,
    place: Place,
}

impl World {
    /// With default settings.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With this `keyrack.toml`.
    pub(crate) fn with(toml: &str) -> Self {
        let database = TestDatabase::new();
        let settings = Settings::from_toml(toml).unwrap();
        let plan = settings.rules().default_plan;
        database.run(|conn| {
            let now = db::now(conn, &Clock::system()).unwrap();
            db::write(conn, |conn| {
                cast::seed(conn, &plan, now);
                Ok::<(), db::DbError>(())
            })
            .unwrap();
        });
        let place = Place::new().file("keyrack.toml", toml).set("KEYRACK_DATABASE_URL", &database.url);
        let server = place.start(&[]);
        Self { server, database, settings, place }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Makes a key as this one of the cast; it works when this returns.
    pub(crate) fn key(&self, who: &str, name: &str) -> MadeKey {
        let person = cast::CAST.iter().find(|person| person.name.eq_ignore_ascii_case(who)).expect("one of the cast");
        let who = Who::Person { user: cast::user_id(who), session: SessionId::from("ses_test") };
        let new = NewKey { name: name.to_owned(), ..NewKey::default() };
        let (rules, clock, origin) = (self.settings.rules(), Clock::system(), Origin::default());
        let ctx = Ctx { rules: &rules, clock: &clock, origin: &origin };
        let (created, changed) =
            self.database.db.deed(|conn| act_in(conn, ctx, &who, person.org, |scope| create_key(scope, &new, None)));
        settle_from_outside(&self.database.db, changed.unwrap());
        let Ok(Created::New(view, plain)) = created else { panic!("not new") };
        MadeKey { id: view.key.id.to_string(), secret: plain.reveal().to_owned() }
    }

    /// A browser in which this one of the cast has signed in.
    pub(crate) fn browser(&self, who: &str) -> Browser {
        Browser::sign_in(&self.url(), &cast::email(who), &cast::password(who))
    }

    /// Runs a server command on this database.
    pub(crate) fn admin(&self, args: &[&str]) -> super::binary::Ran {
        self.place.run(args)
    }
}
