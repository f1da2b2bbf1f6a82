//! Invitations: a link for one address into one organization, which works once and for 72 hours, also where strangers
//! cannot sign up. Whoever opens it joins as a new person, or as the person who has that address already.

use serde_json::{Value, json};

use super::setup::add_user;
use super::sign_in::{Arrival, note_sign_in};
use super::{done_before, note_done};
use crate::actions::keys::Once;
use crate::actions::password::{HashedPassword, Password};
use crate::actions::random::{self, Token};
use crate::actions::{AppError, Ctx, FieldErrors, OrgScope};
use crate::db::links::{Link, LinkKind};
use crate::db::{self, Conn};
use crate::domain::ids::{LinkId, UserId};
use crate::domain::names::{Name, parse_email, parse_role};
use crate::domain::org::{Org, Role};
use crate::domain::policy::{self, Actor};
use crate::domain::time::{Span, Timestamp};
use crate::domain::token::{KeyFormat, SecretHash};

/// How long an invitation works.
const INVITATION_LIFE: Span = Span::hours(72);
const LINK_GONE: &str = "This invitation was used, taken back or is too old. Ask for a new one.";

/// An invitation as those who may invite see it, and as its holder does.
#[derive(Debug)]
pub struct Invitation {
    /// Its id, for taking it back.
    pub id: LinkId,
    /// The name of the organization.
    pub org_name: String,
    /// Whom it is for.
    pub email: String,
    /// The role it gives.
    pub role: Role,
    /// Who made it, by name.
    pub invited_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// Whether somebody has an account with this address. Only its holder is told.
    pub has_account: bool,
    /// Whether the caller may take it back.
    pub may_withdraw: bool,
}

/// A new person who was invited, read and found good.
#[derive(Debug)]
pub struct InvitedPerson {
    name: Name,
    /// To be hashed by the caller, outside any transaction.
    pub password: Password,
}

impl InvitedPerson {
    /// The password, to be hashed by the caller outside any transaction.
    #[must_use]
    pub fn take_password(&mut self) -> Password {
        std::mem::take(&mut self.password)
    }
}

/// Invites an address; an open invitation of the same address is replaced. The token is for this one answer; a form
/// sent twice invites once, and gets nothing the second time.
///
/// # Errors
/// Not allowed, or mistakes in `email` and `role`.
pub fn invite(
    scope: &mut OrgScope<'_>,
    email: &str,
    role: &str,
    once: Option<&Once>,
) -> Result<Option<(Invitation, Token)>, AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_invite(&scope.actor, Role::Builder)?;
    if done_before(scope.conn, once)?.is_some() {
        return Ok(None);
    }
    let mut errors = FieldErrors::new();
    let email = parse_email(email).map_err(|text| errors.push(("email", text)));
    let role = parse_role(role).map_err(|text| errors.push(("role", text)));
    let (Ok(email), Ok(role)) = (email, role) else { return Err(AppError::Invalid(errors)) };
    policy::may_invite(&scope.actor, role)?;
    let has_account = match db::users::find_user_by_email(scope.conn, &email)? {
        Some(user) if db::orgs::find_member(scope.conn, &scope.org.id, &user.id)?.is_some() => {
            let text = format!("{email} is a member of {} already.", scope.org.name);
            return Err(AppError::field("email", text));
        }
        found => found.is_some(),
    };
    withdraw_earlier(scope, &email)?;
    let token = Token::new("")?;
    let link = Link {
        id: LinkId(random::id("lnk")?),
        org: Some(scope.org.id.clone()),
        user: None,
        email,
        role: Some(role),
        created_by: Some(scope.actor.user.clone()),
        created_at: scope.now,
        expires_at: scope.now.plus(INVITATION_LIFE),
    };
    db::links::insert_link(scope.conn, LinkKind::Invitation, &link, &token.hash())?;
    note_done(scope.conn, once, link.id.as_str(), scope.now)?;
    let after = json!({"email": link.email, "role": role, "expires_at": link.expires_at});
    scope.audit("member.invited", (link.id.as_str(), &link.email), Value::Null, after)?;
    let invited_by = scope.member.user.name.clone();
    let invitation = Invitation { has_account, may_withdraw: true, ..view(&scope.org, link, role, invited_by) };
    Ok(Some((invitation, token)))
}

