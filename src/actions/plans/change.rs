//! Putting an organization on another plan: the one deed behind the console and billing alike.

use serde_json::json;

use crate::actions::{AppError, Automaton, Ctx, automatic_audit};
use crate::db::{self, Conn};
use crate::domain::org::Org;

/// Puts an organization, whose lock is held, on a plan that there is. Requests for plans are answered by it.
///
/// # Errors
/// The database's own failure.
pub fn change_plan(conn: &mut Conn, ctx: Ctx<'_>, org: Org, plan: &str, by: &Automaton<'_>) -> Result<Org, AppError> {
    let now = db::now(conn, ctx.clock)?;
    // Also when it is the same: the answer waits until every node knows.
    db::orgs::update_org_plan(conn, &org.id, plan)?;
    if org.plan != plan {
        db::plan_requests::delete_requests_of(conn, &org.id)?;
        let sides = (json!({"plan": org.plan}), json!({"plan": plan}));
        let object = (org.id.as_str(), org.name.as_str());
        automatic_audit(conn, &ctx, (by, org.id.as_str()), "organization.plan_changed", object, sides, now)?;
    }
    Ok(Org { plan: plan.to_owned(), ..org })
}
