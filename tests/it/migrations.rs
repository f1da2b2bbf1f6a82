//! The schema: there and back, by one of many who start together, and never under a program that is too old for it.

use keyrack::db::{self, Db, SchemaState};

use crate::support::TestApp;
use crate::support::database::TestDatabase;

#[test]
fn the_schema_goes_up_down_and_up_again() {
    let database = TestDatabase::new();
    let tables = database.tables();
    assert_eq!(state(&database), SchemaState::Current);
    assert_eq!(db::migrate(&database.db).unwrap(), 0, "nothing is left to do");
    db::revert_all(&database.db).unwrap();
    assert!(matches!(state(&database), SchemaState::Behind(count) if count > 0));
    let left: Vec<_> = database.tables().into_iter().filter(|table| !table.starts_with("__diesel")).collect();
    assert!(left.is_empty(), "not undone: {left:?}");
    assert!(db::migrate(&database.db).unwrap() > 0);
    assert_eq!(database.tables().len(), tables.len());
    assert_eq!(state(&database), SchemaState::Current);
}

fn state(database: &TestDatabase) -> SchemaState {
    database.run(|conn| db::schema_state(conn).unwrap())
}

/// What Rust says of each table's columns is what the database has: a query over all of them would fail otherwise.
#[test]
fn every_table_is_read_and_written_as_it_was_made() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    app.database.run(|conn| {
        let org = "org_acme".into();
        assert!(db::keys::find_key(conn, &org, &key.id.as_str().into()).unwrap().is_some());
        assert_eq!(db::orgs::list_members(conn, &org).unwrap().len(), 4);
        assert_eq!(db::orgs::list_profiles(conn, &org).unwrap().len(), 1);
        assert!(db::users::find_user(conn, &"usr_ben".into()).unwrap().is_some());
        assert!(db::sessions::list_sessions(conn, &"usr_ben".into()).unwrap().is_empty());
        assert!(db::sessions::find_session(conn, "none").unwrap().is_none());
        assert!(db::tokens::find_done(conn, "none", "none").unwrap().is_none());
        assert_eq!(db::billing::lock_subscription(conn, "sub", "cus").unwrap().org, None);
        assert!(db::leaks::list_reports(conn, &org, 9).unwrap().is_empty());
        assert!(db::plan_requests::list_requests(conn, &org).unwrap().is_empty());
        assert!(db::tokens::list_service_tokens(conn).unwrap().is_empty());
        assert!(db::cli_tokens::find_by_hash(conn, "none").unwrap().is_none());
        assert!(db::devices::find_device(conn, "none").unwrap().is_none());
        assert!(db::events::list_events(conn, &org, &db::events::EventFilter::default(), None, 9).unwrap().is_empty());
        assert!(
            db::usage::list_hours_of(conn, &org, &[&key.id.as_str().into()], app.state.clock.now()).unwrap().is_empty()
        );
        assert_eq!(db::audit::load_chain(conn, "org_acme", None).unwrap().0.len(), 1);
    });
}

#[test]
fn of_many_that_start_together_one_migrates() {
    let database = TestDatabase::new();
    db::revert_all(&database.db).unwrap();
    let url = database.url.clone();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            // A pool of its own each, as a process would have.
            std::thread::spawn(move || db::migrate(&Db::open(&url).unwrap()).unwrap())
        })
        .collect();
    let ran: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ran.iter().filter(|ran| **ran > 0).count(), 1, "{ran:?}");
    assert_eq!(state(&database), SchemaState::Current);
}

#[test]
fn the_schema_of_a_newer_program_is_left_alone() {
    let database = TestDatabase::new();
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')");
    assert!(matches!(state(&database), SchemaState::Newer(_)));
    let before = database.dump();
    let refusal = db::migrate(&database.db).unwrap_err().to_string();
    assert!(refusal.contains("KEYRACK_DATABASE_URL") && refusal.contains("newer Keyrack"), "{refusal}");
    assert!(database.dump() == before);
}

#[actix_web::test]
async fn a_server_whose_schema_differs_is_not_ready() {
    let app = TestApp::new();
    app.visitor().get("/readyz").await.assert_status(200);
    app.database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000000')");
    app.visitor().get("/readyz").await.assert_status(503);
    app.visitor().get("/healthz").await.assert_status(200);
}

/// Else every query with a bound limit is planned anew each time, which takes longer than to run it; and every value of every
/// row is read under a lock.
#[test]
fn sqlite_is_built_as_it_should_be() {
    let database = TestDatabase::new();
    if database.is_sqlite() {
        for (option, is_on) in [("ENABLE_QPSG", 1), ("THREADSAFE=2", 1), ("ENABLE_MEMORY_MANAGEMENT", 0)] {
            let found = database.number(&format!("SELECT sqlite_compileoption_used('{option}') AS n"));
            assert_eq!(found, is_on, "{option}: see .cargo/config.toml");
        }
    }
}
