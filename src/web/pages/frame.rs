//! The signed-in reader of a page, and what surrounds every page for them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::super::session::{Reader, SignIn, TypedSession};
use super::super::views::{Chrome, Flash, Nav, OrgLine, UserLine};
use super::super::{Htmx, State, client};
use crate::actions::account::{Account, load_account, look_as_reader};
use crate::actions::{AppError, OrgScope, Origin, Who, act_in};
use crate::domain::org::Role;
use crate::domain::policy::{self, Actor, Denied};

/// Somebody with a live session. That they may do anything is for actions to find out.
pub struct SignedIn {
    /// Who, and with which session.
    pub sign_in: SignIn,
    /// Their session.
    pub session: TypedSession,
    /// Where the request came from.
    pub origin: Origin,
    /// How htmx asks.
    pub htmx: Htmx,
    theme: String,
}

impl FromRequest for SignedIn {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = TypedSession::of(req);
        let htmx = Htmx::from_request(req, payload).into_inner();
        let signed_in = session.sign_in().and_then(|found| found.ok_or(AppError::SignIn)).and_then(|sign_in| {
            Ok(Self { sign_in, session, origin: client::origin(req, "page"), htmx: htmx?, theme: theme_of(req) })
        });
        ready(signed_in)
    }
}

pub(super) fn theme_of(req: &HttpRequest) -> String {
    req.cookie("theme").map(|cookie| cookie.value().to_owned()).unwrap_or_default()
}

/// What surrounds a page that has no reader: sign-in, set-up, errors of strangers.
#[must_use]
pub fn chrome_for_nobody(state: &State, req: &HttpRequest) -> Chrome {
    bare_chrome(state, theme_of(req))
}

/// What surrounds the page of a failure: for whoever is signed in the menu they had, in the organization of the address
/// where it is one of theirs.
pub(super) async fn chrome_for_reader(state: &State, req: &HttpRequest) -> Chrome {
    let reader = req.extensions().get::<Reader>().cloned();
    let Some(Reader { sign_in, active_org }) = reader else { return chrome_for_nobody(state, req) };
    let who = Who::Person { user: sign_in.user, session: sign_in.session };
    match state.run(client::origin(req, "page"), move |conn, _| load_account(conn, &who)).await {
        Ok(account) => {
            let named = req.match_info().get("org");
            let named = named.filter(|slug| account.orgs.iter().any(|(org, _)| org.slug == *slug));
            chrome_of(state, &account, named.map(str::to_owned).or(active_org).as_deref(), theme_of(req))
        }
        Err(_) => chrome_for_nobody(state, req),
    }
}

/// What surrounds a page of a person in the organization of this slug, or in their first.
pub(super) fn chrome_of(state: &State, account: &Account, slug: Option<&str>, theme: String) -> Chrome {
    let lines: Vec<(OrgLine, Role)> = account
        .orgs
        .iter()
        .map(|(org, role)| (OrgLine { name: org.name.clone(), slug: org.slug.clone(), role: role.to_string() }, *role))
        .collect();
    let here = lines.iter().find(|(line, _)| Some(line.slug.as_str()) == slug).or(lines.first());
    let actor = here.map(|(_, role)| Actor { user: account.user.id.clone(), role: *role, by_key: false });
    let may = |rule: fn(&Actor) -> Result<(), Denied>| actor.as_ref().is_some_and(|actor| rule(actor).is_ok());
    Chrome {
        user: Some(UserLine { name: account.user.name.clone(), email: account.user.email.clone() }),
        org: here.map(|(line, _)| line.clone()),
        orgs: lines.iter().map(|(line, _)| line.clone()).collect(),
        may_read_audit: may(policy::may_read_audit),
        may_see_logs: may(policy::may_see_logs),
        ..bare_chrome(state, theme)
    }
}

fn bare_chrome(state: &State, theme: String) -> Chrome {
    let config = &state.config;
    let warning = (!config.secure_cookies).then(|| {
        "This site is reached over plain http: passwords and keys can be read on the way. Set up https.".to_owned()
    });
    Chrome {
        product: config.product.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        support_url: config.support_url.clone(),
        theme,
        warning,
        ..Chrome::default()
    }
}

impl SignedIn {
    /// For actions.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::Person { user: self.sign_in.user.clone(), session: self.sign_in.session.clone() }
    }

    /// Loads the reader's account.
    ///
    /// # Errors
    /// `SignIn` when it is gone.
    pub async fn account(&self, state: &State) -> Result<Account, AppError> {
        let who = self.who();
        state.run(self.origin.clone(), move |conn, _| load_account(conn, &who)).await
    }

    /// Looks at an organization, and loads the reader's account for the page around it.
    ///
    /// # Errors
    /// `NotFound` for outsiders, else what `f` returns.
    pub async fn look<T: Send + 'static>(
        &self,
        state: &State,
        slug: &str,
        f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError> + Send + 'static,
    ) -> Result<(T, Account), AppError> {
        let (who, slug) = (self.who(), slug.to_owned());
        state.run(self.origin.clone(), move |conn, ctx| look_as_reader(conn, ctx, &who, &slug, f)).await
    }

    /// Does a deed in an organization, and loads the reader's account for the page that answers.
    ///
    /// # Errors
    /// `NotFound` for outsiders, else what `f` returns.
    pub async fn act<T: Send + 'static>(
        &self,
        state: &State,
        slug: &str,
        f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError> + Send + 'static,
    ) -> Result<(T, Account), AppError> {
        let (who, slug) = (self.who(), slug.to_owned());
        let work = state.run(self.origin.clone(), move |conn, ctx| {
            let account = load_account(conn, &who)?;
            Ok((act_in(conn, ctx, &who, &slug, f)?, account))
        });
        work.await
    }

    /// What surrounds a page of this reader. Takes the banner that the last request left, except for a fragment,
    /// which has no place for it. `slug` is the organization of the page, or nothing.
    ///
    /// # Errors
    /// The session cannot be written.
    pub fn chrome(&self, state: &State, account: &Account, slug: Option<&str>, nav: Nav) -> Result<Chrome, AppError> {
        if let Some(slug) = slug {
            self.session.set_active_org(slug)?;
        }
        let active = slug.map(str::to_owned).or_else(|| self.session.active_org());
        let flash = if self.htmx.partial { None } else { self.session.take_notice().map(flash) };
        Ok(Chrome { nav, flash, ..chrome_of(state, account, active.as_deref(), self.theme.clone()) })
    }
}

pub(super) fn flash(notice: super::super::session::Notice) -> Flash {
    match notice.kind.as_str() {
        "done" => Flash::done(notice.text),
        "warning" => Flash::warning(notice.text),
        "error" => Flash::error(notice.text),
        _ => Flash::note(notice.text),
    }
}
