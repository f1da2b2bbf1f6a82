//! Organizations: founding, naming, listing.

use serde_json::{Value, json};

use super::{SERVER_CHAIN, done_before, in_person, note_done};
use crate::actions::keys::Once;
use crate::actions::{AppError, Ctx, OrgScope, Who, look_in, random};
use crate::db::{self, Conn};
use crate::domain::ids::{OrgId, ProfileId};
use crate::domain::names::{Name, slug_from};
use crate::domain::org::{Org, Profile, Role, User};
use crate::domain::policy;

/// The name of the profile that every organization begins with.
const FIRST_PROFILE: &str = "Default";

/// An organization as one of its members sees it in a list.
#[derive(Debug)]
pub struct OrgView {
    /// The organization.
    pub org: Org,
    /// What they may do in it.
    pub role: Role,
    /// Its plan's name for people.
    pub plan_name: String,
    /// How many people belong to it.
    pub members: i64,
}

/// The organizations that the caller belongs to, by name.
///
/// # Errors
/// The database's own failure.
pub fn list_orgs(conn: &mut Conn, ctx: Ctx<'_>, who: &Who) -> Result<Vec<OrgView>, AppError> {
    let (user, _) = in_person(who)?;
    let orgs = db::orgs::list_orgs_of(conn, user)?;
    orgs.into_iter()
        .map(|(org, role)| {
            let members = db::orgs::count_members(conn, &org.id)?;
            Ok(OrgView { plan_name: ctx.rules.plan(&org.plan).name, members, org, role })
        })
        .collect()
}

/// An organization as a program sees it in a list.
#[derive(Debug)]
pub struct OrgEntry {
    /// The organization.
    pub org: Org,
    /// What the caller may do in it.
    pub role: Role,
    /// Active keys now.
    pub active_keys: u32,
    /// How many the plan allows; nothing means no limit.
    pub active_keys_max: Option<u32>,
}

/// The organizations that a caller by key or command line reaches, by name: a key its own (`slug`), a person all of theirs.
///
/// # Errors
/// `SignIn` when the credential is over, or the database's own failure.
pub fn list_reachable_orgs(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, slug: &str) -> Result<Vec<OrgEntry>, AppError> {
    let found = match who {
        Who::Person { user, .. } | Who::Cli { user, .. } => db::orgs::list_orgs_of(conn, user)?,
        Who::Key { .. } => vec![look_in(conn, ctx, who, slug, |scope| Ok((scope.org.clone(), scope.actor.role)))?],
    };
    let now = db::now(conn, ctx.clock)?;
    found
        .into_iter()
        .map(|(org, role)| {
            let active_keys = db::keys::count_active_keys(conn, &org.id, now)?;
            Ok(OrgEntry { active_keys_max: ctx.rules.plan(&org.plan).active_keys_max, active_keys, org, role })
        })
        .collect()
}

/// The organization that a command line's request is about, with its person's role. Without a name it is the one they were
/// in when they allowed it, which they may have left since.
///
/// # Errors
/// `NotFound` for an organization that was named and is none of theirs.
pub fn org_of_command_line(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    who: &Who,
    (named, home): (Option<&str>, &str),
) -> Result<Option<(Org, Role)>, AppError> {
    let found = look_in(conn, ctx, who, named.unwrap_or(home), |scope| Ok((scope.org.clone(), scope.actor.role)));
    match found {
        Err(AppError::NotFound) if named.is_none() => Ok(None),
        found => found.map(Some),
    }
}

/// Makes whatever comes after it in this transaction happen one at a time in the whole installation.
pub(super) fn lock_installation(conn: &mut Conn) -> Result<(), AppError> {
    Ok(db::audit::lock_chain(conn, SERVER_CHAIN)?)
}

/// Founds an organization: the caller becomes its owner. A form sent twice founds one.
///
/// # Errors
/// A mistake in `organization`, or they own too many already.
pub fn create_org(conn: &mut Conn, ctx: Ctx<'_>, who: &Who, name: &str, once: Option<&Once>) -> Result<Org, AppError> {
    let (user, session) = in_person(who)?;
    let name = ctx.rules.format.parse_name(name, "the organization");
    let name = name.map_err(|text| AppError::field("organization", text))?;
    db::write(conn, |conn| {
        lock_installation(conn)?;
        if let Some(id) = done_before(conn, once)? {
            return db::orgs::find_org_by_id(conn, &OrgId(id))?.ok_or(AppError::NotFound);
        }
        let user = db::users::find_user(conn, user)?.filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(AppError::SignIn)?;
        let owned = db::orgs::list_orgs_of(conn, &user.id)?.iter().filter(|(_, role)| *role == Role::Owner).count();
        policy::may_create_organization(u32::try_from(owned).unwrap_or(u32::MAX))?;
        let org = found_org(conn, ctx, &name, &user, format!("session {session}"))?;
        note_done(conn, once, org.id.as_str(), org.created_at)?;
        Ok(org)
    })
}

/// Adds an organization with its owner and first profile. The caller holds the installation's lock.
pub(super) fn found_org(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    name: &Name,
    owner: &User,
    credential: String,
) -> Result<Org, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let org = Org {
        id: OrgId(random::id("org")?),
        slug: free_slug(conn, name)?,
        name: name.as_str().to_owned(),
        plan: ctx.rules.default_plan.clone(),
        created_at: now,
    };
    db::orgs::insert_org(conn, &org)?;
    db::orgs::insert_member(conn, &org.id, &owner.id, Role::Owner, now)?;
    let profile = Profile {
        id: ProfileId(random::id("prof")?),
        org: org.id.clone(),
        name: FIRST_PROFILE.to_owned(),
        created_at: now,
    };
    db::orgs::insert_profile(conn, &profile)?;
    let mut scope = OrgScope::enter_new(conn, ctx, org.clone(), &owner.id, credential)?;
    let after = json!({"name": org.name, "slug": org.slug, "plan": org.plan, "owner": owner.email});
    scope.audit("organization.created", (org.id.as_str(), &org.name), Value::Null, after)?;
    Ok(org)
}

/// `acme`, or `acme-2`, `acme-3` … when it is taken.
fn free_slug(conn: &mut Conn, name: &Name) -> Result<String, AppError> {
    let base = slug_from(name.as_str());
    let mut slug = base.clone();
    for number in 2..1000 {
        if !db::orgs::slug_exists(conn, &slug)? {
            return Ok(slug);
        }
        slug = format!("{base}-{number}");
    }
    Ok(format!("{base}-{}", random::base62(8)?.to_lowercase()))
}

/// Gives the organization another name; its slug, and with it every link, stays.
///
/// # Errors
/// Not allowed, or a mistake in `name`.
pub fn rename_org(scope: &mut OrgScope<'_>, name: &str) -> Result<Org, AppError> {
    policy::in_person(&scope.actor)?;
    policy::may_manage_organization(&scope.actor)?;
    let name = scope.ctx.rules.format.parse_name(name, "the organization");
    let name = name.map_err(|text| AppError::field("name", text))?;
    let old = scope.org.name.clone();
    if old != name.as_str() {
        db::orgs::update_org_name(scope.conn, &scope.org.id, name.as_str())?;
        scope.org.name = name.as_str().to_owned();
        let id = scope.org.id.to_string();
        scope.audit(
            "organization.renamed",
            (&id, name.as_str()),
            json!({"name": old}),
            json!({"name": name.as_str()}),
        )?;
    }
    Ok(scope.org.clone())
}
