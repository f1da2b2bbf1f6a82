//! Devices that wait to be let in. Of the code that only the device knows, the SHA-256 is stored.

use diesel::prelude::*;

use super::schema::device_codes as codes;
use super::{Conn, DbResult};
use crate::domain::device::{Device, DeviceState};
use crate::domain::ids::{DeviceId, OrgId, UserId};
use crate::domain::time::Timestamp;

#[derive(Queryable)]
struct Row {
    id: String,
    _code_hash: String,
    user_code: String,
    name: String,
    address: String,
    client: String,
    created_at: i64,
    expires_at: i64,
    poll_seconds: i64,
    polled_at: Option<i64>,
    state: String,
    user_id: Option<String>,
    org_id: Option<String>,
}

fn device(row: Row) -> DbResult<Device> {
    let unknown = || diesel::result::Error::DeserializationError(format!("device state {}", row.state).into());
    Ok(Device {
        state: DeviceState::read(&row.state).ok_or_else(unknown)?,
        id: DeviceId(row.id),
        user_code: row.user_code,
        name: row.name,
        address: row.address,
        client: row.client,
        created_at: Timestamp::from_micros(row.created_at),
        expires_at: Timestamp::from_micros(row.expires_at),
        poll_seconds: row.poll_seconds,
        polled_at: row.polled_at.map(Timestamp::from_micros),
        user: row.user_id.map(UserId),
        org: row.org_id.map(OrgId),
    })
}

/// Adds a device that waits. `code_hash` is the SHA-256 of its code, hexadecimal.
///
/// # Errors
/// `UniqueViolation` when the user code is taken.
pub fn insert_device(conn: &mut Conn, device: &Device, code_hash: &str) -> DbResult<()> {
    diesel::insert_into(codes::table)
        .values((
            codes::id.eq(device.id.as_str()),
            codes::code_hash.eq(code_hash),
            codes::user_code.eq(&device.user_code),
            codes::name.eq(&device.name),
            codes::address.eq(&device.address),
            codes::client.eq(&device.client),
            codes::created_at.eq(device.created_at.as_micros()),
            codes::expires_at.eq(device.expires_at.as_micros()),
            codes::poll_seconds.eq(device.poll_seconds),
            codes::state.eq(device.state.as_str()),
        ))
        .execute(conn)
        .map(|_| ())
}

/// Whether a user code is in use.
pub fn user_code_exists(conn: &mut Conn, user_code: &str) -> DbResult<bool> {
    diesel::select(diesel::dsl::exists(codes::table.filter(codes::user_code.eq(user_code)))).get_result(conn)
}

/// How many devices are known.
pub fn count_devices(conn: &mut Conn) -> DbResult<i64> {
    codes::table.count().get_result(conn)
}

/// A device by the hash of its code, which no other transaction can change until this one ends.
pub fn lock_device(conn: &mut Conn, code_hash: &str) -> DbResult<Option<Device>> {
    diesel::update(codes::table.filter(codes::code_hash.eq(code_hash)))
        .set(codes::poll_seconds.eq(codes::poll_seconds))
        .execute(conn)?;
    let row: Option<Row> = codes::table.filter(codes::code_hash.eq(code_hash)).first(conn).optional()?;
    row.map(device).transpose()
}

/// A device by what its person typed.
pub fn find_device(conn: &mut Conn, user_code: &str) -> DbResult<Option<Device>> {
    let row: Option<Row> = codes::table.filter(codes::user_code.eq(user_code)).first(conn).optional()?;
    row.map(device).transpose()
}

/// Notes a poll, and how long the device must wait until the next.
pub fn update_polled(conn: &mut Conn, id: &DeviceId, now: Timestamp, poll_seconds: i64) -> DbResult<()> {
    diesel::update(codes::table.find(id.as_str()))
        .set((codes::polled_at.eq(now.as_micros()), codes::poll_seconds.eq(poll_seconds)))
        .execute(conn)
        .map(|_| ())
}

/// Puts another state in place of `from`. Of many callers at once, one gets `true`.
pub fn update_state(conn: &mut Conn, id: &DeviceId, from: DeviceState, to: DeviceState) -> DbResult<bool> {
    let count = diesel::update(codes::table.find(id.as_str()).filter(codes::state.eq(from.as_str())))
        .set(codes::state.eq(to.as_str()))
        .execute(conn)?;
    Ok(count == 1)
}

/// Notes who decided, and for which organization.
pub fn update_person(conn: &mut Conn, id: &DeviceId, user: &UserId, org: Option<&OrgId>) -> DbResult<()> {
    diesel::update(codes::table.find(id.as_str()))
        .set((codes::user_id.eq(user.as_str()), codes::org_id.eq(org.map(OrgId::as_str))))
        .execute(conn)
        .map(|_| ())
}

/// Turns away the devices that a person allowed and that have not fetched their token. Waits for one that does so now.
pub fn deny_all_allowed_by(conn: &mut Conn, user: &UserId) -> DbResult<usize> {
    let allowed =
        codes::table.filter(codes::user_id.eq(user.as_str())).filter(codes::state.eq(DeviceState::Allowed.as_str()));
    diesel::update(allowed).set(codes::state.eq(DeviceState::Denied.as_str())).execute(conn)
}

/// Forgets devices whose time was over before then.
pub fn delete_old_devices(conn: &mut Conn, before: Timestamp) -> DbResult<usize> {
    diesel::delete(codes::table.filter(codes::expires_at.lt(before.as_micros()))).execute(conn)
}
