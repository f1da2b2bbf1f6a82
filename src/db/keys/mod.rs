//! API keys and their secrets. Every query of a person is bound to one organization; only the check is not.

mod list;
mod rows;
mod usage;
mod used;

use std::collections::HashMap;

use diesel::prelude::*;

pub use list::{
    Kept, KeyFilter, KeyLabel, KeySort, count_kept, count_keys, list_key_labels, list_keys, list_keys_after,
};
pub use usage::{mark_key_used, mark_secret_used};
pub use used::{Used, mark_used};

use rows::{Joined, keys_with_secrets, read_key};

use super::changes::{Change, note};
use super::conn::{on_each, prepared};
use super::schema::{api_keys, key_secrets};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId, UserId};
use crate::domain::key::{ApiKey, KeySecret};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;

/// Adds a key with its first secret.
///
/// # Errors
/// `UniqueViolation` when the id is taken.
pub fn insert_key(conn: &mut Conn, key: &ApiKey) -> DbResult<()> {
    let insert = diesel::insert_into(api_keys::table).values((
        api_keys::id.eq(key.id.as_str()),
        api_keys::org_id.eq(key.org.as_str()),
        api_keys::profile_id.eq(key.profile.as_str()),
        api_keys::owner_id.eq(key.owner.as_str()),
        api_keys::name.eq(&key.name),
        api_keys::note.eq(&key.note),
        api_keys::environment.eq(&key.environment),
        api_keys::url_allowed.eq(i64::from(key.url_allowed)),
        api_keys::created_at.eq(key.created_at.as_micros()),
        api_keys::expires_at.eq(key.expires_at.map(Timestamp::as_micros)),
    ));
    on_each!(conn, conn => prepared!(insert).execute(conn))?;
    insert_secret(conn, &key.id, &key.current)
}

/// Adds a secret to a key.
pub fn insert_secret(conn: &mut Conn, key: &KeyId, secret: &KeySecret) -> DbResult<()> {
    let insert = diesel::insert_into(key_secrets::table).values((
        key_secrets::id.eq(secret.id.as_str()),
        key_secrets::key_id.eq(key.as_str()),
        key_secrets::hash.eq(secret.hash.to_hex()),
        key_secrets::last4.eq(&secret.last4),
        key_secrets::created_at.eq(secret.created_at.as_micros()),
        key_secrets::valid_until.eq(secret.valid_until.map(Timestamp::as_micros)),
    ));
    on_each!(conn, conn => prepared!(insert).execute(conn))?;
    note(Change::Key(key.clone()))
}

/// Whether an id is in use, in any organization.
pub fn id_exists(conn: &mut Conn, id: &KeyId) -> DbResult<bool> {
    let query = diesel::select(diesel::dsl::exists(api_keys::table.find(id.as_str())));
    on_each!(conn, conn => prepared!(query).get_result(conn))
}

/// A key of this organization.
pub fn find_key(conn: &mut Conn, org: &OrgId, id: &KeyId) -> DbResult<Option<ApiKey>> {
    let query = keys_with_secrets!().filter(api_keys::org_id.eq(org.as_str())).filter(api_keys::id.eq(id.as_str()));
    on_each!(conn, conn => prepared!(query).get_result::<Joined>(conn)).optional()?.map(read_key).transpose()
}

/// A key of any organization: for the check, which knows the organization only by the key.
pub fn find_key_anywhere(conn: &mut Conn, id: &KeyId) -> DbResult<Option<ApiKey>> {
    let query = keys_with_secrets!().filter(api_keys::id.eq(id.as_str()));
    on_each!(conn, conn => prepared!(query).get_result::<Joined>(conn)).optional()?.map(read_key).transpose()
}

/// How many keys count against the plan's limit at `now`.
pub fn count_active_keys(conn: &mut Conn, org: &OrgId, now: Timestamp) -> DbResult<u32> {
    let count: i64 = api_keys::table
        .filter(api_keys::org_id.eq(org.as_str()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now.as_micros())))
        .count()
        .get_result(conn)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// When keys were created after `since`, the newest `limit`; rows of revoked keys stay, so none is missing.
pub fn list_creation_times(conn: &mut Conn, org: &OrgId, since: Timestamp, limit: u32) -> DbResult<Vec<Timestamp>> {
    let query = api_keys::table
        .filter(api_keys::org_id.eq(org.as_str()))
        .filter(api_keys::created_at.gt(since.as_micros()))
        .order(api_keys::created_at.desc())
        .limit(i64::from(limit))
        .select(api_keys::created_at);
    let times = on_each!(conn, conn => prepared!(query).load::<i64>(conn))?;
    Ok(times.into_iter().map(Timestamp::from_micros).collect())
}

/// Whether this person has a live key of this name already.
pub fn name_in_use(conn: &mut Conn, org: &OrgId, owner: &UserId, name: &str, but: Option<&KeyId>) -> DbResult<bool> {
    let query = diesel::select(diesel::dsl::exists(
        api_keys::table
            .filter(api_keys::org_id.eq(org.as_str()))
            .filter(api_keys::owner_id.eq(owner.as_str()))
            .filter(api_keys::name.eq(name))
            .filter(api_keys::revoked_at.is_null())
            .filter(api_keys::id.ne(but.map_or("", KeyId::as_str))),
    ));
    on_each!(conn, conn => prepared!(query).get_result(conn))
}

