//! `GET /v1/whoami`.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

use super::Named;
use super::credential::Caller;
use crate::actions::AppError;
use crate::gate;
use crate::web::{Query, State};

/// The answer; what a credential has not got is null.
#[derive(Debug, Serialize)]
struct WhoAmI {
    credential: Value,
    user: Value,
    org: Value,
    role: Option<&'static str>,
    profile: Option<Named>,
    environment: Option<String>,
}

/// No parameters are taken: a key in the query is refused, not ignored.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// Says whose credential this is.
///
/// # Errors
/// The one public 401.
pub async fn whoami(state: web::Data<State>, _: Query<NoParameters>, caller: Caller) -> Result<HttpResponse, AppError> {
    let caller = match caller {
        Caller::Key(caller) => caller,
        Caller::Service(token) => {
            let credential = json!({"kind": "service_token", "id": token.id, "name": token.name});
            return Ok(HttpResponse::Ok().json(WhoAmI {
                credential,
                user: Value::Null,
                org: Value::Null,
                role: None,
                profile: None,
                environment: None,
            }));
        }
    };
    let key = caller.checked.key.clone();
    let find = state.run(caller.origin.clone(), move |conn, _| Ok(gate::profile_of(conn, &key)?));
    let profile = find.await?.map(|profile| Named { id: profile.id.0, name: profile.name });
    let found = &caller.checked;
    Ok(HttpResponse::Ok().json(WhoAmI {
        credential: json!({"kind": "api_key", "id": found.key.id, "name": found.key.name}),
        user: json!({"id": found.owner.id, "email": found.owner.email, "name": found.owner.name}),
        org: json!({"id": found.org.id, "slug": found.org.slug, "name": found.org.name, "plan": found.org.plan}),
        role: found.role.map(crate::domain::org::Role::as_str),
        profile,
        environment: Some(found.key.environment.clone()),
    }))
}
