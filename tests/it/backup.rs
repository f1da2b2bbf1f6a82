//! Saving and restoring: from either database into either, whole or not at all, and never giving back what was taken away.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyrack::actions::backup::{self, Lost, RestoreOptions, Restored, Taken};
use keyrack::actions::keys::{NewKey, RevokeInput, create_key, revoke_key, rotate_key};
use keyrack::actions::people::{self, KeysFate, change_role, remove_member};
use keyrack::actions::{AppError, Ctx, OrgScope, Origin, Who, act_in};
use keyrack::clock::Clock;
use keyrack::db::{self, Conn, Db, PoolError, tables};
use keyrack::domain::ids::SessionId;
use keyrack::domain::key::Grace;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::TestApp;
use crate::support::app::{MadeKey, usual_rules};
use crate::support::binary::Place;
use crate::support::cast;
use crate::support::database::TestDatabase;

const CAREFUL: RestoreOptions =
    RestoreOptions { replace: false, journals: Vec::new(), lost: Lost::Refuse, even_if_broken: false };

fn replacing() -> RestoreOptions {
    RestoreOptions { replace: true, ..CAREFUL }
}

/// A deed of the operator's, as the command line does it.
fn act<T>(db: &Db, f: impl FnOnce(&mut Conn, Ctx<'_>) -> Result<T, AppError>) -> Result<T, AppError> {
    let (rules, clock) = (usual_rules(), Clock::system());
    let origin = Origin { via: "server", ..Origin::default() };
    db.deed(|conn| f(conn, Ctx { rules: &rules, clock: &clock, origin: &origin })).0
}

/// A deed of one of the cast in Acme.
fn act_as<T>(db: &Db, who: &str, f: impl FnOnce(&mut OrgScope<'_>) -> Result<T, AppError>) -> T {
    let who = Who::Person { user: cast::user_id(who), session: SessionId::from("ses_test") };
    act(db, |conn, ctx| act_in(conn, ctx, &who, "acme", f)).unwrap()
}

fn take(db: &Db, path: &Path) -> Result<Taken, AppError> {
    act(db, |conn, ctx| backup::take(conn, ctx, path))
}

fn restore(db: &Db, path: &Path, options: &RestoreOptions) -> Result<Restored, AppError> {
    act(db, |conn, ctx| backup::restore(conn, ctx, path, options))
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, AppError>, words: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(words), "{words} is missing:\n{error}");
}

/// A SQLite database in a folder of its own, whatever this pass of the suite runs on.
struct Sqlite {
    db: Db,
    _folder: TempDir,
}

impl Sqlite {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let db = Db::open(&format!("sqlite://{}", folder.path().join("x.db").display())).unwrap();
        db::migrate(&db).unwrap();
        Self { db, _folder: folder }
    }
}

/// All saved rows by table, in an order of their own, without what a restore itself adds.
fn rows(db: &Db) -> BTreeMap<String, Vec<String>> {
    db.run(|conn| db::snapshot(conn, every_row)).unwrap()
}

fn every_row(conn: &mut Conn) -> Result<BTreeMap<String, Vec<String>>, AppError> {
    let mut all = BTreeMap::new();
    for table in tables::list_tables(conn).unwrap() {
        let mut rows = Vec::new();
        tables::each_row(conn, &table, |row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            // Alerts that waited are given up by a restore, so of them only which there were is compared.
            let is_alert = ["alerts", "alert_deliveries"].contains(&table.name.as_str());
            rows.push(if is_alert { row[0].to_string() } else { row.to_string() });
            Ok::<(), db::DbError>(())
        })
        .unwrap();
        rows.retain(|row| !row.contains("restored\"") || table.name != "audit_log");
        rows.sort();
        if tables::fate_of(&table.name) == tables::Fate::Saved && table.name != "audit_chains" {
            all.insert(table.name, rows);
        }
    }
    Ok(all)
}

fn broken(db: &Db) -> Vec<String> {
    db.run(|conn| {
        let now = db::now(conn, &Clock::system()).unwrap();
        Ok::<_, PoolError>(db::invariants::find_broken_invariants(conn, now).unwrap())
    })
    .unwrap()
}

