//! A disk that is full or cannot be written, under SQLite: keys are checked on, no deed is said to be done that was not, and
//! all is well again without a restart once there is room. On PostgreSQL this cannot be made to happen to one test alone: a
//! read-only or full server is so for all of them; `fault.rs` makes single connections read-only there.

use serde_json::json;

use crate::fault::on_every_connection;
use crate::support::TestApp;
use crate::support::app::{MadeKey, misspelt};
use crate::support::keys::{at, key_in, manageable, post_key};

impl TestApp {
    /// Like a file system mounted read-only.
    fn set_read_only(&self, is_on: bool) {
        on_every_connection(&self.database.db, &format!("PRAGMA query_only = {is_on}"));
    }

    /// From now on the file cannot grow: the first write that needs a page more fails with "database or disk is full".
    fn fill_disk(&self) {
        on_every_connection(&self.database.db, "PRAGMA max_page_count = 1");
    }

    fn make_room(&self) {
        on_every_connection(&self.database.db, "PRAGMA max_page_count = 1000000");
    }

    /// How many checks of this key are written down.
    fn counted(&self, key: &MadeKey) -> i64 {
        self.database
            .number(&format!("SELECT COALESCE(SUM(count), 0) AS n FROM usage_hours WHERE key_id = '{}'", key.id))
    }

    /// What both ways to check say of this secret.
    async fn statuses(&self, secret: &str) -> [u16; 2] {
        let script = self.key(secret);
        [script.get("/v1/whoami").await.status, script.get("/v1/auth").await.status]
    }
}

#[actix_web::test]
async fn a_read_only_disk_stops_deeds_but_no_check_and_loses_no_count() {
    let app = TestApp::with(manageable);
    if !app.database.is_sqlite() {
        return;
    }
    let ben = app.enter("ben");
    let (script, watched) = (app.db_create_key("ben", "script"), app.db_create_key("ben", "watched"));
    assert_eq!(app.statuses(&watched.secret).await, [200, 200]);
    app.state.gate.flush().unwrap();
    assert_eq!(app.counted(&watched), 2);
    app.set_read_only(true);
    let (caller, path) = (app.key(&script.secret), format!("/v1/keys/{}", watched.id));
    for _ in 0..5 {
        assert_eq!(app.statuses(&watched.secret).await, [200, 200]);
        assert_eq!(app.statuses(&misspelt(&watched.secret)).await, [401, 401]);
        for deed in ["rotate", "revoke"] {
            let answer = caller.post(&format!("{path}/{deed}"), &json!({})).await;
            assert!(answer.assert_problem(503, "UNAVAILABLE").header("retry-after").is_some());
        }
        ben.post(&at(&watched.id, "/rotate"), &[("grace", "now")]).await.assert_status(503).assert_has_not("#secret");
        ben.post(&at(&watched.id, "/revoke"), &[("confirm_name", "watched")]).await.assert_status(503);
    }
    assert!(app.state.gate.flush().is_err());
    assert_eq!(app.counted(&watched), 2);
    assert_eq!(caller.get(&path).await.json()["status"], "active");
    app.set_read_only(false);
    app.state.gate.flush().unwrap();
    assert_eq!(app.counted(&watched), 12);
    caller.post(&format!("{path}/revoke"), &json!({})).await.assert_status(200);
    assert_eq!(app.statuses(&watched.secret).await, [401, 401]);
}

#[actix_web::test]
async fn on_a_full_disk_no_revocation_is_confirmed_that_was_not_written() {
    let app = TestApp::with(|setup| {
        manageable(setup);
        setup.rules.plans[0].active_keys_max = None;
        setup.rules.plans[0].creations_per_hour = None;
    });
    if !app.database.is_sqlite() {
        return;
    }
    let (ben, script) = (app.enter("ben"), app.db_create_key("ben", "script"));
    let caller = app.key(&script.secret);
    let keys: Vec<MadeKey> = (0..40).map(|number| app.db_create_key("ben", &format!("key {number}"))).collect();
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for key in &keys {
        app.catch_up();
        // Each time anew: SQLite undoes a whole transaction for which there is no room, and the pool then takes a new connection.
        app.fill_disk();
        let answer = caller.post(&format!("/v1/keys/{}/revoke", key.id), &json!({})).await;
        if answer.status == 200 {
            done.push(key);
            assert_eq!(app.statuses(&key.secret).await, [401, 401]);
        } else {
            answer.assert_problem(503, "UNAVAILABLE");
            refused.push(key);
            assert_eq!(app.statuses(&key.secret).await, [200, 200]);
        }
        if refused.len() == 5 {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk was never full");
    app.fill_disk();
    for key in &refused {
        let path = format!("/v1/keys/{}", key.id);
        assert_eq!(caller.get(&path).await.assert_status(200).json()["status"], "active");
        ben.get(&at(&key.id, "")).await.assert_status(200);
    }
    let lines = "audit_log WHERE action = 'key.revoked'";
    assert_eq!(app.count(lines), i64::try_from(done.len()).unwrap());
    app.make_room();
    for key in &refused {
        caller.post(&format!("/v1/keys/{}/revoke", key.id), &json!({})).await.assert_status(200);
        assert_eq!(app.statuses(&key.secret).await, [401, 401]);
    }
    assert_eq!(app.count(lines), i64::try_from(done.len() + refused.len()).unwrap());
    let new = key_in(&post_key(&ben, "new").await.assert_status(200));
    assert_eq!(app.statuses(&new.secret).await, [200, 200]);
    app.state.gate.flush().unwrap();
    // Two checks when it was refused and two when it was revoked.
    refused.iter().for_each(|key| assert_eq!(app.counted(key), 4));
}
