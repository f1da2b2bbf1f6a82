//! `init`: writes the project file, so that everybody who works in the repository means the same server and profile.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::profiles;
use crate::cli::CliError;
use crate::cli::client::answers::{Listing, Profile, WhoAmI};
use crate::cli::client::context::{Context, Session};
use crate::cli::client::project::Project;
use crate::cli::client::text::clean;

/// `init`
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArgs {
    /// Overwrite a project file that says something else
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<(), CliError> {
    let session = context.session()?;
    let who: WhoAmI = session.http.get("/v1/whoami", &[])?;
    let profile = choose_profile(&session, &who)?;
    let next = Project {
        path: place(&context.folder, &context.brand.project_file),
        server: Some(session.server.origin.clone()),
        org: who.org.map(|org| org.slug),
        profile: profile.as_ref().map(|profile| profile.id.clone()),
    };
    let out = session.out();
    let existing = session.project.as_ref().filter(|project| project.path == next.path);
    let file = next.shown(&context.folder);
    let is_new = existing != Some(&next);
    if is_new && existing.is_some() && !args.force {
        let instead = format!("{file} is there and says something else. Pass --force to overwrite it.");
        if !out.confirm(&format!("Overwrite {file}?"), &instead)? {
            return Err(CliError::cancelled(format!("{file} was left as it is.")));
        }
    }
    if is_new {
        next.write()?;
    }
    if out.is_json() {
        let path = next.path.display().to_string();
        let server = session.server.origin.as_str();
        out.json(&json!({"project_file": path, "server": server, "org": next.org, "profile": next.profile}))?;
    }
    let said = next.profile.as_ref().map_or_else(String::new, |id| format!(", profile {id}"));
    let org = next.org.as_ref().map_or_else(String::new, |org| format!(", organization {org}"));
    let verb = if is_new { "Wrote" } else { "Nothing to change in" };
    out.talk(&format!("{verb} {file}: server {}{org}{said}", session.server.origin));
    out.talk("It holds no secret. Commit it, so that everybody here means the same.");
    Ok(())
}

/// At the root of the git repository; outside of one, here.
fn place(folder: &Path, name: &str) -> PathBuf {
    let root = folder.ancestors().find(|ancestor| ancestor.join(".git").exists());
    root.unwrap_or(folder).join(name)
}

/// The one that was named; else the one that a key is bound to, the only one there is, or the one picked from the list.
fn choose_profile(session: &Session<'_>, who: &WhoAmI) -> Result<Option<Profile>, CliError> {
    let named = session.profile.as_ref().map(|profile| profile.value.clone());
    if let Some(id) = named.or_else(|| who.profile.as_ref().map(|profile| profile.id.clone())) {
        return profiles::find(session, &id).map(Some);
    }
    let found: Listing<Profile> = session.http.get("/v1/profiles", &[])?;
    let out = session.out();
    if found.data.len() < 2 {
        return Ok(found.data.into_iter().next());
    }
    if !out.may_ask() {
        let ids: Vec<String> = found.data.iter().map(|profile| clean(&profile.id)).collect();
        return Err(CliError::usage(format!("Which profile? Pass --profile ID, one of {}", ids.join(", "))));
    }
    let names: Vec<String> = found.data.iter().map(|it| clean(&format!("{} ({})", it.name, it.id))).collect();
    let picked = out.pick("Which profile is this folder's?", &names)?;
    Ok(found.data.into_iter().nth(picked))
}
