//! The project file: which server, organization and profile a folder belongs to. It holds no secret, and it is not believed like
//! the person: whoever wrote the repository wrote it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::origin::Origin;
use crate::cli::CliError;

/// What a project file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Project {
    /// Where it is.
    pub(in crate::cli) path: PathBuf,
    /// The server it names.
    pub(in crate::cli) server: Option<Origin>,
    /// The organization's slug.
    pub(in crate::cli) org: Option<String>,
    /// The profile's id.
    pub(in crate::cli) profile: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

/// More is not a project file.
const BYTES_MAX: u64 = 64 * 1024;

impl Project {
    /// The nearest one from this folder up to the root of the git repository; outside of one, only in this very folder.
    ///
    /// # Errors
    /// When it is there and makes no sense.
    pub(in crate::cli) fn find(from: &Path, name: &str) -> Result<Option<Self>, CliError> {
        let in_git: Vec<&Path> = from.ancestors().collect();
        let root = in_git.iter().position(|folder| folder.join(".git").exists());
        for folder in &in_git[..=root.unwrap_or(0)] {
            if let Some(project) = Self::read(&folder.join(name))? {
                return Ok(Some(project));
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Option<Self>, CliError> {
        let wrong = |why: &str| CliError::usage(format!("{}: {why}", path.display()));
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => return Err(wrong("is not a file")),
            Ok(found) if found.len() > BYTES_MAX => return Err(wrong("is too long for a project file")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&error.to_string())),
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
        let content: Content = serde_json::from_str(&text).map_err(|error| {
            wrong(&format!("{error}. A project file is {{\"server\", \"org\", \"profile\"}}, each of them a text."))
        })?;
        let server = content.server.map(|server| Origin::parse(&server)).transpose();
        let named = |value: Option<String>, field: &str| match value {
            Some(value) if !is_name(&value) => Err(wrong(&format!("“{field}” holds letters, digits, - and _ only"))),
            value => Ok(value),
        };
        Ok(Some(Self {
            path: path.to_owned(),
            server: server.map_err(|why| wrong(&format!("server: {why}")))?,
            org: named(content.org, "org")?,
            profile: named(content.profile, "profile")?,
        }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(in crate::cli) fn write(&self) -> Result<(), CliError> {
        let server = self.server.as_ref().map(ToString::to_string);
        let content = Content { server, org: self.org.clone(), profile: self.profile.clone() };
        let failed = |why: String| CliError::new(format!("{} could not be written: {why}", self.path.display()));
        let text = serde_json::to_string_pretty(&content).map_err(|error| failed(error.to_string()))? + "\n";
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".new-").permissions(usual_mode()).tempfile_in(folder);
        let written = made.and_then(|file| {
            fs::write(file.path(), text)?;
            file.persist(&self.path).map_err(|error| error.error)
        });
        written.map(|_| ()).map_err(|error| failed(error.to_string()))
    }

    /// Its path as people see it from this folder: `keyrack.json`, `../keyrack.json`.
    pub(in crate::cli) fn shown(&self, from: &Path) -> String {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let steps = from.ancestors().position(|ancestor| ancestor == folder);
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        steps.map_or_else(|| self.path.display().to_string(), |steps| "../".repeat(steps) + &name)
    }
}

/// It is meant to be committed and read by all.
fn usual_mode() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Whether it can be a slug or an id: it ends up in headers and addresses.
pub(in crate::cli) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_up_to_the_root_of_the_repository_and_no_further() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("repo/a/b");
        fs::create_dir_all(&deep).unwrap();
        let find = |from: &Path| Project::find(from, "keyrack.json").unwrap();
        fs::write(home.path().join("keyrack.json"), r#"{"org":"outer"}"#).unwrap();
        fs::write(home.path().join("repo/keyrack.json"), r#"{"org":"acme"}"#).unwrap();
        assert_eq!(find(&deep), None, "outside of a repository only the folder itself counts");
        fs::create_dir(home.path().join("repo/.git")).unwrap();
        let found = find(&deep).unwrap();
        assert_eq!((found.org.as_deref(), found.shown(&deep).as_str()), (Some("acme"), "../../keyrack.json"));
        fs::remove_file(home.path().join("repo/keyrack.json")).unwrap();
        assert_eq!(find(&deep), None, "not above the root");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for wrong in [
            "{",
            r#"{"server":"ftp://x.example"}"#,
            r#"{"server":"https://u:p@x.example"}"#,
            r#"{"org":"a\nb"}"#,
            r#"{"profile":""}"#,
            r#"{"api_key":"x"}"#,
            r#"{"org":1}"#,
        ] {
            fs::write(home.path().join("keyrack.json"), wrong).unwrap();
            let error = Project::find(home.path(), "keyrack.json").unwrap_err();
            assert!(error.message.contains("keyrack.json: "), "{wrong}: {}", error.message);
        }
    }
}
