//! The revocation journal: a file that is only ever added to and that no restore touches. It notes what became of everything
//! that gives rights, so that an old backup cannot give back what was taken away. It follows the log of changes as the checks do
//! (docs/revocation.md), and is on the disk before a deed is answered.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::changes::{list_changes, read_clock};
use super::{Conn, DbError, installation, rights, snapshot};
use crate::domain::rights::{Gap, Page, Right, covered};

/// Changes that are followed one by one; whoever is further behind writes everything.
const CHANGES_MAX: i64 = 5000;
/// A line is no longer than this, or it is none of ours.
const LINE_MAX: u64 = 64 << 20;

/// Where a journal is kept, and how far it has come.
pub struct Journal {
    path: PathBuf,
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    /// The installation and the last change of the last page.
    reached: Option<(String, i64)>,
    is_failing: bool,
}

/// Why the journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Journal {
    /// The journal at this path, which need not exist yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, place: Mutex::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down what was changed since the last page, unless it reaches to the change `to` already. A failure is logged
    /// once; the next call makes up for it.
    pub(super) fn follow_or_log(&self, conn: &mut Conn, to: i64) {
        match self.follow_to(conn, to) {
            Ok(()) => self.place.lock().unwrap_or_else(PoisonError::into_inner).is_failing = false,
            Err(error) => {
                let was_failing = {
                    let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
                    std::mem::replace(&mut place.is_failing, true)
                };
                if !was_failing {
                    tracing::error!(%error, "the revocation journal could not be written; a restore would not know of this");
                }
            }
        }
    }

    /// Writes down what was changed since the last page.
    ///
    /// # Errors
    /// The file or the database; what is missing is written by the next call.
    pub fn follow(&self, conn: &mut Conn) -> Result<(), JournalError> {
        self.follow_to(conn, i64::MAX)
    }

    fn follow_to(&self, conn: &mut Conn, to: i64) -> Result<(), JournalError> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever had the lock before wrote down all that was committed by then: deeds at one time share a page.
        if let Some((of, reached)) = &place.reached
            && *reached >= to
            && installation::find_name(conn)? == *of
        {
            return Ok(());
        }
        let fail = |error| JournalError::File(self.path.clone(), error);
        let mut file = open_to_append(&self.path).map_err(fail)?;
        // Another process may write to it too; what each writes must stay in one piece.
        file.lock().map_err(fail)?;
        if place.reached.is_none() {
            place.reached = last_place(&mut file).map_err(fail)?;
        }
        let reached = place.reached.take();
        let news = snapshot(conn, |conn| -> Result<_, JournalError> {
            let (of, to) = (installation::find_name(conn)?, read_clock(conn)?);
            let since = reached.filter(|(name, seq)| *name == of && *seq <= to).map(|(_, seq)| seq);
            let mut pen = Pen { file: &mut file, path: &self.path, of, to };
            write_news(conn, &mut pen, since)?;
            Ok((pen.of, pen.to))
        })?;
        file.sync_data().map_err(fail)?;
        place.reached = Some(news);
        Ok(())
    }
}

