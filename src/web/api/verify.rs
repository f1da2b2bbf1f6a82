//! `POST /v1/keys/verify`: one of the operator's backends asks about a key, and is told the reason where it is not good.

use std::borrow::Cow;
use std::ops::Deref;
use std::rc::Rc;

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use futures_util::future::Either;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::{self, Caller};
use super::hot::{self, Short};
use super::json_text::JsonText;
use super::original::{self, UNKNOWN};
use super::rate_limit::RateLimitObject;
use crate::actions::AppError;
use crate::clock::Moment;
use crate::domain::org::Role;
use crate::domain::policy::Denied;
use crate::domain::time::Timestamp;
use crate::domain::token::KeyFormat;
use crate::domain::verdict::Verdict;
use crate::gate::{Checked, Question, Seen};
use crate::web::front::{self, Answering};
use crate::web::{State, client, errors, extract};

/// `POST /v1/keys/verify`. Not `Debug`, on purpose: it holds a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody<'b> {
    /// The text that was sent to you as a key.
    #[serde(borrow)]
    #[schema(value_type = String)]
    key: Cow<'b, str>,
    /// What the key must be allowed to do at least: `builder`, `admin` or `owner`.
    #[schema(value_type = Option<String>, example = "admin")]
    role: Option<Role>,
    /// The request that it came with, for the list of requests.
    #[serde(borrow)]
    request: Option<VerifiedRequest<'b>>,
}

/// A text of the body, lent wherever nothing in it is escaped.
// Serde borrows what it sees as a `Cow`; within an `Option` it would copy each. It is written only to document its default.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The request that a key came with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifiedRequest<'b> {
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "GET")]
    method: Option<Text<'b>>,
    /// A query is cut off and not kept.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "/v1/projects")]
    path: Option<Text<'b>>,
    /// The client's network address.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    address: Option<Text<'b>>,
    /// What the client calls itself.
    #[serde(borrow)]
    #[schema(value_type = Option<String>, example = "curl/8.9.1")]
    client: Option<Text<'b>>,
    /// Your own id of the request: 1 to 64 visible characters. Left out, it gets one.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    request_id: Option<Text<'b>>,
}

/// Whether a key is good, and whose it is. Of a text that is no key of ours nothing but the first three is told.
// What is documented, and what tests hold `put_answer` to: that writes the same, for to go through serde took a tenth of all that a
// check costs.
#[derive(Serialize, ToSchema)]
pub struct VerifyAnswer<'a> {
    valid: bool,
    /// `VALID`, `MALFORMED`, `NOT_FOUND`, `REVOKED`, `EXPIRED`, `RATE_LIMITED`, `PLAN_REQUIRED` or `FORBIDDEN`.
    #[schema(example = "VALID")]
    code: &'static str,
    request_id: &'a str,
    #[serde(flatten)]
    of: Option<VerifiedKey<'a>>,
}

#[derive(Serialize, ToSchema)]
struct VerifiedKey<'a> {
    key: KeyPart<'a>,
    org: OrgPart<'a>,
    profile: NamedPart<'a>,
    user: UserPart<'a>,
    /// What the key may do now; null when the person it acts as no longer belongs.
    #[schema(example = "admin")]
    role: Option<&'static str>,
    rate_limit: RateLimitObject,
}

#[derive(Serialize, ToSchema)]
struct KeyPart<'a> {
    #[schema(example = "BRTRKFsL")]
    id: &'a str,
    name: &'a str,
    #[schema(example = "kr_BRTRK••••••••")]
    preview: String,
    #[schema(example = "live")]
    environment: &'a str,
    /// `active`, `rotating`, `expired`, `revoked` or `paused`.
    #[schema(example = "active")]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct OrgPart<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
    /// The id of its plan.
    plan: &'a str,
}

#[derive(Serialize, ToSchema)]
struct NamedPart<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize, ToSchema)]
struct UserPart<'a> {
    id: &'a str,
    email: &'a str,
    name: &'a str,
}

