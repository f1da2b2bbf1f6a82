//! `/device`: letting a command line in (RFC 8628). Two steps, neither of which happens by itself: the code, then the device
//! behind it with yes and no.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::{SignedIn, draw, mendable, retry_after, see_other, time};
use crate::actions::AppError;
use crate::actions::account::Account;
use crate::actions::people::{self as deeds, Decision};
use crate::domain::device::{Device, TOKEN_LIFE, read_user_code, show_user_code};
use crate::domain::names::is_deceptive;
use crate::domain::org::{Org, Role};
use crate::domain::time::Timestamp;
use crate::web::errors::sign_in_url;
use crate::web::views::device::{DevicePage, DeviceView};
use crate::web::views::people::NoticePage;
use crate::web::views::{Choice, Errors, Link, Nav};
use crate::web::{Form, Query, State};

/// What the link from the terminal carries, or where a decision led.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeviceQuery {
    user_code: String,
    done: String,
}

/// What was typed. Without `decision` only the code is asked about, and the answer is the second form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceForm {
    user_code: String,
    org: String,
    decision: String,
}

/// `GET /device`: never more than a form, whatever the link says.
///
/// # Errors
/// `SignIn` without a session.
pub async fn form(state: web::Data<State>, me: SignedIn, query: Query<DeviceQuery>) -> Result<HttpResponse, AppError> {
    let account = me.account(&state).await?;
    match query.0.done.as_str() {
        "allowed" => draw_done(&state, &me, &account, "The command line may act as you"),
        "denied" => draw_done(&state, &me, &account, "The command line may not act as you"),
        _ => draw_code(&state, &me, &account, query.0.user_code, (200, Errors::none())),
    }
}

fn is_about_org(error: &AppError) -> bool {
    matches!(error, AppError::Invalid(fields) if fields.iter().any(|(field, _)| *field == "org"))
}

/// `POST /device`: the code, or what is said of the device behind it. Whoever has to sign in first comes back to the code.
///
/// # Errors
/// The database's own failure.
pub async fn post(
    state: web::Data<State>,
    me: Result<SignedIn, AppError>,
    form: Form<DeviceForm>,
) -> Result<HttpResponse, AppError> {
    let DeviceForm { user_code, org, decision } = form.0;
    let me = match (me, read_user_code(&user_code)) {
        (Err(AppError::SignIn), Some(code)) => {
            let place = sign_in_url(&format!("/device?user_code={}", show_user_code(&code)));
            return Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish());
        }
        (me, _) => me?,
    };
    let (allowed, place) = match decision.as_str() {
        "" => return show(&state, &me, user_code, (org, Errors::none())).await,
        "allow" => (true, "/device?done=allowed"),
        "deny" => (false, "/device?done=denied"),
        _ => return Err(AppError::BadRequest("A decision is allow or deny.".to_owned())),
    };
    let (who, code, slug) = (me.who(), user_code.clone(), org.clone());
    let decide = state.run(me.origin.clone(), move |conn, ctx| {
        let decision = if allowed { Decision::Allow(&slug) } else { Decision::Deny };
        deeds::decide_device(conn, ctx, &who, &code, decision)
    });
    match decide.await {
        Ok(_) => Ok(see_other(me.htmx, place)),
        Err(error @ AppError::Invalid(_)) if is_about_org(&error) => {
            show(&state, &me, user_code, (org, Errors::about_all(error.to_string()))).await
        }
        Err(error) => refuse(&state, &me, user_code, error).await,
    }
}

/// The second form: the device that waits under this code.
async fn show(
    state: &State,
    me: &SignedIn,
    user_code: String,
    (org, errors): (String, Errors),
) -> Result<HttpResponse, AppError> {
    let (who, code) = (me.who(), user_code.clone());
    let look = state.run(me.origin.clone(), move |conn, ctx| deeds::look_at_device(conn, ctx, &who, &code));
    let (device, now) = match look.await {
        Ok(found) => found,
        Err(error) => return refuse(state, me, user_code, error).await,
    };
    let account = me.account(state).await?;
    let chosen = Some(org).filter(|org| !org.is_empty()).or_else(|| me.session.active_org());
    let page = DevicePage {
        device: Some(view(device, &account, chosen.as_deref(), now)),
        ..page(state, me, &account, user_code, errors)?
    };
    draw(me.htmx, if page.errors.any() { 422 } else { 200 }, &page)
}

