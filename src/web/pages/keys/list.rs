//! The list of API keys: filters in the address, sorted, in pages.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::plan::{overrun_banner, url as plan_url};
use super::super::{Drawn, Visitor, brief_time};
use super::{hints_of, is_idle, list_url, status_of, usage};
use crate::actions::keys::{self as deeds, KeyFilter, KeyPage, KeySort, KeyView, Meter, Page, Pulse};
use crate::actions::{AppError, OrgScope};
use crate::domain::downgrade::{Overrun, overrun};
use crate::domain::ids::{ProfileId, UserId};
use crate::domain::key::KeyStatus;
use crate::domain::org::{Member, Plan, Role};
use crate::domain::policy::{self, Actor};
use crate::domain::time::Timestamp;
use crate::web::views::keys::{Filters, KeyRow, KeysPage, PlanGate, SortLink, SortLinks, Status};
use crate::web::views::{self, Choice, Chrome, Link, Nav, Pager};
use crate::web::{Query, State};

const PAGE_SIZE: i64 = 50;

/// The filters as they stand in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    q: String,
    status: String,
    env: String,
    profile: String,
    owner: String,
    all: String,
    sort: String,
    page: String,
    /// Boxes that were ticked in the same form.
    #[serde(rename = "ids")]
    _ids: Vec<String>,
}

/// What the page is drawn from.
struct Found {
    list: KeyPage,
    /// What each was used for, in the same order; nothing when that cannot be read.
    pulses: Option<Vec<Pulse>>,
    overrun: Option<Overrun>,
    actor: Actor,
    now: Timestamp,
    page: i64,
}

/// `GET /orgs/{org}/settings/api-keys`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn show(
    state: web::Data<State>,
    me: Visitor,
    slug: web::Path<String>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, AppError> {
    let slug = slug.into_inner();
    let (place, query) = (slug.clone(), query.0);
    let asked = query.clone();
    let find = move |scope: &mut OrgScope<'_>| find(scope, &asked);
    let page = move |state: &State, chrome, found| Ok(draw_list(state, chrome, &place, &query, found));
    me.show(&state, (&slug, Nav::ApiKeys), find, page).await
}

fn draw_list(state: &State, chrome: Chrome, slug: &str, query: &ListQuery, mut found: Found) -> Drawn<KeysPage> {
    if let Some(id) = state.rules.format.find_key(&query.q) {
        // A whole key was pasted into the search: it must not stand in the page, its links or the history.
        return Drawn::Elsewhere(address(slug, query, &[("q", id.as_str()), ("page", "")]));
    }
    if found.list.keys.is_empty() && found.list.total > 0 {
        let last = (found.list.total + PAGE_SIZE - 1) / PAGE_SIZE;
        return Drawn::Elsewhere(address(slug, query, &[("page", &last.to_string())]));
    }
    let gate = (!found.list.meter.has_keys).then(|| plan_gate(state, slug, &found));
    let environments = state.rules.format.environments();
    let sees_all = policy::sees_all_keys(&found.actor);
    let keys = std::mem::take(&mut found.list.keys).into_iter().enumerate();
    let pulse = |at: usize| found.pulses.as_ref().and_then(|pulses| pulses.get(at));
    let rows: Vec<KeyRow> = keys.map(|(at, view)| row(slug, view, pulse(at), &found, sees_all)).collect();
    let blocked = found.list.meter.blocked.as_ref().filter(|_| gate.is_none() && found.overrun.is_none());
    let limit = blocked.map(ToString::to_string);
    let page = KeysPage {
        base: list_url(slug),
        intro: if sees_all {
            "Keys let scripts call the API as the person who made them. You see everybody's keys.".to_owned()
        } else {
            "Keys let scripts call the API as you. You see the keys that you created.".to_owned()
        },
        meter: found.list.meter.has_keys.then(|| meter_line(&found.list.meter, found.now)),
        limit,
        overrun: found
            .overrun
            .map(|overrun| overrun_banner(overrun, &found.list.meter.plan_name, slug, gate.is_none())),
        may_create: gate.is_none(),
        gate,
        filters: filters(query, &environments, &found, sees_all),
        sort: sort_links(slug, query),
        may_select: rows.iter().any(|row| row.may_select),
        rows,
        hidden: (found.list.hidden > 0).then(|| Link {
            url: address(slug, query, &[("all", "1"), ("page", "")]),
            text: hidden_words(found.list.hidden),
        }),
        unavailable: found.pulses.is_none().then_some(usage::UNAVAILABLE),
        pager: pager(slug, query, &found),
        sample: format!(
            "curl \"{}/v1/whoami\" \\\n  -H \"Authorization: Bearer ${}_API_KEY\"",
            state.config.public_url, state.config.env_prefix
        ),
        chrome,
    };
    Drawn::Page(page)
}

