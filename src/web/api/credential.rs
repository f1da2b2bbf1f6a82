//! Who calls: `Authorization: Bearer …` (scheme in any case) or `X-Api-Key: …`, exactly one of them, exactly once.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::presented::{self, Presented};
use crate::actions::people::{CommandLine, enter_command_line};
use crate::actions::{AppError, Origin, Who};
use crate::clock::Moment;
use crate::domain::device::CLI_PREFIX;
use crate::domain::policy::Denied;
use crate::domain::token::SecretHash;
use crate::domain::verdict::Verdict;
use crate::gate::limit::Limits;
use crate::gate::{Pass, Seen, ServiceToken};
use crate::web::{State, client};

/// What service tokens begin with.
pub const SERVICE_PREFIX: &str = "krs_";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A caller with an API key that was let in.
#[derive(Debug)]
pub struct KeyCaller {
    /// What the check found.
    pub pass: Pass,
    /// What is left of its limits.
    pub limits: Limits,
    /// Where the request came from.
    pub origin: Origin,
}

/// A person whose signed-in command line was let in.
#[derive(Debug)]
pub struct CommandLineCaller {
    /// The command line.
    pub line: CommandLine,
    /// The slug of the organization that the request names.
    pub named: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

impl CommandLineCaller {
    /// For actions.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::Cli { user: self.line.user.id.clone(), token: self.line.token.id.clone() }
    }
}

/// Who acts in an organization by their role in it: an API key, or a person. That they belong to it and may do anything is
/// for actions to find out.
#[derive(Debug)]
pub struct Acting {
    /// For actions.
    pub who: Who,
    /// The organization.
    pub slug: String,
    /// Where the request came from.
    pub origin: Origin,
}

impl Acting {
    /// What tells this caller in this organization from all others.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.who {
            Who::Key { id } => format!("key {id}"),
            Who::Person { user, .. } | Who::Cli { user, .. } => format!("{user} in {}", self.slug),
        }
    }
}

/// A caller with any credential that was let in.
#[derive(Debug)]
pub enum Caller {
    /// An API key.
    Key(Box<KeyCaller>),
    /// A signed-in command line.
    CommandLine(Box<CommandLineCaller>),
    /// One of the operator's backends.
    Service(Arc<ServiceToken>),
}

/// The one credential of a request's headers.
fn presented(headers: &HeaderMap) -> Result<Cow<'_, str>, AppError> {
    let values = |name: HeaderName| headers.get_all(name).map(HeaderValue::as_bytes);
    match presented::in_headers(values(header::AUTHORIZATION), values(API_KEY)) {
        Presented::One(token) => Ok(token),
        Presented::Nothing | Presented::Malformed => Err(AppError::SignIn),
        Presented::Several => {
            Err(AppError::BadRequest("Send one credential, once: Authorization or X-Api-Key.".to_owned()))
        }
    }
}

/// Whether a credential stands in the address, where it is never taken (ruling 12).
fn is_in_query(req: &RequestHead) -> bool {
    let Some(query) = req.uri.query() else { return false };
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| matches!(name, "token" | "api_key"))
}

/// The slug in `X-Keyrack-Org`, where a request names an organization.
fn named_org(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let mut values = headers.get_all("x-keyrack-org");
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || AppError::BadRequest("X-Keyrack-Org is the slug of one organization, once.".to_owned());
    let slug = value.to_str().ok().map(str::trim).filter(|slug| !slug.is_empty() && values.next().is_none());
    slug.map(|slug| Some(slug.to_owned())).ok_or_else(wrong)
}

async fn identify_command_line(
    req: &HttpRequest,
    state: &State,
    token: String,
) -> Result<Box<CommandLineCaller>, AppError> {
    let (origin, named) = (client::origin(req, "cli"), named_org(req.headers())?);
    let line = state.run(origin.clone(), move |conn, ctx| enter_command_line(conn, ctx, &token)).await?;
    Ok(Box::new(CommandLineCaller { line, named, origin }))
}

