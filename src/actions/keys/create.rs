//! Creating a key, exactly within the plan's limits, exactly once per form.

use serde_json::json;

use super::look::{KeyView, view_new_key};
use crate::actions::{AppError, FieldErrors, OrgScope, alerts, random};
use crate::db;
use crate::db::tokens::Done;
use crate::domain::alert::{AlertKind, Facts};
use crate::domain::ids::{KeyId, ProfileId, SecretId};
use crate::domain::key::{ApiKey, KeySecret};
use crate::domain::names::{Name, parse_note};
use crate::domain::org::{Plan, Profile};
use crate::domain::policy;
use crate::domain::rules::Rules;
use crate::domain::time::{Timestamp, parse_duration};
use crate::domain::token::{ID_CHARS, PlainKey, RANDOM_CHARS};

/// What was asked for, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// The label.
    pub name: String,
    /// One of the operator's; nothing means the first.
    pub environment: Option<String>,
    /// A profile's id; nothing means the organization's oldest.
    pub profile: Option<String>,
    /// `never`, a length like `90d`, a date or a time; nothing means the operator's default.
    pub expires: Option<String>,
    /// What uses it.
    pub note: String,
    /// Whether it may travel in a URL (ruling 12).
    pub url_allowed: bool,
}

/// Makes a repeated request harmless.
#[derive(Debug, Clone)]
pub struct Once {
    /// Who repeats what: the credential and the form or route.
    pub scope: String,
    /// The form's nonce or the client's Idempotency-Key.
    pub token: String,
    /// SHA-256 of what was asked for.
    pub body_hash: String,
}

/// What came of it.
#[derive(Debug)]
pub enum Created {
    /// A new key, with its plain text for this one answer.
    New(Box<KeyView>, PlainKey),
    /// It was created by an earlier request; its plain text is gone.
    Before(Box<KeyView>),
}

/// What was asked for, read and found good.
pub struct GoodKey {
    name: String,
    environment: String,
    note: String,
    expires_at: Option<Timestamp>,
    url_allowed: bool,
}

pub(super) fn name_taken(name: &str) -> String {
    format!("You already have a key named “{name}”. Choose another name, so that you can tell them apart.")
}

/// Reads what was typed, all mistakes at once.
///
/// # Errors
/// A sentence per field.
pub fn read_new_key(new: &NewKey, rules: &Rules, now: Timestamp) -> Result<GoodKey, FieldErrors> {
    let mut errors = FieldErrors::new();
    let no_key = |text: &str| rules.format.refuse_key(text);
    let name = Name::parse(&new.name, "this key").and_then(|name| no_key(name.as_str()).map(|()| name));
    let name = name.map_err(|text| errors.push(("name", text)));
    let note = parse_note(&new.note).and_then(|note| no_key(&note).map(|()| note));
    let note = note.map_err(|text| errors.push(("note", text)));
    let known = rules.format.environments();
    let environment = new.environment.as_deref().filter(|text| !text.is_empty()).unwrap_or(known[0]);
    if !known.contains(&environment) {
        errors.push(("environment", format!("Choose {}.", known.join(" or "))));
    }
    let expires_at = read_expiry(new.expires.as_deref(), rules, now).map_err(|text| errors.push(("expires", text)));
    if new.url_allowed && rules.url_endpoints.is_empty() {
        errors.push(("url_allowed", "Keys are not taken from URLs here.".to_owned()));
    }
    match (name, note, expires_at) {
        (Ok(name), Ok(note), Ok(expires_at)) if errors.is_empty() => {
            let (name, environment) = (name.as_str().to_owned(), environment.to_owned());
            Ok(GoodKey { name, environment, note, expires_at, url_allowed: new.url_allowed })
        }
        _ => Err(errors),
    }
}

fn read_expiry(text: Option<&str>, rules: &Rules, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    let at = match text {
        None => rules.default_expiry.map(|span| now.plus(span)),
        Some("never") => None,
        Some(text) if text.contains('-') => Some(Timestamp::parse(text)?),
        Some(text) => Some(now.plus(parse_duration(text)?)),
    };
    if at.is_some_and(|at| at <= now) {
        return Err("Choose a time that is still to come.".to_owned());
    }
    // A plain date means its last moment; the last day that is allowed ends where the limit does.
    let last = rules.max_expiry.map(|max| now.plus(max));
    let is_date = text.is_some_and(|text| text.len() == 10 && text.contains('-'));
    let at = match (at, last) {
        (Some(at), Some(last)) if is_date && at > last && at.iso_day() == last.iso_day() => Some(last),
        _ => at,
    };
    match (rules.max_expiry, at) {
        (Some(max), None) => Err(format!("Keys may live {} at most here.", max.human())),
        (Some(max), Some(at)) if at > now.plus(max) => Err(format!("Keys may live {} at most here.", max.human())),
        _ => Ok(at),
    }
}

