//! The app of a test behind a real socket.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::channel;

use actix_web::dev::ServerHandle;

use super::TestApp;

/// The app behind a socket, on threads of its own.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start(app: &TestApp) -> Self {
        app.catch_up();
        let (sender, receiver) = channel();
        let state = app.state.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let server = keyrack::web::server(state, listener, Some(2)).unwrap();
                sender.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        Self { address, handle, thread: Some(thread) }
    }

    pub(crate) async fn stop(mut self) {
        self.handle.stop(true).await;
        self.thread.take().unwrap().join().unwrap();
    }
}