/// The answer about a key, as [`VerifyAnswer`] has it.
fn put_answer(json: &mut JsonText, checked: &Checked, format: &KeyFormat, request_id: &str) {
    let is_valid = checked.verdict == Verdict::Valid;
    json.raw(if is_valid { "{\"valid\":true,\"code\":" } else { "{\"valid\":false,\"code\":" });
    json.plain(checked.verdict.code()).raw(",\"request_id\":").text(request_id);
    if let Some(pass) = &checked.pass {
        let id = pass.key_id();
        json.raw(",\"key\":{\"id\":").plain(id).raw(",\"name\":").text(&pass.name);
        json.raw(",\"preview\":").text_by(|text| format.put_mask(pass.environment, id, text));
        json.raw(",\"environment\":").text(pass.environment).raw(",\"status\":").plain(pass.status.as_str());
        json.raw(",\"created_at\":").time(pass.created_at).raw(",\"expires_at\":").time_or_null(pass.expires_at);
        json.raw("},\"org\":").raw(pass.org.json()).raw(",\"profile\":").raw(pass.profile.json());
        json.raw(",\"user\":").raw(pass.user.json()).raw(",\"role\":").word_or_null(pass.role.map(Role::as_str));
        json.raw(",\"rate_limit\":");
        RateLimitObject::new(&checked.limits).put(json);
    }
    json.raw("}");
}

/// Whether a key is good, for one of the operator's backends. Always 200, whatever the key is: the reason stands in `code`.
///
/// Callers without a service token get 401 or 403, a body that does not fit 422, and 503 when keys cannot be checked.
// Gives the request back where it presents a credential of another kind: the application knows them.
#[utoipa::path(post, path = "/v1/keys/verify", tag = "Checking", request_body = VerifyBody<'_>, responses((status = 200, body = VerifyAnswer<'_>)))]
pub(in crate::web) fn verify(req: Request, state: &Rc<State>) -> Result<Answering, Request> {
    let (began, own_id) = (Moment::now(), hot::request_id());
    match credential::has_service_token(req.head(), state, began) {
        Ok(true) => {}
        Ok(false) => return Err(req),
        Err(error) => return Ok(front::at_once(finished(state, Err(error), own_id, began))),
    }
    let (state, (head, payload)) = (state.clone(), req.into_parts());
    Ok(Either::Right(Box::pin(async move {
        let answer = answered(&head, payload, &state, own_id.as_str()).await;
        Ok(finished(&state, answer, own_id, began).into())
    })))
}

/// The same for whoever has no service token, but some other credential: told so.
///
/// # Errors
/// Always.
pub(in crate::web) async fn refuse(caller: Caller) -> Result<HttpResponse, AppError> {
    match caller {
        Caller::Key(_) | Caller::CommandLine(_) => Err(AppError::Denied(Denied::ServiceOnly)),
        // The address is only equal to ours when its escapes are read.
        Caller::Service(_) => Err(AppError::NotFound),
    }
}

fn finished(state: &State, answer: Result<HttpResponse, AppError>, id: Short<32>, began: Moment) -> HttpResponse {
    let failed = |error| errors::problem_of(state, "/v1/keys/verify", id.as_str(), &error);
    let mut res = answer.unwrap_or_else(failed);
    hot::put_usual_headers(res.headers_mut(), id.as_str());
    state.running.observe_check(res.status().as_u16(), began.elapsed());
    res
}

async fn answered(req: &RequestHead, payload: Payload, state: &State, own_id: &str) -> Result<HttpResponse, AppError> {
    let bytes = extract::json_bytes(req, payload).await?;
    hot::at_once_or_later(state.gate.may_wait(), |may_wait| checked(req, &bytes, (state, may_wait), own_id)).await
}

