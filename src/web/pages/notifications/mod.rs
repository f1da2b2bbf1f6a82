//! Settings → Notifications: who is told of what, and by which way.

pub mod webhooks;

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::list::ask_an_owner;
use super::{SignedIn, draw, go, time};
use crate::actions::alerts::{self as deeds, SwitchView};
use crate::actions::{AppError, random};
use crate::domain::alert::{AlertKind, Switch};
use crate::domain::policy;
use crate::web::views::notifications::{EndpointRow, NotificationsPage, SwitchCell, SwitchRow};
use crate::web::views::{Errors, Flash, Nav};
use crate::web::{Form, State};

/// The switches that are on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SwitchesForm {
    on: Vec<String>,
}

/// A form without fields.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}

fn url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/notifications")
}

/// `GET /orgs/{org}/settings/notifications`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn show(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_page(&state, &me, &slug, webhooks::EndpointForm::default(), (200, Errors::none())).await
}

/// `POST /orgs/{org}/settings/notifications`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for a builder who sends an admin's switch, `BadRequest` for one that does not exist.
pub async fn save(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<SwitchesForm>,
) -> Result<HttpResponse, AppError> {
    let on: Option<Vec<(AlertKind, Switch)>> = form.0.on.iter().map(|name| read_switch(name)).collect();
    let on = on.ok_or_else(|| AppError::BadRequest("The form names a switch that does not exist.".to_owned()))?;
    me.act(&state, &slug, move |scope| deeds::turn_switches(scope, &on)).await?;
    go(me.htmx, &me.session, Flash::done("The alerts are saved."), &url(&slug))
}

fn read_switch(name: &str) -> Option<(AlertKind, Switch)> {
    let (kind, switch) = name.split_once('.')?;
    let (kind, switch) = (AlertKind::parse(kind)?, Switch::parse(switch)?);
    (AlertKind::SWITCHED.contains(&kind) && switch.exists_for(kind)).then_some((kind, switch))
}

/// `POST …/notifications/test`: an e-mail to oneself.
///
/// # Errors
/// `NotFound` for outsiders, `RateLimited` when it is asked too often.
pub async fn test_mail(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    if !state.config.alerts.has_mail {
        let refused = (409, Errors::about_all("This installation has no mail server."));
        return draw_page(&state, &me, &slug, webhooks::EndpointForm::default(), refused).await;
    }
    let (_, account) = me.act(&state, &slug, deeds::test_mail).await?;
    go(
        me.htmx,
        &me.session,
        Flash::done(format!("A test e-mail is on its way to {}.", account.user.email)),
        &url(&slug),
    )
}

async fn draw_page(
    state: &State,
    me: &SignedIn,
    slug: &str,
    form: webhooks::EndpointForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let look = me.look(state, slug, |scope| {
        let is_admin = policy::may_manage_webhooks(&scope.actor).is_ok();
        let endpoints = if is_admin { deeds::list_endpoints(scope)? } else { Vec::new() };
        let members = crate::actions::people::list_members(scope)?;
        let members = members.into_iter().map(|view| view.member).collect::<Vec<_>>();
        Ok((deeds::list_switches(scope)?, is_admin, endpoints, ask_an_owner(&members), scope.now))
    });
    let ((switches, is_admin, endpoints, ask, now), account) = look.await?;
    let (base, seal) = (url(slug), webhooks::seal(state));
    let page = NotificationsPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Notifications)?,
        has_mail: state.config.alerts.has_mail,
        address: account.user.email.clone(),
        test_url: format!("{base}/test"),
        is_admin,
        ask,
        rows: AlertKind::SWITCHED.into_iter().filter_map(|kind| switch_row(kind, &switches, is_admin)).collect(),
        endpoints: endpoints
            .iter()
            .map(|endpoint| {
                let (state, state_text) = webhooks::state_of(endpoint, &seal);
                let page_url = format!("{base}/webhooks/{}", endpoint.id);
                let created = time(endpoint.created_at, now);
                EndpointRow { page_url, url: endpoint.url.clone(), state, state_text, created }
            })
            .collect(),
        endpoints_url: format!("{base}/webhooks"),
        endpoint_url: form.url,
        nonce: if form.nonce.is_empty() { random::nonce()? } else { form.nonce },
        url: base,
        errors,
    };
    draw(me.htmx, status, &page)
}

/// The row of a kind; none where the reader could turn nothing in it.
fn switch_row(kind: AlertKind, switches: &[SwitchView], is_admin: bool) -> Option<SwitchRow> {
    let columns: &[Switch] = if is_admin { &Switch::ALL } else { &[Switch::EmailOwn] };
    let cells: Vec<SwitchCell> = columns
        .iter()
        .map(|switch| {
            let column = match switch {
                Switch::EmailOwn => "E-mail about your keys",
                Switch::EmailAll => "E-mail about all keys",
                Switch::Webhook => "Webhooks",
            };
            let found = switches.iter().find(|view| view.kind == kind && view.switch == *switch && view.may_turn);
            let name = found.map(|_| format!("{}.{}", kind.as_str(), switch.as_str())).unwrap_or_default();
            let is_on = found.is_some_and(|view| view.is_on);
            SwitchCell { name, column, label: format!("{}: {column}", kind.label()), is_on }
        })
        .collect();
    let is_empty = cells.iter().all(|cell| cell.name.is_empty());
    (!is_empty).then(|| SwitchRow { label: kind.label().to_owned(), hint: kind.hint().to_owned(), cells })
}
