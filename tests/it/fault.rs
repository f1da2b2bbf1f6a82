//! A database that fails in the middle: each deed is done whole or not at all, the answer is honest, and nobody is let in by
//! mistake. One statement is made to fail from inside the database.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use keyrack::db::{Conn, Db, PoolError};
use serde_json::json;

use crate::api::service_token;
use crate::support::TestApp;
use crate::support::app::Request;
use crate::support::keys::{LIST, at, key_in, manageable, post_key};

/// The tables that the deeds on keys write to, with the statement that is made to fail.
const FAULTS: [(&str, &str); 8] = [
    ("api_keys", "INSERT"),
    ("api_keys", "UPDATE"),
    ("key_secrets", "INSERT"),
    ("key_secrets", "UPDATE"),
    ("audit_log", "INSERT"),
    ("audit_chains", "UPDATE"),
    ("done_once", "INSERT"),
    ("alerts", "INSERT"),
];

impl TestApp {
    /// From now on this statement fails on this table.
    fn break_down(&self, table: &str, statement: &str) {
        let sql = if self.database.is_sqlite() {
            format!(
                "CREATE TRIGGER broken BEFORE {statement} ON {table} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END"
            )
        } else {
            format!(
                "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk on fire'; END $$; \
                 CREATE TRIGGER broken BEFORE {statement} ON {table} FOR EACH ROW EXECUTE FUNCTION broken()"
            )
        };
        self.database.run(|conn| conn.batch_execute(&sql).unwrap());
    }

    /// It works again.
    fn mend(&self, table: &str) {
        let on = if self.database.is_sqlite() { String::new() } else { format!(" ON {table}") };
        self.database.run(|conn| conn.batch_execute(&format!("DROP TRIGGER broken{on}")).unwrap());
    }

    /// The rows that deeds on keys write.
    fn deeds(&self) -> String {
        let dump = self.database.dump();
        let lines = dump.lines().filter(|line| !line.starts_with("sessions "));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[actix_web::test]
async fn a_page_whose_deed_fails_halfway_says_so_and_shows_no_secret() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "victim").await);
    let rotating = key_in(&post_key(&ben, "rotating").await);
    ben.post(&at(&rotating.id, "/rotate"), &[("grace", "24h")]).await.assert_status(200);
    let before = app.deeds();
    app.break_down("audit_log", "INSERT");
    let ids = [("ids", key.id.as_str()), ("ids", rotating.id.as_str()), ("confirm_count", "2")];
    for answer in [
        post_key(&ben, "new").await,
        ben.post(&at(&key.id, "/rotate"), &[("grace", "1h")]).await,
        ben.post(&at(&rotating.id, "/rotate/finish"), &[]).await,
        ben.post(&at(&key.id, "/revoke"), &[("confirm_name", "victim")]).await,
        ben.post(&format!("{LIST}/revoke"), &ids).await,
        ben.post(&at(&key.id, ""), &[("name", "renamed"), ("note", "")]).await,
    ] {
        let answer = answer.assert_status(500).assert_see("Something went wrong on our side").assert_has_not("#secret");
        assert!(!answer.body.contains("fire") && !answer.body.contains("audit_log"), "{}", answer.body);
    }
    assert!(app.deeds() == before);
    app.mend("audit_log");
    assert!(app.is_let_in(&key.secret).await && app.is_let_in(&rotating.secret).await);
}

/// One deed at a time, each under each fault, on keys of its own.
#[actix_web::test]
async fn creating_rotating_and_revoking_are_all_or_nothing_under_each_fault() {
    let app = TestApp::with(|setup| {
        manageable(setup);
        setup.rules.plans[0].active_keys_max = None;
        setup.rules.plans[0].creations_per_hour = None;
    });
    let script = app.db_create_key("ben", "script");
    let script = app.key(&script.secret);
    script.get("/v1/whoami").await.assert_status(200);
    app.database.execute("UPDATE api_keys SET last_used_at = created_at + 600000000");
    app.database.execute("UPDATE key_secrets SET last_used_at = created_at + 600000000");
    let mut failed = Vec::new();
    for (table, statement) in FAULTS {
        for deed in ["create", "rotate", "revoke"] {
            let key = app.db_create_key("ben", &format!("{table} {statement} {deed}"));
            let path = format!("/v1/keys/{}", key.id);
            let request = match deed {
                "create" => Request::new("POST", "/v1/keys")
                    .header("Idempotency-Key", &format!("{table}-{statement}"))
                    .json(&json!({"name": format!("new {table} {statement}")})),
                _ => Request::new("POST", &format!("{path}/{deed}")).json(&json!({})),
            };
            // What was noted of earlier checks is written, so that only the deed can change anything.
            app.catch_up();
            let before = app.deeds();
            app.break_down(table, statement);
            let answer = script.send(request).await;
            app.mend(table);
            if answer.status >= 400 {
                failed.push((table, statement, deed));
                assert!(answer.status >= 500, "{answer:?}");
                assert!(!answer.body.contains("fire") && !answer.body.contains(table), "{}", answer.body);
                assert!(app.deeds() == before, "{deed} under {statement} on {table}");
                assert!(app.is_let_in(&key.secret).await);
            }
        }
    }
    let expected: &[(&str, &str, &str)] = &[
        ("api_keys", "INSERT", "create"),
        ("api_keys", "UPDATE", "revoke"),
        ("key_secrets", "INSERT", "create"),
        ("key_secrets", "INSERT", "rotate"),
        ("key_secrets", "UPDATE", "rotate"),
        ("audit_log", "INSERT", "create"),
        ("audit_log", "INSERT", "rotate"),
        ("audit_log", "INSERT", "revoke"),
        ("audit_chains", "UPDATE", "create"),
        ("audit_chains", "UPDATE", "rotate"),
        ("audit_chains", "UPDATE", "revoke"),
        ("done_once", "INSERT", "create"),
        ("alerts", "INSERT", "create"),
        ("alerts", "INSERT", "rotate"),
        ("alerts", "INSERT", "revoke"),
    ];
    assert_eq!(failed, expected);
}

