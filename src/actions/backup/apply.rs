//! Brings the rights in restored data to where they stood last: keys stay revoked, ended secrets ended, people who left or were
//! shut out stay out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::actions::people::SERVER_CHAIN;
use crate::actions::{AppError, Ctx, server_audit};
use crate::db::{self, Conn};
use crate::domain::ids::{KeyId, OrgId, ServiceTokenId, UserId};
use crate::domain::org::{Member, Role};
use crate::domain::rights::{KeyRight, Page, Right};
use crate::domain::time::Timestamp;

/// What was taken away again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys that were revoked.
    pub keys: usize,
    /// Secrets that had taken the place of others.
    pub secrets: usize,
    /// Memberships and plans that were changed.
    pub changes: usize,
    /// Accounts that were shut or given another password.
    pub people: usize,
    /// Service tokens that were revoked.
    pub tokens: usize,
    /// What somebody has to look at.
    pub notes: Vec<String>,
}

/// Role and since when, or nothing for who does not belong.
type Belonging = Option<(String, i64)>;

/// See the module. Rights come in the order in which they came about; then `finish`.
pub(super) struct Applier<'a> {
    pub(super) conn: &'a mut Conn,
    ctx: Ctx<'a>,
    now: Timestamp,
    report: Report,
    /// The last word on each membership: put in place at the end, because no organization may be without an owner between.
    members: BTreeMap<(String, String), Belonging>,
    /// The page that names everybody who belonged, when it was the last.
    whole: Option<i64>,
}

impl<'a> Applier<'a> {
    pub(super) fn new(conn: &'a mut Conn, ctx: Ctx<'a>, now: Timestamp) -> Self {
        Self { conn, ctx, now, report: Report::default(), members: BTreeMap::new(), whole: None }
    }

    /// The next piece of the journal.
    pub(super) fn apply(&mut self, page: Page) -> Result<(), AppError> {
        // It names what there was: whoever is not on it did not belong any more.
        if page.is_whole() && self.whole != Some(page.to) {
            self.whole = Some(page.to);
            self.members = db::rights::list_memberships(self.conn)?.into_iter().map(|place| (place, None)).collect();
        }
        page.rights.into_iter().try_for_each(|right| self.apply_right(right))
    }

    /// What is not in the backup is passed over: it is not there to be used.
    fn apply_right(&mut self, right: Right) -> Result<(), AppError> {
        match right {
            Right::Key(key) => self.apply_key(&key),
            Right::Member { org, user, role } => {
                self.members.insert((org, user), role);
                Ok(())
            }
            Right::Person { id, disabled_at, password_hash } => {
                self.apply_person(&id.as_str().into(), disabled_at, &password_hash)
            }
            Right::Org { id, plan } => self.apply_plan(&id.as_str().into(), &plan),
            Right::ServiceToken { id, revoked_at } => self.apply_token(&id.as_str().into(), revoked_at),
        }
    }

    fn audit(
        &mut self,
        chain: &str,
        action: &str,
        object: (&str, &str),
        before: Value,
        after: Value,
    ) -> Result<(), AppError> {
        server_audit(self.conn, &self.ctx, chain, action, object, (before, after), self.now)
    }

    fn apply_key(&mut self, right: &KeyRight) -> Result<(), AppError> {
        let id = KeyId(right.id.clone());
        // Revoked is for good, whatever else was noted.
        let Some(key) = db::keys::find_key_anywhere(self.conn, &id)?.filter(|key| key.revoked.is_none()) else {
            return Ok(());
        };
        let (org, object) = (key.org.to_string(), (key.id.as_str(), key.name.as_str()));
        for secret in db::rights::put_secrets(self.conn, right)? {
            self.report.secrets += 1;
            self.audit(&org, "key.rotated", object, Value::Null, json!({"last4": secret.last4, "by": "restore"}))?;
        }
        if let Some((at, by, reason)) = &right.revoked {
            let by = by.as_deref().map(UserId::from);
            let by = match &by {
                Some(by) if db::users::find_user(self.conn, by)?.is_some() => Some(by),
                _ => None,
            };
            let at = Timestamp::from_micros(*at).max(key.created_at);
            return self.revoke(&id, &key.name, &key.org, (by, reason, at));
        }
        let owner = UserId(right.owner.clone());
        if owner != key.owner && db::users::find_user(self.conn, &owner)?.is_none() {
            let gone = (None, "It was handed over to somebody who is not in the backup", self.now);
            return self.revoke(&id, &key.name, &key.org, gone);
        }
        db::rights::put_key_right(self.conn, right)?;
        if owner != key.owner {
            self.report.changes += 1;
            let after = json!({"owner": owner, "role_max": right.role_max});
            self.audit(&org, "key.handed_over", object, json!({"owner": key.owner}), after)?;
        }
        Ok(())
    }

    fn revoke(
        &mut self,
        id: &KeyId,
        name: &str,
        org: &OrgId,
        (by, reason, at): (Option<&UserId>, &str, Timestamp),
    ) -> Result<(), AppError> {
        if !db::keys::mark_revoked(self.conn, id, by, reason, at)? {
            return Ok(());
        }
        db::keys::mark_old_secrets_ended(self.conn, id)?;
        self.report.keys += 1;
        let after = json!({"status": "revoked", "reason": reason, "by": "restore"});
        self.audit(org.as_str(), "key.revoked", (id.as_str(), name), Value::Null, after)
    }