fn seed(db: &Db) {
    act(db, |conn, ctx| {
        let now = db::now(conn, ctx.clock)?;
        db::write(conn, |conn| {
            cast::seed(conn, "standard", now);
            Ok(())
        })
    })
    .unwrap();
}

fn make_key(db: &Db, who: &str, name: &str) -> MadeKey {
    let new = NewKey { name: name.to_owned(), ..NewKey::default() };
    let created = act_as(db, who, |scope| create_key(scope, &new, None));
    let keyrack::actions::keys::Created::New(view, plain) = created else { panic!("not new") };
    MadeKey { id: view.key.id.to_string(), secret: plain.reveal().to_owned() }
}

fn revoke(db: &Db, key: &MadeKey) {
    let input = RevokeInput { reason: "Leaked".into(), confirm_name: None };
    act_as(db, "olive", |scope| revoke_key(scope, &key.id.as_str().into(), &input));
}

// ---- there and back -------------------------------------------------------------------------------------------------------

#[actix_web::test]
async fn all_that_was_saved_comes_back_on_either_database() {
    let app = TestApp::new();
    app.live_in().await;
    app.catch_up();
    let folder = TempDir::new().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let taken = take(&app.database.db, &first).unwrap();
    let before = rows(&app.database.db);
    assert_eq!(taken.rows as usize, before.values().map(Vec::len).sum::<usize>() + chains(&app.database.db));
    assert!(before["events"].len() > 2 && before["api_keys"].len() == 6);

    let (sqlite, again) = (Sqlite::new(), TestDatabase::new());
    let options = RestoreOptions { lost: Lost::Accept, ..CAREFUL };
    assert_eq!(restore(&sqlite.db, &first, &options).unwrap().rows, taken.rows);
    assert!(rows(&sqlite.db) == before, "into SQLite");
    take(&sqlite.db, &second).unwrap();
    restore(&again.db, &second, &options).unwrap();
    assert!(rows(&again.db) == before, "and out of it");
    assert!(!before["alerts"].is_empty());
    let unsent = "SELECT count(*) AS n FROM alerts WHERE fanned_out_at IS NULL";
    assert_eq!(again.number(unsent), 0, "alerts of long ago are not sent again");
    assert_eq!((broken(&sqlite.db), broken(&again.db)), (Vec::new(), Vec::new()));
    again.run(|conn| assert!(db::sessions::list_sessions(conn, &cast::user_id("olive")).unwrap().is_empty()));
}

fn chains(db: &Db) -> usize {
    db.run(|conn| Ok::<_, PoolError>(db::audit::list_chains(conn).unwrap().len())).unwrap()
}

#[test]
fn of_every_table_it_is_decided_what_becomes_of_it() {
    // A new table: is what it holds to come back? What was ended, used up or sent since must not begin again; then it
    // belongs into SPECIAL of db/tables.rs. Only then add it here.
    const SAVED: &[&str] = &[
        "alert_deliveries",
        "alert_sweeps",
        "alert_switches",
        "alerts",
        "api_keys",
        "audit_chains",
        "audit_log",
        "billing_events",
        "billing_subscriptions",
        "delivery_attempts",
        "done_once",
        "event_counter",
        "events",
        "key_networks",
        "key_secrets",
        "leak_reports",
        "memberships",
        "orgs",
        "plan_requests",
        "profiles",
        "service_tokens",
        "throttles",
        "usage_backlog",
        "usage_hours",
        "usage_minutes",
        "users",
        "webhook_endpoints",
    ];
    let database = TestDatabase::new();
    let listed = database.run(|conn| tables::list_tables(conn).unwrap());
    let mut saved: Vec<&str> = listed.iter().map(|table| table.name.as_str()).collect();
    saved.retain(|name| tables::fate_of(name) == tables::Fate::Saved);
    saved.sort_unstable();
    assert_eq!(saved, SAVED);
    let place = |name: &str| listed.iter().position(|table| table.name == name).unwrap();
    assert!(place("orgs") < place("memberships") && place("api_keys") < place("key_secrets"));
}

