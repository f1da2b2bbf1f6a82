//! The first owner, and people who sign up by themselves.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::next::{carried, local_path};
use super::sign_in::{NextQuery, is_signed_in};
use super::{chrome_for_nobody, draw, go, mendable, retry_after, see_other};
use crate::actions::AppError;
use crate::actions::password::{HashedPassword, Password};
use crate::actions::people::{self as deeds, NewPerson, NewPersonForm};
use crate::web::session::TypedSession;
use crate::web::views::people::{NoticePage, SetupPage, SignUpPage};
use crate::web::views::{Errors, Flash, Link};
use crate::web::{Form, Htmx, Query, State, client};

/// What a new person typed; `token` at setup, `next` at sign-up.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PersonForm {
    token: String,
    email: String,
    name: String,
    password: String,
    organization: String,
    next: String,
}

impl PersonForm {
    fn read(&self, state: &State) -> Result<NewPerson, AppError> {
        let form = NewPersonForm {
            email: &self.email,
            name: &self.name,
            password: &self.password,
            organization: &self.organization,
        };
        deeds::read_new_person(&state.rules.format, &form).map_err(AppError::Invalid)
    }
}

/// Hashes a password in one of the places for it.
pub(super) async fn hash(state: &State, password: Password) -> Result<HashedPassword, AppError> {
    state.hash(move || password.hash()).await
}

async fn is_set_up(state: &State, req: &HttpRequest) -> Result<bool, AppError> {
    state.run(client::origin(req, "page"), |conn, _| deeds::is_set_up(conn)).await
}

/// `GET /setup`: gone once there is anybody.
///
/// # Errors
/// `NotFound` then.
pub async fn setup_form(state: web::Data<State>, req: HttpRequest, htmx: Htmx) -> Result<HttpResponse, AppError> {
    if is_set_up(&state, &req).await? {
        return Err(AppError::NotFound);
    }
    draw_setup(&state, &req, htmx, PersonForm::default(), (200, Errors::none()))
}

/// `POST /setup`.
///
/// # Errors
/// `NotFound` once there is anybody.
pub async fn set_up(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    form: Form<PersonForm>,
) -> Result<HttpResponse, AppError> {
    if is_set_up(&state, &req).await? {
        return Err(AppError::NotFound);
    }
    let origin = client::origin(&req, "page");
    let done = async {
        let (mut person, token) = (form.0.read(&state)?, form.0.token.clone());
        let hash = hash(&state, person.take_password()).await?;
        state.run(origin.clone(), move |conn, ctx| deeds::set_up(conn, ctx, &token, &person, &hash)).await
    };
    match done.await {
        Ok(arrival) => {
            let session = TypedSession::of(&req);
            session.start(&arrival, &origin)?;
            go(htmx, &session, Flash::done("Keyrack is ready. Create your first key."), local_path(""))
        }
        Err(error) => draw_setup(&state, &req, htmx, form.0, mendable(error)?),
    }
}

fn draw_setup(
    state: &State,
    req: &HttpRequest,
    htmx: Htmx,
    form: PersonForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let page = SetupPage {
        chrome: chrome_for_nobody(state, req),
        token: form.token,
        name: form.name,
        email: form.email,
        organization: form.organization,
        help: "Run “keyrack admin setup-link” on the server for a new one.".to_owned(),
        errors,
    };
    draw(htmx, status, &page)
}

/// `GET /sign-up`.
///
/// # Errors
/// The database's own failure.
pub async fn sign_up_form(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    query: Query<NextQuery>,
) -> Result<HttpResponse, AppError> {
    if !state.rules.sign_up_open {
        return draw_closed(&state, &req, htmx);
    }
    if is_signed_in(&state, &req).await? {
        return Ok(see_other(htmx, local_path(&query.0.next)));
    }
    let form = PersonForm { next: query.0.next, ..PersonForm::default() };
    draw_sign_up(&state, &req, htmx, form, (200, Errors::none()))
}

/// `POST /sign-up`.
///
/// # Errors
/// `NotFound` before there is an owner.
pub async fn sign_up(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    form: Form<PersonForm>,
) -> Result<HttpResponse, AppError> {
    if !state.rules.sign_up_open {
        return draw_closed(&state, &req, htmx);
    }
    let origin = client::origin(&req, "page");
    let done = async {
        let mut person = form.0.read(&state)?;
        state.run(origin.clone(), deeds::begin_sign_up).await?;
        let hash = hash(&state, person.take_password()).await?;
        state.run(origin.clone(), move |conn, ctx| deeds::sign_up(conn, ctx, &person, &hash)).await
    };
    match done.await {
        Ok(arrival) => {
            let session = TypedSession::of(&req);
            session.start(&arrival, &origin)?;
            go(htmx, &session, Flash::done("Your account is ready."), local_path(&form.0.next))
        }
        Err(error) => {
            let at = error.retry_at();
            let mut res = draw_sign_up(&state, &req, htmx, form.0, mendable(error)?)?;
            retry_after(&mut res, at, state.gate.now());
            Ok(res)
        }
    }
}

fn draw_sign_up(
    state: &State,
    req: &HttpRequest,
    htmx: Htmx,
    form: PersonForm,
    (status, errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let page = SignUpPage {
        chrome: chrome_for_nobody(state, req),
        name: form.name,
        email: form.email,
        organization: form.organization,
        next: carried(&form.next).to_owned(),
        errors,
    };
    draw(htmx, status, &page)
}

fn draw_closed(state: &State, req: &HttpRequest, htmx: Htmx) -> Result<HttpResponse, AppError> {
    let page = NoticePage {
        chrome: chrome_for_nobody(state, req),
        title: "Sign-up is closed".to_owned(),
        text: "New people come by invitation here. Ask an owner or admin of your organization for a link.".to_owned(),
        links: vec![Link { url: "/sign-in".to_owned(), text: "Sign in".to_owned() }],
    };
    draw(htmx, 404, &page)
}
