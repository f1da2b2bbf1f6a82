//! What gives rights, read for the revocation journal and put back by a restore.

use std::collections::HashMap;

use diesel::prelude::*;

use super::changes::{Change, note};
use super::conn::{Both, on_each, one_of};
use super::schema::{api_keys, key_secrets, memberships, orgs, service_tokens, users};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId, UserId};
use crate::domain::rights::{KeyRight, Right, SecretRight};

/// Rows read at once.
const PIECE: i64 = 500;

type KeyColumns = (String, String, String, Option<i64>, Option<i64>, Option<String>, String);
type SecretColumns = (String, String, String, String, i64, Option<i64>);

macro_rules! key_columns {
    () => {
        (
            api_keys::id,
            api_keys::owner_id,
            api_keys::role_max,
            api_keys::paused_at,
            api_keys::revoked_at,
            api_keys::revoked_by,
            api_keys::revoke_reason,
        )
    };
}

fn with_secrets(conn: &mut Conn, rows: Vec<KeyColumns>) -> DbResult<Vec<Right>> {
    let ids: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let query = key_secrets::table
        .filter(one_of(key_secrets::key_id, ids))
        .order((key_secrets::created_at, key_secrets::id))
        .select((
            key_secrets::key_id,
            key_secrets::id,
            key_secrets::hash,
            key_secrets::last4,
            key_secrets::created_at,
            key_secrets::valid_until,
        ));
    let secrets: Vec<SecretColumns> = on_each!(conn, conn => query.load(conn))?;
    let mut by_key: HashMap<String, Vec<SecretRight>> = HashMap::with_capacity(rows.len());
    for (key, id, hash, last4, created_at, valid_until) in secrets {
        by_key.entry(key).or_default().push(SecretRight { id, hash, last4, created_at, valid_until });
    }
    Ok(rows
        .into_iter()
        .map(|(id, owner, role_max, paused_at, revoked_at, revoked_by, reason)| {
            let secrets = by_key.remove(&id).unwrap_or_default();
            let revoked = revoked_at.map(|at| (at, revoked_by, reason));
            Right::Key(KeyRight { id, owner, role_max, paused_at, revoked, secrets })
        })
        .collect())
}

/// The rights of the things that were changed, as they stand now; nothing when all are to be read.
pub fn list_changed_rights(conn: &mut Conn, changes: &[Change]) -> DbResult<Option<Vec<Right>>> {
    let mut rights = Vec::new();
    let mut keys = Vec::new();
    for change in changes {
        match change {
            Change::Key(id) => keys.push(id.as_str()),
            Change::Org(id) => {
                let plan = orgs::table.find(id.as_str()).select(orgs::plan).first(conn).optional()?;
                rights.extend(plan.map(|plan| Right::Org { id: id.to_string(), plan }));
            }
            Change::Member(org, user) => {
                let place = memberships::table.find((org.as_str(), user.as_str()));
                let role = place.select((memberships::role, memberships::joined_at)).first(conn).optional()?;
                rights.push(Right::Member { org: org.to_string(), user: user.to_string(), role });
            }
            Change::User(id) => {
                let row = users::table.find(id.as_str()).select((users::disabled_at, users::password_hash));
                let row: Option<(Option<i64>, String)> = row.first(conn).optional()?;
                rights.extend(row.map(|(disabled_at, password_hash)| Right::Person {
                    id: id.to_string(),
                    disabled_at,
                    password_hash,
                }));
            }
            Change::ServiceTokens => rights.extend(revoked_tokens(conn)?),
            Change::Profile(_) => {}
            Change::Everything => return Ok(None),
        }
    }
    for piece in keys.chunks(500) {
        let query = api_keys::table.filter(one_of(api_keys::id, piece.to_vec())).select(key_columns!());
        let rows = on_each!(conn, conn => query.load(conn))?;
        rights.extend(with_secrets(conn, rows)?);
    }
    Ok(Some(rights))
}

fn revoked_tokens(conn: &mut Conn) -> DbResult<Vec<Right>> {
    let rows: Vec<(String, Option<i64>)> = service_tokens::table
        .filter(service_tokens::revoked_at.is_not_null())
        .select((service_tokens::id, service_tokens::revoked_at))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, at)| Some(Right::ServiceToken { id, revoked_at: at? })).collect())
}

/// All rights, piece by piece. Read them in one snapshot.
///
/// # Errors
/// The database's own failure, or what `f` returns.
pub fn each_right<E: From<super::DbError>>(
    conn: &mut Conn,
    mut f: impl FnMut(Vec<Right>) -> Result<(), E>,
) -> Result<(), E> {
    let rows: Vec<(String, String)> = orgs::table.select((orgs::id, orgs::plan)).load(conn)?;
    f(rows.into_iter().map(|(id, plan)| Right::Org { id, plan }).collect())?;
    f(revoked_tokens(conn)?)?;
    let mut after = String::new();
    loop {
        let people = users::table.filter(users::id.gt(&after)).order(users::id).limit(PIECE);
        let people: Vec<(String, Option<i64>, String)> =
            people.select((users::id, users::disabled_at, users::password_hash)).load(conn)?;
        let Some(last) = people.last() else { break };
        after.clone_from(&last.0);
        let ids: Vec<&str> = people.iter().map(|person| person.0.as_str()).collect();
        let members: Vec<(String, String, String, i64)> =
            memberships::table.filter(memberships::user_id.eq_any(&ids)).load(conn)?;
        let mut rights: Vec<Right> = members
            .into_iter()
            .map(|(org, user, role, joined_at)| Right::Member { org, user, role: Some((role, joined_at)) })
            .collect();
        rights.extend(people.into_iter().map(|(id, disabled_at, password_hash)| Right::Person {
            id,
            disabled_at,
            password_hash,
        }));
        f(rights)?;
    }
    let mut after = String::new();
    loop {
        let keys = api_keys::table.filter(api_keys::id.gt(&after)).order(api_keys::id).limit(PIECE);
        let rows: Vec<KeyColumns> = keys.select(key_columns!()).load(conn)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.0);
        f(with_secrets(conn, rows)?)?;
    }
}

