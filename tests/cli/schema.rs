//! What `--json` prints has the same fields every time, with a sign-in and with a key: scripts rely on them. The commands for
//! keys have theirs in `keys::manners`.

use serde_json::Value;

use crate::keys::stage::fields;
use crate::support::{Home, World};

/// The fields of what a command prints.
#[track_caller]
fn check(home: &Home, args: &[&str], expected: &[&str]) -> Value {
    let json = home.run(&[args, &["--json"]].concat()).ok().json();
    assert_eq!(fields(&json), expected, "{args:?}: {json}");
    json
}

#[test]
fn signing_in_and_out() {
    let world = World::new();
    let home = Home::new();
    let first = check(
        &home,
        &["auth", "login", "--server", &world.url()],
        &["expires_in", "next_step", "server", "user_code", "verification_uri", "verification_uri_complete"],
    );
    world.browser("ada").decide(first["user_code"].as_str().unwrap(), "Allow");
    let done = check(&home, &["auth", "login", "--complete"], &["org", "role", "server", "storage", "user"]);
    assert_eq!((fields(&done["org"]), fields(&done["user"])), (vec!["name", "slug"], vec!["email", "name"]));
    let status = check(&home, &["auth", "status"], &["api_key_from", "data"]);
    let entry = ["expired", "expires_at", "newest", "org", "server", "storage", "user"];
    assert_eq!((fields(&status["data"][0]), fields(&status["data"][0]["user"])), (entry.into(), vec!["email", "name"]));
    check(&home, &["auth", "logout"], &["server", "signed_out"]);
    check(&home, &["auth", "logout"], &["server", "signed_out"]);
}

#[test]
fn places() {
    let world = World::new();
    let signed_in = Home::new().sign_in(&world, "olive");
    let key = world.key("olive", "ci");
    let with_key = Home::new().set("KEYRACK_API_KEY", &key.secret).set("KEYRACK_PLATFORM_URL", &world.url());
    for home in [&signed_in, &with_key] {
        let who = [
            "active_profile",
            "credential",
            "credential_from",
            "environment",
            "org",
            "profile",
            "project_file",
            "role",
            "server",
            "server_from",
            "user",
        ];
        let who = check(home, &["whoami", "--profile", "prof_acme"], &who);
        assert_eq!(fields(&who["credential"]), ["id", "kind", "name"]);
        assert_eq!(fields(&who["user"]), ["email", "id", "name"]);
        assert_eq!(fields(&who["org"]), ["id", "name", "plan", "slug"]);
        assert_eq!(fields(&who["active_profile"]), ["from", "id"]);
        let orgs = check(home, &["orgs", "list"], &["data", "next_cursor"]);
        assert_eq!(fields(&orgs["data"][0]), ["active", "active_keys", "id", "name", "plan", "role", "slug"]);
        let profiles = check(home, &["profiles", "list"], &["data", "next_cursor"]);
        assert_eq!(fields(&profiles["data"][0]), ["active", "created_at", "id", "name"]);
        check(home, &["init"], &["org", "profile", "project_file", "server"]);
        let used = check(home, &["profiles", "use", "prof_acme"], &["profile", "project_file"]);
        assert_eq!(fields(&used["profile"]), ["id", "name"]);
    }
    check(&signed_in, &["profiles", "create", "Staging"], &["created_at", "id", "name"]);
    let used = check(&signed_in, &["orgs", "use", "acme"], &["org", "server"]);
    assert_eq!(fields(&used["org"]), ["name", "slug"]);
    check(&signed_in, &["man", "pages"], &["dir", "files"]);
}
