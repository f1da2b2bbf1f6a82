//! The first owner of an installation, and people who sign up by themselves.

use serde_json::{Value, json};

use super::orgs::found_org;
use super::sign_in::{Arrival, note_sign_in};
use super::{SERVER_CHAIN, orgs::lock_installation};
use crate::actions::password::{HashedPassword, Password};
use crate::actions::random::{self, Token};
use crate::actions::{AppError, Ctx, FieldErrors, server_audit};
use crate::db::links::{Link, LinkKind};
use crate::db::{self, Conn};
use crate::domain::ids::{LinkId, UserId};
use crate::domain::names::{Name, parse_email};
use crate::domain::org::User;
use crate::domain::time::{Span, Timestamp};
use crate::domain::token::{KeyFormat, SecretHash};

/// How long a setup link works.
const SETUP_LINK_LIFE: Span = Span::minutes(60);
const LINK_GONE: &str = "This setup link was used, replaced or is too old.";

/// What a new person typed.
#[derive(Debug, Default)]
pub struct NewPersonForm<'f> {
    /// Their address.
    pub email: &'f str,
    /// Their name.
    pub name: &'f str,
    /// The password they chose.
    pub password: &'f str,
    /// The name of the organization they found.
    pub organization: &'f str,
}

/// A new person, read and found good.
#[derive(Debug)]
pub struct NewPerson {
    email: String,
    name: Name,
    organization: Name,
    /// To be hashed by the caller, outside any transaction.
    pub password: Password,
}

impl NewPerson {
    /// The password, to be hashed by the caller outside any transaction.
    #[must_use]
    pub fn take_password(&mut self) -> Password {
        std::mem::take(&mut self.password)
    }
}

/// Reads what a new person typed, all mistakes at once.
///
/// # Errors
/// A sentence per field.
pub fn read_new_person(format: &KeyFormat, form: &NewPersonForm<'_>) -> Result<NewPerson, FieldErrors> {
    let mut errors = FieldErrors::new();
    let email = parse_email(form.email).map_err(|text| errors.push(("email", text)));
    let name = format.parse_name(form.name, "yourself").map_err(|text| errors.push(("name", text)));
    let password =
        Password::chosen(form.password, &[form.email, form.name]).map_err(|text| errors.push(("password", text)));
    let organization =
        format.parse_name(form.organization, "the organization").map_err(|text| errors.push(("organization", text)));
    match (email, name, password, organization) {
        (Ok(email), Ok(name), Ok(password), Ok(organization)) => Ok(NewPerson { email, name, organization, password }),
        _ => Err(errors),
    }
}

/// Whether there is anybody yet. Until then nobody can sign in, and `/setup` is open to the holder of a setup link.
///
/// # Errors
/// The database's own failure.
pub fn is_set_up(conn: &mut Conn) -> Result<bool, AppError> {
    Ok(db::users::count_users(conn)? > 0)
}

/// Makes the link for the first owner and takes earlier ones back.
///
/// # Errors
/// `Conflict` when there is somebody already.
pub fn make_setup_link(conn: &mut Conn, ctx: Ctx<'_>) -> Result<Token, AppError> {
    let token = Token::new("")?;
    let id = LinkId(random::id("lnk")?);
    db::write(conn, |conn| {
        lock_installation(conn)?;
        if is_set_up(conn)? {
            return Err(AppError::Conflict(
                "Keyrack is set up already; there is nothing a setup link could do.".into(),
            ));
        }
        let now = db::now(conn, ctx.clock)?;
        db::links::withdraw_all(conn, LinkKind::Setup, None, now)?;
        let link = Link {
            id: id.clone(),
            org: None,
            user: None,
            email: String::new(),
            role: None,
            created_by: None,
            created_at: now,
            expires_at: now.plus(SETUP_LINK_LIFE),
        };
        db::links::insert_link(conn, LinkKind::Setup, &link, &token.hash())?;
        let after = json!({"expires_at": link.expires_at});
        let object = (id.as_str(), "setup link");
        server_audit(conn, &ctx, SERVER_CHAIN, "server.setup_link_made", object, (Value::Null, after), now)
    })?;
    Ok(token)
}

