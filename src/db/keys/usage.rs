//! Noting that a key was let in.

use diesel::prelude::*;

use super::super::schema::{api_keys, key_secrets};
use super::super::{Conn, DbResult};
use crate::domain::ids::{KeyId, SecretId};
use crate::domain::key::LastUse;
use crate::domain::time::Timestamp;

/// Notes a use of a key; never goes backwards.
pub fn mark_key_used(conn: &mut Conn, id: &KeyId, used: &LastUse) -> DbResult<()> {
    let at = used.at.as_micros();
    diesel::update(
        api_keys::table
            .find(id.as_str())
            .filter(api_keys::last_used_at.is_null().or(api_keys::last_used_at.assume_not_null().lt(at))),
    )
    .set((
        api_keys::last_used_at.eq(at),
        api_keys::last_used_address.eq(&used.address),
        api_keys::last_used_client.eq(&used.client),
    ))
    .execute(conn)
    .map(|_| ())
}

/// Notes a use of one secret of a key.
pub fn mark_secret_used(conn: &mut Conn, id: &SecretId, at: Timestamp) -> DbResult<()> {
    diesel::update(key_secrets::table.find(id.as_str()).filter(key_secrets::first_used_at.is_null()))
        .set(key_secrets::first_used_at.eq(at.as_micros()))
        .execute(conn)?;
    diesel::update(key_secrets::table.find(id.as_str()))
        .set(key_secrets::last_used_at.eq(at.as_micros()))
        .execute(conn)
        .map(|_| ())
}
