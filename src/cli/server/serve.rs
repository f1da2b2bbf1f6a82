//! `keyrack serve`: from settings to a server that listens.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::web::Data;

use super::{CliError, ExitCode, act, alerts, first_run, say};
use crate::actions::{Origin as ActionOrigin, backup, people};
use crate::cli::log;
use crate::clock::Clock;
use crate::db::{self, Db};
use crate::domain::token::SecretHash;
use crate::gate::GateOptions;
use crate::gate::limit::Limiter;
use crate::settings::{Origin, SecurityTxt, SessionKey, Settings, file_beside, load_or_create};
use crate::web::{self, AlertWays, MetricsAccess, Scanning, State, WebConfig};

/// How long a database may take to store the last counts.
const LAST_WRITES: Duration = Duration::from_secs(8);
/// How long what is being sent may take when the server stops.
const LAST_ALERTS: Duration = Duration::from_secs(11);

/// Serves until a signal says stop.
pub(in crate::cli) fn serve(mut settings: Settings) -> Result<ExitCode, CliError> {
    log::start(&settings)?;
    // The port first: a second process on the same port then leaves the database alone.
    let listener = bind(&mut settings)?;
    let for_metrics = bind_metrics(&settings)?;
    let db = Db::open(settings.database_url.as_str())?.with_journal(settings.journal_path());
    let _alone = db::be_the_only_server(&db)?;
    db::migrate(&db)?;
    start_journal(&db, &settings)?;
    let key = session_key(&settings)?;
    say(format!("Keyrack {}", env!("CARGO_PKG_VERSION")));
    say(format!("  listening on  http://{}", settings.listen));
    say(format!("  public URL    {}", settings.public_url));
    say(format!("  database      {}", db.describe()));
    if let Some(address) = for_metrics.as_ref().and_then(|listener| listener.local_addr().ok()) {
        say(format!("  metrics       http://{address}/metrics"));
    }
    for warning in settings.warnings() {
        say(format!("\nWarning: {warning}"));
    }
    first_run::welcome(&db, &settings)?;
    run(&settings, db, &key, listener, for_metrics)
}

/// Listens before anything else is touched.
pub(super) fn bind(settings: &mut Settings) -> Result<TcpListener, CliError> {
    let explain = |error: std::io::Error, settings: &Settings| {
        let place = match settings.origin("listen") {
            Origin::Flag(name) => name,
            Origin::Default | Origin::File(_) | Origin::Variable(_) => "KEYRACK_LISTEN".to_owned(),
        };
        CliError::new(format!("{place}: cannot listen on {}: {error}", settings.listen))
    };
    let listener = TcpListener::bind(settings.listen).map_err(|error| explain(error, settings))?;
    let address = listener.local_addr().map_err(|error| explain(error, settings))?;
    settings.bound_to(address);
    Ok(listener)
}

fn bind_metrics(settings: &Settings) -> Result<Option<TcpListener>, CliError> {
    let bound = settings.metrics_listen.map(|address| TcpListener::bind(address).map_err(|error| (address, error)));
    bound.transpose().map_err(|(address, error)| {
        CliError::new(format!("KEYRACK_METRICS_LISTEN: cannot listen on {address}: {error}"))
    })
}

/// Rather no start than revocations that are noted nowhere, or that an old copy of the database has lost.
fn start_journal(db: &Db, settings: &Settings) -> Result<(), CliError> {
    let Some(journal) = db.journal() else { return Ok(()) };
    let caught_up = act(db, settings, |conn, ctx| backup::catch_up(conn, ctx, journal.path()))?;
    if let Some(report) = caught_up {
        say(format!(
            "\nWarning: this database is an old copy. What was taken away since, by {}, was taken away again: keys revoked: \
             {}, secrets replaced: {}, accounts: {}, memberships, plans and owners: {}.",
            journal.path().display(),
            report.keys,
            report.secrets,
            report.people,
            report.changes
        ));
        report.notes.iter().for_each(|text| say(format!("Warning: {text}")));
    }
    let followed = db.run(|conn| Ok::<_, CliError>(journal.follow(conn)))?;
    followed.map_err(|error| CliError::new(format!("KEYRACK_REVOCATION_JOURNAL: {error}")))
}

fn session_key(settings: &Settings) -> Result<SessionKey, CliError> {
    match &settings.session_key {
        Some(key) => Ok(key.clone()),
        None => load_or_create(&file_beside(settings.database_url.sqlite_path())).map_err(CliError::new),
    }
}

