//! The sign-ins of this person on this machine: which servers, as whom, and where each token is kept.
//!
//! `credentials.json` lists them; the token itself is in the system's keyring, and in the file only where there is none.

pub(in crate::cli) mod file;
mod ring;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::env::Environment;
use super::origin::Origin;
use crate::cli::CliError;
use crate::domain::time::Timestamp;
use crate::settings::Hidden;

/// Where a token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Storage {
    /// In the system's keyring.
    Keyring,
    /// In `credentials.json`, unencrypted.
    File,
}

impl Storage {
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::File => "file",
        }
    }
}

/// What was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Kind {
    /// A token that acts as a person.
    Person,
    /// An API key that was handed over.
    ApiKey,
}

/// One sign-in, without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct Login {
    /// Where the token is.
    pub(in crate::cli) storage: Storage,
    /// What it is.
    pub(in crate::cli) kind: Kind,
    /// The person, by e-mail address.
    pub(in crate::cli) email: String,
    /// The person's name.
    pub(in crate::cli) name: String,
    /// The organization in which commands act if nothing else is said.
    pub(in crate::cli) org: Option<String>,
    /// Until when the token works, if it ends by itself.
    pub(in crate::cli) expires_at: Option<Timestamp>,
}

/// A file's content. Not `Debug`, on purpose.
#[derive(Default, Serialize, Deserialize)]
struct Content {
    /// The server of the newest sign-in.
    last: Option<String>,
    #[serde(default)]
    logins: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    login: Login,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// The list of sign-ins, of one command name.
pub(in crate::cli) struct Store {
    path: Option<PathBuf>,
    service: String,
    content: Content,
}

/// How a sign-in was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Kept {
    /// In the keyring.
    Keyring,
    /// In this file, because that was asked for.
    File(PathBuf),
    /// In this file, because the keyring was not to be had.
    ForWantOfAKeyring(PathBuf),
}

impl Store {
    /// Reads the list.
    ///
    /// # Errors
    /// When the file is open to others, or not what this program writes.
    pub(in crate::cli) fn open(env: &Environment, cli: &str) -> Result<Self, CliError> {
        let path = file::state_folder(env, cli).map(|folder| folder.join("credentials.json"));
        let mut store = Self { path, service: cli.to_owned(), content: Content::default() };
        store.reload()?;
        Ok(store)
    }

    /// Reads the file again: before it is written, since a sign-in takes its time and another one may have come in between.
    fn reload(&mut self) -> Result<(), CliError> {
        let Some(path) = &self.path else { return Ok(()) };
        self.content = match file::read_private(path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|_| CliError::new(format!("{} is damaged. Remove it and sign in again.", path.display())))?,
            None => Content::default(),
        };
        Ok(())
    }

    /// The server of the newest sign-in that still is one.
    pub(in crate::cli) fn last(&self) -> Option<Origin> {
        self.content.last.as_deref().filter(|last| self.content.logins.contains_key(*last)).and_then(read)
    }

    /// All sign-ins.
    pub(in crate::cli) fn logins(&self) -> Vec<(Origin, Login)> {
        let entries = self.content.logins.iter();
        entries.filter_map(|(origin, entry)| Some((read(origin)?, entry.login.clone()))).collect()
    }

    /// The sign-in to exactly this origin.
    pub(in crate::cli) fn login(&self, origin: &Origin) -> Option<&Login> {
        self.content.logins.get(origin.as_str()).map(|entry| &entry.login)
    }

    /// The token for exactly this origin.
    ///
    /// # Errors
    /// When the keyring that has it cannot be asked.
    pub(in crate::cli) fn token(&self, origin: &Origin) -> Result<Option<Hidden>, CliError> {
        let Some(entry) = self.content.logins.get(origin.as_str()) else { return Ok(None) };
        match entry.login.storage {
            Storage::File => Ok(entry.token.clone().map(Hidden::new)),
            Storage::Keyring => ring::get(&self.service, origin.as_str()).map_err(|_| {
                CliError::sign_in(format!(
                    "The system keyring that holds the sign-in to {origin} does not answer. Unlock it, or sign in again."
                ))
            }),
        }
    }

    /// Keeps a sign-in; it is the newest from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(in crate::cli) fn keep(
        &mut self,
        origin: &Origin,
        mut login: Login,
        token: &Hidden,
        in_file: bool,
    ) -> Result<Kept, CliError> {
        self.reload()?;
        let in_keyring = !in_file && ring::set(&self.service, origin.as_str(), token).is_ok();
        login.storage = if in_keyring { Storage::Keyring } else { Storage::File };
        if in_file && self.login(origin).is_some_and(|login| login.storage == Storage::Keyring) {
            // The old one has ended, or soon will; a keyring that does not answer must not keep the new one out.
            let _ = ring::delete(&self.service, origin.as_str());
        }
        let token = (!in_keyring).then(|| token.expose().to_owned());
        self.content.logins.insert(origin.as_str().to_owned(), Entry { login, token });
        self.content.last = Some(origin.as_str().to_owned());
        let path = self.save()?;
        Ok(match (in_keyring, in_file) {
            (true, _) => Kept::Keyring,
            (false, true) => Kept::File(path),
            (false, false) => Kept::ForWantOfAKeyring(path),
        })
    }

    /// Chooses the organization of a sign-in.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(in crate::cli) fn choose_org(&mut self, origin: &Origin, slug: &str) -> Result<(), CliError> {
        self.reload()?;
        if let Some(entry) = self.content.logins.get_mut(origin.as_str()) {
            entry.login.org = Some(slug.to_owned());
        }
        self.save().map(|_| ())
    }

    /// Forgets a sign-in.
    ///
    /// # Errors
    /// When the file cannot be written, or the keyring keeps the token.
    pub(in crate::cli) fn forget(&mut self, origin: &Origin) -> Result<(), CliError> {
        self.reload()?;
        let Some(entry) = self.content.logins.remove(origin.as_str()) else { return Ok(()) };
        if self.content.last.as_deref() == Some(origin.as_str()) {
            self.content.last = self.content.logins.keys().next().cloned();
        }
        self.save()?;
        if entry.login.storage == Storage::Keyring && ring::delete(&self.service, origin.as_str()).is_err() {
            return Err(CliError::new(format!(
                "The system keyring does not answer: remove “{}” of {origin} from it by hand.",
                self.service
            )));
        }
        Ok(())
    }

    fn save(&self) -> Result<PathBuf, CliError> {
        let path = self.path.clone().ok_or_else(|| {
            CliError::new("There is no home folder to keep a sign-in in. Set HOME or XDG_STATE_HOME.")
        })?;
        let text = serde_json::to_string_pretty(&self.content).map_err(|error| CliError::new(error.to_string()))?;
        file::write_private(&path, text.as_bytes())
            .map_err(|error| CliError::new(format!("{} could not be written: {error}", path.display())))?;
        Ok(path)
    }
}

fn read(origin: &str) -> Option<Origin> {
    Origin::parse(origin).ok()
}
