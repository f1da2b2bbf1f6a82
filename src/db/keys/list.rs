//! Finding keys: filters, order, pages.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::super::conn::{MultiBackend, on_each, prepared};
use super::super::schema::{api_keys, key_secrets};
use super::super::{Conn, DbResult, like_anywhere, lower};
use super::rows::{
    CURRENT, Joined, KeyRow, PREVIOUS, SecretRow, broken, key_columns, keys_with_secrets, read_key, secret_columns,
};
use crate::domain::ids::{KeyId, OrgId, ProfileId, UserId};
use crate::domain::key::{ApiKey, KeyStatus};
use crate::domain::time::Timestamp;

/// Which keys to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only this person's.
    pub owner: Option<UserId>,
    /// Anywhere in the name or the id.
    pub text: Option<String>,
    /// Only in this state.
    pub status: Option<KeyStatus>,
    /// Only of this environment.
    pub environment: Option<String>,
    /// Only bound to this profile.
    pub profile: Option<ProfileId>,
    /// Also revoked and expired ones.
    pub with_ended: bool,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeySort {
    /// The newest first.
    #[default]
    CreatedDesc,
    /// The oldest first.
    CreatedAsc,
    /// By name.
    NameAsc,
    /// By name, backwards.
    NameDesc,
    /// The last used first, never used ones last.
    LastUsedDesc,
    /// Never used ones first, then the longest unused.
    LastUsedAsc,
}

/// The filter that almost every list has, and no other: neither revoked nor expired.
macro_rules! living {
    ($query:expr, $org:expr, $now:expr) => {
        $query
            .filter(api_keys::org_id.eq($org.as_str()))
            .filter(api_keys::revoked_at.is_null())
            .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt($now.as_micros())))
    };
}

/// The living keys of an organization, each with its current secret and the one before it while that is let in too; read as
/// [`Living`]. What the filter says already is not asked for. There is one such secret before at most, so each key comes once.
macro_rules! living_keys {
    ($org:expr, $now:expr) => {{
        let secret = secret_columns!();
        let keys = api_keys::table
            .left_join(
                CURRENT.on(CURRENT
                    .field(key_secrets::key_id)
                    .eq(api_keys::id)
                    .and(CURRENT.field(key_secrets::valid_until).is_null())),
            )
            .left_join(
                PREVIOUS.on(PREVIOUS
                    .field(key_secrets::key_id)
                    .eq(api_keys::id)
                    .and(PREVIOUS.field(key_secrets::valid_until).assume_not_null().gt($now.as_micros()))
                    // As `key_secrets_ended` has them.
                    .and(PREVIOUS.field(key_secrets::valid_until).is_not_null())),
            )
            .select((key_columns!(), CURRENT.fields(secret).nullable(), PREVIOUS.fields(secret).nullable()));
        living!(keys, $org, $now)
    }};
}

type Living = (KeyRow, Option<SecretRow>, Option<SecretRow>);

/// Reads at most `limit` keys of an organization as they come.
fn read_living(rows: impl Iterator<Item = DbResult<Living>>, org: &OrgId, limit: i64) -> DbResult<Vec<ApiKey>> {
    let mut keys = Vec::with_capacity(usize::try_from(limit).unwrap_or(0).min(64));
    for row in rows {
        let (key, current, previous) = row?;
        let current = current.ok_or_else(|| broken("a key has no current secret"))?;
        keys.push(key.with((org.clone(), None), current.read()?, previous.map(SecretRow::read).transpose()?));
    }
    Ok(keys)
}

/// Narrows a query over keys to an organization and a filter.
macro_rules! narrowed {
    ($query:expr, $org:expr, $filter:expr, $now:expr) => {{
        let (filter, now): (&KeyFilter, i64) = ($filter, $now.as_micros());
        let mut query = $query.filter(api_keys::org_id.eq($org.0.clone())).into_boxed::<MultiBackend>();
        if let Some(owner) = &filter.owner {
            query = query.filter(api_keys::owner_id.eq(owner.0.clone()));
        }
        if let Some(environment) = &filter.environment {
            query = query.filter(api_keys::environment.eq(environment.clone()));
        }
        if let Some(profile) = &filter.profile {
            query = query.filter(api_keys::profile_id.eq(profile.0.clone()));
        }
        if let Some(text) = &filter.text {
            // SQLite folds only ASCII, so what was typed is looked for as it stands too.
            let (pattern, exact) = (like_anywhere(&text.to_lowercase()), like_anywhere(text));
            query = query.filter(
                lower(api_keys::name)
                    .like(pattern.clone())
                    .escape('\\')
                    .or(api_keys::name.like(exact).escape('\\'))
                    .or(lower(api_keys::id).like(pattern).escape('\\')),
            );
        }
        let revoked = || api_keys::revoked_at.is_not_null();
        let expired = || api_keys::expires_at.assume_not_null().le(now).and(api_keys::expires_at.is_not_null());
        let still = || api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(now));
        let in_grace = || {
            diesel::dsl::exists(
                key_secrets::table
                    .filter(key_secrets::key_id.eq(api_keys::id))
                    .filter(key_secrets::valid_until.assume_not_null().gt(now)),
            )
        };
        match filter.status {
            Some(KeyStatus::Revoked) => query.filter(revoked()),
            Some(KeyStatus::Expired) => query.filter(api_keys::revoked_at.is_null()).filter(expired()),
            Some(KeyStatus::Paused) => {
                query.filter(api_keys::revoked_at.is_null()).filter(still()).filter(api_keys::paused_at.is_not_null())
            }
            Some(KeyStatus::Rotating) => query
                .filter(api_keys::revoked_at.is_null())
                .filter(still())
                .filter(api_keys::paused_at.is_null())
                .filter(in_grace()),
            Some(KeyStatus::Active) => query
                .filter(api_keys::revoked_at.is_null())
                .filter(still())
                .filter(api_keys::paused_at.is_null())
                .filter(diesel::dsl::not(in_grace())),
            None if filter.with_ended => query,
            None => query.filter(api_keys::revoked_at.is_null()).filter(still()),
        }
    }};
}

