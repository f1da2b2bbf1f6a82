//! The key that protects session cookies: given by the operator, or made once and kept in a file that only its owner
//! may read.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const BYTES: usize = 64;
const FILE_NAME: &str = "keyrack.session-key";

/// 64 random bytes. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; BYTES]);

impl SessionKey {
    /// Reads 128 hex digits.
    ///
    /// # Errors
    /// A sentence for the operator; it does not repeat what was given.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || "must be 128 hex digits, as `openssl rand -hex 64` prints them".to_owned();
        if text.len() != BYTES * 2 || !text.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut key = [0; BYTES];
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| wrong())?;
        }
        // A key of one repeated character is a placeholder that somebody forgot.
        if key.iter().all(|byte| *byte == key[0]) { Err(wrong()) } else { Ok(Self(key)) }
    }

    /// A new one.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn random() -> Result<Self, String> {
        let mut key = [0; BYTES];
        getrandom::fill(&mut key).map_err(|error| format!("the system gives no random bytes: {error}"))?;
        Ok(Self(key))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(BYTES * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(hidden)")
    }
}

/// Where the key is kept: beside the SQLite file, else in the working folder.
#[must_use]
pub fn file_beside(database: Option<&Path>) -> PathBuf {
    match database.and_then(Path::parent) {
        Some(folder) => folder.join(FILE_NAME),
        None => PathBuf::from(FILE_NAME),
    }
}

/// Reads the key at `path`, or makes it. Of processes starting together one makes it and the others read it.
///
/// # Errors
/// A file that others may read, is damaged, or cannot be made; in words, naming the setting that would replace it.
pub fn load_or_create(path: &Path) -> Result<SessionKey, String> {
    let explain = |what: String| format!("KEYRACK_SESSION_KEY: {} {what}", path.display());
    match create(path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load(path).map_err(explain),
        Err(error) => Err(explain(format!("cannot be made: {error}"))),
    }
}

/// Written beside and moved into place, so that nobody ever reads half a key. The file is private from its first moment.
fn create(path: &Path) -> io::Result<SessionKey> {
    if path.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    let key = SessionKey::random().map_err(io::Error::other)?;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new().prefix(".keyrack-").tempfile_in(folder)?;
    writeln!(draft, "{}", key.hex())?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(key)
}

fn load(path: &Path) -> Result<SessionKey, String> {
    let mut file = fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("may be read by others (mode {:o}); take that away with chmod 600", mode & 0o777));
        }
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
    SessionKey::parse(&text).map_err(|_| "is damaged; remove it and everybody signs in again".to_owned())
}
