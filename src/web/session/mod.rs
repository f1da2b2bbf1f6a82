//! Signed-in browsers: the cookie store on our database, and the one place that names what a session holds.

mod store;

use actix_session::{Session, SessionExt};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};
use serde::{Deserialize, Serialize};

pub use store::Store;
pub(super) use store::{Cookie, Found, Kept};

use super::{State, routes};
use crate::actions::people::Arrival;
use crate::actions::{AppError, Origin};
use crate::domain::ids::{SessionId, UserId};

/// What a session holds: who signed in, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The person.
    pub user: UserId,
    /// The session's public id.
    pub session: SessionId,
}

tokio::task_local! {
    static MANNER: Manner;
}

/// How the session of the request that is answered is to be treated.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    /// A page sent it by itself.
    by_itself: bool,
    /// The page reads the session together with what it shows, see [`Cookie`].
    read_later: bool,
}

impl Manner {
    fn of_this_request() -> Self {
        MANNER.try_with(|manner| *manner).unwrap_or_default()
    }
}

/// Middleware around sessions: what an open page asks for by itself does not keep its session alive, or a forgotten tab
/// would do so for ever; and some pages read their session themselves.
///
/// # Errors
/// None of its own.
pub(super) async fn tell_apart(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let by_itself = routes::is_asked_by_itself(req.path());
    let read_later = routes::reads_its_session(req.method(), req.path());
    MANNER.scope(Manner { by_itself, read_later }, next.call(req)).await
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
        let found = match (session.cookie(), res.request().app_data::<web::Data<State>>().cloned()) {
            (Some(cookie), Some(state)) => match cookie.find(&state).await {
                Ok(kept) => kept.and_then(|kept| Some((kept.sign_in()?, kept.active_org()))),
                Err(error) => {
                    tracing::error!(%error, "a session could not be read");
                    None
                }
            },
            _ => session.sign_in().ok().flatten().map(|sign_in| (sign_in, session.active_org())),
        };
        if let Some((sign_in, active_org)) = found {
            res.request().extensions_mut().insert(Reader { sign_in, active_org });
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
/// Stands alone in a session that is still to be read: the hash of its cookie.
const LATER: &str = "later";

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

    /// The cookie of a session that is still to be read, where the request came with one.
    pub(super) fn cookie(&self) -> Option<Cookie> {
        self.0.get(LATER).ok().flatten().map(Cookie::of_hash)
    }

    /// Takes in what [`Cookie::read`] found. From here on the session counts as changed, so only where it will be.
    ///
    /// # Errors
    /// The session cannot be written.
    pub(super) fn fill(&self, kept: &Kept) -> Result<(), AppError> {
        self.0.remove(LATER);
        for (name, json) in kept.values() {
            let value: serde_json::Value = serde_json::from_str(json).map_err(broken)?;
            self.0.insert(name, value).map_err(broken)?;
        }
        Ok(())
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
