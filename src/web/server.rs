//! Serving and stopping: the sockets, and what signals do.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use futures_util::future::{Either, join, select};

use super::{State, app, metrics};

/// How long requests under way may take when the server stops.
const LAST_REQUESTS: u64 = 10;

/// Serves until a signal ends it. Requests under way are finished first; a second signal ends it at once.
///
/// # Errors
/// A socket cannot be listened on, or there was a second signal.
pub async fn serve(state: web::Data<State>, listener: TcpListener, for_metrics: Option<TcpListener>) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let mut server = main_server(state.clone(), listener)?;
    let beside = for_metrics.map(|listener| metrics_server(state.clone(), listener)).transpose()?;
    let beside = beside.map(|server| (server.handle(), actix_web::rt::spawn(server)));
    if let Either::Left((ended, _)) = select(&mut server, std::pin::pin!(signals.next())).await {
        return ended;
    }
    tracing::info!("stopping: requests under way are finished first");
    state.running.stop();
    let stop = server.handle().stop(true);
    let second_signal = std::pin::pin!(signals.next());
    let ended = match select(std::pin::pin!(join(server, stop)), second_signal).await {
        Either::Left(((ended, ()), _)) => ended,
        Either::Right(_) => Err(io::Error::new(io::ErrorKind::Interrupted, "a second signal ended it at once")),
    };
    if let Some((handle, _)) = beside {
        handle.stop(false).await;
    }
    ended
}

fn main_server(state: web::Data<State>, listener: TcpListener) -> io::Result<Server> {
    let server = HttpServer::new(move || app(state.clone()))
        .worker_max_blocking_threads(16)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(LAST_REQUESTS)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

fn metrics_server(state: web::Data<State>, listener: TcpListener) -> io::Result<Server> {
    let app = move || App::new().app_data(state.clone()).route("/metrics", web::get().to(metrics::serve_beside));
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

/// The signals that ask a process to end.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        let (terminate, interrupt) = (self.terminate.recv(), self.interrupt.recv());
        select(std::pin::pin!(terminate), std::pin::pin!(interrupt)).await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a way to be told there is nothing to wait for but the end of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
