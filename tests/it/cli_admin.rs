//! The first owner, the operator's deeds at the console, and the demonstration, by the real binary.

use crate::cli_server::assert_refused;
use crate::support::binary::Place;

// ---- the first owner ------------------------------------------------------------------------------------------------------

#[test]
fn the_setup_link_works_once_and_is_not_printed_again() {
    let place = Place::new();
    let server = place.start(&[]);
    assert!(server.banner.contains(&format!("http://{}/setup#", server.address)), "{}", server.banner);
    let printed = server.setup_token().unwrap();
    let made = place.run(&["admin", "setup-link", "--public-url", "https://keys.example.com"]);
    let newest = made.stdout.trim().strip_prefix("https://keys.example.com/setup#").unwrap().to_owned();
    let form = |token: &str, email: &str| {
        format!("token={token}&email={email}&name=Olive&password=correct+horse+battery+olive&organization=Acme")
    };
    assert_eq!(server.post("/setup", &form(&printed, "mallory@acme.example")).status, 422, "replaced by the newer one");
    let reply = server.post("/setup", &form(&newest, "olive@acme.example"));
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(server.post("/setup", &form(&newest, "xavier@acme.example")).status, 404, "used");
    assert_eq!(server.get("/setup").status, 404);
    let (_, log) = server.stop();
    for secret in [&printed, &newest] {
        assert!(!log.contains(secret.as_str()), "the log holds the token:\n{log}");
    }
    assert_eq!(place.start(&[]).setup_token(), None);
    assert_refused(&place.run(&["admin", "setup-link"]), 1, "error: Keyrack is set up already");
    assert!(place.run(&["doctor"]).stdout.contains("ok    people: 1"));
}

#[test]
fn the_owner_of_an_unattended_start_is_made_once() {
    let place = Place::new()
        .file("password", "correct horse battery olive\n")
        .set("KEYRACK_ADMIN_EMAIL", "Olive@acme.example")
        .set("KEYRACK_ADMIN_PASSWORD_FILE", "password");
    let server = place.start(&[]);
    assert!(server.banner.contains("The owner's account olive@acme.example was created."), "{}", server.banner);
    assert_eq!(server.setup_token(), None);
    let form = "email=olive%40acme.example&password=correct+horse+battery+olive";
    assert_eq!(server.post("/sign-in", form).status, 303);
    drop(server);
    let place = place.file("password", "another horse battery olive\n");
    let server = place.start(&[]);
    assert_eq!((server.setup_token(), server.banner.contains("was created")), (None, false));
    assert_eq!(server.post("/sign-in", form).status, 303, "the password is still the first one");
    let (_, log) = server.stop();
    assert!(log.contains("KEYRACK_ADMIN_EMAIL is not used: there is an account already"), "{log}");
    assert!(!log.contains("horse"), "{log}");
}

// ---- admin ----------------------------------------------------------------------------------------------------------------

#[test]
fn owners_passwords_and_plans_can_be_set_at_the_console() {
    let plans =
        "[[plans]]\nid = \"free\"\nname = \"Free\"\napi_keys = false\n[[plans]]\nid = \"agency\"\nname = \"Agency\"\n";
    let place = Place::new().file("keyrack.toml", plans);
    assert_refused(&place.run(&["admin", "setup-link"]), 1, "there is no database at keyrack.db yet");
    let server = place.start(&[]);
    let create =
        ["admin", "create-owner", "--email", "olive@acme.example", "--name", "Olive", "--organization", "Acme"];
    let created = place.run(&create);
    assert_eq!((created.code, created.stdout.trim().len()), (0, 20), "{created:?}");
    let sign_in = |password: &str| {
        let form = format!("email=olive%40acme.example&password={}", password.trim().replace(' ', "+"));
        server.post("/sign-in", &form).status
    };
    assert_eq!(sign_in(&created.stdout), 303);
    assert_refused(&place.run(&create), 1, "There is an account with this address already");

    let reset = ["admin", "reset-password", "olive@acme.example", "--password-file", "-"];
    assert_refused(&place.run_with(&reset, "short\n"), 1, "password: Use at least");
    let done = place.run_with(&reset, "correct horse battery olive\n");
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    assert_eq!((sign_in(&created.stdout), sign_in("correct horse battery olive")), (422, 303));
    assert_refused(&place.run(&["admin", "reset-password", "nobody@acme.example"]), 3, "Nobody has an account");

    assert_eq!(place.run(&["admin", "set-plan", "acme", "agency"]).code, 0);
    assert_refused(&place.run(&["admin", "set-plan", "acme", "gold"]), 3, "There are: free, agency.");
    assert_refused(&place.run(&["admin", "set-plan", "nowhere", "agency"]), 3, "There is no organization “nowhere”");

    assert!(place.run(&["admin", "plan-requests"]).stderr.contains("Nobody asks"));

    assert_eq!(place.run(&["admin", "disable-user", "olive@acme.example"]).code, 0);
    assert_eq!(sign_in("correct horse battery olive"), 422);
    assert_eq!(place.run(&["admin", "enable-user", "olive@acme.example"]).code, 0);
    assert_eq!(sign_in("correct horse battery olive"), 303);
    let doctor = place.run(&["doctor"]);
    assert_eq!((doctor.code, doctor.stdout.contains("audit logs: whole")), (0, true), "{doctor:?}");
}