/// Makes the first owner and their organization, once: the token works for one of many callers.
///
/// # Errors
/// `NotFound` once anybody exists, a mistake in `token` when the link does not work.
pub fn set_up(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    token: &str,
    person: &NewPerson,
    hash: &HashedPassword,
) -> Result<Arrival, AppError> {
    db::write(conn, |conn| {
        lock_installation(conn)?;
        if is_set_up(conn)? {
            return Err(AppError::NotFound);
        }
        let now = db::now(conn, ctx.clock)?;
        let gone = || AppError::field("token", LINK_GONE);
        let token_hash = SecretHash::of(token.trim()).to_hex();
        let link = db::links::find_open_link(conn, LinkKind::Setup, &token_hash, now)?.ok_or_else(gone)?;
        if !db::links::mark_used(conn, &link.id, now)? {
            return Err(gone());
        }
        let user = add_user(conn, &person.email, &person.name, hash, now)?;
        found_org(conn, ctx, &person.organization, &user, format!("setup link {}", link.id))?;
        let object = (user.id.as_str(), user.name.as_str());
        server_audit(conn, &ctx, SERVER_CHAIN, "server.set_up", object, (Value::Null, Value::Null), now)?;
        let done = Arrival::new(user)?;
        note_sign_in(conn, &ctx, &done, "setup link")?;
        Ok(done)
    })
}

/// Makes a person with an organization of their own, where the operator lets strangers in.
///
/// # Errors
/// `NotFound` where it does not; a mistake in `email` when the address is taken.
pub fn sign_up(conn: &mut Conn, ctx: Ctx<'_>, person: &NewPerson, hash: &HashedPassword) -> Result<Arrival, AppError> {
    if !ctx.rules.sign_up_open {
        return Err(AppError::NotFound);
    }
    db::write(conn, |conn| {
        lock_installation(conn)?;
        // Before there is an owner, a stranger must not become the first.
        if !is_set_up(conn)? {
            return Err(AppError::NotFound);
        }
        let now = db::now(conn, ctx.clock)?;
        let user = add_user(conn, &person.email, &person.name, hash, now)?;
        found_org(conn, ctx, &person.organization, &user, "sign-up".to_owned())?;
        let done = Arrival::new(user)?;
        note_sign_in(conn, &ctx, &done, "sign-up")?;
        Ok(done)
    })
}

/// Adds a person whose address nobody has yet. The caller holds the installation's lock or the link for the address.
pub(super) fn add_user(
    conn: &mut Conn,
    email: &str,
    name: &Name,
    hash: &HashedPassword,
    now: Timestamp,
) -> Result<User, AppError> {
    if db::users::find_user_by_email(conn, email)?.is_some() {
        return Err(AppError::field("email", "There is an account with this address already. Sign in instead."));
    }
    let user = User {
        id: UserId(random::id("usr")?),
        email: email.to_owned(),
        name: name.as_str().to_owned(),
        disabled_at: None,
    };
    db::users::insert_user(conn, &user, hash.as_str(), now)?;
    Ok(user)
}

/// Adds a person and their organization without any link: for the operator, who has the database anyway.
pub(super) fn add_owner(
    conn: &mut Conn,
    ctx: Ctx<'_>,
    person: &NewPerson,
    hash: &HashedPassword,
) -> Result<User, AppError> {
    let now = db::now(conn, ctx.clock)?;
    let user = add_user(conn, &person.email, &person.name, hash, now)?;
    found_org(conn, ctx, &person.organization, &user, "server".to_owned())?;
    let object = (user.id.as_str(), user.name.as_str());
    server_audit(conn, &ctx, SERVER_CHAIN, "server.owner_created", object, (Value::Null, Value::Null), now)?;
    // The link is of no use any more, and a link that lies about is of use to somebody else.
    db::links::withdraw_all(conn, LinkKind::Setup, None, now)?;
    Ok(user)
}
