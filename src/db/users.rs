//! People, apart from any organization.

use diesel::prelude::*;

use super::changes::{Change, note};
use super::conn::{on_each, prepared};
use super::schema::users;
use super::{Conn, DbResult};
use crate::domain::ids::UserId;
use crate::domain::org::User;
use crate::domain::time::Timestamp;

/// What is told of a person: not their password.
pub(super) const PERSON: (users::id, users::email, users::name, users::disabled_at) =
    (users::id, users::email, users::name, users::disabled_at);

/// The columns of [`PERSON`].
#[derive(Queryable)]
pub(super) struct PersonRow {
    id: String,
    email: String,
    name: String,
    disabled_at: Option<i64>,
}

impl From<PersonRow> for User {
    fn from(row: PersonRow) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            name: row.name,
            disabled_at: row.disabled_at.map(Timestamp::from_micros),
        }
    }
}

/// Adds a person. `password_hash` is an argon2id PHC string.
///
/// # Errors
/// `UniqueViolation` when the address is taken.
pub fn insert_user(conn: &mut Conn, user: &User, password_hash: &str, now: Timestamp) -> DbResult<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.as_str()),
            users::email.eq(&user.email),
            users::name.eq(&user.name),
            users::password_hash.eq(password_hash),
            users::created_at.eq(now.as_micros()),
        ))
        .execute(conn)?;
    note(Change::User(user.id.clone()))
}

/// How many people there are at all.
pub fn count_users(conn: &mut Conn) -> DbResult<i64> {
    users::table.count().get_result(conn)
}

/// A person by id.
pub fn find_user(conn: &mut Conn, id: &UserId) -> DbResult<Option<User>> {
    let row =
        on_each!(conn, conn => prepared!(users::table.find(id.as_str()).select(PERSON)).get_result::<PersonRow>(conn));
    Ok(row.optional()?.map(User::from))
}

/// A person by their lower-case address.
pub fn find_user_by_email(conn: &mut Conn, email: &str) -> DbResult<Option<User>> {
    let query = users::table.filter(users::email.eq(email)).select(PERSON);
    Ok(on_each!(conn, conn => prepared!(query).get_result::<PersonRow>(conn)).optional()?.map(User::from))
}

/// A person by their lower-case address with their argon2id PHC string, in one query whether or not there is one.
pub fn find_user_to_sign_in(conn: &mut Conn, email: &str) -> DbResult<Option<(User, String)>> {
    let query = users::table.filter(users::email.eq(email)).select((PERSON, users::password_hash));
    let row = on_each!(conn, conn => prepared!(query).get_result::<(PersonRow, String)>(conn)).optional()?;
    Ok(row.map(|(row, hash)| (row.into(), hash)))
}

/// Puts another password in place.
pub fn update_password_hash(conn: &mut Conn, id: &UserId, password_hash: &str) -> DbResult<()> {
    diesel::update(users::table.find(id.as_str())).set(users::password_hash.eq(password_hash)).execute(conn)?;
    // No check needs it, but a restore must not bring the old one back.
    note(Change::User(id.clone()))
}

/// Gives a person another name.
pub fn update_name(conn: &mut Conn, id: &UserId, name: &str) -> DbResult<()> {
    diesel::update(users::table.find(id.as_str())).set(users::name.eq(name)).execute(conn)?;
    note(Change::User(id.clone()))
}

/// Shuts an account, or opens it again.
pub fn update_disabled(conn: &mut Conn, id: &UserId, at: Option<Timestamp>) -> DbResult<()> {
    diesel::update(users::table.find(id.as_str()))
        .set(users::disabled_at.eq(at.map(Timestamp::as_micros)))
        .execute(conn)?;
    note(Change::User(id.clone()))
}
