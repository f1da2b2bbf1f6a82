//! Which server, organization and profile a command means, and how they are chosen.

use keyrack::clock::Clock;
use keyrack::db;
use keyrack::domain::org::Role;

use crate::credentials::token_of;
use crate::support::{Home, World, cast};

/// Ada works for Globex too.
fn with_two_orgs(world: &World) {
    let db = &world.database.db;
    let (_, changed) = db.deed(|conn| {
        let now = db::now(conn, &Clock::system()).unwrap();
        db::write(conn, |conn| {
            db::orgs::insert_member(conn, &cast::org_id("globex"), &cast::user_id("ada"), Role::Builder, now)
        })
        .unwrap();
        Ok::<(), db::PoolError>(())
    });
    keyrack::gate::settle_from_outside(db, changed.unwrap());
}

#[test]
fn whoami_says_who_by_what_and_which_file_had_a_say() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada").with_git();
    let home = home.file("keyrack.json", r#"{"org":"acme","profile":"prof_acme"}"#).in_folder("work/deep/down");
    let json = home.run(&["whoami", "--json"]).ok().json();
    for (field, value) in [
        ("role", "admin".into()),
        ("server", world.url()),
        ("server_from", "the last sign-in".into()),
        ("credential_from", "file".into()),
        ("project_file", home.path("work/keyrack.json").canonicalize().unwrap().display().to_string()),
    ] {
        assert_eq!(json[field], value, "{json}");
    }
    assert_eq!(json["active_profile"]["id"], "prof_acme");
    assert_eq!(json["active_profile"]["from"], "../../keyrack.json");
    let text = home.terminal(&["whoami"]).end().text;
    for part in ["Ada <ada@acme.example>", "Acme (acme, plan standard, by ../../keyrack.json)", "your sign-in (file)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_server_is_named_by_flag_variable_project_file_or_the_last_sign_in() {
    let worlds = [World::new(), World::new(), World::new()];
    let [first, second, third] = &worlds;
    let home = Home::new().sign_in(first, "ada").sign_in(second, "ada").sign_in(third, "ada");
    let from = |home: &Home, args: &[&str]| {
        let found = home.run(&[&["whoami", "--json"], args].concat()).ok().json();
        (found["server"].as_str().unwrap().to_owned(), found["server_from"].as_str().unwrap().to_owned())
    };
    assert_eq!(from(&home, &[]), (third.url(), "the last sign-in".into()));
    let home = home.file("keyrack.json", &format!(r#"{{"server":"{}"}}"#, second.url()));
    assert_eq!(from(&home, &[]), (second.url(), "keyrack.json".into()));
    let home = home.set("KEYRACK_PLATFORM_URL", &first.url());
    assert_eq!(from(&home, &[]), (first.url(), "KEYRACK_PLATFORM_URL".into()));
    assert_eq!(from(&home, &["--server", &third.url()]), (third.url(), "--server".into()));
}

#[test]
fn a_project_file_is_looked_for_up_to_the_root_of_the_repository() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada").file("keyrack.json", r#"{"profile":"prof_outer"}"#);
    let active = |home: &Home| home.run(&["whoami", "--json"]).ok().json()["active_profile"]["id"].clone();
    assert_eq!(active(&home), "prof_outer");
    let home = home.in_folder("work/repo").with_git().in_folder("work/repo/src");
    assert!(active(&home).is_null(), "not above the repository's root");
    let home =
        home.in_folder("work/repo").file("keyrack.json", r#"{"profile":"prof_inner"}"#).in_folder("work/repo/src");
    assert_eq!(active(&home), "prof_inner");
    assert_eq!(
        home.run(&["whoami", "--json", "--profile", "prof_flag"]).ok().json()["active_profile"]["id"],
        "prof_flag"
    );
}

#[test]
fn a_project_file_that_makes_no_sense_is_named() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    for (text, why) in
        [("{", "keyrack.json: EOF"), (r#"{"api_key":"x"}"#, "unknown field"), (r#"{"org":"a b"}"#, "“org”")]
    {
        let home = Home::new().file("keyrack.json", text);
        home.run(&["whoami"]).failed(2, why);
    }
    // What it says of another server does not hold for this one.
    let home =
        home.file("keyrack.json", r#"{"server":"https://other.example","org":"nowhere","profile":"prof_other"}"#);
    let here = home.run(&["whoami", "--json", "--server", &world.url()]).ok().json();
    assert!(here["active_profile"].is_null() && here["org"]["slug"] == "acme", "{here}");
}

#[test]
fn a_person_reaches_all_organizations_and_chooses_one() {
    let world = World::new();
    with_two_orgs(&world);
    let home = Home::new().sign_in(&world, "ada");
    let org = |home: &Home, args: &[&str]| {
        home.run(&[&["whoami", "--json"], args].concat()).ok().json()["org"]["slug"].as_str().unwrap().to_owned()
    };
    let listed = home.run(&["orgs", "list", "--json"]).ok().json();
    let mut slugs: Vec<&str> =
        listed["data"].as_array().unwrap().iter().map(|org| org["slug"].as_str().unwrap()).collect();
    slugs.sort_unstable();
    assert_eq!(slugs, ["acme", "globex"]);
    let before = org(&home, &[]);
    let other = if before == "acme" { "globex" } else { "acme" };
    assert_eq!(org(&home, &["--org", other]), other);
    assert_eq!(org(&home, &[]), before, "for one command only");
    // The same token from elsewhere is the same person, without the choice that is kept with the sign-in.
    let given = Home::new().set("KEYRACK_API_KEY", &token_of(&home)).set("KEYRACK_PLATFORM_URL", &world.url());
    assert_eq!(org(&given, &["--org", "globex"]), "globex");
    assert_eq!(org(&given, &["--org", "acme"]), "acme");
    given.run(&["orgs", "use", "globex"]).failed(2, "--org globex instead");
    home.run(&["orgs", "use", "nowhere"]).failed(3, "You are not in an organization “nowhere”");
    let used = home.run(&["orgs", "use", other]).ok();
    assert!(used.stdout.is_empty() && used.stderr.contains("from now on"), "{used:?}");
    assert_eq!(org(&home, &[]), other);
    let active = home.run(&["orgs", "list", "--json"]).ok().json();
    let active = active["data"].as_array().unwrap().iter().find(|org| org["active"] == true).unwrap().clone();
    assert_eq!(active["slug"], other);
    let home = home.file("keyrack.json", &format!(r#"{{"org":"{before}"}}"#));
    assert_eq!(org(&home, &[]), before, "the project file goes before the choice");
    let warned = home.run(&["orgs", "use", other]).ok();
    assert!(warned.stderr.contains(&format!("keyrack.json still says {before}")), "{warned:?}");
}

#[test]
fn profiles_are_created_listed_and_made_active() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada").with_git();
    let made = home.run(&["profiles", "create", "Staging"]).ok();
    let id = made.stdout.trim().to_owned();
    assert!(id.starts_with("prof_") && made.stderr.contains("Created profile “Staging”"), "{made:?}");
    let json = home.run(&["profiles", "create", "Other", "--json"]).ok().json();
    assert_eq!(json["name"], "Other");
    home.run(&["profiles", "create", "Staging"]).failed(2, "There is a profile named “Staging” already.");
    home.run(&["profiles", "use", "Staging"]).ok();
    let file: serde_json::Value = serde_json::from_str(&home.read("keyrack.json")).unwrap();
    assert_eq!((&file["profile"], &file["server"]), (&id.as_str().into(), &world.url().into()));
    let listed = home.run(&["profiles", "list", "--json"]).ok().json();
    let active: Vec<_> = listed["data"].as_array().unwrap().iter().filter(|one| one["active"] == true).collect();
    assert!(active.len() == 1 && active[0]["id"] == id.as_str(), "{listed}");
    let plain = home.run(&["profiles", "list"]).ok().stdout;
    assert_eq!(plain.lines().count(), 3, "{plain}");
    let foreign = home.file("keyrack.json", r#"{"server":"https://other.example"}"#);
    foreign.run(&["profiles", "use", "Staging", "--server", &world.url()]).failed(2, "belongs to another server");
}

#[test]
fn init_writes_what_everybody_in_the_repository_shall_mean() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada").with_git().in_folder("work/src");
    let done = home.run(&["init", "--json"]).ok().json();
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(home.path("work/keyrack.json")).unwrap()).unwrap();
    assert_eq!(written, serde_json::json!({"server": world.url(), "org": "acme", "profile": "prof_acme"}));
    assert_eq!((&done["org"], &done["profile"]), (&"acme".into(), &"prof_acme".into()));
    assert!(home.run(&["init"]).ok().stderr.contains("Nothing to change in ../keyrack.json"));

    let id = home.run(&["profiles", "create", "Staging"]).ok().stdout.trim().to_owned();
    home.run(&["init", "--profile", &id]).failed(2, "Pass --force");
    let mut asked = home.terminal(&["init", "--profile", &id]);
    asked.wait_for("Overwrite ../keyrack.json?");
    asked.type_in("n\r");
    assert_eq!(asked.end().code, 7);
    let mut asked = home.terminal(&["init", "--profile", &id]);
    asked.wait_for("Overwrite ../keyrack.json?");
    asked.type_in("y\r");
    assert_eq!(asked.end().code, 0);
    assert!(std::fs::read_to_string(home.path("work/keyrack.json")).unwrap().contains(&id));
    home.run(&["init", "--profile", "prof_nowhere", "--force"]).failed(3, "There is no profile");
}

#[test]
fn ctrl_c_at_a_question_ends_with_130_and_changes_nothing() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada").file("keyrack.json", r#"{"org":"acme"}"#);
    let mut asked = home.terminal(&["init"]);
    asked.wait_for("Overwrite keyrack.json?");
    asked.type_in("\x03");
    let ended = asked.end();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.raw.rfind("\x1b[?25h") >= ended.raw.rfind("\x1b[?25l"), "the cursor is back: {ended:?}");
    assert_eq!(home.read("keyrack.json"), r#"{"org":"acme"}"#);
    home.run(&["init", "--no-input"]).failed(2, "Pass --force");
    assert_eq!(home.terminal(&["init", "--no-input"]).end().code, 2, "on a terminal too");
    assert_eq!(home.terminal(&["auth", "logout"]).end().code, 0);
}

#[test]
fn init_asks_for_the_profile_where_there_are_several() {
    let world = World::new();
    let home = Home::new().sign_in(&world, "ada");
    let id = home.run(&["profiles", "create", "Staging"]).ok().stdout.trim().to_owned();
    home.run(&["init"]).failed(2, &id);
    let listed = home.run(&["profiles", "list"]).ok().stdout;
    let second = listed.lines().nth(1).unwrap().split('\t').next().unwrap().to_owned();
    let mut asked = home.terminal(&["init"]);
    asked.wait_for("Which profile is this folder's?");
    asked.type_in("\x1b[B\r");
    let ended = asked.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    let chosen: serde_json::Value = serde_json::from_str(&home.read("keyrack.json")).unwrap();
    assert_eq!(chosen["profile"], second.as_str());
}
