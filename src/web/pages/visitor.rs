//! The reader of a page that asks the database for everything at once: whose session it is, who that is, and what they see.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use super::super::session::{Cookie, Found, Kept, TypedSession};
use super::super::views::{Chrome, Nav, View};
use super::super::{Htmx, State, client};
use super::frame::{chrome_of, flash, theme_of};
use super::{html_answer, render, see_other};
use crate::actions::account::look_as;
use crate::actions::{AppError, OrgScope, Who};

/// What became of a page: itself, or the address of another.
pub enum Drawn<V> {
    /// The page.
    Page(V),
    /// Where to go instead.
    Elsewhere(String),
}

/// Somebody with a cookie of ours. Whether a live session stands behind it is found out together with what the page shows. The
/// address must be one of those that `routes::reads_its_session` knows.
pub struct Visitor {
    req: HttpRequest,
    cookie: Cookie,
    htmx: Htmx,
}

impl FromRequest for Visitor {
    type Error = AppError;
    type Future = Ready<Result<Self, AppError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let htmx = Htmx::from_request(req, payload).into_inner();
        let session = TypedSession::of(req);
        let cookie = session.cookie().ok_or_else(|| match session.sign_in() {
            // Only where this address is not known to `reads_its_session`: sign-in would lead back here.
            Ok(Some(_)) => AppError::NotFound,
            Ok(None) => AppError::SignIn,
            Err(error) => error,
        });
        ready(cookie.and_then(|cookie| Ok(Self { req: req.clone(), cookie, htmx: htmx? })))
    }
}

impl Visitor {
    /// Looks at an organization and draws the page of what is found, all away from the threads that answer requests: what a
    /// page is made of is then let go by the thread that took it. Takes the banner that the last request left.
    ///
    /// # Errors
    /// `SignIn` without a live session, `NotFound` for outsiders, else what `find` and `page` return.
    pub async fn show<T, V: View>(
        self,
        state: &State,
        (slug, nav): (&str, Nav),
        find: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError> + Send + 'static,
        page: impl FnOnce(&State, Chrome, T) -> Result<Drawn<V>, AppError> + Send + 'static,
    ) -> Result<HttpResponse, AppError> {
        let (htmx, theme, also) = (self.htmx, theme_of(&self.req), state.clone());
        let (cookie, place) = (self.cookie.clone(), slug.to_owned());
        let work = state.look(client::origin(&self.req, "page"), move |conn, ctx| {
            let mut found = Found::Nothing;
            let seen = look_as(conn, ctx, &place, find, |conn| {
                found = cookie.read(conn, ctx.clock)?;
                who(&found).ok_or(AppError::SignIn)
            });
            let drawn = seen.and_then(|(seen, account)| {
                let notice = if htmx.partial { None } else { kept(&found).and_then(Kept::notice) };
                let chrome = chrome_of(&also, &account, Some(&place), theme);
                Ok(match page(&also, Chrome { nav, flash: notice.map(flash), ..chrome }, seen)? {
                    Drawn::Page(view) => Drawn::Page(render(htmx, &view)?),
                    Drawn::Elsewhere(url) => Drawn::Elsewhere(url),
                })
            });
            Ok((found, drawn))
        });
        let (found, drawn) = work.await?;
        let kept = self
            .cookie
            .settle(state, found)
            .await
            .map_err(|error| error.downcast().unwrap_or_else(AppError::Internal))?;
        match drawn {
            Ok(Drawn::Page(html)) => {
                if let Some(kept) = kept {
                    note_page(&TypedSession::of(&self.req), &kept, slug, htmx)?;
                }
                Ok(html_answer(200, html))
            }
            Ok(Drawn::Elsewhere(url)) => Ok(see_other(htmx, &url)),
            Err(error) => Err(error),
        }
    }
}

fn kept(found: &Found) -> Option<&Kept> {
    if let Found::Live(kept) = found { Some(kept) } else { None }
}

fn who(found: &Found) -> Option<Who> {
    let sign_in = kept(found)?.sign_in()?;
    Some(Who::Person { user: sign_in.user, session: sign_in.session })
}

/// Notes in the session that this page was shown, where that changes anything.
fn note_page(session: &TypedSession, kept: &Kept, slug: &str, htmx: Htmx) -> Result<(), AppError> {
    let takes_notice = !htmx.partial && kept.notice().is_some();
    if !takes_notice && kept.active_org().as_deref() == Some(slug) {
        return Ok(());
    }
    session.fill(kept)?;
    session.set_active_org(slug)?;
    if takes_notice {
        session.take_notice();
    }
    Ok(())
}
