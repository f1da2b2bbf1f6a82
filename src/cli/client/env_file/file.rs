//! The file itself: where it really lies, whether it may be written, and writing it in one step.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use tempfile::{Builder, TempPath};

/// Larger than any env file that a person looks after.
const BYTES_MAX: u64 = 1024 * 1024;
/// Nobody else needs to read a file with secrets.
const MODE_OF_NEW: u32 = 0o600;

/// A file that may be written.
#[derive(Debug)]
pub(super) struct Found {
    /// Its folder, without links.
    pub(super) folder: PathBuf,
    /// Its name in there.
    pub(super) name: OsString,
    /// Every other place and name by which it was reached, for git to be asked about.
    pub(super) links: Vec<(PathBuf, OsString)>,
    /// What stands in it; nothing when it is not there yet.
    pub(super) before: Option<Vec<u8>>,
}

/// Looks at the file that somebody named, within a project.
///
/// # Errors
/// A sentence that begins behind the file's name: “is a folder”.
pub(super) fn look(named: &Path, project: &Path) -> Result<Found, String> {
    let project =
        project.canonicalize().map_err(|error| format!("cannot be reached: the project's folder: {error}"))?;
    let name = named.file_name().ok_or("names no file")?.to_owned();
    let parent = named.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = parent
        .canonicalize()
        .map_err(|error| format!("cannot be written: the folder {}: {}", parent.display(), words(&error)))?;
    if lies_in(parent, &project) && !folder.starts_with(&project) {
        return Err(format!("lies behind a link that leads out of the project, to {}", folder.display()));
    }
    let path = folder.join(&name);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            check_folder(&folder)?;
            Ok(Found { folder, name, links: Vec::new(), before: None })
        }
        Err(error) => Err(format!("cannot be read: {}", words(&error))),
        Ok(metadata) if metadata.is_symlink() => follow(&path, &project, (folder, name)),
        Ok(metadata) => found(folder, name, Vec::new(), &metadata),
    }
}

fn follow(path: &Path, project: &Path, link: (PathBuf, OsString)) -> Result<Found, String> {
    let real = path.canonicalize().map_err(|_| "is a link that leads nowhere")?;
    if !real.starts_with(project) {
        return Err(format!("is a link that leads out of the project, to {}", real.display()));
    }
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else { return Err("names no file".to_owned()) };
    let metadata = fs::symlink_metadata(&real).map_err(|error| format!("cannot be read: {}", words(&error)))?;
    found(folder.to_owned(), name.to_owned(), vec![link], &metadata)
}

fn found(
    folder: PathBuf,
    name: OsString,
    links: Vec<(PathBuf, OsString)>,
    metadata: &Metadata,
) -> Result<Found, String> {
    if metadata.is_dir() {
        return Err("is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.len() > BYTES_MAX {
        return Err("is too large for an env file".to_owned());
    }
    // Renaming would write it all the same; whoever took the right away meant it.
    if metadata.permissions().readonly() {
        return Err("is read-only".to_owned());
    }
    check_folder(&folder)?;
    let before = fs::read(folder.join(&name)).map_err(|error| format!("cannot be read: {}", words(&error)))?;
    if before.contains(&0) {
        return Err("is not a text file".to_owned());
    }
    Ok(Found { folder, name, links, before: Some(before) })
}

/// Whether a file can be put there, found out by putting one there that has no name.
fn check_folder(folder: &Path) -> Result<(), String> {
    let refused = |why: String| format!("cannot be written: the folder {} {why}", folder.display());
    let metadata = fs::metadata(folder).map_err(|error| refused(words(&error)))?;
    if metadata.permissions().readonly() {
        return Err(refused("is read-only".to_owned()));
    }
    tempfile::tempfile_in(folder).map(drop).map_err(|error| refused(format!("takes no file: {}", words(&error))))
}

/// Whether a path as it is written lies in a folder.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain.starts_with(folder)
}

/// Puts a new text in a file's place in one step: either the old text is there or the whole new one, whatever happens.
/// Mode and owner stay.
///
/// # Errors
/// A sentence that begins behind the file's name. Then the file is as it was.
pub(super) fn replace(found: &Found, new: &[u8]) -> Result<(), String> {
    let path = found.folder.join(&found.name);
    let now = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(format!("cannot be read: {}", words(&error))),
        Ok(metadata) if !metadata.is_file() => return Err("is something else than it was a moment ago".to_owned()),
        Ok(metadata) => {
            let text = fs::read(&path).map_err(|error| format!("cannot be read: {}", words(&error)))?;
            Some((text, metadata))
        }
    };
    if now.as_ref().map(|(text, _)| text) != found.before.as_ref() {
        return Err("was changed by something else in this moment".to_owned());
    }
    let whole = whole_file(&found.folder, now.as_ref().map(|(_, metadata)| metadata), new)?;
    let put = if now.is_some() { whole.persist(&path) } else { whole.persist_noclobber(&path) };
    put.map_err(|error| cannot(error.error))?;
    // The name too survives a power cut; where a file system cannot do that, the text is there all the same.
    let _ = File::open(&found.folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn cannot(error: std::io::Error) -> String {
    format!("cannot be written: {}", words(&error))
}

/// The new text in a file beside the old one. Where the system can do that, it has no name until it is whole: if this program
/// is killed while it writes, no secret stays behind under a name that nobody told git to ignore.
fn whole_file(folder: &Path, old: Option<&Metadata>, new: &[u8]) -> Result<TempPath, String> {
    let mut names = Builder::new();
    names.prefix(".env-").permissions(fs::Permissions::from_mode(MODE_OF_NEW));
    if let Ok(file) = nameless(folder) {
        fill(&file, old, new)?;
        if let Ok(named) = names.make_in(folder, |path| give_name(&file, path)) {
            return Ok(named.into_temp_path());
        }
    }
    let named = names.tempfile_in(folder).map_err(cannot)?;
    fill(named.as_file(), old, new)?;
    Ok(named.into_temp_path())
}

fn fill(mut file: &File, old: Option<&Metadata>, new: &[u8]) -> Result<(), String> {
    if let Some(metadata) = old {
        keep_owner(file, metadata)?;
        file.set_permissions(metadata.permissions()).map_err(cannot)?;
    }
    file.write_all(new).and_then(|()| file.sync_all()).map_err(cannot)
}

#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> std::io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    // The mode is given here and not later: this is the file that stays.
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(File::from(openat(CWD, folder, flags, Mode::from_raw_mode(MODE_OF_NEW))?))
}

#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> std::io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn keep_owner(file: &File, old: &Metadata) -> Result<(), String> {
    let new = file.metadata().map_err(|error| format!("cannot be written: {}", words(&error)))?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid())).map_err(|_| "belongs to somebody else".to_owned())
}

/// What the system said, without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// Gives a new file that holds no secret the mode that such files have.
///
/// # Errors
/// A sentence that begins behind the file's name.
pub(super) fn make_readable(found: &Found) -> Result<(), String> {
    fs::set_permissions(found.folder.join(&found.name), fs::Permissions::from_mode(0o644))
        .map_err(|error| format!("cannot be made readable: {}", words(&error)))
}
