//! Revoking several keys: first what would happen, then a report on each.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::{SignedIn, draw, mendable};
use super::{list_url, use_of};
use crate::actions::keys::{self as deeds, BulkOutcome, KeyView};
use crate::actions::{AppError, OrgScope};
use crate::domain::ids::KeyId;
use crate::domain::policy;
use crate::web::views::key::{KeyLine, ReportLine, RevokeManyPage, RevokedManyPage};
use crate::web::views::{Errors, Nav};
use crate::web::{Form, Query, State};

/// More at once is a job for a script, which gets a report per key from the API.
const KEYS_MAX: usize = 200;

/// What was chosen; parameters of the list's own form are ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Chosen {
    ids: Vec<String>,
}

/// What was chosen and typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BulkForm {
    ids: Vec<String>,
    confirm_count: String,
    reason: String,
}

/// Ids come repeated, or in one parameter with commas.
fn read_ids(ids: &[String]) -> Result<Vec<KeyId>, AppError> {
    let mut read: Vec<KeyId> = Vec::new();
    for id in ids.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|id| !id.is_empty()) {
        let id = KeyId::from(id);
        if !read.contains(&id) {
            read.push(id);
        }
        if read.len() > KEYS_MAX {
            return Err(AppError::BadRequest(format!("Choose {KEYS_MAX} keys at most.")));
        }
    }
    Ok(read)
}

/// `GET …/revoke?ids=`: shows what would happen and changes nothing.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn form(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    query: Query<Chosen>,
) -> Result<HttpResponse, AppError> {
    let form = BulkForm { ids: query.0.ids, ..BulkForm::default() };
    draw_form(&state, &me, &slug, form, (200, Errors::none())).await
}

/// `POST …/revoke`.
///
/// # Errors
/// `NotFound` for outsiders.
pub async fn revoke(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<BulkForm>,
) -> Result<HttpResponse, AppError> {
    let form = form.0;
    let ids = read_ids(&form.ids)?;
    let (asked, reason, typed) = (ids.clone(), form.reason.clone(), form.confirm_count.trim().to_owned());
    let done = me
        .act(&state, &slug, move |scope| {
            let (good, _) = sort_out(scope, &asked)?;
            if good.is_empty() {
                return Err(AppError::field("ids", "Choose at least one key that you may revoke."));
            }
            if typed != good.len().to_string() {
                return Err(AppError::field("confirm_count", format!("Type {} to confirm.", good.len())));
            }
            deeds::revoke_keys(scope, &asked, &reason)
        })
        .await;
    match done {
        Ok((outcomes, account)) => {
            let chrome = me.chrome(&state, &account, Some(&slug), Nav::ApiKeys)?;
            draw(me.htmx, 200, &report(chrome, &slug, &outcomes))
        }
        Err(error) => draw_form(&state, &me, &slug, form, mendable(error)?).await,
    }
}

/// Those that would be revoked, and why the others would not.
fn sort_out(scope: &mut OrgScope<'_>, ids: &[KeyId]) -> Result<(Vec<KeyView>, Vec<String>), AppError> {
    let (mut good, mut skipped) = (Vec::new(), Vec::new());
    for id in ids {
        match deeds::get_key(scope, id) {
            Ok(view) if view.may_revoke => good.push(view),
            Ok(view) if view.key.revoked.is_some() => skipped.push(format!("{}: already revoked.", view.key.name)),
            Ok(view) => skipped.push(format!("{}: belongs to {}.", view.key.name, view.owner_name)),
            Err(AppError::NotFound | AppError::Denied(_)) => {
                skipped.push("One key does not exist, or you cannot see it.".to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok((good, skipped))
}

async fn draw_form(
    state: &State,
    me: &SignedIn,
    slug: &str,
    form: BulkForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let ids = read_ids(&form.ids)?;
    let look = me.look(state, slug, move |scope| Ok((sort_out(scope, &ids)?, scope.now)));
    let (((good, skipped), now), account) = look.await?;
    let in_use = good.iter().filter(|view| policy::is_in_use(&view.key, now)).count();
    let page = RevokeManyPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::ApiKeys)?,
        list_url: list_url(slug),
        url: format!("{}/revoke", list_url(slug)),
        keys: good.iter().map(|view| line(view, now)).collect(),
        skipped,
        in_use: match in_use {
            0 => String::new(),
            1 => "1 of them was used in the last 24 hours.".to_owned(),
            _ => format!("{in_use} of them were used in the last 24 hours."),
        },
        confirm_count: form.confirm_count,
        reason: form.reason,
        errors,
    };
    draw(me.htmx, status, &page)
}

pub(crate) fn line(view: &KeyView, now: crate::domain::time::Timestamp) -> KeyLine {
    KeyLine {
        id: view.key.id.to_string(),
        name: view.key.name.clone(),
        preview: view.preview.clone(),
        by: if view.is_own { String::new() } else { format!("by {}", view.owner_name) },
        last_used: use_of(view, now),
    }
}

fn report(chrome: crate::web::views::Chrome, slug: &str, outcomes: &[BulkOutcome]) -> RevokedManyPage {
    let done = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    let lines = outcomes.iter().map(|outcome| ReportLine {
        name: outcome.name.clone().unwrap_or_else(|| outcome.id.to_string()),
        done: outcome.result.is_ok(),
        text: match &outcome.result {
            Ok(()) => "Revoked.".to_owned(),
            Err(why) => why.clone(),
        },
    });
    RevokedManyPage {
        chrome,
        list_url: list_url(slug),
        summary: format!(
            "Revoked {done} of {} API {}.",
            outcomes.len(),
            if outcomes.len() == 1 { "key" } else { "keys" }
        ),
        lines: lines.collect(),
    }
}
