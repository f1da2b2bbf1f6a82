//! Asking for another plan: members ask their owners, owners ask the operator. One request per person.

use serde_json::{Value, json};

use crate::actions::{AppError, OrgScope};
use crate::db::plan_requests::{self, OrgRequest, PlanRequest};
use crate::db::{self, Conn};
use crate::domain::ids::UserId;
use crate::domain::org::Plan;
use crate::domain::policy;

/// Asks for a plan, in place of whatever the caller asked for before.
///
/// # Errors
/// Not allowed, or a mistake in `plan`.
pub fn ask_for_plan(scope: &mut OrgScope<'_>, plan: &str) -> Result<Plan, AppError> {
    policy::may_ask_for_plan(&scope.actor)?;
    let known = scope.ctx.rules.plans.iter().find(|known| known.id == plan).cloned();
    let wanted = known.ok_or_else(|| AppError::field("plan", "There is no such plan any more. Choose another."))?;
    if wanted.id == scope.org.plan {
        return Err(AppError::field("plan", format!("{} is your plan already.", wanted.name)));
    }
    let user = scope.actor.user.clone();
    let asked = plan_requests::list_requests(scope.conn, &scope.org.id)?;
    if asked.iter().any(|request| request.user == user && request.plan == wanted.id) {
        return Ok(wanted);
    }
    plan_requests::put_request(scope.conn, &scope.org.id, &user, &wanted.id, scope.now)?;
    let object = (scope.org.id.to_string(), wanted.name.clone());
    let after = json!({"plan": wanted.id});
    scope.audit("organization.plan_requested", (&object.0, &object.1), Value::Null, after)?;
    Ok(wanted)
}

/// Takes back the request of `asker`. Without one nothing happens.
///
/// # Errors
/// Not allowed.
pub fn withdraw_request(scope: &mut OrgScope<'_>, asker: &UserId) -> Result<(), AppError> {
    policy::may_withdraw_plan_request(&scope.actor, asker)?;
    let asked = plan_requests::list_requests(scope.conn, &scope.org.id)?;
    let Some(request) = asked.into_iter().find(|request| &request.user == asker) else { return Ok(()) };
    plan_requests::delete_request(scope.conn, &scope.org.id, asker)?;
    let before = json!({"plan": request.plan});
    let object = (asker.to_string(), request.user_name);
    scope.audit("organization.plan_request_withdrawn", (&object.0, &object.1), before, Value::Null)
}

/// The requests that the caller may see: owners all, others their own.
///
/// # Errors
/// The database's own failure.
pub fn list_requests(scope: &mut OrgScope<'_>) -> Result<Vec<PlanRequest>, AppError> {
    let mut requests = plan_requests::list_requests(scope.conn, &scope.org.id)?;
    requests.retain(|request| policy::may_withdraw_plan_request(&scope.actor, &request.user).is_ok());
    Ok(requests)
}

/// All requests of all organizations: for the operator.
///
/// # Errors
/// The database's own failure.
pub fn list_all_requests(conn: &mut Conn) -> Result<Vec<OrgRequest>, AppError> {
    Ok(db::plan_requests::list_all_requests(conn)?)
}
