//! One key: what is known of it, and its name and note to edit.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::{SignedIn, deadline, draw, go, mendable, time};
use super::usage::{self, Range, RangeQuery};
use super::{hints_of, key_url, list_url, network_of, status_of};
use crate::actions::keys::{self as deeds, KeyUsage, KeyView, RotationTraffic};
use crate::actions::{AppError, OrgScope};
use crate::domain::ids::KeyId;
use crate::domain::key::KeyStatus;
use crate::domain::org::Role;
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::gate::limit::Limits;
use crate::web::views::key::{EditForm, KeyPage, LastUsed, RotationPage};
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, Query, State};

struct Found {
    view: KeyView,
    owner_role: Option<Role>,
    sees_all: bool,
    /// Nothing when it cannot be read.
    usage: Option<KeyUsage>,
    rotation: Option<RotationTraffic>,
    now: Timestamp,
}

/// `GET …/{id}`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn show(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    query: Query<RangeQuery>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_key(&state, &me, &slug, (KeyId(id), query.0.range()), None).await
}

/// `GET …/{id}/rotation`: the panel of a running rotation alone, which refreshes itself.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn rotation(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let look = me.look(&state, &slug, move |scope| {
        let id = KeyId(id);
        let view = deeds::get_key(scope, &id)?;
        let traffic = usage::if_readable(deeds::rotation_traffic(scope, &id)).flatten();
        Ok((view, traffic, scope.now))
    });
    let ((view, traffic, now), account) = look.await?;
    let page = RotationPage {
        chrome: me.chrome(&state, &account, Some(&slug), Nav::ApiKeys)?,
        list_url: list_url(&slug),
        key_url: key_url(&slug, &view),
        name: view.key.name.clone(),
        rotation: usage::rotation(&slug, &view, traffic, now),
    };
    draw(me.htmx, 200, &page)
}

/// Name and note as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditFields {
    name: Option<String>,
    note: Option<String>,
}

/// `POST …/{id}`.
///
/// # Errors
/// `NotFound`, or `Denied` for a colleague's key.
pub async fn edit(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<EditFields>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (id, typed) = (KeyId(id), form.0.clone());
    let done = {
        let id = id.clone();
        me.act(&state, &slug, move |scope| deeds::edit_key(scope, &id, typed.name.as_deref(), typed.note.as_deref()))
            .await
    };
    match done {
        Ok((view, _)) => {
            let text = format!("Saved “{}”.", view.key.name);
            go(me.htmx, &me.session, Flash::done(text), &key_url(&slug, &view))
        }
        Err(error) => {
            let (status, errors) = mendable(error)?;
            draw_key(&state, &me, &slug, (id, Range::default()), Some((status, form.0, errors))).await
        }
    }
}

