//! Revoking one key: with what speaks for and against it, and its name to type while it is in use.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::{SignedIn, draw, go, mendable};
use super::{key_url, list_url, usage, use_of};
use crate::actions::AppError;
use crate::actions::keys::{self as deeds, KeyView, Point, RevokeInput};
use crate::domain::ids::KeyId;
use crate::domain::policy;
use crate::domain::time::{Span, Timestamp};
use crate::web::views::key::RevokePage;
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeForm {
    confirm_name: String,
    reason: String,
}

/// `GET …/{id}/revoke`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_form(&state, &me, &slug, KeyId(id), RevokeForm::default(), (200, Errors::none())).await
}

/// `POST …/{id}/revoke`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn revoke(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<RevokeForm>,
) -> Result<HttpResponse, AppError> {
    let ((slug, id), form) = (path.into_inner(), form.0);
    let id = KeyId(id);
    let input = RevokeInput { confirm_name: Some(form.confirm_name.clone()), reason: form.reason.clone() };
    let done = {
        let id = id.clone();
        me.act(&state, &slug, move |scope| deeds::revoke_key(scope, &id, &input)).await
    };
    match done {
        Ok(((view, true), _)) => {
            let text = format!("Revoked “{}”. Requests with it get 401 from now on.", view.key.name);
            go(me.htmx, &me.session, Flash::done(text), &list_url(&slug))
        }
        Ok(((_, false), _)) => draw_form(&state, &me, &slug, id, form, (200, Errors::none())).await,
        Err(error) => draw_form(&state, &me, &slug, id, form, mendable(error)?).await,
    }
}

fn already(view: &KeyView) -> Option<String> {
    let revoked = view.key.revoked.as_ref()?;
    let by = view.revoked_by_name.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
    Some(format!("This key was already revoked{by}, {}.", revoked.at.human()))
}

/// “Used 4 min ago from 203.0.113.0/24 · 1,204 requests in 24 h”.
fn evidence(view: &KeyView, day: Option<i64>, now: Timestamp) -> String {
    match (&view.key.last_use, day.filter(|count| *count > 0)) {
        (None, None) => "Never used. Nothing should break.".to_owned(),
        (_, Some(count)) => format!("{} · {} in 24 h", use_of(view, now), usage::requests(count)),
        (Some(_), None) => format!("{}.", use_of(view, now)),
    }
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: KeyId,
    form: RevokeForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, move |scope| {
        let view = deeds::get_key(scope, &id)?;
        let day = usage::if_readable(deeds::key_stats(scope, &id, Span::hours(24)));
        Ok((view, day.map(|stats| Point::sum(&stats.series).requests()), scope.now))
    });
    let ((view, day, now), account) = look.await?;
    let url = key_url(slug, &view);
    let page = RevokePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        list_url: list_url(slug),
        url: format!("{url}/revoke"),
        name: view.key.name.clone(),
        evidence: evidence(&view, day, now),
        belongs_to: if view.is_own { String::new() } else { format!("This key belongs to {}.", view.owner_name) },
        ask_name: policy::is_in_use(&view.key, now),
        confirm_name: form.confirm_name,
        reason: form.reason,
        rotate_url: view.may_rotate.then(|| format!("{url}/rotate")),
        already: already(&view),
        key_url: url,
        errors,
    };
    draw(me.htmx, status, &page)
}
