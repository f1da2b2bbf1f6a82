//! `GET /v1/whoami`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Named;
use super::credential::Caller;
use crate::actions::AppError;
use crate::domain::org::Role;
use crate::gate::{self, CheckedKey};
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
pub async fn whoami(state: web::Data<State>, _: Query<NoParameters>, caller: Caller) -> Result<HttpResponse, AppError> {
    let caller = match caller {
        Caller::Key(caller) => caller,
        Caller::Service(token) => {
            let credential = Credential { kind: "service_token", id: token.id.0, name: token.name };
            let nobody = WhoAmI { credential, user: None, org: None, role: None, profile: None, environment: None };
            return Ok(HttpResponse::Ok().json(nobody));
        }
    };
    let key = caller.checked.key.clone();
    let find = state.run(caller.origin.clone(), move |conn, _| Ok(gate::profile_of(conn, &key)?));
    let profile = find.await?.map(|profile| Named { id: profile.id.0, name: profile.name });
    let CheckedKey { key, org, owner, role, .. } = caller.checked;
    Ok(HttpResponse::Ok().json(WhoAmI {
        credential: Credential { kind: "api_key", id: key.id.0, name: key.name },
        user: Some(UserObject { id: owner.id.0, email: owner.email, name: owner.name }),
        org: Some(OrgObject { id: org.id.0, slug: org.slug, name: org.name, plan: org.plan }),
        role: role.map(Role::as_str),
        profile,
        environment: Some(key.environment),
    }))
}
