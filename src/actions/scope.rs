//! The frame of every deed: who asks, from where, in which organization, and what they may do there right now.

use serde_json::Value;

use super::AppError;
use crate::clock::Clock;
use crate::db::{self, Conn};
use crate::domain::audit::AuditEntry;
use crate::domain::ids::{CliTokenId, KeyId, SessionId, UserId};
use crate::domain::org::{Member, Org, Plan};
use crate::domain::policy::Actor;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// Who asks, proven but not yet allowed anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A person with a browser session.
    Person {
        /// The person.
        user: UserId,
        /// Their session.
        session: SessionId,
    },
    /// A person with a signed-in command line.
    Cli {
        /// The person.
        user: UserId,
        /// Their command line's token.
        token: CliTokenId,
    },
    /// An API key, which acts as its owner.
    Key {
        /// The key.
        id: KeyId,
    },
}

/// Where a request came from, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address.
    pub address: String,
    /// What the client calls itself, cut to 256 bytes, without keys.
    pub client: String,
    /// `page`, `api`, `cli` or `server`.
    pub via: &'static str,
    /// The request's id.
    pub request_id: String,
}

/// What every deed needs besides the database.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// The operator's choices.
    pub rules: &'a Rules,
    /// The process's clock; the database's decides where it has one.
    pub clock: &'a Clock,
    /// Where the request came from.
    pub origin: &'a Origin,
}

/// A caller in an organization they belong to.
pub struct OrgScope<'c> {
    /// The connection, within the deed's transaction when it writes.
    pub conn: &'c mut Conn,
    /// What every deed needs.
    pub ctx: Ctx<'c>,
    /// The organization.
    pub org: Org,
    /// The caller as a member; for a key, its owner.
    pub member: Member,
    /// The caller as the rules see them.
    pub actor: Actor,
    /// Now, by the database's clock, read after the lock was taken.
    pub now: Timestamp,
    credential: String,
}

/// Does a deed in an organization: in a transaction that holds the organization's lock.
///
/// # Errors
/// `NotFound` for outsiders, else what `f` returns; nothing was written then.
pub fn act_in<T>(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    slug: &str,
    f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>,
) -> Result<T, AppError> {
    db::write(conn, |conn| {
        let org = db::orgs::lock_org(conn, slug)?;
        f(&mut OrgScope::enter(conn, ctx, who, org)?)
    })
}

/// Looks at an organization without writing.
///
/// # Errors
/// `NotFound` for outsiders, else what `f` returns.
pub fn look_in<T>(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    slug: &str,
    f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>,
) -> Result<T, AppError> {
    let org = db::orgs::find_org(conn, slug)?.ok_or(AppError::NotFound)?;
    f(&mut OrgScope::enter(conn, ctx, who, org)?)
}

impl<'c> OrgScope<'c> {
    fn enter(conn: &'c mut Conn, ctx: Ctx<'c>, who: &Who, org: Org) -> Result<Self, AppError> {
        let now = db::now(conn, ctx.clock)?;
        let (user, key, credential) = match who {
            Who::Person { user, session } => (user.clone(), None, format!("session {session}")),
            Who::Cli { user, token } => {
                // Ended since it was let in, which it is in a stream after some time.
                let found = db::cli_tokens::find_cli_token(conn, user, token)?;
                found.filter(|token| token.is_live(now)).ok_or(AppError::SignIn)?;
                (user.clone(), None, format!("cli {token}"))
            }
            Who::Key { id } => {
                // Revoked, expired or paused since the check that let it in: the answer is the one public 401.
                let key =
                    db::keys::find_key(conn, &org.id, id)?.filter(|key| key.is_live(now) && key.paused_at.is_none());
                let key = key.ok_or(AppError::SignIn)?;
                (key.owner.clone(), Some(key), format!("key {id}"))
            }
        };
        let member = db::orgs::find_member(conn, &org.id, &user)?.ok_or(AppError::NotFound)?;
        if member.user.disabled_at.is_some() {
            return Err(AppError::NotFound);
        }
        let role = key.as_ref().map_or(member.role, |key| key.role_under(member.role));
        let actor = Actor { user, role, by_key: key.is_some() };
        Ok(Self { conn, ctx, org, member, actor, now, credential })
    }

    /// Enters as the reader of a page, whose place was looked up just now.
    pub(super) fn enter_as_reader(
        conn: &'c mut Conn,
        ctx: Ctx<'c>,
        who: &Who,
        org: Org,
        member: Member,
    ) -> Result<Self, AppError> {
        let Who::Person { user, session } = who else { return Err(AppError::SignIn) };
        let now = db::now(conn, ctx.clock)?;
        let actor = Actor { user: user.clone(), role: member.role, by_key: false };
        Ok(Self { conn, ctx, org, member, actor, now, credential: format!("session {session}") })
    }

