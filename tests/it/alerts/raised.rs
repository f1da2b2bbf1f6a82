//! Alerts are raised with their deeds: one for each, in the same transaction, and none for a deed that was not done.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::keys::{at, key_in, manageable, post_key};

impl TestApp {
    /// Kind, owner and particulars of every alert, the oldest first.
    pub(crate) fn alerts(&self) -> Vec<(String, String, Value)> {
        let dump = self
            .database
            .lines("SELECT kind || ' ' || COALESCE(owner_id, '-') || ' ' || facts AS line FROM alerts ORDER BY at, id");
        let read = |line: String| {
            let mut words = line.splitn(3, ' ');
            let mut next = || words.next().unwrap().to_owned();
            (next(), next(), serde_json::from_str(&next()).unwrap())
        };
        dump.into_iter().map(read).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.alerts().into_iter().map(|(kind, ..)| kind).collect()
    }
}

#[actix_web::test]
async fn every_deed_on_a_key_raises_one_alert_that_names_the_key_and_holds_no_secret() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "deploy").await);
    ben.post(&at(&key.id, "/rotate"), &[("grace", "24h")]).await.assert_status(200);
    let ada = app.enter("ada");
    ada.post(&at(&key.id, "/revoke"), &[("reason", "Found in a log")]).await.assert_status(303);
    let alerts = app.alerts();
    assert_eq!(app.kinds(), ["created", "rotated", "revoked"]);
    for (_, owner, facts) in &alerts {
        assert_eq!(
            (owner.as_str(), &facts["key"]["id"], &facts["key"]["name"]),
            ("usr_ben", &json!(key.id), &json!("deploy"))
        );
    }
    let [created, rotated, revoked] = [0, 1, 2].map(|at: usize| alerts[at].2.clone());
    assert_eq!(created["actor"], "Ben");
    assert_eq!(rotated["current_last4"].as_str().unwrap().len(), 4);
    assert_ne!(rotated["current_last4"], rotated["previous_last4"]);
    assert!(rotated["previous_valid_until"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&revoked["actor"], &revoked["reason"]), (&json!("Ada"), &json!("Found in a log")));
}

#[actix_web::test]
async fn revoking_many_and_leaving_raise_an_alert_for_each_key() {
    let app = TestApp::new();
    let keys = [app.db_create_key("ben", "one"), app.db_create_key("ben", "two"), app.db_create_key("ben", "three")];
    let ben = app.enter("ben");
    let ids = [("ids", keys[0].id.as_str()), ("ids", keys[1].id.as_str()), ("confirm_count", "2")];
    ben.post("/orgs/acme/settings/api-keys/revoke", &ids).await.assert_status(200);
    let olive = app.enter("olive");
    olive.post("/orgs/acme/settings/members/usr_ben/remove", &[("keys", "revoke")]).await.assert_status(303);
    let revoked: Vec<_> = app.alerts().into_iter().filter(|(kind, ..)| kind == "revoked").collect();
    let mut names: Vec<_> = revoked.iter().map(|(_, _, facts)| facts["key"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "three", "two"]);
    // Again changes nothing.
    olive.post(&at(&keys[0].id, "/revoke"), &[]).await;
    assert_eq!(app.kinds().iter().filter(|kind| *kind == "revoked").count(), 3);
}

#[actix_web::test]
async fn the_creation_that_uses_up_a_limit_raises_an_alert_and_a_refused_one_none() {
    let app = TestApp::with_limits(2, 20);
    let ben = app.enter("ben");
    post_key(&ben, "one").await.assert_status(200);
    assert_eq!(app.kinds(), ["created"]);
    post_key(&ben, "two").await.assert_status(200);
    assert_eq!(app.kinds().iter().filter(|kind| *kind == "limit_reached").count(), 1);
    let (_, owner, facts) = app.alerts().into_iter().find(|(kind, ..)| kind == "limit_reached").unwrap();
    assert_eq!((owner.as_str(), &facts["limit"], &facts["max"]), ("-", &json!("active_keys"), &json!(2)));
    let before = app.kinds().len();
    post_key(&ben, "three").await.assert_status(409);
    post_key(&ben, "").await;
    assert_eq!(app.kinds().len(), before);
}

#[actix_web::test]
async fn the_last_creation_of_the_hour_raises_an_alert() {
    let app = TestApp::with(|setup| {
        manageable(setup);
        setup.rules.plans[0].creations_per_hour = Some(2);
    });
    let first = app.db_create_key("ben", "first");
    let script = app.key(&first.secret);
    script.post("/v1/keys", &json!({"name": "second"})).await.assert_status(201);
    let (_, _, facts) = app.alerts().into_iter().find(|(kind, ..)| kind == "limit_reached").unwrap();
    assert_eq!((&facts["limit"], &facts["max"]), (&json!("creations_per_hour"), &json!(2)));
    script.post("/v1/keys", &json!({"name": "third"})).await.assert_status(429);
    assert_eq!(app.kinds().iter().filter(|kind| *kind == "limit_reached").count(), 1);
}
