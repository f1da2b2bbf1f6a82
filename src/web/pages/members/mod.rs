//! Settings → Members: who belongs to the organization, and as what.

pub mod invite;
pub mod remove;

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::list_url;
use super::organization::NoFields;
use super::{SignedIn, deadline, draw, go, see_other, time};
use crate::actions::AppError;
use crate::actions::people::{self as deeds, Invitation, MemberView};
use crate::domain::ids::{LinkId, UserId};
use crate::domain::org::Role;
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::web::views::members::{InvitationRow, MemberRow, MembersPage};
use crate::web::views::{Choice, Flash, Nav};
use crate::web::{Form, State};

/// What was chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleForm {
    role: String,
}

fn url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/members")
}

/// “Owner” for `owner`.
fn label(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Builder => "Builder",
    }
}

/// `GET /orgs/{org}/settings/members`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn list(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    let look = me.look(&state, &slug, |scope| {
        let sees_all = policy::sees_all_keys(&scope.actor);
        let may_invite = policy::may_invite(&scope.actor, Role::Builder).is_ok();
        Ok((deeds::list_members(scope)?, deeds::open_invitations(scope)?, sees_all, may_invite, scope.now))
    });
    let ((members, invitations, sees_all, may_invite, now), account) = look.await?;
    let page = MembersPage {
        chrome: me.chrome(&state, &account, Some(&slug), Nav::Members)?,
        rows: members.into_iter().map(|view| row(&slug, view, sees_all, now)).collect(),
        invitations: invitations.into_iter().map(|found| invitation_row(&slug, found, now)).collect(),
        invite_url: may_invite.then(|| format!("{}/invite", url(&slug))),
        roles: Role::ALL
            .into_iter()
            .map(|role| Choice::new(role.as_str(), label(role), false).hint(role.meaning()))
            .collect(),
    };
    draw(me.htmx, 200, &page)
}

fn row(slug: &str, view: MemberView, sees_all: bool, now: Timestamp) -> MemberRow {
    let (id, role) = (view.member.user.id.to_string(), view.member.role);
    let name = if view.member.user.disabled_at.is_some() {
        format!("{} (account disabled)", view.member.user.name)
    } else {
        view.member.user.name
    };
    let choice = |choice: Role| Choice::new(choice.as_str(), label(choice), choice == role).hint(choice.meaning());
    MemberRow {
        role_url: format!("{}/{id}/role", url(slug)),
        keys: if view.live_keys == 1 { "1 active key".to_owned() } else { format!("{} active keys", view.live_keys) },
        keys_url: (sees_all || view.is_self).then(|| format!("{}?owner={id}", list_url(slug))),
        joined: time(view.member.joined_at, now),
        // Oneself one does not remove but leaves, on the organization's page.
        remove_url: (view.stays.is_none() && !view.is_self).then(|| format!("{}/{id}/remove", url(slug))),
        role: label(role).to_owned(),
        roles: view.roles.into_iter().map(choice).collect(),
        // To a builder nothing is fixed in particular: they cannot change any role, and no form says they could.
        role_note: view.role_fixed.filter(|_| sees_all).unwrap_or_default(),
        is_you: view.is_self,
        email: view.member.user.email,
        name,
        id,
    }
}

fn invitation_row(slug: &str, found: Invitation, now: Timestamp) -> InvitationRow {
    InvitationRow {
        role: label(found.role).to_owned(),
        by: found.invited_by,
        expires: deadline(found.expires_at, now),
        is_expired: found.expires_at <= now,
        withdraw_url: found.may_withdraw.then(|| format!("{}/invitations/{}/withdraw", url(slug), found.id)),
        email: found.email,
    }
}

/// `GET …/members/{user}/role`: the form stands in the list.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn role_form(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, AppError> {
    // What stands in the path goes into a header only when it is an organization's slug.
    me.look(&state, &path.0, |_| Ok(())).await?;
    Ok(see_other(me.htmx, &url(&path.0)))
}

/// `POST …/members/{user}/role`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` where the rules say no.
pub async fn change_role(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    form: Form<RoleForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, target) = path.into_inner();
    let act = me.act(&state, &slug, move |scope| {
        let target = UserId(target);
        deeds::change_role(scope, &target, &form.0.role)?;
        // Whoever gave away their own admin role still has a page to see: a member's.
        deeds::get_member(scope, &target)
    });
    let (view, _) = act.await?;
    let text = format!("{} is {} now. Their keys follow at once.", view.member.user.name, article(view.member.role));
    go(me.htmx, &me.session, Flash::done(text), &url(&slug))
}

fn article(role: Role) -> &'static str {
    match role {
        Role::Owner => "an owner",
        Role::Admin => "an admin",
        Role::Builder => "a builder",
    }
}

/// `POST …/members/invitations/{id}/withdraw`.
///
/// # Errors
/// `NotFound` also when it was taken up or taken back before.
pub async fn withdraw(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String)>,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    me.act(&state, &slug, move |scope| deeds::withdraw_invitation(scope, &LinkId(id))).await?;
    go(me.htmx, &me.session, Flash::done("The invitation was taken back. Its link no longer works."), &url(&slug))
}
