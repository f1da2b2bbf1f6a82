//! `GET /v1/whoami`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Named;
use super::credential::{Caller, CommandLineCaller};
use crate::actions::AppError;
use crate::actions::people::org_of_command_line;
use crate::domain::org::Role;
use crate::gate::Pass;
use crate::web::{Query, State};

/// Whose credential it is; what it has not got is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhoAmI {
    credential: Credential,
    user: Option<UserObject>,
    org: Option<OrgObject>,
    #[schema(example = "admin")]
    role: Option<&'static str>,
    profile: Option<Named>,
    #[schema(example = "live")]
    environment: Option<String>,
}

/// A credential by id and name.
#[derive(Debug, Serialize, ToSchema)]
struct Credential {
    /// `api_key`, `cli_token` or `service_token`.
    #[schema(example = "api_key")]
    kind: &'static str,
    id: String,
    /// Of a signed-in command line, the device it is on.
    name: String,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
struct UserObject {
    id: String,
    email: String,
    name: String,
}

/// An organization with its plan.
#[derive(Debug, Serialize, ToSchema)]
struct OrgObject {
    id: String,
    slug: String,
    name: String,
    plan: String,
}

/// No parameters are taken: a key in the query is refused, not ignored.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// Says whose credential this is. Of a signed-in command line, in which organization it acts.
///
/// # Errors
/// The one public 401; 404 for a command line in an organization that is none of its person's.
#[utoipa::path(get, path = "/v1/whoami", tag = "Credential", responses((status = 200, body = WhoAmI)))]
pub async fn whoami(state: web::Data<State>, _: Query<NoParameters>, caller: Caller) -> Result<HttpResponse, AppError> {
    let pass = match caller {
        Caller::Key(caller) => caller.pass,
        Caller::CommandLine(caller) => return person(&state, *caller).await,
        Caller::Service(token) => {
            let credential = Credential { kind: "service_token", id: token.id.clone(), name: token.name.clone() };
            let nobody = WhoAmI { credential, user: None, org: None, role: None, profile: None, environment: None };
            return Ok(HttpResponse::Ok().json(nobody));
        }
    };
    let Pass { user, org, profile, .. } = &pass;
    Ok(HttpResponse::Ok().json(WhoAmI {
        credential: Credential { kind: "api_key", id: pass.key_id().to_owned(), name: pass.name.to_string() },
        user: Some(UserObject { id: user.id.clone(), email: user.email.clone(), name: user.name.clone() }),
        org: Some(OrgObject {
            id: org.id.to_string(),
            slug: org.slug.clone(),
            name: org.name.clone(),
            plan: org.plan.clone(),
        }),
        role: pass.role.map(Role::as_str),
        profile: Some(Named { id: profile.id.clone(), name: profile.name.clone() }),
        environment: Some(pass.environment.to_string()),
    }))
}

/// A person on the command line: organization and role are null when they left the one they signed in for.
async fn person(state: &State, caller: CommandLineCaller) -> Result<HttpResponse, AppError> {
    let (who, named, home) = (caller.who(), caller.named, caller.line.home.slug);
    let find =
        state.run(caller.origin, move |conn, ctx| org_of_command_line(conn, ctx, &who, (named.as_deref(), &home)));
    let (org, role) = find.await?.unzip();
    let (token, user) = (caller.line.token, caller.line.user);
    Ok(HttpResponse::Ok().json(WhoAmI {
        credential: Credential { kind: "cli_token", id: token.id.0, name: token.name },
        user: Some(UserObject { id: user.id.0, email: user.email, name: user.name }),
        org: org.map(|org| OrgObject { id: org.id.0, slug: org.slug, name: org.name, plan: org.plan }),
        role: role.map(Role::as_str),
        profile: None,
        environment: None,
    }))
}
