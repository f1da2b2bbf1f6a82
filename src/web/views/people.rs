//! Setting up, signing in and up, joining, and plain notices.

use askama::Template;

use super::{Chrome, Errors, Link, views};
use crate::web::assets::filters;

/// `GET /setup`: the first owner. The token comes in the URL's fragment (app.js fills the field) or is typed.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/setup.html", blocks = ["panel"])]
pub struct SetupPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// Fields `token`, `name`, `email`, `password`, `organization`: as typed, but for the password.
    pub token: String,
    /// As typed.
    pub name: String,
    /// As typed.
    pub email: String,
    /// As typed.
    pub organization: String,
    /// How to get another link: “Run `keyrack admin setup-link` for a new one.”
    pub help: String,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET /sign-in`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/sign_in.html", blocks = ["panel"])]
pub struct SignInPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// As typed.
    pub email: String,
    /// Where to go afterwards; empty when nowhere special.
    pub next: String,
    /// Nobody can sign in yet: where the setup link is.
    pub no_users: Option<String>,
    /// Whether the sign-up page is open.
    pub sign_up_open: bool,
    /// What is wrong.
    pub errors: Errors,
}

/// `GET /sign-up`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/sign_up.html", blocks = ["panel"])]
pub struct SignUpPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// As typed.
    pub name: String,
    /// As typed.
    pub email: String,
    /// As typed.
    pub organization: String,
    /// Where to go afterwards.
    pub next: String,
    /// What is wrong.
    pub errors: Errors,
}

/// Accepting an invitation. First step: only `token` is asked. Second: `invitation` is filled.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/join.html", blocks = ["panel"])]
pub struct JoinPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// Where the forms post.
    pub action: String,
    /// From the fragment, or typed.
    pub token: String,
    /// What the token opens.
    pub invitation: Option<Invitation>,
    /// As typed.
    pub name: String,
    /// What is wrong.
    pub errors: Errors,
}

/// An invitation as the invited person sees it.
#[derive(Debug, Clone, Default)]
pub struct Invitation {
    /// The organization.
    pub organization: String,
    /// The role, and what it means.
    pub role: String,
    /// Who invites.
    pub by: String,
    /// The address it is for.
    pub email: String,
    /// What the person must do.
    pub who: Invited,
}

/// Who follows the link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Invited {
    /// Nobody of this address has an account: name and password are asked.
    #[default]
    New,
    /// There is an account: its password is asked.
    Known,
    /// Signed in with this address: one button.
    SignedIn,
    /// Signed in with another address: must sign out first.
    Another,
}

impl Invitation {
    /// Name and password are asked.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.who == Invited::New
    }

    /// A password is asked.
    #[must_use]
    pub fn asks_password(&self) -> bool {
        matches!(self.who, Invited::New | Invited::Known)
    }

    /// Cannot be accepted by the person who is signed in.
    #[must_use]
    pub fn is_for_another(&self) -> bool {
        self.who == Invited::Another
    }
}

/// A page with little to say: signed out, session ended, sign-up closed, setup done.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "people/notice.html", blocks = ["panel"])]
pub struct NoticePage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The heading.
    pub title: String,
    /// One or two sentences.
    pub text: String,
    /// Where to go; the first is the main one.
    pub links: Vec<Link>,
}

views!(SetupPage, SignInPage, SignUpPage, JoinPage, NoticePage);
