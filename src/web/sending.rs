//! Sending answers. To wake whoever waits for an answer is a good part of what an answer costs, and one who is awake and reads need
//! not be woken for the next. So what is answered to several connections in one round of a thread's events is sent right after each
//! other, a few answers at a time; where there is only one, at the end of the round. A connection on which nothing is answered for
//! long ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

/// To so many connections is sent at once at most. With more, those who were answered first would wait for nothing and then ask again
/// all together, and one side would rest while the other works.
const TOGETHER: usize = 8;
/// What waits for a connection, in bytes at most. More is sent at once, without being copied.
const WAITING_MAX: usize = 8 * 1024;
/// How long one who does not read is waited for when the connection is no more wanted.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// The connections of a thread to which something is to be sent at the end of the round.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: RefCell<VecDeque<Rc<Shared>>>,
    sender: RefCell<Option<Waker>>,
}

impl Outbox {
    /// Sends at the end of each round, on the thread that calls this, for as long as it lives.
    pub(super) fn start() -> Rc<Self> {
        let outbox = Rc::<Self>::default();
        let here = outbox.clone();
        rt::spawn(poll_fn(move |cx| {
            here.sender.replace(Some(cx.waker().clone()));
            here.send();
            Poll::<()>::Pending
        }));
        outbox
    }

    fn add(&self, connection: Rc<Shared>) {
        let count = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.push_back(connection);
            waiting.len()
        };
        if count >= TOGETHER {
            self.send();
        } else if count == 1
            && let Some(sender) = &*self.sender.borrow()
        {
            // Behind all that is due in this round.
            sender.wake_by_ref();
        }
    }

    fn next(&self) -> Option<Rc<Shared>> {
        self.waiting.borrow_mut().pop_front()
    }

    fn send(&self) {
        while let Some(connection) = self.next() {
            connection.is_waiting.set(false);
            connection.send();
        }
    }
}

/// A connection to which is sent together with others, and which ends some time after its last answer.
pub(super) struct Connection {
    shared: Rc<Shared>,
    outbox: Rc<Outbox>,
    idle: Idle,
}

/// Ends a connection on which nothing was answered for `time_max` at least, and for twice as long at most. The timer is looked at
/// when it has run down and not set anew for each answer, which would take longer than to look up a key.
struct Idle {
    time_max: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    has_answered: bool,
    is_over: bool,
}

impl Idle {
    /// Wakes the task when it is worth to ask again.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(timer) = &self.timer {
            if !timer.is_elapsed() {
                return false;
            }
            // For good: what is answered after that is the last.
            self.is_over |= !self.has_answered;
            if self.is_over {
                return true;
            }
        }
        self.has_answered = false;
        let timer = self.timer.insert(Box::pin(sleep(self.time_max)));
        timer.as_mut().poll(cx).is_ready()
    }
}

struct Shared {
    io: RefCell<TcpStream>,
    /// What is to be sent.
    out: RefCell<Vec<u8>>,
    /// Whether it is in the outbox.
    is_waiting: Cell<bool>,
    /// Who is told when not all can be sent.
    task: RefCell<Option<Waker>>,
}

impl Shared {
    /// Sends what can be sent without waiting.
    fn send(&self) {
        let (io, mut out) = (self.io.borrow(), self.out.borrow_mut());
        let mut sent = 0;
        while sent < out.len() {
            let Ok(bytes @ 1..) = io.try_write(&out[sent..]) else {
                // It waits until there is room, or meets the failure.
                if let Some(task) = self.task.take() {
                    task.wake();
                }
                break;
            };
            sent += bytes;
        }
        out.drain(..sent);
    }

