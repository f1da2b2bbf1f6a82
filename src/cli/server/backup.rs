//! `keyrack backup` and `keyrack restore`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{CliError, ExitCode, act, open_existing, say, tell};
use crate::actions::backup::{self, Lost, Report, RestoreOptions, Restored};
use crate::db::{self, Db};
use crate::settings::Settings;

/// Saves everything.
pub(in crate::cli) fn backup(settings: &Settings, file: &Path) -> Result<ExitCode, CliError> {
    let db = open_existing(settings)?;
    // So that the journal goes on where the backup ends.
    db.follow_journal();
    let to_stdout = file == Path::new("-");
    let taken = act(&db, settings, |conn, ctx| {
        if to_stdout {
            backup::take_into(conn, ctx, &mut std::io::stdout().lock())
        } else {
            backup::take(conn, ctx, file)
        }
    })?;
    let name = file.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy());
    if let Err(error) = act(&db, settings, |conn, ctx| backup::note_taken(conn, ctx, &name, &taken)) {
        tell(format!("Warning: the audit log does not say that a backup was made: {}", CliError::from(error).message));
    }
    let place = if to_stdout { "stdout".to_owned() } else { file.display().to_string() };
    tell(format!("Saved {} rows to {place}. SHA-256 of the content: {}", taken.rows, taken.sha256));
    match db.journal() {
        Some(journal) => tell(format!(
            "Keep {} as well, apart from this file and always the newest: without it, a restore cannot know what was \
             revoked since.",
            journal.path().display()
        )),
        None => tell(
            "Warning: no revocation journal is kept. When the database is lost, a restore cannot know what was revoked \
             since; set KEYRACK_REVOCATION_JOURNAL to a file on another disk.",
        ),
    }
    Ok(ExitCode::Ok)
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RestoreArgs {
    /// Read this file
    file: PathBuf,
    /// Put it in place of what the database holds, also while servers run
    #[arg(long)]
    replace: bool,
    /// Learn from this revocation journal what was revoked since; may be given more than once
    #[arg(long, value_name = "FILE")]
    journal: Vec<PathBuf>,
    /// Revoke every key and service token: the safe way when the journal is lost
    #[arg(long, conflicts_with = "accept_lost_revocations")]
    revoke_all_keys: bool,
    /// Let every key of the backup work, though some may have been revoked since
    #[arg(long)]
    accept_lost_revocations: bool,
    /// Restore data that breaks its own rules, as it did when the backup was made
    #[arg(long)]
    even_if_broken: bool,
}

/// Puts a backup in place.
pub(in crate::cli) fn restore(settings: &Settings, args: &RestoreArgs) -> Result<ExitCode, CliError> {
    // Before anything is made for it.
    backup::check(&args.file)?;
    let path = settings.database_url.sqlite_path();
    let is_new = path.is_some_and(|path| !path.exists());
    let done = try_to_restore(settings, args);
    if done.is_err()
        && is_new
        && let Some(path) = path
    {
        remove_database(path);
    }
    done.map(|restored| {
        tell_restored(args, &restored);
        ExitCode::Ok
    })
}

fn try_to_restore(settings: &Settings, args: &RestoreArgs) -> Result<Restored, CliError> {
    let db = Db::open(settings.database_url.as_str())?.with_journal(settings.journal_path());
    db::migrate(&db)?;
    let own = settings.journal_path().filter(|path| path.exists());
    let lost = match (args.revoke_all_keys, args.accept_lost_revocations) {
        (true, _) => Lost::RevokeAll,
        (false, true) => Lost::Accept,
        (false, false) => Lost::Refuse,
    };
    let options = RestoreOptions {
        replace: args.replace,
        journals: own.into_iter().chain(args.journal.iter().cloned()).collect(),
        lost,
        even_if_broken: args.even_if_broken,
    };
    Ok(act(&db, settings, |conn, ctx| backup::restore(conn, ctx, &args.file, &options))?)
}

/// An empty database that was made for nothing.
fn remove_database(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // It may not be there.
        let _ = std::fs::remove_file(name);
    }
}

fn tell_restored(args: &RestoreArgs, restored: &Restored) {
    let Restored { made_at, rows, report, is_known, broken } = restored;
    tell(format!("Restored {rows} rows of {}, made at {made_at}.", args.file.display()));
    let Report { keys, secrets, changes, people, tokens, notes } = report;
    for (count, what) in [
        (keys, "keys revoked"),
        (secrets, "secrets replaced by later ones"),
        (people, "accounts shut, opened or given their later password"),
        (changes, "memberships, plans and owners of keys as they were last"),
        (tokens, "service tokens revoked"),
    ] {
        if *count > 0 {
            say(format!("{count:>6} {what}"));
        }
    }
    for text in notes.iter().chain(broken) {
        tell(format!("Warning: {text}"));
    }
    if !is_known {
        tell(if args.revoke_all_keys {
            "Nobody knows what was revoked since the backup, so every key and service token is revoked. Passwords and roles \
             are those of the backup."
        } else {
            "WARNING: nobody knows what was revoked since the backup. Keys that were revoked since work again, people who \
             left are back, and old passwords are in force. Look through Members and API keys of every organization now."
        });
    }
    tell("Everybody signs in again; open invitations have to be sent anew.");
}