impl KeyFilter {
    /// Whether it lets in all that is neither revoked nor expired, as the list of keys does unless it is told otherwise.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// How many keys there are of these.
pub fn count_keys(conn: &mut Conn, org: &OrgId, filter: &KeyFilter, now: Timestamp) -> DbResult<i64> {
    narrowed!(api_keys::table, org, filter, now).count().get_result(conn)
}

/// How many keys an organization has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Neither revoked nor expired: those that count against the plan's limit.
    pub active: u32,
    /// All.
    pub all: i64,
}

/// How many keys an organization has, in one query.
pub fn count_kept(conn: &mut Conn, org: &OrgId, now: Timestamp) -> DbResult<Kept> {
    let active = living!(api_keys::table, org, now).count().single_value();
    let all = api_keys::table.filter(api_keys::org_id.eq(org.as_str())).count().single_value();
    let query = diesel::select((active, all));
    let (active, all) = on_each!(conn, conn => prepared!(query).get_result::<(Option<i64>, Option<i64>)>(conn))?;
    Ok(Kept { active: u32::try_from(active.unwrap_or(0)).unwrap_or(u32::MAX), all: all.unwrap_or(0) })
}

/// A page of these keys. A secret before the current one that is let in no more may be left out.
pub fn list_keys(
    conn: &mut Conn,
    org: &OrgId,
    filter: &KeyFilter,
    sort: KeySort,
    (offset, limit): (i64, i64),
    now: Timestamp,
) -> DbResult<Vec<ApiKey>> {
    if filter.is_plain() && sort == KeySort::default() {
        // What almost every page asks: its SQL is known beforehand.
        let query = living_keys!(org, now)
            .order((api_keys::created_at.desc(), api_keys::id.desc()))
            .offset(offset)
            .limit(limit);
        return on_each!(conn, conn => read_living(prepared!(query).load_iter::<Living, DefaultLoadingMode>(conn)?, org, limit));
    }
    let query = narrowed!(keys_with_secrets!(), org, filter, now);
    // Never used counts as long ago, on both databases.
    let used = || diesel::dsl::sql::<BigInt>("COALESCE(api_keys.last_used_at, 0)");
    let query = match sort {
        KeySort::CreatedDesc => query.order((api_keys::created_at.desc(), api_keys::id.desc())),
        KeySort::CreatedAsc => query.order((api_keys::created_at.asc(), api_keys::id.asc())),
        KeySort::NameAsc => query.order((lower(api_keys::name).asc(), api_keys::id.asc())),
        KeySort::NameDesc => query.order((lower(api_keys::name).desc(), api_keys::id.desc())),
        KeySort::LastUsedDesc => query.order((used().desc(), api_keys::id.desc())),
        KeySort::LastUsedAsc => query.order((used().asc(), api_keys::id.asc())),
    };
    let rows: Vec<Joined> = query.offset(offset).limit(limit).load(conn)?;
    rows.into_iter().map(read_key).collect()
}

/// The next keys after one of them, the newest first: stays right while keys are added.
pub fn list_keys_after(
    conn: &mut Conn,
    org: &OrgId,
    filter: &KeyFilter,
    after: Option<(Timestamp, KeyId)>,
    limit: i64,
    now: Timestamp,
) -> DbResult<Vec<ApiKey>> {
    let mut query = narrowed!(keys_with_secrets!(), org, filter, now);
    if let Some((at, id)) = after {
        let at = at.as_micros();
        query = query.filter(api_keys::created_at.lt(at).or(api_keys::created_at.eq(at).and(api_keys::id.lt(id.0))));
    }
    let query = query.order((api_keys::created_at.desc(), api_keys::id.desc())).limit(limit);
    query.load::<Joined>(conn)?.into_iter().map(read_key).collect()
}

/// What an event says of its key.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct KeyLabel {
    /// The key's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
}

/// Names of keys of an organization.
pub fn list_key_labels(conn: &mut Conn, org: &OrgId, ids: &[&str]) -> DbResult<Vec<KeyLabel>> {
    api_keys::table
        .filter(api_keys::org_id.eq(org.as_str()))
        .filter(api_keys::id.eq_any(ids))
        .select((api_keys::id, api_keys::name, api_keys::environment))
        .load(conn)
}