fn find(scope: &mut OrgScope<'_>, query: &ListQuery) -> Result<Found, AppError> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let status = match query.status.as_str() {
        "active" => Some(KeyStatus::Active),
        "rotating" => Some(KeyStatus::Rotating),
        "expired" => Some(KeyStatus::Expired),
        "revoked" => Some(KeyStatus::Revoked),
        "paused" => Some(KeyStatus::Paused),
        _ => None,
    };
    let filter = KeyFilter {
        owner: some(&query.owner).map(UserId),
        text: some(&query.q),
        status,
        environment: some(&query.env),
        profile: some(&query.profile).map(ProfileId),
        with_ended: query.all == "1",
    };
    let sort = match query.sort.as_str() {
        "created" => KeySort::CreatedAsc,
        "name" => KeySort::NameAsc,
        "-name" => KeySort::NameDesc,
        "last_used" => KeySort::LastUsedAsc,
        "-last_used" => KeySort::LastUsedDesc,
        _ => KeySort::CreatedDesc,
    };
    let number = query.page.parse().unwrap_or(1).clamp(1, 100_000);
    let list = deeds::list_keys(scope, filter, sort, Page { number, size: PAGE_SIZE })?;
    Ok(Found {
        pulses: usage::if_readable(deeds::pulses(scope, &list.keys)),
        overrun: overrun(&scope.plan(), list.meter.active, scope.ctx.rules.on_downgrade),
        list,
        actor: scope.actor.clone(),
        now: scope.now,
        page: number,
    })
}

fn row(slug: &str, view: KeyView, pulse: Option<&Pulse>, found: &Found, sees_all: bool) -> KeyRow {
    let (key, now) = (&view.key, found.now);
    let url = super::key_url(slug, &view);
    let old = key.secret_in_grace(now).filter(|_| view.status == KeyStatus::Rotating);
    let idle = is_idle(&view, now);
    // The status says it already.
    let hints = hints_of(&view, now).into_iter().filter(|hint| !(idle && hint.contains("sed ")));
    KeyRow {
        preview_start: view.preview.trim_end_matches('•').to_owned(),
        created: brief_time(key.created_at, now),
        by: match (sees_all, view.is_own) {
            (_, true) => "by you".to_owned(),
            (true, false) => ["by ", view.owner_name.as_str()].concat(),
            (false, false) => String::new(),
        },
        last_used: key.last_use.as_ref().map(|used| brief_time(used.at, now)),
        status: match idle {
            true => Status { kind: "unused", word: "Unused 30+ days" },
            false => status_of(&view),
        },
        hint: { hints }.next().unwrap_or_default(),
        usage: pulse.map(usage::row_usage),
        rotation_use: match (pulse, old) {
            (Some(pulse), Some(_)) => usage::row_rotation(&view, pulse),
            _ => String::new(),
        },
        rotation: old
            .and_then(|old| old.valid_until.map(|until| (old, until)))
            .map(|(old, until)| format!("Old secret …{} works for {}", old.last4, until.since(now).human()))
            .unwrap_or_default(),
        rotate_url: view.may_rotate.then(|| [url.as_str(), "/rotate"].concat()),
        revoke_url: view.may_revoke.then(|| [url.as_str(), "/revoke"].concat()),
        may_select: view.may_revoke,
        url,
        profile: if found.list.profiles.len() > 1 { view.profile_name } else { String::new() },
        preview: view.preview,
        id: view.key.id.0,
        name: view.key.name,
        environment: view.key.environment,
    }
}

/// “3 of 5 keys · 2 creations left, next at 14:20”.
pub(crate) fn meter_line(meter: &Meter, now: Timestamp) -> views::Meter {
    let mut text = match meter.active_max {
        Some(max) => format!("{} of {max} active {}", meter.active, if max == 1 { "key" } else { "keys" }),
        None => format!("{} active {}", meter.active, if meter.active == 1 { "key" } else { "keys" }),
    };
    match (meter.creations_left, meter.next_creation_at) {
        (_, Some(at)) => {
            text += &format!(" · no creations left, next at {} UTC (in {})", at.time_of_day(), at.since(now).human());
        }
        (Some(left), None) => {
            text += &format!(" · {left} {} left this hour", if left == 1 { "creation" } else { "creations" });
            if let Some(at) = meter.next_room_at {
                text += &format!(", one more at {} UTC", at.time_of_day());
            }
        }
        (None, None) => {}
    }
    views::Meter { text, label: "Active keys".to_owned(), value: meter.active, max: meter.active_max }
}

