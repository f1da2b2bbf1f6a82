//! Settings → Plan: what the organization may use, how much of it is used, and the way to another plan: where the operator sells
//! them, or by asking whoever decides.

use actix_web::{HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::keys::list::ask_an_owner;
use super::keys::{list_url, usage};
use super::{SignedIn, draw, go, mendable, time};
use crate::actions::AppError;
use crate::actions::people::list_members;
use crate::actions::plans::{self as deeds, PlanRequest, Standing};
use crate::domain::billing::reference::References;
use crate::domain::downgrade::{Overrun, overrun};
use crate::domain::ids::UserId;
use crate::domain::org::{Member, Org, Plan};
use crate::domain::policy::{self, Actor};
use crate::domain::time::Timestamp;
use crate::web::views::plan::{self as views, PlanColumn, PlanPage, RequestRow};
use crate::web::views::{Errors, Flash, Link, Meter, Nav};
use crate::web::{Form, State};

/// What was sent: a plan to ask for, or whose request to take back (`mine`, or a person's id).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AskForm {
    plan: String,
    withdraw: String,
}

/// Where plans are.
pub(crate) fn url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/plan")
}

/// `GET /orgs/{org}/settings/plan`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn show(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_page(&state, &me, &slug, (200, Errors::none())).await
}

/// `POST /orgs/{org}/settings/plan`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for the request of somebody else.
pub async fn ask(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<AskForm>,
) -> Result<HttpResponse, AppError> {
    let form = form.0;
    if !form.withdraw.is_empty() {
        let asker = if form.withdraw == "mine" { me.sign_in.user.clone() } else { UserId(form.withdraw) };
        me.act(&state, &slug, move |scope| deeds::withdraw_request(scope, &asker)).await?;
        return go(me.htmx, &me.session, Flash::done("The request is taken back."), &url(&slug));
    }
    let done = me.act(&state, &slug, move |scope| {
        let plan = deeds::ask_for_plan(scope, &form.plan)?;
        let decides = policy::may_change_plan(&scope.actor).is_ok();
        let members: Vec<Member> = list_members(scope)?.into_iter().map(|view| view.member).collect();
        Ok((plan, decides, members))
    });
    match done.await {
        Ok(((plan, true, _), _)) => {
            let text =
                format!("You asked for the {} plan. The people who run this server see your request.", plan.name);
            go(me.htmx, &me.session, Flash::done(text), &url(&slug))
        }
        Ok(((plan, false, members), _)) => {
            let text = format!("You asked for the {} plan. Owners see your request on this page.", plan.name);
            go(me.htmx, &me.session, Flash::done(format!("{text} {}", ask_an_owner(&members))), &url(&slug))
        }
        Err(error) => {
            let text = error.to_string();
            let (status, _) = mendable(error)?;
            draw_page(&state, &me, &slug, (status, Errors::about_all(text))).await
        }
    }
}

/// What the page is drawn from.
struct Found {
    org: Org,
    standing: Standing,
    members: Vec<Member>,
    requests: Vec<PlanRequest>,
    actor: Actor,
    now: Timestamp,
}

