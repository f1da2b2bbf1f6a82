//! What the index of the check holds in memory, read from the tables: all of it page by page, or what was changed.

use std::collections::HashMap;

use diesel::prelude::*;

use super::conn::{on_each, one_of};
use super::schema::{api_keys, key_secrets, memberships, orgs, profiles, service_tokens, users};
use super::{Conn, DbResult};
use crate::domain::ids::{KeyId, OrgId, ProfileId, UserId};
use crate::domain::org::Role;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// A key as the check needs it.
#[derive(Debug)]
pub struct GateKey {
    /// Its id.
    pub id: KeyId,
    /// Its organization.
    pub org: OrgId,
    /// Its profile.
    pub profile: ProfileId,
    /// The person it acts as.
    pub owner: UserId,
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// The most that it may do.
    pub role_max: Option<Role>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether it may stand in an address.
    pub url_allowed: bool,
    /// Whether it rests.
    pub is_paused: bool,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// SHA-256 of its secret.
    pub current: SecretHash,
    /// The latest secret before, and until when it works.
    pub previous: Option<(SecretHash, Timestamp)>,
}

/// A person as the check needs them.
#[derive(Debug, Clone, Queryable)]
pub struct GateUser {
    /// Their id.
    pub id: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    disabled_at: Option<i64>,
}

impl GateUser {
    /// Whether the account is shut.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }
}

/// An organization as the check needs it.
#[derive(Debug, Clone, Queryable)]
pub struct GateOrg {
    /// Its id.
    pub id: String,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The id of its plan.
    pub plan: String,
}

/// A profile as the check needs it.
#[derive(Debug, Clone, Queryable)]
pub struct GateProfile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A service token as the check needs it.
#[derive(Debug)]
pub struct GateToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// SHA-256 of it.
    pub hash: SecretHash,
}

type KeyColumns =
    (String, String, String, String, String, String, String, i64, Option<i64>, Option<i64>, Option<i64>, i64);

type SecretColumns = (String, String, Option<i64>);

fn broken(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
}

fn read_keys(rows: Vec<KeyColumns>, secrets: Vec<SecretColumns>) -> DbResult<Vec<GateKey>> {
    type Secrets = (Option<SecretHash>, Option<(SecretHash, Timestamp)>);
    let mut by_key: HashMap<String, Secrets> = HashMap::with_capacity(rows.len());
    // The latest comes first.
    for (key, hash, valid_until) in secrets {
        let hash = SecretHash::from_hex(&hash).ok_or_else(|| broken("a stored hash is not a hash"))?;
        let slot = by_key.entry(key).or_default();
        match valid_until {
            None => slot.0 = Some(hash),
            Some(until) => _ = slot.1.get_or_insert((hash, Timestamp::from_micros(until))),
        }
    }
    rows.into_iter()
        .map(|row| {
            let (id, org, profile, owner, name, environment, role_max, created_at, ..) = row;
            let (.., expires_at, paused_at, revoked_at, url_allowed) = row;
            let (current, previous) = by_key.remove(&id).unwrap_or_default();
            Ok(GateKey {
                current: current.ok_or_else(|| broken("a key has no current secret"))?,
                previous,
                id: KeyId(id),
                org: OrgId(org),
                profile: ProfileId(profile),
                owner: UserId(owner),
                name,
                environment,
                // A word that is not known must not lift what it was to limit.
                role_max: match role_max.as_str() {
                    "" => None,
                    word => Some(word.parse().map_err(|_| broken("a key's highest role is none"))?),
                },
                created_at: Timestamp::from_micros(created_at),
                expires_at: expires_at.map(Timestamp::from_micros),
                url_allowed: url_allowed != 0,
                is_paused: paused_at.is_some(),
                is_revoked: revoked_at.is_some(),
            })
        })
        .collect()
}

macro_rules! key_columns {
    () => {
        (
            api_keys::id,
            api_keys::org_id,
            api_keys::profile_id,
            api_keys::owner_id,
            api_keys::name,
            api_keys::environment,
            api_keys::role_max,
            api_keys::created_at,
            api_keys::expires_at,
            api_keys::paused_at,
            api_keys::revoked_at,
            api_keys::url_allowed,
        )
    };
}

