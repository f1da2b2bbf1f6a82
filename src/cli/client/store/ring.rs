//! The system's keyring. It may be locked, or nobody may answer: each question has a time limit, after which there is none.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::settings::Hidden;

/// How long the keyring may take; it may have to ask for its password.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the keyring was of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKeyring {
    /// There is none, or it refused.
    Absent,
    /// It did not answer in time.
    Silent,
}

/// Keeps a token.
pub(super) fn set(service: &str, user: &str, token: &Hidden) -> Result<(), NoKeyring> {
    let token = token.expose().to_owned();
    ask(service, user, move |entry| entry.set_password(&token))
}

/// The token that was kept, if any.
pub(super) fn get(service: &str, user: &str) -> Result<Option<Hidden>, NoKeyring> {
    ask(service, user, |entry| match entry.get_password() {
        Ok(token) => Ok(Some(Hidden::new(token))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(error),
    })
}

/// Forgets a token.
pub(super) fn delete(service: &str, user: &str) -> Result<(), NoKeyring> {
    ask(service, user, |entry| match entry.delete_credential() {
        Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
        Err(error) => Err(error),
    })
}

fn ask<T: Send + 'static>(
    service: &str,
    user: &str,
    question: impl FnOnce(&keyring::Entry) -> keyring::Result<T> + Send + 'static,
) -> Result<T, NoKeyring> {
    let (sender, receiver) = channel();
    let (service, user) = (service.to_owned(), user.to_owned());
    // The thread is left behind when nobody answers; it ends with the process.
    std::thread::spawn(move || {
        let answer = keyring::Entry::new(&service, &user).and_then(|entry| question(&entry));
        let _ = sender.send(answer);
    });
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(NoKeyring::Absent),
        Err(_) => Err(NoKeyring::Silent),
    }
}