/// Takes back what still waits for this address, where the caller may.
fn withdraw_earlier(scope: &mut OrgScope<'_>, email: &str) -> Result<(), AppError> {
    let open = db::links::list_open_invitations(scope.conn, &scope.org.id, scope.now)?;
    for link in open.into_iter().filter(|link| link.email == email) {
        withdraw(scope, &link)?;
    }
    Ok(())
}

fn withdraw(scope: &mut OrgScope<'_>, link: &Link) -> Result<(), AppError> {
    policy::may_invite(&scope.actor, link.role.unwrap_or(Role::Owner))?;
    if !db::links::mark_withdrawn(scope.conn, &scope.org.id, &link.id, scope.now)? {
        return Err(AppError::NotFound);
    }
    let before = json!({"email": link.email, "role": link.role});
    scope.audit("member.invitation_withdrawn", (link.id.as_str(), &link.email), before, Value::Null)
}

fn view(org: &Org, link: Link, role: Role, invited_by: String) -> Invitation {
    Invitation {
        id: link.id,
        org_name: org.name.clone(),
        email: link.email,
        role,
        invited_by,
        created_at: link.created_at,
        expires_at: link.expires_at,
        has_account: false,
        may_withdraw: false,
    }
}

/// The invitations that still wait, the newest first; none for those who may not invite.
///
/// # Errors
/// The database's own failure.
pub fn open_invitations(scope: &mut OrgScope<'_>) -> Result<Vec<Invitation>, AppError> {
    if policy::may_invite(&scope.actor, Role::Builder).is_err() {
        return Ok(Vec::new());
    }
    let mut invitations = Vec::new();
    for link in db::links::list_open_invitations(scope.conn, &scope.org.id, scope.now)? {
        let Some(role) = link.role else { continue };
        let inviter = match &link.created_by {
            Some(id) => db::users::find_user(scope.conn, id)?,
            None => None,
        };
        let may_withdraw = policy::may_invite(&scope.actor, role).is_ok();
        let invited_by = inviter.map_or_else(String::new, |user| user.name);
        invitations.push(Invitation { may_withdraw, ..view(&scope.org, link, role, invited_by) });
    }
    Ok(invitations)
}

/// Takes an invitation back.
///
/// # Errors
/// Not allowed, or not found: also when it was used or taken back before.
pub fn withdraw_invitation(scope: &mut OrgScope<'_>, id: &LinkId) -> Result<(), AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_invite(&scope.actor, Role::Builder)?;
    let open = db::links::list_open_invitations(scope.conn, &scope.org.id, scope.now)?;
    let link = open.into_iter().find(|link| &link.id == id).ok_or(AppError::NotFound)?;
    withdraw(scope, &link)
}

/// What the holder of a link may know of it.
///
/// # Errors
/// A mistake in `token` when it does not work (any more).
pub fn look_at_invitation(conn: &mut Conn, ctx: Ctx<'_>, token: &str) -> Result<Invitation, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let (link, org, role, invited_by) = open(conn, token, now)?;
    let has_account = db::users::find_user_by_email(conn, &link.email)?.is_some();
    Ok(Invitation { has_account, ..view(&org, link, role, invited_by) })
}

fn gone() -> AppError {
    AppError::field("token", LINK_GONE)
}

/// An invitation that works: open, and made by somebody who could make it now. Whoever lost the right to invite took
/// their invitations with them, and could otherwise let themselves in again.
fn open(conn: &mut Conn, token: &str, now: Timestamp) -> Result<(Link, Org, Role, String), AppError> {
    let token_hash = SecretHash::of(token.trim()).to_hex();
    let link = db::links::find_open_link(conn, LinkKind::Invitation, &token_hash, now)?.ok_or_else(gone)?;
    let (Some(org), Some(role), Some(inviter)) = (&link.org, link.role, &link.created_by) else { return Err(gone()) };
    let inviter = db::orgs::find_member(conn, org, inviter)?.filter(|member| member.user.disabled_at.is_none());
    let inviter = inviter.ok_or_else(gone)?;
    let actor = Actor { user: inviter.user.id, role: inviter.role, by_key: false };
    policy::may_invite(&actor, role).map_err(|_| gone())?;
    let org = db::orgs::find_org_by_id(conn, org)?.ok_or_else(gone)?;
    Ok((link, org, role, inviter.user.name))
}

