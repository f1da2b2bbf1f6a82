//! Signing in and out.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::next::{carried, local_path};
use super::{chrome_for_nobody, draw, mendable, retry_after, see_other};
use crate::actions::password::Password;
use crate::actions::people::{self as deeds, Attempt};
use crate::actions::{AppError, Who, account};
use crate::web::session::TypedSession;
use crate::web::views::Errors;
use crate::web::views::people::SignInPage;
use crate::web::{Form, Htmx, Query, State, client};

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInForm {
    email: String,
    password: String,
    next: String,
}

/// Where to go afterwards; links from elsewhere may carry more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NextQuery {
    /// A path of this site.
    pub next: String,
}

/// `GET /sign-in`.
///
/// # Errors
/// The database's own failure.
pub async fn form(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    query: Query<NextQuery>,
) -> Result<HttpResponse, AppError> {
    if is_signed_in(&state, &req).await? {
        return Ok(see_other(htmx, local_path(&query.0.next)));
    }
    let form = SignInForm { next: query.0.next, ..SignInForm::default() };
    draw_form(&state, &req, htmx, form, (200, Errors::none())).await
}

/// Whether the session is somebody's who may go on.
pub(super) async fn is_signed_in(state: &State, req: &HttpRequest) -> Result<bool, AppError> {
    let Some(found) = TypedSession::of(req).sign_in()? else { return Ok(false) };
    let who = Who::Person { user: found.user, session: found.session };
    match state.run(client::origin(req, "page"), move |conn, _| account::load_account(conn, &who)).await {
        Ok(_) => Ok(true),
        Err(AppError::SignIn) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `POST /sign-in`.
///
/// # Errors
/// The database's own failure.
pub async fn sign_in(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    form: Form<SignInForm>,
) -> Result<HttpResponse, AppError> {
    let origin = client::origin(&req, "page");
    let (email, password) = (form.0.email.clone(), Password::typed(form.0.password.as_str()));
    let begin = state.run(origin.clone(), move |conn, ctx| deeds::begin_sign_in(conn, ctx, &email));
    let arrival = match begin.await {
        Ok(attempt) => {
            let (attempt, good) = check(&state, attempt, password).await?;
            state.run(origin.clone(), move |conn, ctx| deeds::finish_sign_in(conn, ctx, attempt, good)).await
        }
        Err(error) => Err(error),
    };
    match arrival {
        Ok(arrival) => {
            TypedSession::of(&req).start(&arrival, &origin)?;
            Ok(see_other(htmx, local_path(&form.0.next)))
        }
        Err(error) => {
            let at = error.retry_at();
            let (status, errors) = mendable(error)?;
            // Said of the whole form: which of the two fields is wrong is not told.
            let text = errors.banner.or_else(|| errors.fields.into_iter().next().map(|field| field.text));
            let errors = Errors::about_all(text.unwrap_or_default());
            let mut res = draw_form(&state, &req, htmx, form.0, (status, errors)).await?;
            retry_after(&mut res, at, state.gate.now());
            Ok(res)
        }
    }
}

/// Checks a password in one of the places for it.
pub(super) async fn check(state: &State, attempt: Attempt, typed: Password) -> Result<(Attempt, bool), AppError> {
    let checked = state.hash(move || {
        let good = attempt.verify(&typed);
        Ok((attempt, good))
    });
    checked.await
}

async fn draw_form(
    state: &State,
    req: &HttpRequest,
    htmx: Htmx,
    form: SignInForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let is_set_up = state.run(client::origin(req, "page"), |conn, _| deeds::is_set_up(conn)).await?;
    let no_users = (!is_set_up).then(|| {
        "No account yet. Open the setup link that the server printed when it started, or make a new one with: \
         keyrack admin setup-link"
            .to_owned()
    });
    let page = SignInPage {
        chrome: chrome_for_nobody(state, req),
        email: form.email,
        next: carried(&form.next).to_owned(),
        sign_up_open: is_set_up && state.rules.sign_up_open,
        no_users,
        errors,
    };
    draw(htmx, status, &page)
}

/// `POST /sign-out`: the session ends on the server, and the browser forgets what it kept of the site.
///
/// # Errors
/// The database's own failure: then one is still signed in, and should know.
pub async fn sign_out(state: web::Data<State>, req: HttpRequest, htmx: Htmx) -> Result<HttpResponse, AppError> {
    let session = TypedSession::of(&req);
    if let Some(found) = session.sign_in()? {
        let who = Who::Person { user: found.user, session: found.session.clone() };
        let end = state
            .run(client::origin(&req, "page"), move |conn, ctx| deeds::end_session(conn, ctx, &who, &found.session));
        match end.await {
            Ok(()) | Err(AppError::NotFound | AppError::SignIn) => {}
            Err(error) => return Err(error),
        }
    }
    session.end();
    let mut res = see_other(htmx, "/sign-in");
    let value = actix_web::http::header::HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
    res.headers_mut().insert(actix_web::http::header::HeaderName::from_static("clear-site-data"), value);
    Ok(res)
}
