//! Who calls: `Authorization: Bearer …` (scheme in any case) or `X-Api-Key: …`, exactly one of them, exactly once.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest, web};

use super::presented::{self, Presented};
use crate::actions::{AppError, Origin, Who};
use crate::domain::verdict::Verdict;
use crate::gate::{self, CheckedKey};
use crate::web::{State, client};

/// What service tokens begin with.
pub const SERVICE_PREFIX: &str = "krs_";

/// A caller with an API key that was let in.
#[derive(Debug)]
pub struct KeyCaller {
    /// What the check found.
    pub checked: CheckedKey,
    /// Where the request came from.
    pub origin: Origin,
}

impl KeyCaller {
    /// For actions.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::Key { id: self.checked.key.id.clone() }
    }
}

/// A caller with any credential that was let in.
#[derive(Debug)]
pub enum Caller {
    /// An API key.
    Key(Box<KeyCaller>),
    /// One of the operator's backends.
    Service(gate::ServiceToken),
}

/// The one credential of a request's headers.
fn presented(headers: &HeaderMap) -> Result<String, AppError> {
    let values = |name: &str| headers.get_all(name).map(HeaderValue::as_bytes);
    match presented::in_headers(values("authorization"), values("x-api-key")) {
        Presented::One(token) => Ok(token.into_owned()),
        Presented::Nothing | Presented::Malformed => Err(AppError::SignIn),
        Presented::Several => {
            Err(AppError::BadRequest("Send one credential, once: Authorization or X-Api-Key.".to_owned()))
        }
    }
}

/// Whether a credential stands in the address, where it is never taken (ruling 12).
fn is_in_query(req: &HttpRequest) -> bool {
    let names = req.query_string().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| matches!(name, "token" | "api_key"))
}

async fn identify(req: HttpRequest) -> Result<Caller, AppError> {
    let state = req.app_data::<web::Data<State>>().cloned().ok_or(AppError::NotFound)?;
    let origin = client::origin(&req, "api");
    if is_in_query(&req) {
        return Err(AppError::BadRequest("Send the credential in a header, not in the address.".to_owned()));
    }
    let token = presented(req.headers())?;
    let noted = origin.clone();
    state
        .run(origin, move |conn, ctx| {
            if token.starts_with(SERVICE_PREFIX) {
                let found = gate::find_service_token(conn, &token)?;
                return found.map(Caller::Service).ok_or(AppError::SignIn);
            }
            let client = (noted.address.as_str(), noted.client.as_str());
            let checked = gate::check(conn, ctx.rules, ctx.clock, &token, client)?;
            if checked.verdict != Verdict::Valid {
                let key = checked.key.as_ref().map(|found| found.key.id.to_string());
                tracing::info!(verdict = checked.verdict.code(), key, "a key was refused");
            }
            match (checked.verdict, checked.key) {
                (Verdict::Valid, Some(checked)) => Ok(Caller::Key(Box::new(KeyCaller { checked, origin: noted }))),
                (Verdict::PlanRequired, Some(found)) => {
                    let plan = ctx.rules.plan(&found.org.plan).name;
                    Err(crate::domain::policy::Denied::PlanRequired { plan }.into())
                }
                _ => Err(AppError::SignIn),
            }
        })
        .await
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, AppError>>>>;

impl FromRequest for Caller {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(identify(req.clone()))
    }
}

impl FromRequest for KeyCaller {
    type Error = AppError;
    type Future = Boxed<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            match identify(req).await? {
                Caller::Key(caller) => Ok(*caller),
                Caller::Service(_) => Err(AppError::Denied(crate::domain::policy::Denied::NotByService)),
            }
        })
    }
}
