//! Creating a key, and the one page that shows its secret.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::{SignedIn, draw, mendable, retry_after};
use super::{key_url, list_url, reveal};
use crate::actions::account::Account;
use crate::actions::keys::{self as deeds, Created, Meter, NewKey, Once};
use crate::actions::{AppError, random};
use crate::domain::org::{Org, Profile, Role};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::web::views::keys::{AlreadyCreatedPage, NewKeyPage};
use crate::web::views::{Choice, Errors, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateForm {
    nonce: String,
    name: String,
    environment: String,
    profile: String,
    expires: String,
    expires_on: String,
    note: String,
    url_allowed: String,
}

struct Found {
    org: Org,
    role: Role,
    meter: Meter,
    profiles: Vec<Profile>,
    now: Timestamp,
}

async fn find(state: &State, me: &SignedIn, slug: &str) -> Result<(Found, Account), AppError> {
    me.look(state, slug, |scope| {
        Ok(Found {
            org: scope.org.clone(),
            role: scope.actor.role,
            meter: deeds::meter(scope)?,
            profiles: deeds::profiles(scope)?,
            now: scope.now,
        })
    })
    .await
}

/// `GET …/new`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn form(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    let form = CreateForm { nonce: random::nonce()?, ..CreateForm::default() };
    draw_form(&state, &me, &slug, form, (200, Errors::none())).await
}

/// `POST …/api-keys`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn create(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<CreateForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, form) = (slug.into_inner(), form.0);
    let expires = if form.expires == "custom" { &form.expires_on } else { &form.expires };
    if form.expires == "custom" && expires.is_empty() {
        let mut errors = Errors::none();
        errors.add("expires_on", "Choose a date.");
        return draw_form(&state, &me, &slug, form, (422, errors)).await;
    }
    let new = NewKey {
        name: form.name.clone(),
        environment: Some(form.environment.clone()),
        profile: Some(form.profile.clone()),
        expires: Some(expires.clone()),
        note: form.note.clone(),
        url_allowed: !form.url_allowed.is_empty(),
    };
    let once = once_by(&form.nonce, format!("create in {slug} by {}", me.sign_in.user));
    let done = me.act(&state, &slug, move |scope| deeds::create_key(scope, &new, once.as_ref())).await;
    let (created, account) = match done {
        Ok(done) => done,
        Err(error @ AppError::Denied(crate::domain::policy::Denied::PlanRequired { .. })) => {
            return draw_form(&state, &me, &slug, form, (error.status(), Errors::none())).await;
        }
        Err(error) => {
            let at = error.retry_at();
            let mut res = draw_form(&state, &me, &slug, form, mendable(error)?).await?;
            retry_after(&mut res, at, state.gate.now());
            return Ok(res);
        }
    };
    let chrome = me.chrome(&state, &account, Some(&slug), Nav::ApiKeys)?;
    match created {
        Created::New(view, secret) => {
            draw(me.htmx, 200, &reveal(&state, &slug, &view, secret.reveal(), String::new(), chrome))
        }
        Created::Before(view) => {
            let url = key_url(&slug, &view);
            draw(
                me.htmx,
                200,
                &AlreadyCreatedPage {
                    chrome,
                    name: view.key.name.clone(),
                    rotated: false,
                    list_url: list_url(&slug),
                    rotate_url: view.may_rotate.then(|| format!("{url}/rotate")),
                    revoke_url: view.may_revoke.then(|| format!("{url}/revoke")),
                    key_url: url,
                },
            )
        }
    }
}

/// A form's nonce, if it has a sane one.
pub(crate) fn once_by(nonce: &str, scope: String) -> Option<Once> {
    let is_good = (1..=64).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_good.then(|| Once { scope, token: nonce.to_owned(), body_hash: String::new() })
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    form: CreateForm,
    (status, mut errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let (found, account) = find(state, me, slug).await?;
    let rules = &state.rules;
    // The action knows one field, the page has two.
    if form.expires == "custom" {
        errors.fields.iter_mut().filter(|error| error.field == "expires").for_each(|error| error.field = "expires_on");
    }
    let refused = found.meter.blocked.as_ref().filter(|_| !errors.any()).map(ToString::to_string);
    let profiles = found.profiles.iter().enumerate().map(|(at, profile)| {
        let chosen = profile.id.as_str() == form.profile || (form.profile.is_empty() && at == 0);
        Choice::new(profile.id.as_str(), &profile.name, chosen)
    });
    let environments = rules.format.environments();
    let environments = environments.iter().enumerate().map(|(at, env)| {
        let chosen = *env == form.environment || (form.environment.is_empty() && at == 0);
        Choice::new(*env, env[..1].to_uppercase() + &env[1..], chosen)
    });
    let page = NewKeyPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        base: list_url(slug),
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce },
        acts_as: format!("This key acts as you ({}) in {}.", found.role, found.org.name),
        name: form.name,
        environments: if environments.len() > 1 { environments.collect() } else { Vec::new() },
        profiles: if found.profiles.len() > 1 { profiles.collect() } else { Vec::new() },
        expires: expiry_choices(rules, &form.expires, found.now),
        expires_on: form.expires_on,
        expires_min: found.now.plus(Span::days(1)).iso_day(),
        expires_max: rules.max_expiry.map(|max| found.now.plus(max).iso_day()).unwrap_or_default(),
        note: form.note,
        url_endpoints: rules.url_endpoints.join(", "),
        url_allowed: !form.url_allowed.is_empty(),
        plans_url: refused.is_some().then(|| format!("/orgs/{slug}/settings/plan")),
        refused,
        errors,
    };
    draw(me.htmx, status, &page)
}

fn expiry_choices(rules: &Rules, chosen: &str, now: Timestamp) -> Vec<Choice> {
    let fits = |span: Span| rules.max_expiry.is_none_or(|max| span <= max);
    let mut spans = [7, 30, 90, 365].map(Span::days).to_vec();
    // The operator's own lengths are choices too, whatever they are.
    spans.extend(rules.default_expiry.into_iter().chain(rules.max_expiry));
    spans.retain(|span| fits(*span));
    spans.sort_unstable();
    spans.dedup();
    let default = rules.default_expiry.filter(|span| fits(*span)).or(rules.max_expiry);
    let default = default.map_or("never".to_owned(), expiry_value);
    let chosen = if chosen.is_empty() { default.as_str() } else { chosen };
    let mut choices: Vec<Choice> = Vec::new();
    if rules.max_expiry.is_none() {
        choices.push(Choice::new("never", "Never", chosen == "never").hint("Rotate it yourself from time to time."));
    }
    for span in spans {
        let value = expiry_value(span);
        let is_chosen = value == chosen;
        let label = if value == "1y" { "1 year".to_owned() } else { span.human() };
        choices.push(Choice::new(value, label, is_chosen).hint(format!("Expires {}.", now.plus(span).day())));
    }
    choices.push(Choice::new("custom", "Custom date", chosen == "custom"));
    choices
}

/// A length as the form sends it: `1y`, `90d`, or seconds where it is no whole number of days.
fn expiry_value(span: Span) -> String {
    match span.as_seconds() {
        31_536_000 => "1y".to_owned(),
        seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        seconds => format!("{seconds}s"),
    }
}
