//! What every handler shares.

use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use super::docs::Docs;
use super::metrics::MetricsAccess;
use super::partners::{Partners, Scanning};
use super::readers::Readers;
use super::running::{Running, block};
use super::streams::Streams;
use crate::actions::{AppError, Ctx, Origin};
use crate::clock::Clock;
use crate::db::{Conn, Db};
use crate::domain::rules::Rules;
use crate::gate::{Gate, GateOptions};

/// What the web needs to know of the settings.
#[derive(Clone)]
pub struct WebConfig {
    /// The product's name for people.
    pub product: String,
    /// The name of its command line.
    pub cli_name: String,
    /// What its environment variables begin with, without the last underscore.
    pub env_prefix: String,
    /// The name of the command line's project file.
    pub project_file: String,
    /// Where the product's people get help, or nothing.
    pub support_url: Option<String>,
    /// Where plans are bought, or nothing.
    pub plans_url: Option<String>,
    /// What the events of billing are signed with; empty: none are taken.
    pub billing_secrets: Vec<String>,
    /// Who may report keys that leaked.
    pub scanning: Scanning,
    /// The address that people and programs use, without a slash at its end.
    pub public_url: String,
    /// Whether cookies may be marked Secure: https, or http on this machine only.
    pub secure_cookies: bool,
    /// Whether `public_url` is https.
    pub is_https: bool,
    /// 64 bytes that sign the session cookie.
    pub session_key: Vec<u8>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The text of `/.well-known/security.txt`, where the operator gave a contact.
    pub security_txt: Option<String>,
    /// What every key begins with.
    pub key_lead: String,
    /// The reference of the command line, in Markdown.
    pub cli_reference: String,
    /// Who may read `/metrics`, and where.
    pub metrics: MetricsAccess,
    /// How alerts leave this server.
    pub alerts: AlertWays,
}

/// How alerts leave this server.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertWays {
    /// Whether it can send e-mail.
    pub has_mail: bool,
    /// Whether webhooks may go to http and private addresses.
    pub private_webhooks: bool,
}

impl WebConfig {
    /// `__Host-` binds the cookie to this host, where the browser takes it.
    #[must_use]
    pub fn session_cookie(&self) -> &'static str {
        if self.secure_cookies { "__Host-session" } else { "session" }
    }
}

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Shared>);

impl std::ops::Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Behind [`State`].
pub struct Shared {
    /// The database.
    pub db: Db,
    /// The operator's choices.
    pub rules: Rules,
    /// What time it is.
    pub clock: Clock,
    /// What the web needs to know of the settings.
    pub config: WebConfig,
    /// How the server runs, and whether it is about to stop.
    pub running: Running,
    /// Where the database is looked at for pages.
    pub readers: Readers,
    /// The documentation.
    pub docs: Docs,
    /// Those who follow events.
    pub streams: Streams,
    /// The check.
    pub gate: Gate,
    /// Those who may report keys that leaked.
    pub partners: Partners,
    /// Places for password hashing: each takes 19 MiB and a core for some time.
    pub hashing: Arc<Semaphore>,
}

impl State {
    /// Puts it together, which reads all keys into memory.
    ///
    /// # Errors
    /// The database's own failure, in words.
    pub fn new(db: Db, rules: Rules, clock: Clock, config: WebConfig, options: GateOptions) -> Result<Self, String> {
        let gate = Gate::open(&db, &rules, &clock, options)?;
        let docs = Docs::new(&config);
        let running = Running::since(clock.now());
        let readers = Readers::new(db.readers(), db.is_sqlite()).map_err(|error| error.to_string())?;
        let (streams, hashing) = (Streams::new(db.clone()), Arc::new(Semaphore::new(2)));
        let partners = Partners::new(&config.scanning);
        Ok(Self(Arc::new(Shared {
            db,
            rules,
            clock,
            config,
            docs,
            running,
            readers,
            streams,
            gate,
            partners,
            hashing,
        })))
    }

    /// Runs `f` with a connection, away from the threads that answer requests. When it changed what the check knows,
    /// this waits until every node has followed: so that whoever is told that a thing is done can rely on it.
    ///
    /// # Errors
    /// `Unavailable` without a connection, else what `f` returns.
    pub async fn run<T: Send + 'static>(
        &self,
        origin: Origin,
        f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let state = self.clone();
        let run = move || {
            let ctx = Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
            state.db.deed(|conn| f(conn, ctx))
        };
        let (result, changed) = block(run).await.map_err(|error| AppError::Internal(anyhow::Error::new(error)))?;
        if let Some(seq) = changed {
            self.gate.settled(seq).await;
        }
        result
    }

    /// Runs `f`, which only reads and does not take long, with a connection, on the threads that there are for it.
    ///
    /// # Errors
    /// `Unavailable` without a connection, else what `f` returns.
    pub async fn look<T: Send + 'static>(
        &self,
        origin: Origin,
        f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let state = self.clone();
        let look = move || {
            let ctx = Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
            state.db.run(|conn| f(conn, ctx))
        };
        self.readers.look(look).await.map_err(AppError::Internal)?
    }

    /// Runs slow work on a password, a bounded number at once.
    ///
    /// # Errors
    /// What `f` returns.
    pub async fn hash<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let place = self.hashing.clone().acquire_owned().await;
        let place = place.map_err(|error| AppError::Internal(anyhow::Error::new(error)))?;
        // The place goes with the work: a client that hangs up must not make room for more of it.
        let work = move || {
            let _place = place;
            f()
        };
        block(work).await.map_err(|error| AppError::Internal(anyhow::Error::new(error)))?
    }
}
