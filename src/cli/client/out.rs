//! What the client writes: data on stdout, talk on stderr, each as suits who reads it, a person at a terminal or a program.

use std::io::{self, IsTerminal as _, Write as _};

use clap::builder::styling::{AnsiColor, Effects, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use dialoguer::console::{Term, measure_text_width};
use serde_json::{Value, json};

use super::args::Globals;
use super::env::Environment;
use super::spinner::Spinner;
use super::text;
use crate::cli::{CliError, ExitCode};

/// The manners of this run.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Out {
    json: bool,
    quiet: bool,
    may_ask: bool,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    colours_out: bool,
    colours_err: bool,
    is_dumb: bool,
}

/// How a piece of text looks, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Look {
    /// As it is.
    Plain,
    /// Emphasised.
    Strong,
    /// Of less weight.
    Faint,
    /// All is well.
    Good,
    /// Take care.
    Warning,
    /// Wrong.
    Bad,
}

impl Out {
    pub(in crate::cli) fn new(globals: &Globals, env: &Environment) -> Self {
        let is_dumb = env.get("TERM").is_some_and(|term| term == "dumb");
        let forced = env.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = globals.no_color || env.get("NO_COLOR").is_some();
        let colours = |is_terminal: bool| !refused && (forced || is_terminal && !is_dumb);
        let terminals = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
        let [stdin_is_terminal, stdout_is_terminal, stderr_is_terminal] = terminals;
        Self {
            json: globals.json,
            quiet: globals.quiet,
            may_ask: stdin_is_terminal && stderr_is_terminal && !globals.no_input && !globals.json,
            stdin_is_terminal,
            stdout_is_terminal,
            stderr_is_terminal,
            colours_out: colours(stdout_is_terminal) && !globals.json,
            colours_err: colours(stderr_is_terminal),
            is_dumb,
        }
    }

    /// Whether JSON was asked for.
    pub(in crate::cli) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only data and errors are wanted.
    pub(in crate::cli) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person reads the data: on a terminal, and not as JSON.
    pub(in crate::cli) fn is_for_a_person(&self) -> bool {
        self.stdout_is_terminal && !self.json
    }

    /// Whether a person sits at a terminal and wants text: questions and waiting make sense.
    pub(in crate::cli) fn is_interactive(&self) -> bool {
        self.stdin_is_terminal && self.stderr_is_terminal && !self.json
    }

    /// Whether somebody can be asked.
    pub(in crate::cli) fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// Whether talk is coloured.
    pub(in crate::cli) fn has_colours(&self) -> bool {
        self.colours_err
    }

    /// Whether the talk is read on a terminal that can move its cursor.
    pub(in crate::cli) fn talk_can_move(&self) -> bool {
        self.stderr_is_terminal && !self.is_dumb && !self.json && !self.quiet
    }

    /// Whether the data is read on a terminal that can move its cursor.
    pub(in crate::cli) fn data_can_move(&self) -> bool {
        self.is_for_a_person() && !self.is_dumb
    }

    /// How many rows of the screen a line of data takes.
    pub(in crate::cli) fn rows_of(&self, line: &str) -> usize {
        measure_text_width(line).div_ceil(usize::from(columns())).max(1)
    }

    /// A line of data. It must be clean already: see [`text::clean`].
    ///
    /// # Errors
    /// A silent one when nobody reads any more, else why it could not be written.
    pub(in crate::cli) fn data(&self, line: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(unwritten)
    }

    /// Moves the cursor on stdout. Only where it can move: see [`Self::data_can_move`].
    ///
    /// # Errors
    /// Like [`Self::data`].
    pub(in crate::cli) fn control(&self, sequence: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        write!(stdout, "{sequence}").and_then(|()| stdout.flush()).map_err(unwritten)
    }

    /// A JSON value as data: several lines for a person, one for a program.
    ///
    /// # Errors
    /// Like [`Self::data`].
    pub(in crate::cli) fn json(&self, value: &Value) -> Result<(), CliError> {
        self.data(&text::json(value, self.stdout_is_terminal))
    }

    /// A JSON value as one line of data.
    ///
    /// # Errors
    /// Like [`Self::data`].
    pub(in crate::cli) fn json_line(&self, value: &Value) -> Result<(), CliError> {
        self.data(&text::json(value, false))
    }

