//! What becomes of a key when it is created, used, rotated and revoked from the command line.

use serde_json::json;

use super::stage::{Stage, fields};

/// A secret that stands alone on stdout.
#[track_caller]
pub(super) fn secret(stdout: &str) -> String {
    let secret = stdout.strip_suffix('\n').expect("a line");
    assert!(secret.starts_with("kr_") && !secret.contains(char::is_whitespace), "{stdout:?}");
    secret.to_owned()
}

/// The id within a secret.
pub(super) fn id_of(secret: &str) -> &str {
    &secret[secret.len() - 33..secret.len() - 25]
}

#[actix_web::test]
async fn a_key_lives_from_creation_to_revocation() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let created = shell.run(&["keys", "create", "-n", "dev key"]).ends(0);
    let first = secret(&created.stdout);
    let id = id_of(&first);
    for words in [
        "“dev key” in profile “Default” (prof_acme, from keyrack.json)",
        "Shown once",
        &format!("keyrack keys rotate {id}"),
    ] {
        assert!(created.stderr.contains(words), "{words} is missing:\n{}", created.stderr);
    }
    assert!(!created.stderr.contains(&first), "the secret stands on stdout only");
    assert_eq!(stage.status_of(&first), 200);

    let rotated = shell.run(&["keys", "rotate", id]).ends(0);
    let second = secret(&rotated.stdout);
    assert_ne!(first, second);
    let last4 = &first[first.len() - 4..];
    assert!(rotated.stderr.contains(&format!("Old secret (…{last4}) works until ")), "{}", rotated.stderr);
    assert_eq!([stage.status_of(&first), stage.status_of(&second)], [200, 200]);
    // A second grace is refused, with the way out.
    let again = shell.run(&["keys", "rotate", id]).refuses(1, "The old secret still works.");
    assert!(again.stderr.contains(&format!("keyrack keys rotate {id} --grace now")), "{}", again.stderr);
    shell.run(&["keys", "rotate", id, "--grace", "now"]).refuses(2, "Pass --yes");
    let third = secret(&shell.run(&["keys", "rotate", id, "--grace", "now", "--yes", "-q"]).ends(0).stdout);
    assert_eq!([&first, &second, &third].map(|secret| stage.status_of(secret)), [401, 401, 200]);

    shell.run(&["keys", "revoke", id]).refuses(2, "Pass --yes to revoke without a prompt");
    assert_eq!(stage.status_of(&third), 200);
    let revoked = shell.run(&["keys", "revoke", id, "-y", "--reason", "test"]).ends(0);
    assert_eq!(stage.status_of(&third), 401, "the very next call");
    assert!(revoked.stderr.contains("Revoked “dev key”"), "{}", revoked.stderr);
    let again = shell.run(&["keys", "revoke", id, "-y"]).ends(0);
    assert!(again.stderr.contains("was revoked before"), "{}", again.stderr);
}

#[actix_web::test]
async fn the_grace_of_a_rotation_ends_by_itself() {
    use keyrack::domain::time::Span;
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let first = secret(&shell.run(&["keys", "create", "-n", "dev", "-q"]).ends(0).stdout);
    let second = secret(&shell.run(&["keys", "rotate", "dev", "-q"]).ends(0).stdout);
    stage.app.advance(Span::seconds(24 * 3600 - 60));
    assert_eq!([stage.status_of(&first), stage.status_of(&second)], [200, 200]);
    stage.app.advance(Span::seconds(61));
    assert_eq!([stage.status_of(&first), stage.status_of(&second)], [401, 200]);
}

#[actix_web::test]
async fn quietly_only_the_secret_is_written() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    for args in [["keys", "create", "-qn", "one"], ["keys", "rotate", "-q", "one"], ["api-key", "create", "-qn", "two"]]
    {
        let ran = shell.run(&args).ends(0);
        assert_eq!(ran.stderr, "", "{args:?}");
        assert_eq!(stage.status_of(&secret(&ran.stdout)), 200);
    }
}

#[actix_web::test]
async fn flags_of_creation_reach_the_key() {
    let stage = Stage::with(|setup| setup.rules.format.environments = vec!["live".into(), "test".into()]);
    let shell = stage.shell("ada");
    let args = ["keys", "create", "--json", "-n", "ci", "--env", "test", "--expires", "90d", "--note", "from CI"];
    let key = shell.run(&args).ends(0).json();
    assert_eq!((&key["environment"], &key["note"]), (&json!("test"), &json!("from CI")));
    let expires: keyrack::domain::time::Timestamp = serde_json::from_value(key["expires_at"].clone()).unwrap();
    assert_eq!(expires.since(stage.app.now()).human(), "89 days");
    let forever = shell.run(&["keys", "create", "--json", "-n", "b", "--expires", "never"]).ends(0).json();
    assert!(forever["expires_at"].is_null());
    let dated = shell.run(&["keys", "create", "--json", "-n", "c", "--expires", "2099-02-19"]).ends(0).json();
    assert_eq!(dated["expires_at"], "2099-02-19T23:59:59Z");
    shell.run(&["keys", "create", "-n", "d", "--expires", "soon"]).refuses(2, "“soon” is not a length of time");
    shell.run(&["keys", "create", "-n", "d", "--expires", "2001-01-01"]).refuses(2, "still to come");
    shell.run(&["keys", "create", "-n", "d", "--env", "staging"]).refuses(2, "Choose live or test");
    shell.run(&["keys", "create", "-n", "ci"]).refuses(2, "You already have a key named “ci”");
    shell.run(&["keys", "create"]).refuses(2, "--name");
}

