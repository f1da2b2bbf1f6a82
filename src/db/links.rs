//! Links that work once: setup, invitation, password reset. Only the SHA-256 of their token is stored.

use diesel::prelude::*;

use super::schema::one_time_links as links;
use super::{Conn, DbResult};
use crate::domain::ids::{LinkId, OrgId, UserId};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// The first owner of a new installation.
    Setup,
    /// Joining an organization.
    Invitation,
    /// Choosing a new password.
    Password,
}

impl LinkKind {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invitation => "invitation",
            Self::Password => "password",
        }
    }
}

/// A link without its token.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id, for withdrawing it.
    pub id: LinkId,
    /// The organization it leads into.
    pub org: Option<OrgId>,
    /// The person it is for, where that is known.
    pub user: Option<UserId>,
    /// The address it was made for, or empty.
    pub email: String,
    /// The role it gives.
    pub role: Option<Role>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
}

#[derive(Queryable)]
struct Row {
    id: String,
    _kind: String,
    _token_hash: String,
    org_id: Option<String>,
    user_id: Option<String>,
    email: String,
    role: String,
    created_by: Option<String>,
    created_at: i64,
    expires_at: i64,
    _used_at: Option<i64>,
    _withdrawn_at: Option<i64>,
}

impl From<Row> for Link {
    fn from(row: Row) -> Self {
        Self {
            id: LinkId(row.id),
            org: row.org_id.map(OrgId),
            user: row.user_id.map(UserId),
            email: row.email,
            role: row.role.parse().ok(),
            created_by: row.created_by.map(UserId),
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
        }
    }
}

/// Adds a link. `token_hash` is the SHA-256 of its token, hexadecimal.
pub fn insert_link(conn: &mut Conn, kind: LinkKind, link: &Link, token_hash: &str) -> DbResult<()> {
    diesel::insert_into(links::table)
        .values((
            links::id.eq(link.id.as_str()),
            links::kind.eq(kind.as_str()),
            links::token_hash.eq(token_hash),
            links::org_id.eq(link.org.as_ref().map(OrgId::as_str)),
            links::user_id.eq(link.user.as_ref().map(UserId::as_str)),
            links::email.eq(&link.email),
            links::role.eq(link.role.map_or("", Role::as_str)),
            links::created_by.eq(link.created_by.as_ref().map(UserId::as_str)),
            links::created_at.eq(link.created_at.as_micros()),
            links::expires_at.eq(link.expires_at.as_micros()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// A link that can still be used.
pub fn find_open_link(conn: &mut Conn, kind: LinkKind, token_hash: &str, now: Timestamp) -> DbResult<Option<Link>> {
    let row: Option<Row> = links::table
        .filter(links::kind.eq(kind.as_str()))
        .filter(links::token_hash.eq(token_hash))
        .filter(links::used_at.is_null())
        .filter(links::withdrawn_at.is_null())
        .filter(links::expires_at.gt(now.as_micros()))
        .first(conn)
        .optional()?;
    Ok(row.map(Link::from))
}

/// Uses a link up. Of many callers at once, one gets `true`.
pub fn mark_used(conn: &mut Conn, id: &LinkId, now: Timestamp) -> DbResult<bool> {
    let count = diesel::update(
        links::table
            .filter(links::id.eq(id.as_str()))
            .filter(links::used_at.is_null())
            .filter(links::withdrawn_at.is_null()),
    )
    .set(links::used_at.eq(now.as_micros()))
    .execute(conn)?;
    Ok(count == 1)
}

/// Takes an invitation back. Says whether it was still open.
pub fn mark_withdrawn(conn: &mut Conn, org: &OrgId, id: &LinkId, now: Timestamp) -> DbResult<bool> {
    let count = diesel::update(
        links::table
            .filter(links::id.eq(id.as_str()))
            .filter(links::org_id.eq(org.as_str()))
            .filter(links::used_at.is_null())
            .filter(links::withdrawn_at.is_null()),
    )
    .set(links::withdrawn_at.eq(now.as_micros()))
    .execute(conn)?;
    Ok(count == 1)
}

/// Takes back all open links of a kind, for instance when a newer one takes their place.
pub fn withdraw_all(conn: &mut Conn, kind: LinkKind, user: Option<&UserId>, now: Timestamp) -> DbResult<usize> {
    let open = links::table
        .filter(links::kind.eq(kind.as_str()))
        .filter(links::used_at.is_null())
        .filter(links::withdrawn_at.is_null());
    match user {
        Some(user) => diesel::update(open.filter(links::user_id.eq(user.as_str())))
            .set(links::withdrawn_at.eq(now.as_micros()))
            .execute(conn),
        None => diesel::update(open).set(links::withdrawn_at.eq(now.as_micros())).execute(conn),
    }
}

/// The invitations of an organization that still wait, the newest first.
pub fn list_open_invitations(conn: &mut Conn, org: &OrgId, now: Timestamp) -> DbResult<Vec<Link>> {
    let rows: Vec<Row> = links::table
        .filter(links::kind.eq(LinkKind::Invitation.as_str()))
        .filter(links::org_id.eq(org.as_str()))
        .filter(links::used_at.is_null())
        .filter(links::withdrawn_at.is_null())
        .filter(links::expires_at.gt(now.as_micros()))
        .order((links::created_at.desc(), links::id))
        .load(conn)?;
    Ok(rows.into_iter().map(Link::from).collect())
}
