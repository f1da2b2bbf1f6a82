//! What git thinks of a file. Git itself is asked; where it cannot be, nobody guesses.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How a file stands with git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It lies in no repository.
    NoRepository,
    /// Every commit takes it along.
    Tracked,
    /// Git passes over it.
    Ignored,
    /// Nothing keeps it from being added.
    NotIgnored,
}

/// Asks git about a file, which need not be there yet.
///
/// # Errors
/// A sentence: there is a repository, but git cannot tell.
pub(super) fn standing(folder: &Path, name: &OsStr) -> Result<Standing, String> {
    standing_by(OsStr::new("git"), folder, name)
}

fn standing_by(git: &OsStr, folder: &Path, name: &OsStr) -> Result<Standing, String> {
    let in_repository = folder.ancestors().any(|folder| folder.join(".git").exists());
    let tracked = match ask(git, folder, &["--literal-pathspecs", "ls-files", "--error-unmatch"], name) {
        Ok(output) => output,
        Err(_) if !in_repository => return Ok(Standing::NoRepository),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err("git is not installed here, so nobody can tell whether git tracks this file".to_owned());
        }
        Err(error) => {
            return Err(format!("git cannot be started ({error}), so nobody can tell whether it tracks this file"));
        }
    };
    match tracked.status.code() {
        Some(0) => return Ok(Standing::Tracked),
        Some(1) => {}
        _ if !in_repository => return Ok(Standing::NoRepository),
        _ => return Err(format!("git cannot tell whether it tracks this file: {}", words_of(&tracked))),
    }
    // This one takes names only, and refuses to be told so. In front of a name, a dot and a slash keep it one.
    let mut here = OsString::from("./");
    here.push(name);
    let ignored = ask(git, folder, &["check-ignore", "-q"], &here);
    match ignored.map(|output| output.status.code()) {
        Ok(Some(0)) => Ok(Standing::Ignored),
        _ => Ok(Standing::NotIgnored),
    }
}

/// Runs git in this folder on this one file. Variables that point git elsewhere, as hooks have them, do not count, nor does
/// a helper program that a repository may name.
fn ask(git: &OsStr, folder: &Path, command: &[&str], name: &OsStr) -> std::io::Result<Output> {
    let mut asked = Command::new(git);
    asked.args(["-c", "core.fsmonitor=false", "-C"]).arg(folder).args(command).arg("--").arg(name);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_COMMON_DIR"] {
        asked.env_remove(variable);
    }
    asked.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    asked.stdin(Stdio::null()).output()
}

fn words_of(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    crate::cli::client::text::clean(line.trim_start_matches("fatal: "))
}

/// The line of a `.gitignore` beside the file that names this file and no other.
pub(super) fn ignore_line(name: &str) -> String {
    let mut line = "/".to_owned();
    for c in name.chars() {
        if matches!(c, '\\' | '*' | '?' | '[' | ' ') {
            line.push('\\');
        }
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let status = Command::new("git").arg("-C").arg(folder).args(args).output().unwrap().status;
        assert!(status.success(), "git {args:?}");
    }

    #[test]
    fn git_is_asked_about_each_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |name: &str| standing(folder.path(), OsStr::new(name));
        assert_eq!(at(".env.local"), Ok(Standing::NoRepository));
        git(folder.path(), &["init", "-q"]);
        std::fs::write(folder.path().join(".gitignore"), "*.local\n").unwrap();
        std::fs::write(folder.path().join("tracked"), "A=1\n").unwrap();
        git(folder.path(), &["add", "tracked"]);
        assert_eq!(at(".env.local"), Ok(Standing::Ignored));
        assert_eq!(at(".env"), Ok(Standing::NotIgnored));
        assert_eq!(at("tracked"), Ok(Standing::Tracked));
        assert_eq!(at("*"), Ok(Standing::NotIgnored), "a name is no pattern");
        // Tracked wins over ignored: git goes on to commit it.
        std::fs::write(folder.path().join("old.local"), "A=1\n").unwrap();
        git(folder.path(), &["add", "-f", "old.local"]);
        assert_eq!(at("old.local"), Ok(Standing::Tracked));
    }

    #[test]
    fn without_git_nobody_guesses() {
        let folder = tempfile::TempDir::new().unwrap();
        let missing = folder.path().join("no-such-git");
        let at = || standing_by(missing.as_os_str(), folder.path(), OsStr::new(".env.local"));
        assert_eq!(at(), Ok(Standing::NoRepository));
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert!(at().unwrap_err().contains("git is not installed"));
        // What lies there is no repository that git understands, so it cannot tell either.
        assert!(standing(folder.path(), OsStr::new(".env.local")).unwrap_err().contains("git cannot tell"));
    }

    #[test]
    fn the_line_to_ignore_a_file_names_only_it() {
        let folder = tempfile::TempDir::new().unwrap();
        git(folder.path(), &["init", "-q"]);
        for name in [".env.local", "#x", "!x", "a b", "a*b", "[ab]", "q?", "back\\slash"] {
            std::fs::write(folder.path().join(".gitignore"), format!("{}\n", ignore_line(name))).unwrap();
            assert_eq!(standing(folder.path(), OsStr::new(name)), Ok(Standing::Ignored), "{name}");
        }
        assert_eq!(standing(folder.path(), OsStr::new("aXb")), Ok(Standing::NotIgnored));
    }
}
