//! The schema: which migrations a database has seen, and running those that it has not.

use std::collections::BTreeSet;

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::MultiBackend;
use super::{Conn, Db, OpenError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Any number will do, as long as every Keyrack takes the same one.
const MIGRATION_LOCK: i64 = 0x6b65_7972_6163_6b01;

/// How the database's schema stands to the one this program was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// This many migrations are still to be run.
    Behind(usize),
    /// A newer program was here: refuse to touch it.
    Newer(Vec<String>),
}

/// Compares the schema with the program.
///
/// # Errors
/// The database's own failure, in words.
pub fn schema_state(conn: &mut Conn) -> Result<SchemaState, String> {
    let (applied, known) = (applied_schema(conn)?, known_schema()?);
    let newer: Vec<String> = applied.difference(&known).cloned().collect();
    Ok(match known.difference(&applied).count() {
        _ if !newer.is_empty() => SchemaState::Newer(newer),
        0 => SchemaState::Current,
        behind => SchemaState::Behind(behind),
    })
}

/// Runs the pending migrations under a lock, so that processes starting together do it once. Returns how many ran.
///
/// # Errors
/// A newer schema, or the database's own failure, in words.
pub fn migrate(db: &Db) -> Result<usize, OpenError> {
    db.run(|conn| -> Result<usize, OpenError> {
        super::write(conn, |conn| -> Result<usize, MigrateError> {
            if let Conn::Postgres(pg) = conn {
                diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
                    .bind::<diesel::sql_types::BigInt, _>(MIGRATION_LOCK)
                    .execute(pg)?;
            }
            match schema_state(conn).map_err(MigrateError)? {
                SchemaState::Current => {
                    super::installation::ensure_name(conn)?;
                    Ok(0)
                }
                SchemaState::Behind(_) => {
                    let ran =
                        conn.run_pending_migrations(MIGRATIONS).map_err(|error| MigrateError(error.to_string()))?.len();
                    super::installation::ensure_name(conn)?;
                    Ok(ran)
                }
                SchemaState::Newer(versions) => Err(MigrateError(format!(
                    "the database has the schema of a newer Keyrack ({}); start that version, or restore a backup",
                    versions.join(", ")
                ))),
            }
        })
        .map_err(|error| OpenError(error.0))
    })
}

/// The migrations that have been run on a database.
///
/// # Errors
/// The database's own failure, in words.
pub fn applied_schema(conn: &mut Conn) -> Result<BTreeSet<String>, String> {
    Ok(conn.applied_migrations().map_err(|error| error.to_string())?.iter().map(MigrationVersion::to_string).collect())
}

/// The migrations that this program knows.
///
/// # Errors
/// A fault in the program, in words.
pub fn known_schema() -> Result<BTreeSet<String>, String> {
    let known: Vec<Box<dyn Migration<MultiBackend>>> = MIGRATIONS.migrations().map_err(|error| error.to_string())?;
    Ok(known.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Runs on an empty database exactly these migrations: the schema of an older program.
///
/// # Errors
/// A migration that is not known, or the database's own failure, in words.
pub fn migrate_to(db: &Db, schema: &BTreeSet<String>) -> Result<(), OpenError> {
    let words = |error: &dyn std::fmt::Display| OpenError(error.to_string());
    db.run(|conn| {
        let pending = conn.pending_migrations(MIGRATIONS).map_err(|error| words(&error))?;
        for migration in pending.iter().filter(|migration| schema.contains(&migration.name().version().to_string())) {
            conn.run_migration(migration).map_err(|error| words(&error))?;
        }
        let applied = applied_schema(conn).map_err(OpenError)?;
        if applied == *schema { Ok(()) } else { Err(OpenError("the schema cannot be made".to_owned())) }
    })
}

/// Undoes every migration; for tests of the migrations themselves.
///
/// # Errors
/// The database's own failure, in words.
pub fn revert_all(db: &Db) -> Result<(), OpenError> {
    db.run(|conn| conn.revert_all_migrations(MIGRATIONS).map(|_| ()).map_err(|error| OpenError(error.to_string())))
}

struct MigrateError(String);

impl From<super::DbError> for MigrateError {
    fn from(error: super::DbError) -> Self {
        Self(error.to_string())
    }
}
