//! Settings → Organization: its name, and leaving it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::bulk::line;
use super::keys::list::ask_an_owner;
use super::{SignedIn, draw, go, mendable, time};
use crate::actions::AppError;
use crate::actions::people as deeds;
use crate::domain::org::Member;
use crate::domain::policy;
use crate::web::views::orgs::{LeavePage, OrganizationPage};
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameForm {
    name: String,
}

/// A form without fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

fn url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/organization")
}

/// `GET /orgs/{org}/settings/organization`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn show(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_page(&state, &me, &slug, None, (200, Errors::none())).await
}

/// `POST /orgs/{org}/settings/organization`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for all but owners.
pub async fn rename(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<NameForm>,
) -> Result<HttpResponse, AppError> {
    let name = form.0.name.clone();
    match me.act(&state, &slug, move |scope| deeds::rename_org(scope, &name)).await {
        Ok((org, _)) => {
            let text = format!("The organization is called {} now.", org.name);
            go(me.htmx, &me.session, Flash::done(text), &url(&slug))
        }
        Err(error) => draw_page(&state, &me, &slug, Some(form.0.name), mendable(error)?).await,
    }
}

async fn draw_page(
    state: &State,
    me: &SignedIn,
    slug: &str,
    typed: Option<String>,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        let members = deeds::list_members(scope)?;
        let leave_refused = members.iter().find(|view| view.is_self).and_then(|view| view.stays.clone());
        let may_rename = policy::may_manage_organization(&scope.actor).is_ok();
        let members: Vec<Member> = members.into_iter().map(|view| view.member).collect();
        Ok((scope.org.clone(), may_rename, leave_refused, members, scope.now))
    });
    let ((org, may_rename, leave_refused, members, now), account) = look.await?;
    let url = url(slug);
    let page = OrganizationPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Organization)?,
        name: typed.unwrap_or(org.name),
        slug: org.slug,
        created: time(org.created_at, now),
        may_rename,
        ask: ask_an_owner(&members),
        leave_url: leave_refused.is_none().then(|| format!("{url}/leave")),
        leave_refused,
        url,
        errors,
    };
    draw(me.htmx, status, &page)
}

/// `GET …/organization/leave`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for the last owner.
pub async fn leave_form(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
) -> Result<HttpResponse, AppError> {
    draw_leave(&state, &me, &slug, (200, Errors::none())).await
}

/// `POST …/organization/leave`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn leave(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    match me.act(&state, &slug, |scope| Ok((deeds::leave(scope)?, scope.org.name.clone()))).await {
        Ok(((keys, name), _)) => {
            let text = match keys {
                0 => format!("You left {name}."),
                1 => format!("You left {name}. Your key there was revoked."),
                _ => format!("You left {name}. Your {keys} keys there were revoked."),
            };
            go(me.htmx, &me.session, Flash::done(text), "/orgs")
        }
        Err(error) => draw_leave(&state, &me, &slug, mendable(error)?).await,
    }
}

async fn draw_leave(
    state: &State,
    me: &SignedIn,
    slug: &str,
    (status, mut errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        let user = scope.actor.user.clone();
        let (keys, refused) = match deeds::keys_of_member(scope, &user) {
            Ok(keys) => (keys, None),
            Err(AppError::Denied(denied)) => (Vec::new(), Some(denied.to_string())),
            Err(error) => return Err(error),
        };
        Ok((scope.org.name.clone(), keys, refused, scope.now))
    });
    let ((organization, keys, refused, now), account) = look.await?;
    if !errors.any() {
        errors.banner = refused;
    }
    let page = LeavePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Organization)?,
        url: format!("{}/leave", url(slug)),
        back_url: url(slug),
        organization,
        keys: keys.iter().map(|key| line(key, now)).collect(),
        errors,
    };
    draw(me.htmx, status, &page)
}
