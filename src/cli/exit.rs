//! Exit codes, which scripts rely on, and the error that carries one.

use crate::actions::AppError;
use crate::db::{OpenError, PoolError};
use crate::settings::SettingsError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Ok,
    /// Something went wrong.
    Error,
    /// The command line was not understood.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Not signed in, or no longer.
    SignIn,
    /// Not allowed, or not part of the plan.
    Forbidden,
    /// A limit was reached.
    Limit,
    /// The person said no.
    Cancelled,
    /// The server could not be reached.
    Network,
}

impl ExitCode {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::SignIn => 4,
            Self::Forbidden => 5,
            Self::Limit => 6,
            Self::Cancelled => 7,
            Self::Network => 8,
        }
    }

    /// The word for it in JSON, where the server has not said one.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Error => "ERROR",
            Self::Usage => "USAGE",
            Self::NotFound => "NOT_FOUND",
            Self::SignIn => "NOT_SIGNED_IN",
            Self::Forbidden => "FORBIDDEN",
            Self::Limit => "LIMIT",
            Self::Cancelled => "CANCELLED",
            Self::Network => "NETWORK",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// Why a command failed: words for the person, a code for the script.
#[derive(Debug, PartialEq, Eq)]
pub struct CliError {
    /// One or more lines.
    pub message: String,
    /// How to exit.
    pub code: ExitCode,
    /// What the server said of it, for whoever reads JSON.
    pub fault: Option<Box<Fault>>,
}

/// An error as the server named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `KEY_LIMIT_REACHED`.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// What to quote when asking for help.
    pub request_id: Option<String>,
}

impl CliError {
    /// A failure without a code of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(ExitCode::Error, message)
    }

    /// A failure with this code.
    pub fn of(code: ExitCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, fault: None }
    }

    /// What was typed makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(ExitCode::Usage, message)
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::of(ExitCode::NotFound, message)
    }

    /// Nobody is signed in who could do this.
    pub fn sign_in(message: impl Into<String>) -> Self {
        Self::of(ExitCode::SignIn, message)
    }

    /// The person said no.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::of(ExitCode::Cancelled, message)
    }

    /// An end without a word: whoever read the output went away.
    #[must_use]
    pub fn silent(code: ExitCode) -> Self {
        Self::of(code, "")
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<PoolError> for CliError {
    fn from(error: PoolError) -> Self {
        Self::new(format!("KEYRACK_DATABASE_URL: {error}"))
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        let code = match error.code() {
            "NOT_FOUND" => ExitCode::NotFound,
            "FORBIDDEN" | "PLAN_REQUIRED" => ExitCode::Forbidden,
            "KEY_LIMIT_REACHED" | "CREATION_RATE_LIMITED" | "RATE_LIMITED" => ExitCode::Limit,
            _ => ExitCode::Error,
        };
        let message = match &error {
            AppError::Invalid(mistakes) => {
                mistakes.iter().map(|(field, text)| format!("{field}: {text}")).collect::<Vec<_>>().join("\n")
            }
            // The operator at the server's own console may see the cause.
            AppError::Internal(cause) => format!("{error} {cause:#}"),
            AppError::Unavailable(cause) => format!("KEYRACK_DATABASE_URL: {cause}"),
            _ => error.to_string(),
        };
        Self::of(code, message)
    }
}
