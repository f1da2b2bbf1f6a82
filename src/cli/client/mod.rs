//! The client half of the command line: speaks HTTP to a server, never opens a database.
//!
//! `context` holds what every command starts from, `http` the way to the server, `out` and `prompt` the manners; each command has
//! a file of its own in `commands`. It must not know `actions`, `db`, `gate` or `web`.

mod answers;
mod args;
mod brand;
mod commands;
mod context;
mod credential;
mod draw;
mod env;
mod env_file;
mod fault;
mod http;
mod ids;
mod interrupt;
mod origin;
mod out;
mod project;
mod prompt;
mod proxy;
mod spinner;
mod store;
mod stream;
mod text;

use std::ffi::OsStr;
use std::path::PathBuf;

pub(super) use args::{ClientCommand, GLOBAL_IDS, Globals};
pub(super) use brand::Brand;
pub(super) use env::Environment;

use super::ExitCode;
use crate::clock::Clock;
use context::Context;
use out::Out;

/// As which product this process speaks, and its variables.
pub(super) fn introduce(started_as: &OsStr) -> (Brand, Environment) {
    let env = Environment::of_process();
    (Brand::find(started_as, &env), env)
}

/// How this run writes, for what goes wrong before a command begins.
pub(super) fn manners(globals: &Globals, env: &Environment) -> Out {
    Out::new(globals, env)
}

/// Runs a command of the client; `tree` is the whole command line, for completions and manual pages.
pub(super) fn run(
    command: ClientCommand,
    globals: Globals,
    brand: Brand,
    env: Environment,
    tree: clap::Command,
) -> ExitCode {
    interrupt::listen();
    let out = Out::new(&globals, &env);
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let context = Context { globals, env, brand, out, clock: Clock::system(), folder };
    match commands::run(&context, command, tree) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            context.out.error(&error);
            error.code
        }
    }
}
