//! Putting a new secret into the project's env file, if whoever asked for the secret wants that: by a yes at the terminal or by
//! `--write-env`, and in no other case. Never into a file that git tracks, and never with a word about the value.

mod file;
mod git;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use self::file::Found;
use self::git::Standing;
use super::text::clean;
use crate::cli::CliError;
use crate::domain::token::MASK;

/// The file where nobody names another.
const USUAL_NAME: &str = ".env.local";

/// What was said about the env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Consent {
    /// `--write-env`, with or without a file.
    Given(Option<PathBuf>),
    /// Nothing, but there is somebody to ask.
    Ask,
    /// `--no-write-env`, or nothing and nobody to ask.
    None,
}

/// Whom to ask, and where to say something.
pub(crate) trait Talk {
    /// Whether anybody can be asked.
    fn can_ask(&self) -> bool;
    /// Asks a question that is answered by yes or no.
    fn ask(&mut self, question: &str) -> Result<bool, CliError>;
    /// Says something.
    fn say(&mut self, line: &str);
    /// Says something that must be known.
    fn warn(&mut self, line: &str);
}

/// Why a secret is there to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason<'r> {
    /// A key was created.
    Created,
    /// The key of this id got a new secret.
    Rotated(&'r str),
}

/// The env file of a project, looked at before anything is done.
#[derive(Debug)]
pub(crate) struct EnvFile {
    found: Found,
    /// As it is named to the person.
    shown: String,
    /// The variable's name.
    variable: String,
    standing: Standing,
    /// What the variable is now: the last value counts where there are several.
    value: Option<Vec<u8>>,
}

/// Where to write, and what.
#[derive(Debug, Clone)]
pub(crate) struct Place<'p> {
    /// The folder of the project file, or the one that the command runs in.
    pub(crate) project: &'p Path,
    /// The folder that the command runs in.
    pub(crate) from: &'p Path,
    /// The product's prefix of variables.
    pub(crate) env_prefix: &'p str,
}

impl Place<'_> {
    /// `.env.local`, or `../.env.local` for somebody who stands further down.
    fn usual_name(&self) -> String {
        let steps = self.from.ancestors().position(|ancestor| ancestor == self.project);
        "../".repeat(steps.unwrap_or_default()) + USUAL_NAME
    }
}

/// Looks at the file that the secret would go to. Nothing where none is wanted or, with a reason that was said, none can be
/// offered.
///
/// # Errors
/// With `--write-env` only: why this file cannot be written. Ask before the deed, so that no secret is made for nothing.
pub(crate) fn prepare(
    consent: &Consent,
    place: &Place<'_>,
    reason: Reason<'_>,
    talk: &mut dyn Talk,
) -> Result<Option<EnvFile>, CliError> {
    let named = match consent {
        Consent::None => return Ok(None),
        Consent::Ask => None,
        Consent::Given(named) => named.as_deref(),
    };
    let is_asked_for = matches!(consent, Consent::Given(_));
    let path = named.map_or_else(|| place.project.join(USUAL_NAME), Path::to_path_buf);
    let shown = clean(&named.map_or_else(|| place.usual_name(), |named| named.display().to_string()));
    let refusal = match EnvFile::look(&path, shown.clone(), place) {
        Ok(file) if is_asked_for => match file.refusal_without_question(reason, talk.can_ask()) {
            None => return Ok(Some(file)),
            Some(refusal) => refusal,
        },
        Ok(file) if file.is_worth_offering(reason) => return Ok(Some(file)),
        Ok(_) => return Ok(None),
        Err(refusal) => refusal,
    };
    if is_asked_for {
        return Err(CliError::new(format!("{shown} {refusal}. Nothing was done.")));
    }
    if reason == Reason::Created {
        talk.warn(&format!("{shown} {refusal}, so the key is not offered to it."));
    }
    Ok(None)
}

impl EnvFile {
    fn look(path: &Path, shown: String, place: &Place<'_>) -> Result<Self, String> {
        let variable = variable_name(place.env_prefix)?;
        let found = file::look(path, place.project)?;
        let mut standing = git::standing(&found.folder, &found.name)?;
        for (folder, name) in &found.links {
            if git::standing(folder, name)? == Standing::Tracked {
                standing = Standing::Tracked;
            }
        }
        if standing == Standing::Tracked {
            return Err("is tracked by git: a secret in it would be committed".to_owned());
        }
        let values = found.before.as_deref().map(|before| text::values_of(before, &variable)).unwrap_or_default();
        let value = values.last().map(|value| value.to_vec());
        Ok(Self { found, shown, variable, standing, value })
    }

    /// As it is named to the person.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the variable has a value that somebody may want to keep.
    fn has_value(&self) -> bool {
        self.value.as_ref().is_some_and(|value| !value.is_empty())
    }

    /// Whether the variable holds an older secret of this key.
    fn holds_key(&self, id: &str) -> bool {
        let text = self.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        text.contains(&format!("_{id}"))
    }

    /// A new secret of a key only concerns a file that holds the old one.
    fn is_worth_offering(&self, reason: Reason<'_>) -> bool {
        match reason {
            Reason::Created => true,
            Reason::Rotated(id) => self.holds_key(id),
        }
    }

