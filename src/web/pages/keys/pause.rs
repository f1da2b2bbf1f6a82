//! Letting a key rest, and letting it work again.

use actix_web::{HttpResponse, web};

use super::super::{SignedIn, draw, go, mendable};
use super::{key_url, list_url, usage, use_of};
use crate::actions::AppError;
use crate::actions::keys as deeds;
use crate::domain::ids::KeyId;
use crate::domain::key::KeyStatus;
use crate::domain::time::Span;
use crate::web::State;
use crate::web::views::key::PausePage;
use crate::web::views::{Errors, Flash, Nav};

/// `GET …/{id}/pause`, and `GET …/{id}/resume` where `PAUSES` is false.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn form<const PAUSES: bool>(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_form(&state, &me, (&slug, KeyId(id)), PAUSES, (200, Errors::none())).await
}

/// `POST …/{id}/pause`, and `POST …/{id}/resume` where `PAUSES` is false.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn rest<const PAUSES: bool>(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let asked = KeyId(id.clone());
    let deed = if PAUSES { deeds::pause_key } else { deeds::resume_key };
    match me.act(&state, &slug, move |scope| deed(scope, &asked)).await {
        Ok(((view, _), _)) => {
            let name = &view.key.name;
            let text = match PAUSES {
                true => format!("Paused “{name}”. Requests with it get 401 until it is resumed."),
                false => format!("Resumed “{name}”. Requests with it are let in again."),
            };
            go(me.htmx, &me.session, Flash::done(text), &key_url(&slug, &view))
        }
        Err(error) => draw_form(&state, &me, (&slug, KeyId(id)), PAUSES, mendable(error)?).await,
    }
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    (slug, id): (&str, KeyId),
    pauses: bool,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, move |scope| {
        let view = deeds::get_key(scope, &id)?;
        let hour = usage::if_readable(deeds::key_stats(scope, &id, Span::hours(1)));
        Ok((view, hour.map(|stats| deeds::Point::sum(&stats.series).requests()), scope.now))
    });
    let ((view, in_hour, now), account) = look.await?;
    let refused = match (view.status, pauses) {
        (KeyStatus::Revoked, _) => Some("This key was revoked. Nothing brings it back."),
        (KeyStatus::Expired, _) => Some("This key has expired. Create a new one instead."),
        (KeyStatus::Paused, true) => Some("This key is paused already."),
        (KeyStatus::Active | KeyStatus::Rotating, false) => Some("This key is not paused."),
        (KeyStatus::Paused, false) | (KeyStatus::Active | KeyStatus::Rotating, true) => None,
    };
    let url = key_url(slug, &view);
    let page = PausePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        list_url: list_url(slug),
        url: format!("{url}/{}", if pauses { "pause" } else { "resume" }),
        key_url: url,
        name: view.key.name.clone(),
        pauses,
        evidence: usage::in_use_now(&view, in_hour.unwrap_or_default(), now)
            .unwrap_or_else(|| format!("{}.", use_of(&view, now))),
        belongs_to: if view.is_own { String::new() } else { format!("This key belongs to {}.", view.owner_name) },
        refused: refused.map(str::to_owned),
        errors,
    };
    draw(me.htmx, status, &page)
}
