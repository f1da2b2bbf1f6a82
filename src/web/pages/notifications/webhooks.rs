//! Webhook endpoints: adding, testing, rotating, removing, and the log of what was sent.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::super::keys::create::once_by;
use super::super::{SignedIn, draw, go, mendable, time};
use super::{NoFields, url};
use crate::actions::alerts::{self as deeds, Attempt, Delivery, Endpoint, Seal, WithSecret};
use crate::actions::{AppError, OrgScope, random};
use crate::domain::alert::words::title;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::domain::time::Timestamp;
use crate::web::views::notifications::{
    AttemptRow, DeliveryRow, EndpointConfirmPage, EndpointPage, EndpointRow, EndpointSecretPage,
};
use crate::web::views::{Chrome, Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointForm {
    pub(super) url: String,
    pub(super) nonce: String,
}

/// A confirmation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfirmForm {
    nonce: String,
}

/// The organization's slug, and the endpoint's id.
type EndpointPath = web::Path<(String, String)>;

fn page_url(slug: &str, id: &EndpointId) -> String {
    format!("{}/webhooks/{id}", url(slug))
}

pub(super) fn seal(state: &State) -> Seal {
    Seal::from_session_key(&state.config.session_key)
}

/// How an endpoint fares: for the look, and in words.
pub(super) fn state_of(endpoint: &Endpoint, seal: &Seal) -> (&'static str, String) {
    match (&endpoint.disabled, endpoint.failures) {
        (None, _) if !deeds::can_sign(seal, endpoint) => ("revoked", "Needs a new secret".to_owned()),
        (Some((_, reason)), _) => ("revoked", format!("Disabled: {}", reason.to_lowercase())),
        (None, 0) => ("active", "Working".to_owned()),
        (None, 1) => ("expired", "Failed once".to_owned()),
        (None, failures) => ("expired", format!("Failed {failures} times in a row")),
    }
}

/// `POST …/notifications/webhooks`.
///
/// # Errors
/// `NotFound` for outsiders, `Denied` for builders.
pub async fn create(
    state: web::Data<State>,
    me: SignedIn,
    slug: web::Path<String>,
    form: Form<EndpointForm>,
) -> Result<HttpResponse, AppError> {
    let (seal, typed, private) = (seal(&state), form.0.url.clone(), state.config.alerts.private_webhooks);
    let once = once_by(&form.0.nonce, format!("webhook in {slug} by {}", me.sign_in.user));
    let done =
        me.act(&state, &slug, move |scope| deeds::create_endpoint(scope, &seal, (&typed, private), once.as_ref()));
    match done.await {
        Ok((made, account)) => {
            let chrome = me.chrome(&state, &account, Some(&slug), Nav::Notifications)?;
            reveal(&me, &slug, made, String::new(), chrome)
        }
        Err(error) => super::draw_page(&state, &me, &slug, form.0, mendable(error)?).await,
    }
}

fn reveal(
    me: &SignedIn,
    slug: &str,
    made: WithSecret,
    rotated: String,
    chrome: Chrome,
) -> Result<HttpResponse, AppError> {
    let page_url = page_url(slug, &made.endpoint.id);
    let Some(secret) = made.secret else {
        let text = "This form was sent before. The secret was shown then; rotate it if you did not save it.";
        return go(me.htmx, &me.session, Flash::note(text), &page_url);
    };
    let (host, secret) = (deeds::host_of(&made.endpoint.url), secret.reveal());
    draw(me.htmx, 200, &EndpointSecretPage { chrome, host, secret, rotated, page_url })
}

/// `GET …/webhooks/{id}`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn show(state: web::Data<State>, me: SignedIn, path: EndpointPath) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    draw_endpoint(&state, &me, &slug, EndpointId(id), (200, Errors::none())).await
}