async fn draw_key(
    state: &State,
    me: &SignedIn,
    slug: &str,
    (id, range): (KeyId, Range),
    refused: Option<(u16, EditFields, Errors)>,
) -> Result<HttpResponse, AppError> {
    let (found, account) = me.look(state, slug, move |scope| find(scope, &id, range)).await?;
    let (view, now) = (&found.view, found.now);
    let (key, url) = (&view.key, key_url(slug, view));
    let by = match (view.is_own, found.sees_all) {
        (true, _) => "you".to_owned(),
        (false, true) => view.owner_name.clone(),
        (false, false) => String::new(),
    };
    let (status, typed, errors) = match refused {
        Some((status, typed, errors)) => (status, Some(typed), errors),
        None => (200, None, Errors::none()),
    };
    let headroom = match &found.usage {
        Some(_) => state.gate.headroom(&key.id).await,
        None => Limits::default(),
    };
    let chrome = me.chrome(state, &account, Some(slug), Nav::ApiKeys)?;
    let page = KeyPage {
        logs_url: chrome.may_see_logs.then(|| format!("/orgs/{slug}/logs?key={}", key.id)),
        chrome,
        list_url: list_url(slug),
        name: key.name.clone(),
        status: status_of(view),
        id: key.id.to_string(),
        preview: view.preview.clone(),
        last4: key.current.last4.clone(),
        environment: key.environment.clone(),
        profile: view.profile_name.clone(),
        created: time(key.created_at, now),
        created_by: by,
        acts_as: acts_as(&found),
        expires: key.expires_at.map(|at| deadline(at, now)),
        last_used: key.last_use.as_ref().map(|used| LastUsed {
            at: time(used.at, now),
            address: network_of(&used.address),
            client: used.client.clone(),
        }),
        note: key.note.clone(),
        in_urls: in_urls(key.url_allowed, &state.rules.url_endpoints),
        edit: view.may_edit.then(|| EditForm {
            name: typed.as_ref().and_then(|typed| typed.name.clone()).unwrap_or_else(|| key.name.clone()),
            note: typed.as_ref().and_then(|typed| typed.note.clone()).unwrap_or_else(|| key.note.clone()),
            errors,
        }),
        usage: found.usage.as_ref().map(|usage| usage::panel(state, slug, view, (usage, &headroom, range), now)),
        refused: usage::refused(view, found.usage.as_ref(), now),
        rotation: usage::rotation(slug, view, found.rotation, now),
        banner: banner(view, now),
        hints: hints_of(view, now),
        rotate_url: view.may_rotate.then(|| format!("{url}/rotate")),
        pause_url: (view.may_pause && view.status != KeyStatus::Paused).then(|| format!("{url}/pause")),
        resume_url: (view.may_pause && view.status == KeyStatus::Paused).then(|| format!("{url}/resume")),
        revoke_url: view.may_revoke.then(|| format!("{url}/revoke")),
        url,
    };
    draw(me.htmx, status, &page)
}

fn find(scope: &mut OrgScope<'_>, id: &KeyId, range: Range) -> Result<Found, AppError> {
    let view = deeds::get_key(scope, id)?;
    Ok(Found {
        owner_role: deeds::role_of(scope, &view.key)?,
        sees_all: policy::sees_all_keys(&scope.actor),
        usage: usage::if_readable(deeds::key_usage(scope, id, range.span())),
        rotation: usage::if_readable(deeds::rotation_traffic(scope, id)).flatten(),
        now: scope.now,
        view,
    })
}

fn acts_as(found: &Found) -> String {
    let name = if found.view.is_own { "you" } else { found.view.owner_name.as_str() };
    match found.owner_role {
        Some(role) => format!("Acts as {name} ({role})"),
        None => format!("{name} is no longer a member, so it is refused"),
    }
}

fn in_urls(allowed: bool, endpoints: &[String]) -> String {
    match (allowed, endpoints.is_empty()) {
        (false, _) => String::new(),
        (true, true) => "Yes, but no endpoint takes keys from URLs now".to_owned(),
        (true, false) => format!("Yes, at {}", endpoints.join(", ")),
    }
}

fn banner(view: &KeyView, now: Timestamp) -> Option<Flash> {
    match view.status {
        KeyStatus::Revoked => view.key.revoked.as_ref().map(|revoked| {
            let by = view.revoked_by_name.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
            let why = if revoked.reason.is_empty() { String::new() } else { format!(" Reason: {}.", revoked.reason) };
            Flash::error(format!("Revoked {}{by}. Requests with this key get 401.{why}", revoked.at.human()))
        }),
        KeyStatus::Expired => view.key.expires_at.map(|at| {
            Flash::warning(format!("Expired {} ({}). Requests with this key get 401.", at.human(), at.ago(now)))
        }),
        KeyStatus::Paused => view.key.paused_at.map(|at| {
            Flash::warning(format!("Paused {}. Requests with this key get 401 until it is resumed.", at.human()))
        }),
        KeyStatus::Active | KeyStatus::Rotating => None,
    }
}
