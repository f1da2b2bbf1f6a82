//! Serving and stopping: the sockets, and what signals do.

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use futures_util::future::{Either, join, select};

use super::sending::{Connection, Outbox};
use super::{State, app, metrics};

/// How long requests under way may take when the server stops.
const LAST_REQUESTS: u64 = 10;
/// Longer than proxies keep the connections that they would use again, so that they end them and not we.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// Serves until a signal ends it. Requests under way are finished first; a second signal ends it at once.
///
/// # Errors
/// A socket cannot be listened on, or there was a second signal.
pub async fn serve(state: web::Data<State>, listener: TcpListener, for_metrics: Option<TcpListener>) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let mut server = server(state.clone(), listener, None)?;
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

/// A server that answers to what comes to this socket, with a thread for each core unless told how many; it has begun.
///
/// # Errors
/// The socket cannot be listened on.
// What the framework's `HttpServer` does, but with connections of our own. `AppConfig` cannot be told the address: what is made from it
// (a URL without a `Host`) would be wrong, so nothing here asks it.
pub fn server(state: web::Data<State>, listener: TcpListener, threads: Option<usize>) -> io::Result<Server> {
    let builder = Server::build().worker_max_blocking_threads(16).shutdown_timeout(LAST_REQUESTS).disable_signals();
    let builder = match threads {
        Some(threads) => builder.workers(threads),
        None => builder,
    };
    let address = listener.local_addr()?;
    let stop = builder.graceful_shutdown_signal();
    let builder = builder.listen("keyrack", listener, move || {
        let (stop, outbox) = (stop.clone(), Outbox::start());
        let app = app(state.clone()).map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .client_request_timeout(Duration::from_secs(10))
            .client_disconnect_timeout(Duration::from_secs(1))
            // Connections end themselves.
            .keep_alive(KeepAlive::Os)
            .local_addr(address)
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            ready(Ok((Connection::new(io, outbox.clone(), IDLE_MAX), Protocol::Http1, peer)))
        })
        .and_then(http)
    })?;
    Ok(builder.run())
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
