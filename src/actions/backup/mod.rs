//! Saving all data into one file, and putting it back without giving back what was taken away since.

mod apply;
mod file;
mod restore;
mod take;
mod upgrade;

use std::path::Path;

pub use apply::Report;
pub use restore::{Lost, RestoreOptions, Restored, catch_up, restore};
pub use take::{Taken, note_taken, take, take_into};

use super::AppError;

/// Reads a backup from beginning to end and checks that it is whole.
///
/// # Errors
/// It is not, or it cannot be read.
pub fn check(path: &Path) -> Result<(), AppError> {
    file::check(path).map(|_| ())
}

/// A refusal in words for whoever sits at the server's console.
fn refused(words: impl Into<String>) -> AppError {
    AppError::Conflict(words.into())
}

fn file_error(path: &Path, what: &str, error: &std::io::Error) -> AppError {
    refused(format!("{} {what}: {error}", path.display()))
}
