//! Keys that leaked: what partners report, what their holders give up, and what somebody found and wants to know of.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::alerts;
use super::keys::{KeyView, get_key, read_reason, revoke_with_audit};
use crate::actions::{AppError, Automaton, Ctx, OrgScope, automatic_audit};
pub use crate::db::leaks::LeakReport;
use crate::db::{self, Conn};
use crate::domain::alert::{AlertKind, Facts};
use crate::domain::ids::{KeyId, OrgId, SecretId};
use crate::domain::key::ApiKey;
use crate::domain::leak::{Finding, Found, Partner, Remedy, found_in, remedy};
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::domain::token::SecretHash;

/// Reports that are kept of one key: a partner may find it in very many places.
const REPORTS_OF_A_KEY: i64 = 100;
/// Reports that the page shows.
const REPORTS_SHOWN: i64 = 50;

/// Takes what a partner found, which is believed. Says of each whether it is or was a secret of a key here. What was
/// reported before changes nothing.
///
/// # Errors
/// The database's own failure. What was done until then is done: the partner reports all of it again.
pub fn take_report(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    partner: Partner,
    findings: &[Finding],
) -> Result<Vec<bool>, AppError> {
    let mut known: HashMap<&str, Option<Located>> = HashMap::new();
    let mut answers = Vec::with_capacity(findings.len());
    for finding in findings {
        if !known.contains_key(finding.token()) {
            known.insert(finding.token(), locate(conn, ctx, finding.token())?);
        }
        let located = known.get(finding.token()).and_then(Option::as_ref);
        if let Some(located) = located {
            db::write(conn, |conn| take_finding(conn, ctx, partner, finding, located))?;
        }
        answers.push(located.is_some());
    }
    Ok(answers)
}

/// A secret that is or was one of a key.
struct Located {
    org: OrgId,
    key: KeyId,
    secret: SecretId,
    hash: SecretHash,
}

fn locate(conn: &mut Conn, ctx: Ctx<'_>, token: &str) -> Result<Option<Located>, AppError> {
    let Some((id, secret)) = ctx.rules.format.split(token) else { return Ok(None) };
    let (key, hash) = (KeyId(id.to_owned()), secret.hash());
    let Some(secret) = db::leaks::find_secret_by_hash(conn, &key, &hash)? else { return Ok(None) };
    let found = db::keys::find_key_anywhere(conn, &key)?;
    Ok(found.map(|found| Located { org: found.org, key, secret, hash }))
}

fn take_finding(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    partner: Partner,
    finding: &Finding,
    located: &Located,
) -> Result<(), AppError> {
    let org = db::orgs::lock_org_by_id(conn, &located.org)?;
    let now = db::now(conn, ctx.clock)?;
    let key = db::keys::find_key(conn, &org.id, &located.key)?.ok_or(AppError::NotFound)?;
    let found = found_in(&key, &located.hash, now);
    let remedy = remedy(&key, found, ctx.rules.on_leak, now);
    let format = &ctx.rules.format;
    let report = LeakReport {
        secret: located.secret.clone(),
        org: org.id.clone(),
        key: key.id.clone(),
        partner: partner.as_str().to_owned(),
        place: finding.place(format),
        kind: finding.word(&finding.kind, format),
        source: finding.word(&finding.source, format),
        found: found.as_str().to_owned(),
        done: remedy.as_str().to_owned(),
        reported_at: now,
    };
    let there_is_room = db::leaks::count_reports(conn, &key.id)? < REPORTS_OF_A_KEY;
    let by = Automaton { id: partner.as_str(), name: partner.name(), credential: "signed report" };
    let by = (&by, org.id.as_str());
    if there_is_room && db::leaks::insert_report(conn, &report)? {
        let after = json!({
            "place": report.place, "source": report.source, "found": report.found, "done": report.done,
        });
        automatic_audit(conn, &ctx, by, "key.leaked", (key.id.as_str(), &key.name), (Value::Null, after), now)?;
        if remedy != Remedy::Nothing {
            let place = Some(report.place.clone()).filter(|place| !place.is_empty());
            let facts = Facts { actor: Some(partner.name().to_owned()), place, ..Facts::default() };
            alerts::raise_for_key(conn, format, (&org.id, now), AlertKind::Leaked, &key, (facts, None))?;
        }
    }
    apply(conn, ctx, by, &key, (remedy, &report), now)
}