/// The next `limit` keys whose ids come after `after`, by id.
pub fn list_gate_keys(conn: &mut Conn, after: &str, limit: i64) -> DbResult<Vec<GateKey>> {
    let rows: Vec<KeyColumns> = api_keys::table
        .filter(api_keys::id.gt(after))
        .order(api_keys::id)
        .limit(limit)
        .select(key_columns!())
        .load(conn)?;
    let Some(last) = rows.last().map(|row| row.0.clone()) else { return Ok(Vec::new()) };
    let secrets: Vec<SecretColumns> = key_secrets::table
        .filter(key_secrets::key_id.gt(after))
        .filter(key_secrets::key_id.le(last))
        .order((key_secrets::key_id, key_secrets::created_at.desc(), key_secrets::id))
        .select((key_secrets::key_id, key_secrets::hash, key_secrets::valid_until))
        .load(conn)?;
    read_keys(rows, secrets)
}

/// The keys of these ids, as they stand now; at most some hundred.
pub fn find_gate_keys(conn: &mut Conn, ids: &[&str]) -> DbResult<Vec<GateKey>> {
    let keys = api_keys::table.filter(one_of(api_keys::id, ids.to_vec())).select(key_columns!());
    let secrets = key_secrets::table
        .filter(one_of(key_secrets::key_id, ids.to_vec()))
        .order((key_secrets::key_id, key_secrets::created_at.desc(), key_secrets::id))
        .select((key_secrets::key_id, key_secrets::hash, key_secrets::valid_until));
    on_each!(conn, conn => read_keys(keys.load(conn)?, secrets.load(conn)?))
}

/// All organizations, or the one of this id.
pub fn list_gate_orgs(conn: &mut Conn, id: Option<&OrgId>) -> DbResult<Vec<GateOrg>> {
    let query = orgs::table.select((orgs::id, orgs::slug, orgs::name, orgs::plan)).into_boxed();
    match id {
        Some(id) => query.filter(orgs::id.eq(id.as_str())).load(conn),
        None => query.load(conn),
    }
}

/// All people, or the one of this id.
pub fn list_gate_users(conn: &mut Conn, id: Option<&UserId>) -> DbResult<Vec<GateUser>> {
    let query = users::table.select((users::id, users::email, users::name, users::disabled_at)).into_boxed();
    match id {
        Some(id) => query.filter(users::id.eq(id.as_str())).load(conn),
        None => query.load(conn),
    }
}

/// All profiles, or the one of this id.
pub fn list_gate_profiles(conn: &mut Conn, id: Option<&ProfileId>) -> DbResult<Vec<GateProfile>> {
    let query = profiles::table.select((profiles::id, profiles::name)).into_boxed();
    match id {
        Some(id) => query.filter(profiles::id.eq(id.as_str())).load(conn),
        None => query.load(conn),
    }
}

/// Who belongs to which organization, and as what; all of it, or about one person in one organization.
pub fn list_gate_members(conn: &mut Conn, of: Option<(&OrgId, &UserId)>) -> DbResult<Vec<(OrgId, UserId, Role)>> {
    let query = memberships::table.select((memberships::org_id, memberships::user_id, memberships::role)).into_boxed();
    let rows: Vec<(String, String, String)> = match of {
        Some((org, user)) => query
            .filter(memberships::org_id.eq(org.as_str()))
            .filter(memberships::user_id.eq(user.as_str()))
            .load(conn)?,
        None => query.load(conn)?,
    };
    rows.into_iter()
        .map(|(org, user, role)| {
            let role = role.parse().map_err(|_| broken("a stored role is not a role"))?;
            Ok((OrgId(org), UserId(user), role))
        })
        .collect()
}

/// The service tokens that were not revoked.
pub fn list_gate_tokens(conn: &mut Conn) -> DbResult<Vec<GateToken>> {
    let rows: Vec<(String, String, String)> = service_tokens::table
        .filter(service_tokens::revoked_at.is_null())
        .select((service_tokens::id, service_tokens::name, service_tokens::token_hash))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, name, hash)| {
            let hash = SecretHash::from_hex(&hash).ok_or_else(|| broken("a stored hash is not a hash"))?;
            Ok(GateToken { id, name, hash })
        })
        .collect()
}
