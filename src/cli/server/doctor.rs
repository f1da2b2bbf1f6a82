//! `keyrack doctor`: looks at everything that can be wrong without changing anything.

use super::{CliError, ExitCode, act, open_existing, say};
use crate::actions::AppError;
use crate::actions::alerts::{Seal, list_unreadable};
use crate::db::{self, Conn, Db};
use crate::settings::{Origin, SessionKey, Settings, file_beside};

/// What was found, in the order of looking.
#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn ok(&self, what: &str) {
        say(format!("ok    {what}"));
    }

    fn warn(&self, what: &str) {
        say(format!("warn  {what}"));
    }

    fn fail(&mut self, what: &str) {
        self.failed = true;
        say(format!("FAIL  {what}"));
    }
}

/// Prints a line per check. Fails when one of them did.
pub(in crate::cli) fn doctor(settings: Result<Settings, CliError>) -> ExitCode {
    let mut report = Report::default();
    match settings {
        Err(error) => error.message.lines().for_each(|line| report.fail(line)),
        Ok(settings) => {
            report.ok("settings: all understood");
            settings.warnings().iter().for_each(|warning| report.warn(warning));
            let key = check_session_key(&settings, &mut report);
            match open_existing(&settings) {
                Err(error) => report.fail(&error.message),
                Ok(db) => check_database(&settings, key.as_ref(), &db, &mut report),
            }
        }
    }
    if report.failed { ExitCode::Error } else { ExitCode::Ok }
}

/// The key, where there is one.
fn check_session_key(settings: &Settings, report: &mut Report) -> Option<SessionKey> {
    if settings.origin("session_key") != Origin::Default {
        report.ok("session key: given by the settings");
        return settings.session_key.clone();
    }
    let path = file_beside(settings.database_url.sqlite_path());
    if !path.exists() {
        report.warn(&format!("session key: {} is made at the first start", path.display()));
        return None;
    }
    let key = crate::settings::load_or_create(&path);
    match &key {
        Ok(_) => report.ok(&format!("session key: {}", path.display())),
        Err(error) => report.fail(error),
    }
    key.ok()
}

fn check_database(settings: &Settings, key: Option<&SessionKey>, db: &Db, report: &mut Report) {
    // Opening checks WAL, full synchronisation and foreign keys of SQLite.
    report.ok(&format!("database: {}, schema up to date", db.describe()));
    let checked = act(db, settings, |conn, ctx| {
        let now = db::now(conn, ctx.clock)?;
        let skew = (now.as_micros() - ctx.clock.now().as_micros()).abs() / 1_000_000;
        match skew {
            0..=2 => report.ok("clock: this machine and the database agree"),
            _ => report.warn(&format!("clock: this machine and the database differ by {skew} s; the database decides")),
        }
        match db::invariants::count_integrity_faults(conn)? {
            0 => report.ok("storage: whole"),
            faults => report.fail(&format!("storage: {faults} faults; restore a backup")),
        }
        let broken = db::invariants::find_broken_invariants(conn, now)?;
        broken.iter().for_each(|sentence| report.fail(sentence));
        if broken.is_empty() {
            let chains = db::audit::list_chains(conn)?.len();
            report.ok("data: every rule holds");
            report.ok(&format!("audit logs: whole, {chains} of them"));
        }
        check_webhooks(key, conn, report)?;
        check_people(settings, conn, report)
    });
    if let Err(error) = checked {
        report.fail(&format!("database: {}", CliError::from(error).message));
    }
}

fn check_webhooks(key: Option<&SessionKey>, conn: &mut Conn, report: &mut Report) -> Result<(), AppError> {
    // Where no key is, one is made that cannot read what was sealed before either.
    let key = key.map_or(&[][..], |key| key.as_bytes());
    for slug in list_unreadable(conn, &Seal::from_session_key(key))? {
        report.warn(&format!(
            "webhooks: {slug} has endpoints whose signing secret this session key cannot read, so nothing is sent there; \
             put the key of before back, or let an admin get new secrets under Settings → Notifications"
        ));
    }
    Ok(())
}

fn check_people(settings: &Settings, conn: &mut Conn, report: &mut Report) -> Result<(), AppError> {
    match db::users::count_users(conn)? {
        0 => report.warn("people: nobody yet; `keyrack admin setup-link` prints the link for the owner"),
        people => report.ok(&format!("people: {people}")),
    }
    for org in db::orgs::list_all_orgs(conn)? {
        if settings.plan(&org.plan).is_none() {
            report.warn(&format!(
                "plans: {} is on “{}”, which the settings do not name, so it has no API keys; \
                 `keyrack admin set-plan {} PLAN` changes that",
                org.slug, org.plan, org.slug
            ));
        }
    }
    Ok(())
}