async fn checked(
    req: &RequestHead,
    body: &[u8],
    (state, may_wait): (&State, bool),
    own_id: &str,
) -> Result<HttpResponse, AppError> {
    let body: VerifyBody<'_> = extract::json_from(body)?;
    let request = body.request.unwrap_or_default();
    let request_id = match request.request_id.as_deref() {
        None => own_id,
        Some(id) if (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) => id,
        Some(_) => return Err(AppError::field("request_id", "request_id is 1 to 64 visible ASCII characters.")),
    };
    let path = request.path.as_deref().unwrap_or(UNKNOWN).split(['?', '#']).next().unwrap_or(UNKNOWN);
    let client = request.client.as_deref().unwrap_or_else(|| client::agent(req));
    let own_address = hot::address_text(client::address(req, &state.config.trusted_proxies));
    let seen = Seen {
        method: request.method.as_deref().unwrap_or(UNKNOWN),
        path: original::to_note(path, &body.key),
        address: request.address.as_deref().unwrap_or_else(|| own_address.as_str()),
        client: original::to_note(client, &body.key),
        request_id,
        in_url: false,
    };
    let question = Question { require: body.role, may_wait };
    let checked = state.gate.answer(&body.key, question, &seen).await?;
    let mut res = HttpResponse::new(StatusCode::OK);
    hot::make_room();
    res.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let answer = JsonText::written_by(|json| put_answer(json, &checked, &state.rules.format, request_id));
    Ok(res.set_body(BoxBody::new(answer)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::key::KeyStatus;
    use crate::domain::limit::Taken;
    use crate::gate::limit::Limits;
    use crate::gate::{OrgFacts, Pass, ProfileFacts, UserFacts, WithJson};

    fn pass(text: &str, expires_at: Option<Timestamp>, role: Option<Role>) -> Pass {
        Pass {
            id: *b"BRTRKFsL",
            name: text.into(),
            environment: "live",
            status: KeyStatus::Active,
            created_at: Timestamp::from_micros(1_795_255_200_123_450),
            expires_at,
            org: Arc::new(WithJson::new(OrgFacts {
                id: "org_1".into(),
                slug: "acme".to_owned(),
                name: text.to_owned(),
                plan: "standard".to_owned(),
                plan_name: "Standard".to_owned(),
                plan_lets: true,
                quota: Some(600),
                key_quota: None,
            }))
            .into(),
            user: Arc::new(WithJson::new(UserFacts {
                id: "usr_1".to_owned(),
                email: "ben@acme.example".to_owned(),
                name: text.to_owned(),
            }))
            .into(),
            profile: Arc::new(WithJson::new(ProfileFacts { id: "prof_1".to_owned(), name: text.to_owned() })).into(),
            role,
            at: Timestamp::from_micros(0),
        }
    }

    fn answer<'a>(checked: &'a Checked, preview: &'a str, request_id: &'a str) -> VerifyAnswer<'a> {
        let of = checked.pass.as_ref().map(|pass| VerifiedKey {
            key: KeyPart {
                id: pass.key_id(),
                name: &pass.name,
                preview: preview.to_owned(),
                environment: pass.environment,
                status: pass.status.as_str(),
                created_at: pass.created_at,
                expires_at: pass.expires_at,
            },
            org: OrgPart { id: &pass.org.id, slug: &pass.org.slug, name: &pass.org.name, plan: &pass.org.plan },
            profile: NamedPart { id: &pass.profile.id, name: &pass.profile.name },
            user: UserPart { id: &pass.user.id, email: &pass.user.email, name: &pass.user.name },
            role: pass.role.map(Role::as_str),
            rate_limit: RateLimitObject::new(&checked.limits),
        });
        VerifyAnswer { valid: checked.verdict == Verdict::Valid, code: checked.verdict.code(), request_id, of }
    }

    fn check(checked: &Checked) {
        let (prefix, separator) = ("kr".to_owned(), "_".to_owned());
        let format = KeyFormat { prefix, environments: Vec::new(), environment_in_key: false, separator };
        let expected = serde_json::to_string(&answer(checked, "kr_BRTRK••••••••", "r\"1")).unwrap();
        let written = JsonText::written_by(|json| put_answer(json, checked, &format, "r\"1"));
        assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
    }

    #[test]
    fn texts_of_the_body_are_not_copied() {
        let body = r#"{"key":"kr_1","request":{"path":"/a","client":"a\nb"}}"#;
        let body: VerifyBody<'_> = extract::json_from(body.as_bytes()).unwrap();
        let request = body.request.unwrap();
        assert!(matches!(body.key, Cow::Borrowed("kr_1")));
        assert!(matches!(request.path, Some(Text(Cow::Borrowed("/a")))));
        assert_eq!(request.client.as_deref(), Some("a\nb"));
        assert!(request.method.is_none());
    }

    #[test]
    fn the_answer_is_what_serde_would_have_written() {
        check(&Checked { verdict: Verdict::NotFound, pass: None, limits: Limits::default() });
        let taken = |remaining| Some(Taken { allowed: remaining > 0, limit: 600, remaining, reset_seconds: 23 });
        let all_limits = [(None, None), (taken(412), None), (None, taken(0)), (taken(4_294_967_295), taken(7))];
        for (text, expires_at, role, (account, key)) in [
            ("a", None, None, all_limits[0]),
            ("ü", Some(Timestamp::from_micros(1)), Some(Role::Admin), all_limits[1]),
            ("\"\\\n", Some(Timestamp::from_micros(-1)), Some(Role::Owner), all_limits[2]),
            ("", Some(Timestamp::from_micros(i64::MAX)), None, all_limits[3]),
        ] {
            let pass = Some(pass(text, expires_at, role));
            check(&Checked { verdict: Verdict::Valid, pass, limits: Limits { account, key } });
        }
    }
}