    /// Sends what is left, and waits where it must.
    fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut io, mut out) = (self.io.borrow_mut(), self.out.borrow_mut());
        while !out.is_empty() {
            let sent = ready!(Pin::new(&mut *io).poll_write(cx, &out))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            out.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl Connection {
    /// It ends when nothing was answered for `idle_max`, or for up to twice as long.
    pub(super) fn new(io: TcpStream, outbox: Rc<Outbox>, idle_max: Duration) -> Self {
        let shared = Shared {
            io: RefCell::new(io),
            out: RefCell::default(),
            is_waiting: Cell::new(false),
            task: RefCell::default(),
        };
        let idle = Idle { time_max: idle_max, timer: None, has_answered: false, is_over: false };
        Self { shared: Rc::new(shared), outbox, idle }
    }
}

impl AsyncRead for Connection {
    /// To the server an idle connection looks as if the client had ended it: what is being answered still is, and nothing more.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.idle.is_over(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.shared.io.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.idle.has_answered = true;
        let Self { shared, outbox, .. } = &*self;
        if shared.out.borrow().len() + buf.len() > WAITING_MAX {
            // The others do not wait until more of such answers are made.
            outbox.send();
            ready!(shared.poll_rest(cx))?;
            return Pin::new(&mut *shared.io.borrow_mut()).poll_write(cx, buf);
        }
        shared.out.borrow_mut().extend_from_slice(buf);
        if !shared.is_waiting.replace(true) {
            outbox.add(shared.clone());
        }
        Poll::Ready(Ok(buf.len()))
    }

    /// What waits counts as sent: it will be.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &self.shared;
        if !shared.is_waiting.get() {
            return shared.poll_rest(cx);
        }
        let mut task = shared.task.borrow_mut();
        if task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.shared.poll_rest(cx))?;
        Pin::new(&mut *self.shared.io.borrow_mut()).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    /// What counts as sent is sent, also when the connection ends with an error.
    fn drop(&mut self) {
        if self.shared.out.borrow().is_empty() {
            return;
        }
        let shared = self.shared.clone();
        rt::spawn(async move {
            let rest = poll_fn(|cx| shared.poll_rest(cx));
            // Nobody is left to be told.
            drop(timeout(LAST_BYTES, rest).await);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream as Socket};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use actix_web::rt::task::yield_now;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const IDLE_MAX: Duration = Duration::from_millis(500);

    #[derive(Default)]
    struct Told(AtomicBool);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    impl Told {
        fn take(&self) -> bool {
            self.0.swap(false, Ordering::SeqCst)
        }
    }

    async fn pair(outbox: &Rc<Outbox>) -> (Connection, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = Socket::connect(listener.local_addr().unwrap()).unwrap();
        there.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let here = listener.accept().unwrap().0;
        here.set_nonblocking(true).unwrap();
        let here = TcpStream::from_std(here).unwrap();
        // Before, the runtime does not even try.
        here.writable().await.unwrap();
        (Connection::new(here, outbox.clone(), IDLE_MAX), there)
    }

    fn write(connection: &mut Connection, cx: &mut Context<'_>, bytes: &[u8]) {
        let written = Pin::new(&mut *connection).poll_write(cx, bytes);
        assert!(matches!(written, Poll::Ready(Ok(count)) if count == bytes.len()), "{written:?}");
        let flushed = Pin::new(connection).poll_flush(cx);
        assert!(matches!(flushed, Poll::Ready(Ok(()))), "{flushed:?}");
    }

    async fn round(connection: &Connection) {
        while connection.shared.is_waiting.get() {
            yield_now().await;
        }
    }

    /// Writes to one who does not read, until not all can be sent of what counts as sent; what was written.
    async fn fill(connection: &mut Connection) -> Vec<u8> {
        let told = Arc::<Told>::default();
        let waker = Waker::from(told.clone());
        let mut cx = Context::from_waker(&waker);
        let mut written = Vec::new();
        loop {
            let bytes: Vec<u8> = (0..4000_usize).map(|at| ((written.len() + at) % 251) as u8).collect();
            write(connection, &mut cx, &bytes);
            written.extend(bytes);
            round(connection).await;
            let is_left = !connection.shared.out.borrow().is_empty();
            assert_eq!(told.take(), is_left, "told that something is left when there is, and only then");
            // The system may still find room.
            rt::time::sleep(Duration::from_millis(if is_left { 20 } else { 0 })).await;
            if is_left && Pin::new(&mut *connection).poll_flush(&mut cx).is_pending() {
                return written;
            }
        }
    }

    fn read(mut there: Socket, count: usize) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = vec![0; count];
            there.read_exact(&mut bytes).unwrap();
            bytes
        })
    }

    #[actix_web::test]
    async fn who_could_not_be_sent_all_is_sent_the_rest() {
        let outbox = Outbox::start();
        let (mut connection, there) = pair(&outbox).await;
        let written = fill(&mut connection).await;
        let reading = read(there, written.len());
        poll_fn(|cx| Pin::new(&mut connection).poll_flush(cx)).await.unwrap();
        assert!(reading.join().unwrap() == written, "not the bytes that were written");
    }

    #[actix_web::test]
    async fn what_counts_as_sent_is_sent_although_the_connection_ends() {
        let outbox = Outbox::start();
        let (mut connection, there) = pair(&outbox).await;
        let written = fill(&mut connection).await;
        drop(connection);
        let reading = read(there, written.len());
        while !reading.is_finished() {
            yield_now().await;
        }
        assert!(reading.join().unwrap() == written, "not the bytes that were written");
    }

    #[actix_web::test]
    async fn one_that_is_gone_keeps_nothing_from_the_others() {
        let outbox = Outbox::start();
        let told = Arc::<Told>::default();
        let waker = Waker::from(told.clone());
        let mut cx = Context::from_waker(&waker);
        for count in [TOGETHER - 1, TOGETHER, TOGETHER + 3] {
            let (mut here, mut there) = (Vec::new(), Vec::new());
            for _ in 0..count {
                let (connection, socket) = pair(&outbox).await;
                here.push(connection);
                there.push(Some(socket));
            }
            // It is told of the first, that nobody reads it, and can send nothing after that.
            write(&mut here[3], &mut cx, b"unread");
            round(&here[3]).await;
            rt::time::sleep(Duration::from_millis(5)).await;
            there[3] = None;
            told.take();
            for connection in &mut here {
                write(connection, &mut cx, b"answer");
            }
            round(&here[count - 1]).await;
            for there in there.iter_mut().flatten() {
                let mut bytes = [0; 6];
                there.read_exact(&mut bytes).unwrap();
                assert_eq!(&bytes, b"answer");
            }
            assert!(told.take(), "the one that is gone is not told");
            assert!(matches!(Pin::new(&mut here[3]).poll_flush(&mut cx), Poll::Ready(Err(_))));
        }
    }

    #[actix_web::test]
    async fn an_idle_connection_ends_and_one_that_is_answered_does_not() {
        let outbox = Outbox::start();
        let (mut connection, _there) = pair(&outbox).await;
        for _ in 0..6 {
            // An answer in each period; nothing is read meanwhile.
            connection.write_all(b"answer").await.unwrap();
            let read = timeout(IDLE_MAX / 2, connection.read_u8()).await;
            assert!(read.is_err(), "{read:?}");
        }
        let read = timeout(IDLE_MAX * 3, connection.read_u8()).await.expect("it goes on for ever");
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        connection.write_all(b"what was being answered").await.unwrap();
        connection.flush().await.unwrap();
        let read = timeout(IDLE_MAX / 2, connection.read_u8()).await.expect("it has begun anew");
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
