//! The four products, row by row: what their pages say, against the real program with that product's own configuration from
//! `examples/`. `rows.txt` is the list; `tests/run acceptance` prints it with what became of each row.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may stop at the first surprise, sleep, and read the environment"
)]

mod browser;
mod keystroke;
mod moved;
mod orbitkit;
mod outkit;
mod person;
mod product;
mod rndrkit;
mod rows;
mod shell;
mod support;
mod terminal;
mod upstream;
mod wire;
