//! A few threads for short looks at the database. Were they as many as the requests that are answered at a time, each would
//! find the processor's caches filled by the others; that costs as much as the look. What may take long, or waits for others
//! as a deed does, belongs to [`super::running::block`].

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use actix_web::rt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tracing::Span;

use crate::clock::Moment;

/// While more looks wait, so many answers at most are handed over together, and after this time none is begun that the first of
/// them would have to wait for: the thread that sends them would otherwise be woken for each, and on a busy processor take this
/// one's place each time.
const TOGETHER_MAX: usize = 16;
const HELD_MAX: Duration = Duration::from_millis(1);

/// Hands over what a look found.
type Answer = Box<dyn FnOnce() + Send>;
type Look = Box<dyn FnOnce() -> Answer + Send>;

/// Where the answers for one of the threads that answer requests go, and are handed over by that thread itself.
type Mailbox = UnboundedSender<Vec<Answer>>;

thread_local! {
    static MAILBOX: RefCell<Option<Mailbox>> = const { RefCell::new(None) };
}

/// This thread's.
fn mailbox() -> Mailbox {
    MAILBOX.with_borrow_mut(|mailbox| {
        if let Some(mailbox) = mailbox.as_ref().filter(|mailbox| !mailbox.is_closed()) {
            return mailbox.clone();
        }
        let (sender, mut mail) = unbounded_channel::<Vec<Answer>>();
        rt::spawn(async move {
            while let Some(answers) = mail.recv().await {
                answers.into_iter().for_each(|answer| answer());
            }
        });
        mailbox.insert(sender).clone()
    })
}

/// Answers that wait to be handed over together.
#[derive(Default)]
struct Held(Vec<(Mailbox, Vec<Answer>)>);

impl Held {
    fn put(&mut self, mailbox: Mailbox, answer: Answer) {
        match self.0.iter_mut().find(|(other, _)| other.same_channel(&mailbox)) {
            Some((_, answers)) => answers.push(answer),
            None => self.0.push((mailbox, vec![answer])),
        }
    }

    fn send(&mut self) {
        for (mailbox, answers) in self.0.drain(..) {
            // Nobody is there any more where that thread has ended.
            let _ = mailbox.send(answers);
        }
    }
}

#[derive(Default)]
struct Queue {
    looks: VecDeque<(Mailbox, Look)>,
    /// Threads that have nothing to do.
    idle: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    bell: Condvar,
    /// Whether answers are handed over together.
    holds: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next look; nothing when there will be none any more.
    fn next(&self) -> Option<(Mailbox, Look)> {
        let mut queue = self.queue();
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(look) = queue.looks.pop_front() {
                return Some(look);
            }
            queue.idle += 1;
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    fn serve(&self) {
        let mut held = Held::default();
        while let Some((mailbox, look)) = self.next() {
            let since = Moment::now();
            held.put(mailbox, look());
            let mut count = 1;
            while self.holds && count < TOGETHER_MAX && since.elapsed() < HELD_MAX {
                // Not while waiting for more: only what is there already.
                let Some((mailbox, look)) = self.queue().looks.pop_front() else { break };
                held.put(mailbox, look());
                count += 1;
            }
            held.send();
        }
    }
}

/// The threads.
pub struct Readers(Arc<Shared>);

impl Readers {
    /// So many. Answers may only be held back where looks keep the processor busy, and do not wait for a server.
    ///
    /// # Errors
    /// The system has no room for them.
    pub fn new(threads: usize, holds: bool) -> std::io::Result<Self> {
        let readers = Self(Arc::new(Shared { holds, ..Shared::default() }));
        for _ in 0..threads {
            let shared = readers.0.clone();
            Builder::new().name("reader".to_owned()).spawn(move || shared.serve())?;
        }
        Ok(readers)
    }

    /// Runs a short look, unless nobody waits for it any more. What it logs belongs to the same request.
    ///
    /// # Errors
    /// The work panicked, or the server stops.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, anyhow::Error> {
        let (sender, receiver) = oneshot::channel();
        let span = Span::current();
        let look: Look = Box::new(move || {
            if sender.is_closed() {
                return Box::new(|| ());
            }
            let found = catch_unwind(AssertUnwindSafe(|| span.in_scope(work)));
            // Whoever asked may have left meanwhile.
            Box::new(move || drop(sender.send(found)))
        });
        let is_somebody_idle = {
            let mut queue = self.0.queue();
            queue.looks.push_back((mailbox(), look));
            queue.idle > 0
        };
        if is_somebody_idle {
            self.0.bell.notify_one();
        }
        let found = receiver.await.map_err(|_| anyhow::anyhow!("the server stops"))?;
        found.map_err(|_| anyhow::anyhow!("a look at the database panicked"))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_closed = true;
        queue.looks.clear();
        drop(queue);
        self.0.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    #[actix_web::test]
    async fn looks_are_answered_and_one_that_panics_harms_no_other() {
        let readers = Readers::new(2, true).unwrap();
        let looks = (0..100).map(|number| {
            readers.look(move || {
                assert_ne!(number % 10, 7, "it is one of those that panic");
                number
            })
        });
        let answers = join_all(looks).await;
        for (number, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(found) => assert_eq!(found, number),
                Err(error) => assert_eq!((number % 10, error.to_string().contains("panicked")), (7, true)),
            }
        }
        assert_eq!(readers.look(|| 1).await.unwrap(), 1);
    }

    #[actix_web::test]
    async fn an_answer_waits_for_a_few_others_at_most() {
        let readers = Readers::new(1, true).unwrap();
        let (told, heard) = mpsc::channel::<()>();
        let first = async {
            readers.look(|| ()).await.unwrap();
            told.send(()).unwrap();
        };
        let between = join_all((0..TOGETHER_MAX).map(|_| readers.look(|| ())));
        // This one ends only when the first was answered.
        let last = readers.look(move || heard.recv_timeout(Duration::from_secs(20)));
        let ((), between, last) = futures_util::join!(first, between, last);
        assert!(between.into_iter().all(|found| found.is_ok()));
        last.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn what_nobody_waits_for_is_not_looked_at() {
        let readers = Readers::new(1, true).unwrap();
        let (begin, wait) = mpsc::channel::<()>();
        let mut slow = Box::pin(readers.look(move || wait.recv_timeout(Duration::from_secs(20))));
        assert!(futures_util::poll!(&mut slow).is_pending());
        let (seen, was_seen) = mpsc::channel::<()>();
        let mut left = Box::pin(readers.look(move || seen.send(())));
        assert!(futures_util::poll!(&mut left).is_pending());
        drop(left);
        begin.send(()).unwrap();
        slow.await.unwrap().unwrap();
        readers.look(|| ()).await.unwrap();
        assert!(was_seen.recv().is_err());
    }
}
