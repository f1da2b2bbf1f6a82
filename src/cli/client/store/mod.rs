//! The sign-ins of this person on this machine: which servers, as whom, and where each token is kept.
//!
//! `credentials.json` lists them; the token itself is in the system's keyring, and in the file only where there is none.

pub(in crate::cli) mod file;
mod ring;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::ring::NoKeyring;
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
    /// Since when.
    #[serde(default)]
    pub(in crate::cli) signed_in_at: Option<Timestamp>,
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

impl Entry {
    fn token(&self, service: &str, origin: &Origin) -> Result<Option<Hidden>, NoKeyring> {
        match self.login.storage {
            Storage::File => Ok(self.token.clone().map(Hidden::new)),
            Storage::Keyring => ring::get(service, origin.as_str()),
        }
    }
}

/// The list of sign-ins, of one command name.
pub(in crate::cli) struct Store {
    path: Option<PathBuf>,
    service: String,
    /// Read when it is first asked for: who brings a key and names a server needs no list, in whatever state it is.
    content: OnceCell<Content>,
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
    /// The list of this command name.
    pub(in crate::cli) fn new(env: &Environment, cli: &str) -> Self {
        let path = file::state_folder(env, cli).map(|folder| folder.join("credentials.json"));
        Self { path, service: cli.to_owned(), content: OnceCell::new() }
    }

    fn content(&self) -> Result<&Content, CliError> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let content = self.read()?;
        Ok(self.content.get_or_init(|| content))
    }

    fn read(&self) -> Result<Content, CliError> {
        let Some(path) = &self.path else { return Ok(Content::default()) };
        match file::read_private(path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|_| CliError::new(format!("{} is damaged. Remove it and sign in again.", path.display()))),
            None => Ok(Content::default()),
        }
    }

    /// Changes the list as it is now, which may not be as it was read: another command may have written it since. Nobody else
    /// writes it meanwhile.
    fn change<T>(&mut self, change: impl FnOnce(&mut Content) -> T) -> Result<(T, PathBuf), CliError> {
        let path = self.path.clone().ok_or_else(|| {
            CliError::new("There is no home folder to keep a sign-in in. Set HOME or XDG_STATE_HOME.")
        })?;
        let unwritten = |why: String| CliError::new(format!("{} could not be written: {why}", path.display()));
        let _alone = file::lock_beside(&path).map_err(|error| unwritten(error.to_string()))?;
        let mut content = self.read()?;
        let changed = change(&mut content);
        let text = serde_json::to_string_pretty(&content).map_err(|error| unwritten(error.to_string()))?;
        file::write_private(&path, text.as_bytes()).map_err(|error| unwritten(error.to_string()))?;
        self.content = OnceCell::from(content);
        Ok((changed, path))
    }

    /// The server of the newest sign-in that still is one.
    ///
    /// # Errors
    /// When the file is open to others, or not what this program writes. So it is with whatever else is asked of the list.
    pub(in crate::cli) fn last(&self) -> Result<Option<Origin>, CliError> {
        let content = self.content()?;
        Ok(content.last.as_deref().filter(|last| content.logins.contains_key(*last)).and_then(read))
    }

    /// All sign-ins.
    ///
    /// # Errors
    /// Like [`Self::last`].
    pub(in crate::cli) fn logins(&self) -> Result<Vec<(Origin, Login)>, CliError> {
        let entries = self.content()?.logins.iter();
        Ok(entries.filter_map(|(origin, entry)| Some((read(origin)?, entry.login.clone()))).collect())
    }

    /// The sign-in to exactly this origin.
    ///
    /// # Errors
    /// Like [`Self::last`].
    pub(in crate::cli) fn login(&self, origin: &Origin) -> Result<Option<&Login>, CliError> {
        Ok(self.content()?.logins.get(origin.as_str()).map(|entry| &entry.login))
    }

    /// The token for exactly this origin.
    ///
    /// # Errors
    /// Like [`Self::last`], and when the keyring that has it cannot be asked.
    pub(in crate::cli) fn token(&self, origin: &Origin) -> Result<Option<Hidden>, CliError> {
        let Some(entry) = self.content()?.logins.get(origin.as_str()) else { return Ok(None) };
        entry.token(&self.service, origin).map_err(|_| {
            CliError::sign_in(format!(
                "The system keyring that holds the sign-in to {origin} does not answer. Unlock it, or sign in again."
            ))
        })
    }

    /// Keeps a sign-in; it is the newest from now on. Where it is, and the person's token that it replaced, if any.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(in crate::cli) fn keep(
        &mut self,
        origin: &Origin,
        mut login: Login,
        token: &Hidden,
        in_file: bool,
    ) -> Result<(Kept, Option<Hidden>), CliError> {
        let service = self.service.clone();
        // The keyring is part of the change: the list must say where the token is that it holds in the end.
        let ((in_keyring, replaced), path) = self.change(|content| {
            let before = content.logins.get(origin.as_str());
            let of_person = before.filter(|entry| entry.login.kind == Kind::Person);
            let replaced = of_person.and_then(|entry| entry.token(&service, origin).ok().flatten());
            let in_keyring = !in_file && ring::set(&service, origin.as_str(), token).is_ok();
            if in_file && before.is_some_and(|entry| entry.login.storage == Storage::Keyring) {
                // The old one has ended, or soon will; a keyring that does not answer must not keep the new one out.
                let _ = ring::delete(&service, origin.as_str());
            }
            login.storage = if in_keyring { Storage::Keyring } else { Storage::File };
            let token = (!in_keyring).then(|| token.expose().to_owned());
            content.logins.insert(origin.as_str().to_owned(), Entry { login, token });
            content.last = Some(origin.as_str().to_owned());
            (in_keyring, replaced)
        })?;
        let kept = match (in_keyring, in_file) {
            (true, _) => Kept::Keyring,
            (false, true) => Kept::File(path),
            (false, false) => Kept::ForWantOfAKeyring(path),
        };
        Ok((kept, replaced.filter(|replaced| replaced != token)))
    }

    /// Chooses the organization of a sign-in.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(in crate::cli) fn choose_org(&mut self, origin: &Origin, slug: &str) -> Result<(), CliError> {
        self.change(|content| {
            if let Some(entry) = content.logins.get_mut(origin.as_str()) {
                entry.login.org = Some(slug.to_owned());
            }
        })?;
        Ok(())
    }

    /// Forgets a sign-in.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the keyring keeps the token.
    pub(in crate::cli) fn forget(&mut self, origin: &Origin) -> Result<(), CliError> {
        let service = self.service.clone();
        let (is_gone, _) = self.change(|content| {
            let Some(entry) = content.logins.remove(origin.as_str()) else { return true };
            if content.last.as_deref() == Some(origin.as_str()) {
                let newest = content.logins.iter().max_by_key(|(_, entry)| entry.login.signed_in_at);
                content.last = newest.map(|(origin, _)| origin.clone());
            }
            entry.login.storage == Storage::File || ring::delete(&service, origin.as_str()).is_ok()
        })?;
        if is_gone {
            return Ok(());
        }
        Err(CliError::new(format!(
            "The system keyring does not answer: remove “{}” of {origin} from it by hand.",
            self.service
        )))
    }
}

