//! Settings → Profiles.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::create::once_by;
use super::keys::list_url;
use super::{SignedIn, draw, go, mendable, time};
use crate::actions::people as deeds;
use crate::actions::{AppError, random};
use crate::domain::ids::ProfileId;
use crate::domain::policy;
use crate::web::views::orgs::{ProfilePage, ProfileRow, ProfilesPage};
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileForm {
    name: String,
    nonce: String,
}

fn url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/profiles")
}

/// `GET /orgs/{org}/settings/profiles`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn list(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_list(&state, &me, &slug, ProfileForm::default(), (200, Errors::none())).await
}

/// `POST /orgs/{org}/settings/profiles`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn create(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<ProfileForm>,
) -> Result<HttpResponse, AppError> {
    let (name, scope) = (form.0.name.clone(), format!("profile in {slug} by {}", me.sign_in.user));
    let once = once_by(&form.0.nonce, scope);
    match me.act(&state, &slug, move |scope| deeds::create_profile(scope, &name, once.as_ref())).await {
        Ok((profile, _)) => go(me.htmx, &me.session, Flash::done(format!("Created “{}”.", profile.name)), &url(&slug)),
        Err(error) => draw_list(&state, &me, &slug, form.0, mendable(error)?).await,
    }
}

async fn draw_list(
    state: &State,
    me: &SignedIn,
    slug: &str,
    form: ProfileForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        let may_edit = policy::may_manage_profiles(&scope.actor).is_ok();
        Ok((deeds::list_profiles(scope)?, may_edit, scope.now))
    });
    let ((profiles, may_edit, now), account) = look.await?;
    let rows = profiles.into_iter().map(|(profile, keys)| ProfileRow {
        keys: if keys == 1 { "1 active key".to_owned() } else { format!("{keys} active keys") },
        keys_url: format!("{}?profile={}", list_url(slug), profile.id),
        created: time(profile.created_at, now),
        rename_url: may_edit.then(|| format!("{}/{}", url(slug), profile.id)),
        id: profile.id.to_string(),
        name: profile.name,
    });
    let page = ProfilesPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Profiles)?,
        url: url(slug),
        rows: rows.collect(),
        may_edit,
        name: form.name,
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce },
        errors,
    };
    draw(me.htmx, status, &page)
}

/// `GET …/profiles/{id}`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn rename_form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_rename(&state, &me, &slug, &id, None, (200, Errors::none())).await
}

/// `POST …/profiles/{id}`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn rename(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<ProfileForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (profile, name) = (ProfileId(id.clone()), form.0.name.clone());
    match me.act(&state, &slug, move |scope| deeds::rename_profile(scope, &profile, &name)).await {
        Ok((profile, _)) => {
            go(me.htmx, &me.session, Flash::done(format!("The profile is called “{}” now.", profile.name)), &url(&slug))
        }
        Err(error) => draw_rename(&state, &me, &slug, &id, Some(form.0.name), mendable(error)?).await,
    }
}

async fn draw_rename(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: &str,
    typed: Option<String>,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        policy::may_manage_profiles(&scope.actor)?;
        deeds::list_profiles(scope)
    });
    let (profiles, account) = look.await?;
    let (profile, _) = profiles.into_iter().find(|(profile, _)| profile.id.as_str() == id).ok_or(AppError::NotFound)?;
    let page = ProfilePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Profiles)?,
        url: format!("{}/{id}", url(slug)),
        back_url: url(slug),
        name: typed.unwrap_or_else(|| profile.name.clone()),
        old_name: profile.name,
        errors,
    };
    draw(me.htmx, status, &page)
}