    /// With `--write-env` a value of another key is replaced only by somebody who was asked.
    fn refusal_without_question(&self, reason: Reason<'_>, can_ask: bool) -> Option<String> {
        let may_replace = matches!(reason, Reason::Rotated(id) if self.holds_key(id));
        (self.has_value() && !may_replace && !can_ask).then(|| {
            format!(
                "sets {} already (to {}), and without a terminal nobody can be asked whether to replace it. Take the line out first",
                self.variable,
                self.mask()
            )
        })
    }

    /// What may be shown of the value that the variable has.
    fn mask(&self) -> String {
        mask(self.value.as_deref().unwrap_or_default())
    }

    /// What to know of the file before saying yes.
    fn circumstances(&self) -> String {
        let exists = if self.found.before.is_some() { "file exists" } else { "new file" };
        match self.standing {
            Standing::Ignored => format!("{exists}, ignored by git"),
            Standing::NotIgnored => format!("{exists}, not ignored by git"),
            Standing::NoRepository | Standing::Tracked => exists.to_owned(),
        }
    }

    /// Asks what is still to be asked, and writes the secret. Whether it was written.
    ///
    /// # Errors
    /// The person broke off, or the file cannot be written after all; then it is as it was.
    pub(crate) fn offer(&self, secret: &str, consent: &Consent, talk: &mut dyn Talk) -> Result<bool, CliError> {
        let (variable, shown) = (&self.variable, &self.shown);
        if !is_plain(secret) {
            return Err(CliError::new(format!(
                "The secret holds characters that {shown} cannot take. Copy it by hand."
            )));
        }
        let is_asked_for = matches!(consent, Consent::Given(_));
        let wants = if self.has_value() {
            !talk.can_ask() || {
                let text = format!("{shown} sets {variable} to {}. Replace it with the new secret?", self.mask());
                talk.ask(&text)?
            }
        } else {
            is_asked_for || talk.ask(&format!("Add {variable} to {shown}? ({})", self.circumstances()))?
        };
        if !wants {
            if self.has_value() {
                talk.say(&format!("{shown} keeps {variable} as it was."));
            }
            return Ok(false);
        }
        if self.standing == Standing::NotIgnored {
            self.see_to_ignoring(talk)?;
        }
        let new = text::with_value(self.found.before.as_deref().unwrap_or_default(), variable, secret);
        file::replace(&self.found, &new).map_err(|why| CliError::new(format!("{shown} {why}. It is as it was.")))?;
        let done = if self.value.is_some() { "Replaced" } else { "Added" };
        let place = if self.value.is_some() { "in" } else { "to" };
        talk.say(&format!("✓ {done} {variable} {place} {shown}"));
        Ok(true)
    }

    /// Offers the line that makes git pass over the file, before there is a secret in it.
    fn see_to_ignoring(&self, talk: &mut dyn Talk) -> Result<(), CliError> {
        let line = git::ignore_line(&self.found.name.to_string_lossy());
        let risk = format!("git does not ignore {}: it could be committed by mistake.", self.shown);
        if !talk.can_ask() {
            talk.warn(&format!("{risk} Add the line {line} to the .gitignore beside it."));
            return Ok(());
        }
        talk.warn(&risk);
        if !talk.ask(&format!("Add the line {line} to .gitignore?"))? {
            return Ok(());
        }
        let ignored = self.ignore(&line);
        match ignored {
            Ok(()) => talk.say(&format!("✓ Added {line} to .gitignore")),
            Err(why) => talk.warn(&format!(".gitignore {why}. Add the line {line} yourself.")),
        }
        Ok(())
    }

    fn ignore(&self, line: &str) -> Result<(), String> {
        let list = file::look(&self.found.folder.join(".gitignore"), &self.found.folder)?;
        if !list.links.is_empty() {
            return Err("is a link, which git does not follow".to_owned());
        }
        let is_new = list.before.is_none();
        file::replace(&list, &text::with_line(list.before.as_deref().unwrap_or_default(), line))?;
        if is_new {
            file::make_readable(&list)?;
        }
        match git::standing(&self.found.folder, &self.found.name)? {
            Standing::Ignored => Ok(()),
            Standing::NoRepository | Standing::Tracked | Standing::NotIgnored => {
                Err("has the line now, but git still does not ignore the file".to_owned())
            }
        }
    }
}

/// The variable's name, if the prefix is one that a shell takes: it came from a server.
fn variable_name(env_prefix: &str) -> Result<String, String> {
    let is_good = env_prefix.starts_with(|c: char| c.is_ascii_uppercase())
        && env_prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_good {
        Ok(format!("{env_prefix}_API_KEY"))
    } else {
        Err("cannot be written: the server's env_prefix is not a name".to_owned())
    }
}

/// Whether a value means the same in every kind of env file without quotes. It came from a server.
fn is_plain(secret: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=' | b':' | b'@')
    };
    !secret.is_empty() && secret.bytes().all(is_plain)
}

/// What may be shown of a value that may be a secret: eight characters of a long one, two of a shorter, else nothing.
fn mask(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let shown = match text.chars().count() {
        0..=11 => 0,
        12..=23 => 2,
        _ => 8,
    };
    let start: String = text.chars().take(shown).collect();
    format!("{}{MASK}", clean(&start))
}
