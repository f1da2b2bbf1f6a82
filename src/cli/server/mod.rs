//! Commands that open the database: they read the settings, call actions, and print.

mod admin;
mod alerts;
mod backup;
mod demo;
mod doctor;
mod first_run;
mod healthcheck;
mod scanner_rules;
mod serve;

use std::fmt::Display;

pub(super) use admin::{AdminCommand, admin};
pub(super) use backup::{RestoreArgs, backup, restore};
pub(super) use demo::demo;
pub(super) use doctor::doctor;
pub(super) use healthcheck::healthcheck;
pub(super) use scanner_rules::{Scanner, scanner_rules};
pub(super) use serve::serve;

use super::{CliError, ExitCode, output};
use crate::actions::{AppError, Ctx, Origin};
use crate::clock::Clock;
use crate::db::{self, Conn, Db};
use crate::gate::{Settled, settle_from_outside};
use crate::settings::Settings;

/// Brings the schema up to date.
pub(super) fn migrate(settings: &Settings) -> Result<ExitCode, CliError> {
    let db = Db::open(settings.database_url.as_str())?;
    let state = db.run(|conn| db::schema_state(conn).map_err(CliError::new))?;
    let ran = db::migrate(&db)?;
    tell(match (ran, state) {
        (0, _) => format!("{}: the schema is up to date", db.describe()),
        (ran, _) => format!("{}: the schema is up to date now, migrations run: {ran}", db.describe()),
    });
    Ok(ExitCode::Ok)
}

/// Opens the database for a command that needs its data: it must exist and be up to date.
fn open_existing(settings: &Settings) -> Result<Db, CliError> {
    if let Some(path) = settings.database_url.sqlite_path()
        && !path.exists()
    {
        return Err(CliError::new(format!(
            "KEYRACK_DATABASE_URL: there is no database at {} yet; `keyrack serve` and `keyrack migrate` make it",
            path.display()
        )));
    }
    let db = Db::open(settings.database_url.as_str())?.with_journal(settings.journal_path());
    match db.run(|conn| db::schema_state(conn).map_err(CliError::new))? {
        db::SchemaState::Current => Ok(db),
        db::SchemaState::Behind(_) => {
            Err(CliError::new("KEYRACK_DATABASE_URL: the schema is older than this program; run `keyrack migrate`"))
        }
        db::SchemaState::Newer(_) => Err(CliError::new(
            "KEYRACK_DATABASE_URL: the schema is newer than this program; use that version of Keyrack",
        )),
    }
}

/// Does a deed of the operator's.
fn act<T>(
    db: &Db,
    settings: &Settings,
    f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let rules = settings.rules();
    let origin = Origin { via: "server", ..Origin::default() };
    let clock = Clock::system();
    let (result, changed) = db.deed(|conn| f(conn, Ctx { rules: &rules, clock: &clock, origin: &origin }));
    if let Some(seq) = changed
        && settle_from_outside(db, seq) == Settled::Unconfirmed
    {
        tell("Warning: the server of this database did not confirm the change. If one is running, restart it.");
    }
    result
}

fn say(text: impl Display) {
    output::data(&text.to_string());
}

fn tell(text: impl Display) {
    output::talk(&text.to_string());
}
