//! How the commands for keys write and ask: for a person, for a program, and when something is wrong.

use serde_json::json;

use super::life::{id_of, secret};
use super::stage::{Stage, fields};

const KEY_FIELDS: &[&str] = &[
    "created_at",
    "created_by",
    "environment",
    "expires_at",
    "id",
    "last_used_at",
    "name",
    "note",
    "preview",
    "profile",
    "revoke_reason",
    "revoked_at",
    "rotation",
    "status",
    "url_allowed",
];

fn with<'f>(names: &[&'f str], more: &[&'f str]) -> Vec<&'f str> {
    let mut names = [names, more].concat();
    names.sort_unstable();
    names
}

#[actix_web::test]
async fn json_has_the_same_fields_every_time() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    for args in [&["--json", "keys", "create", "-n", "a"][..], &["api-key", "create", "--json", "-n", "b"]] {
        let created = shell.run(args).ends(0);
        let expected = [
            "created_at",
            "created_by",
            "env_file",
            "environment",
            "expires_at",
            "id",
            "name",
            "note",
            "preview",
            "profile",
            "secret",
            "status",
        ];
        assert_eq!(fields(&created.json()), expected, "{args:?}");
        assert_eq!(created.stderr, "");
        assert_eq!(stage.status_of(created.json()["secret"].as_str().unwrap()), 200);
    }
    for args in [&["keys", "list", "--json"][..], &["api-key", "list", "--all", "--json"]] {
        let list = shell.run(args).ends(0).json();
        assert_eq!(fields(&list), ["active_keys", "data"]);
        assert_eq!(list["active_keys"], json!({"count": 2, "max": 25}));
        assert_eq!(fields(&list["data"][0]), KEY_FIELDS);
    }
    let stats = shell.run(&["keys", "stats", "a", "--json", "--since", "1h"]).ends(0).json();
    assert_eq!(
        fields(&stats),
        ["error_rate", "key", "last_used_at", "rate_limit", "refused", "series", "served", "since"]
    );
    assert_eq!(fields(&stats["key"]), ["id", "name", "preview", "status"]);
    let rotated = shell.run(&["keys", "rotate", "a", "--json"]).ends(0);
    assert_eq!(fields(&rotated.json()), with(KEY_FIELDS, &["env_file", "previous_valid_until", "secret"]));
    assert_eq!(rotated.stderr, "");
    let revoked = shell.run(&["keys", "revoke", "a", "--yes", "--json"]).ends(0).json();
    assert_eq!(fields(&revoked["data"][0]), ["error", "id", "name", "status"]);
    // An error is one object on stderr, and there is no data.
    for (args, code) in [
        (&["keys", "stats", "nowhere", "--json"][..], "NOT_FOUND"),
        (&["keys", "revoke", "b", "--json"], "USAGE"),
        (&["keys", "create", "-n", "b", "--json"], "INVALID"),
        (&["logs", "tail", "--status", "x", "--json"], "USAGE"),
    ] {
        let ran = shell.run(args);
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!(error["error"]["code"], code, "{args:?}");
        assert!(ran.code != 0 && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[actix_web::test]
async fn every_failure_has_its_exit_code_and_its_words() {
    let stage = Stage::with(|setup| {
        setup.rules.plans[0].active_keys_max = Some(2);
        setup.rules.plans[0].creations_per_hour = Some(2);
    });
    let shell = stage.shell("ada");
    shell.run(&["keys", "create", "-qn", "a"]).ends(0);
    let last = secret(&shell.run(&["keys", "create", "-qn", "b"]).ends(0).stdout);
    let full = shell.run(&["keys", "create", "-n", "c"]).refuses(6, "This organization has 2 of 2 active keys");
    assert!(full.stderr.contains("keyrack keys list"), "{}", full.stderr);
    shell.run(&["keys", "revoke", "-y", "a"]).ends(0);
    shell.run(&["keys", "create", "-n", "c"]).refuses(6, "created in the last hour");
    for args in [
        &["keys", "stats", "nope"][..],
        &["keys", "rotate", "nope"],
        &["keys", "revoke", "-y", "nope"],
        &["logs", "tail", "--key", "nope"],
    ] {
        shell.run(args).refuses(3, "There is no key “nope”");
    }
    shell.run(&["keys", "rotate", "b", "--grace", "2h"]).refuses(2, "Choose now, 1h, 24h or 7d");
    shell.run(&["keys", "stats", "b", "--since", "long"]).refuses(2, "--since");
    shell.run(&["logs", "tail", "--since", "long"]).refuses(2, "--since");
    shell.run(&["keys", "stats", "b", "--since", "100y"]).refuses(2, "since is a length of time from 1m to 366d");
    shell.run(&["keys", "revoke"]).refuses(2, "");
    let pasted = shell.run(&["keys", "stats", &last]).refuses(2, "That looks like a secret, not an id");
    assert!(!pasted.stderr.contains(&last));
    let nobody = stage.nobody();
    nobody.run(&["keys", "list"]).ends(4);
    nobody.clone().set("KEYRACK_API_KEY", &last.replace("kr_", "xx_")).run(&["keys", "list"]).ends(4);
    // A key does not manage keys.
    nobody.clone().set("KEYRACK_API_KEY", &last).run(&["keys", "create", "-n", "d"]).ends(5);
    shell.clone().set("KEYRACK_PLATFORM_URL", "http://127.0.0.1:1").run(&["keys", "list"]).ends(8);
    shell.clone().set("KEYRACK_PLATFORM_URL", "http://127.0.0.1:1").run(&["logs", "tail"]).ends(8);
}

#[actix_web::test]
async fn a_plan_without_keys_says_so() {
    let stage = Stage::with(|setup| setup.rules.plans[0].api_keys = false);
    let ran = stage.shell("ada").run(&["keys", "create", "-n", "a"]).refuses(5, "API keys are not part of the");
    assert!(ran.stderr.contains("plan"), "{}", ran.stderr);
}

#[actix_web::test]
async fn lists_are_tables_for_people_and_tabs_for_programs() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let used = stage.app.db_create_key("ada", "a key with a name that is as long as names may be, to here");
    let gone = stage.app.db_create_key("ada", "gone");
    stage.uses(&used.secret, "/render", "r1");
    stage.app.catch_up();
    shell.run(&["keys", "revoke", "-yq", "gone"]).ends(0);
    let rows = shell.run(&["keys", "list"]).ends(0).cells();
    assert_eq!(rows.len(), 1);
    let [name, preview, environment, last_used, status, id] = rows[0].as_slice() else { panic!("{rows:?}") };
    assert_eq!(name, "a key with a name that is as long as names may be, to here");
    assert_eq!((preview.as_str(), environment.as_str()), (format!("kr_{}••••••••", &used.id[..5]).as_str(), "live"));
    assert!(last_used.ends_with('Z') && last_used.contains('T'), "{last_used}");
    assert_eq!((status.as_str(), id), ("active", &used.id));
    let all = shell.run(&["keys", "list", "--all"]).ends(0).cells();
    assert!(all.iter().any(|row| row[4] == "revoked" && row[5] == gone.id && row[3].is_empty()), "{all:?}");
    let screen = shell.talk(&["keys", "list", "--all"], &[]).ends(0).stdout;
    let heads: Vec<&str> = screen.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads.join(" "), "NAME KEY ENV LAST USED STATUS ID");
    for words in ["Just now", "Never", "revoked", &used.id, "1 of 25 active"] {
        assert!(screen.contains(words), "{words} is missing:\n{screen}");
    }
    // A terminal that does not say how wide it is.
    let screen = shell.on_terminal_of(0, &["keys", "list"]).end().ends(0).text;
    assert!(screen.starts_with("NAME ") && screen.contains(&used.id), "{screen}");
    let screen = shell.talk(&["api-key", "list"], &[]).ends(0).stdout;
    assert!(screen.contains("KEY PREVIEW") && screen.contains("CREATED BY") && screen.contains("Ada"), "{screen}");
    // Who sees only their own keys need not be told whose they are.
    stage.app.db_create_key("ben", "of ben");
    let screen = stage.shell("ben").talk(&["api-key", "list"], &[]).ends(0).stdout;
    assert!(screen.contains("of ben") && !screen.contains("CREATED BY"), "{screen}");
}

#[actix_web::test]
async fn stats_show_real_traffic_and_what_is_left() {
    let stage = Stage::with(|setup| setup.rules.plans[0].requests_per_minute = Some(10));
    let shell = stage.shell("ada");
    let key = stage.app.db_create_key("ada", "busy");
    for n in 0..13 {
        stage.uses(&key.secret, "/render", &format!("r{n}"));
    }
    stage.app.catch_up();
    let rows = shell.run(&["keys", "stats", "busy"]).ends(0).cells();
    let value =
        |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"))[1].clone();
    assert_eq!([value("served"), value("refused"), value("account_limit")], ["10", "3", "10"]);
    assert!((value("error_rate").parse::<f64>().unwrap() - 3.0 / 13.0).abs() < 1e-9);
    let screen = shell.talk(&["keys", "stats", &key.id[..6], "--since", "1h"], &[]).ends(0).stdout;
    for words in
        ["busy", "10 in 1h", "3 (RATE_LIMITED 3)", "23.1 %", "Just now", "of 10 left this minute (account)", "█"]
    {
        assert!(screen.contains(words), "{words} is missing:\n{screen}");
    }
}

#[actix_web::test]
async fn watching_stats_shows_what_comes_until_ctrl_c() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let key = stage.app.db_create_key("ada", "busy");
    stage.app.catch_up();
    let mut terminal = shell.on_terminal(&["keys", "stats", "busy", "--watch"]);
    terminal.wait_for("0 in 24h");
    (0..7).for_each(|n| stage.uses(&key.secret, "/render", &format!("r{n}")));
    stage.app.catch_up();
    terminal.wait_for("7 in 24h");
    terminal.type_in("\u{3}");
    let up =
        |raw: &str| -> usize { raw.split_once("A\x1b[J").unwrap().0.rsplit_once("\x1b[").unwrap().1.parse().unwrap() };
    let lines = up(&terminal.end().ends(130).raw);
    // Where lines are too long for the terminal, what is to be overwritten takes more rows than there are lines.
    let mut narrow = shell.on_terminal_of(30, &["keys", "stats", "busy", "--watch"]);
    narrow.wait_for("7 in 24h");
    (0..2).for_each(|n| stage.uses(&key.secret, "/render", &format!("s{n}")));
    stage.app.catch_up();
    narrow.wait_for("9 in 24h");
    narrow.type_in("\u{3}");
    assert!(up(&narrow.end().ends(130).raw) > lines);
}