/// The keys of a member that were not revoked.
pub fn list_unrevoked_keys_of(conn: &mut Conn, org: &OrgId, owner: &UserId) -> DbResult<Vec<ApiKey>> {
    let query = keys_with_secrets!()
        .filter(api_keys::org_id.eq(org.as_str()))
        .filter(api_keys::owner_id.eq(owner.as_str()))
        .filter(api_keys::revoked_at.is_null())
        .order((api_keys::name, api_keys::id));
    on_each!(conn, conn => prepared!(query).load::<Joined>(conn))?.into_iter().map(read_key).collect()
}

/// How many live keys each member has.
pub fn count_live_keys_by_owner(conn: &mut Conn, org: &OrgId, now: Timestamp) -> DbResult<Vec<(UserId, i64)>> {
    let rows: Vec<(String, i64)> = api_keys::table
        .filter(api_keys::org_id.eq(org.as_str()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now.as_micros())))
        .group_by(api_keys::owner_id)
        .select((api_keys::owner_id, diesel::dsl::count_star()))
        .load(conn)?;
    Ok(rows.into_iter().map(|(owner, count)| (UserId(owner), count)).collect())
}

/// Puts another name and note in place.
pub fn update_name_and_note(conn: &mut Conn, id: &KeyId, name: &str, text: &str) -> DbResult<()> {
    diesel::update(api_keys::table.find(id.as_str()))
        .set((api_keys::name.eq(name), api_keys::note.eq(text)))
        .execute(conn)?;
    note(Change::Key(id.clone()))
}

/// Lets a key rest from this time on, or work again.
pub fn update_paused(conn: &mut Conn, id: &KeyId, since: Option<Timestamp>) -> DbResult<()> {
    diesel::update(api_keys::table.find(id.as_str()))
        .set(api_keys::paused_at.eq(since.map(Timestamp::as_micros)))
        .execute(conn)?;
    note(Change::Key(id.clone()))
}

/// Those of these keys that are neither revoked nor paused, with their owners.
pub fn list_unended(conn: &mut Conn, ids: &[&str]) -> DbResult<HashMap<String, UserId>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(String, String)> = api_keys::table
        .filter(api_keys::id.eq_any(ids))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::paused_at.is_null())
        .select((api_keys::id, api_keys::owner_id))
        .load(conn)?;
    Ok(found.into_iter().map(|(id, owner)| (id, UserId(owner))).collect())
}

/// Hands a key over to another member, with the most that it may do from now on.
pub fn update_owner(conn: &mut Conn, id: &KeyId, owner: &UserId, role_max: Role) -> DbResult<()> {
    diesel::update(api_keys::table.find(id.as_str()))
        .set((api_keys::owner_id.eq(owner.as_str()), api_keys::role_max.eq(role_max.as_str())))
        .execute(conn)?;
    note(Change::Key(id.clone()))
}

/// Lets the current secret work until `until` and no longer.
pub fn mark_current_ends(conn: &mut Conn, id: &KeyId, until: Timestamp) -> DbResult<()> {
    diesel::update(
        key_secrets::table.filter(key_secrets::key_id.eq(id.as_str())).filter(key_secrets::valid_until.is_null()),
    )
    .set(key_secrets::valid_until.eq(until.as_micros()))
    .execute(conn)?;
    note(Change::Key(id.clone()))
}

/// Ends every secret but the current one, for good: it stays ended when the clock goes back.
pub fn mark_old_secrets_ended(conn: &mut Conn, id: &KeyId) -> DbResult<()> {
    diesel::update(
        key_secrets::table.filter(key_secrets::key_id.eq(id.as_str())).filter(key_secrets::valid_until.is_not_null()),
    )
    .set(key_secrets::valid_until.eq(KeySecret::ENDED.as_micros()))
    .execute(conn)?;
    note(Change::Key(id.clone()))
}

/// Ends for good what ended by the clock at `now`. Returns how many secrets.
pub fn mark_overdue_secrets_ended(conn: &mut Conn, now: Timestamp) -> DbResult<usize> {
    let overdue: Vec<String> = key_secrets::table
        .filter(key_secrets::valid_until.le(now.as_micros()))
        .filter(key_secrets::valid_until.gt(KeySecret::ENDED.as_micros()))
        .select(key_secrets::key_id)
        .limit(1000)
        .load(conn)?;
    for id in &overdue {
        diesel::update(
            key_secrets::table
                .filter(key_secrets::key_id.eq(id))
                .filter(key_secrets::valid_until.le(now.as_micros()))
                .filter(key_secrets::valid_until.gt(KeySecret::ENDED.as_micros())),
        )
        .set(key_secrets::valid_until.eq(KeySecret::ENDED.as_micros()))
        .execute(conn)?;
        note(Change::Key(id.as_str().into()))?;
    }
    Ok(overdue.len())
}

/// Notes a key as changed though it is not: then the answer waits until every node has read it.
///
/// # Errors
/// Outside of a transaction that writes.
pub fn note_key(id: &KeyId) -> DbResult<()> {
    note(Change::Key(id.clone()))
}

/// Revokes a key, once and for all. Says whether it was not revoked before.
pub fn mark_revoked(conn: &mut Conn, id: &KeyId, by: Option<&UserId>, reason: &str, now: Timestamp) -> DbResult<bool> {
    let count = diesel::update(api_keys::table.find(id.as_str()).filter(api_keys::revoked_at.is_null()))
        .set((
            api_keys::revoked_at.eq(now.as_micros()),
            api_keys::revoked_by.eq(by.map(UserId::as_str)),
            api_keys::revoke_reason.eq(reason),
        ))
        .execute(conn)?;
    note(Change::Key(id.clone()))?;
    Ok(count == 1)
}
