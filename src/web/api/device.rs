//! `/v1/device`: signing in on the command line (RFC 8628). Forms in, JSON out, and failures as OAuth has them.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::CommandLineCaller;
use crate::actions::AppError;
use crate::actions::people::{self as deeds, Polled};
use crate::domain::device::{CLIENT_ID, CODE_LIFE, GRANT_TYPE, POLL_SECONDS, Poll, TOKEN_LIFE, show_user_code};
use crate::web::{Form, State, client};

/// `POST /v1/device/code`. Other fields are passed over, as OAuth wants it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct CodeForm {
    /// `keyrack-cli`.
    #[schema(example = "keyrack-cli")]
    client_id: String,
    /// What the person recognises the device by: its host name.
    #[schema(example = "ada-laptop")]
    device_name: String,
}

/// Codes of a device that wants to be let in. Not `Debug`, on purpose.
#[derive(Serialize, ToSchema)]
pub struct CodeAnswer {
    /// For the device alone: it polls with this.
    device_code: String,
    /// For the person: they compare it, or type it.
    #[schema(example = "BCDF-GHJK")]
    user_code: String,
    /// Where the person goes.
    verification_uri: String,
    /// The same with the code filled in.
    verification_uri_complete: String,
    /// Seconds until both codes are over.
    expires_in: i64,
    /// Seconds to leave between two polls.
    interval: i64,
}

/// `POST /v1/device/token`. Not `Debug`, on purpose.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct TokenForm {
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    #[schema(example = "urn:ietf:params:oauth:grant-type:device_code")]
    grant_type: String,
    device_code: String,
    #[schema(example = "keyrack-cli")]
    client_id: String,
}

/// The token of a command line, in the one answer that holds it. Not `Debug`, on purpose.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    /// Acts as the person who allowed it. Shown once.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until it is over.
    expires_in: i64,
}

/// A failure as OAuth has it (RFC 6749, RFC 8628).
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceError {
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant`, `invalid_request`,
    /// `invalid_client` or `unsupported_grant_type`.
    #[schema(example = "authorization_pending")]
    error: &'static str,
    /// For people.
    error_description: &'static str,
}

/// `error` and `error_description`.
type Refusal = (&'static str, &'static str);

fn refuse((error, error_description): Refusal) -> HttpResponse {
    HttpResponse::BadRequest().json(DeviceError { error, error_description })
}

/// What was sent, where it can be read and stands the check, or the answer that says why not.
fn read<T>(
    form: Result<Form<T>, AppError>,
    check: impl FnOnce(&T) -> Result<(), Refusal>,
) -> Result<Result<T, HttpResponse>, AppError> {
    let form = match form {
        Ok(form) => check(&form.0).map(|()| form.0),
        Err(AppError::BadRequest(_)) => Err(("invalid_request", "The form is broken or repeats a field.")),
        Err(error) => return Err(error),
    };
    Ok(form.map_err(refuse))
}

fn check_client(id: &str) -> Result<(), Refusal> {
    match id {
        CLIENT_ID => Ok(()),
        "" => Err(("invalid_request", "client_id is missing.")),
        _ => Err(("invalid_client", "There is no such client here.")),
    }
}

fn check_grant(form: &TokenForm) -> Result<(), Refusal> {
    if form.grant_type.is_empty() || form.device_code.is_empty() {
        return Err(("invalid_request", "grant_type or device_code is missing."));
    }
    if form.grant_type != GRANT_TYPE {
        return Err(("unsupported_grant_type", "Only the device code grant is known here."));
    }
    check_client(&form.client_id)
}

/// Begins to sign a command line in: gives it codes. Its person opens the address and allows it there.
///
/// # Errors
/// 415 for another kind of body, 429 when too many ask.
#[utoipa::path(
    post, path = "/v1/device/code", tag = "Signing in",
    request_body(content = CodeForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = CodeAnswer), (status = 400, body = DeviceError)),
)]
pub async fn code(
    req: actix_web::HttpRequest,
    state: web::Data<State>,
    form: Result<Form<CodeForm>, AppError>,
) -> Result<HttpResponse, AppError> {
    let form = match read(form, |form| check_client(&form.client_id))? {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let begin =
        state.run(client::origin(&req, "cli"), move |conn, ctx| deeds::begin_device(conn, ctx, &form.device_name));
    let begun = begin.await?;
    let user_code = show_user_code(&begun.device.user_code);
    let verification_uri = format!("{}/device", state.config.public_url);
    Ok(HttpResponse::Ok().json(CodeAnswer {
        device_code: begun.code.reveal().to_owned(),
        verification_uri_complete: format!("{verification_uri}?user_code={user_code}"),
        verification_uri,
        user_code,
        expires_in: CODE_LIFE.as_seconds(),
        interval: POLL_SECONDS,
    }))
}

const fn in_words(poll: Poll) -> &'static str {
    match poll {
        Poll::Pending => "The person has not decided yet.",
        Poll::SlowDown => "Leave 5 seconds more between polls from now on.",
        Poll::Denied => "The person said no.",
        Poll::Expired => "The code is over. Begin again.",
        Poll::Unknown | Poll::Allowed => "There is no such code, or its token was fetched before.",
    }
}

/// Asks for the token of a command line, every `interval` seconds until its person has decided.
///
/// # Errors
/// 415 for another kind of body, 429 for a source that tries codes.
#[utoipa::path(
    post, path = "/v1/device/token", tag = "Signing in",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), (status = 400, body = DeviceError)),
)]
pub async fn token(
    req: actix_web::HttpRequest,
    state: web::Data<State>,
    form: Result<Form<TokenForm>, AppError>,
) -> Result<HttpResponse, AppError> {
    let form = match read(form, check_grant)? {
        Ok(form) => form,
        Err(refused) => return Ok(refused),
    };
    let poll =
        state.run(client::origin(&req, "cli"), move |conn, ctx| deeds::poll_device(conn, ctx, &form.device_code));
    Ok(match poll.await? {
        Polled::Refused(poll) => refuse((poll.error().unwrap_or("invalid_grant"), in_words(poll))),
        Polled::SignedIn(text) => HttpResponse::Ok().json(TokenAnswer {
            access_token: text.reveal().to_owned(),
            token_type: "Bearer",
            expires_in: TOKEN_LIFE.as_seconds(),
        }),
    })
}

/// Signs the command line out that sends this.
///
/// # Errors
/// 401, also when it was signed out before; 403 for another kind of credential.
#[utoipa::path(post, path = "/v1/device/revoke", tag = "Signing in", responses((status = 204, description = "The token is over")))]
pub async fn revoke(state: web::Data<State>, caller: CommandLineCaller) -> Result<HttpResponse, AppError> {
    let (who, id) = (caller.who(), caller.line.token.id);
    state.run(caller.origin, move |conn, ctx| deeds::end_command_line(conn, ctx, &who, &id)).await?;
    Ok(HttpResponse::NoContent().finish())
}
