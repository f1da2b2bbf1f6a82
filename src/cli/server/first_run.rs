//! The first start: somebody must become the owner, and nobody else.

use super::admin::setup_address;
use super::{CliError, act, say};
use crate::actions::AppError;
use crate::actions::people::{self, NewPersonForm};
use crate::db::Db;
use crate::settings::{FirstOwner, Settings};

/// Makes the owner that the settings name, or prints the link for making one; nothing once anybody exists.
pub(super) fn welcome(db: &Db, settings: &Settings) -> Result<(), CliError> {
    let is_set_up = act(db, settings, |conn, _| people::is_set_up(conn))?;
    match &settings.first_owner {
        Some(_) if is_set_up => {
            tracing::info!("KEYRACK_ADMIN_EMAIL is not used: there is an account already");
            Ok(())
        }
        Some(owner) => create_first_owner(db, settings, owner),
        None if is_set_up => Ok(()),
        None => print_setup_link(db, settings),
    }
}

fn create_first_owner(db: &Db, settings: &Settings, owner: &FirstOwner) -> Result<(), CliError> {
    let form = NewPersonForm {
        email: &owner.email,
        name: name_from(&owner.email),
        password: owner.password.expose(),
        organization: &settings.brand.name,
    };
    let person = people::read_new_person(&settings.rules().format, &form);
    let person = person.map_err(|mistakes| CliError::from(AppError::Invalid(mistakes)))?;
    let hash = person.password.hash()?;
    // Another node may be doing the same right now; one of the two makes the owner.
    match act(db, settings, |conn, ctx| people::create_owner(conn, ctx, &person, &hash, true))? {
        Some(user) => say(format!("\nThe owner's account {} was created.", user.email)),
        None => tracing::info!("KEYRACK_ADMIN_EMAIL is not used: there is an account already"),
    }
    Ok(())
}

/// `olive` of `olive@acme.example`; they can change it.
fn name_from(email: &str) -> &str {
    let local = email.split('@').next().unwrap_or_default();
    if local.chars().any(char::is_alphanumeric) && local.chars().count() <= 60 { local } else { "Owner" }
}

fn print_setup_link(db: &Db, settings: &Settings) -> Result<(), CliError> {
    match act(db, settings, people::make_setup_link) {
        Ok(token) => {
            say("\nNo account exists yet. Create the owner's account here; the link works once, for 60 minutes:");
            say(format!("\n    {}\n", setup_address(settings, token.reveal())));
            say("A new one: keyrack admin setup-link");
            Ok(())
        }
        // Another node was quicker.
        Err(AppError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
