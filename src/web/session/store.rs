//! Sessions in the database, for the session layer and for pages that read theirs together with what they show.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;
use actix_web::web;

use super::{ADDRESS, CLIENT, ID, LATER, Manner, NOTICE, Notice, ORG, SignIn, UNREADABLE, USER};
use crate::actions::{AppError, random};
use crate::clock::Clock;
use crate::db;
use crate::db::sessions::SessionRecord;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::session::{SEEN_EVERY, is_alive};
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;
use crate::web::State;
use crate::web::running::block;

/// Sessions in the database. The cookie's value is known to the browser only; the table holds its SHA-256.
#[derive(Clone)]
pub struct Store {
    state: web::Data<State>,
}

pub(super) type Values = HashMap<String, String>;

fn hash_of(key: &SessionKey) -> String {
    SecretHash::of(key.as_ref()).to_hex()
}

fn text_of(values: &Values, name: &str) -> Option<String> {
    values.get(name).and_then(|json| serde_json::from_str(json).ok())
}

impl Store {
    /// On this database.
    #[must_use]
    pub fn new(state: web::Data<State>) -> Self {
        Self { state }
    }

    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut db::Conn, &State) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, anyhow::Error> {
        run(&self.state, f).await
    }
}

async fn run<T: Send + 'static>(
    state: &State,
    f: impl FnOnce(&mut db::Conn, &State) -> Result<T, AppError> + Send + 'static,
) -> Result<T, anyhow::Error> {
    let state = state.clone();
    let done = block(move || state.db.run(|conn| f(conn, &state))).await?;
    Ok(done?)
}

/// What a browser showed, by its hash: the session that it names is still to be read.
#[derive(Debug, Clone)]
pub(in crate::web) struct Cookie(String);

/// What stands behind a cookie.
#[derive(Debug)]
pub(in crate::web) enum Found {
    /// Nothing, or no more.
    Nothing,
    /// A session that is over.
    Over,
    /// A live session.
    Live(Kept),
}

/// What is kept of a live session.
#[derive(Debug)]
pub(in crate::web) struct Kept {
    values: Values,
    /// The time, where it is to be noted as that of the last request.
    seen_at: Option<Timestamp>,
}

impl Kept {
    /// Every name with its value as JSON.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// Who is signed in, if anybody is.
    pub(in crate::web) fn sign_in(&self) -> Option<SignIn> {
        let (user, id) = (text_of(&self.values, USER)?, text_of(&self.values, ID)?);
        Some(SignIn { user: UserId(user), session: SessionId(id) })
    }

    /// The slug of the organization that was last worked in.
    pub(in crate::web) fn active_org(&self) -> Option<String> {
        text_of(&self.values, ORG)
    }

    /// The banner that the last request left.
    pub(in crate::web) fn notice(&self) -> Option<Notice> {
        self.values.get(NOTICE).and_then(|json| serde_json::from_str(json).ok())
    }
}

impl Cookie {
    /// The cookie with this SHA-256, hexadecimal.
    pub(super) fn of_hash(hash: String) -> Self {
        Self(hash)
    }

    /// Reads the session.
    ///
    /// # Errors
    /// The database's own failure.
    pub(in crate::web) fn read(&self, conn: &mut db::Conn, clock: &Clock) -> Result<Found, AppError> {
        let Some(record) = db::sessions::find_session(conn, &self.0)? else { return Ok(Found::Nothing) };
        let now = db::now(conn, clock)?;
        if !is_alive(record.created_at, record.last_seen_at, now) {
            return Ok(Found::Over);
        }
        // What cannot be read is of no use to anybody, and would be in the way for ever.
        let Ok(values) = serde_json::from_str(&record.state) else { return Ok(Found::Over) };
        let is_due = now.since(record.last_seen_at) >= SEEN_EVERY;
        Ok(Found::Live(Kept { values, seen_at: is_due.then_some(now) }))
    }

    /// What is kept of a live session. It is read on the threads that are for short looks; what is written of it may wait for
    /// others, so that has its place elsewhere.
    ///
    /// # Errors
    /// As [`Self::read`] and [`Self::settle`].
    pub(in crate::web) async fn find(self, state: &State) -> Result<Option<Kept>, anyhow::Error> {
        let (shared, sent) = (state.clone(), self.clone());
        let look = move || shared.db.run(|conn| sent.read(conn, &shared.clock));
        let found = state.readers.look(look).await??;
        self.settle(state, found).await
    }

