//! What many tests do with API keys through the pages.

use keyrack::actions::{AppError, OrgScope, act_in};
use serde_json::Value;

use super::TestApp;
use super::actor::Visitor;
use super::answer::Answer;
use super::app::{MadeKey, Setup};

/// Acme's page.
pub(crate) const LIST: &str = "/orgs/acme/settings/api-keys";

/// The page of one of Acme's keys, or one below it: `""`, `"/rotate"`.
pub(crate) fn at(id: &str, below: &str) -> String {
    format!("{LIST}/{id}{below}")
}

/// Sends the form that creates a key.
pub(crate) async fn post_key(visitor: &Visitor<'_>, name: &str) -> Answer {
    visitor.post(LIST, &[("name", name)]).await
}

/// The secret that an answer reveals.
#[track_caller]
pub(crate) fn secret_in(answer: &Answer) -> String {
    let found = answer.attribute("#secret", "value");
    assert_eq!(found.len(), 1, "{} reveals no secret:\n{}", answer.request, answer.body);
    found.into_iter().next().unwrap()
}

/// The key that an answer reveals.
#[track_caller]
pub(crate) fn key_in(answer: &Answer) -> MadeKey {
    let secret = secret_in(answer);
    let id = secret[secret.len() - 33..secret.len() - 25].to_owned();
    MadeKey { id, secret }
}

/// Rotates a key by the page.
pub(crate) async fn rotate(visitor: &Visitor<'_>, id: &str, grace: &str) -> String {
    secret_in(&visitor.post(&at(id, "/rotate"), &[("grace", grace)]).await.assert_status(200))
}

/// Keys may manage keys (ruling 13), so that the whole of `/v1` can be tried with one.
pub(crate) fn manageable(setup: &mut Setup) {
    setup.rules.keys_may_manage_keys = true;
}

impl TestApp {
    /// Whether this secret is let in, by the API's own word.
    pub(crate) async fn is_let_in(&self, secret: &str) -> bool {
        let answer = self.key(secret).get("/v1/whoami").await;
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        answer.status == 200
    }

    /// Does a deed as this one of the cast, in their organization, by the action and not by a page.
    pub(crate) fn db_deed<T>(&self, who: &str, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> T {
        self.db_act(who, |conn, ctx, who, org| act_in(conn, ctx, who, org, f)).unwrap()
    }

    /// How many rows of a table there are, with a condition.
    pub(crate) fn count(&self, of: &str) -> i64 {
        self.database.number(&format!("SELECT COUNT(*) AS n FROM {of}"))
    }
}

/// A member of a JSON object, as text.
#[track_caller]
pub(crate) fn text<'j>(json: &'j Value, pointer: &str) -> &'j str {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {json:#}"))
}
