//! Rotating a key, and ending its old secret.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::{SignedIn, draw, go, mendable, time};
use super::create::once_by;
use super::{key_url, list_url, reveal, usage, use_of};
use crate::actions::keys::{self as deeds, Point};
use crate::actions::{AppError, random};
use crate::domain::ids::KeyId;
use crate::domain::key::{Grace, KeyStatus};
use crate::domain::time::Span;
use crate::web::views::key::{FinishRotationPage, RotatePage};
use crate::web::views::keys::AlreadyCreatedPage;
use crate::web::views::{Choice, Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was chosen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RotateForm {
    nonce: String,
    grace: String,
}

/// `GET …/{id}/rotate`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let form = RotateForm { nonce: random::nonce()?, grace: String::new() };
    draw_form(&state, &me, &slug, KeyId(id), form, (200, Errors::none())).await
}

/// `POST …/{id}/rotate`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn rotate(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<RotateForm>,
) -> Result<HttpResponse, AppError> {
    let ((slug, id), form) = (path.into_inner(), form.0);
    let id = KeyId(id);
    let grace = match Grace::parse(if form.grace.is_empty() { "24h" } else { &form.grace }) {
        Ok(grace) => grace,
        Err(text) => {
            let refused = mendable(AppError::field("grace", text))?;
            return draw_form(&state, &me, &slug, id, form, refused).await;
        }
    };
    let once = once_by(&form.nonce, format!("rotate {id} by {}", me.sign_in.user));
    let done = {
        let id = id.clone();
        me.act(&state, &slug, move |scope| deeds::rotate_key(scope, &id, grace, once.as_ref())).await
    };
    let (rotated, account) = match done {
        Ok(done) => done,
        Err(error) => return draw_form(&state, &me, &slug, id, form, mendable(error)?).await,
    };
    let chrome = me.chrome(&state, &account, Some(&slug), Nav::ApiKeys)?;
    let view = &rotated.view;
    let Some(secret) = rotated.secret else {
        let url = key_url(&slug, view);
        let page = AlreadyCreatedPage {
            chrome,
            name: view.key.name.clone(),
            rotated: true,
            list_url: list_url(&slug),
            rotate_url: view.may_rotate.then(|| format!("{url}/rotate")),
            revoke_url: view.may_revoke.then(|| format!("{url}/revoke")),
            key_url: url,
        };
        return draw(me.htmx, 200, &page);
    };
    let words = match rotated.previous_valid_until {
        Some(until) => format!("Both secrets work until {}.", until.human()),
        None => "The old secret stopped working.".to_owned(),
    };
    draw(me.htmx, 200, &reveal(&state, &slug, view, secret.reveal(), words, chrome))
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: KeyId,
    form: RotateForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, move |scope| {
        let view = deeds::get_key(scope, &id)?;
        let hour = usage::if_readable(deeds::key_stats(scope, &id, Span::hours(1)));
        Ok((view, hour.map(|stats| Point::sum(&stats.series).requests()), scope.now))
    });
    let ((view, in_hour, now), account) = look.await?;
    let is_rotating = view.key.secret_in_grace(now).is_some();
    let refused = match view.status {
        KeyStatus::Revoked => Some("This key was revoked. Create a new one instead.".to_owned()),
        KeyStatus::Expired => Some("This key has expired. Create a new one instead.".to_owned()),
        KeyStatus::Active | KeyStatus::Rotating | KeyStatus::Paused if !view.is_own => Some(format!(
            "Its new secret would act as {name}, so only {name} can rotate it. You can revoke it instead.",
            name = view.owner_name
        )),
        KeyStatus::Active | KeyStatus::Rotating | KeyStatus::Paused => None,
    };
    let chosen = match (form.grace.as_str(), is_rotating) {
        ("", true) => "now",
        ("", false) => "24h",
        (grace, _) => grace,
    };
    let graces = [("24h", "24 hours"), ("1h", "1 hour"), ("7d", "7 days"), ("now", "Stop it now")];
    let graces = graces.iter().filter(|(value, _)| *value == "now" || !is_rotating).map(|(value, label)| {
        let choice = Choice::new(*value, *label, *value == chosen);
        if *value == "now" {
            choice.hint("If it leaked. Requests with the old secret get 401 at once.")
        } else {
            choice
        }
    });
    let url = key_url(slug, &view);
    let page = RotatePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        list_url: list_url(slug),
        url: format!("{url}/rotate"),
        key_url: url,
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce },
        name: view.key.name.clone(),
        last4: view.key.current.last4.clone(),
        graces: graces.collect(),
        evidence: usage::in_use_now(&view, in_hour.unwrap_or_default(), now)
            .unwrap_or_else(|| format!("{}.", use_of(&view, now))),
        is_rotating,
        refused,
        errors,
    };
    draw(me.htmx, status, &page)
}

/// `GET …/{id}/rotate/finish`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn finish_form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_finish(&state, &me, &slug, KeyId(id), (200, Errors::none())).await
}

/// `POST …/{id}/rotate/finish`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn finish(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let id = KeyId(id);
    let done = {
        let id = id.clone();
        me.act(&state, &slug, move |scope| deeds::finish_rotation(scope, &id)).await
    };
    match done {
        Ok((view, _)) => {
            let text = format!("The old secret of “{}” stopped working.", view.key.name);
            go(me.htmx, &me.session, Flash::done(text), &key_url(&slug, &view))
        }
        Err(error) => draw_finish(&state, &me, &slug, id, mendable(error)?).await,
    }
}

async fn draw_finish(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: KeyId,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, move |scope| {
        let view = deeds::get_key(scope, &id)?;
        Ok((view, usage::if_readable(deeds::rotation_traffic(scope, &id)).flatten(), scope.now))
    });
    let ((view, traffic, now), account) = look.await?;
    let old = view.key.secret_in_grace(now);
    let mut evidence = match old.map(|old| old.last_used_at) {
        Some(Some(at)) => format!("The old secret was last used {}.", time(at, now).text.to_lowercase()),
        Some(None) => "The old secret has not been used since use is counted.".to_owned(),
        None => String::new(),
    };
    if let Some(traffic) = traffic {
        evidence += &format!(" {} with it in the last hour.", usage::requests(traffic.previous_in_hour));
    }
    let url = key_url(slug, &view);
    let page = FinishRotationPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        list_url: list_url(slug),
        url: format!("{url}/rotate/finish"),
        key_url: url,
        name: view.key.name.clone(),
        old_last4: old.map(|old| old.last4.clone()).unwrap_or_default(),
        evidence,
        refused: (!view.may_finish).then(|| "No old secret is in use for this key.".to_owned()),
        errors,
    };
    draw(me.htmx, status, &page)
}
