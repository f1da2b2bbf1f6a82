//! The env file, written by the real binary: only by a yes, never where git would take it along, and nothing else lost.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::life::secret;
use super::stage::Stage;

const CREATE: &[&str] = &["keys", "create", "-n", "dev", "--write-env"];

fn mode(stage: &Stage, name: &str) -> u32 {
    std::fs::metadata(stage.path(name)).unwrap().permissions().mode() & 0o7777
}

#[actix_web::test]
async fn without_a_terminal_and_without_the_flag_nothing_is_written() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let ran = shell.run(&["keys", "create", "-n", "dev"]).ends(0);
    assert!(!ran.stderr.contains(".env.local"), "{}", ran.stderr);
    assert_eq!(stage.read(".env.local"), "(no file)");
}

#[actix_web::test]
async fn the_flag_writes_beside_the_project_file() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("src")).unwrap();
    let shell = stage.shell("ada").at(&stage.path("src"));
    let ran = shell.run(CREATE).ends(0);
    let secret = secret(&ran.stdout);
    assert_eq!(stage.read(".env.local"), format!("KEYRACK_API_KEY={secret}\n"));
    assert_eq!(mode(&stage, ".env.local"), 0o600);
    assert!(ran.stderr.contains("✓ Added KEYRACK_API_KEY to ../.env.local"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(&secret));
    // JSON says where it went.
    let args = ["keys", "create", "--json", "-n", "b", "--write-env=local.env"];
    let key = shell.run(&args).ends(0).json();
    assert_eq!(key["env_file"], "local.env");
    assert_eq!(stage.read("src/local.env"), format!("KEYRACK_API_KEY={}\n", key["secret"].as_str().unwrap()));
}

