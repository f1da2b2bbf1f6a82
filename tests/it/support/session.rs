//! A way in that is not the sign-in page: for tests that are about something else, and for sessions that a page would not give.

use actix_web::cookie::{Cookie, CookieJar, Key};
use keyrack::actions::random;
use keyrack::db;
use keyrack::db::sessions::SessionRecord;
use keyrack::domain::ids::{SessionId, UserId};
use keyrack::domain::time::Timestamp;
use keyrack::domain::token::SecretHash;
use serde_json::json;

use super::TestApp;
use super::actor::Visitor;
use super::cast;

impl TestApp {
    /// A browser in which this one of the cast is signed in, without a page and the time that a password takes.
    pub(crate) fn enter(&self, who: &str) -> Visitor<'_> {
        self.enter_since(&cast::user_id(who), self.now())
    }

    /// A browser in which this person has been signed in since then.
    pub(crate) fn enter_since(&self, user: &UserId, since: Timestamp) -> Visitor<'_> {
        let (token, _) = self.db_begin_session(user, since);
        let visitor = self.visitor();
        let (name, value) = self.signed(&token);
        visitor.set_cookies([(name, value)].into());
        visitor
    }

    /// What stands in the database of a session of this person: its token, and its id.
    pub(crate) fn db_begin_session(&self, user: &UserId, since: Timestamp) -> (String, SessionId) {
        let (token, id) = (random::base62(43).unwrap(), random::id("ses").unwrap());
        // Each value is JSON by itself, as the session layer keeps it.
        let values = json!({"user": json!(user).to_string(), "id": json!(id).to_string()});
        let record = SessionRecord {
            token_hash: SecretHash::of(&token).to_hex(),
            id: SessionId(id.clone()),
            user: Some(user.clone()),
            state: values.to_string(),
            created_at: since,
            last_seen_at: since,
            address: "192.0.2.1".to_owned(),
            client: "test".to_owned(),
        };
        self.database.run(|conn| db::sessions::insert_session(conn, &record).unwrap());
        self.learn(&token);
        (token, SessionId(id))
    }

    /// The cookie that stands for this session token, as a browser sends it.
    fn signed(&self, token: &str) -> (String, String) {
        let config = &self.state.config;
        let mut jar = CookieJar::new();
        let cookie = Cookie::new(config.session_cookie(), token.to_owned());
        jar.signed_mut(&Key::from(&config.session_key)).add(cookie);
        let cookie = jar.delta().next().unwrap().encoded().to_string();
        let (name, value) = cookie.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    }
}