#[actix_web::test]
async fn people_are_asked_before_anything_is_cut_off() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let first = secret(&shell.run(&["keys", "create", "-qn", "dev"]).ends(0).stdout);
    let id = id_of(&first);
    // Rotating with a grace cuts nothing off, so nobody is asked.
    let screen = shell.talk(&["keys", "rotate", "dev"], &[]).ends(0).stdout;
    assert!(screen.contains("never used, no requests in the last hour") && screen.contains("works until"), "{screen}");
    let stop = ["keys", "rotate", "dev", "--grace", "now"];
    shell.talk(&stop, &[("Stop the current secret of “dev”", "n")]).ends(7);
    assert_eq!(stage.status_of(&first), 200, "no changes nothing");
    shell.talk(&stop, &[("Stop the current secret of “dev”", "")]).ends(7);
    let screen = shell.talk(&stop, &[("Stop the current secret of “dev”", "y")]).ends(0).stdout;
    assert!(screen.contains("stopped working"), "{screen}");
    assert_eq!(stage.status_of(&first), 401);
    let idle = stage.app.db_create_key("ada", "idle");
    let revoke = ["keys", "revoke", "idle"];
    let screen = shell.talk(&revoke, &[("Revoke “idle”", "n")]).ends(7).stdout;
    assert!(screen.contains("never used") && screen.contains("was not revoked"), "{screen}");
    assert_eq!(stage.status_of(&idle.secret), 200, "and now it is in use");
    stage.app.catch_up();
    shell.talk(&revoke, &[("Type its name to revoke it", "idel")]).ends(7);
    assert_eq!(stage.status_of(&idle.secret), 200);
    shell.talk(&revoke, &[("Type its name to revoke it", "idle")]).ends(0);
    assert_eq!(stage.status_of(&idle.secret), 401);
    shell.talk(&["keys", "revoke", "-y", id], &[]).ends(0);
    shell.talk(&["keys", "revoke", id], &[]).ends(0);
    // Where nobody can be asked although it is a terminal.
    let other = stage.app.db_create_key("ada", "other");
    shell.talk(&["keys", "revoke", "other", "--no-input"], &[]).ends(2);
    assert_eq!(stage.status_of(&other.secret), 200);
    stage.app.catch_up();
    let mut terminal = shell.on_terminal(&["keys", "revoke", "other"]);
    terminal.wait_for("in use");
    terminal.type_in("\u{3}");
    terminal.end().ends(130);
    assert_eq!(stage.status_of(&other.secret), 200);
}

#[actix_web::test]
async fn a_secret_on_its_way_into_a_variable_is_not_asked_about() {
    let stage = Stage::new();
    let shell = stage.shell("ada").program("/bin/sh".as_ref());
    let script = format!("K=$({} keys create -n ci); echo \"[$K]\"", env!("CARGO_BIN_EXE_keyrack"));
    let screen = shell.talk(&["-c", &script], &[]).ends(0).stdout;
    let secret = screen.lines().find_map(|line| line.strip_prefix('[')?.strip_suffix(']')).expect(&screen);
    assert_eq!(stage.status_of(secret), 200);
    assert!(!screen.contains(".env.local"), "{screen}");
}