#[actix_web::test]
async fn what_the_file_holds_stays_as_it_is() {
    let stage = Stage::new();
    stage.write(".env.local", "# mine\r\nA='x y'\r\n\r\n#KEYRACK_API_KEY=old\r\nB=2");
    std::fs::set_permissions(stage.path(".env.local"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let ran = stage.shell("ada").run(CREATE).ends(0);
    let line = format!("KEYRACK_API_KEY={}", secret(&ran.stdout));
    let after = format!("# mine\r\nA='x y'\r\n\r\n#KEYRACK_API_KEY=old\r\nB=2\r\n{line}\r\n");
    assert_eq!(stage.read(".env.local"), after);
    assert_eq!(mode(&stage, ".env.local"), 0o640);
}

#[actix_web::test]
async fn what_must_not_be_written_is_refused_before_there_is_a_key() {
    let stage = Stage::new();
    let outside = stage.home.path().join("outside.env");
    std::fs::write(&outside, "A=1\n").unwrap();
    symlink(&outside, stage.path("link.env")).unwrap();
    symlink(stage.home.path(), stage.path("linked")).unwrap();
    std::fs::create_dir(stage.path("folder")).unwrap();
    std::fs::create_dir(stage.path("closed")).unwrap();
    stage.write("locked.env", "A=1\n");
    stage.write("tracked.env", "A=1\n");
    stage.write("set.env", "export KEYRACK_API_KEY='kr_oldOLDol_51FwqOLDOLDOLDOLDOLDOLDO'\n");
    stage.git(&["add", "tracked.env"]);
    std::fs::set_permissions(stage.path("locked.env"), std::fs::Permissions::from_mode(0o444)).unwrap();
    std::fs::set_permissions(stage.path("closed"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let shell = stage.shell("ada");
    for (file, words) in [
        ("link.env", "is a link that leads out of the project"),
        ("linked/outside.env", "behind a link that leads out of the project"),
        ("folder", "is a folder"),
        ("closed/.env", "is read-only"),
        ("locked.env", "locked.env is read-only"),
        ("tracked.env", "is tracked by git"),
        ("missing/.env", "cannot be written: the folder missing: no such file"),
        ("/dev/null", "is not a file"),
        ("/dev/stdout", "/dev/stdout is "),
        ("set.env", "sets KEYRACK_API_KEY already (to kr_oldOL••••••••)"),
    ] {
        let flag = format!("--write-env={file}");
        shell.run(&["keys", "create", "-n", "dev", &flag]).refuses(1, words);
    }
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "A=1\n");
    assert_eq!(shell.run(&["keys", "list", "--all"]).ends(0).stdout, "", "no key was made for nothing");
    // Without git nobody can tell.
    let without = shell.clone().set("PATH", stage.home.path().to_str().unwrap());
    without.run(CREATE).refuses(1, "git is not installed here");
    shell.run(&["keys", "create", "-n", "dev", "--write-env", "--no-write-env"]).refuses(2, "--no-write-env");
}

#[actix_web::test]
async fn a_person_is_asked_and_no_is_the_answer_of_enter() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let question = "Add KEYRACK_API_KEY to .env.local? (new file, ignored by git)";
    let screen = shell.talk(&["keys", "create", "-n", "a"], &[(question, "")]).ends(0).stdout;
    assert!(screen.contains("Shown once") && screen.contains("scrollback"), "{screen}");
    assert_eq!(stage.read(".env.local"), "(no file)");
    shell.talk(&["keys", "create", "-n", "b"], &[(question, "y")]).ends(0);
    let first = stage.read(".env.local");
    assert!(first.starts_with("KEYRACK_API_KEY=kr_") && first.ends_with('\n'), "{first}");
    // It is there now: its mask is shown.
    let mask = format!("{}••••••••", &first["KEYRACK_API_KEY=".len()..][..8]);
    let question = format!(".env.local sets KEYRACK_API_KEY to {mask}. Replace it with the new secret?");
    let screen = shell.talk(&["keys", "create", "-n", "c"], &[(&question, "n")]).ends(0).stdout;
    assert!(screen.contains("keeps KEYRACK_API_KEY as it was"), "{screen}");
    assert_eq!(stage.read(".env.local"), first);
    shell.talk(&["keys", "create", "-n", "d"], &[(&question, "y")]).ends(0);
    assert_ne!(stage.read(".env.local"), first);
    assert_eq!(stage.read(".env.local").lines().count(), 1);
    shell.talk(&["keys", "create", "-n", "e", "--no-write-env"], &[]).ends(0);
}

#[actix_web::test]
async fn where_git_does_not_ignore_the_file_the_line_is_offered() {
    let stage = Stage::new();
    stage.write(".gitignore", "target");
    let shell = stage.shell("ada");
    let ran = shell.run(&["keys", "create", "-n", "a", "--write-env=other.env"]).ends(0);
    assert!(ran.stderr.contains("git does not ignore other.env"), "{}", ran.stderr);
    let answers = [("(new file, not ignored by git)", "y"), ("Add the line /.env.local to .gitignore?", "y")];
    let screen = shell.talk(&["keys", "create", "-n", "b"], &answers).ends(0).stdout;
    assert!(screen.contains("✓ Added /.env.local to .gitignore"), "{screen}");
    assert_eq!(stage.read(".gitignore"), "target\n/.env.local\n");
    stage.git(&["check-ignore", "-q", ".env.local"]);
}

#[actix_web::test]
async fn a_tracked_file_is_not_even_offered() {
    let stage = Stage::new();
    stage.write(".env.local", "A=1\n");
    stage.git(&["add", "-f", ".env.local"]);
    let screen = stage.shell("ada").talk(&["keys", "create", "-n", "a"], &[]).ends(0).stdout;
    assert!(screen.contains(".env.local is tracked by git"), "{screen}");
    assert_eq!(stage.read(".env.local"), "A=1\n");
}

#[actix_web::test]
async fn a_rotation_offers_to_replace_the_line() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let first = secret(&shell.run(CREATE).ends(0).stdout);
    stage.write(".env.local", &format!("A=1\nexport KEYRACK_API_KEY=\"{first}\" # dev\nB=2\n"));
    let question = "Replace it with the new secret?";
    shell.talk(&["keys", "rotate", "dev", "--grace", "1h"], &[(question, "y")]).ends(0);
    let after = stage.read(".env.local");
    let second = after.lines().nth(1).unwrap().strip_prefix("export KEYRACK_API_KEY=").unwrap().to_owned();
    let second = second.strip_suffix(" # dev").unwrap();
    assert_eq!([stage.status_of(&first), stage.status_of(second)], [200, 200]);
    assert!(after.starts_with("A=1\n") && after.ends_with("\nB=2\n"), "{after}");
    // By the flag alone too, where it is this key's line.
    let ran = shell.run(&["keys", "rotate", "dev", "--grace", "now", "-y", "--write-env"]).ends(0);
    let third = secret(&ran.stdout);
    assert_eq!(stage.read(".env.local"), after.replace(second, &third));
    // Another key's line is not touched, and not asked about.
    shell.run(&["keys", "create", "-qn", "other"]).ends(0);
    shell.talk(&["keys", "rotate", "other"], &[]).ends(0);
    assert_eq!(stage.read(".env.local"), after.replace(second, &third));
}