#[test]
fn a_backup_is_private_and_replaces_only_a_backup() {
    let database = TestDatabase::new();
    seed(&database.db);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    take(&database.db, &path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let first = std::fs::read(&path).unwrap();
    make_key(&database.db, "ben", "ci");
    take(&database.db, &path).unwrap();
    assert_ne!(std::fs::read(&path).unwrap(), first);
    let other = folder.path().join("notes");
    std::fs::write(&other, "mine").unwrap();
    assert_refused(take(&database.db, &other), "exists and is no backup");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    assert_refused(take(&database.db, &folder.path().join("missing/backup")), "cannot be written");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_is_written_meanwhile_is_not_in_the_backup() {
    let database = TestDatabase::new();
    seed(&database.db);
    let mut out = Vec::new();
    let writer = database.db.clone();
    act(&database.db, |conn, ctx| {
        db::snapshot(conn, |conn| {
            let before = db::users::count_users(conn)?;
            make_key(&writer, "ben", "meanwhile");
            assert_eq!(db::users::count_users(conn)?, before);
            assert!(db::keys::list_unrevoked_keys_of(conn, &cast::org_id("acme"), &cast::user_id("ben"))?.is_empty());
            Ok::<(), AppError>(())
        })?;
        backup::take_into(conn, ctx, &mut out)
    })
    .unwrap();
    assert!(String::from_utf8(out).unwrap().contains("meanwhile"));
}

// ---- files that are not as they were --------------------------------------------------------------------------------------

#[test]
fn a_damaged_file_changes_nothing() {
    let database = TestDatabase::new();
    seed(&database.db);
    let folder = TempDir::new().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    make_key(&database.db, "ben", "ci");
    take(&database.db, &good).unwrap();
    let before = database.dump();
    let bytes = std::fs::read(&good).unwrap();
    let flipped = |at: usize| {
        let mut copy = bytes.clone();
        copy[at] ^= 1;
        copy
    };
    let middle = bytes.len() / 2;
    for (what, copy) in [
        ("empty", Vec::new()),
        ("cut in a line", bytes[..middle].to_vec()),
        ("cut at the end", bytes[..bytes.len() - 2].to_vec()),
        (
            "without its last line",
            bytes[..bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1].to_vec(),
        ),
        ("a bit in the middle", flipped(middle)),
        ("a bit in the header", flipped(40)),
        ("a bit in the checksum", flipped(bytes.len() - 10)),
        ("more behind it", [&bytes[..], b"[1]\n"].concat()),
        ("twice", [&bytes[..], &bytes[..]].concat()),
        ("something else", b"SQLite format 3\0".to_vec()),
    ] {
        std::fs::write(&bad, copy).unwrap();
        let refusal = restore(&database.db, &bad, &replacing()).unwrap_err().to_string();
        assert!(refusal.contains("is damaged") || refusal.contains("is no backup"), "{what}: {refusal}");
    }
    assert_refused(restore(&database.db, &folder.path().join("nowhere"), &replacing()), "cannot be read");
    assert!(database.dump() == before);
}

/// A backup with other lines and a checksum that fits.
fn rewritten(bytes: &[u8], change: impl Fn(usize, &str) -> Option<String>) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.pop();
    let kept: Vec<String> = lines.iter().enumerate().filter_map(|(number, line)| change(number, line)).collect();
    let body = kept.iter().map(|line| format!("{line}\n")).collect::<String>();
    let rows = kept.iter().filter(|line| line.starts_with('[')).count();
    let sum: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{body}{{\"rows\":{rows},\"sha256\":\"{sum}\"}}\n").into_bytes()
}

#[test]
fn a_backup_of_a_newer_program_is_refused() {
    let database = TestDatabase::new();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    take(&database.db, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let newer = |from: &str, to: &str| rewritten(&bytes, |_, line| Some(line.replace(from, to)));
    std::fs::write(&path, newer("\"schema\":[", "\"schema\":[\"99991231000000\",")).unwrap();
    assert_refused(restore(&database.db, &path, &replacing()), "has the schema of a newer Keyrack");
    std::fs::write(&path, newer("{\"keyrack_backup\":1", "{\"keyrack_backup\":2")).unwrap();
    assert_refused(restore(&database.db, &path, &replacing()), "was made by a newer Keyrack");
}

#[test]
fn a_backup_of_an_older_program_is_brought_up_to_date() {
    let database = TestDatabase::new();
    seed(&database.db);
    let key = make_key(&database.db, "ben", "ci");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    take(&database.db, &path).unwrap();
    let before = rows(&database.db);
    // As the first version would have written it: no events, no counts, no column `url_allowed`.
    let first = "20261121000001";
    let tables = ["orgs", "users", "memberships", "profiles", "api_keys", "key_secrets", "audit_chains", "audit_log"];
    let in_table = std::cell::RefCell::new(String::new());
    let url_allowed = std::cell::Cell::new(0);
    let old = rewritten(&std::fs::read(&path).unwrap(), |number, line| {
        let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
        if number == 0 {
            json["schema"] = serde_json::json!([first]);
            return Some(serde_json::to_string(&json).unwrap().replace("\"keyrack_backup\":1,", "").replacen(
                '{',
                "{\"keyrack_backup\":1,",
                1,
            ));
        }
        if let Some(table) = json["table"].as_str().map(str::to_owned) {
            in_table.replace(table.clone());
            let columns = json["columns"].as_array_mut().unwrap();
            if table == "api_keys" {
                url_allowed.set(columns.iter().position(|column| column == "url_allowed").unwrap());
                columns.remove(url_allowed.get());
            }
            let text = format!("{{\"table\":{},\"columns\":{}}}", json["table"], json["columns"]);
            return tables.contains(&in_table.borrow().as_str()).then_some(text);
        }
        if *in_table.borrow() == "api_keys" {
            json.as_array_mut().unwrap().remove(url_allowed.get());
        }
        tables.contains(&in_table.borrow().as_str()).then(|| json.to_string())
    });
    std::fs::write(&path, old).unwrap();
    let fresh = TestDatabase::new();
    restore(&fresh.db, &path, &RestoreOptions { lost: Lost::Accept, ..CAREFUL }).unwrap();
    let after = rows(&fresh.db);
    for table in tables {
        assert_eq!(after.get(table), before.get(table), "{table}");
    }
    assert_eq!(broken(&fresh.db), Vec::<String>::new());
    fresh.run(|conn| assert!(db::keys::id_exists(conn, &key.id.as_str().into()).unwrap()));
}

// ---- what was taken away stays so -------------------------------------------------------------------------------------------

#[actix_web::test]
async fn what_was_taken_away_since_the_backup_is_not_given_back_by_it() {
    let app = TestApp::new();
    let db = &app.database.db;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    let (kept, leaked) = (app.db_create_key("olive", "kept"), app.db_create_key("olive", "leaked"));
    let (rotated, slow) = (app.db_create_key("olive", "rotated"), app.db_create_key("olive", "slow"));
    let (of_ada, of_ben) = (app.db_create_key("ada", "of Ada"), app.db_create_key("ben", "of Ben"));
    let of_bea = app.db_create_key("bea", "of Bea");
    let (record, _token) = act(db, |conn, ctx| people::create_service_token(conn, ctx, "api")).unwrap();
    take(db, &path).unwrap();

    revoke(db, &leaked);
    let new = act_as(db, "olive", |scope| rotate_key(scope, &rotated.id.as_str().into(), Grace::Now, None));
    let new = new.secret.unwrap().reveal().to_owned();
    app.learn(&new);
    let slow_new = act_as(db, "olive", |scope| rotate_key(scope, &slow.id.as_str().into(), Grace::Day, None));
    let slow_new = slow_new.secret.unwrap().reveal().to_owned();
    app.learn(&slow_new);
    act_as(db, "olive", |scope| change_role(scope, &cast::user_id("ada"), "builder"));
    act_as(db, "olive", |scope| remove_member(scope, &cast::user_id("ben"), KeysFate::Revoke));
    act(db, |conn, ctx| people::disable_user(conn, ctx, "bea@acme.example")).unwrap();
    act(db, |conn, ctx| people::revoke_service_token(conn, ctx, &record.id)).unwrap();
    let late = app.db_create_key("olive", "made after the backup");

    assert_refused(restore(db, &path, &CAREFUL), "with --replace the backup takes its place");
    let restored = restore(db, &path, &replacing()).unwrap();
    assert!(restored.is_known && restored.broken.is_empty());
    assert_eq!((restored.report.keys, restored.report.secrets, restored.report.tokens), (2, 2, 1));
    // The server was never stopped, and is told by the database.
    app.database.execute("UPDATE orgs SET lock_seq = lock_seq");
    for gone in [&leaked.secret, &rotated.secret, &of_ben.secret, &of_bea.secret, &late.secret] {
        app.key(gone).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    }
    for good in [&kept.secret, &new, &slow.secret, &slow_new, &of_ada.secret] {
        app.key(good).get("/v1/whoami").await.assert_status(200);
    }
    let role = app.key(&of_ada.secret).get("/v1/whoami").await.json()["role"].clone();
    assert_eq!(role, "builder", "she was demoted after the backup");
    let ben =
        app.database.run(|conn| db::orgs::find_member(conn, &cast::org_id("acme"), &cast::user_id("ben")).unwrap());
    assert!(ben.is_none(), "he was removed");
    let tokens = act(db, |conn, _| people::list_service_tokens(conn)).unwrap();
    assert!(tokens[0].revoked_at.is_some());
    // And what was restored can be saved and restored once more.
    take(db, &path).unwrap();
    revoke(db, &kept);
    restore(db, &path, &replacing()).unwrap();
    app.database.execute("UPDATE orgs SET lock_seq = lock_seq");
    app.key(&kept.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
}

#[test]
fn when_the_database_is_lost_the_journal_knows_what_was_revoked() {
    let folder = TempDir::new().unwrap();
    let (path, journal) = (folder.path().join("backup"), folder.path().join("journal"));
    let database = TestDatabase::new();
    let db = database.db.clone().with_journal(Some(journal.clone()));
    seed(&db);
    let (kept, leaked, rotated) =
        (make_key(&db, "ben", "kept"), make_key(&db, "ben", "leaked"), make_key(&db, "ben", "rotated"));
    take(&db, &path).unwrap();
    revoke(&db, &leaked);
    act_as(&db, "ben", |scope| rotate_key(scope, &rotated.id.as_str().into(), Grace::Now, None));
    assert_eq!(std::fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&journal).unwrap();
    assert!(!text.contains(&kept.secret[12..]) && text.lines().count() > 3);

    let known = |journals: Vec<PathBuf>| RestoreOptions { journals, ..CAREFUL };
    assert_refused(restore(&TestDatabase::new().db, &path, &CAREFUL), "there is no revocation journal");
    let fresh = TestDatabase::new();
    let restored = restore(&fresh.db, &path, &known(vec![journal.clone()])).unwrap();
    assert_eq!((restored.report.keys, restored.report.secrets), (1, 1));
    assert_eq!(broken(&fresh.db), Vec::<String>::new());
    assert_eq!(live_keys(&fresh.db), [kept.id.as_str(), &rotated.id].map(str::to_owned).iter().cloned().collect());

    // The last line cut off by a crash: what it told was never answered, and is written again by whoever comes next.
    std::fs::write(&journal, &text[..text.len() - 20]).unwrap();
    let again = database.db.clone().with_journal(Some(journal.clone()));
    again.follow_journal();
    let fresh = TestDatabase::new();
    let restored = restore(&fresh.db, &path, &known(vec![journal.clone()])).unwrap();
    assert_eq!((restored.report.keys, restored.report.secrets), (1, 1));

    // A line taken out of the middle is missed.
    let lines: Vec<&str> = text.lines().collect();
    let holed = [&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat().join("\n");
    std::fs::write(&journal, format!("{holed}\n")).unwrap();
    assert_refused(restore(&TestDatabase::new().db, &path, &known(vec![journal.clone()])), "has a gap");
}

fn live_keys(db: &Db) -> std::collections::BTreeSet<String> {
    db.run(|conn| {
        let keys = db::rights::list_unrevoked_keys(conn).unwrap();
        Ok::<_, PoolError>(keys.into_iter().map(|(id, ..)| id.to_string()).collect())
    })
    .unwrap()
}

#[test]
fn without_a_journal_everything_can_be_revoked_or_the_loss_accepted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    let database = TestDatabase::new();
    seed(&database.db);
    let key = make_key(&database.db, "ben", "ci");
    let (token, _) = act(&database.db, |conn, ctx| people::create_service_token(conn, ctx, "api")).unwrap();
    take(&database.db, &path).unwrap();
    revoke(&database.db, &key);

    let fresh = TestDatabase::new();
    let restored = restore(&fresh.db, &path, &RestoreOptions { lost: Lost::RevokeAll, ..CAREFUL }).unwrap();
    assert_eq!((restored.report.keys, restored.report.tokens, restored.is_known), (1, 1, false));
    assert!(live_keys(&fresh.db).is_empty());
    assert!(act(&fresh.db, |conn, ctx| people::revoke_service_token(conn, ctx, &token.id)).is_err());
    assert_eq!(broken(&fresh.db), Vec::<String>::new());
    // From now on it is another installation: its journal says nothing about the lost one's backups.
    assert_refused(restore(&fresh.db, &path, &replacing()), "there is no revocation journal");

    let fresh = TestDatabase::new();
    let restored = restore(&fresh.db, &path, &RestoreOptions { lost: Lost::Accept, ..CAREFUL }).unwrap();
    assert!(!restored.is_known);
    assert_eq!(live_keys(&fresh.db).len(), 1);
}

#[test]
fn an_organization_keeps_an_owner_in_name_when_the_new_one_is_not_in_the_backup() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup");
    let database = TestDatabase::new();
    let db = &database.db;
    seed(db);
    let key = make_key(db, "olive", "ci");
    take(db, &path).unwrap();
    let new = keyrack::domain::org::User {
        id: "usr_zoe".into(),
        email: "zoe@acme.example".into(),
        name: "Zoe".into(),
        disabled_at: None,
    };
    act(db, |conn, ctx| {
        let now = db::now(conn, ctx.clock)?;
        db::write(conn, |conn| {
            db::users::insert_user(conn, &new, "$argon2id$", now)?;
            db::orgs::insert_member(conn, &cast::org_id("acme"), &new.id, keyrack::domain::org::Role::Owner, now)?;
            Ok(())
        })
    })
    .unwrap();
    act_as(db, "zoe", |scope| remove_member(scope, &cast::user_id("olive"), KeysFate::Transfer));
    let restored = restore(db, &path, &replacing()).unwrap();
    assert!(restored.report.notes[0].contains("Acme has no owner who may act"), "{:?}", restored.report.notes);
    assert!(!live_keys(db).contains(&key.id), "whoever it was handed to is not here");
    assert_eq!(broken(db), Vec::<String>::new());
    let olive = database.run(|conn| db::users::find_user(conn, &cast::user_id("olive")).unwrap().unwrap());
    assert!(olive.disabled_at.is_some());
}

// ---- the command -----------------------------------------------------------------------------------------------------------

/// A folder whose settings name this database.
fn place_on(database: &TestDatabase) -> Place {
    Place::new().set("KEYRACK_DATABASE_URL", &database.url).set("KEYRACK_KEYS_KEYS_MAY_MANAGE_KEYS", "true")
}

#[test]
fn a_server_runs_on_while_it_is_saved_and_restored() {
    let database = TestDatabase::new();
    seed(&database.db);
    let (key, other) = (make_key(&database.db, "ben", "ci"), make_key(&database.db, "olive", "other"));
    let place = place_on(&database);
    let server = place.start(&["serve"]);
    assert_eq!(server.get_with("/v1/whoami", &key.secret).status, 200);
    let ran = place.run(&["backup", "nightly"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("Saved "), "{ran:?}");
    assert_eq!(ran.stderr.contains("no revocation journal is kept"), !database.is_sqlite(), "{ran:?}");
    revoke(&database.db, &key);
    let ran = place.run(&["restore", "nightly"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = place.run(&["restore", "nightly", "--replace"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("1 keys revoked") && ran.stderr.contains("Everybody signs in again"), "{ran:?}");
    assert_eq!(server.get_with("/v1/whoami", &key.secret).status, 401);
    assert_eq!(server.get_with("/v1/whoami", &other.secret).status, 200);
    let ran = place.run(&["doctor"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    drop(server);
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_data_or_the_new() {
    let database = TestDatabase::new();
    seed(&database.db);
    let key = make_key(&database.db, "ben", "ci");
    fill_with_events(&database, 20_000);
    let place = place_on(&database);
    assert_eq!(place.run(&["backup", "nightly"]).code, 0);
    act_as(&database.db, "olive", |scope| people::rename_org(scope, "Renamed since"));
    let (mut killed, mut done) = (0, 0);
    for millis in [20, 60, 120, 200, 300, 450, 700, 1000, 1500, 2500] {
        let finished = place.run_and_kill(&["restore", "nightly", "--replace"], Duration::from_millis(millis));
        killed += usize::from(!finished);
        done += usize::from(finished);
        let name = database.lines("SELECT name AS line FROM orgs WHERE slug = 'acme'");
        assert!(name == ["Renamed since"] || name == ["Acme"], "{name:?}");
        assert_eq!(database.number("SELECT COUNT(*) AS n FROM events"), 20_000);
        assert_eq!(broken(&database.db), Vec::<String>::new());
    }
    assert!(killed > 2, "{killed} killed, {done} done");
    let last = place.run(&["restore", "nightly", "--replace"]);
    assert_eq!(last.code, 0, "{last:?}");
    assert!(live_keys(&database.db).contains(&key.id));
    // A backup that is killed is not there, or is the one before.
    let whole = std::fs::read(place.path("nightly")).unwrap();
    for millis in [10, 30, 60, 100, 200] {
        place.run_and_kill(&["backup", "nightly"], Duration::from_millis(millis));
        assert!(backup::check(&place.path("nightly")).is_ok());
        place.run_and_kill(&["backup", "new"], Duration::from_millis(millis));
        assert!(!place.path("new").exists() || backup::check(&place.path("new")).is_ok());
    }
    assert!(!whole.is_empty());
}

fn fill_with_events(database: &TestDatabase, count: usize) {
    let numbers = if database.is_sqlite() {
        format!("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n) s")
    } else {
        format!("generate_series(1, {count}) s(i)")
    };
    database.execute(&format!(
        "INSERT INTO events (seq, at, org_id, key_id, secret, method, path, outcome, status, duration_ms, address, client, \
         request_id, weight, reported_seq) SELECT i, 1, 'org_acme', 'AAAAAAAA', 1, 'GET', '/some/path', 'VALID', 200, NULL, \
         '192.0.2.1', 'curl/8', 'req', 1, NULL FROM {numbers}"
    ));
}

#[test]
fn an_old_copy_of_the_file_loses_what_was_taken_away_since() {
    let place = Place::new();
    let url = format!("sqlite://{}", place.path("keyrack.db").display());
    let open = || Db::open(&url).unwrap().with_journal(Some(place.path("keyrack.db.revocations")));
    let db = open();
    db::migrate(&db).unwrap();
    seed(&db);
    let (kept, leaked) = (make_key(&db, "ben", "kept"), make_key(&db, "ben", "leaked"));
    drop(db);
    std::fs::copy(place.path("keyrack.db"), place.path("copy.db")).unwrap();
    let db = open();
    revoke(&db, &leaked);
    drop(db);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(place.path(&format!("keyrack.db{suffix}")));
    }
    std::fs::copy(place.path("copy.db"), place.path("keyrack.db")).unwrap();
    let server = place.start(&["serve"]);
    assert!(server.banner.contains("this database is an old copy") && server.banner.contains("keys revoked: 1"));
    assert_eq!(server.get_with("/v1/whoami", &leaked.secret).status, 401);
    assert_eq!(server.get_with("/v1/whoami", &kept.secret).status, 200);
    server.stop();
    let server = place.start(&["serve"]);
    assert!(!server.banner.contains("old copy"), "{}", server.banner);
}

#[test]
fn a_refused_restore_leaves_nothing_behind() {
    let database = TestDatabase::new();
    seed(&database.db);
    let place = Place::new();
    take(&database.db, &place.path("backup")).unwrap();
    let ran = place.run(&["restore", "backup"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("--revoke-all-keys") && ran.stderr.contains("--journal FILE"), "{ran:?}");
    assert_eq!(place.files(), ["backup"]);
    let ran = place.run(&["restore", "backup", "--accept-lost-revocations", "--revoke-all-keys"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = place.run(&["restore", "backup", "--accept-lost-revocations"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("WARNING: nobody knows what was revoked since"), "{ran:?}");
    let ran = place.run(&["backup", "-"]);
    assert!(ran.stdout.starts_with("{\"keyrack_backup\":1,") && ran.code == 0, "{ran:?}");
    let ran = Place::new().set("KEYRACK_REVOCATION_JOURNAL", "missing/journal").run(&["--listen", "127.0.0.1:0"]);
    assert!(ran.code == 1 && ran.stderr.contains("KEYRACK_REVOCATION_JOURNAL: missing/journal"), "{ran:?}");
}
