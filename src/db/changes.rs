//! The log of changes that matter to the check. Functions of `db` that change what it knows note so; `db::write` puts
//! the notes into `gate_changes` as the last thing before it commits. See docs/revocation.md.

use std::cell::RefCell;

use diesel::prelude::*;

use super::conn::{on_each, prepared};
use super::schema::{gate_changes, gate_clock};
use super::{Conn, DbError, DbResult};
use crate::domain::ids::{KeyId, OrgId, ProfileId, UserId};

/// What was changed. Its new state is read anew by whoever follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A key or one of its secrets.
    Key(KeyId),
    /// An organization: its names or its plan.
    Org(OrgId),
    /// Whether and as what a person belongs to an organization.
    Member(OrgId, UserId),
    /// A person's names, or whether their account is shut.
    User(UserId),
    /// A profile's name.
    Profile(ProfileId),
    /// The credentials of the operator's backends.
    ServiceTokens,
    /// Whatever: all is to be read anew. For repairs that name no object.
    Everything,
}

impl Change {
    fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Org(_) => "org",
            Self::Member(..) => "member",
            Self::User(_) => "user",
            Self::Profile(_) => "profile",
            Self::ServiceTokens => "service_tokens",
            Self::Everything => "everything",
        }
    }

    fn object(&self) -> String {
        match self {
            Self::Key(id) => id.to_string(),
            Self::Org(id) => id.to_string(),
            Self::Member(org, user) => format!("{org} {user}"),
            Self::User(id) => id.to_string(),
            Self::Profile(id) => id.to_string(),
            Self::ServiceTokens | Self::Everything => String::new(),
        }
    }

    /// A kind that this program does not know was written by a newer one: then all is read anew.
    fn read(kind: &str, object: &str) -> Self {
        match (kind, object.split_once(' ')) {
            ("key", _) => Self::Key(object.into()),
            ("org", _) => Self::Org(object.into()),
            ("member", Some((org, user))) => Self::Member(org.into(), user.into()),
            ("user", _) => Self::User(object.into()),
            ("profile", _) => Self::Profile(object.into()),
            ("service_tokens", _) => Self::ServiceTokens,
            _ => Self::Everything,
        }
    }
}

/// The notes of the transaction that is open on this thread. A transaction never leaves its thread.
#[derive(Default)]
struct Notes {
    is_open: bool,
    changes: Vec<Change>,
    committed: Option<i64>,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Notes a change in the open transaction.
///
/// # Errors
/// Outside of `db::write`: the change would not be in the log, and the check would never learn of it.
pub fn note(change: Change) -> DbResult<()> {
    NOTES.with_borrow_mut(|notes| {
        if !notes.is_open {
            return Err(DbError::QueryBuilderError("a change that the check must follow, outside of a write".into()));
        }
        if !notes.changes.contains(&change) {
            notes.changes.push(change);
        }
        Ok(())
    })
}

/// The number of the newest change that this thread committed since it was last asked. Whoever tells a caller that a
/// deed is done first waits until every node has followed so far.
#[must_use]
pub fn take_committed() -> Option<i64> {
    NOTES.with_borrow_mut(|notes| notes.committed.take())
}

/// Whether notes are taken on this thread: within a write.
pub(super) fn is_open() -> bool {
    NOTES.with_borrow(|notes| notes.is_open)
}

/// Notes are taken on this thread until this is closed or dropped, as by a panic.
pub(super) struct TakingNotes(());

/// Begins to take notes on this thread.
pub(super) fn open() -> TakingNotes {
    NOTES.with_borrow_mut(|notes| {
        notes.is_open = true;
        notes.changes.clear();
    });
    TakingNotes(())
}

impl TakingNotes {
    /// Ends it, and gives the notes.
    pub(super) fn close(self) -> Vec<Change> {
        NOTES.with_borrow_mut(|notes| std::mem::take(&mut notes.changes))
    }
}

impl Drop for TakingNotes {
    fn drop(&mut self) {
        NOTES.with_borrow_mut(|notes| notes.is_open = false);
    }
}

/// Keeps the number of the newest change that is now committed for whoever answers the caller.
pub(super) fn committed(last: Option<i64>) {
    if last.is_some() {
        NOTES.with_borrow_mut(|notes| notes.committed = last);
    }
}

/// Writes the notes into the log: the last statements of the transaction, so that the clock's row, for which all such
/// transactions wait, is held for a short time. Returns the number of the last one.
pub(super) fn write_notes(conn: &mut Conn, changes: &[Change]) -> DbResult<Option<i64>> {
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Ok(None);
    }
    let step = diesel::update(gate_clock::table.find(1)).set(gate_clock::seq.eq(gate_clock::seq + count));
    let step = step.returning(gate_clock::seq);
    let last: i64 = on_each!(conn, conn => prepared!(step).get_result(conn))?;
    for (seq, change) in (last - count + 1..).zip(changes) {
        let insert = diesel::insert_into(gate_changes::table).values((
            gate_changes::seq.eq(seq),
            gate_changes::kind.eq(change.kind()),
            gate_changes::object.eq(change.object()),
        ));
        on_each!(conn, conn => prepared!(insert).execute(conn))?;
    }
    super::nodes::wake_followers(conn)?;
    Ok(Some(last))
}

/// The number of the newest change.
pub fn read_clock(conn: &mut Conn) -> DbResult<i64> {
    let query = gate_clock::table.find(1).select(gate_clock::seq);
    on_each!(conn, conn => prepared!(query).get_result(conn))
}

/// Changes after `seq`, the oldest first, at most `limit`.
pub fn list_changes(conn: &mut Conn, seq: i64, limit: i64) -> DbResult<Vec<(i64, Change)>> {
    let query = gate_changes::table.filter(gate_changes::seq.gt(seq)).order(gate_changes::seq).limit(limit);
    let rows: Vec<(i64, String, String)> = on_each!(conn, conn => prepared!(query).load(conn))?;
    Ok(rows.into_iter().map(|(seq, kind, object)| (seq, Change::read(&kind, &object))).collect())
}

/// Forgets all changes but the newest `keep`; a node that is further behind reads everything anew.
pub fn delete_old_changes(conn: &mut Conn, keep: i64) -> DbResult<usize> {
    let newest = read_clock(conn)?;
    diesel::delete(gate_changes::table.filter(gate_changes::seq.le(newest - keep))).execute(conn)
}
