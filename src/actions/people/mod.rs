//! What people do apart from keys: arriving, belonging, leaving, and looking after their own account.

mod account;
mod audit;
mod device;
mod housekeeping;
mod invitations;
mod members;
mod operator;
mod orgs;
mod profiles;
mod setup;
mod sign_in;

pub use crate::db::audit::AuditFilter;
pub use account::{
    SessionView, account_events, change_password, end_other_sessions, end_session, list_sessions, rename_self,
};
pub use audit::{AuditFormat, AuditPage, ChainState, audit_actors, export_audit, list_audit, verify_audit};
pub use device::{
    CommandLine, Decision, DeviceStart, Polled, begin_device, decide_device, end_command_line, enter_command_line,
    list_command_lines, look_at_device, poll_device,
};
pub use housekeeping::clean_up;
pub use invitations::{
    Invitation, InvitedPerson, accept_invitation, invite, join_as_new_person, look_at_invitation, open_invitations,
    read_invited_person, withdraw_invitation,
};
pub use members::{KeysFate, MemberView, change_role, get_member, keys_of_member, leave, list_members, remove_member};
pub use operator::{
    create_owner, create_service_token, disable_user, enable_user, list_service_tokens, reset_password,
    revoke_service_token, set_plan,
};
pub use orgs::{OrgEntry, OrgView, create_org, list_orgs, list_reachable_orgs, org_of_command_line, rename_org};
pub use profiles::{create_profile, list_profiles, rename_profile};
pub use setup::{NewPerson, NewPersonForm, is_set_up, make_setup_link, read_new_person, set_up, sign_up};
pub use sign_in::{Arrival, Attempt, begin_password_check, begin_sign_in, begin_sign_up, finish_sign_in};

use super::keys::Once;
use super::{AppError, Who};
use crate::db::tokens::Done;
use crate::db::{self, Conn};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::policy::Denied;
use crate::domain::time::Timestamp;

/// The chain of the audit log for what concerns the installation as a whole. Its lock also puts in order whatever must
/// not happen twice at once in the installation: its setup, and the choice of an organization's slug.
pub(in crate::actions) const SERVER_CHAIN: &str = "server";

/// What came of a form's nonce before, if it was sent before.
fn done_before(conn: &mut Conn, once: Option<&Once>) -> Result<Option<String>, AppError> {
    let Some(once) = once else { return Ok(None) };
    Ok(db::tokens::find_done(conn, &once.scope, &once.token)?.map(|done| done.object_id))
}

/// Notes what came of a form's nonce, so that it works once.
fn note_done(conn: &mut Conn, once: Option<&Once>, id: &str, now: Timestamp) -> Result<(), AppError> {
    let Some(once) = once else { return Ok(()) };
    let done = Done { body_hash: once.body_hash.clone(), object_id: id.to_owned(), created_at: now.as_micros() };
    Ok(db::tokens::insert_done(conn, &once.scope, &once.token, &done)?)
}

/// The person who asks with a browser session; keys have no account.
fn in_person(who: &Who) -> Result<(&UserId, &SessionId), AppError> {
    match who {
        Who::Person { user, session } => Ok((user, session)),
        Who::Cli { .. } => Err(Denied::NotByCommandLine.into()),
        Who::Key { .. } => Err(Denied::NotByKey.into()),
    }
}
