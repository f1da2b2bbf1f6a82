//! All organizations of the reader: switching between them, founding another.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::create::once_by;
use super::keys::list_url;
use super::{SignedIn, draw, go, mendable, see_other};
use crate::actions::people as deeds;
use crate::actions::{AppError, random};
use crate::domain::org::Role;
use crate::domain::policy;
use crate::web::views::orgs::{OrgRow, OrgsPage};
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// Either `switch` to an organization of the reader, or found the one named `organization`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrgsForm {
    switch: Option<String>,
    organization: String,
    nonce: String,
}

impl OrgsForm {
    /// The slug to switch to: the button's own value, or the field beside a button that only says so.
    fn wanted(&self) -> Option<&str> {
        let switch = self.switch.as_deref()?;
        Some(if self.organization.is_empty() { switch } else { &self.organization })
    }
}

/// `GET /orgs`.
///
/// # Errors
/// `SignIn` without a session.
pub async fn list(state: web::Data<State>, me: SignedIn) -> Result<HttpResponse, AppError> {
    draw_list(&state, &me, OrgsForm::default(), (200, Errors::none())).await
}

/// `POST /orgs`.
///
/// # Errors
/// `NotFound` for an organization that the reader does not belong to.
pub async fn post(state: web::Data<State>, me: SignedIn, form: Form<OrgsForm>) -> Result<HttpResponse, AppError> {
    if let Some(slug) = form.0.wanted() {
        let account = me.account(&state).await?;
        if !account.orgs.iter().any(|(org, _)| org.slug == slug) {
            return Err(AppError::NotFound);
        }
        me.session.set_active_org(slug)?;
        return Ok(see_other(me.htmx, &list_url(slug)));
    }
    let (who, name) = (me.who(), form.0.organization.clone());
    let once = once_by(&form.0.nonce, format!("organization by {}", me.sign_in.user));
    let create =
        state.run(me.origin.clone(), move |conn, ctx| deeds::create_org(conn, ctx, &who, &name, once.as_ref()));
    match create.await {
        Ok(org) => {
            me.session.set_active_org(&org.slug)?;
            go(me.htmx, &me.session, Flash::done(format!("Created {}.", org.name)), &list_url(&org.slug))
        }
        Err(error) => draw_list(&state, &me, form.0, mendable(error)?).await,
    }
}

async fn draw_list(
    state: &State,
    me: &SignedIn,
    form: OrgsForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let who = me.who();
    let account = me.account(state).await?;
    let orgs = state.run(me.origin.clone(), move |conn, ctx| deeds::list_orgs(conn, ctx, &who)).await?;
    let active = me.session.active_org();
    let row = |view: &deeds::OrgView| OrgRow {
        name: view.org.name.clone(),
        slug: view.org.slug.clone(),
        role: view.role.to_string(),
        plan: view.plan_name.clone(),
        members: if view.members == 1 { "1 member".to_owned() } else { format!("{} members", view.members) },
        is_current: active.as_ref() == Some(&view.org.slug),
    };
    let owned = orgs.iter().filter(|view| view.role == Role::Owner).count();
    let owned = u32::try_from(owned).unwrap_or(u32::MAX);
    let page = OrgsPage {
        chrome: me.chrome(state, &account, None, Nav::Orgs)?,
        rows: orgs.iter().map(row).collect(),
        may_create: policy::may_create_organization(owned).is_ok(),
        organization: form.organization,
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce },
        errors,
    };
    draw(me.htmx, status, &page)
}
