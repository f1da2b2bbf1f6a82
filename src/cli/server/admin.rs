//! `keyrack admin …`: what the operator does at the server's own console.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{CliError, ExitCode, act, open_existing, say, tell};
use crate::actions::password::Password;
use crate::actions::people::{self, NewPersonForm};
use crate::actions::plans::{self, OrgRequest};
use crate::actions::{AppError, FieldErrors};
use crate::db::Db;
use crate::domain::ids::ServiceTokenId;
use crate::domain::names::check_password;
use crate::domain::time::Timestamp;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AdminCommand {
    /// Print a new link for creating the first owner
    ///
    /// It works once, for 60 minutes, and takes the place of any earlier one. There is no such link once anybody has an
    /// account.
    SetupLink,
    /// Create a person who owns a new organization
    CreateOwner {
        /// Let them sign in with this address
        #[arg(long)]
        email: String,
        /// Show this name to other people
        #[arg(long)]
        name: String,
        /// Give the organization this name
        #[arg(long)]
        organization: String,
        /// Read the password from this file, or from stdin for `-`, instead of making one
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give a person another password and end all their sessions
    ResetPassword {
        /// Name the person by their address
        email: String,
        /// Read the password from this file, or from stdin for `-`, instead of making one
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Shut a person's account: their sessions end and their keys are refused
    DisableUser {
        /// Name the person by their address
        email: String,
    },
    /// Open a person's account again
    EnableUser {
        /// Name the person by their address
        email: String,
    },
    /// Put an organization on another plan
    SetPlan {
        /// Name the organization as in its address on the site
        #[arg(value_name = "ORG")]
        organization: String,
        /// Name the plan by its id in the settings
        plan: String,
    },
    /// List who asks for another plan
    PlanRequests,
    /// Look after the credentials of your own backends
    #[command(subcommand)]
    ServiceToken(ServiceTokenCommand),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ServiceTokenCommand {
    /// Create a token and print it, this once
    Create {
        /// Say what uses it
        name: String,
    },
    /// List all tokens
    List,
    /// Revoke a token, at once
    Revoke {
        /// Name the token by its id
        id: String,
    },
}

/// Does it.
pub(in crate::cli) fn admin(settings: &Settings, command: AdminCommand) -> Result<ExitCode, CliError> {
    let db = open_existing(settings)?;
    match command {
        AdminCommand::SetupLink => {
            let token = act(&db, settings, people::make_setup_link)?;
            tell("Create the owner's account here. The link works once, for 60 minutes:");
            say(setup_address(settings, token.reveal()));
        }
        AdminCommand::CreateOwner { email, name, organization, password_file } => {
            create_owner(&db, settings, (&email, &name, &organization), password_file.as_deref())?;
        }
        AdminCommand::ResetPassword { email, password_file } => {
            reset_password(&db, settings, &email, password_file.as_deref())?;
        }
        AdminCommand::DisableUser { email } => {
            let user = act(&db, settings, |conn, ctx| people::disable_user(conn, ctx, &email)).map_err(not_there)?;
            tell(format!("{} cannot sign in any more, and their keys are refused.", user.email));
        }
        AdminCommand::EnableUser { email } => {
            let user = act(&db, settings, |conn, ctx| people::enable_user(conn, ctx, &email)).map_err(not_there)?;
            tell(format!("{} can sign in again, and their keys work.", user.email));
        }
        AdminCommand::SetPlan { organization, plan } => {
            let set = act(&db, settings, |conn, ctx| people::set_plan(conn, ctx, &organization, &plan));
            let org = set.map_err(not_there)?;
            tell(format!("{} is on the plan “{}” now.", org.name, org.plan));
        }
        AdminCommand::PlanRequests => plan_requests(&db, settings)?,
        AdminCommand::ServiceToken(command) => service_token(&db, settings, command)?,
    }
    Ok(ExitCode::Ok)
}

/// The address that opens the setup page. The token stands behind `#`, so that no proxy or log ever sees it.
pub(super) fn setup_address(settings: &Settings, token: &str) -> String {
    format!("{}/setup#{token}", settings.public_url)
}

/// What the operator named does not exist: a code of its own, and no field to speak of.
fn not_there(error: AppError) -> CliError {
    match error {
        AppError::Invalid(mistakes) => CliError::not_found(sentences(mistakes)),
        other => CliError::from(other),
    }
}

fn sentences(mistakes: FieldErrors) -> String {
    mistakes.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

fn create_owner(
    db: &Db,
    settings: &Settings,
    (email, name, organization): (&str, &str, &str),
    password_file: Option<&Path>,
) -> Result<(), CliError> {
    let (password, made) = read_or_make_password(password_file)?;
    let form = NewPersonForm { email, name, password: &password, organization };
    let person = people::read_new_person(&settings.rules().format, &form);
    let person = person.map_err(|mistakes| CliError::from(AppError::Invalid(mistakes)))?;
    let hash = person.password.hash()?;
    act(db, settings, |conn, ctx| people::create_owner(conn, ctx, &person, &hash, false))?;
    tell(format!("{} owns {organization} now and signs in at {}.", email.trim(), settings.public_url));
    show_password(&password, made);
    Ok(())
}

fn reset_password(db: &Db, settings: &Settings, email: &str, password_file: Option<&Path>) -> Result<(), CliError> {
    let (password, made) = read_or_make_password(password_file)?;
    check_password(&password, &[email]).map_err(|text| CliError::new(format!("password: {text}")))?;
    let hash = Password::typed(password.as_str()).hash()?;
    let user = act(db, settings, |conn, ctx| people::reset_password(conn, ctx, email, &hash)).map_err(not_there)?;
    tell(format!("{} has another password, and their sessions have ended.", user.email));
    show_password(&password, made);
    Ok(())
}

/// The password and whether it was made here. Never an argument: those are visible to everybody on the machine.
fn read_or_make_password(file: Option<&Path>) -> Result<(String, bool), CliError> {
    let Some(file) = file else {
        return Ok((Password::random()?.1, true));
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| CliError::new(format!("--password-file: {} cannot be read: {error}", file.display())))?;
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), false))
}

fn show_password(password: &str, made: bool) {
    if made {
        tell("Their password, shown this once:");
        say(password);
    }
}

fn plan_requests(db: &Db, settings: &Settings) -> Result<(), CliError> {
    let requests = act(db, settings, |conn, _| plans::list_all_requests(conn))?;
    if requests.is_empty() {
        tell("Nobody asks for another plan.");
        return Ok(());
    }
    say(format!("{:<24} {:<20} {:<14} {:<14} {:<22} ASKED BY", "ORGANIZATION", "ID", "PLAN", "WANTED", "SINCE"));
    for OrgRequest { slug, org, current: plan, request } in requests {
        let (id, since) = (org.as_str(), request.asked_at.human());
        let (wanted, by) = (request.plan, request.email);
        say(format!("{slug:<24} {id:<20} {plan:<14} {wanted:<14} {since:<22} {by}"));
    }
    Ok(())
}

fn service_token(db: &Db, settings: &Settings, command: ServiceTokenCommand) -> Result<(), CliError> {
    match command {
        ServiceTokenCommand::Create { name } => {
            let (record, token) = act(db, settings, |conn, ctx| people::create_service_token(conn, ctx, &name))?;
            tell(format!("Created {} “{}”. The token, shown this once:", record.id, record.name));
            say(token.reveal());
        }
        ServiceTokenCommand::List => {
            let tokens = act(db, settings, |conn, _| people::list_service_tokens(conn))?;
            let day = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), Timestamp::human);
            say(format!("{:<22} {:<8} {:<22} {:<22} NAME", "ID", "STATUS", "CREATED", "LAST USED"));
            for token in tokens {
                let status = if token.revoked_at.is_some() { "revoked" } else { "active" };
                let (created, used) = (token.created_at.human(), day(token.last_used_at));
                say(format!("{:<22} {status:<8} {created:<22} {used:<22} {}", token.id.as_str(), token.name));
            }
        }
        ServiceTokenCommand::Revoke { id } => {
            let token = ServiceTokenId(id.clone());
            match act(db, settings, |conn, ctx| people::revoke_service_token(conn, ctx, &token)) {
                Err(AppError::NotFound) => {
                    return Err(CliError::not_found(format!("There is no service token {id} that still works.")));
                }
                done => done?,
            }
            tell(format!("Revoked {id}: it is refused from the next request on."));
        }
    }
    Ok(())
}
