//! A person and the organizations they belong to.

use super::{AppError, Ctx, OrgScope, Who};
use crate::db::orgs::Place;
use crate::db::{self, Conn};
use crate::domain::org::{Member, Org, Role, User};

/// What every signed-in page shows of its reader.
#[derive(Debug, Clone)]
pub struct Account {
    /// The person.
    pub user: User,
    /// Their organizations, by name, with their role in each.
    pub orgs: Vec<(Org, Role)>,
}

/// Loads the person behind a session.
///
/// # Errors
/// `SignIn` when the account is gone or shut.
pub fn load_account(conn: &mut Conn, who: &Who) -> Result<Account, AppError> {
    let (user, places) = load_person(conn, who)?;
    Ok(Account { user, orgs: places.into_iter().map(|place| (place.org, place.role)).collect() })
}

/// The person behind a session, with their places.
fn load_person(conn: &mut Conn, who: &Who) -> Result<(User, Vec<Place>), AppError> {
    let Who::Person { user, .. } = who else { return Err(AppError::SignIn) };
    db::orgs::find_person(conn, user)?.filter(|(user, _)| user.disabled_at.is_none()).ok_or(AppError::SignIn)
}

/// Looks at an organization as the reader of a page, and loads what the page shows of them, from one state of the database
/// where it is SQLite.
///
/// # Errors
/// `SignIn` when the account is gone or shut, `NotFound` for outsiders, else what `f` returns.
pub fn look_as_reader<T>(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    slug: &str,
    f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>,
) -> Result<(T, Account), AppError> {
    look_as(conn, ctx, slug, f, |_| Ok(who.clone()))
}

/// The same for whoever `who` finds to be asking, in the same state of the database.
///
/// # Errors
/// As [`look_as_reader`], and what `who` returns.
pub fn look_as<T>(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    slug: &str,
    f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>,
    who: impl FnOnce(&mut Conn) -> Result<Who, AppError>,
) -> Result<(T, Account), AppError> {
    db::read(conn, |conn| {
        let who = &who(conn)?;
        let (user, places) = load_person(conn, who)?;
        let here = places.iter().find(|place| place.org.slug == slug).ok_or(AppError::NotFound)?;
        let member =
            Member { org: here.org.id.clone(), user: user.clone(), role: here.role, joined_at: here.joined_at };
        let found = f(&mut OrgScope::enter_as_reader(conn, ctx, who, here.org.clone(), member)?)?;
        Ok((found, Account { user, orgs: places.into_iter().map(|place| (place.org, place.role)).collect() }))
    })
}
