//! Who asks for which plan.

use diesel::prelude::*;

use super::conn::Both;
use super::schema::{orgs, plan_requests, users};
use super::{Conn, DbResult};
use crate::domain::ids::{OrgId, UserId};
use crate::domain::time::Timestamp;

/// A person's request for a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// Who asks.
    pub user: UserId,
    /// Their name.
    pub user_name: String,
    /// Their address.
    pub email: String,
    /// The plan they ask for.
    pub plan: String,
    /// When.
    pub asked_at: Timestamp,
}

/// A request as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRequest {
    /// The organization's name in URLs.
    pub slug: String,
    /// Its id.
    pub org: OrgId,
    /// The plan it is on.
    pub current: String,
    /// Who asks for what.
    pub request: PlanRequest,
}

type Row = (String, String, String, String, i64);

fn read((user, user_name, email, plan, asked_at): Row) -> PlanRequest {
    PlanRequest { user: UserId(user), user_name, email, plan, asked_at: Timestamp::from_micros(asked_at) }
}

/// Puts a person's request in place of any earlier one of theirs.
pub fn put_request(conn: &mut Conn, org: &OrgId, user: &UserId, plan: &str, now: Timestamp) -> DbResult<()> {
    let values = (plan_requests::plan.eq(plan.to_owned()), plan_requests::asked_at.eq(now.as_micros()));
    let upsert = diesel::insert_into(plan_requests::table)
        .values((plan_requests::org_id.eq(org.0.clone()), plan_requests::user_id.eq(user.0.clone()), values.clone()))
        .on_conflict((plan_requests::org_id, plan_requests::user_id))
        .do_update()
        .set(values);
    Both(upsert).execute(conn).map(|_| ())
}

/// The requests in an organization, the oldest first.
pub fn list_requests(conn: &mut Conn, org: &OrgId) -> DbResult<Vec<PlanRequest>> {
    let rows: Vec<Row> = plan_requests::table
        .inner_join(users::table)
        .filter(plan_requests::org_id.eq(org.as_str()))
        .order((plan_requests::asked_at, plan_requests::user_id))
        .select((users::id, users::name, users::email, plan_requests::plan, plan_requests::asked_at))
        .load(conn)?;
    Ok(rows.into_iter().map(read).collect())
}

/// All requests of all organizations, for the operator.
pub fn list_all_requests(conn: &mut Conn) -> DbResult<Vec<OrgRequest>> {
    let rows: Vec<((String, String, String), Row)> = plan_requests::table
        .inner_join(users::table)
        .inner_join(orgs::table)
        .order((orgs::slug, plan_requests::asked_at, plan_requests::user_id))
        .select((
            (orgs::slug, orgs::id, orgs::plan),
            (users::id, users::name, users::email, plan_requests::plan, plan_requests::asked_at),
        ))
        .load(conn)?;
    let whose = |((slug, id, current), request): ((String, String, String), Row)| OrgRequest {
        slug,
        org: OrgId(id),
        current,
        request: read(request),
    };
    Ok(rows.into_iter().map(whose).collect())
}

/// Takes a person's request back. Says whether there was one.
pub fn delete_request(conn: &mut Conn, org: &OrgId, user: &UserId) -> DbResult<bool> {
    diesel::delete(plan_requests::table.find((org.as_str(), user.as_str()))).execute(conn).map(|count| count > 0)
}

/// Takes all requests of an organization away, because they were answered.
pub fn delete_requests_of(conn: &mut Conn, org: &OrgId) -> DbResult<usize> {
    diesel::delete(plan_requests::table.filter(plan_requests::org_id.eq(org.as_str()))).execute(conn)
}