async fn draw_endpoint(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: EndpointId,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let page_url = page_url(slug, &id);
    let look = me.look(state, slug, move |scope| {
        Ok((deeds::get_endpoint(scope, &id)?, deeds::delivery_log(scope, &id)?, scope.now))
    });
    let ((endpoint, log, now), account) = look.await?;
    let seal = seal(state);
    let (look, state_text) = state_of(&endpoint, &seal);
    let page = EndpointPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Notifications)?,
        back_url: url(slug),
        host: deeds::host_of(&endpoint.url),
        is_disabled: endpoint.disabled.is_some(),
        needs_secret: !deeds::can_sign(&seal, &endpoint),
        old_secret: endpoint.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(_, until)| time(*until, now)),
        endpoint: EndpointRow {
            page_url: page_url.clone(),
            url: endpoint.url,
            state: look,
            state_text,
            created: time(endpoint.created_at, now),
        },
        log: log.into_iter().map(|(delivery, attempts)| delivery_row(&page_url, &delivery, &attempts, now)).collect(),
        page_url,
        errors,
    };
    draw(me.htmx, status, &page)
}

fn delivery_row(page_url: &str, delivery: &Delivery, attempts: &[Attempt], now: Timestamp) -> DeliveryRow {
    let (state, state_text) = match delivery.state.as_str() {
        "sent" => ("active", "Delivered"),
        "failed" => ("revoked", "Given up"),
        _ if attempts.is_empty() => ("rotating", "On its way"),
        _ => ("rotating", "Trying again"),
    };
    let attempt = |attempt: &Attempt| {
        let status = attempt.status.map(|status| format!("{status} · ")).unwrap_or_default();
        let text = format!("{status}{} · {} ms", attempt.outcome, attempt.duration_ms);
        AttemptRow { at: time(attempt.at, now), text }
    };
    DeliveryRow {
        id: delivery.id.to_string(),
        at: time(delivery.alert.at, now),
        title: title(&delivery.alert),
        event: delivery.alert.kind.event_type().to_owned(),
        state,
        state_text: state_text.to_owned(),
        is_under_way: delivery.state == "waiting",
        next: (delivery.state == "waiting" && !attempts.is_empty()).then(|| time(delivery.next_attempt_at, now)),
        attempts: attempts.iter().map(attempt).collect(),
        again_url: format!("{page_url}/deliveries/{}/redeliver", delivery.id),
    }
}

/// Does something to an endpoint and goes back to its page, which says what is wrong where it was refused.
async fn act_on(
    (state, me): (&State, &SignedIn),
    (slug, id): (String, String),
    done: &'static str,
    deed: impl FnOnce(&mut OrgScope<'_>, &EndpointId) -> Result<(), AppError> + Send + 'static,
) -> Result<HttpResponse, AppError> {
    let id = EndpointId(id);
    let asked = id.clone();
    match me.act(state, &slug, move |scope| deed(scope, &asked)).await {
        Ok(_) => go(me.htmx, &me.session, Flash::done(done), &page_url(&slug, &id)),
        Err(error) => draw_endpoint(state, me, &slug, id, mendable(error)?).await,
    }
}

/// `POST …/webhooks/{id}/test`.
///
/// # Errors
/// `NotFound`, `Denied` for builders, or `RateLimited` when it is asked too often.
pub async fn test(
    state: web::Data<State>,
    me: SignedIn,
    path: EndpointPath,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    act_on((&state, &me), path.into_inner(), "A test alert is on its way.", deeds::test_endpoint).await
}

/// `POST …/webhooks/{id}/enable`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn enable(
    state: web::Data<State>,
    me: SignedIn,
    path: EndpointPath,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    act_on((&state, &me), path.into_inner(), "The endpoint is enabled.", deeds::enable_endpoint).await
}

/// `POST …/webhooks/{id}/deliveries/{delivery}/redeliver`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn redeliver(
    state: web::Data<State>,
    me: SignedIn,
    path: web::Path<(String, String, String)>,
    _form: Form<NoFields>,
) -> Result<HttpResponse, AppError> {
    let (slug, id, delivery) = path.into_inner();
    let again = move |scope: &mut OrgScope<'_>, id: &EndpointId| deeds::redeliver(scope, id, &DeliveryId(delivery));
    act_on((&state, &me), (slug, id), "The alert is on its way again.", again).await
}

