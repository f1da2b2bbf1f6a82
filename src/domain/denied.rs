//! Why a rule says no, in the words that the person reads.

use thiserror::Error;

use super::org::Role;
use super::time::Timestamp;

/// Why a deed is refused, in the words that the person reads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// The role is too small.
    #[error("Only {} may do this. Ask one of them.", roles_from(*.0))]
    RoleTooLow(Role),
    /// A builder at a colleague's key.
    #[error("This key belongs to someone else. Ask an owner or admin.")]
    NotYourKey,
    /// A new secret acts as the key's owner, so nobody else may be shown it.
    #[error(
        "A new secret acts as the key's owner, so only they can rotate it. You can revoke it, or end an old secret."
    )]
    RotateOwnOnly,
    /// Admins cannot act on owners.
    #[error("Only an owner may change or remove an owner.")]
    TargetIsOwner,
    /// Nobody gives more than they have.
    #[error("You cannot give a role above your own.")]
    RoleAboveOwn,
    /// Keys do not manage keys, ruling 13.
    #[error("API keys cannot do this here. Sign in instead.")]
    NotByKey,
    /// What a person does only where they typed their password.
    #[error("This cannot be done on the command line. Open it in your browser.")]
    NotByCommandLine,
    /// A key or a backend where a person must be signed in on the command line.
    #[error("Only a signed-in command line may do this.")]
    CommandLineOnly,
    /// Service tokens check keys and do nothing else.
    #[error("A service token cannot do this. Use an API key or sign in.")]
    NotByService,
    /// A person's or a key's credential where only the operator's backends may ask.
    #[error("Only a service token may do this.")]
    ServiceOnly,
    /// There must always be one owner.
    #[error("An organization needs an owner. Make someone else an owner first.")]
    LastOwner,
    /// The plan has no API keys.
    #[error("API keys are not part of the {plan} plan.")]
    PlanRequired {
        /// The plan's name for people.
        plan: String,
    },
    /// The plan's limit on active keys.
    #[error("This organization has {active} of {max} active keys. {}, or change the plan.", revoke_words(*.active, *.max))]
    KeyLimit {
        /// How many there are: more than allowed after a downgrade.
        active: u32,
        /// How many the plan allows.
        max: u32,
    },
    /// The plan's limit on creations in an hour.
    #[error("{max} keys were created in the last hour. The next one can be created at {} UTC.", next_at.time_of_day())]
    CreationLimit {
        /// How many the plan allows.
        max: u32,
        /// When the next is possible.
        next_at: Timestamp,
    },
    /// Ruling 4: one old secret at a time.
    #[error("The old secret still works. End it first, or rotate with no grace.")]
    RotationRunning,
    /// One person founds only so many.
    #[error("You own {max} organizations already, and that is the most one person can have.")]
    TooManyOrganizations {
        /// How many one may own.
        max: u32,
    },
    /// Nobody hands their own keys to themselves.
    #[error(
        "Your own keys can only be revoked when you leave. Ask an owner or admin to remove you if they should stay."
    )]
    NobodyToHandOverTo,
    /// Nothing to do any more.
    #[error("This key was already revoked.")]
    AlreadyRevoked,
    /// Nothing to rotate any more.
    #[error("This key has expired. Create a new one.")]
    KeyExpired,
    /// There is no old secret to end.
    #[error("No old secret is in use for this key.")]
    NoOldSecret,
}

/// What makes room for one more.
fn revoke_words(active: u32, max: u32) -> String {
    match active.saturating_sub(max) {
        0 => "Revoke one".to_owned(),
        over => format!("Revoke {}", over.saturating_add(1)),
    }
}

fn roles_from(role: Role) -> &'static str {
    match role {
        Role::Owner => "owners",
        Role::Admin => "owners and admins",
        Role::Builder => "members",
    }
}
