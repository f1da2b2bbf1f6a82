//! How every command behaves: exit codes, JSON, colours, questions, Ctrl-C, a reader that goes away.

use std::io::Read as _;

use crate::support::{Home, World};

fn with_key(world: &World) -> Home {
    let key = world.key("olive", "ci");
    Home::new().set("KEYRACK_API_KEY", &key.secret).set("KEYRACK_PLATFORM_URL", &world.url())
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let world = World::new();
    let home = with_key(&world);
    home.run(&["whoami"]).ok();
    home.run(&["wohami"]).failed(2, "'whoami'");
    home.run(&["whoami", "--no-such-flag"]).failed(2, "--no-such-flag");
    home.run(&["profiles", "use", "nowhere"]).failed(3, "There is no profile “nowhere”");
    home.run(&["whoami", "--server", "http://127.0.0.1:1"]).failed(8, "nothing listens there");
    Home::new().run(&["whoami"]).failed(4, "auth login --server URL");
    let builder = Home::new().set("KEYRACK_API_KEY", &world.key("ben", "ben's").secret);
    builder.run(&["profiles", "create", "x", "--server", &world.url()]).failed(5, "");
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let world = World::new();
    let home = with_key(&world);
    let missing = home.run(&["--json", "profiles", "use", "nowhere"]).failed(3, "");
    assert_eq!(missing.stdout, "");
    let error = missing.error();
    assert_eq!((&error["code"], &error["exit_code"], &error["status"]), (&"NOT_FOUND".into(), &3.into(), &().into()));
    let wrong = Home::new().set("KEYRACK_API_KEY", "kr_wrong");
    let error = wrong.run(&["whoami", "--json", "--server", &world.url()]).failed(4, "").error();
    assert_eq!((&error["code"], &error["status"]), (&"UNAUTHORIZED".into(), &401.into()));
    let builder = Home::new().set("KEYRACK_API_KEY", &world.key("ben", "ben's").secret);
    let error = builder.run(&["profiles", "create", "x", "--json", "--server", &world.url()]).failed(5, "").error();
    assert!(error["code"] == "FORBIDDEN" && error["request_id"].is_string(), "{error}");
    let error = home.run(&["--json", "no-such-command"]).failed(2, "").error();
    assert_eq!((&error["code"], &error["exit_code"]), (&"USAGE".into(), &2.into()));
}

#[test]
fn flags_work_before_and_after_the_command() {
    let world = World::new();
    let home = with_key(&world);
    let before = home.run(&["--json", "whoami"]).ok().json();
    assert_eq!(home.run(&["whoami", "--json"]).ok().json(), before);
    assert_eq!(before["user"]["email"], "olive@acme.example");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let world = World::new();
    let home = with_key(&world);
    let is_coloured = |home: &Home, args: &[&str]| home.terminal(args).end().raw.contains("\x1b[2m");
    assert!(is_coloured(&home, &["orgs", "list"]));
    assert!(!is_coloured(&home, &["orgs", "list", "--no-color"]));
    assert!(!home.run(&["whoami"]).ok().stdout.contains('\x1b'));
    let home = home.set("CLICOLOR_FORCE", "1");
    assert!(home.run(&["whoami"]).ok().stdout.contains('\x1b'));
    let home = home.set("NO_COLOR", "1");
    assert!(!home.run(&["whoami"]).ok().stdout.contains('\x1b') && !is_coloured(&home, &["orgs", "list"]));
    let home = home.unset("NO_COLOR").unset("CLICOLOR_FORCE").set("TERM", "dumb");
    assert!(!is_coloured(&home, &["orgs", "list"]));
}

#[test]
fn a_table_is_for_people_and_tabs_are_for_programs() {
    let world = World::new();
    let home = with_key(&world);
    let table = home.terminal(&["profiles", "list"]).end();
    assert!(table.code == 0 && table.text.starts_with("ID"), "{table:?}");
    let rows = home.run(&["profiles", "list"]).ok().stdout;
    let cells: Vec<&str> = rows.trim_end_matches('\n').split('\t').collect();
    assert_eq!((cells.len(), cells[0], cells[1]), (4, "prof_acme", "Default"), "{rows}");
    assert!(cells[2].ends_with('Z'), "{rows}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let home = Home::new();
    let mut child = home.start(&["completions", "bash"]);
    // Nobody reads what is longer than the pipe's buffer or comes later.
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn help_and_version_name_what_there_is() {
    let home = Home::new();
    let help = home.run(&["--help"]).ok().stdout;
    for command in
        ["serve", "auth", "whoami", "orgs", "profiles", "init", "keys", "api-key", "logs", "completions", "man"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    assert!(help.contains("Exit codes: 0 ok") && help.contains("KEYRACK_PLATFORM_URL"), "{help}");
    assert!(home.run(&["--version"]).ok().stdout.starts_with("keyrack "));
    for (typed, meant) in
        [("login", "'auth login'"), ("kyes", "'keys'"), ("tail", "'logs tail'"), ("whoam", "'whoami'")]
    {
        home.run(&[typed]).failed(2, meant);
    }
}
