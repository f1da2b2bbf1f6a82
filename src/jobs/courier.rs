//! Sends alerts. One thread finds recipients and what has come due, one sends e-mail, some send webhooks; any number of
//! servers may do so beside each other. What they are to do stands in the database, and what was taken and not finished is
//! taken up again: an alert goes out at least once, under an id that stays the same.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::hooks::HookSender;
use super::mail::MailSender;
use crate::actions::alerts::courier::{Outcome, note_hook, note_mail, take_hook, take_mail};
use crate::actions::alerts::letter::{self, LaidOut, Letter};
use crate::actions::alerts::{Seal, Ways, fan_out, sweep};
use crate::actions::{AppError, Ctx, Origin};
use crate::clock::Clock;
use crate::db::{Conn, Db};
use crate::domain::rules::Rules;
use crate::domain::time::Span;

/// How often is looked for something to do.
const EVERY: Duration = Duration::from_millis(500);
/// After a failure of the database.
const LATER: Duration = Duration::from_secs(5);
/// Threads that send webhooks: so many may answer slowly before others wait.
const HOOK_THREADS: usize = 3;

/// What it takes to send alerts.
pub struct CourierOptions {
    /// The database.
    pub db: Db,
    /// The operator's choices.
    pub rules: Rules,
    /// What time it is.
    pub clock: Clock,
    /// Opens the endpoints' secrets.
    pub seal: Seal,
    /// Sends webhooks.
    pub hooks: HookSender,
    /// Sends e-mail, where a server is set.
    pub mail: Option<MailSender>,
    /// How long an e-mail waits for other alerts to take along.
    pub digest: Span,
    /// The product's name for people.
    pub product: String,
    /// The address of the site, without a slash at its end.
    pub public_url: String,
    /// Lays a letter out.
    pub lay_out: fn(&Letter) -> Result<LaidOut, String>,
}

/// Sends alerts until it is stopped.
pub struct Courier {
    options: Arc<CourierOptions>,
    stop: Arc<Stop>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}

#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    /// Waits for so long; says whether it is to stop.
    fn wait(&self, time: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(asked, time, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// One step of work; says whether there was any. What it is given is called once it has taken something that is its alone.
type Step = fn(&CourierOptions, &mut dyn FnMut()) -> Result<bool, AppError>;

/// How long to wait before the next look. Of the threads that do the same only the one that holds it looks: the others would
/// ask the database the same, and at the same moment.
type Turn = Arc<Mutex<Duration>>;

impl Courier {
    /// Does nothing until it is started, or asked to work off what is there.
    #[must_use]
    pub fn new(options: CourierOptions) -> Self {
        Self { options: Arc::new(options), stop: Arc::default(), threads: Mutex::default() }
    }

    /// Begins to work, on threads of its own.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(&self) -> std::io::Result<()> {
        self.spawn("alerts", Turn::default(), |options, _| prepare(options))?;
        if self.options.mail.is_some() {
            self.spawn("alerts-mail", Turn::default(), |options, _| send_mail(options))?;
        }
        let turn = Turn::default();
        (0..HOOK_THREADS).try_for_each(|number| self.spawn(&format!("alerts-hook-{number}"), turn.clone(), send_hook))
    }

    fn spawn(&self, name: &str, turn: Turn, step: Step) -> std::io::Result<()> {
        let (options, stop) = (self.options.clone(), self.stop.clone());
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&options, &stop, &turn, step))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Finds on this thread the recipients of what was raised, and what has come due; sends nothing.
    ///
    /// # Errors
    /// The database's own failure.
    pub fn prepare(&self) -> Result<(), AppError> {
        while prepare(&self.options)? {}
        Ok(())
    }

    /// Does on this thread all there is to do right now. Returns how many times something was sent.
    ///
    /// # Errors
    /// The database's own failure.
    pub fn work_off(&self) -> Result<usize, AppError> {
        let mut sent = 0;
        self.prepare()?;
        while send_mail(&self.options)? || send_hook(&self.options, &mut || ())? {
            sent += 1;
        }
        Ok(sent)
    }

    /// Lets what is being sent be finished, and begins nothing new.
    pub fn stop(&self) {
        self.stop.ask();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(options: &CourierOptions, stop: &Stop, turn: &Mutex<Duration>, step: Step) {
    let mut is_failing = false;
    let mut own_pause = Duration::ZERO;
    while !stop.wait(own_pause) {
        let pause = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.wait(*pause) {
            return;
        }
        let mut turn = Some(pause);
        let mut pass_on = || {
            if let Some(mut pause) = turn.take() {
                *pause = Duration::ZERO;
            }
        };
        let pause = match step(options, &mut pass_on) {
            Ok(has_more) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!("alerts are sent again");
                }
                if has_more { Duration::ZERO } else { EVERY }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "alerts cannot be sent; they are kept");
                }
                LATER
            }
        };
        // Where the others look again, a failure holds up this thread alone.
        own_pause = if is_failing && turn.is_none() { pause } else { Duration::ZERO };
        if let Some(mut before) = turn {
            *before = pause;
        }
    }
}

impl CourierOptions {
    fn run<T>(&self, f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError>) -> Result<T, AppError> {
        let origin = Origin { via: "server", ..Origin::default() };
        let ctx = Ctx { rules: &self.rules, clock: &self.clock, origin: &origin };
        self.db.run(|conn| f(conn, ctx))
    }
}

fn prepare(options: &CourierOptions) -> Result<bool, AppError> {
    let ways = Ways { has_mail: options.mail.is_some(), digest: options.digest };
    options.run(|conn, ctx| {
        let found = sweep(conn, ctx)?;
        Ok(found + fan_out(conn, ctx, ways)? > 0)
    })
}

fn send_hook(options: &CourierOptions, has_taken: &mut dyn FnMut()) -> Result<bool, AppError> {
    let Some(hook) = options.run(|conn, ctx| take_hook(conn, ctx, &options.seal))? else { return Ok(false) };
    has_taken();
    let id = &hook.delivery.id;
    let outcome = match &hook.request {
        Ok(request) => options.hooks.send(id.as_str(), request),
        Err(why) => not_sent(why),
    };
    tracing::debug!(delivery = %id, status = outcome.status, outcome = outcome.words, "webhook");
    options.run(|conn, ctx| note_hook(conn, ctx, &hook, &outcome))?;
    Ok(true)
}

fn send_mail(options: &CourierOptions) -> Result<bool, AppError> {
    let Some(sender) = &options.mail else { return Ok(false) };
    let Some(mail) = options.run(take_mail)? else { return Ok(false) };
    let outcome = match &mail.to {
        Ok((member, org)) => {
            let letter = letter::write(&mail, (&member.user, org), &options.product, &options.public_url);
            match (options.lay_out)(&letter) {
                Ok(body) => sender.send(&mail.message, &member.user.email, &letter, body, mail.at),
                Err(why) => not_sent(&why),
            }
        }
        Err(why) => not_sent(why),
    };
    if !outcome.arrived {
        tracing::warn!(
            message = mail.message,
            status = outcome.status,
            outcome = outcome.words,
            "an e-mail was not sent"
        );
    }
    options.run(|conn, ctx| note_mail(conn, ctx, &mail, &outcome))?;
    Ok(true)
}

fn not_sent(why: &str) -> Outcome {
    Outcome { status: None, words: why.to_owned(), arrived: false, is_final: true, duration_ms: 0 }
}