fn open_to_append(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let is_new = !path.exists();
    let mut file = options.open(path)?;
    if is_new && let Some(folder) = path.parent() {
        // The name of a new file is on the disk when its folder is.
        let folder = if folder == Path::new("") { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    let length = file.seek(SeekFrom::End(0))?;
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            // A line that a crash cut off stays alone.
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// The installation and the last change of the last whole page.
fn last_place(file: &mut File) -> std::io::Result<Option<(String, i64)>> {
    file.seek(SeekFrom::Start(0))?;
    let mut last = None;
    each_line(file, |_, line| {
        if let Ok(page) = serde_json::from_slice::<Head>(line)
            && page.end
        {
            last = Some((page.of, page.to));
        }
        Ok(())
    })?;
    Ok(last)
}

/// A page without its rights, which are passed over.
#[derive(serde::Deserialize)]
struct Head {
    of: String,
    from: i64,
    to: i64,
    end: bool,
}

/// Gives each line with the place where it begins.
fn each_line(file: &mut File, mut f: impl FnMut(u64, &[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut reader = BufReader::new(file);
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        f(at, &line)?;
        at += read as u64;
    }
}

/// Writes pages that end with one change.
struct Pen<'f> {
    file: &'f mut File,
    path: &'f Path,
    of: String,
    to: i64,
}

impl Pen<'_> {
    fn put(&mut self, from: i64, end: bool, rights: Vec<Right>) -> Result<(), JournalError> {
        let page = Page { of: self.of.clone(), from, to: self.to, end, rights };
        let line = serde_json::to_vec(&page).map_err(std::io::Error::from);
        let written = line.and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        written.map_err(|error| JournalError::File(self.path.to_owned(), error))
    }
}

/// Writes what was changed since, or everything when that is not known any more.
fn write_news(conn: &mut Conn, pen: &mut Pen<'_>, since: Option<i64>) -> Result<(), JournalError> {
    if since == Some(pen.to) {
        return Ok(());
    }
    if let Some(since) = since {
        let changes = list_changes(conn, since, CHANGES_MAX)?;
        let is_whole = changes.first().is_some_and(|(seq, _)| *seq == since + 1)
            && changes.last().is_some_and(|(seq, _)| *seq == pen.to);
        let mut named: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
        named.sort_unstable();
        named.dedup();
        if is_whole && let Some(rights) = rights::list_changed_rights(conn, &named)? {
            return pen.put(since + 1, true, rights);
        }
    }
    write_all(conn, pen)
}

fn write_all(conn: &mut Conn, pen: &mut Pen<'_>) -> Result<(), JournalError> {
    rights::each_right(conn, |rights| pen.put(0, false, rights))?;
    pen.put(0, true, Vec::new())
}

/// Writes all rights of a database into a file of its own.
///
/// # Errors
/// The file or the database.
pub fn write_all_rights(conn: &mut Conn, path: &Path) -> Result<(), JournalError> {
    let fail = |error| JournalError::File(path.to_owned(), error);
    let mut file = open_to_append(path).map_err(fail)?;
    let of = installation::find_name(conn)?;
    let to = read_clock(conn)?;
    write_all(conn, &mut Pen { file: &mut file, path, of, to })
}

/// The pages of some journals that tell of one installation.
#[derive(Debug)]
pub struct Pages {
    files: Vec<PathBuf>,
    /// Where each line stands, in the order in which things came about: last change, file, place.
    lines: Vec<(i64, usize, u64)>,
    whole: Vec<(i64, i64)>,
}

impl Pages {
    /// Finds them. A line that is damaged is passed over: what it told is then missing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn find(files: Vec<PathBuf>, of: &str) -> Result<Self, JournalError> {
        let (mut lines, mut whole) = (Vec::new(), Vec::new());
        for (number, path) in files.iter().enumerate() {
            let fail = |error| JournalError::File(path.clone(), error);
            let mut pieces: Vec<(i64, i64, u64)> = Vec::new();
            let mut file = File::open(path).map_err(fail)?;
            each_line(&mut file, |at, line| {
                let Ok(head) = serde_json::from_slice::<Head>(line) else { return Ok(()) };
                // Read whole, so that a line that cannot be applied is not counted on.
                if head.of != of || serde_json::from_slice::<Page>(line).is_err() {
                    return Ok(());
                }
                // A page that was begun and never ended says nothing: not even who is not on it.
                pieces.retain(|(from, to, _)| (*from, *to) == (head.from, head.to));
                pieces.push((head.from, head.to, at));
                if head.end {
                    whole.push((head.from, head.to));
                    lines.extend(pieces.drain(..).map(|(_, to, at)| (to, number, at)));
                }
                Ok(())
            })
            .map_err(fail)?;
        }
        lines.sort_unstable();
        Ok(Self { files, lines, whole })
    }

    /// How far they tell all that came after the change `since`.
    ///
    /// # Errors
    /// They do not.
    pub fn covered(&self, since: i64) -> Result<i64, Gap> {
        covered(self.whole.clone(), since)
    }

    /// The newest change that any of them tells of; 0 for none.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.lines.last().map_or(0, |(to, ..)| *to)
    }

    /// Gives the pages after the change `since`, the oldest first, piece by piece.
    ///
    /// # Errors
    /// A file that cannot be read, or what `f` returns.
    pub fn each<E: From<JournalError>>(&self, since: i64, mut f: impl FnMut(Page) -> Result<(), E>) -> Result<(), E> {
        for (_, number, at) in self.lines.iter().filter(|(to, ..)| *to > since) {
            let path = &self.files[*number];
            f(read_page(path, *at).map_err(|error| JournalError::File(path.clone(), error))?)?;
        }
        Ok(())
    }
}

fn read_page(path: &Path, at: u64) -> std::io::Result<Page> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    BufReader::new(file).take(LINE_MAX).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}