fn read(origin: &str) -> Option<Origin> {
    Origin::parse(origin).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(n: i64) -> Origin {
        Origin::parse(&format!("https://{n}.example")).unwrap()
    }

    fn sign_in(store: &mut Store, n: i64) {
        keep(store, n, &format!("token {n}"));
    }

    fn keep(store: &mut Store, n: i64, token: &str) -> Option<String> {
        let login = Login {
            storage: Storage::File,
            kind: Kind::Person,
            email: String::new(),
            name: String::new(),
            org: None,
            expires_at: None,
            signed_in_at: Some(Timestamp::from_micros(n)),
        };
        let (_, replaced) = store.keep(&origin(n), login, &Hidden::new(token.to_owned()), true).unwrap();
        replaced.map(|token| token.expose().to_owned())
    }

    #[test]
    fn of_sign_ins_at_the_same_moment_none_is_lost() {
        let home = tempfile::tempdir().unwrap();
        let env = Environment::of(&[("XDG_STATE_HOME", home.path().to_str().unwrap())]);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let env = &env;
                scope.spawn(move || (0..10).for_each(|n| sign_in(&mut Store::new(env, "outkit"), thread * 10 + n)));
            }
        });
        let store = Store::new(&env, "outkit");
        let kept: Vec<i64> = (0..40).filter(|n| store.token(&origin(*n)).unwrap().is_some()).collect();
        assert_eq!(kept, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_sign_in_tells_what_it_replaced_though_it_came_after_the_list_was_read() {
        let home = tempfile::tempdir().unwrap();
        let env = Environment::of(&[("XDG_STATE_HOME", home.path().to_str().unwrap())]);
        let [mut first, mut second] = [(); 2].map(|()| Store::new(&env, "outkit"));
        assert!(first.logins().unwrap().is_empty() && second.logins().unwrap().is_empty());
        assert_eq!(keep(&mut first, 1, "one"), None);
        assert_eq!(keep(&mut second, 1, "two").as_deref(), Some("one"));
        assert_eq!(keep(&mut second, 1, "two"), None, "the same one is not to be ended");
    }

    #[test]
    fn after_the_newest_sign_in_the_one_before_it_is_the_newest() {
        let home = tempfile::tempdir().unwrap();
        let env = Environment::of(&[("XDG_STATE_HOME", home.path().to_str().unwrap())]);
        let mut store = Store::new(&env, "outkit");
        [1, 3, 2, 4].iter().for_each(|n| sign_in(&mut store, *n));
        for newest in [4, 3, 2, 1] {
            assert_eq!(store.last().unwrap(), Some(origin(newest)));
            store.forget(&origin(newest)).unwrap();
        }
        assert_eq!(store.last().unwrap(), None);
    }
}