/// `GET …/webhooks/{id}/rotate`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn rotate_form(state: web::Data<State>, me: SignedIn, path: EndpointPath) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (endpoint, mut page) = confirm(&state, &me, &slug, EndpointId(id), "rotate").await?;
    let host = deeds::host_of(&endpoint.url);
    if deeds::can_sign(&seal(&state), &endpoint) {
        page.title = format!("Rotate the signing secret of {host}?");
        let text = "You get a new secret now. For 24 hours alerts are signed with both, so that nothing is lost while you \
                    replace it.";
        page.text = text.to_owned();
        page.button = "Rotate secret";
    } else {
        page.title = format!("Get a new signing secret for {host}?");
        let text = "The secret before can't be read any more, so only the new one signs. Your endpoint refuses alerts \
                    until it knows it.";
        page.text = text.to_owned();
        page.button = "Get new secret";
    }
    draw(me.htmx, 200, &page)
}

/// `POST …/webhooks/{id}/rotate`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn rotate(
    state: web::Data<State>,
    me: SignedIn,
    path: EndpointPath,
    form: Form<ConfirmForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (seal, id) = (seal(&state), EndpointId(id));
    let once = once_by(&form.0.nonce, format!("rotate webhook {id} by {}", me.sign_in.user));
    let done = me.act(&state, &slug, move |scope| deeds::rotate_secret(scope, &seal, &id, once.as_ref()));
    let (made, account) = done.await?;
    let chrome = me.chrome(&state, &account, Some(&slug), Nav::Notifications)?;
    let rotated = match &made.endpoint.old_secret {
        Some((_, until)) => format!("The old secret signs beside it until {}.", until.human()),
        None => "Alerts are signed with this one only, from now on.".to_owned(),
    };
    reveal(&me, &slug, made, rotated, chrome)
}

/// `GET …/webhooks/{id}/remove`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn remove_form(state: web::Data<State>, me: SignedIn, path: EndpointPath) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (endpoint, mut page) = confirm(&state, &me, &slug, EndpointId(id), "remove").await?;
    page.title = format!("Remove the webhook endpoint at {}?", deeds::host_of(&endpoint.url));
    page.text = "Nothing is sent there any more, also not what was still on its way. You can't undo this.".to_owned();
    page.button = "Remove endpoint";
    page.is_danger = true;
    draw(me.htmx, 200, &page)
}

/// `POST …/webhooks/{id}/remove`.
///
/// # Errors
/// `NotFound`, or `Denied` for builders.
pub async fn remove(
    state: web::Data<State>,
    me: SignedIn,
    path: EndpointPath,
    _form: Form<ConfirmForm>,
) -> Result<HttpResponse, AppError> {
    let (slug, id) = path.into_inner();
    let (endpoint, _) = me.act(&state, &slug, move |scope| deeds::remove_endpoint(scope, &EndpointId(id))).await?;
    let text = format!("Removed the webhook endpoint at {}.", deeds::host_of(&endpoint.url));
    go(me.htmx, &me.session, Flash::done(text), &url(&slug))
}

/// A question about an endpoint, still without its words; and the endpoint.
async fn confirm(
    state: &State,
    me: &SignedIn,
    slug: &str,
    id: EndpointId,
    below: &str,
) -> Result<(Endpoint, EndpointConfirmPage), AppError> {
    let page_url = page_url(slug, &id);
    let (endpoint, account) = me.look(state, slug, move |scope| deeds::get_endpoint(scope, &id)).await?;
    let page = EndpointConfirmPage {
        chrome: me.chrome(state, &account, Some(slug), Nav::Notifications)?,
        url: format!("{page_url}/{below}"),
        page_url,
        nonce: random::nonce()?,
        ..EndpointConfirmPage::default()
    };
    Ok((endpoint, page))
}