#[actix_web::test]
async fn the_profile_is_the_flag_s_or_the_project_file_s() {
    let stage = Stage::new();
    let other = stage.app.command_line("ada").post("/v1/profiles", &json!({"name": "Staging"})).await.json();
    let other = other["id"].as_str().unwrap();
    let shell = stage.shell("ada");
    let before = stage.read("keyrack.json");
    let there = shell.run(&["keys", "create", "--json", "-n", "a", "--profile", other]).ends(0).json();
    assert_eq!(there["profile"]["id"], other);
    let here = shell.run(&["keys", "create", "--json", "-n", "b"]).ends(0).json();
    assert_eq!(here["profile"]["id"], "prof_acme");
    assert_eq!(stage.read("keyrack.json"), before, "the flag switches nothing");
    // The file is found from below, up to the root of the repository.
    std::fs::create_dir_all(stage.path("src/deep")).unwrap();
    let below = shell.clone().at(&stage.path("src/deep"));
    let names = |shell: &super::stage::Shell<'_>, args: &[&str]| {
        let mut names: Vec<String> = shell.run(args).ends(0).cells().into_iter().map(|row| row[0].clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&below, &["keys", "list"]), ["b"]);
    assert_eq!(names(&shell, &["keys", "list", "--profile", other]), ["a"]);
    assert_eq!(names(&shell, &["--profile", "Staging", "keys", "list"]), ["a"], "by its name, and before the command");
    assert_eq!(names(&shell, &["api-key", "list"]), ["a", "b"]);
    assert_eq!(names(&shell, &["api-key", "list", "--profile", other]), ["a"]);
    // Elsewhere nothing says which profile.
    let elsewhere = shell.clone().at(stage.home.path());
    for args in [&["keys", "create", "-n", "c"][..], &["keys", "list"]] {
        elsewhere.run(args).refuses(2, "--profile");
    }
    for wrong in ["prof_globex", "prof_nowhere"] {
        let ran = shell.run(&["keys", "create", "-n", "c", "--profile", wrong]);
        ran.refuses(3, &format!("There is no profile “{wrong}” in this organization"));
    }
    elsewhere.run(&["api-key", "create", "-n", "d", "-q"]).ends(0);
}

#[actix_web::test]
async fn several_keys_are_revoked_with_a_report_on_each() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let secrets = ["a", "b", "c"].map(|name| secret(&shell.run(&["keys", "create", "-qn", name]).ends(0).stdout));
    let ran = shell.run(&["keys", "revoke", "-y", "a", "nowhere", id_of(&secrets[1]), "a"]).ends(3);
    for words in ["Revoked “a”", "Revoked “b”", "There is no key “nowhere”"] {
        assert!(ran.stderr.contains(words), "{words} is missing:\n{}", ran.stderr);
    }
    assert_eq!(secrets.each_ref().map(|secret| stage.status_of(secret)), [401, 401, 200]);
    let ran = shell.run(&["keys", "revoke", "--json", "--yes", "a", "c", "nowhere"]).ends(3);
    let data = ran.json()["data"].as_array().unwrap().clone();
    let status = |name: &str| data.iter().find(|one| one["name"] == name).unwrap()["status"].clone();
    assert_eq!((status("a"), status("c")), (json!("already_revoked"), json!("revoked")));
    let failed = data.iter().find(|one| one["status"] == "failed").unwrap();
    assert_eq!((&failed["id"], &failed["error"]["code"]), (&json!("nowhere"), &json!("NOT_FOUND")));
    assert_eq!(fields(failed), ["error", "id", "name", "status"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(error["error"]["message"], "1 of 3 keys are not revoked.");
    let ran = shell.run(&["keys", "revoke", "--json", "--yes", "nowhere"]).ends(3);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((&ran.json()["data"][0]["status"], &error["error"]["code"]), (&json!("failed"), &json!("NOT_FOUND")));
    // A secret in the place of an id stops everything, and is not repeated.
    let pasted = stage.app.db_create_key("ada", "pasted");
    let ran = shell.run(&["keys", "revoke", "-y", "pasted", &pasted.secret]).refuses(2, "That looks like a secret");
    assert!(!ran.stderr.contains(&pasted.secret));
    assert_eq!(stage.status_of(&pasted.secret), 200);
}

#[actix_web::test]
async fn a_builder_sees_and_revokes_their_own_keys_only() {
    let stage = Stage::new();
    let of_ada = stage.app.db_create_key("ada", "of ada");
    let of_ben = stage.app.db_create_key("ben", "of ben");
    let ben = stage.shell("ben");
    let rows = ben.run(&["api-key", "list"]).ends(0).cells();
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["of ben"]);
    ben.run(&["keys", "revoke", "-y", &of_ada.id]).refuses(3, "There is no key");
    assert_eq!(stage.status_of(&of_ada.secret), 200);
    ben.run(&["api-key", "revoke", &of_ben.id, "--yes"]).ends(0);
    assert_eq!(stage.status_of(&of_ben.secret), 401);
    // An admin revokes everybody's, but gives nobody else's key a new secret.
    let again = stage.app.db_create_key("ben", "again");
    let ada = stage.shell("ada");
    ada.run(&["keys", "rotate", &again.id]).refuses(5, "");
    ada.run(&["api-key", "revoke", "again", "--yes"]).ends(0);
    assert_eq!(stage.status_of(&again.secret), 401);
}
