//! Writing to the two streams. A reader who went away ends nothing here: the exit code still says how it went.

use std::io::Write as _;

/// A line of data, on stdout.
pub(super) fn data(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A line of talk, on stderr.
pub(super) fn talk(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