#[test]
fn service_tokens_are_shown_once_listed_and_revoked() {
    let place = Place::new();
    assert_eq!(place.run(&["migrate"]).code, 0);
    let made = place.run(&["admin", "service-token", "create", "Checkout backend"]);
    let token = made.stdout.trim().to_owned();
    assert!(made.code == 0 && token.starts_with("krs_") && !made.stderr.contains(&token), "{made:?}");
    let list = || place.run(&["admin", "service-token", "list"]).stdout;
    let id = list().lines().nth(1).and_then(|line| line.split_whitespace().next().map(str::to_owned)).unwrap();
    assert!(list().contains("active") && list().contains("Checkout backend") && !list().contains(&token));
    assert_eq!(place.run(&["admin", "service-token", "revoke", &id]).code, 0);
    assert!(list().contains("revoked"));
    assert_refused(&place.run(&["admin", "service-token", "revoke", &id]), 3, "no service token");
    assert_refused(&place.run(&["admin", "service-token", "create", ""]), 1, "Enter a name");
}

// ---- the demonstration ----------------------------------------------------------------------------------------------------

#[test]
fn the_demonstration_has_people_and_keys_and_leaves_nothing_behind() {
    let place = Place::new();
    std::fs::create_dir(place.path("tmp")).unwrap();
    let temporary = place.path("tmp");
    let place = place.set("TMPDIR", temporary.to_str().unwrap());
    let server = place.start(&["demo"]);
    let mut people = 0;
    for line in server.banner.lines().filter(|line| line.contains("@acme.example")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let form = format!("email={}&password={}", words[0].replace('@', "%40"), words[1]);
        assert_eq!(server.post("/sign-in", &form).status, 303, "{line}");
        people += 1;
    }
    assert_eq!(people, 4, "{}", server.banner);
    let (_, key) = server.banner.split_once("Bearer ").unwrap();
    let key = &key.split('"').next().unwrap().to_owned();
    assert_eq!(server.get_with("/v1/whoami", key).status, 200);
    let keys = server.get_with("/v1/keys?all=true&limit=100", key).body;
    for status in ["active", "rotating", "expired", "revoked"] {
        assert!(keys.contains(&format!("\"status\":\"{status}\"")), "no key is {status}");
    }
    assert!(keys.contains("\"last_used_at\":null"), "no key was never used");
    assert!(keys.matches("\"preview\"").count() >= 30, "{keys}");

    let folder = std::fs::read_dir(&temporary).unwrap().next().unwrap().unwrap().path();
    let url = format!("sqlite://{}", folder.join("demo.db").display());
    let doctor = place.run(&["doctor", "--database-url", &url]);
    assert_eq!((doctor.code, doctor.stdout.contains("FAIL")), (0, false), "{}", doctor.stdout);
    let (ended, log) = server.stop();
    assert!(ended.success() && !log.contains(key.as_str()), "{log}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(place.files(), ["tmp"]);
}