fn plan_gate(state: &State, slug: &str, found: &Found) -> PlanGate {
    let with_keys: Vec<&Plan> = state.rules.plans.iter().filter(|plan| plan.api_keys).collect();
    let names: Vec<&str> = with_keys.iter().map(|plan| plan.name.as_str()).collect();
    let plans = match names.as_slice() {
        [] => "another plan".to_owned(),
        [one] => format!("the {one} plan"),
        [most @ .., last] => format!("the {} and {last} plans", most.join(", ")),
    };
    let mut gains = Vec::new();
    if let Some(plan) = with_keys.first() {
        gains.extend(plan.active_keys_max.map(|max| format!("Up to {max} active API keys")));
        gains.extend(plan.requests_per_minute.map(|max| format!("{max} requests per minute")));
    }
    gains.push("Rotation without downtime, and revocation that holds at once".to_owned());
    let may_change = policy::may_change_plan(&found.actor).is_ok();
    PlanGate {
        text: format!("API keys are part of {plans}. You're on {}.", found.list.meter.plan_name),
        gains,
        plans_url: plan_url(slug),
        ask: (!may_change).then(|| ask_an_owner(&found.list.members)),
    }
}

/// “Ask an owner: Ada, Olive.”
pub(crate) fn ask_an_owner(members: &[Member]) -> String {
    let owners = members.iter().filter(|member| member.role == Role::Owner);
    let names: Vec<&str> = owners.map(|member| member.user.name.as_str()).collect();
    format!("Ask an owner: {}.", names.join(", "))
}

fn hidden_words(count: i64) -> String {
    match count {
        1 => "1 revoked or expired key is hidden.".to_owned(),
        _ => format!("{count} revoked or expired keys are hidden."),
    }
}

fn filters(query: &ListQuery, environments: &[&str], found: &Found, sees_all: bool) -> Filters {
    let choice = |value: &str, label: &str, chosen: &str| Choice::new(value, label, value == chosen);
    let with_any = |any: &str, choices: Vec<Choice>, chosen: &str| {
        let mut all = vec![choice("", any, chosen)];
        all.extend(choices);
        all
    };
    let status = ["active", "rotating", "expired", "revoked"]
        .map(|value| choice(value, &(value[..1].to_uppercase() + &value[1..]), &query.status));
    let env = environments.iter().map(|env| choice(env, env, &query.env)).collect();
    let profile = found.list.profiles.iter().map(|p| choice(p.id.as_str(), &p.name, &query.profile)).collect();
    let me = &found.actor.user;
    let owner = found.list.members.iter().map(|member| {
        let label = if &member.user.id == me { "You".to_owned() } else { member.user.name.clone() };
        choice(member.user.id.as_str(), &label, &query.owner)
    });
    let owner = owner.collect();
    let texts = [&query.q, &query.status, &query.env, &query.profile, &query.owner];
    Filters {
        q: query.q.clone(),
        status: with_any("Any status", status.to_vec(), &query.status),
        env: if environments.len() > 1 { with_any("Any environment", env, &query.env) } else { Vec::new() },
        profile: if found.list.profiles.len() > 1 {
            with_any("Any profile", profile, &query.profile)
        } else {
            Vec::new()
        },
        owner: if sees_all { with_any("Everyone", owner, &query.owner) } else { Vec::new() },
        all: query.all == "1",
        sort: query.sort.clone(),
        any: texts.iter().any(|text| !text.trim().is_empty()),
    }
}

/// The address of this list with some parameters changed; an empty one is left out.
fn address(slug: &str, query: &ListQuery, changes: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("q", query.q.as_str()),
        ("status", &query.status),
        ("env", &query.env),
        ("profile", &query.profile),
        ("owner", &query.owner),
        ("all", &query.all),
        ("sort", &query.sort),
        ("page", &query.page),
    ];
    for (name, value) in changes {
        pairs.iter_mut().filter(|(found, _)| found == name).for_each(|pair| pair.1 = value);
    }
    pairs.retain(|(_, value)| !value.is_empty());
    match serde_html_form::to_string(&pairs) {
        Ok(text) if !text.is_empty() => format!("{}?{text}", list_url(slug)),
        _ => list_url(slug),
    }
}

fn sort_links(slug: &str, query: &ListQuery) -> SortLinks {
    let link = |up: &str, down: &str, down_first: bool| {
        let (direction, next) = match query.sort.as_str() {
            sort if sort == up => ("ascending", down),
            sort if sort == down => ("descending", up),
            "" if down == "-created" => ("descending", up),
            _ => ("", if down_first { down } else { up }),
        };
        SortLink { url: address(slug, query, &[("sort", next), ("page", "")]), direction }
    };
    SortLinks {
        name: link("name", "-name", false),
        created: link("created", "-created", true),
        last_used: link("last_used", "-last_used", true),
    }
}

fn pager(slug: &str, query: &ListQuery, found: &Found) -> Pager {
    let (page, total) = (found.page, found.list.total);
    let first = (page - 1) * PAGE_SIZE + 1;
    let last = (page * PAGE_SIZE).min(total);
    let to = |page: i64| address(slug, query, &[("page", &page.to_string())]);
    Pager {
        text: if total > PAGE_SIZE && first <= total { format!("{first}–{last} of {total}") } else { String::new() },
        previous: (page > 1).then(|| to(page - 1)),
        next: (last < total).then(|| to(page + 1)),
    }
}