    /// Enters as a person who became a member in this very transaction, by `credential`.
    pub(super) fn enter_new(
        conn: &'c mut Conn,
        ctx: Ctx<'c>,
        org: Org,
        user: &UserId,
        credential: String,
    ) -> Result<Self, AppError> {
        let now = db::now(conn, ctx.clock)?;
        let member = db::orgs::find_member(conn, &org.id, user)?.ok_or(AppError::NotFound)?;
        let actor = Actor { user: user.clone(), role: member.role, by_key: false };
        Ok(Self { conn, ctx, org, member, actor, now, credential })
    }

    /// The organization's plan.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.ctx.rules.plan(&self.org.plan)
    }

    /// Writes a line of the organization's audit log. `object` is the id and name of what it was done to; `before` and
    /// `after` are JSON objects, or null where there is no such side. Never pass a secret or a hash.
    ///
    /// # Errors
    /// The database's own failure.
    pub fn audit(&mut self, action: &str, object: (&str, &str), before: Value, after: Value) -> Result<(), AppError> {
        let entry = AuditEntry {
            chain: self.org.id.to_string(),
            at: self.now,
            actor_id: self.actor.user.to_string(),
            actor_name: self.member.user.name.clone(),
            credential: self.credential.clone(),
            ..blank_entry(&self.ctx, action, object, before, after)
        };
        db::audit::insert_entry(self.conn, entry)?;
        Ok(())
    }
}

fn blank_entry(ctx: &Ctx<'_>, action: &str, (id, name): (&str, &str), before: Value, after: Value) -> AuditEntry {
    let json = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
    AuditEntry {
        chain: String::new(),
        seq: 0,
        at: Timestamp::from_micros(0),
        actor_id: String::new(),
        actor_name: String::new(),
        credential: String::new(),
        action: action.to_owned(),
        object_id: id.to_owned(),
        object_name: name.to_owned(),
        before: json(before),
        after: json(after),
        address: ctx.origin.address.clone(),
        via: ctx.origin.via.to_owned(),
        request_id: ctx.origin.request_id.clone(),
        prev_hash: String::new(),
        hash: String::new(),
    }
}

/// Writes a line of a person's own log: what concerns their account and no organization (sign-in, password, sessions).
///
/// # Errors
/// The database's own failure.
pub fn account_audit(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    (user, name): (&UserId, &str),
    credential: &str,
    action: &str,
    after: Value,
    now: Timestamp,
) -> Result<(), AppError> {
    let entry = AuditEntry {
        chain: user.to_string(),
        at: now,
        actor_id: user.to_string(),
        actor_name: name.to_owned(),
        credential: credential.to_owned(),
        ..blank_entry(ctx, action, (user.as_str(), name), Value::Null, after)
    };
    db::audit::insert_entry(conn, entry)?;
    Ok(())
}

/// What acts without a person: the operator's console, or another program that was believed.
#[derive(Debug, Clone, Copy)]
pub struct Automaton<'a> {
    /// Short name in the log.
    pub id: &'a str,
    /// Name that people read.
    pub name: &'a str,
    /// By what it was believed.
    pub credential: &'a str,
}

/// The operator at the server's own console.
pub const SERVER: Automaton<'_> = Automaton { id: "server", name: "Server", credential: "server" };

/// Writes a line that the operator's command caused, into an organization's or a person's log.
///
/// # Errors
/// The database's own failure.
pub fn server_audit(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    chain: &str,
    action: &str,
    object: (&str, &str),
    sides: (Value, Value),
    now: Timestamp,
) -> Result<(), AppError> {
    automatic_audit(conn, ctx, (&SERVER, chain), action, object, sides, now)
}

/// Writes a line that an automaton caused, into the log `chain`.
///
/// # Errors
/// The database's own failure.
pub fn automatic_audit(
    conn: &mut Conn,
    ctx: &Ctx<'_>,
    (by, chain): (&Automaton<'_>, &str),
    action: &str,
    object: (&str, &str),
    (before, after): (Value, Value),
    now: Timestamp,
) -> Result<(), AppError> {
    let entry = AuditEntry {
        chain: chain.to_owned(),
        at: now,
        actor_id: by.id.to_owned(),
        actor_name: by.name.to_owned(),
        credential: by.credential.to_owned(),
        ..blank_entry(ctx, action, object, before, after)
    };
    db::audit::insert_entry(conn, entry)?;
    Ok(())
}