async fn draw_page(
    state: &State,
    me: &SignedIn,
    slug: &str,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        Ok(Found {
            org: scope.org.clone(),
            standing: deeds::standing(scope)?,
            members: list_members(scope)?.into_iter().map(|view| view.member).collect(),
            requests: deeds::list_requests(scope)?,
            actor: scope.actor.clone(),
            now: scope.now,
        })
    });
    let (found, account) = look.await?;
    let may_change = policy::may_change_plan(&found.actor).is_ok();
    let references = References::from_session_key(&state.config.session_key);
    let shop = state.config.plans_url.as_deref().filter(|_| may_change).map(|shop| (shop, &references));
    let (standing, now) = (&found.standing, found.now);
    let ask = if !may_change {
        Some(format!("{} Only owners change the plan.", ask_an_owner(&found.members)))
    } else if shop.is_none() {
        Some("Ask for a plan here: the people who run this server see it, and change the plan.".to_owned())
    } else {
        None
    };
    let plan_name = |id: &str| state.rules.plan(id).name;
    let others = found.requests.iter().filter(|request| request.user != found.actor.user);
    let page = PlanPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Plan)?,
        url: url(slug),
        overrun: standing.overrun.map(|overrun| overrun_banner(overrun, &standing.plan.name, slug, false)),
        meters: meters(state, standing, now).await,
        refused: refused_words(standing.rate_limited),
        plans: state.rules.plans.iter().map(|plan| column(state, plan, &found, shop)).collect(),
        plan: standing.plan.name.clone(),
        upgrade_url: shop.map(|shop| shop_url(shop, &found.org, None)),
        support_url: state.config.support_url.clone().filter(|_| ask.is_some() && may_change),
        ask,
        requests: others
            .map(|request| RequestRow {
                user: request.user.to_string(),
                name: request.user_name.clone(),
                plan: plan_name(&request.plan),
                asked: time(request.asked_at, now),
            })
            .collect(),
        errors,
    };
    draw(me.htmx, status, &page)
}

/// The banner of what is exceeded, on this page and on that of keys.
pub(crate) fn overrun_banner(overrun: Overrun, plan: &str, slug: &str, with_plans: bool) -> views::Overrun {
    let mut links =
        vec![Link { url: format!("{}?status=active", list_url(slug)), text: "Show active keys".to_owned() }];
    if with_plans {
        links.push(Link { url: url(slug), text: "See plans".to_owned() });
    }
    views::Overrun { text: overrun.banner(plan), links }
}

/// Where plans are sold, for this organization: `client_reference_id` and `plan` are added to the operator's address, a
/// subject to one for mail.
fn shop_url((shop, references): (&str, &References), org: &Org, plan: Option<&Plan>) -> String {
    let (address, fragment) = shop.split_once('#').map_or((shop, None), |(address, rest)| (address, Some(rest)));
    let mut pairs = Vec::new();
    if address.starts_with("mailto:") {
        let wish = plan.map_or_else(|| "Another plan".to_owned(), |plan| format!("The {} plan", plan.name));
        pairs.push(("subject", format!("{wish} for {} ({})", org.name, org.id)));
    } else {
        pairs.push(("client_reference_id", references.name(&org.id)));
        pairs.extend(plan.map(|plan| ("plan", plan.id.clone())));
    }
    let mut url = address.to_owned();
    for (name, value) in pairs {
        url.push(if url.contains('?') { '&' } else { '?' });
        url += &format!("{name}={}", utf8_percent_encode(&value, UNRESERVED));
    }
    match fragment {
        Some(fragment) => format!("{url}#{fragment}"),
        None => url,
    }
}

/// All but letters, digits, `-`, `.`, `_` and `~`.
const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

async fn meters(state: &State, standing: &Standing, now: Timestamp) -> Vec<Meter> {
    let (plan, meter) = (&standing.plan, &standing.meter);
    if !plan.api_keys {
        return Vec::new();
    }
    let keys = match meter.active_max {
        Some(max) => format!("{} of {max} active {}", meter.active, if max == 1 { "key" } else { "keys" }),
        None => format!("{} active {}, no limit", meter.active, if meter.active == 1 { "key" } else { "keys" }),
    };
    let mut meters =
        vec![Meter { text: keys, label: "Active keys".to_owned(), value: meter.active, max: meter.active_max }];
    if let (Some(max), Some(left)) = (plan.creations_per_hour, meter.creations_left) {
        let mut text = format!("{left} of {max} {} left this hour", if max == 1 { "creation" } else { "creations" });
        if let Some(at) = meter.next_creation_at.or(meter.next_room_at) {
            text += &format!(", one more at {} UTC (in {})", at.time_of_day(), at.since(now).human());
        }
        let label = "Keys created in the last hour".to_owned();
        meters.push(Meter { text, label, value: max.saturating_sub(left), max: Some(max) });
    }
    if let Some(max) = plan.requests_per_minute {
        let taken = match &standing.some_key {
            Some(key) => state.gate.headroom(key).await.account,
            None => None,
        };
        let left = taken.map_or(max, |taken| taken.remaining.min(max));
        let mut text =
            format!("{} of {} requests left this minute", usage::number(left.into()), usage::number(max.into()));
        if let Some(taken) = taken.filter(|taken| taken.remaining < taken.limit && taken.reset_seconds > 0) {
            text += &format!(", resets in {} s", taken.reset_seconds);
        }
        let label = "Requests this minute".to_owned();
        meters.push(Meter { text, label, value: max - left, max: Some(max) });
    }
    meters
}

