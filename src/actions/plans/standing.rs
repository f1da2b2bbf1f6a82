//! Where an organization stands with its plan.

use crate::actions::keys::{Meter, meter};
use crate::actions::{AppError, OrgScope};
use crate::db;
use crate::db::keys::{KeyFilter, KeySort};
use crate::domain::downgrade::{Overrun, overrun};
use crate::domain::ids::KeyId;
use crate::domain::key::KeyStatus;
use crate::domain::org::Plan;
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;

/// Where an organization stands with its plan.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its plan.
    pub plan: Plan,
    /// How much of the limits on keys is used up.
    pub meter: Meter,
    /// What there is that the plan does not allow.
    pub overrun: Option<Overrun>,
    /// A key of it, whoever's: all share the account's limit on requests. Only for looking up what is left of that.
    pub some_key: Option<KeyId>,
    /// How often a request was refused in the last 24 hours because it went over a limit.
    pub rate_limited: i64,
}

/// Where the organization stands.
///
/// # Errors
/// The database's own failure.
pub fn standing(scope: &mut OrgScope<'_>) -> Result<Standing, AppError> {
    let (plan, meter) = (scope.plan(), meter(scope)?);
    let filter = KeyFilter { status: Some(KeyStatus::Active), ..KeyFilter::default() };
    let keys = db::keys::list_keys(scope.conn, &scope.org.id, &filter, KeySort::default(), (0, 1), scope.now)?;
    let since = scope.now.minus(Span::hours(24));
    let code = Verdict::RateLimited.code();
    Ok(Standing {
        overrun: overrun(&plan, meter.active, scope.ctx.rules.on_downgrade),
        some_key: keys.into_iter().next().map(|key| key.id),
        rate_limited: db::usage::count_refused_in_org(scope.conn, &scope.org.id, code, since)?,
        plan,
        meter,
    })
}
