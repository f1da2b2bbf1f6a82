//! Settings → Plan: what the organization may use, and how much of it is used.

use actix_web::{HttpResponse, web};

use super::keys::list::{ask_an_owner, meter_line};
use super::{SignedIn, draw};
use crate::actions::AppError;
use crate::actions::keys as deeds;
use crate::actions::people::list_members;
use crate::domain::org::{Member, Plan};
use crate::domain::policy;
use crate::web::State;
use crate::web::views::Nav;
use crate::web::views::plan::{PlanColumn, PlanPage};

/// `GET /orgs/{org}/settings/plan`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn show(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    let look = me.look(&state, &slug, |scope| {
        let members: Vec<Member> = list_members(scope)?.into_iter().map(|view| view.member).collect();
        let may_change = policy::may_change_plan(&scope.actor).is_ok();
        Ok((scope.plan(), deeds::meter(scope)?, members, may_change, scope.now))
    });
    let ((plan, meter, members, may_change, now), account) = look.await?;
    let upgrade_url = state.config.plans_url.clone().filter(|_| may_change);
    let ask = if !may_change {
        Some(ask_an_owner(&members))
    } else if upgrade_url.is_none() {
        Some("To change the plan, ask the people who run this server.".to_owned())
    } else {
        None
    };
    let page = PlanPage {
        chrome: me.chrome(&state, &account, Some(&slug), Nav::Plan)?,
        meters: if plan.api_keys { vec![meter_line(&meter, now)] } else { Vec::new() },
        plans: state.rules.plans.iter().map(|known| column(known, &plan)).collect(),
        plan: plan.name,
        upgrade_url,
        ask,
    };
    draw(me.htmx, 200, &page)
}

fn column(plan: &Plan, current: &Plan) -> PlanColumn {
    let or_none = |text: String| if plan.api_keys { text } else { "–".to_owned() };
    let limit = |max: Option<u32>, per: &str| {
        max.map_or_else(
            || "No limit".to_owned(),
            |max| if per.is_empty() { max.to_string() } else { format!("{max} {per}") },
        )
    };
    PlanColumn {
        name: plan.name.clone(),
        price: plan.price_text.clone().unwrap_or_default(),
        api_keys: plan.api_keys,
        active_keys: or_none(limit(plan.active_keys_max, "")),
        creations: or_none(limit(plan.creations_per_hour, "per hour")),
        requests: or_none(limit(plan.requests_per_minute, "per minute")),
        is_current: plan.id == current.id,
    }
}
