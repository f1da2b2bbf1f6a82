//! A person and the organizations they belong to.

use super::{AppError, Who};
use crate::db::{self, Conn};
use crate::domain::org::{Org, Role, User};

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
    let Who::Person { user, .. } = who else { return Err(AppError::SignIn) };
    let user = db::users::find_user(conn, user)?.filter(|user| user.disabled_at.is_none()).ok_or(AppError::SignIn)?;
    let orgs = db::orgs::list_orgs_of(conn, &user.id)?;
    Ok(Account { user, orgs })
}
