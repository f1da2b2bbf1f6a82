//! Settings → Leak desk: whose key was found, and what scanners reported. What is pasted comes in the body of a POST and is in no
//! answer, address, log or table.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::keys::{key_url, list_url, status_of};
use super::{SignedIn, draw, time};
use crate::actions::AppError;
use crate::actions::leaks::{self as deeds, Identified, LeakReport};
use crate::domain::leak::{Found, Partner, Remedy};
use crate::domain::policy;
use crate::domain::time::Timestamp;
use crate::web::views::Nav;
use crate::web::views::leaks::{FoundKey, LeakRow, LeaksPage};
use crate::web::{Form, State};

/// What was pasted. Not `Debug`, on purpose.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FoundForm {
    found: String,
}

/// `GET /orgs/{org}/settings/leaks`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn show(state: web::Data<State>, me: SignedIn, slug: web::Path<String>) -> Result<HttpResponse, AppError> {
    draw_page(&state, &me, &slug, None).await
}

/// `POST /orgs/{org}/settings/leaks`. Changes nothing.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn look_up(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<FoundForm>,
) -> Result<HttpResponse, AppError> {
    draw_page(&state, &me, &slug, Some(form.0.found)).await
}

async fn draw_page(state: &State, me: &SignedIn, slug: &str, pasted: Option<String>) -> Result<HttpResponse, AppError> {
    let asked = pasted.is_some();
    let look = me.look(state, slug, move |scope| {
        let reports = deeds::list_reports(scope)?;
        let found = match pasted {
            Some(text) => deeds::identify(scope, &text)?,
            None => None,
        };
        let may_finish = found
            .as_ref()
            .is_some_and(|found| policy::may_finish_rotation(&scope.actor, &found.view.key, scope.now).is_ok());
        Ok((reports, found, may_finish, scope.now))
    });
    let ((reports, found, may_finish, now), account) = look.await?;
    let page = LeaksPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Leaks)?,
        url: format!("/orgs/{slug}/settings/leaks"),
        is_unknown: asked && found.is_none(),
        found: found.map(|found| card(slug, &found, may_finish, now)),
        reports: reports.into_iter().map(|(report, name)| row(slug, report, name, now)).collect(),
        sources: sources(state),
    };
    draw(me.htmx, 200, &page)
}

fn card(slug: &str, identified: &Identified, may_finish: bool, now: Timestamp) -> FoundKey {
    let (view, key) = (&identified.view, &identified.view.key);
    let (url, status) = (key_url(slug, view), status_of(view));
    let used_by = key.last_use.as_ref().map(|used| [used.address.as_str(), used.client.as_str()]);
    let used_by = used_by.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    FoundKey {
        name: key.name.clone(),
        preview: view.preview.clone(),
        owner: view.owner_name.clone(),
        status_kind: status.kind,
        status: status.word.to_owned(),
        secret: capital(identified.found.words()),
        last_used: key.last_use.as_ref().map(|used| time(used.at, now)),
        used_by,
        revoke_url: view.may_revoke.then(|| format!("{url}/revoke")),
        finish_url: (may_finish && identified.found == Found::InGrace).then(|| format!("{url}/rotate/finish")),
        url,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn row(slug: &str, report: LeakReport, name: String, now: Timestamp) -> LeakRow {
    let partner = [Partner::Github, Partner::Gitlab].into_iter().find(|one| one.as_str() == report.partner);
    LeakRow {
        name,
        url: format!("{}/{}", list_url(slug), report.key),
        secret: Found::read(&report.found).words(),
        by: partner.map_or(report.partner, |one| one.name().to_owned()),
        place: report.place,
        at: time(report.reported_at, now),
        done: Remedy::words(&report.done),
    }
}

/// Never that a scanner recognises keys: that is between it and the operator.
fn sources(state: &State) -> String {
    let scanning = &state.config.scanning;
    let names: Vec<&str> = [
        scanning.github_keys_url.is_some().then_some("GitHub"),
        scanning.gitlab_keys_url.is_some().then_some("GitLab"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match names.as_slice() {
        [] => "No scanner can report here.".to_owned(),
        names => format!("Reports of {} are taken.", names.join(" and ")),
    }
}
