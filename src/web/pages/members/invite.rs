//! Inviting somebody: the form, and the one answer that shows the link.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::keys::create::once_by;
use super::super::{SignedIn, deadline, draw, go, mendable};
use super::{label, url};
use crate::actions::people as deeds;
use crate::actions::{AppError, random};
use crate::domain::org::Role;
use crate::domain::policy;
use crate::web::views::members::{InvitePage, InvitedPage};
use crate::web::views::{Choice, Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InviteForm {
    email: String,
    role: String,
    nonce: String,
}

/// `GET …/members/invite`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn form(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_form(&state, &me, &slug, InviteForm::default(), (200, Errors::none())).await
}

/// `POST …/members/invite`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn invite(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<InviteForm>,
) -> Result<HttpResponse, AppError> {
    let (email, role) = (form.0.email.clone(), form.0.role.clone());
    let once = once_by(&form.0.nonce, format!("invite to {slug} by {}", me.sign_in.user));
    let act = me.act(&state, &slug, move |scope| Ok((deeds::invite(scope, &email, &role, once.as_ref())?, scope.now)));
    let ((made, now), account) = match act.await {
        Ok(done) => done,
        Err(error) => return draw_form(&state, &me, &slug, form.0, mendable(error)?).await,
    };
    let Some((invitation, token)) = made else {
        let text = "This form was sent before. The link was shown then, once; invite again for a new one.";
        return go(me.htmx, &me.session, Flash::note(text), &url(&slug));
    };
    let page = InvitedPage {
        chrome: me.chrome(&state, &account, Some(&slug), Nav::Members)?,
        back_url: url(&slug),
        role: label(invitation.role).to_owned(),
        link: format!("{}/join#{}", state.config.public_url, token.reveal()),
        expires: deadline(invitation.expires_at, now),
        email: invitation.email,
    };
    let mut res = draw(me.htmx, 200, &page)?;
    // Compressed beside text that the sender chose, the link could be guessed from the length (BREACH).
    res.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("identity"));
    Ok(res)
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    form: InviteForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        policy::may_invite(&scope.actor, Role::Builder)?;
        let roles = Role::ALL.into_iter().filter(|role| policy::may_invite(&scope.actor, *role).is_ok());
        Ok(roles.collect::<Vec<_>>())
    });
    let (roles, account) = look.await?;
    let chosen = if form.role.is_empty() { Role::Builder.as_str() } else { &form.role };
    let choice = |role: Role| Choice::new(role.as_str(), label(role), role.as_str() == chosen).hint(role.meaning());
    let page = InvitePage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Members)?,
        url: format!("{}/invite", url(slug)),
        back_url: url(slug),
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce.clone() },
        roles: roles.into_iter().map(choice).collect(),
        email: form.email,
        errors,
    };
    draw(me.htmx, status, &page)
}