/// Uses an invitation up, in a transaction that holds the lock of its organization. Of many callers, one gets it.
fn take(conn: &mut Conn, token: &str, now: Timestamp) -> Result<(Link, Org, Role), AppError> {
    let (_, org, ..) = open(conn, token, now)?;
    let org = db::orgs::lock_org(conn, &org.slug)?;
    // Looked at again: somebody may have been quicker, or the inviter demoted, while we waited for the lock.
    let (link, _, role, _) = open(conn, token, now)?;
    if !db::links::mark_used(conn, &link.id, now)? {
        return Err(gone());
    }
    Ok((link, org, role))
}

fn join(conn: &mut Conn, ctx: Ctx<'_>, (link, org, role): (&Link, Org, Role), user: &UserId) -> Result<(), AppError> {
    let now = db::now(conn, ctx.clock)?;
    db::orgs::insert_member(conn, &org.id, user, role, now)?;
    let mut scope = OrgScope::enter_new(conn, ctx, org, user, format!("invitation {}", link.id))?;
    let name = scope.member.user.name.clone();
    let after = json!({"role": role, "email": link.email, "invited_by": link.created_by});
    scope.audit("member.joined", (user.as_str(), &name), Value::Null, after)
}

/// Reads what an invited person typed, all mistakes at once.
///
/// # Errors
/// A sentence per field.
pub fn read_invited_person(
    format: &KeyFormat,
    name: &str,
    email: &str,
    password: &str,
) -> Result<InvitedPerson, FieldErrors> {
    let mut errors = FieldErrors::new();
    let parsed = format.parse_name(name, "yourself").map_err(|text| errors.push(("name", text)));
    let password = Password::chosen(password, &[email, name]).map_err(|text| errors.push(("password", text)));
    match (parsed, password) {
        (Ok(name), Ok(password)) => Ok(InvitedPerson { name, password }),
        _ => Err(errors),
    }
}

/// Joins as a new person with the invited address.
///
/// # Errors
/// A mistake in `token` when it does not work, in `email` when somebody has the address already.
pub fn join_as_new_person(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    token: &str,
    person: &InvitedPerson,
    hash: &HashedPassword,
) -> Result<(Arrival, Org), AppError> {
    db::write(conn, |conn| {
        // First as everywhere: the installation, then the organization. The address must not be taken meanwhile.
        super::orgs::lock_installation(conn)?;
        let now = db::now(conn, ctx.clock)?;
        let (link, org, role) = take(conn, token, now)?;
        let user = add_user(conn, &link.email, &person.name, hash, now)?;
        join(conn, ctx, (&link, org.clone(), role), &user.id)?;
        let done = Arrival::new(user)?;
        note_sign_in(conn, &ctx, &done, "invitation")?;
        Ok((done, org))
    })
}

/// Joins as somebody who has an account, if the invitation is for their address.
///
/// # Errors
/// A mistake in `token` when it does not work or is for somebody else.
pub fn accept_invitation(conn: &mut Conn, ctx: Ctx<'_>, token: &str, user: &UserId) -> Result<Org, AppError> {
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        let user = db::users::find_user(conn, user)?.filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(AppError::SignIn)?;
        let (link, org, role) = take(conn, token, now)?;
        if link.email != user.email {
            let text = format!(
                "This invitation is for {}, and you are signed in as {}. Sign out and open the link again.",
                link.email, user.email
            );
            return Err(AppError::field("token", text));
        }
        if db::orgs::find_member(conn, &org.id, &user.id)?.is_some() {
            return Err(AppError::Conflict(format!("You are a member of {} already.", org.name)));
        }
        join(conn, ctx, (&link, org.clone(), role), &user.id)?;
        Ok(org)
    })
}
