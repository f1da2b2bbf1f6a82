//! Signed-in browsers: the cookie store on our database, and the one place that names what a session holds.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_session::{Session, SessionExt};
use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};
use serde::{Deserialize, Serialize};

use super::State;
use super::running::block;
use crate::actions::people::Arrival;
use crate::actions::{AppError, Origin, random};
use crate::db;
use crate::db::sessions::SessionRecord;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::session::{SEEN_EVERY, is_alive};
use crate::domain::token::SecretHash;

/// What a session holds: who signed in, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The person.
    pub user: UserId,
    /// The session's public id.
    pub session: SessionId,
}

tokio::task_local! {
    /// There while a request is answered that a page sent by itself.
    static BY_ITSELF: ();
}

/// Middleware around sessions: what an open page asks for by itself does not keep its session alive, or a forgotten tab
/// would do so for ever.
///
/// # Errors
/// None of its own.
pub(super) async fn tell_apart(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if super::routes::is_asked_by_itself(req.path()) {
        BY_ITSELF.scope((), next.call(req)).await
    } else {
        next.call(req).await
    }
}

/// Whose request it was that failed. The session layer takes the session away before the page of the failure is drawn.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// The person.
    pub(super) sign_in: SignIn,
    /// The slug of the organization that was last worked in.
    pub(super) active_org: Option<String>,
}

/// Middleware within sessions: notes the reader of a page that failed.
///
/// # Errors
/// None of its own.
pub(super) async fn note_reader(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let res = next.call(req).await?;
    if res.response().error().is_some() {
        let session = TypedSession::of(res.request());
        if let Ok(Some(sign_in)) = session.sign_in() {
            let reader = Reader { sign_in, active_org: session.active_org() };
            res.request().extensions_mut().insert(reader);
        }
    }
    Ok(res)
}

/// A banner for the next page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notice {
    /// `done`, `note`, `warning` or `error`.
    pub kind: String,
    /// What it says.
    pub text: String,
}

const USER: &str = "user";
const ID: &str = "id";
const ORG: &str = "org";
const NOTICE: &str = "notice";
const ADDRESS: &str = "address";
const CLIENT: &str = "client";
/// Stands in the session of a request whose real one could not be read. A store that fails would end the request in
/// the session layer, beyond the reach of our error pages; so handlers are told instead, and answer 503.
const UNREADABLE: &str = "unreadable";

fn broken(error: impl std::fmt::Display) -> AppError {
    AppError::Internal(anyhow::anyhow!("session: {error}"))
}

/// The session of a request, by the names of what it holds.
pub struct TypedSession(Session);

impl TypedSession {
    /// Of this request.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Self {
        Self(req.get_session())
    }

    /// Who is signed in, if anybody is.
    ///
    /// # Errors
    /// `Unavailable` when the database did not say.
    pub fn sign_in(&self) -> Result<Option<SignIn>, AppError> {
        if self.0.get::<bool>(UNREADABLE).ok().flatten().is_some() {
            return Err(AppError::Unavailable("the session could not be read".to_owned()));
        }
        let user: Option<String> = self.0.get(USER).ok().flatten();
        let id: Option<String> = self.0.get(ID).ok().flatten();
        Ok(user.zip(id).map(|(user, id)| SignIn { user: UserId(user), session: SessionId(id) }))
    }

    /// Signs a person in: a new cookie, whatever there was before.
    ///
    /// # Errors
    /// The session cannot be written.
    pub fn start(&self, arrival: &Arrival, origin: &Origin) -> Result<(), AppError> {
        self.0.renew();
        self.0.clear();
        self.0.insert(USER, arrival.user.id.as_str()).map_err(broken)?;
        self.0.insert(ID, arrival.session.as_str()).map_err(broken)?;
        self.0.insert(ADDRESS, &origin.address).map_err(broken)?;
        self.0.insert(CLIENT, &origin.client).map_err(broken)?;
        Ok(())
    }

    /// Gives the cookie a new value, for instance when the password was changed.
    pub fn renew(&self) {
        self.0.renew();
    }

    /// Signs out: the session ends on the server and the cookie is taken back.
    pub fn end(&self) {
        self.0.purge();
    }

    /// The slug of the organization that was last worked in.
    #[must_use]
    pub fn active_org(&self) -> Option<String> {
        self.0.get(ORG).ok().flatten()
    }

    /// Remembers the organization that is worked in. Written only when it changes.
    ///
    /// # Errors
    /// The session cannot be written.
    pub fn set_active_org(&self, slug: &str) -> Result<(), AppError> {
        if self.active_org().as_deref() == Some(slug) {
            return Ok(());
        }
        self.0.insert(ORG, slug).map_err(broken)
    }

    /// Leaves a banner for the next page. Never put a secret into it.
    ///
    /// # Errors
    /// The session cannot be written.
    pub fn leave_notice(&self, kind: &str, text: impl Into<String>) -> Result<(), AppError> {
        self.0.insert(NOTICE, Notice { kind: kind.to_owned(), text: text.into() }).map_err(broken)
    }

    /// The banner that the last request left.
    #[must_use]
    pub fn notice(&self) -> Option<Notice> {
        self.0.get(NOTICE).ok().flatten()
    }

    /// Takes the banner that the last request left.
    pub fn take_notice(&self) -> Option<Notice> {
        let notice = self.notice()?;
        self.0.remove(NOTICE);
        Some(notice)
    }
}

/// Sessions in the database. The cookie's value is known to the browser only; the table holds its SHA-256.
#[derive(Clone)]
pub struct Store {
    state: web::Data<State>,
}

type Values = HashMap<String, String>;

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
        let state = self.state.clone();
        let done = block(move || state.db.run(|conn| f(conn, &state))).await?;
        Ok(done?)
    }

    /// What is kept of a live session. It is read on the threads that are for short looks; what is written of it may wait for
    /// others, so that has its place elsewhere.
    async fn find(&self, hash: String, is_somebody_there: bool) -> Result<Option<String>, anyhow::Error> {
        let (state, wanted) = (self.state.clone(), hash.clone());
        let look = move |conn: &mut db::Conn| {
            let record = db::sessions::find_session(conn, &wanted)?;
            Ok::<_, AppError>(match record {
                Some(record) => Some((record, db::now(conn, &state.clock)?)),
                None => None,
            })
        };
        let database = self.state.db.clone();
        let Some((record, now)) = self.state.readers.look(move || database.run(look)).await?? else { return Ok(None) };
        if !is_alive(record.created_at, record.last_seen_at, now) {
            let delete = move |conn: &mut db::Conn| db::sessions::delete_session(conn, &hash);
            self.run(move |conn, _| Ok(db::write_one(conn, delete)?)).await?;
            return Ok(None);
        }
        if is_somebody_there && now.since(record.last_seen_at) >= SEEN_EVERY {
            let note = move |conn: &mut db::Conn| db::sessions::update_last_seen(conn, &hash, now);
            // A database that cannot be written now must not sign anybody out.
            if let Err(error) = self.run(move |conn, _| Ok(db::write_one(conn, note)?)).await {
                tracing::warn!(%error, "a session's last request could not be noted");
            }
        }
        Ok(Some(record.state))
    }
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<Values>, LoadError> {
        let is_somebody_there = BY_ITSELF.try_with(|()| ()).is_err();
        let state = match self.find(hash_of(key), is_somebody_there).await {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "a session could not be read");
                return Ok(Some(HashMap::from([(UNREADABLE.to_owned(), "true".to_owned())])));
            }
        };
        state
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| LoadError::Deserialization(error.into()))
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
        if values.contains_key(UNREADABLE) {
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
