//! `/v1/scanning`: what GitHub and GitLab found in other people's code, signed by them.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actions::AppError;
use crate::actions::leaks as deeds;
use crate::domain::leak::{Finding, Partner, read_report};
use crate::web::partners::{Asked, PartnerKeys};
use crate::web::{State, client, extract};

/// The largest report that is read.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest name of a key, and the longest signature.
const HEADER_BYTES_MAX: usize = 512;

/// What is said of one finding.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackObject {
    /// SHA-256 of what was found, in hexadecimal: it is not repeated.
    token_hash: String,
    /// As it was sent.
    token_type: String,
    /// `true_positive`: it is or was a key here; else `false_positive`.
    #[schema(example = "true_positive")]
    label: &'static str,
}

/// What GitHub's secret scanning found. 404 unless the operator set `scanning.github_keys_url`.
///
/// # Errors
/// 400 for a signature that does not fit or a body that is no report, 503 while GitHub's keys cannot be had.
#[utoipa::path(
    post, path = "/v1/scanning/github", tag = "Leaks",
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which key signed"),
        ("Github-Public-Key-Signature" = String, Header, description = "ECDSA P-256 with SHA-256 over the body, in base64"),
    ),
    request_body(content = serde_json::Value, description = "A list of findings: token, type, url, source"),
    responses((status = 200, body = Vec<FeedbackObject>, description = "What each finding was, in order")),
)]
pub async fn github(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, AppError> {
    let names = ("github-public-key-identifier", "github-public-key-signature");
    let (findings, known) = report(&req, payload, &state, Partner::Github, names).await?;
    let feedback = findings.iter().zip(known).map(|(finding, is_known)| FeedbackObject {
        token_hash: finding.token_hash(),
        token_type: finding.word(&finding.kind, &state.rules.format),
        label: if is_known { "true_positive" } else { "false_positive" },
    });
    Ok(HttpResponse::Ok().json(feedback.collect::<Vec<_>>()))
}

/// What GitLab's secret detection found. 404 unless the operator set `scanning.gitlab_keys_url`.
///
/// # Errors
/// 400 for a signature that does not fit or a body that is no report, 503 while GitLab's keys cannot be had.
#[utoipa::path(
    post, path = "/v1/scanning/gitlab", tag = "Leaks",
    params(
        ("Gitlab-Public-Key-Identifier" = String, Header, description = "Which key signed"),
        ("Gitlab-Public-Key-Signature" = String, Header, description = "ECDSA with SHA-256 over the body, in base64"),
    ),
    request_body(content = serde_json::Value, description = "A list of findings: type, token, url"),
    responses((status = 204, description = "Taken")),
)]
pub async fn gitlab(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, AppError> {
    let names = ("gitlab-public-key-identifier", "gitlab-public-key-signature");
    report(&req, payload, &state, Partner::Gitlab, names).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a report that is signed; what was found, and of each whether it is or was a key here.
async fn report(
    req: &HttpRequest,
    payload: web::Payload,
    state: &State,
    partner: Partner,
    (id, signature): (&str, &str),
) -> Result<(Vec<Finding>, Vec<bool>), AppError> {
    let keys = match partner {
        Partner::Github => state.partners.github.as_ref(),
        Partner::Gitlab => state.partners.gitlab.as_ref(),
    };
    let keys = keys.ok_or(AppError::NotFound)?;
    let wrong = || AppError::BadRequest("The signature is missing or does not fit.".to_owned());
    let (id, signature) = one(req, id).zip(one(req, signature)).ok_or_else(wrong)?;
    // All of it first: whoever has nothing to send must not make us ask for keys.
    let body = extract::json_bytes_up_to(req.head(), payload.into_inner(), BYTES_MAX).await?;
    if !is_signed(keys, &id, &signature, &body, state).await? {
        return Err(wrong());
    }
    let findings = read_report(&body).map_err(AppError::BadRequest)?;
    let origin = client::origin(req, "scanning");
    let work = state.run(origin, move |conn, ctx| {
        let known = deeds::take_report(conn, ctx, partner, &findings)?;
        Ok((findings, known))
    });
    work.await
}

async fn is_signed(
    keys: &PartnerKeys,
    id: &str,
    signature: &str,
    body: &[u8],
    state: &State,
) -> Result<bool, AppError> {
    match keys.find(id, &state.clock).await {
        Asked::Key(key) => Ok(key.has_signed(body, signature)),
        Asked::Unknown => Ok(false),
        Asked::NoList => Err(AppError::Unavailable("the partner's keys cannot be had".to_owned())),
    }
}

/// The value of a header that must stand there once.
fn one(req: &HttpRequest, name: &str) -> Option<String> {
    let mut values = req.headers().get_all(name);
    let value = values.next()?.to_str().ok().filter(|value| (1..=HEADER_BYTES_MAX).contains(&value.len()))?;
    values.next().is_none().then(|| value.to_owned())
}
