//! `GET /v1/brand`: how the product calls itself, for command lines that speak as it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::whoami::NoParameters;
use crate::web::{Query, State};

/// How the product calls itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrandObject<'a> {
    #[schema(example = "Keyrack")]
    name: &'a str,
    /// The command in instructions.
    #[schema(example = "keyrack")]
    cli_name: &'a str,
    /// What its environment variables begin with, without the last underscore.
    #[schema(example = "KEYRACK")]
    env_prefix: &'a str,
    /// The name of its project file.
    #[schema(example = "keyrack.json")]
    project_file: &'a str,
    /// Where its people get help.
    support_url: Option<&'a str>,
    /// Where plans are bought.
    plans_url: Option<&'a str>,
}

/// How the product calls itself. For anyone.
#[utoipa::path(get, path = "/v1/brand", tag = "Description", responses((status = 200, body = BrandObject<'_>)))]
pub async fn brand(state: web::Data<State>, _: Query<NoParameters>) -> HttpResponse {
    let config = &state.config;
    HttpResponse::Ok().json(BrandObject {
        name: &config.product,
        cli_name: &config.cli_name,
        env_prefix: &config.env_prefix,
        project_file: &config.project_file,
        support_url: config.support_url.as_deref(),
        plans_url: config.plans_url.as_deref(),
    })
}