#[actix_web::test]
async fn a_creation_that_failed_may_be_sent_again() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let nonce = ben.get(&format!("{LIST}/new")).await.field("nonce");
    let form = [("name", "again"), ("nonce", nonce.as_str())];
    app.break_down("audit_log", "INSERT");
    ben.post(LIST, &form).await.assert_status(500);
    app.mend("audit_log");
    let key = key_in(&ben.post(LIST, &form).await.assert_status(200));
    assert!(app.is_let_in(&key.secret).await);
    assert_eq!(app.count("api_keys"), 1);
}

/// Runs this on the connection that writes and on as many of the pool at once as there may be.
pub(crate) fn on_every_connection(db: &Db, sql: &str) {
    db.run_on_writer(|conn| conn.batch_execute(sql).unwrap()).unwrap();
    on_so_many_connections(db, sql, if db.is_sqlite() { 32 } else { 8 });
}

fn on_so_many_connections(db: &Db, sql: &str, connections: u32) {
    if connections == 0 {
        return;
    }
    let run = |conn: &mut Conn| {
        conn.batch_execute(sql).unwrap();
        on_so_many_connections(db, sql, connections - 1);
        Ok::<(), PoolError>(())
    };
    db.run(run).unwrap();
}

#[actix_web::test]
async fn a_read_only_database_keeps_letting_keys_in_and_refuses_to_write() {
    let app = TestApp::with(manageable);
    let ben = app.enter("ben");
    let key = key_in(&post_key(&ben, "ci").await);
    let [on, off] = if app.database.is_sqlite() {
        ["PRAGMA query_only = ON", "PRAGMA query_only = OFF"]
    } else {
        ["SET default_transaction_read_only = on", "SET default_transaction_read_only = off"]
    };
    on_every_connection(&app.database.db, on);
    let script = app.key(&key.secret);
    script.get("/v1/whoami").await.assert_status(200);
    script.get("/v1/keys").await.assert_status(200);
    app.key("kr_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAA").get("/v1/whoami").await.assert_status(401);
    ben.get(LIST).await.assert_status(200).assert_see("ci");
    for answer in [
        script.post("/v1/keys", &json!({"name": "x"})).await,
        script.post(&format!("/v1/keys/{}/revoke", key.id), &json!({})).await,
    ] {
        let answer = answer.assert_problem(503, "UNAVAILABLE");
        assert!(answer.header("retry-after").is_some());
    }
    post_key(&ben, "x").await.assert_status(503).assert_see("cannot reach its database").assert_has_not("#secret");
    ben.post(&at(&key.id, "/revoke"), &[("confirm_name", "ci")]).await.assert_status(503);
    ben.post(&at(&key.id, "/rotate"), &[("grace", "now")]).await.assert_status(503);
    app.visitor().get("/healthz").await.assert_status(200);
    on_every_connection(&app.database.db, off);
    // Without a restart it works again.
    assert!(app.is_let_in(&key.secret).await);
    ben.post(&at(&key.id, "/revoke"), &[("confirm_name", "ci")]).await.assert_status(303);
    assert!(!app.is_let_in(&key.secret).await);
}

/// Asks until the answer has this status; five seconds at most, which is longer than a lease.
async fn wait_for_status(app: &TestApp, secret: &str, status: u16) {
    for _ in 0..500 {
        let answer = app.key(secret).get("/v1/whoami").await;
        if answer.status == status {
            return;
        }
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        actix_web::rt::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {status}");
}

#[actix_web::test]
async fn a_node_that_cannot_follow_the_database_lets_nobody_in_until_it_can_again() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let backend = service_token(&app);
    assert!(app.is_let_in(&key.secret).await);
    app.database.run(|conn| conn.batch_execute("ALTER TABLE gate_changes RENAME TO elsewhere").unwrap());
    wait_for_status(&app, &key.secret, 503).await;
    let answer = app.key(&key.secret).get("/v1/whoami").await.assert_problem(503, "UNAVAILABLE");
    assert!(!answer.body.contains("gate_changes"), "{answer:?}");
    let body = serde_json::json!({"key": key.secret});
    let answer = app.key(&backend).post("/v1/keys/verify", &body).await.assert_problem(503, "UNAVAILABLE");
    assert!(answer.header("retry-after").is_some() && answer.header("x-request-id").is_some(), "{answer:?}");
    answer.assert_header("cache-control", "no-store");
    app.visitor().get("/readyz").await.assert_status(503);
    app.database.run(|conn| conn.batch_execute("ALTER TABLE elsewhere RENAME TO gate_changes").unwrap());
    wait_for_status(&app, &key.secret, 200).await;
    app.visitor().get("/readyz").await.assert_status(200);
}
