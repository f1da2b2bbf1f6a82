//! Settings → API keys.

pub mod bulk;
pub mod create;
pub mod list;
pub mod pause;
pub mod revoke;
pub mod rotate;
pub mod show;
pub(super) mod usage;

use actix_web::{HttpResponse, web};

use super::SignedIn;
use crate::actions::AppError;
use crate::actions::keys::KeyView;
use crate::domain::key::KeyStatus;
use crate::domain::time::{Span, Timestamp};
use crate::web::views::keys::Status;
use crate::web::{State, views};

/// The address of an organization's list.
pub(super) fn list_url(slug: &str) -> String {
    format!("/orgs/{slug}/settings/api-keys")
}

/// The address of a key's page.
pub(super) fn key_url(slug: &str, view: &KeyView) -> String {
    ["/orgs/", slug, "/settings/api-keys/", view.key.id.as_str()].concat()
}

/// Whether nothing has used a key for long that could be used.
fn is_idle(view: &KeyView, now: Timestamp) -> bool {
    let since = view.key.last_use.as_ref().map_or(view.key.created_at, |used| used.at);
    view.status == KeyStatus::Active && now.since(since) >= Span::days(30)
}

pub(super) fn status_of(view: &KeyView) -> Status {
    let word = match view.status {
        KeyStatus::Active => "Active",
        KeyStatus::Rotating => "Rotating",
        KeyStatus::Expired => "Expired",
        KeyStatus::Revoked => "Revoked",
        KeyStatus::Paused => "Paused",
    };
    Status { kind: view.status.as_str(), word }
}

/// Only the network of an address is shown to colleagues: 203.0.113.0/24, or the first 48 bits of IPv6.
fn network_of(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V4(ip)) if ip.is_loopback() => "this machine".to_owned(),
        Ok(std::net::IpAddr::V6(ip)) if ip.is_loopback() => "this machine".to_owned(),
        Ok(std::net::IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => String::new(),
    }
}

/// “Used 4 min ago from 203.0.113.0/24”, “Never used”.
fn use_of(view: &KeyView, now: Timestamp) -> String {
    match &view.key.last_use {
        None => "Never used".to_owned(),
        Some(used) => {
            let when = used.at.ago(now);
            let when = if when == "Just now" { "just now".to_owned() } else { when };
            match network_of(&used.address).as_str() {
                "" => format!("Used {when}"),
                network => format!("Used {when} from {network}"),
            }
        }
    }
}

/// What to know about a key before it becomes a problem; nothing for one that has ended.
fn hints_of(view: &KeyView, now: Timestamp) -> Vec<String> {
    let mut hints = Vec::new();
    if matches!(view.status, KeyStatus::Revoked | KeyStatus::Expired) {
        return hints;
    }
    if let Some(at) = view.key.expires_at
        && at.since(now) <= Span::days(14)
    {
        hints.push(format!("Expires in {}", at.since(now).human()));
    }
    match &view.key.last_use {
        None if now.since(view.key.created_at) >= Span::days(7) => {
            hints.push(format!("Never used in {}", now.since(view.key.created_at).human()));
        }
        Some(used) if now.since(used.at) >= Span::days(30) => {
            hints.push(format!("Unused for {}", now.since(used.at).human()));
        }
        None | Some(_) => {}
    }
    if now.since(view.key.current.created_at) >= Span::days(365) {
        hints.push("Secret is older than a year".to_owned());
    }
    hints
}

/// `GET /settings/api-keys`: leads to the organization that was last worked in.
///
/// # Errors
/// `SignIn` without a session.
pub async fn active(state: web::Data<State>, me: SignedIn) -> Result<HttpResponse, AppError> {
    let account = me.account(&state).await?;
    let active = me.session.active_org();
    let org = account.orgs.iter().find(|(org, _)| Some(&org.slug) == active.as_ref()).or(account.orgs.first());
    Ok(match org {
        Some((org, _)) => super::see_other(me.htmx, &list_url(&org.slug)),
        None => super::see_other(me.htmx, "/orgs"),
    })
}

/// The secret's page, after creating or rotating.
fn reveal(
    state: &State,
    slug: &str,
    view: &KeyView,
    secret: &str,
    rotated: String,
    chrome: views::Chrome,
) -> views::keys::RevealPage {
    let env_var = format!("{}_API_KEY", state.config.env_prefix);
    let url = format!("{}/v1/whoami", state.config.public_url);
    views::keys::RevealPage {
        chrome,
        name: view.key.name.clone(),
        secret: secret.to_owned(),
        rotated,
        list_url: list_url(slug),
        key_url: key_url(slug, view),
        samples: views::keys::samples(&url, secret, &env_var),
        env_var,
    }
}
