//! `keyrack demo`: a database of its own with people, keys and a history, gone when it ends.
//!
//! The history is made by the same actions as anybody's, under a clock that starts ninety days ago: no row is written
//! by hand, so nothing can be seen here that could not come about.

mod history;
mod story;
mod traffic;

use std::net::{SocketAddr, TcpListener};

use super::{CliError, ExitCode, say, serve};
use crate::cli::log;
use crate::db::{self, Db};
use crate::settings::{Origin, SessionKey, Settings};

const SETTINGS: &str = include_str!("keyrack.toml");
/// How many ports from the usual one on are tried.
const PORTS_TRIED: u16 = 20;

/// Makes the history and serves it.
pub(in crate::cli) fn demo(given: &Settings) -> Result<ExitCode, CliError> {
    let mut settings = Settings::from_toml(SETTINGS)?;
    settings.reach_like(given);
    log::start(&settings)?;
    let listener = bind(&mut settings)?;
    let folder = tempfile::Builder::new()
        .prefix("keyrack-demo-")
        .tempdir()
        .map_err(|error| CliError::new(format!("no temporary folder could be made: {error}")))?;
    let file = folder.path().join("demo.db");
    let db = Db::open(&format!("sqlite://{}", file.display()))?;
    db::migrate(&db)?;
    let told = history::make(&db, &settings)?;
    print(&settings, &told);
    let key = SessionKey::random().map_err(CliError::new)?;
    // The folder goes when this returns, however it ended.
    serve::run(&settings, db, &key, listener, None)
}

/// The address asked for, or the first free one from the usual port on.
fn bind(settings: &mut Settings) -> Result<TcpListener, CliError> {
    if settings.origin("listen") != Origin::Default {
        return serve::bind(settings);
    }
    let usual = settings.listen;
    let free = (0..PORTS_TRIED)
        .filter_map(|more| usual.port().checked_add(more))
        .find_map(|port| TcpListener::bind(SocketAddr::new(usual.ip(), port)).ok());
    let Some(listener) = free else { return serve::bind(settings) };
    let address = listener.local_addr().map_err(|error| CliError::new(error.to_string()))?;
    settings.bound_to(address);
    Ok(listener)
}

fn print(settings: &Settings, told: &history::Told) {
    let url = &settings.public_url;
    say(format!("Keyrack {}, a demonstration: everything in it is gone when it ends", env!("CARGO_PKG_VERSION")));
    say(format!("  listening on  http://{}", settings.listen));
    say(format!("  public URL    {url}\n"));
    say("Sign in as one of these:\n");
    for person in &told.people {
        say(format!("  {:<20} {:<22} {}", person.email, person.password, person.what));
    }
    say("\nA key to try, and to revoke on the page:\n");
    say(format!("  curl -H \"Authorization: Bearer {}\" {url}/v1/whoami\n", told.key));
}