/// Runs the server on a listening socket.
pub(super) fn run(
    settings: &Settings,
    db: Db,
    key: &SessionKey,
    listener: TcpListener,
    for_metrics: Option<TcpListener>,
) -> Result<ExitCode, CliError> {
    let limiter = match &settings.redis_url {
        Some(url) => Limiter::with_redis(url.expose()).map_err(CliError::new)?,
        None => Limiter::default(),
    };
    let options = GateOptions { limiter, events_per_second: settings.records.events_per_second };
    let config = web_config(settings, key);
    let courier = alerts::courier(settings, db.clone(), key)?;
    let state = State::new(db, settings.rules(), Clock::system(), config, options).map_err(CliError::new)?;
    let state = Data::new(state);
    courier.start().map_err(|error| CliError::new(format!("alerts cannot be sent: {error}")))?;
    let work = async move {
        actix_web::rt::spawn(clean_up_regularly(state.clone()));
        let gate = state.gate.clone();
        actix_web::rt::spawn(async move { gate.keep_connected().await });
        let served = web::serve(state.clone(), listener, for_metrics).await;
        let closed = actix_web::rt::time::timeout(LAST_WRITES, actix_web::web::block(move || close(&state)));
        if closed.await.is_err() {
            tracing::error!("the last counts could not be written in time");
        }
        // Last, because an alert that is being sent may take its time; one that is cut off goes out again.
        let sent = actix_web::rt::time::timeout(LAST_ALERTS, actix_web::web::block(move || courier.stop()));
        if sent.await.is_err() {
            tracing::warn!("an alert is still being sent; it goes out again");
        }
        served
    };
    let served = actix_web::rt::System::new().block_on(work);
    served.map_err(|error| CliError::new(format!("the server stopped: {error}")))?;
    tracing::info!("stopped");
    Ok(ExitCode::Ok)
}

/// Every request is answered by now: writes what is only in memory, and leaves the other nodes, so that none waits for this one's lease to run out.
fn close(state: &State) {
    if let Err(error) = state.gate.flush() {
        tracing::error!(%error, "the last counts could not be written");
    }
    state.gate.stop();
}

/// Clears away what can no longer matter. Nothing depends on it, so a failure waits for the next time.
async fn clean_up_regularly(state: Data<State>) {
    let mut ticks = actix_web::rt::time::interval(Duration::from_secs(300));
    loop {
        ticks.tick().await;
        let origin = ActionOrigin { via: "server", ..ActionOrigin::default() };
        let db = state.db.clone();
        // Of other nodes' changes nobody here has heard. Failures are logged where they happen.
        let _ = actix_web::web::block(move || db.follow_journal()).await;
        match state.run(origin, people::clean_up).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "cleaned up"),
            Err(error) => tracing::warn!(%error, "could not clean up"),
        }
    }
}

fn web_config(settings: &Settings, key: &SessionKey) -> WebConfig {
    let brand = &settings.brand;
    WebConfig {
        product: brand.name.clone(),
        cli_name: brand.cli_name.clone(),
        env_prefix: brand.env_prefix.clone(),
        project_file: brand.project_file.clone(),
        support_url: brand.support_url.clone(),
        plans_url: brand.plans_url.clone(),
        billing_secrets: settings.billing_secrets.iter().map(|secret| secret.expose().to_owned()).collect(),
        scanning: Scanning {
            github_keys_url: settings.scanning.github_keys_url.clone(),
            gitlab_keys_url: settings.scanning.gitlab_keys_url.clone(),
        },
        public_url: settings.public_url.as_str().to_owned(),
        secure_cookies: settings.has_secure_cookies(),
        is_https: settings.public_url.uses_https(),
        session_key: key.as_bytes().to_vec(),
        trusted_proxies: settings.trusted_proxies.clone(),
        security_txt: settings.security_txt.as_ref().map(|entry| security_txt(entry, settings)),
        key_lead: settings.keys.format().lead(settings.keys.format().environments()[0]),
        cli_reference: crate::cli::reference(&brand.cli_name),
        metrics: MetricsAccess {
            token: settings.metrics_token.as_ref().map(|token| SecretHash::of(token.expose())),
            elsewhere: settings.metrics_listen.is_some(),
        },
        alerts: AlertWays { has_mail: settings.smtp.is_some(), private_webhooks: settings.alerts.private_webhooks },
    }
}

/// RFC 9116.
fn security_txt(entry: &SecurityTxt, settings: &Settings) -> String {
    format!(
        "Contact: {}\nExpires: {}\nCanonical: {}/.well-known/security.txt\n",
        entry.contact, entry.expires, settings.public_url
    )
}