async fn identify(req: HttpRequest) -> Result<Caller, AppError> {
    let state = req.app_data::<web::Data<State>>().cloned().ok_or(AppError::NotFound)?;
    let origin = client::origin(&req, "api");
    if is_in_query(req.head()) {
        return Err(AppError::BadRequest("Send the credential in a header, not in the address.".to_owned()));
    }
    let token = presented(req.headers())?;
    if token.starts_with(SERVICE_PREFIX) {
        return state.gate.find_service_token(&token, Moment::now())?.map(Caller::Service).ok_or(AppError::SignIn);
    }
    if token.starts_with(CLI_PREFIX) {
        let token = token.into_owned();
        return identify_command_line(&req, &state, token).await.map(Caller::CommandLine);
    }
    let checked = state.gate.check(&token, None, &seen(&req, &origin)).await?;
    if checked.pass.is_some() {
        // For the headers of the answer, whatever it will be.
        req.extensions_mut().insert(checked.limits);
    }
    match (checked.verdict, checked.pass) {
        (Verdict::Valid, Some(pass)) => {
            let limits = checked.limits;
            Ok(Caller::Key(Box::new(KeyCaller { pass, limits, origin })))
        }
        (Verdict::PlanRequired, Some(pass)) => Err(Denied::PlanRequired { plan: pass.org.plan_name.clone() }.into()),
        (Verdict::RateLimited, _) => Err(AppError::RateLimited { seconds: checked.limits.retry_seconds() }),
        _ => Err(AppError::SignIn),
    }
}

/// What is noted of a request to the API itself.
fn seen<'r>(req: &'r HttpRequest, origin: &'r Origin) -> Seen<'r> {
    Seen {
        method: req.method().as_str(),
        path: req.path(),
        address: &origin.address,
        client: &origin.client,
        request_id: &origin.request_id,
        in_url: false,
    }
}

/// Whoever holds a secret that works now, whatever the plan or a limit says.
pub(super) struct Holder {
    /// The key.
    pub(super) pass: Pass,
    /// What is stored of the secret.
    pub(super) hash: SecretHash,
    /// Where the request came from.
    pub(super) origin: Origin,
}

/// Lets in whoever holds a secret that works, to give it up.
///
/// # Errors
/// The public 401 for all else.
pub(super) async fn holder(req: &HttpRequest) -> Result<Holder, AppError> {
    let state = req.app_data::<web::Data<State>>().cloned().ok_or(AppError::NotFound)?;
    let origin = client::origin(req, "api");
    if is_in_query(req.head()) {
        return Err(AppError::BadRequest("Send the credential in a header, not in the address.".to_owned()));
    }
    let token = presented(req.headers())?;
    let checked = state.gate.check(&token, None, &seen(req, &origin)).await?;
    let works = matches!(checked.verdict, Verdict::Valid | Verdict::PlanRequired | Verdict::RateLimited);
    let pass = checked.pass.filter(|_| works).ok_or(AppError::SignIn)?;
    let (_, secret) = state.rules.format.split(&token).ok_or(AppError::SignIn)?;
    Ok(Holder { pass, hash: secret.hash(), origin })
}

/// Whether a request that `began` then is that of one of the operator's backends, from memory; false for whoever
/// presents a credential of another kind.
///
/// # Errors
/// The public 401 for no credential, and for a service token that is none; 400 for several, and for one in the address; 503 without a
/// lease.
pub(super) fn has_service_token(req: &RequestHead, state: &State, began: Moment) -> Result<bool, AppError> {
    if is_in_query(req) {
        return Err(AppError::BadRequest("Send the credential in a header, not in the address.".to_owned()));
    }
    let token = presented(&req.headers)?;
    if !token.starts_with(SERVICE_PREFIX) {
        return Ok(false);
    }
    state.gate.find_service_token(&token, began)?.map(|_| true).ok_or(AppError::SignIn)
}

/// Lets in only who has a service token, from memory.
///
/// # Errors
/// The public 401, or 403 for another credential that is good.
pub(super) async fn only_service(req: &HttpRequest, state: &State) -> Result<(), AppError> {
    if has_service_token(req.head(), state, Moment::now())? {
        return Ok(());
    }
    identify(req.clone()).await?;
    Err(AppError::Denied(Denied::ServiceOnly))
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, AppError>>>>;

impl FromRequest for Caller {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(identify(req.clone()))
    }
}

impl FromRequest for Acting {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            match identify(req.clone()).await? {
                Caller::Key(caller) => {
                    let slug = caller.pass.org.slug.clone();
                    // A key has one organization; another is as good as none.
                    if named_org(req.headers())?.is_some_and(|named| named != slug) {
                        return Err(AppError::NotFound);
                    }
                    Ok(Self { who: Who::Key { id: caller.pass.key_id().into() }, slug, origin: caller.origin })
                }
                Caller::CommandLine(caller) => {
                    let who = caller.who();
                    let slug = caller.named.unwrap_or(caller.line.home.slug);
                    Ok(Self { who, slug, origin: caller.origin })
                }
                Caller::Service(_) => Err(AppError::Denied(Denied::NotByService)),
            }
        })
    }
}

impl FromRequest for CommandLineCaller {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            match identify(req).await? {
                Caller::CommandLine(caller) => Ok(*caller),
                Caller::Key(_) | Caller::Service(_) => Err(AppError::Denied(Denied::CommandLineOnly)),
            }
        })
    }
}
