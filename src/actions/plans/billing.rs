//! What comes of an event of billing. An organization is on the greatest plan that any of its subscriptions pays for, and on
//! the default plan when the last of them is over. Only a change of what is paid for changes the plan: what the operator set
//! by hand holds until then.

use crate::actions::{AppError, Automaton, Ctx};
use crate::db::billing::{self, Subscription};
use crate::db::{self, Conn, DbError};
use crate::domain::billing::reference::References;
use crate::domain::billing::{BillingEvent, Named, Subscription as Reported, Told};
use crate::domain::ids::OrgId;
use crate::domain::rules::Rules;
use crate::domain::time::Span;

use super::change_plan;

/// How long the id of an event is remembered: longer than billing repeats one. An older one would find its subscription told
/// of by newer events.
pub const EVENTS_REMEMBERED: Span = Span::days(40);

/// What came of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken before.
    Before,
    /// It concerns no plan, or tells what was known, or what newer events made outdated.
    Nothing,
    /// It is kept until somebody tells whose subscription it is.
    Waiting,
    /// The organization is on another plan now.
    Changed,
}

impl Taken {
    /// For the answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "handled_before",
            Self::Nothing => "no_change",
            Self::Waiting => "waiting_for_organization",
            Self::Changed => "plan_changed",
        }
    }
}

/// Takes an event that is believed, once.
///
/// # Errors
/// The database's own failure; then it was not taken, and may come again.
pub fn take_event(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    references: &References,
    event: &BillingEvent,
) -> Result<Taken, AppError> {
    db::write(conn, |conn| {
        let now = db::now(conn, ctx.clock)?;
        if !billing::insert_event(conn, &event.id, &event.kind, event.created_at, now)? {
            return Ok(Taken::Before);
        }
        match &event.told {
            Told::Nothing => Ok(Taken::Nothing),
            Told::Purchase { subscription, customer, org } => {
                let known = billing::lock_subscription(conn, subscription, customer)?;
                let bound = Subscription { customer: customer.clone(), ..known.clone() };
                settle(conn, ctx, event, (&known, bound), buyer(references, org, event))
            }
            Told::Subscription(told) => {
                let known = billing::lock_subscription(conn, &told.id, &told.customer)?;
                if (event.created_at, told.rank) < (known.told_at, known.told_rank) {
                    return Ok(Taken::Nothing);
                }
                let next = Subscription {
                    customer: told.customer.clone(),
                    plan: paid_plan(ctx.rules, told),
                    is_live: told.is_live,
                    told_at: event.created_at,
                    told_rank: told.rank,
                    ..known.clone()
                };
                settle(conn, ctx, event, (&known, next), told.org.clone().map(OrgId))
            }
        }
    })
}

/// The organization that a purchase names. A reference that is not ours names none.
fn buyer(references: &References, org: &Named, event: &BillingEvent) -> Option<OrgId> {
    let found = match org {
        Named::ByOperator(org) => Some(OrgId(org.clone())),
        Named::ByLink(reference) => references.read(reference),
    };
    if found.is_none() {
        tracing::warn!(event = event.id, "a purchase has a client_reference_id that this server did not make");
    }
    found
}

/// The plan that a subscription pays for, or empty.
fn paid_plan(rules: &Rules, told: &Reported) -> String {
    let plan = rules.plan_of_billing(told.plan.as_deref(), &told.prices);
    if plan.is_none() && told.is_live {
        tracing::warn!(subscription = told.id, prices = ?told.prices, "no plan has this billing_price");
    }
    plan.map(|plan| plan.id.clone()).unwrap_or_default()
}

/// Writes a subscription down, and gives the organization it belongs to what is paid for now.
fn settle(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    event: &BillingEvent,
    (known, mut next): (&Subscription, Subscription),
    named: Option<OrgId>,
) -> Result<Taken, AppError> {
    // Whose it is once is whose it stays: an address that a buyer can change must not take it away from somebody.
    if next.org.is_none() {
        next.org = find_org(conn, named, &next.customer)?;
    }
    let Some(id) = next.org.clone() else {
        billing::update_subscription(conn, &next)?;
        return Ok(Taken::Waiting);
    };
    let org = db::orgs::lock_org_by_id(conn, &id)?;
    let before = greatest(ctx.rules, billing::list_paid_plans(conn, &id)?);
    if *known != next {
        billing::update_subscription(conn, &next)?;
    }
    let after = greatest(ctx.rules, billing::list_paid_plans(conn, &id)?);
    if before == after {
        return Ok(Taken::Nothing);
    }
    let plan = after.unwrap_or_else(|| ctx.rules.default_plan.clone());
    let credential = format!("event {}", event.id);
    change_plan(conn, ctx, org, &plan, &Automaton { id: "billing", name: "Billing", credential: &credential })?;
    Ok(Taken::Changed)
}

/// Whose a subscription is: named by the event, or by what else this customer pays for, if that is one organization.
fn find_org(conn: &mut Conn, named: Option<OrgId>, customer: &str) -> Result<Option<OrgId>, DbError> {
    if let Some(named) = named {
        let org = db::orgs::find_org_by_id(conn, &named)?;
        if org.is_none() {
            tracing::warn!(organization = %named, "billing names an organization that does not exist");
        }
        return Ok(org.map(|org| org.id));
    }
    let mut orgs = billing::list_orgs_of_customer(conn, customer)?;
    Ok(if orgs.len() == 1 { orgs.pop() } else { None })
}

/// The greatest of these plans that the settings still name.
fn greatest(rules: &Rules, plans: Vec<String>) -> Option<String> {
    plans.into_iter().filter(|plan| rules.rank_of_plan(plan).is_some()).max_by_key(|plan| rules.rank_of_plan(plan))
}
