//! Putting a backup in place: in one transaction, so that a server that runs on the database sees the old data or the new, and
//! whatever goes wrong leaves the old.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::apply::{Applier, Report};
use super::file::{self, Header};
use super::upgrade;
use super::{file_error, refused};
use crate::actions::people::SERVER_CHAIN;
use crate::actions::{AppError, Ctx, server_audit};
use crate::db::changes::{Change, note};
use crate::db::journal::{JournalError, Pages, write_all_rights};
use crate::db::{self, Conn, installation, tables};
use crate::domain::rights::Gap;
use crate::domain::time::Timestamp;

/// What to do when nobody knows what was revoked since the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nothing.
    Refuse,
    /// Revoke every key and service token: also when it is known.
    RevokeAll,
    /// Let whatever the backup holds work.
    Accept,
}

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Whether data that is there may be replaced.
    pub replace: bool,
    /// Revocation journals, besides what the database itself knows.
    pub journals: Vec<PathBuf>,
    /// See [`Lost`].
    pub lost: Lost,
    /// Whether data that breaks a rule is put in place all the same.
    pub even_if_broken: bool,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// When the backup was made.
    pub made_at: String,
    /// How many rows it held.
    pub rows: u64,
    /// What was taken away again.
    pub report: Report,
    /// Whether all that was taken away since the backup is known.
    pub is_known: bool,
    /// Rules that the data breaks.
    pub broken: Vec<String>,
}

/// Puts a backup in place of whatever the database holds.
///
/// # Errors
/// A damaged or newer file, data that must not be replaced, revocations that nobody knows, rules that are broken. Then
/// nothing was changed.
pub fn restore(conn: &mut Conn, ctx: Ctx<'_>, path: &Path, options: &RestoreOptions) -> Result<Restored, AppError> {
    let header = file::check(path)?;
    let known = db::known_schema().map_err(refused)?;
    if let Some(newer) = header.schema.difference(&known).next() {
        let by = &header.version;
        return Err(refused(format!(
            "{} has the schema of a newer Keyrack ({by}, {newer}); restore it with that one",
            path.display()
        )));
    }
    let upgraded = if header.schema == known { None } else { Some(upgrade::to_current(path, &header)?) };
    let path = upgraded.as_ref().map_or(path, |upgraded| upgraded.path.as_path());
    db::write(conn, |conn| put_in_place(conn, ctx, path, &header, options))
}

fn put_in_place(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    path: &Path,
    header: &Header,
    options: &RestoreOptions,
) -> Result<Restored, AppError> {
    let tables = tables::list_tables(conn)?;
    tables::lock_tables(conn, &tables)?;
    let now = db::now(conn, ctx.clock)?;
    if !options.replace {
        refuse_to_replace(conn)?;
    }
    // What is replaced knows best what was revoked; it is read before it goes.
    let own =
        tempfile::NamedTempFile::new().map_err(|error| refused(format!("no scratch file can be made: {error}")))?;
    let mut journals = options.journals.clone();
    if installation::find_name(conn)? == header.installation {
        write_all_rights(conn, own.path()).map_err(unreadable)?;
        journals.push(own.path().to_owned());
    }
    let pages = Pages::find(journals, &header.installation).map_err(unreadable)?;
    let covered = pages.covered(header.seq);
    if let Err(gap) = covered
        && options.lost == Lost::Refuse
    {
        return Err(refused(not_known(gap, header)));
    }
    let events = db::events::last_number(conn)?;
    let rows = upgrade::fill(conn, path)?;
    db::events::raise_numbers(conn, events)?;
    db::alerts::deliveries::give_up_waiting(conn, now)?;
    let mut applier = Applier::new(conn, ctx, now);
    pages.each(header.seq, |page| applier.apply(page).map_err(Stop::Deed)).map_err(AppError::from)?;
    if options.lost == Lost::RevokeAll {
        applier.revoke_everything()?;
    }
    let report = applier.finish()?;
    installation::raise_clock(conn, pages.newest().max(header.seq))?;
    // With a part of its history unknown, it is another installation: no journal of the old one may speak for it.
    let name = if covered.is_ok() { header.installation.clone() } else { installation::new_name()? };
    installation::put_name(conn, &name)?;
    note_restored(conn, &ctx, header, (rows, &report), now)?;
    note(Change::Everything)?;
    let broken = db::invariants::find_broken_invariants(conn, now)?;
    if !broken.is_empty() && !options.even_if_broken {
        let broken = broken.join("\n");
        return Err(refused(format!(
            "{broken}\nThe backup breaks the rules above, as the data did when it was made. Nothing was restored; \
             --even-if-broken restores it all the same."
        )));
    }
    Ok(Restored { made_at: header.made_at.clone(), rows, report, is_known: covered.is_ok(), broken })
}

