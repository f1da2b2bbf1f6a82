//! Under another name the command line is another product's.

use crate::support::{Home, World};

const OUTKIT: &str = "[brand]\nname = \"Outkit\"\ncli_name = \"outkit\"\nenv_prefix = \"OUTKIT\"\nproject_file = \"outkit.json\"\n\
                      support_url = \"https://outkit.example/help\"\n";

#[test]
fn a_link_of_another_name_speaks_as_that_product() {
    let world = World::with(OUTKIT);
    let home = Home::new().named("outkit");
    let bare = home.run(&[]);
    assert!(bare.code == 2 && bare.stderr.contains("Usage: outkit"), "{bare:?}");
    let help = home.run(&["--help"]).ok().stdout;
    assert!(help.contains("Manage Outkit API keys") && help.contains("OUTKIT_API_KEY"), "{help}");
    assert!(!help.to_lowercase().contains("keyrack") && !help.contains("  serve "), "{help}");
    home.run(&["serve"]).failed(2, "serve");
    assert!(home.run(&["--version"]).ok().stdout.starts_with("outkit "));
    home.run(&["whoami"]).failed(4, "outkit auth login --server URL");

    let key = world.key("olive", "ci");
    let home = home.set("KEYRACK_API_KEY", &key.secret).set("OUTKIT_PLATFORM_URL", &world.url());
    home.run(&["whoami"]).failed(4, "Or set OUTKIT_API_KEY");
    let home = home.unset("KEYRACK_API_KEY").set("OUTKIT_API_KEY", &key.secret).with_git();
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["credential_from"], "OUTKIT_API_KEY");
    home.run(&["init"]).ok();
    assert!(home.read("outkit.json").contains("prof_acme"));
}

#[test]
fn the_server_of_that_product_says_how_its_variables_are_called() {
    let world = World::with(&OUTKIT.replace("\"OUTKIT\"", "\"OKIT\"").replace("outkit.json", "okit.json"));
    let home = Home::new().named("outkit").sign_in(&world, "ada");
    let help = home.run(&["--help"]).ok().stdout;
    assert!(
        help.contains("OKIT_API_KEY") && help.contains("okit.json") && help.contains("https://outkit.example/help"),
        "{help}"
    );
    let home = home.set("OKIT_API_KEY", &world.key("ben", "ci").secret);
    assert_eq!(home.run(&["whoami", "--json"]).ok().json()["user"]["name"], "Ben");
    assert!(home.path(".local/state/outkit/credentials.json").exists());
    let home = home.set("KEYRACK_CLI_ENV_PREFIX", "MINE");
    assert!(home.run(&["--help"]).ok().stdout.contains("MINE_API_KEY"));
}

#[test]
fn a_server_of_another_product_changes_no_names() {
    let world = World::with(&OUTKIT.replace("\"outkit\"", "\"other\"").replace("\"OUTKIT\"", "\"OPENAI\""));
    let home = Home::new().named("outkit").sign_in(&world, "ada");
    assert!(home.run(&["--help"]).ok().stdout.contains("OUTKIT_API_KEY"));
    let ours = Home::new().sign_in(&world, "ada");
    assert!(ours.run(&["--help"]).ok().stdout.contains("KEYRACK_API_KEY"));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let home = Home::new().named("outkit");
    let done = home.run(&["man", "pages/man1", "--json"]).ok().json();
    let files: Vec<&str> = done["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    for file in ["outkit.1", "outkit-auth-login.1", "outkit-keys-create.1", "outkit-logs-tail.1"] {
        assert!(files.contains(&file), "{files:?}");
    }
    let page = home.read("pages/man1/outkit-keys-create.1");
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
    assert!(page.contains("outkit keys create") || page.contains("outkit\\-keys\\-create"), "{page}");
    let home = home.file("taken", "");
    home.run(&["man", "taken"]).failed(1, "taken: ");
}
