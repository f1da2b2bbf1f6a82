//! What every command starts from: flags, variables, brand and manners; and the session, which adds a server and a credential.

use std::path::PathBuf;

use super::args::Globals;
use super::brand::Brand;
use super::credential::{self, Credential, Source};
use super::env::Environment;
use super::http::Http;
use super::origin::Origin;
use super::out::Out;
use super::project::{Project, is_name};
use super::store::Store;
use crate::cli::CliError;
use crate::clock::Clock;

/// What a command has before it knows any server.
pub(in crate::cli) struct Context {
    /// Flags of every command.
    pub(in crate::cli) globals: Globals,
    /// Variables.
    pub(in crate::cli) env: Environment,
    /// As which product it speaks.
    pub(in crate::cli) brand: Brand,
    /// How it writes and asks.
    pub(in crate::cli) out: Out,
    /// What time it is.
    pub(in crate::cli) clock: Clock,
    /// Where it was started.
    pub(in crate::cli) folder: PathBuf,
}

/// Who named the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum NamedBy {
    /// `--server`.
    Flag,
    /// This variable.
    Variable(String),
    /// The project file, and nobody else: it may be a stranger's.
    ProjectFile,
    /// The newest sign-in.
    LastSignIn,
}

/// The server of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Server {
    /// Which.
    pub(in crate::cli) origin: Origin,
    /// By whose word.
    pub(in crate::cli) by: NamedBy,
}

/// A value together with where it came from, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Chosen {
    /// The slug or id.
    pub(in crate::cli) value: String,
    /// `--profile`, `keyrack.json`.
    pub(in crate::cli) by: String,
}

/// A server, a credential for it, and where to act there.
pub(in crate::cli) struct Session<'c> {
    /// What there was before.
    pub(in crate::cli) context: &'c Context,
    /// The server.
    pub(in crate::cli) server: Server,
    /// What proves who is there.
    pub(in crate::cli) credential: Credential,
    /// The project file in force, whether or not it is used for this server.
    pub(in crate::cli) project: Option<Project>,
    /// The organization that was named.
    pub(in crate::cli) org: Option<Chosen>,
    /// The profile that was named: the active one.
    pub(in crate::cli) profile: Option<Chosen>,
    /// The way there.
    pub(in crate::cli) http: Http,
}

impl Context {
    /// The project file in force.
    ///
    /// # Errors
    /// When it makes no sense.
    pub(in crate::cli) fn project(&self) -> Result<Option<Project>, CliError> {
        Project::find(&self.folder, &self.brand.project_file)
    }

    /// The sign-ins of this person.
    pub(in crate::cli) fn store(&self) -> Store {
        Store::new(&self.env, &self.brand.cli)
    }

    /// The server that flag, variable, project file or the newest sign-in name, in this order.
    ///
    /// # Errors
    /// When what they name is no address, or nobody but the sign-ins could name one and they cannot be read.
    pub(in crate::cli) fn server(&self, store: &Store, project: Option<&Project>) -> Result<Option<Server>, CliError> {
        let read =
            |place: &str, text: &str| Origin::parse(text).map_err(|why| CliError::usage(format!("{place}: {why}")));
        if let Some(text) = &self.globals.server {
            return Ok(Some(Server { origin: read("--server", text)?, by: NamedBy::Flag }));
        }
        let variable = self.brand.server_variable();
        if let Some(text) = self.env.get(&variable) {
            return Ok(Some(Server { origin: read(&variable, text)?, by: NamedBy::Variable(variable) }));
        }
        if let Some(origin) = project.and_then(|project| project.server.clone()) {
            return Ok(Some(Server { origin, by: NamedBy::ProjectFile }));
        }
        Ok(store.last()?.map(|origin| Server { origin, by: NamedBy::LastSignIn }))
    }

