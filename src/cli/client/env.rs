//! The variables of this process, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A snapshot of the environment.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Environment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Environment {
    /// Of this process. What is not Unicode is nothing that this program reads.
    pub(in crate::cli) fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the client's one place that reads the environment")]
        let variables = std::env::vars_os();
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self { variables: variables.filter_map(text).collect(), home: etcetera::home_dir().ok() }
    }

    /// A variable that is set and not empty.
    pub(in crate::cli) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that holds an absolute path; another one is not used, as the XDG specification wants it.
    pub(in crate::cli) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The person's own folder.
    pub(in crate::cli) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    #[cfg(test)]
    pub(in crate::cli) fn of(pairs: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { variables: pairs.iter().map(pair).collect(), home: None }
    }
}