/// Takes away again what an old copy of the database, put in place by other means, has brought back. Returns what that was;
/// nothing when the database is no older than its journal.
///
/// # Errors
/// The journal cannot be read, or the database's own failure.
pub fn catch_up(conn: &mut Conn, ctx: Ctx<'_>, journal: &Path) -> Result<Option<Report>, AppError> {
    if !journal.exists() {
        return Ok(None);
    }
    let pages = Pages::find(vec![journal.to_owned()], &installation::find_name(conn)?).map_err(unreadable)?;
    if pages.newest() <= db::changes::read_clock(conn)? {
        return Ok(None);
    }
    db::write(conn, |conn| {
        let (now, seq) = (db::now(conn, ctx.clock)?, db::changes::read_clock(conn)?);
        if pages.newest() <= seq {
            // Another process was quicker.
            return Ok(None);
        }
        let mut applier = Applier::new(conn, ctx, now);
        pages.each(seq, |page| applier.apply(page).map_err(Stop::Deed)).map_err(AppError::from)?;
        let report = applier.finish()?;
        installation::raise_clock(conn, pages.newest())?;
        let after = json!({"keys_revoked": report.keys, "secrets_replaced": report.secrets});
        server_audit(conn, &ctx, SERVER_CHAIN, "server.journal_applied", ("", ""), (Value::Null, after), now)?;
        note(Change::Everything)?;
        Ok(Some(report))
    })
}

fn refuse_to_replace(conn: &mut Conn) -> Result<(), AppError> {
    let orgs = db::orgs::list_all_orgs(conn)?.len();
    let people = db::users::count_users(conn)?;
    if orgs > 0 || people > 0 {
        return Err(refused(format!(
            "the database holds data (organizations: {orgs}, people: {people}); with --replace the backup takes its place, \
             and what it holds is gone"
        )));
    }
    if !db::nodes::list_nodes(conn)?.is_empty() {
        return Err(refused("a server runs on this database; stop it, or restore with --replace while it runs"));
    }
    Ok(())
}

fn not_known(gap: Gap, header: &Header) -> String {
    let why = match gap {
        Gap::Older => "there is no revocation journal that goes on after it",
        Gap::Missing => "the revocation journal has a gap after it",
    };
    format!(
        "the backup is of {}, and {why}: keys that were revoked since would work again. Nothing was restored.\n\
         Give the journal with --journal FILE; it stands beside the old database, or where KEYRACK_REVOCATION_JOURNAL says.\n\
         If it is lost: --revoke-all-keys restores everything and revokes every key and service token, which is safe;\n\
         --accept-lost-revocations lets all of them work, revoked since or not.",
        header.made_at
    )
}

fn note_restored(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    header: &Header,
    (rows, report): (u64, &Report),
    now: Timestamp,
) -> Result<(), AppError> {
    let after = json!({
        "backup_made_at": header.made_at, "rows": rows, "keys_revoked": report.keys, "secrets_replaced": report.secrets,
    });
    let object = (header.installation.as_str(), header.made_at.as_str());
    server_audit(conn, ctx, SERVER_CHAIN, "server.restored", object, (Value::Null, after), now)?;
    for org in db::orgs::list_all_orgs(conn)? {
        let (object, after) = ((org.id.as_str(), org.name.as_str()), json!({"backup_made_at": header.made_at}));
        server_audit(conn, ctx, org.id.as_str(), "organization.restored", object, (Value::Null, after), now)?;
    }
    Ok(())
}

enum Stop {
    Journal(JournalError),
    Deed(AppError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<Stop> for AppError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Journal(error) => unreadable(error),
            Stop::Deed(error) => error,
        }
    }
}

fn unreadable(error: JournalError) -> AppError {
    match error {
        JournalError::File(path, error) => file_error(&path, "cannot be read", &error),
        JournalError::Database(error) => error.into(),
    }
}
