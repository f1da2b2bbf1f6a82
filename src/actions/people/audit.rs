//! The organization's audit log: reading, exporting, checking.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::db::audit::AuditFilter;
use crate::domain::audit::{AuditEntry, spreadsheet_cell, verify_chain_end};
use crate::domain::policy;

/// Lines on one page.
const PAGE: i64 = 50;
/// Lines in one file; a longer log is exported in parts, by time.
const EXPORT_MAX: i64 = 100_000;

/// A page of the log, the newest first.
#[derive(Debug)]
pub struct AuditPage {
    /// Its lines.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins, if there is one: only lines below this position.
    pub next: Option<i64>,
}

/// How a log leaves the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFormat {
    /// For spreadsheets.
    Csv,
    /// One JSON object per line, with the hashes of the chain.
    JsonLines,
}

/// A page of the organization's log.
///
/// # Errors
/// Not allowed, or the database's own failure.
pub fn list_audit(scope: &mut OrgScope<'_>, filter: &AuditFilter) -> Result<AuditPage, AppError> {
    policy::may_read_audit(&scope.actor)?;
    let mut entries = db::audit::list_entries(scope.conn, scope.org.id.as_str(), filter, PAGE + 1)?;
    let has_more = entries.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    entries.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let next = entries.last().map(|entry| entry.seq).filter(|_| has_more);
    Ok(AuditPage { entries, next })
}

/// Who could have done something here: the members, by id and name.
///
/// # Errors
/// Not allowed, or the database's own failure.
pub fn audit_actors(scope: &mut OrgScope<'_>) -> Result<Vec<(String, String)>, AppError> {
    policy::may_read_audit(&scope.actor)?;
    let members = db::orgs::list_members(scope.conn, &scope.org.id)?;
    Ok(members.into_iter().map(|member| (member.user.id.to_string(), member.user.name)).collect())
}

/// The log as a file, the newest first.
///
/// # Errors
/// Not allowed, or the database's own failure.
pub fn export_audit(scope: &mut OrgScope<'_>, filter: &AuditFilter, format: AuditFormat) -> Result<String, AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_read_audit(&scope.actor)?;
    let entries = db::audit::list_entries(scope.conn, scope.org.id.as_str(), filter, EXPORT_MAX)?;
    match format {
        AuditFormat::Csv => csv(&entries),
        AuditFormat::JsonLines => json_lines(&entries),
    }
}

fn csv(entries: &[AuditEntry]) -> Result<String, AppError> {
    let failed = |error: &dyn std::fmt::Display| AppError::Internal(anyhow::anyhow!("csv: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = [
        "seq",
        "time",
        "actor",
        "actor_id",
        "credential",
        "action",
        "object",
        "object_id",
        "before",
        "after",
        "address",
        "via",
        "request_id",
    ];
    writer.write_record(head).map_err(|error| failed(&error))?;
    for entry in entries {
        let (seq, at) = (entry.seq.to_string(), entry.at.to_string());
        let cells = [
            &seq,
            &at,
            &entry.actor_name,
            &entry.actor_id,
            &entry.credential,
            &entry.action,
            &entry.object_name,
            &entry.object_id,
            &entry.before,
            &entry.after,
            &entry.address,
            &entry.via,
            &entry.request_id,
        ];
        let cells = cells.map(|cell| spreadsheet_cell(cell));
        writer.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn json_lines(entries: &[AuditEntry]) -> Result<String, AppError> {
    let side = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let mut text = String::new();
    for entry in entries {
        let line = json!({
            "seq": entry.seq, "time": entry.at, "actor": {"id": entry.actor_id, "name": entry.actor_name},
            "credential": entry.credential, "action": entry.action,
            "object": {"id": entry.object_id, "name": entry.object_name},
            "before": side(&entry.before), "after": side(&entry.after),
            "address": entry.address, "via": entry.via, "request_id": entry.request_id,
            "prev_hash": entry.prev_hash, "hash": entry.hash,
        });
        writeln!(text, "{line}").map_err(|error| AppError::Internal(anyhow::Error::new(error)))?;
    }
    Ok(text)
}

/// Lines that the page checks at each look; `doctor` checks all of them.
const CHECKED_MAX: i64 = 1_000;

/// How the end of the chain stands.
#[derive(Debug)]
pub struct ChainState {
    /// How many lines the chain has, or what is wrong with it.
    pub lines: Result<i64, String>,
    /// How many of the last lines were checked.
    pub checked: i64,
    /// The hash of its last line: whoever keeps it elsewhere can tell later that none was taken away.
    pub head: String,
}

/// Checks the last lines of the chain.
///
/// # Errors
/// Not allowed, or the database's own failure.
pub fn verify_audit(scope: &mut OrgScope<'_>) -> Result<ChainState, AppError> {
    policy::may_read_audit(&scope.actor)?;
    let (entries, head) = db::audit::load_chain(scope.conn, scope.org.id.as_str(), Some(CHECKED_MAX))?;
    let checked = i64::try_from(entries.len()).unwrap_or(CHECKED_MAX);
    Ok(ChainState { lines: verify_chain_end(&entries, &head), checked, head })
}