/// Does what is to be done about it.
fn apply(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    by: (&Automaton<'_>, &str),
    key: &ApiKey,
    (remedy, report): (Remedy, &LeakReport),
    now: Timestamp,
) -> Result<(), AppError> {
    let object = (key.id.as_str(), key.name.as_str());
    match remedy {
        Remedy::Revoke => {
            let at = if report.place.is_empty() { String::new() } else { format!(" at {}", report.place) };
            let reason: String = format!("Found by {}{at}", by.0.name).chars().take(200).collect();
            db::keys::mark_revoked(conn, &key.id, None, &reason, now)?;
            db::keys::mark_old_secrets_ended(conn, &key.id)?;
            let sides = (json!({"status": key.status(now)}), json!({"status": "revoked", "reason": reason}));
            automatic_audit(conn, &ctx, by, "key.revoked", object, sides, now)?;
            let facts = Facts { actor: Some(by.0.name.to_owned()), reason: Some(reason), ..Facts::default() };
            alerts::raise_for_key(conn, &ctx.rules.format, (&key.org, now), AlertKind::Revoked, key, (facts, None))?;
            Ok(())
        }
        Remedy::EndOldSecret => {
            db::keys::mark_old_secrets_ended(conn, &key.id)?;
            let old = key.secret_in_grace(now);
            let before =
                json!({"last4": old.map(|old| &old.last4), "valid_until": old.and_then(|old| old.valid_until)});
            automatic_audit(conn, &ctx, by, "key.old_secret_ended", object, (before, json!({"valid_until": now})), now)
        }
        // A partner who asks again may never have got the first answer: this one too waits until every node knows.
        Remedy::Tell | Remedy::Nothing => Ok(db::keys::note_key(&key.id)?),
    }
}

/// What a holder gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The key.
    Key,
    /// Only the old secret of a rotation, which was the one presented: who uses the new one is not disturbed.
    OldSecret,
}

/// Gives up the key that the caller came with, or its old secret where that was presented. Needs no right: whoever holds a
/// secret can do nothing less harmful with it.
///
/// # Errors
/// `SignIn` when the secret does not work any more.
pub fn revoke_self(
    scope: &mut OrgScope<'_>,
    key: &KeyId,
    hash: &SecretHash,
    reason: &str,
) -> Result<GivenUp, AppError> {
    let key = db::keys::find_key(scope.conn, &scope.org.id, key)?.ok_or(AppError::SignIn)?;
    match found_in(&key, hash, scope.now) {
        Found::Current => {
            let reason = read_reason(scope, reason)?;
            let reason = if reason.is_empty() { "Revoked by its holder".to_owned() } else { reason };
            revoke_with_audit(scope, &key, &reason)?;
            Ok(GivenUp::Key)
        }
        Found::InGrace => {
            db::keys::mark_old_secrets_ended(scope.conn, &key.id)?;
            let old = key.secret_in_grace(scope.now);
            let before = json!({"last4": old.map(|old| &old.last4)});
            let after = json!({"valid_until": scope.now, "reason": "Given up by its holder"});
            scope.audit("key.old_secret_ended", (key.id.as_str(), &key.name), before, after)?;
            Ok(GivenUp::OldSecret)
        }
        Found::Ended => Err(AppError::SignIn),
    }
}

/// A key that somebody found and pasted.
#[derive(Debug)]
pub struct Identified {
    /// The key.
    pub view: KeyView,
    /// Which of its secrets it was.
    pub found: Found,
}

/// Whose key stands in a text; nothing for keys of other organizations, and for what is no key.
///
/// # Errors
/// Not allowed.
pub fn identify(scope: &mut OrgScope<'_>, text: &str) -> Result<Option<Identified>, AppError> {
    policy::may_read_audit(&scope.actor)?;
    let Some(token) = scope.ctx.rules.format.find_token(text) else { return Ok(None) };
    let Some((id, secret)) = scope.ctx.rules.format.split(token) else { return Ok(None) };
    let (id, hash) = (KeyId(id.to_owned()), secret.hash());
    let Some(key) = db::keys::find_key(scope.conn, &scope.org.id, &id)? else { return Ok(None) };
    if db::leaks::find_secret_by_hash(scope.conn, &id, &hash)?.is_none() {
        return Ok(None);
    }
    let found = found_in(&key, &hash, scope.now);
    Ok(Some(Identified { view: get_key(scope, &id)?, found }))
}

/// What partners reported of the organization's keys, the newest first, each with the key's name.
///
/// # Errors
/// Not allowed.
pub fn list_reports(scope: &mut OrgScope<'_>) -> Result<Vec<(LeakReport, String)>, AppError> {
    policy::may_read_audit(&scope.actor)?;
    Ok(db::leaks::list_reports(scope.conn, &scope.org.id, REPORTS_SHOWN)?)
}