    /// Writes what follows from what was found: a session that is over is cleared away, the last request of another is noted.
    ///
    /// # Errors
    /// The session that is over cannot be cleared away.
    pub(in crate::web) async fn settle(self, state: &State, found: Found) -> Result<Option<Kept>, anyhow::Error> {
        let Self(hash) = self;
        let kept = match found {
            Found::Nothing => return Ok(None),
            Found::Over => {
                let delete = move |conn: &mut db::Conn| db::sessions::delete_session(conn, &hash);
                run(state, move |conn, _| Ok(db::write_one(conn, delete)?)).await?;
                return Ok(None);
            }
            Found::Live(kept) => kept,
        };
        if let Some(now) = kept.seen_at.filter(|_| !Manner::of_this_request().by_itself) {
            let note = move |conn: &mut db::Conn| db::sessions::update_last_seen(conn, &hash, now);
            // A database that cannot be written now must not sign anybody out.
            if let Err(error) = run(state, move |conn, _| Ok(db::write_one(conn, note)?)).await {
                tracing::warn!(%error, "a session's last request could not be noted");
            }
        }
        Ok(Some(kept))
    }
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<Values>, LoadError> {
        let cookie = Cookie(hash_of(key));
        if Manner::of_this_request().read_later {
            return Ok(Some(HashMap::from([(LATER.to_owned(), format!("\"{}\"", cookie.0))])));
        }
        cookie.find(&self.state).await.map(|kept| kept.map(|kept| kept.values)).or_else(|error| {
            tracing::error!(%error, "a session could not be read");
            Ok(Some(HashMap::from([(UNREADABLE.to_owned(), "true".to_owned())])))
        })
    }

    async fn save(&self, values: Values, _ttl: &Duration) -> Result<SessionKey, SaveError> {
        let value = random::base62(43).map_err(|error| SaveError::Other(error.into()))?;
        let key = SessionKey::try_from(value).map_err(|_| SaveError::Other(anyhow::anyhow!("session key too long")))?;
        let text = serde_json::to_string(&values).map_err(|error| SaveError::Serialization(error.into()))?;
        let hash = hash_of(&key);
        let saved = self.run(move |conn, state| {
            let now = db::now(conn, &state.clock)?;
            let id = match text_of(&values, ID) {
                Some(id) => id,
                None => random::id("ses")?,
            };
            let record = SessionRecord {
                token_hash: hash,
                id: SessionId(id),
                user: text_of(&values, USER).map(UserId),
                state: text,
                created_at: now,
                last_seen_at: now,
                address: text_of(&values, ADDRESS).unwrap_or_default(),
                client: text_of(&values, CLIENT).unwrap_or_default(),
            };
            Ok(db::write_one(conn, |conn| db::sessions::insert_session(conn, &record))?)
        });
        saved.await.map_err(SaveError::Other)?;
        Ok(key)
    }

    async fn update(&self, key: SessionKey, values: Values, _ttl: &Duration) -> Result<SessionKey, UpdateError> {
        let text = serde_json::to_string(&values).map_err(|error| UpdateError::Serialization(error.into()))?;
        if values.contains_key(UNREADABLE) || values.contains_key(LATER) {
            return Ok(key);
        }
        let hash = hash_of(&key);
        // Only an UPDATE: a session that was ended while this request ran must stay ended.
        let updated = self.run(move |conn, _| {
            let user = text_of(&values, USER).map(UserId);
            Ok(db::write_one(conn, |conn| db::sessions::update_state(conn, &hash, &text, user.as_ref()))?)
        });
        // What is lost is a banner or the chosen organization; the answer that is ready is worth more.
        if let Err(error) = updated.await {
            tracing::error!(%error, "a session could not be written");
        }
        Ok(key)
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        let hash = hash_of(key);
        self.run(move |conn, _| Ok(db::write_one(conn, |conn| db::sessions::delete_session(conn, &hash))?)).await
    }
}
