//! Removing a member: their keys are listed, and revoked or handed over (ruling 16).

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::keys::bulk::line;
use super::super::{SignedIn, draw, go, mendable};
use super::url;
use crate::actions::AppError;
use crate::actions::people::{self as deeds, KeysFate};
use crate::domain::ids::UserId;
use crate::web::views::members::RemoveMemberPage;
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoveForm {
    keys: String,
}

/// `GET …/members/{user}/remove`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders at a colleague.
pub async fn form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    let (slug, target) = path.into_inner();
    draw_form(&state, &me, &slug, UserId(target), false, (200, Errors::none())).await
}

/// `POST …/members/{user}/remove`.
///
/// # Errors
/// `NotFound`, or `Denied` where the rules say no.
pub async fn remove(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<RemoveForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, target) = path.into_inner();
    let target = UserId(target);
    let transfer = form.0.keys == "transfer";
    let done = {
        let target = target.clone();
        let act = me.act(&state, &slug, move |scope| {
            let fate = KeysFate::parse(&form.0.keys)?;
            let name = deeds::get_member(scope, &target)?.member.user.name;
            Ok((name, deeds::remove_member(scope, &target, fate)?))
        });
        act.await
    };
    match done {
        Ok(((name, keys), _)) => {
            let is_self = target == me.sign_in.user;
            let text = removed(&name, keys, transfer);
            let to = if is_self { "/orgs".to_owned() } else { url(&slug) };
            go(me.htmx, &me.session, Flash::done(text), &to)
        }
        Err(error) => draw_form(&state, &me, &slug, target, transfer, mendable(error)?).await,
    }
}

fn removed(name: &str, keys: usize, transfer: bool) -> String {
    let keys = match keys {
        0 => return format!("Removed {name}."),
        1 => "Their key".to_owned(),
        count => format!("Their {count} keys"),
    };
    if transfer {
        format!("Removed {name}. {keys} now act as you. Rotate what {name} may have copied.")
    } else {
        format!("Removed {name}. {keys} no longer work.")
    }
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    target: UserId,
    transfer: bool,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, move |scope| {
        let view = deeds::get_member(scope, &target)?;
        let (keys, refused) = match deeds::keys_of_member(scope, &target) {
            Ok(keys) => (keys, None),
            Err(error @ AppError::Denied(_)) if error.status() == 409 => (Vec::new(), Some(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok((view, keys, refused, scope.org.name.clone(), scope.now))
    });
    let ((view, keys, refused, organization, now), account) = look.await?;
    let page = RemoveMemberPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Members)?,
        url: format!("{}/{}/remove", url(slug), view.member.user.id),
        back_url: url(slug),
        name: view.member.user.name,
        organization,
        keys: keys.iter().map(|key| line(key, now)).collect(),
        transfer,
        refused,
        errors,
    };
    draw(me.htmx, status, &page)
}
