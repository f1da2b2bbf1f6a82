//! By what a command proves who it is, and whether that may go to the server at hand.
//!
//! A server that only a project file names gets nothing, neither a stored token nor a key from a file or a variable, unless the
//! person signed in to exactly that origin before: a project file comes with a repository, and its author may be anybody. Naming
//! the server by `--server` or the variable, or signing in to it, is the person's own word.

use std::io::Read as _;
use std::path::Path;

use super::context::{Context, NamedBy, Server};
use super::origin::Origin;
use super::project::Project;
use super::store::{Kind, Storage, Store};
use crate::cli::CliError;
use crate::domain::device::CLI_PREFIX;
use crate::settings::Hidden;

/// Where a credential came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Source {
    /// `--key-file` and its path as typed.
    KeyFile(String),
    /// This variable.
    Variable(String),
    /// A sign-in, kept there.
    Stored(Storage),
}

/// A credential. It does not print itself.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Credential {
    /// The key or token.
    pub(in crate::cli) secret: Hidden,
    /// Where it came from.
    pub(in crate::cli) source: Source,
    /// Whether it stands for a person, who may be in several organizations, and not for a key, which belongs to one.
    pub(in crate::cli) is_person: bool,
}

impl Credential {
    /// Where it came from, in words.
    pub(in crate::cli) fn source_text(&self) -> String {
        match &self.source {
            Source::KeyFile(path) => format!("--key-file {path}"),
            Source::Variable(name) => name.clone(),
            Source::Stored(storage) => format!("your sign-in ({})", storage.as_str()),
        }
    }

    /// What to say when the server refuses it.
    pub(super) fn refused_text(&self, context: &Context, server: &Server) -> String {
        let host = server.origin.host();
        let login = format!("{} auth login --server {}", context.brand.cli, server.origin);
        match &self.source {
            Source::Stored(_) => format!("Your sign-in to {host} has ended. Sign in again: {login}"),
            _ => {
                format!("{host} does not accept the key from {}: it is wrong, expired or revoked.", self.source_text())
            }
        }
    }
}

/// Flag, variable, stored sign-in: the first that there is.
pub(super) fn find(
    context: &Context,
    store: &Store,
    server: &Server,
    project: Option<&Project>,
) -> Result<Credential, CliError> {
    let variable = context.brand.key_variable();
    let given = match (&context.globals.key_file, context.env.get(&variable)) {
        (Some(path), _) => Some((read_key_file(path)?, Source::KeyFile(path.display().to_string()))),
        (None, Some(key)) => Some((key.to_owned(), Source::Variable(variable))),
        (None, None) => None,
    };
    if let Some((key, source)) = given {
        let secret = checked(&key, &source)?;
        let is_person = secret.expose().starts_with(CLI_PREFIX);
        let credential = Credential { secret, source, is_person };
        must_be_trusted(context, store, server, project, &credential)?;
        if server.origin.is_readable_on_the_way() {
            context.out.warn(&format!("{} is not encrypted: the key can be read on the way.", server.origin));
        }
        return Ok(credential);
    }
    let stored = store.token(&server.origin)?.zip(store.login(&server.origin)?);
    let (secret, login) = stored.ok_or_else(|| not_signed_in(context, server, project))?;
    Ok(Credential { secret, source: Source::Stored(login.storage), is_person: login.kind == Kind::Person })
}

fn must_be_trusted(
    context: &Context,
    store: &Store,
    server: &Server,
    project: Option<&Project>,
    credential: &Credential,
) -> Result<(), CliError> {
    if server.by != NamedBy::ProjectFile || store.login(&server.origin)?.is_some() {
        return Ok(());
    }
    let (cli, origin) = (&context.brand.cli, &server.origin);
    Err(CliError::sign_in(format!(
        "Only {} names {origin}, and you never signed in there, so the key from {} is not sent.\n\
         If it is the right server, say so yourself: --server {origin}, or {}={origin}, or {cli} auth login --server {origin}",
        shown(context, project),
        credential.source_text(),
        context.brand.server_variable(),
    )))
}

fn not_signed_in(context: &Context, server: &Server, project: Option<&Project>) -> CliError {
    let Server { origin, by } = server;
    let by = match by {
        NamedBy::ProjectFile => format!(", which {} names", shown(context, project)),
        _ => String::new(),
    };
    CliError::sign_in(format!(
        "You are not signed in to {origin}{by}.\nSign in: {} auth login --server {origin}\nOr set {}, or pass --key-file FILE.",
        context.brand.cli,
        context.brand.key_variable()
    ))
}

fn shown(context: &Context, project: Option<&Project>) -> String {
    project.map_or_else(|| context.brand.project_file.clone(), |project| project.shown(&context.folder))
}

/// A key is one line.
const KEY_BYTES_MAX: u64 = 4096;

fn read_key_file(path: &Path) -> Result<String, CliError> {
    let wrong = |why: &str| CliError::usage(format!("--key-file {}: {why}", path.display()));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(KEY_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| wrong(&error.to_string()))?;
    Ok(text)
}

/// A credential travels in a header: one word of visible characters. What is wrong with it is said without it.
fn checked(text: &str, source: &Source) -> Result<Hidden, CliError> {
    let text = text.trim();
    let place = match source {
        Source::KeyFile(path) => format!("--key-file {path}"),
        Source::Variable(name) => name.clone(),
        Source::Stored(_) => String::new(),
    };
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        let what = if text.is_empty() { "it is empty" } else { "a key is one word of letters, digits, _ and -" };
        return Err(CliError::usage(format!("{place}: {what}")));
    }
    Ok(Hidden::new(text.to_owned()))
}

/// A token that was typed or piped in for a sign-in.
///
/// # Errors
/// When it cannot be one.
pub(super) fn read_token(origin: &Origin) -> Result<Hidden, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(KEY_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| CliError::usage(format!("standard input: {error}")))?;
    let text = text.trim();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(CliError::usage(format!("--with-token reads one token for {origin} from standard input")));
    }
    Ok(Hidden::new(text.to_owned()))
}
