//! Files that are nobody else's business: written at once and whole, mode 0600 in a folder of mode 0700, and not believed when
//! others may read or write them.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::CliError;
use crate::cli::client::env::Environment;
use crate::clock::Moment;

/// `$XDG_STATE_HOME/NAME`; nothing where there is not even a home.
pub(in crate::cli) fn state_folder(env: &Environment, name: &str) -> Option<PathBuf> {
    let state = env.folder("XDG_STATE_HOME").or_else(|| Some(env.home()?.join(".local/state")))?;
    Some(state.join(name))
}

/// Reads a private file; nothing when there is none.
///
/// # Errors
/// When others may read or change it, or it is not a plain file, or cannot be read.
pub(in crate::cli) fn read_private(path: &Path) -> Result<Option<String>, CliError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::new(format!("{}: {error}", path.display()))),
    };
    if !found.is_file() {
        return Err(CliError::new(format!("{} is not a plain file, so it is not used.", path.display())));
    }
    refuse_open(path, &found)?;
    fs::read_to_string(path).map(Some).map_err(|error| CliError::new(format!("{}: {error}", path.display())))
}

fn refuse_open(path: &Path, found: &fs::Metadata) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(CliError::new(format!(
        "{path} may be read by others (mode {mode:o}), so it is not used.\n\
         Close it with: chmod 600 {path}\n\
         If others could have read it, sign out and in again.",
        path = path.display()
    )))
}

/// Writes a private file in one step: a reader sees the old one or the new one.
///
/// # Errors
/// When the folder or the file cannot be written.
pub(in crate::cli) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // Its mode is 0600 from the start.
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// How long somebody else may hold the lock; they may wait for a keyring that does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until nobody else changes this file, and keeps others from it until dropped.
///
/// # Errors
/// When the folder cannot be written, or somebody else does not come to an end.
pub(in crate::cli) fn lock_beside(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    make_folder(path.parent().unwrap_or(Path::new(".")))?;
    let lock =
        File::options().create(true).truncate(false).write(true).mode(0o600).open(path.with_extension("lock"))?;
    let began = Moment::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another command is writing it")),
            // Some file systems have no locks; a sign-in is kept there all the same.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(lock),
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_file_is_private_and_an_open_one_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/outkit/credentials.json");
        assert_eq!(read_private(&path).unwrap(), None);
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(read_private(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left lying about");
        for open in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            assert!(read_private(&path).unwrap_err().message.contains("chmod 600"), "{open:o}");
        }
        let link = home.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_private(&link).unwrap_err().message.contains("not a plain file"));
    }
}