/// Puts a key's owner, ceiling and rest in place as they were noted.
pub fn put_key_right(conn: &mut Conn, right: &KeyRight) -> DbResult<()> {
    diesel::update(api_keys::table.find(&right.id))
        .set((
            api_keys::owner_id.eq(&right.owner),
            api_keys::role_max.eq(&right.role_max),
            api_keys::paused_at.eq(right.paused_at),
        ))
        .execute(conn)?;
    note(Change::Key(KeyId(right.id.clone())))
}

/// Puts a key's secrets in place as they were noted. Returns those that were not there before.
pub fn put_secrets<'r>(conn: &mut Conn, right: &'r KeyRight) -> DbResult<Vec<&'r SecretRight>> {
    let known: Vec<String> =
        key_secrets::table.filter(key_secrets::key_id.eq(&right.id)).select(key_secrets::id).load(conn)?;
    // What has ended first: only one may be current at any moment.
    let (current, old): (Vec<_>, Vec<_>) = right.secrets.iter().partition(|secret| secret.valid_until.is_none());
    let mut new = Vec::new();
    for secret in old.into_iter().chain(current) {
        if known.contains(&secret.id) {
            diesel::update(key_secrets::table.find(&secret.id))
                .set(key_secrets::valid_until.eq(secret.valid_until))
                .execute(conn)?;
        } else {
            diesel::insert_into(key_secrets::table)
                .values((
                    key_secrets::id.eq(&secret.id),
                    key_secrets::key_id.eq(&right.id),
                    key_secrets::hash.eq(&secret.hash),
                    key_secrets::last4.eq(&secret.last4),
                    key_secrets::created_at.eq(secret.created_at),
                    key_secrets::valid_until.eq(secret.valid_until),
                ))
                .execute(conn)?;
            new.push(secret);
        }
    }
    note(Change::Key(KeyId(right.id.clone())))?;
    Ok(new)
}

/// Makes a person a member of that role, whether or not they are one.
pub fn put_member(conn: &mut Conn, org: &OrgId, user: &UserId, role: &str, joined_at: i64) -> DbResult<()> {
    let row = (
        memberships::org_id.eq(org.as_str()),
        memberships::user_id.eq(user.as_str()),
        memberships::role.eq(role),
        memberships::joined_at.eq(joined_at),
    );
    let put = diesel::insert_into(memberships::table)
        .values(row)
        .on_conflict((memberships::org_id, memberships::user_id))
        .do_update()
        .set(memberships::role.eq(role));
    Both(put).execute(conn)?;
    note(Change::Member(org.clone(), user.clone()))
}

/// Who belongs to what: organization and person.
pub fn list_memberships(conn: &mut Conn) -> DbResult<Vec<(String, String)>> {
    memberships::table.select((memberships::org_id, memberships::user_id)).load(conn)
}

/// A person's way in as it stands: since when it is shut, and the PHC string of their password.
pub fn find_way_in(conn: &mut Conn, user: &UserId) -> DbResult<Option<(Option<i64>, String)>> {
    users::table.find(user.as_str()).select((users::disabled_at, users::password_hash)).first(conn).optional()
}

/// The keys that were not revoked and whose owner is no member of their organization: id, name and organization.
pub fn list_orphaned_keys(conn: &mut Conn) -> DbResult<Vec<(KeyId, String, OrgId)>> {
    let rows: Vec<(String, String, String)> = api_keys::table
        .left_join(
            memberships::table
                .on(memberships::org_id.eq(api_keys::org_id).and(memberships::user_id.eq(api_keys::owner_id))),
        )
        .filter(api_keys::revoked_at.is_null())
        .filter(memberships::role.nullable().is_null())
        .select((api_keys::id, api_keys::name, api_keys::org_id))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, name, org)| (KeyId(id), name, OrgId(org))).collect())
}

/// The keys that were not revoked: id, name and organization.
pub fn list_unrevoked_keys(conn: &mut Conn) -> DbResult<Vec<(KeyId, String, OrgId)>> {
    let rows: Vec<(String, String, String)> = api_keys::table
        .filter(api_keys::revoked_at.is_null())
        .select((api_keys::id, api_keys::name, api_keys::org_id))
        .load(conn)?;
    Ok(rows.into_iter().map(|(id, name, org)| (KeyId(id), name, OrgId(org))).collect())
}