    /// A line of talk, for people only: silent with `--quiet` and with `--json`.
    pub(in crate::cli) fn talk(&self, line: &str) {
        if !self.quiet && !self.json {
            write_err(line);
        }
    }

    /// A line of talk that nothing goes on without, even with `--quiet`.
    pub(in crate::cli) fn must_say(&self, line: &str) {
        write_err(line);
    }

    /// Something that must be known, however little is wanted.
    pub(in crate::cli) fn warn(&self, message: &str) {
        if self.json {
            write_err(&text::json(&json!({ "warning": message }), false));
        } else {
            write_err(&format!("{} {}", self.err("!", Look::Warning), text::clean_lines(message)));
        }
    }

    /// Why it failed, the last thing written.
    pub(in crate::cli) fn error(&self, error: &CliError) {
        if error.message.is_empty() {
            return;
        }
        if self.json {
            write_err(&text::json(&error_object(error), false));
            return;
        }
        let message = text::clean_lines(&error.message);
        for (n, line) in message.lines().enumerate() {
            let lead = if n == 0 { self.err("error:", Look::Bad) } else { "      ".to_owned() };
            write_err(&format!("{lead} {line}"));
        }
        if let Some(id) = error.fault.as_ref().and_then(|fault| fault.request_id.as_ref())
            && error.code == ExitCode::Error
        {
            write_err(&format!("       Request {}", text::clean(id)));
        }
    }

    /// Text for stdout in this look.
    pub(in crate::cli) fn out(&self, text: &str, look: Look) -> String {
        painted(text, look, self.colours_out)
    }

    /// Text for stderr in this look.
    pub(in crate::cli) fn err(&self, text: &str, look: Look) -> String {
        painted(text, look, self.colours_err)
    }

    /// Rows under headings on a terminal, in its width; tab-separated without headings for a program, nothing cut.
    ///
    /// # Errors
    /// Like [`Self::data`].
    pub(in crate::cli) fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
        if !self.stdout_is_terminal {
            for row in rows {
                let cells: Vec<String> = row.iter().map(|cell| text::clean(cell)).collect();
                self.data(&cells.join("\t"))?;
            }
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(columns());
        let heading = |text: &&str| match self.colours_out {
            true => Cell::new(text).add_attribute(Attribute::Dim),
            false => Cell::new(text),
        };
        table.set_header(headings.iter().map(heading).collect::<Vec<_>>());
        for row in rows {
            table.add_row(row.iter().map(|cell| text::clean(cell)).collect::<Vec<_>>());
        }
        // The first column starts at the margin.
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        for line in table.lines() {
            self.data(line.trim_end())?;
        }
        Ok(())
    }

    /// Something that turns while a thing takes its time; gone when dropped.
    pub(in crate::cli) fn spinner(&self, message: &str) -> Option<Spinner> {
        self.talk_can_move().then(|| Spinner::start(message))
    }
}

/// The width of the terminal on stdout; a usual one where it does not say, as terminals that a program made often do not.
fn columns() -> u16 {
    Term::stdout().size().1.max(1)
}

fn error_object(error: &CliError) -> Value {
    let fault = error.fault.as_deref();
    let code = fault.map_or(error.code.word(), |fault| fault.code.as_str());
    json!({"error": {
        "code": code,
        "message": error.message,
        "exit_code": error.code.number(),
        "status": fault.map(|fault| fault.status),
        "request_id": fault.and_then(|fault| fault.request_id.as_deref()),
    }})
}

fn painted(text: &str, look: Look, colours: bool) -> String {
    let style = match look {
        Look::Plain => return text.to_owned(),
        Look::Strong => Style::new().effects(Effects::BOLD),
        Look::Faint => Style::new().effects(Effects::DIMMED),
        Look::Good => AnsiColor::Green.on_default(),
        Look::Warning => AnsiColor::Yellow.on_default().effects(Effects::BOLD),
        Look::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
    };
    if colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn unwritten(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::silent(ExitCode::Ok),
        _ => CliError::new(format!("the output could not be written: {error}")),
    }
}

fn write_err(line: &str) {
    // When nobody reads the talk any more, the exit code still says how it went.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