    /// A connection without a credential.
    ///
    /// # Errors
    /// When the variables for certificates or proxies make no sense.
    pub(in crate::cli) fn http(&self, origin: &Origin) -> Result<Http, CliError> {
        Http::new(origin, &self.env, &self.out)
    }

    /// Server and credential for a command that needs both.
    ///
    /// # Errors
    /// When nobody is signed in, or the credential must not go to that server.
    pub(in crate::cli) fn session(&self) -> Result<Session<'_>, CliError> {
        let (project, store) = (self.project()?, self.store());
        let server = self.server(&store, project.as_ref())?.ok_or_else(|| {
            let (cli, variable) = (&self.brand.cli, self.brand.server_variable());
            CliError::sign_in(format!(
                "You are not signed in, and no server is named.\nSign in: {cli} auth login --server URL\n\
                 Or, with an API key: --server or {variable}"
            ))
        })?;
        let credential = credential::find(self, &store, &server, project.as_ref())?;
        let of_project =
            project.as_ref().filter(|project| project.server.as_ref().is_none_or(|of| *of == server.origin));
        let file = of_project.map(|project| project.shown(&self.folder)).unwrap_or_default();
        let in_file = |value: Option<&String>| value.map(|value| Chosen { value: value.clone(), by: file.clone() });
        let by_flag = |value: &Option<String>, flag: &str| match value {
            Some(value) if !is_name(value) => Err(CliError::usage(format!("{flag}: letters, digits, - and _ only"))),
            Some(value) => Ok(Some(Chosen { value: value.clone(), by: flag.to_owned() })),
            None => Ok(None),
        };
        let mut org = by_flag(&self.globals.org, "--org")?;
        org = org.or_else(|| in_file(of_project.and_then(|project| project.org.as_ref())));
        // The choice is kept with the sign-in, and is that one's alone.
        if matches!(credential.source, Source::Stored(_)) && credential.is_person {
            let usual = store.login(&server.origin)?.and_then(|login| login.org.clone());
            org = org.or(usual.map(|value| Chosen { value, by: format!("{} orgs use", self.brand.cli) }));
        }
        let mut profile = by_flag(&self.globals.profile, "--profile")?;
        profile = profile.or_else(|| in_file(of_project.and_then(|project| project.profile.as_ref())));
        // A key belongs to one organization; which one is asked, not said.
        let header = credential.is_person.then(|| org.as_ref().map(|org| org.value.clone()));
        let refused = credential.refused_text(self, &server);
        let http =
            self.http(&server.origin)?.with_credential(credential.secret.clone(), refused).in_org(header.flatten());
        let session = Session { context: self, server, credential, project, org, profile, http };
        session.must_be_in_the_named_org()?;
        Ok(session)
    }
}

impl Session<'_> {
    /// The manners of this run.
    pub(in crate::cli) fn out(&self) -> &Out {
        &self.context.out
    }

    /// The active profile.
    ///
    /// # Errors
    /// When neither the flag nor the project file names one.
    pub(in crate::cli) fn must_have_profile(&self) -> Result<&Chosen, CliError> {
        let Brand { cli, project_file, .. } = &self.context.brand;
        self.profile.as_ref().ok_or_else(|| {
            CliError::usage(format!(
                "No profile is active: there is no {project_file} here that names one.\n\
                 Pass --profile ID ({cli} profiles list), or write the file: {cli} init"
            ))
        })
    }

    /// With an API key the organization is the key's; another one that was named must not be taken for it.
    fn must_be_in_the_named_org(&self) -> Result<(), CliError> {
        let Some(named) = self.org.as_ref().filter(|_| !self.credential.is_person) else { return Ok(()) };
        let found: super::answers::WhoAmI = self.http.get("/v1/whoami", &[])?;
        match found.org {
            Some(org) if org.slug != named.value => Err(CliError::usage(format!(
                "{} names the organization {}, but the key from {} belongs to {}.",
                named.by,
                named.value,
                self.credential.source_text(),
                org.slug
            ))),
            _ => Ok(()),
        }
    }
}