fn refused_words(count: i64) -> String {
    match count {
        0 => String::new(),
        1 => "1 request was refused in the last 24 hours because it went over the limit.".to_owned(),
        _ => format!(
            "{} requests were refused in the last 24 hours because they went over the limit.",
            usage::number(count)
        ),
    }
}

fn column(state: &State, plan: &Plan, found: &Found, shop: Option<(&str, &References)>) -> PlanColumn {
    let current = &found.standing.plan;
    let is_current = plan.id == current.id;
    let per = |max: Option<u32>, per: &str| {
        let number = |max: u32| usage::number(max.into());
        max.map_or_else(|| "No limit".to_owned(), |max| format!("{} {per}", number(max)).trim_end().to_owned())
    };
    let own = found.requests.iter().find(|request| request.user == found.actor.user && request.plan == plan.id);
    let up = state.rules.rank_of_plan(&plan.id) > state.rules.rank_of_plan(&current.id);
    let verb = if up { "Upgrade" } else { "Change" };
    let may_ask = !is_current && shop.is_none() && policy::may_ask_for_plan(&found.actor).is_ok();
    let exceeded = overrun(plan, found.standing.meter.active, state.rules.on_downgrade).filter(|_| !is_current);
    PlanColumn {
        id: plan.id.clone(),
        name: plan.name.clone(),
        price: plan.price_text.clone().unwrap_or_default(),
        api_keys: plan.api_keys,
        active_keys: per(plan.active_keys_max, ""),
        creations: per(plan.creations_per_hour, "per hour"),
        requests: per(plan.requests_per_minute, "per minute"),
        key_requests: plan.key_requests_per_minute.map(|max| per(Some(max), "per minute")).unwrap_or_default(),
        is_current,
        warning: exceeded.map(Overrun::preview).unwrap_or_default(),
        buy: shop
            .filter(|_| !is_current)
            .map(|shop| Link { url: shop_url(shop, &found.org, Some(plan)), text: format!("{verb} to {}", plan.name) }),
        ask: if may_ask && own.is_none() { format!("Ask for {}", plan.name) } else { String::new() },
        asked: own.filter(|_| may_ask).map(|request| time(request.asked_at, found.now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_told_the_organization_and_the_plan() {
        let org = Org {
            id: "org_1".into(),
            slug: "acme".to_owned(),
            name: "Acme & Co".to_owned(),
            plan: "a".to_owned(),
            created_at: Timestamp::from_micros(0),
        };
        let references = References::from_session_key(&[7; 64]);
        for (shop, expected) in [
            ("https://x.example/plans", "https://x.example/plans?client_reference_id=REFERENCE"),
            ("https://x.example/?a=b", "https://x.example/?a=b&client_reference_id=REFERENCE"),
            ("https://x.example/#top", "https://x.example/?client_reference_id=REFERENCE#top"),
            (
                "mailto:sales@x.example",
                "mailto:sales@x.example?subject=Another%20plan%20for%20Acme%20%26%20Co%20%28org_1%29",
            ),
        ] {
            let expected = expected.replace("REFERENCE", &references.name(&org.id));
            assert_eq!(shop_url((shop, &references), &org, None), expected);
        }
    }
}
