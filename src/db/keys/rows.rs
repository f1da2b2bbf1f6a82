//! Keys and their secrets as they come out of the database, and how they are asked for.

use diesel::prelude::*;

use super::super::DbResult;
use super::super::schema::key_secrets;
use crate::domain::ids::{KeyId, OrgId, ProfileId, SecretId, UserId};
use crate::domain::key::{ApiKey, KeySecret, LastUse, Revocation};
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// What every list asks of a key: the columns of `key_columns`.
#[derive(Queryable)]
pub(super) struct KeyRow {
    id: String,
    profile_id: String,
    owner_id: String,
    name: String,
    note: String,
    environment: String,
    role_max: String,
    created_at: i64,
    expires_at: Option<i64>,
    paused_at: Option<i64>,
    last_used_at: Option<i64>,
    last_used_address: String,
    last_used_client: String,
    url_allowed: i64,
}

/// What the filter of a list may say already.
#[derive(Queryable)]
pub(super) struct StandingRow {
    org_id: String,
    revoked_at: Option<i64>,
    revoked_by: Option<String>,
    revoke_reason: String,
}

#[derive(Queryable)]
pub(super) struct SecretRow {
    id: String,
    hash: String,
    last4: String,
    created_at: i64,
    valid_until: Option<i64>,
    first_used_at: Option<i64>,
    last_used_at: Option<i64>,
}

pub(super) fn broken(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
}

impl SecretRow {
    pub(super) fn read(self) -> DbResult<KeySecret> {
        Ok(KeySecret {
            id: SecretId(self.id),
            hash: SecretHash::from_hex(&self.hash).ok_or_else(|| broken("a stored hash is not a hash"))?,
            last4: self.last4,
            created_at: Timestamp::from_micros(self.created_at),
            valid_until: self.valid_until.map(Timestamp::from_micros),
            first_used_at: self.first_used_at.map(Timestamp::from_micros),
            last_used_at: self.last_used_at.map(Timestamp::from_micros),
        })
    }
}

impl KeyRow {
    pub(super) fn with(
        self,
        (org, revoked): (OrgId, Option<Revocation>),
        current: KeySecret,
        previous: Option<KeySecret>,
    ) -> ApiKey {
        ApiKey {
            id: KeyId(self.id),
            org,
            profile: ProfileId(self.profile_id),
            owner: UserId(self.owner_id),
            name: self.name,
            note: self.note,
            environment: self.environment,
            url_allowed: self.url_allowed != 0,
            // The table's CHECK lets in nothing else than a role or nothing.
            role_max: self.role_max.parse().ok(),
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            paused_at: self.paused_at.map(Timestamp::from_micros),
            revoked,
            last_use: self.last_used_at.map(|at| LastUse {
                at: Timestamp::from_micros(at),
                address: self.last_used_address,
                client: self.last_used_client,
            }),
            current,
            previous,
        }
    }
}

diesel::alias!(
    pub(super) const CURRENT: Alias<Current> = key_secrets as current_secret;
    pub(super) const PREVIOUS: Alias<Previous> = key_secrets as previous_secret;
);

impl StandingRow {
    pub(super) fn read(self) -> (OrgId, Option<Revocation>) {
        let revoked = self.revoked_at.map(|at| Revocation {
            at: Timestamp::from_micros(at),
            by: self.revoked_by.map(UserId),
            reason: self.revoke_reason,
        });
        (OrgId(self.org_id), revoked)
    }
}

/// The columns of [`KeyRow`].
macro_rules! key_columns {
    () => {
        (
            api_keys::id,
            api_keys::profile_id,
            api_keys::owner_id,
            api_keys::name,
            api_keys::note,
            api_keys::environment,
            api_keys::role_max,
            api_keys::created_at,
            api_keys::expires_at,
            api_keys::paused_at,
            api_keys::last_used_at,
            api_keys::last_used_address,
            api_keys::last_used_client,
            api_keys::url_allowed,
        )
    };
}
pub(super) use key_columns;

/// The columns of [`SecretRow`].
macro_rules! secret_columns {
    () => {
        (
            key_secrets::id,
            key_secrets::hash,
            key_secrets::last4,
            key_secrets::created_at,
            key_secrets::valid_until,
            key_secrets::first_used_at,
            key_secrets::last_used_at,
        )
    };
}
pub(super) use secret_columns;

/// Keys, each with its current secret and the latest before it; read as [`Joined`].
macro_rules! keys_with_secrets {
    () => {{
        use $crate::db::keys::rows::{CURRENT, PREVIOUS, key_columns, secret_columns};
        let last_ended = key_secrets::table
            .filter(key_secrets::key_id.eq(api_keys::id))
            .filter(key_secrets::valid_until.is_not_null())
            // As `key_secrets_ended` has them.
            .order((key_secrets::created_at.desc(), key_secrets::id.desc()))
            .limit(1)
            .select(key_secrets::id)
            .single_value();
        let secret = secret_columns!();
        // The columns of `StandingRow`.
        let standing = (api_keys::org_id, api_keys::revoked_at, api_keys::revoked_by, api_keys::revoke_reason);
        api_keys::table
            .left_join(
                CURRENT.on(CURRENT
                    .field(key_secrets::key_id)
                    .eq(api_keys::id)
                    .and(CURRENT.field(key_secrets::valid_until).is_null())),
            )
            .left_join(PREVIOUS.on(PREVIOUS.field(key_secrets::id).nullable().eq(last_ended)))
            .select((key_columns!(), standing, CURRENT.fields(secret).nullable(), PREVIOUS.fields(secret).nullable()))
    }};
}
pub(super) use keys_with_secrets;

pub(super) type Joined = (KeyRow, StandingRow, Option<SecretRow>, Option<SecretRow>);

pub(super) fn read_key((row, standing, current, previous): Joined) -> DbResult<ApiKey> {
    let current = current.ok_or_else(|| broken("a key has no current secret"))?.read()?;
    Ok(row.with(standing.read(), current, previous.map(SecretRow::read).transpose()?))
}
