//! What a deed can answer instead of being done.

use thiserror::Error;

use crate::db::{DatabaseErrorKind, DbError, PoolError};
use crate::domain::policy::Denied;
use crate::domain::time::Timestamp;
use crate::gate::NoLease;

/// Mistakes in what was typed: field name and sentence.
pub type FieldErrors = Vec<(&'static str, String)>;

/// Why a deed was not done. `Display` is for the person; the cause of an `Internal` is for the log only.
#[derive(Debug, Error)]
pub enum AppError {
    /// Nobody is signed in, or no longer.
    #[error("Sign in to go on.")]
    SignIn,
    /// Missing, or not for this caller to know of. There is no other way to say so, so the two cannot differ.
    #[error("This page or object does not exist, or you cannot see it.")]
    NotFound,
    /// A rule says no.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// Mistakes in what was typed.
    #[error("{}", .0.first().map_or("Check what you entered.", |(_, text)| text.as_str()))]
    Invalid(FieldErrors),
    /// It clashes with how things stand.
    #[error("{0}")]
    Conflict(String),
    /// The request itself is broken.
    #[error("{0}")]
    BadRequest(String),
    /// A body larger than any that is read.
    #[error("That is too much for one request.")]
    TooLarge,
    /// A body that did not come in time.
    #[error("The request took too long to arrive.")]
    TooSlow,
    /// A body of another kind than this route reads.
    #[error("Send this as {0}.")]
    UnsupportedType(&'static str),
    /// The path is there, the method is not.
    #[error("This address does not take that method.")]
    MethodNotAllowed,
    /// Too many tries.
    #[error("Too many tries. Try again in {}.", until.since(*now).human())]
    Throttled {
        /// When the next try is let in.
        until: Timestamp,
        /// When this one came.
        now: Timestamp,
    },
    /// The requests of this minute are used up.
    #[error("Too many requests. Try again in {seconds} seconds.")]
    RateLimited {
        /// Until the next one is let in.
        seconds: u32,
    },
    /// The database cannot be reached or cannot be written now.
    #[error("Keyrack cannot reach its database right now. Try again in a moment.")]
    Unavailable(String),
    /// The same, as the gate finds it. It says so itself, once; every request that meets it would fill the log.
    #[error("Keyrack cannot reach its database right now. Try again in a moment.")]
    NoLease(#[from] NoLease),
    /// A fault of ours.
    #[error("Something went wrong on our side.")]
    Internal(#[source] anyhow::Error),
}

impl AppError {
    /// A single mistake in one field.
    #[must_use]
    pub fn field(name: &'static str, text: impl Into<String>) -> Self {
        Self::Invalid(vec![(name, text.into())])
    }

    /// The HTTP status that says it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::SignIn => 401,
            Self::NotFound => 404,
            Self::Denied(denied) => denied_status(denied),
            Self::Invalid(_) => 422,
            Self::Conflict(_) => 409,
            Self::BadRequest(_) => 400,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::UnsupportedType(_) => 415,
            Self::MethodNotAllowed => 405,
            Self::Throttled { .. } | Self::RateLimited { .. } => 429,
            Self::Unavailable(_) | Self::NoLease(_) => 503,
            Self::Internal(_) => 500,
        }
    }

    /// The stable code of the contract.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignIn => "UNAUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::Denied(denied) => denied_code(denied),
            Self::Invalid(_) => "INVALID",
            Self::Conflict(_) => "CONFLICT",
            Self::BadRequest(_)
            | Self::TooLarge
            | Self::TooSlow
            | Self::UnsupportedType(_)
            | Self::MethodNotAllowed => "INVALID_REQUEST",
            Self::Throttled { .. } | Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Unavailable(_) | Self::NoLease(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// When it makes sense to come back, if that is known.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Throttled { until, .. } => Some(*until),
            Self::Denied(Denied::CreationLimit { next_at, .. }) => Some(*next_at),
            Self::SignIn
            | Self::NotFound
            | Self::Denied(_)
            | Self::Invalid(_)
            | Self::Conflict(_)
            | Self::BadRequest(_)
            | Self::TooLarge
            | Self::TooSlow
            | Self::UnsupportedType(_)
            | Self::MethodNotAllowed
            | Self::RateLimited { .. }
            | Self::Unavailable(_)
            | Self::NoLease(_)
            | Self::Internal(_) => None,
        }
    }
}

fn denied_status(denied: &Denied) -> u16 {
    match denied {
        Denied::KeyLimit { .. }
        | Denied::RotationRunning
        | Denied::AlreadyRevoked
        | Denied::KeyExpired
        | Denied::NoOldSecret
        | Denied::TooManyOrganizations { .. }
        | Denied::NobodyToHandOverTo
        | Denied::LastOwner => 409,
        Denied::CreationLimit { .. } => 429,
        Denied::RoleTooLow(_)
        | Denied::NotYourKey
        | Denied::RotateOwnOnly
        | Denied::TargetIsOwner
        | Denied::RoleAboveOwn
        | Denied::NotByKey
        | Denied::NotByCommandLine
        | Denied::CommandLineOnly
        | Denied::NotByService
        | Denied::ServiceOnly
        | Denied::PlanRequired { .. } => 403,
    }
}

fn denied_code(denied: &Denied) -> &'static str {
    match denied {
        Denied::KeyLimit { .. } => "KEY_LIMIT_REACHED",
        Denied::CreationLimit { .. } => "CREATION_RATE_LIMITED",
        Denied::PlanRequired { .. } => "PLAN_REQUIRED",
        Denied::RotationRunning
        | Denied::AlreadyRevoked
        | Denied::KeyExpired
        | Denied::NoOldSecret
        | Denied::TooManyOrganizations { .. }
        | Denied::NobodyToHandOverTo
        | Denied::LastOwner => "CONFLICT",
        Denied::RoleTooLow(_)
        | Denied::NotYourKey
        | Denied::RotateOwnOnly
        | Denied::TargetIsOwner
        | Denied::RoleAboveOwn
        | Denied::NotByKey
        | Denied::NotByCommandLine
        | Denied::CommandLineOnly
        | Denied::NotByService
        | Denied::ServiceOnly => "FORBIDDEN",
    }
}

impl From<DbError> for AppError {
    fn from(error: DbError) -> Self {
        match &error {
            DbError::NotFound => Self::NotFound,
            DbError::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Self::Unavailable(error.to_string())
            }
            DbError::DatabaseError(_, info) if is_passing(info.message()) => Self::Unavailable(error.to_string()),
            // A NUL in an address: PostgreSQL has no such text, so nothing is called so.
            DbError::DatabaseError(_, info) if info.message().contains("invalid byte sequence for encoding") => {
                Self::NotFound
            }
            DbError::BrokenTransactionManager => Self::Unavailable(error.to_string()),
            _ => Self::Internal(anyhow::Error::new(error)),
        }
    }
}

/// Faults of the moment, by the words of SQLite and PostgreSQL: they tell them apart in no other way.
fn is_passing(message: &str) -> bool {
    const WORDS: &[&str] = &[
        "database is locked",
        "database or disk is full",
        "No space left on device",
        "disk I/O error",
        "attempt to write a readonly database",
        "unable to open database file",
        "could not connect",
        "connection to server",
        "server closed the connection",
        "terminating connection",
        "the database system is",
        "no connection to the server",
        "read-only transaction",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

impl From<PoolError> for AppError {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<anyhow::Error> for AppError {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}
