//! One's own account: password, sessions, appearance.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::setup::hash;
use super::sign_in::check;
use super::{SignedIn, draw, go, mendable, retry_after, see_other, time};
use crate::actions::AppError;
use crate::actions::password::Password;
use crate::actions::people as deeds;
use crate::domain::audit::AuditEntry;
use crate::domain::device::CliToken;
use crate::domain::ids::{CliTokenId, SessionId};
use crate::domain::time::Timestamp;
use crate::web::views::account::{
    AppearancePage, CommandLineRow, SecurityEvent, SecurityPage, SessionRow, SessionsPage,
};
use crate::web::views::{Choice, Errors, Flash, Nav};
use crate::web::{Form, State};

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordForm {
    current_password: String,
    password: String,
    end_others: String,
}

/// `GET /account/security`.
///
/// # Errors
/// `SignIn` without a session.
pub async fn security(state: web::Data<State>, me: SignedIn) -> Result<HttpResponse, AppError> {
    draw_security(&state, &me, (200, Errors::none())).await
}

/// Another name as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameForm {
    name: String,
}

/// `POST /account/name`.
///
/// # Errors
/// `SignIn` without a session.
pub async fn rename(state: web::Data<State>, me: SignedIn, form: Form<NameForm>) -> Result<HttpResponse, AppError> {
    let (who, name) = (me.who(), form.0.name.clone());
    let done = state.run(me.origin.clone(), move |conn, ctx| deeds::rename_self(conn, ctx, &who, &name));
    match done.await {
        Ok(name) => go(me.htmx, &me.session, Flash::done(format!("Your name is “{name}” now.")), "/account/security"),
        Err(error) => draw_security_with(&state, &me, Some(form.0.name), mendable(error)?).await,
    }
}

/// `POST /account/security`: another password. The session gets a new cookie.
///
/// # Errors
/// `SignIn` without a session.
pub async fn change_password(
    state: web::Data<State>,
    me: SignedIn,
    form: Form<PasswordForm>,
) -> Result<HttpResponse, AppError> {
    match try_change(&state, &me, form.0).await {
        Ok(ended) => {
            me.session.renew();
            let text = match ended {
                0 => "Your password was changed.".to_owned(),
                1 => "Your password was changed, and one other session ended.".to_owned(),
                _ => format!("Your password was changed, and {ended} other sessions ended."),
            };
            go(me.htmx, &me.session, Flash::done(text), "/account/security")
        }
        Err(error) => {
            let at = error.retry_at();
            let mut res = draw_security(&state, &me, mendable(error)?).await?;
            retry_after(&mut res, at, state.gate.now());
            Ok(res)
        }
    }
}

async fn try_change(state: &State, me: &SignedIn, form: PasswordForm) -> Result<usize, AppError> {
    let account = me.account(state).await?;
    let chosen = Password::chosen(form.password, &[&account.user.email, &account.user.name]);
    let chosen = chosen.map_err(|text| AppError::field("password", text))?;
    let (current, user) = (Password::typed(form.current_password), account.user.id);
    let begin = state.run(me.origin.clone(), move |conn, ctx| deeds::begin_password_check(conn, ctx, &user));
    let (attempt, good) = check(state, begin.await?, current).await?;
    let hash = hash(state, chosen).await?;
    let (who, end_others) = (me.who(), form.end_others == "1");
    let change = state.run(me.origin.clone(), move |conn, ctx| {
        deeds::change_password(conn, ctx, &who, (attempt, good), &hash, end_others)
    });
    change.await
}

async fn draw_security(state: &State, me: &SignedIn, refused: (u16, Errors)) -> Result<HttpResponse, AppError> {
    draw_security_with(state, me, None, refused).await
}

/// `name`: as typed, and then the mistake is in it.
async fn draw_security_with(
    state: &State,
    me: &SignedIn,
    name: Option<String>,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let who = me.who();
    let account = me.account(state).await?;
    let events = state.run(me.origin.clone(), move |conn, _| deeds::account_events(conn, &who)).await?;
    let now = state.clock.now();
    let page = SecurityPage {
        chrome: me.chrome(state, &account, None, Nav::Security)?,
        email: account.user.email,
        name_errors: if name.is_some() { errors.clone() } else { Errors::none() },
        errors: if name.is_some() { Errors::none() } else { errors },
        name: name.unwrap_or(account.user.name),
        events: events.iter().map(|entry| event(entry, now)).collect(),
    };
    draw(me.htmx, status, &page)
}

fn event(entry: &AuditEntry, now: Timestamp) -> SecurityEvent {
    let text = match entry.action.as_str() {
        "account.signed_in" => "Signed in",
        "account.sign_in_failed" => "Sign-in failed",
        "account.signed_out" => "Signed out",
        "account.password_changed" => "Password changed",
        "account.password_change_failed" => "Password change failed",
        "account.password_reset" => "Password reset by the operator",
        "account.renamed" => "Name changed",
        "account.session_ended" => "Ended a session",
        "account.other_sessions_ended" => "Ended all other sessions",
        "account.device_allowed" => "Allowed a command line",
        "account.device_denied" => "Denied a command line",
        "account.device_signed_in" => "Signed in on the command line",
        "account.device_signed_out" => "Signed out on the command line",
        "account.device_ended" => "Ended a command line",
        "account.disabled" => "Account disabled by the operator",
        "account.enabled" => "Account enabled by the operator",
        other => other,
    };
    let after: serde_json::Value = serde_json::from_str(&entry.after).unwrap_or_default();
    SecurityEvent {
        at: time(entry.at, now),
        text: text.to_owned(),
        address: entry.address.clone(),
        client: match after["device"].as_str() {
            Some(device) => device.to_owned(),
            None => browser(after["client"].as_str().unwrap_or_default()),
        },
    }
}

