//! The lock that keeps a second server from a SQLite file. What the check knows is in memory, and only PostgreSQL tells one
//! server at once what another has changed. Commands, which take no such lock, wait for the server instead.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::Db;
use super::open::OpenError;

/// The lock. The system gives it back when the process ends, however that happens.
#[derive(Debug)]
pub struct Alone {
    /// Kept open: the lock is the file's.
    _file: Option<File>,
}

/// Makes this process the one server on a SQLite file, as long as the lock is kept; PostgreSQL needs none.
///
/// # Errors
/// There is a server on it already, or the lock cannot be made.
pub fn be_the_only_server(db: &Db) -> Result<Alone, OpenError> {
    let Some(path) = db.sqlite_path() else { return Ok(Alone { _file: None }) };
    let place = beside(path);
    let failed = |error: &std::io::Error| OpenError::new(format!("{} cannot be locked: {error}", place.display()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&place).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Alone { _file: Some(file) }),
        Err(TryLockError::WouldBlock) => Err(OpenError::new(format!(
            "another Keyrack server runs on {}; stop it first, or use PostgreSQL for more than one",
            path.display()
        ))),
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            tracing::warn!(file = %place.display(), "this file system has no locks: do not start a second server");
            Ok(Alone { _file: None })
        }
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// Beside the file itself, whichever link leads to it. It stays there: whoever deleted it could let two in.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}