/// Creates a key in the scope's organization.
///
/// # Errors
/// Not allowed, over a limit, or mistakes in what was typed; `Conflict` when a token was used for something else.
pub fn create_key(scope: &mut OrgScope<'_>, new: &NewKey, once: Option<&Once>) -> Result<Created, AppError> {
    if let Some(once) = once
        && let Some(done) = db::tokens::find_done(scope.conn, &once.scope, &once.token)?
    {
        return replay(scope, once, &done);
    }
    policy::may_manage_keys(&scope.actor, scope.ctx.rules.keys_may_manage_keys)?;
    let plan = scope.plan();
    policy::may_create_key(&plan)?;
    let good = read_new_key(new, scope.ctx.rules, scope.now).map_err(AppError::Invalid)?;
    let profile = find_profile(scope, new.profile.as_deref())?;
    if db::keys::name_in_use(scope.conn, &scope.org.id, &scope.actor.user, &good.name, None)? {
        return Err(AppError::field("name", name_taken(&good.name)));
    }
    let used_up = check_limits(scope, &plan)?;

    let (key, plain) = make_key(scope, good, profile.id.clone())?;
    db::keys::insert_key(scope.conn, &key)?;
    if let Some(once) = once {
        note_done(scope, once, &key.id)?;
    }
    scope.audit(
        "key.created",
        (key.id.as_str(), &key.name),
        serde_json::Value::Null,
        json!({
            "name": key.name, "environment": key.environment, "profile": profile.name,
            "expires_at": key.expires_at, "note": key.note, "url_allowed": key.url_allowed,
        }),
    )?;
    alerts::raise(scope, AlertKind::Created, &key, Facts { expires_at: key.expires_at, ..Facts::default() })?;
    for (limit, max) in used_up {
        alerts::raise_limit(scope, limit, max)?;
    }
    Ok(Created::New(Box::new(view_new_key(scope, key, &profile)?), plain))
}

/// Whether there is room for one more key. Returns the limits that it uses up.
fn check_limits(scope: &mut OrgScope<'_>, plan: &Plan) -> Result<Vec<(&'static str, u32)>, AppError> {
    let mut used_up = Vec::new();
    // Not counted where there is no limit: an organization may have very many.
    if let Some(max) = plan.active_keys_max {
        let active = db::keys::count_active_keys(scope.conn, &scope.org.id, scope.now)?;
        policy::room_for_another_key(plan, active)?;
        used_up.extend((active + 1 == max).then_some(("active_keys", max)));
    }
    if let Some(max) = plan.creations_per_hour {
        let since = policy::creation_window_start(scope.now);
        let created = db::keys::list_creation_times(scope.conn, &scope.org.id, since, max)?;
        policy::creation_budget(plan, &created)?;
        used_up.extend((created.len() + 1 == max as usize).then_some(("creations_per_hour", max)));
    }
    Ok(used_up)
}

/// Notes what came of a token, so that it works once.
pub(super) fn note_done(scope: &mut OrgScope<'_>, once: &Once, key: &KeyId) -> Result<(), AppError> {
    let done =
        Done { body_hash: once.body_hash.clone(), object_id: key.to_string(), created_at: scope.now.as_micros() };
    Ok(db::tokens::insert_done(scope.conn, &once.scope, &once.token, &done)?)
}

fn replay(scope: &mut OrgScope<'_>, once: &Once, done: &Done) -> Result<Created, AppError> {
    if done.body_hash != once.body_hash {
        return Err(AppError::field("Idempotency-Key", "This key was sent before with another body."));
    }
    let view = super::get_key(scope, &KeyId(done.object_id.clone()))?;
    Ok(Created::Before(Box::new(view)))
}

fn find_profile(scope: &mut OrgScope<'_>, id: Option<&str>) -> Result<Profile, AppError> {
    let unknown = || AppError::field("profile", "There is no such profile in this organization.");
    match id.filter(|id| !id.is_empty()) {
        Some(id) => db::orgs::find_profile(scope.conn, &scope.org.id, &ProfileId(id.to_owned()))?.ok_or_else(unknown),
        None => db::orgs::list_profiles(scope.conn, &scope.org.id)?.into_iter().next().ok_or_else(unknown),
    }
}

fn make_key(scope: &mut OrgScope<'_>, good: GoodKey, profile: ProfileId) -> Result<(ApiKey, PlainKey), AppError> {
    let id = loop {
        let id = KeyId(random::base62(ID_CHARS)?);
        if !db::keys::id_exists(scope.conn, &id)? {
            break id;
        }
    };
    let (plain, current) = make_secret(scope, &good.environment, &id)?;
    let key = ApiKey {
        id,
        org: scope.org.id.clone(),
        profile,
        owner: scope.actor.user.clone(),
        name: good.name,
        note: good.note,
        environment: good.environment,
        url_allowed: good.url_allowed,
        role_max: None,
        created_at: scope.now,
        expires_at: good.expires_at,
        paused_at: None,
        revoked: None,
        last_use: None,
        current,
        previous: None,
    };
    Ok((key, plain))
}

/// A new secret for a key: the plain text for one answer, and what is stored of it.
pub(super) fn make_secret(
    scope: &OrgScope<'_>,
    environment: &str,
    id: &KeyId,
) -> Result<(PlainKey, KeySecret), AppError> {
    let (plain, secret) = scope.ctx.rules.format.compose(environment, id, &random::base62(RANDOM_CHARS)?);
    let stored = KeySecret {
        id: SecretId(random::id("sec")?),
        hash: secret.hash(),
        last4: secret.last4(),
        created_at: scope.now,
        valid_until: None,
        first_used_at: None,
        last_used_at: None,
    };
    Ok((plain, stored))
}
