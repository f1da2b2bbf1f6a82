//! The people of an organization.

use askama::Template;

use super::key::KeyLine;
use super::{Choice, Chrome, Errors, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/members`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "members/list.html", blocks = ["panel"])]
pub struct MembersPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The members.
    pub rows: Vec<MemberRow>,
    /// Invitations that nobody took yet.
    pub invitations: Vec<InvitationRow>,
    /// The invite page, where allowed.
    pub invite_url: Option<String>,
    /// What each role means.
    pub roles: Vec<Choice>,
}

/// A member in the list.
#[derive(Debug, Clone, Default)]
pub struct MemberRow {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Whether it is oneself.
    pub is_you: bool,
    /// Their role.
    pub role: String,
    /// The roles that one may give them; none: no form is drawn.
    pub roles: Vec<Choice>,
    /// Where the role form posts (`role`).
    pub role_url: String,
    /// Why the role cannot be changed, when that needs saying; or empty.
    pub role_note: String,
    /// “2 active keys”.
    pub keys: String,
    /// The list of their keys, for those who may see it.
    pub keys_url: Option<String>,
    /// Since when.
    pub joined: Time,
    /// The remove page, where allowed.
    pub remove_url: Option<String>,
}

/// An open invitation.
#[derive(Debug, Clone, Default)]
pub struct InvitationRow {
    /// For whom.
    pub email: String,
    /// As what.
    pub role: String,
    /// By whom.
    pub by: String,
    /// Until when.
    pub expires: Time,
    /// Whether that has passed.
    pub is_expired: bool,
    /// Where “Withdraw” posts, where allowed.
    pub withdraw_url: Option<String>,
}

/// `GET …/members/invite`, and the answer to a refused `POST`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "members/invite.html", blocks = ["panel"])]
pub struct InvitePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// Back.
    pub back_url: String,
    /// Makes the form work once.
    pub nonce: String,
    /// As typed.
    pub email: String,
    /// The roles that one may give.
    pub roles: Vec<Choice>,
    /// What is wrong.
    pub errors: Errors,
}

/// The answer to the POST that made an invitation: its link, shown once. Not `Debug`, on purpose.
#[derive(Template)]
#[template(path = "members/invited.html", blocks = ["panel"])]
pub struct InvitedPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// Back.
    pub back_url: String,
    /// For whom.
    pub email: String,
    /// As what.
    pub role: String,
    /// The link.
    pub link: String,
    /// Until when.
    pub expires: Time,
}

/// `GET …/members/{user}/remove`, and the answer to a refused `POST`: field `keys` = `revoke` or `transfer`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "members/remove.html", blocks = ["panel"])]
pub struct RemoveMemberPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// This page.
    pub url: String,
    /// Back.
    pub back_url: String,
    /// Who.
    pub name: String,
    /// From what.
    pub organization: String,
    /// Their active keys.
    pub keys: Vec<KeyLine>,
    /// Whether `transfer` is chosen.
    pub transfer: bool,
    /// Why not: no form is drawn.
    pub refused: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

views!(MembersPage, InvitePage, InvitedPage, RemoveMemberPage);