    fn apply_person(&mut self, id: &UserId, disabled_at: Option<i64>, hash: &str) -> Result<(), AppError> {
        let Some((was_disabled, old_hash)) = db::rights::find_way_in(self.conn, id)? else { return Ok(()) };
        let name = db::users::find_user(self.conn, id)?.map(|user| user.name).unwrap_or_default();
        if old_hash != hash {
            self.report.people += 1;
            db::users::update_password_hash(self.conn, id, hash)?;
            self.audit(id.as_str(), "account.password_restored", (id.as_str(), &name), Value::Null, Value::Null)?;
        }
        if was_disabled.is_some() != disabled_at.is_some() {
            self.report.people += 1;
            db::users::update_disabled(self.conn, id, disabled_at.map(Timestamp::from_micros))?;
            let action = if disabled_at.is_some() { "account.disabled" } else { "account.enabled" };
            self.audit(id.as_str(), action, (id.as_str(), &name), Value::Null, json!({"by": "restore"}))?;
        }
        Ok(())
    }

    fn apply_plan(&mut self, id: &OrgId, plan: &str) -> Result<(), AppError> {
        let Some(org) = db::orgs::find_org_by_id(self.conn, id)?.filter(|org| org.plan != plan) else {
            return Ok(());
        };
        self.report.changes += 1;
        db::orgs::update_org_plan(self.conn, id, plan)?;
        let (before, after) = (json!({"plan": org.plan}), json!({"plan": plan}));
        self.audit(id.as_str(), "organization.plan_changed", (id.as_str(), &org.name), before, after)
    }

    fn apply_token(&mut self, id: &ServiceTokenId, at: i64) -> Result<(), AppError> {
        if db::tokens::mark_service_token_revoked(self.conn, id, Timestamp::from_micros(at))? {
            self.report.tokens += 1;
            let object = (id.as_str(), id.as_str());
            self.audit(SERVER_CHAIN, "service_token.revoked", object, Value::Null, json!({"by": "restore"}))?;
        }
        Ok(())
    }

    /// Revokes every key and service token there is: for when nobody knows which were revoked.
    pub(super) fn revoke_everything(&mut self) -> Result<(), AppError> {
        for (id, name, org) in db::rights::list_unrevoked_keys(self.conn)? {
            self.revoke(&id, &name, &org, (None, "Revoked when a backup was restored", self.now))?;
        }
        for token in db::tokens::list_service_tokens(self.conn)? {
            self.apply_token(&token.id, self.now.as_micros())?;
        }
        Ok(())
    }

    /// Puts the memberships in place, and revokes the keys of those who do not belong any more.
    pub(super) fn finish(mut self) -> Result<Report, AppError> {
        let members = std::mem::take(&mut self.members);
        let is_owner = |role: &Belonging| role.as_ref().is_some_and(|(role, _)| role == Role::Owner.as_str());
        // New owners before old ones go.
        let (owners, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, role)| is_owner(role));
        for ((org, user), role) in owners.into_iter().chain(others) {
            let (org, user) = (OrgId(org), UserId(user));
            let person = db::users::find_user(self.conn, &user)?;
            if let Some(person) = person
                && db::orgs::find_org_by_id(self.conn, &org)?.is_some()
            {
                self.apply_member(&org, &user, &person.name, role)?;
            }
        }
        for (id, name, org) in db::rights::list_orphaned_keys(self.conn)? {
            self.revoke(&id, &name, &org, (None, "Its owner is no longer a member", self.now))?;
        }
        Ok(self.report)
    }

    fn apply_member(&mut self, org: &OrgId, user: &UserId, name: &str, role: Belonging) -> Result<(), AppError> {
        let was = db::orgs::find_member(self.conn, org, user)?;
        let was_role = was.as_ref().map(|member| member.role.as_str());
        if was_role == role.as_ref().map(|(role, _)| role.as_str()) {
            return Ok(());
        }
        if let Some(member) = was.as_ref().filter(|member| member.role == Role::Owner)
            && self.is_last_owner(member)?
        {
            return self.shut_out(org, user, name);
        }
        self.report.changes += 1;
        let object = (user.as_str(), name);
        let before = was_role.map_or(Value::Null, |role| json!({"role": role}));
        match role {
            None => {
                db::orgs::delete_member(self.conn, org, user)?;
                self.audit(org.as_str(), "member.removed", object, before, json!({"by": "restore"}))
            }
            Some((role, joined_at)) => {
                db::rights::put_member(self.conn, org, user, &role, joined_at)?;
                let action = if was.is_some() { "member.role_changed" } else { "member.joined" };
                self.audit(org.as_str(), action, object, before, json!({"role": role, "by": "restore"}))
            }
        }
    }

    fn is_last_owner(&mut self, member: &Member) -> Result<bool, AppError> {
        let members = db::orgs::list_members(self.conn, &member.org)?;
        Ok(members.iter().filter(|other| other.role == Role::Owner).count() == 1)
    }

    /// An owner who gave way to somebody whom the backup does not know: the organization keeps them in name, and nobody can act
    /// as them.
    fn shut_out(&mut self, org: &OrgId, user: &UserId, name: &str) -> Result<(), AppError> {
        self.report.people += 1;
        db::users::update_disabled(self.conn, user, Some(self.now))?;
        let after = json!({"by": "restore"});
        self.audit(user.as_str(), "account.disabled", (user.as_str(), name), Value::Null, after)?;
        let org = db::orgs::find_org_by_id(self.conn, org)?.map(|org| org.name).unwrap_or_default();
        self.report.notes.push(format!(
            "{org} has no owner who may act: {name} is one no longer, and whoever took their place is not in the backup. \
             The account of {name} is shut; `keyrack admin enable-user` opens it."
        ));
        Ok(())
    }
}