/// The first form again, with what is wrong.
async fn refuse(state: &State, me: &SignedIn, user_code: String, error: AppError) -> Result<HttpResponse, AppError> {
    let at = error.retry_at();
    let (status, errors) = mendable(error)?;
    let account = me.account(state).await?;
    let mut res = draw_code(state, me, &account, user_code, (status, errors))?;
    retry_after(&mut res, at, state.gate.now());
    Ok(res)
}

fn view(device: Device, account: &Account, chosen: Option<&str>, now: Timestamp) -> DeviceView {
    let is_known = account.orgs.iter().any(|(org, _)| Some(org.slug.as_str()) == chosen);
    let choice = |(at, (org, role)): (usize, &(Org, Role))| {
        let selected = if is_known { Some(org.slug.as_str()) == chosen } else { at == 0 };
        Choice::new(org.slug.as_str(), org.name.as_str(), selected).hint(format!("as {role}"))
    };
    DeviceView {
        code: show_user_code(&device.user_code),
        system: system(&device.client),
        name: device.name,
        address: if device.address.is_empty() { "unknown".to_owned() } else { device.address },
        asked: time(device.created_at, now),
        until: now.plus(TOKEN_LIFE).day(),
        person: format!("{} ({})", account.user.name, account.user.email),
        orgs: account.orgs.iter().enumerate().map(choice).collect(),
    }
}

/// The system that a program's name of itself mentions; else the beginning of that name.
pub(super) fn system(client: &str) -> String {
    let lower = client.to_lowercase();
    let systems = [
        ("windows", "Windows"),
        ("macos", "macOS"),
        ("mac os", "macOS"),
        ("darwin", "macOS"),
        ("android", "Android"),
        ("freebsd", "FreeBSD"),
        ("linux", "Linux"),
    ];
    match systems.iter().find(|(mark, _)| lower.contains(mark)) {
        Some((_, name)) => (*name).to_owned(),
        None if client.is_empty() => "unknown".to_owned(),
        None => client.chars().filter(|&c| !is_deceptive(c)).take(60).collect(),
    }
}

fn page(
    state: &State,
    me: &SignedIn,
    account: &Account,
    user_code: String,
    errors: Errors,
) -> Result<DevicePage, AppError> {
    Ok(DevicePage {
        chrome: me.chrome(state, account, None, Nav::None)?,
        command: format!("{} auth login", state.config.cli_name),
        user_code,
        device: None,
        errors,
    })
}

fn draw_code(
    state: &State,
    me: &SignedIn,
    account: &Account,
    user_code: String,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    draw(me.htmx, status, &page(state, me, account, user_code, errors)?)
}

fn draw_done(state: &State, me: &SignedIn, account: &Account, title: &str) -> Result<HttpResponse, AppError> {
    let page = NoticePage {
        chrome: me.chrome(state, account, None, Nav::None)?,
        title: title.to_owned(),
        text: "You can close this page and go back to your terminal.".to_owned(),
        links: vec![Link { url: "/account/sessions".to_owned(), text: "Look at your sessions".to_owned() }],
    };
    draw(me.htmx, 200, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_recognised_by_what_a_program_calls_itself() {
        assert_eq!(system("keyrack/0.1.0 (linux; x86_64)"), "Linux");
        assert_eq!(system("keyrack/0.1.0 (macos; aarch64)"), "macOS");
        assert_eq!(system("keyrack/0.1.0 (windows; x86_64)"), "Windows");
        assert_eq!((system(""), system("a\u{202E}b")), ("unknown".to_owned(), "ab".to_owned()));
    }
}