/// “Firefox on Linux” from what a browser calls itself; the beginning of it when it is none we know.
fn browser(client: &str) -> String {
    // Order matters: nearly every browser also claims to be one of those after it.
    let browsers =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| client.contains(mark)).map(|(_, name)| *name);
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => client.chars().filter(|&c| !crate::domain::names::is_deceptive(c)).take(60).collect(),
    }
}

/// `end` is the id of a session or a command line, or `others`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndForm {
    end: String,
}

/// `GET /account/sessions`.
///
/// # Errors
/// `SignIn` without a session.
pub async fn sessions(state: web::Data<State>, me: SignedIn) -> Result<HttpResponse, AppError> {
    let who = me.who();
    let account = me.account(&state).await?;
    let mut found = state.run(me.origin.clone(), move |conn, ctx| deeds::list_sessions(conn, ctx, &who)).await?;
    found.sort_by_key(|view| !view.is_current);
    let who = me.who();
    let lines = state.run(me.origin.clone(), move |conn, ctx| deeds::list_command_lines(conn, ctx, &who)).await?;
    let now = state.clock.now();
    let rows = found.into_iter().map(|view| SessionRow {
        id: view.id.to_string(),
        client: match browser(&view.client) {
            name if name.is_empty() => "Unknown browser".to_owned(),
            name => name,
        },
        address: view.address,
        started: time(view.created_at, now),
        seen: time(view.last_seen_at, now),
        is_current: view.is_current,
    });
    let page = SessionsPage {
        chrome: me.chrome(&state, &account, None, Nav::Sessions)?,
        rows: rows.collect(),
        command_lines: lines.into_iter().map(|token| command_line(token, now)).collect(),
    };
    draw(me.htmx, 200, &page)
}

fn command_line(token: CliToken, now: Timestamp) -> CommandLineRow {
    let place = Some(token.last_used_address).filter(|address| !address.is_empty());
    CommandLineRow {
        id: token.id.0,
        name: token.name,
        address: place.unwrap_or(token.address),
        started: time(token.created_at, now),
        used: token.last_used_at.map(|at| time(at, now)),
        until: token.expires_at.day(),
    }
}

/// `POST /account/sessions`.
///
/// # Errors
/// `NotFound` for a session or command line that is not one's own or has ended.
pub async fn end_session(state: web::Data<State>, me: SignedIn, form: Form<EndForm>) -> Result<HttpResponse, AppError> {
    let who = me.who();
    if form.0.end == "others" {
        let end = state.run(me.origin.clone(), move |conn, ctx| deeds::end_other_sessions(conn, ctx, &who));
        let text = match end.await? {
            1 => "One other session ended.".to_owned(),
            count => format!("{count} other sessions ended."),
        };
        return go(me.htmx, &me.session, Flash::done(text), "/account/sessions");
    }
    if form.0.end.starts_with("clt_") {
        let id = CliTokenId(form.0.end);
        state.run(me.origin.clone(), move |conn, ctx| deeds::end_command_line(conn, ctx, &who, &id)).await?;
        return go(me.htmx, &me.session, Flash::done("The command line is signed out."), "/account/sessions");
    }
    let id = SessionId(form.0.end);
    let is_own = id == me.sign_in.session;
    state.run(me.origin.clone(), move |conn, ctx| deeds::end_session(conn, ctx, &who, &id)).await?;
    if is_own {
        me.session.end();
        return Ok(see_other(me.htmx, "/sign-in"));
    }
    go(me.htmx, &me.session, Flash::done("The session ended."), "/account/sessions")
}

/// What was chosen.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThemeForm {
    theme: String,
}

const THEMES: [(&str, &str); 3] = [("system", "As the system"), ("light", "Light"), ("dark", "Dark")];

/// `GET /account/appearance`.
///
/// # Errors
/// `SignIn` without a session.
pub async fn appearance(state: web::Data<State>, me: SignedIn) -> Result<HttpResponse, AppError> {
    draw_appearance(&state, &me, (200, Errors::none())).await
}

/// `POST /account/appearance`: a cookie, because it is this screen's choice and not the account's.
///
/// # Errors
/// `SignIn` without a session.
pub async fn choose_theme(
    state: web::Data<State>,
    me: SignedIn,
    form: Form<ThemeForm>,
) -> Result<HttpResponse, AppError> {
    let Some((theme, _)) = THEMES.iter().find(|(value, _)| *value == form.0.theme) else {
        let mut errors = Errors::none();
        errors.add("theme", "Choose one of the themes.");
        return draw_appearance(&state, &me, (422, errors)).await;
    };
    let cookie = Cookie::build("theme", *theme)
        .path("/")
        .same_site(SameSite::Lax)
        .http_only(true)
        .secure(state.config.secure_cookies)
        .max_age(Duration::days(365))
        .finish();
    let mut res = go(me.htmx, &me.session, Flash::done("Saved."), "/account/appearance")?;
    res.add_cookie(&cookie).map_err(|error| AppError::Internal(anyhow::Error::new(error)))?;
    Ok(res)
}

async fn draw_appearance(
    state: &State,
    me: &SignedIn,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let account = me.account(state).await?;
    let chrome = me.chrome(state, &account, None, Nav::Appearance)?;
    let current = chrome.theme_name().to_owned();
    let themes = THEMES.iter().map(|(value, label)| Choice::new(*value, *label, *value == current)).collect();
    draw(me.htmx, status, &AppearancePage { chrome, themes, errors })
}
