//! Questions, on a terminal only. Whoever asks says which flag answers in advance.

use std::io;

use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};

use super::out::Out;
use crate::cli::{CliError, ExitCode};

impl Out {
    /// Asks yes or no; Enter alone means no.
    ///
    /// # Errors
    /// `instead` as a mistake of usage when nobody can be asked; a silent end after Ctrl-C.
    pub(in crate::cli) fn confirm(&self, question: &str, instead: &str) -> Result<bool, CliError> {
        self.must_be_able_to_ask(instead)?;
        let theme = self.theme();
        let asked =
            Confirm::with_theme(&*theme).with_prompt(question).default(false).wait_for_newline(true).interact_opt();
        asked.map(|answer| answer.unwrap_or(false)).map_err(|error| broken_off(error.into()))
    }

    /// Asks for a line of text; an empty one is an answer too.
    ///
    /// # Errors
    /// Like [`Self::confirm`].
    pub(in crate::cli) fn ask(&self, question: &str, instead: &str) -> Result<String, CliError> {
        self.must_be_able_to_ask(instead)?;
        let theme = self.theme();
        let asked = Input::<String>::with_theme(&*theme).with_prompt(question).allow_empty(true).interact_text();
        asked.map(|text| text.trim().to_owned()).map_err(|error| broken_off(error.into()))
    }

    /// Lets one of several be picked; its number. Only where somebody can be asked.
    ///
    /// # Errors
    /// A silent end when none is picked.
    pub(in crate::cli) fn pick(&self, question: &str, choices: &[String]) -> Result<usize, CliError> {
        let theme = self.theme();
        let asked = Select::with_theme(&*theme).with_prompt(question).items(choices).default(0).interact_opt();
        asked.map_err(|error| broken_off(error.into()))?.ok_or_else(|| CliError::cancelled("Nothing was chosen."))
    }

    fn must_be_able_to_ask(&self, instead: &str) -> Result<(), CliError> {
        if self.may_ask() { Ok(()) } else { Err(CliError::usage(instead)) }
    }

    fn theme(&self) -> Box<dyn Theme> {
        if self.has_colours() { Box::new(ColorfulTheme::default()) } else { Box::new(SimpleTheme) }
    }
}

/// The terminal went away, or Ctrl-C: the thread that waits for that ends the process itself.
fn broken_off(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::Interrupted => super::interrupt::wait_for_the_end(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => CliError::silent(ExitCode::Cancelled),
        _ => CliError::of(ExitCode::Cancelled, format!("the question could not be asked: {error}")),
    }
}
