//! `GET /v1/whoami`.

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Named;
use super::credential::Caller;
use crate::actions::AppError;
use crate::domain::org::Role;
use crate::gate::Pass;
use crate::web::Query;

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
    /// `api_key` or `service_token`.
    kind: &'static str,
    id: String,
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

/// Says whose credential this is.
///
/// # Errors
/// The one public 401.
#[utoipa::path(get, path = "/v1/whoami", tag = "Credential", responses((status = 200, body = WhoAmI)))]
pub async fn whoami(_: Query<NoParameters>, caller: Caller) -> Result<HttpResponse, AppError> {
    let pass = match caller {
        Caller::Key(caller) => caller.pass,
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
