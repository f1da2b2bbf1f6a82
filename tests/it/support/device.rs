//! Command lines that sign in: by the API as a program does it, and without it for tests that are about something else.

use keyrack::actions::people::{self, Decision, Polled};
use keyrack::actions::{AppError, Ctx, Who};
use keyrack::db::{self, Conn};
use keyrack::domain::device::show_user_code;
use serde_json::Value;

use super::TestApp;
use super::actor::Script;
use super::answer::Answer;
use super::app::Request;
use super::cast::user_id;

/// A device that waits to be let in.
pub(crate) struct Waiting {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
}

/// The answer to a POST below `/v1/device`, from this address.
pub(crate) async fn post_device(app: &TestApp, path: &str, form: &[(&str, &str)], address: &str) -> Answer {
    app.send(Request::new("POST", &format!("/v1/device/{path}")).form(form).from(address)).await
}

impl TestApp {
    /// A device that calls itself so asks to be let in.
    pub(crate) async fn ask_in(&self, name: &str) -> Waiting {
        let form = [("client_id", "keyrack-cli"), ("device_name", name)];
        let answer = post_device(self, "code", &form, "203.0.113.7").await.assert_status(200).json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Waiting { device_code: text("device_code"), user_code: text("user_code") }
    }

    /// The device asks for its token.
    pub(crate) async fn poll(&self, device_code: &str) -> Answer {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let form = [("grant_type", grant), ("device_code", device_code), ("client_id", "keyrack-cli")];
        post_device(self, "token", &form, "203.0.113.7").await
    }

    /// This one of the cast says yes, in their organization, by the action and not by the page.
    pub(crate) fn db_allow(&self, who: &str, user_code: &str) {
        self.db_decide(who, |conn, ctx, who, org| {
            people::decide_device(conn, ctx, who, user_code, Decision::Allow(org)).unwrap();
        });
    }

    /// Lets this one of the cast decide on a device, in a session that is over afterwards.
    pub(crate) fn db_decide<T>(&self, who: &str, decide: impl FnOnce(&mut Conn, Ctx<'_>, &Who, &str) -> T) -> T {
        let user = user_id(who);
        let (_, session) = self.db_begin_session(&user, self.now());
        let done = self.db_act(who, |conn, ctx, _, org| {
            let who = Who::Person { user: user.clone(), session: session.clone() };
            Ok::<_, AppError>(decide(conn, ctx, &who, org))
        });
        self.database.run(|conn| db::sessions::delete_session_by_id(conn, &user, &session).unwrap());
        done.unwrap()
    }

    /// The token of a command line that this one of the cast has signed in.
    pub(crate) fn db_command_line(&self, who: &str) -> String {
        let polled = self.db_decide(who, |conn, ctx, who, org| {
            let start = people::begin_device(conn, ctx, "ada-laptop").unwrap();
            let code = show_user_code(&start.device.user_code);
            people::decide_device(conn, ctx, who, &code, Decision::Allow(org)).unwrap();
            people::poll_device(conn, ctx, start.code.reveal()).unwrap()
        });
        let Polled::SignedIn(token) = polled else { panic!("not let in") };
        self.learn(token.reveal());
        token.reveal().to_owned()
    }

    /// The command line of this one of the cast, in their organization.
    pub(crate) fn command_line(&self, who: &str) -> Script<'_> {
        self.key(&self.db_command_line(who))
    }
}

/// The `error` of an answer below `/v1/device`.
#[track_caller]
pub(crate) fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.status, 400, "{answer:?}");
    let json: Value = answer.json();
    assert!(json["error_description"].is_string() && json.as_object().unwrap().len() == 2, "{json}");
    json["error"].as_str().unwrap().to_owned()
}
