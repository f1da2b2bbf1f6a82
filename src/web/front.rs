//! What stands before the application: it takes the requests that ask about keys, and passes all others on. For those few that are
//! so many, to be routed and wrapped by the framework takes a good part of what the check itself takes.

use std::rc::Rc;

use actix_http::Request;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Response, Service, ServiceFactory, ServiceResponse, forward_ready};
use actix_web::{Error, web};
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, MapOk, Ready, ready};

use super::routes::Check;
use super::{State, api, routes};

/// An answer that is there at once, or later.
pub(super) type Answering = Either<Ready<Answered>, LocalBoxFuture<'static, Answered>>;

/// There is never an error; the framework wants room for one.
pub(super) type Answered = Result<Response<BoxBody>, Error>;

/// An answer that is there.
pub(super) fn at_once(res: impl Into<Response<BoxBody>>) -> Answering {
    Either::Left(ready(Ok(res.into())))
}

/// Makes a [`Front`] for each thread.
pub(super) struct FrontFactory<F> {
    pub(super) state: web::Data<State>,
    /// Makes the application.
    pub(super) app: F,
}

impl<F> ServiceFactory<Request> for FrontFactory<F>
where
    F: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
            Future: 'static,
        >,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Config = AppConfig;
    type Service = Front<F::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, config: AppConfig) -> Self::Future {
        let (state, app) = (Rc::new(State::clone(&self.state)), self.app.new_service(config));
        Box::pin(async move { Ok(Front { state, app: app.await? }) })
    }
}

/// Takes every request first.
pub(super) struct Front<A> {
    state: Rc<State>,
    app: A,
}

type Passed<F> = MapOk<F, fn(ServiceResponse<BoxBody>) -> Response<BoxBody>>;

impl<A> Service<Request> for Front<A>
where
    A: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = Response<BoxBody>;
    type Error = Error;
    type Future = Either<Answering, Passed<A::Future>>;

    forward_ready!(app);

    fn call(&self, req: Request) -> Self::Future {
        let answering = match routes::check_of(req.method(), req.path()) {
            Some(Check::Auth) => Ok(api::auth::auth(req, &self.state)),
            Some(Check::AuthBelow) => Ok(api::auth::auth_below(req, &self.state)),
            Some(Check::Verify) => api::verify::verify(req, &self.state),
            None => Err(req),
        };
        match answering {
            Ok(answering) => Either::Left(answering),
            Err(req) => Either::Right(self.app.call(req).map_ok(Response::from)),
        }
    }
}
