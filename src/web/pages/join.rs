//! Accepting an invitation. The link's token stands behind its `#`, which browsers send to nobody; the page puts it into
//! a field.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::setup::hash;
use super::sign_in::check;
use super::{chrome_for_nobody, draw, go, mendable, retry_after};
use crate::actions::account::load_account;
use crate::actions::password::Password;
use crate::actions::people::{self as deeds, Arrival, Invitation};
use crate::actions::{AppError, Origin, Who};
use crate::domain::org::{Org, User};
use crate::web::session::TypedSession;
use crate::web::views::people::{Invitation as InvitationView, Invited, JoinPage};
use crate::web::views::{Errors, Flash};
use crate::web::{Form, Htmx, State, client};

/// What was typed. Without `step` only the token is asked for, and the answer is the second form.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinForm {
    token: String,
    step: String,
    name: String,
    password: String,
}

/// `GET /join`.
///
/// # Errors
/// A template that does not render.
pub async fn form(state: web::Data<State>, req: HttpRequest, htmx: Htmx) -> Result<HttpResponse, AppError> {
    draw_form(&state, &req, htmx, JoinForm::default(), None, (200, Errors::none()))
}

/// Who is signed in with this browser, if anybody is.
async fn reader(state: &State, req: &HttpRequest, origin: &Origin) -> Result<Option<User>, AppError> {
    let Some(found) = TypedSession::of(req).sign_in()? else { return Ok(None) };
    let who = Who::Person { user: found.user, session: found.session };
    match state.run(origin.clone(), move |conn, _| load_account(conn, &who)).await {
        Ok(account) => Ok(Some(account.user)),
        Err(AppError::SignIn) => Ok(None),
        Err(error) => Err(error),
    }
}

fn invited(invitation: &Invitation, reader: Option<&User>) -> Invited {
    match reader {
        Some(user) if user.email == invitation.email => Invited::SignedIn,
        Some(_) => Invited::Another,
        None if invitation.has_account => Invited::Known,
        None => Invited::New,
    }
}

/// `POST /join`.
///
/// # Errors
/// The database's own failure.
pub async fn join(
    state: web::Data<State>,
    req: HttpRequest,
    htmx: Htmx,
    form: Form<JoinForm>,
) -> Result<HttpResponse, AppError> {
    let origin = client::origin(&req, "page");
    let token = form.0.token.clone();
    let looked = state.run(origin.clone(), move |conn, ctx| deeds::look_at_invitation(conn, ctx, &token)).await;
    let invitation = match looked {
        Ok(invitation) => invitation,
        Err(error) => return draw_form(&state, &req, htmx, form.0, None, mendable(error)?),
    };
    let reader = reader(&state, &req, &origin).await?;
    let who = invited(&invitation, reader.as_ref());
    let is_first_step = form.0.step.is_empty() && form.0.name.is_empty() && form.0.password.is_empty();
    if is_first_step || who == Invited::Another {
        let status = if is_first_step { 200 } else { 409 };
        return draw_form(&state, &req, htmx, form.0, Some((&invitation, who)), (status, Errors::none()));
    }
    let done = match (who, reader) {
        (Invited::SignedIn, Some(user)) => accept(&state, &origin, &form.0, user).await.map(|org| (None, org)),
        (Invited::Known, _) => join_known(&state, &origin, &form.0, &invitation).await,
        _ => join_new(&state, &origin, &form.0, &invitation).await,
    };
    match done {
        Ok((arrival, org)) => {
            let session = TypedSession::of(&req);
            if let Some(arrival) = arrival {
                session.start(&arrival, &origin)?;
            }
            session.set_active_org(&org.slug)?;
            let url = format!("/orgs/{}/settings/api-keys", org.slug);
            go(htmx, &session, Flash::done(format!("You joined {}.", org.name)), &url)
        }
        Err(error) => {
            let at = error.retry_at();
            let mut res = draw_form(&state, &req, htmx, form.0, Some((&invitation, who)), mendable(error)?)?;
            retry_after(&mut res, at, state.gate.now());
            Ok(res)
        }
    }
}

type Joined = (Option<Arrival>, Org);

async fn accept(state: &State, origin: &Origin, form: &JoinForm, user: User) -> Result<Org, AppError> {
    let token = form.token.clone();
    state.run(origin.clone(), move |conn, ctx| deeds::accept_invitation(conn, ctx, &token, &user.id)).await
}

/// The account's own password is asked for: holding the link is not enough to sign in as somebody.
async fn join_known(
    state: &State,
    origin: &Origin,
    form: &JoinForm,
    invitation: &Invitation,
) -> Result<Joined, AppError> {
    let (email, password) = (invitation.email.clone(), Password::typed(form.password.as_str()));
    let begin = state.run(origin.clone(), move |conn, ctx| deeds::begin_sign_in(conn, ctx, &email));
    let (attempt, good) = check(state, begin.await?, password).await?;
    let finish = state.run(origin.clone(), move |conn, ctx| deeds::finish_sign_in(conn, ctx, attempt, good));
    let arrival = match finish.await {
        Err(AppError::Invalid(_)) => return Err(AppError::field("password", "This is not the account's password.")),
        arrival => arrival?,
    };
    let org = accept(state, origin, form, arrival.user.clone()).await?;
    Ok((Some(arrival), org))
}

async fn join_new(
    state: &State,
    origin: &Origin,
    form: &JoinForm,
    invitation: &Invitation,
) -> Result<Joined, AppError> {
    let read = deeds::read_invited_person(&state.rules.format, &form.name, &invitation.email, &form.password);
    let (mut person, token) = (read.map_err(AppError::Invalid)?, form.token.clone());
    let hash = hash(state, person.take_password()).await?;
    let join = state.run(origin.clone(), move |conn, ctx| deeds::join_as_new_person(conn, ctx, &token, &person, &hash));
    let (arrival, org) = join.await?;
    Ok((Some(arrival), org))
}

fn draw_form(
    state: &State,
    req: &HttpRequest,
    htmx: Htmx,
    form: JoinForm,
    invitation: Option<(&Invitation, Invited)>,
    (status, mut errors): (u16, Errors),
) -> Result<HttpResponse, AppError> {
    let is_open = invitation.is_some() && !errors.has("token");
    if is_open && errors.has("email") {
        let text = errors.of("email").unwrap_or_default().to_owned();
        errors = Errors::about_all(text);
    }
    let page = JoinPage {
        chrome: chrome_for_nobody(state, req),
        action: "/join".to_owned(),
        token: form.token,
        invitation: invitation.filter(|_| is_open).map(|(found, who)| InvitationView {
            organization: found.org_name.clone(),
            role: format!("{} ({})", found.role, found.role.meaning()),
            by: found.invited_by.clone(),
            email: found.email.clone(),
            who,
        }),
        name: form.name,
        errors,
    };
    draw(htmx, status, &page)
}
