//! A new secret on its way to the person: alone on stdout, and into the env file if they want that.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::cli::CliError;
use crate::cli::client::context::Session;
use crate::cli::client::env_file::{self, Consent, EnvFile, Reason, Talk};
use crate::cli::client::out::{Look, Out};
use crate::settings::Hidden;

/// What is said about the env file on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct EnvArgs {
    /// Write the secret into this file without asking; .env.local if none is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, conflicts_with = "no_write_env")]
    write_env: Option<Option<PathBuf>>,
    /// Do not offer to write the secret into a file
    #[arg(long)]
    no_write_env: bool,
}

/// Somebody at a terminal, or nobody.
struct Person<'o>(&'o Out);

impl Talk for Person<'_> {
    fn can_ask(&self) -> bool {
        // Where the data goes elsewhere, whoever asked for the secret has a place for it.
        self.0.may_ask() && self.0.is_for_a_person() && !self.0.is_quiet()
    }
    fn ask(&mut self, question: &str) -> Result<bool, CliError> {
        self.0.confirm(question, "Pass --write-env or --no-write-env.")
    }
    fn say(&mut self, line: &str) {
        self.0.talk(line);
    }
    fn warn(&mut self, line: &str) {
        self.0.warn(line);
    }
}

/// The way of one secret.
pub(super) struct Way<'s> {
    session: &'s Session<'s>,
    consent: Consent,
    file: Option<EnvFile>,
}

impl<'s> Way<'s> {
    /// Looks at the env file before there is a secret.
    ///
    /// # Errors
    /// Why the file that was asked for cannot be written.
    pub(super) fn prepare(session: &'s Session<'s>, args: &EnvArgs, reason: Reason<'_>) -> Result<Self, CliError> {
        let mut person = Person(session.out());
        let consent = match (&args.write_env, args.no_write_env) {
            (Some(file), _) => Consent::Given(file.clone()),
            (None, false) if person.can_ask() => Consent::Ask,
            (None, _) => Consent::None,
        };
        let context = session.context;
        let of_file = session.project.as_ref().and_then(|project| project.path.parent());
        let project: &Path = of_file.unwrap_or(&context.folder);
        let place = env_file::Place { project, from: &context.folder, env_prefix: &context.brand.env_prefix };
        let file = env_file::prepare(&consent, &place, reason, &mut person)?;
        Ok(Self { session, consent, file })
    }

    /// Without an env file.
    pub(super) fn to_the_terminal(session: &'s Session<'s>) -> Self {
        Self { session, consent: Consent::None, file: None }
    }

    /// Shows the secret, and writes it where that was agreed to. `answer` is what JSON shows besides.
    ///
    /// # Errors
    /// When it could not be shown or written.
    pub(super) fn go(&self, secret: &Hidden, mut answer: Value, words: &[String]) -> Result<(), CliError> {
        let out = self.session.out();
        let mut written = false;
        let mut failed = None;
        // The secret is there only now: it is shown before anything can go wrong with the file.
        if out.is_json() {
            match self.write(secret) {
                Ok(done) => written = done,
                Err(error) => failed = Some(error),
            }
            let file = self.file.as_ref().filter(|_| written).map(EnvFile::shown);
            if let Value::Object(fields) = &mut answer {
                fields.insert("secret".to_owned(), Value::from(secret.expose()));
                fields.insert("env_file".to_owned(), Value::from(file));
            }
            out.json(&answer)?;
            return failed.map_or(Ok(()), Err);
        }
        out.talk("");
        out.data(&out.out(secret.expose(), Look::Strong))?;
        out.talk("");
        words.iter().for_each(|line| out.talk(line));
        if self.write(secret)? {
            return Ok(());
        }
        if out.is_for_a_person() {
            out.talk("It stays in this terminal's scrollback: clear that on a machine that others use.");
        }
        Ok(())
    }

    fn write(&self, secret: &Hidden) -> Result<bool, CliError> {
        match &self.file {
            Some(file) => file.offer(secret.expose(), &self.consent, &mut Person(self.session.out())),
            None => Ok(false),
        }
    }
}

/// Takes the secret out of an answer.
///
/// # Errors
/// It holds none, or one that no terminal should see.
pub(super) fn take(answer: &mut Value, session: &Session<'_>) -> Result<Hidden, CliError> {
    let found = answer.as_object_mut().and_then(|fields| fields.remove("secret"));
    match found {
        Some(Value::String(secret)) if !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Hidden::new(secret))
        }
        _ => Err(CliError::new(format!("{} answered without a secret.", session.server.origin))),
    }
}
