//! Organizations, their members and profiles.

use std::collections::HashSet;

use diesel::prelude::*;

use super::changes::{Change, note};
use super::conn::{on_each, prepared};
use super::schema::{memberships, orgs, profiles, users};
use super::users::{PERSON, PersonRow};
use super::{Conn, DbResult};
use crate::domain::ids::{OrgId, ProfileId, UserId};
use crate::domain::org::{Member, Org, Profile, Role, User};
use crate::domain::time::Timestamp;

#[derive(Queryable)]
struct OrgRow {
    id: String,
    slug: String,
    name: String,
    plan: String,
    created_at: i64,
    _lock_seq: i64,
}

impl From<OrgRow> for Org {
    fn from(row: OrgRow) -> Self {
        Self {
            id: OrgId(row.id),
            slug: row.slug,
            name: row.name,
            plan: row.plan,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

#[derive(Queryable)]
struct MembershipRow {
    org_id: String,
    _user_id: String,
    role: String,
    joined_at: i64,
}

fn member((user, membership): (PersonRow, MembershipRow)) -> DbResult<Member> {
    Ok(Member {
        org: OrgId(membership.org_id),
        user: user.into(),
        role: read_role(&membership.role)?,
        joined_at: Timestamp::from_micros(membership.joined_at),
    })
}

/// A role that the table's CHECK would not have let in is a broken database, not a smaller right.
fn read_role(text: &str) -> DbResult<Role> {
    text.parse().map_err(|error: String| diesel::result::Error::DeserializationError(error.into()))
}

/// Takes the organization's write lock and gives the organization: the first statement of every transaction that
/// changes anything in it. On PostgreSQL the row lock, on SQLite the write lock that the transaction holds already.
///
/// # Errors
/// `NotFound` when there is none.
pub fn lock_org(conn: &mut Conn, slug: &str) -> DbResult<Org> {
    let lock = diesel::update(orgs::table.filter(orgs::slug.eq(slug))).set(orgs::lock_seq.eq(orgs::lock_seq + 1));
    let lock = lock.returning(orgs::all_columns);
    Ok(on_each!(conn, conn => prepared!(lock).get_result::<OrgRow>(conn))?.into())
}

/// Takes the write lock of an organization by its id, as [`lock_org`] does by its slug.
///
/// # Errors
/// `NotFound` when there is none.
pub fn lock_org_by_id(conn: &mut Conn, id: &OrgId) -> DbResult<Org> {
    let lock = diesel::update(orgs::table.find(id.as_str())).set(orgs::lock_seq.eq(orgs::lock_seq + 1));
    let lock = lock.returning(orgs::all_columns);
    Ok(on_each!(conn, conn => prepared!(lock).get_result::<OrgRow>(conn))?.into())
}

/// Adds an organization.
///
/// # Errors
/// `UniqueViolation` when the slug is taken.
pub fn insert_org(conn: &mut Conn, org: &Org) -> DbResult<()> {
    diesel::insert_into(orgs::table)
        .values((
            orgs::id.eq(org.id.as_str()),
            orgs::slug.eq(&org.slug),
            orgs::name.eq(&org.name),
            orgs::plan.eq(&org.plan),
            orgs::created_at.eq(org.created_at.as_micros()),
        ))
        .execute(conn)?;
    note(Change::Org(org.id.clone()))
}

/// An organization by its slug.
pub fn find_org(conn: &mut Conn, slug: &str) -> DbResult<Option<Org>> {
    let row = on_each!(conn, conn => prepared!(orgs::table.filter(orgs::slug.eq(slug))).get_result::<OrgRow>(conn));
    Ok(row.optional()?.map(Org::from))
}

/// An organization by its id.
pub fn find_org_by_id(conn: &mut Conn, id: &OrgId) -> DbResult<Option<Org>> {
    let row: Option<OrgRow> = orgs::table.find(id.as_str()).first(conn).optional()?;
    Ok(row.map(Org::from))
}

/// All organizations, for the operator.
pub fn list_all_orgs(conn: &mut Conn) -> DbResult<Vec<Org>> {
    let rows: Vec<OrgRow> = orgs::table.order(orgs::slug).load(conn)?;
    Ok(rows.into_iter().map(Org::from).collect())
}

/// The organizations a person belongs to, by name, with their role in each.
pub fn list_orgs_of(conn: &mut Conn, user: &UserId) -> DbResult<Vec<(Org, Role)>> {
    let rows: Vec<(OrgRow, String)> = orgs::table
        .inner_join(memberships::table)
        .filter(memberships::user_id.eq(user.as_str()))
        .order((orgs::name, orgs::slug))
        .select((orgs::all_columns, memberships::role))
        .load(conn)?;
    rows.into_iter().map(|(org, role)| Ok((org.into(), read_role(&role)?))).collect()
}

/// A place of a person: an organization they belong to, what they are there and since when.
#[derive(Debug, Clone)]
pub struct Place {
    /// The organization.
    pub org: Org,
    /// What they may do in it.
    pub role: Role,
    /// When they joined.
    pub joined_at: Timestamp,
}

/// A person with all their places, by the name of the organization.
pub fn find_person(conn: &mut Conn, user: &UserId) -> DbResult<Option<(User, Vec<Place>)>> {
    let query = users::table
        .left_join(memberships::table.on(memberships::user_id.eq(users::id)))
        .left_join(orgs::table.on(memberships::org_id.eq(orgs::id)))
        .filter(users::id.eq(user.as_str()))
        .order((orgs::name, orgs::slug))
        .select((PERSON, orgs::all_columns.nullable(), (memberships::role, memberships::joined_at).nullable()));
    let rows =
        on_each!(conn, conn => prepared!(query).load::<(PersonRow, Option<OrgRow>, Option<(String, i64)>)>(conn))?;
    let mut person = None;
    let mut places = Vec::with_capacity(rows.len());
    for (row, org, membership) in rows {
        person.get_or_insert_with(|| row.into());
        if let Some((org, (role, joined_at))) = org.zip(membership) {
            let (role, joined_at) = (read_role(&role)?, Timestamp::from_micros(joined_at));
            places.push(Place { org: org.into(), role, joined_at });
        }
    }
    Ok(person.map(|person| (person, places)))
}

/// Whether a slug is in use.
pub fn slug_exists(conn: &mut Conn, slug: &str) -> DbResult<bool> {
    diesel::select(diesel::dsl::exists(orgs::table.filter(orgs::slug.eq(slug)))).get_result(conn)
}

/// Puts another name in place.
pub fn update_org_name(conn: &mut Conn, org: &OrgId, name: &str) -> DbResult<()> {
    diesel::update(orgs::table.find(org.as_str())).set(orgs::name.eq(name)).execute(conn)?;
    note(Change::Org(org.clone()))
}

/// Puts another plan in place.
pub fn update_org_plan(conn: &mut Conn, org: &OrgId, plan: &str) -> DbResult<()> {
    diesel::update(orgs::table.find(org.as_str())).set(orgs::plan.eq(plan)).execute(conn)?;
    note(Change::Org(org.clone()))
}

/// Makes a person a member.
///
/// # Errors
/// `UniqueViolation` when they already are.
pub fn insert_member(conn: &mut Conn, org: &OrgId, user: &UserId, role: Role, now: Timestamp) -> DbResult<()> {
    diesel::insert_into(memberships::table)
        .values((
            memberships::org_id.eq(org.as_str()),
            memberships::user_id.eq(user.as_str()),
            memberships::role.eq(role.as_str()),
            memberships::joined_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    note(Change::Member(org.clone(), user.clone()))
}

/// A person as a member of an organization, if they are one.
pub fn find_member(conn: &mut Conn, org: &OrgId, user: &UserId) -> DbResult<Option<Member>> {
    let query = users::table
        .inner_join(memberships::table)
        .filter(memberships::org_id.eq(org.as_str()))
        .filter(memberships::user_id.eq(user.as_str()))
        .select((PERSON, memberships::all_columns));
    let row = on_each!(conn, conn => prepared!(query).get_result::<(PersonRow, MembershipRow)>(conn));
    row.optional()?.map(member).transpose()
}

/// Where these people are members, but for those whose account is shut.
pub fn list_places(conn: &mut Conn, users: &[&str]) -> DbResult<HashSet<(OrgId, UserId)>> {
    if users.is_empty() {
        return Ok(HashSet::new());
    }
    let found: Vec<(String, String)> = memberships::table
        .inner_join(users::table)
        .filter(memberships::user_id.eq_any(users))
        .filter(users::disabled_at.is_null())
        .select((memberships::org_id, memberships::user_id))
        .load(conn)?;
    Ok(found.into_iter().map(|(org, user)| (OrgId(org), UserId(user))).collect())
}

/// The members of an organization, by name.
pub fn list_members(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<Member>> {
    let query = users::table
        .inner_join(memberships::table)
        .filter(memberships::org_id.eq(org.as_str()))
        .order((users::name, users::id))
        .select((PERSON, memberships::all_columns));
    let rows = on_each!(conn, conn => prepared!(query).load::<(PersonRow, MembershipRow)>(conn))?;
    rows.into_iter().map(member).collect()
}

/// How many people belong to an organization.
pub fn count_members(conn: &mut Conn, org: &OrgId) -> DbResult<i64> {
    memberships::table.filter(memberships::org_id.eq(org.as_str())).count().get_result(conn)
}

/// How many owners an organization has. Disabled people do not count: they could not act.
pub fn count_owners(conn: &mut Conn, org: &OrgId) -> DbResult<u32> {
    let count: i64 = memberships::table
        .inner_join(users::table)
        .filter(memberships::org_id.eq(org.as_str()))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .filter(users::disabled_at.is_null())
        .count()
        .get_result(conn)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Gives a member another role.
pub fn update_role(conn: &mut Conn, org: &OrgId, user: &UserId, role: Role) -> DbResult<()> {
    diesel::update(memberships::table.find((org.as_str(), user.as_str())))
        .set(memberships::role.eq(role.as_str()))
        .execute(conn)?;
    note(Change::Member(org.clone(), user.clone()))
}

/// Ends a membership, and with it what the person asked for.
pub fn delete_member(conn: &mut Conn, org: &OrgId, user: &UserId) -> DbResult<()> {
    super::plan_requests::delete_request(conn, org, user)?;
    diesel::delete(memberships::table.find((org.as_str(), user.as_str()))).execute(conn)?;
    note(Change::Member(org.clone(), user.clone()))
}

#[derive(Queryable)]
struct ProfileRow {
    id: String,
    org_id: String,
    name: String,
    created_at: i64,
}

impl From<ProfileRow> for Profile {
    fn from(row: ProfileRow) -> Self {
        Self {
            id: ProfileId(row.id),
            org: OrgId(row.org_id),
            name: row.name,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

/// Adds a profile.
///
/// # Errors
/// `UniqueViolation` when the organization has one of that name.
pub fn insert_profile(conn: &mut Conn, profile: &Profile) -> DbResult<()> {
    diesel::insert_into(profiles::table)
        .values((
            profiles::id.eq(profile.id.as_str()),
            profiles::org_id.eq(profile.org.as_str()),
            profiles::name.eq(&profile.name),
            profiles::created_at.eq(profile.created_at.as_micros()),
        ))
        .execute(conn)?;
    note(Change::Profile(profile.id.clone()))
}

/// A profile of this organization.
pub fn find_profile(conn: &mut Conn, org: &OrgId, id: &ProfileId) -> DbResult<Option<Profile>> {
    let row: Option<ProfileRow> =
        profiles::table.filter(profiles::org_id.eq(org.as_str())).find(id.as_str()).first(conn).optional()?;
    Ok(row.map(Profile::from))
}

/// The profiles of an organization, the oldest first.
pub fn list_profiles(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<Profile>> {
    let query = profiles::table.filter(profiles::org_id.eq(org.as_str())).order((profiles::created_at, profiles::id));
    let rows = on_each!(conn, conn => prepared!(query).load::<ProfileRow>(conn))?;
    Ok(rows.into_iter().map(Profile::from).collect())
}

/// Puts another name in place.
///
/// # Errors
/// `UniqueViolation` when the organization has one of that name.
pub fn update_profile_name(conn: &mut Conn, org: &OrgId, id: &ProfileId, name: &str) -> DbResult<()> {
    diesel::update(profiles::table.filter(profiles::org_id.eq(org.as_str())).filter(profiles::id.eq(id.as_str())))
        .set(profiles::name.eq(name))
        .execute(conn)?;
    note(Change::Profile(id.clone()))
}
