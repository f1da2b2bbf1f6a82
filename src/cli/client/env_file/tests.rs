use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use tempfile::TempDir;

use super::*;

const SECRET: &str = "ok_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";
const ROTATED: Reason<'_> = Reason::Rotated("BRTRKFsL");

/// A person who gives these answers, or nobody.
#[derive(Default)]
struct Person {
    answers: Option<Vec<bool>>,
    heard: Vec<String>,
}

impl Talk for Person {
    fn can_ask(&self) -> bool {
        self.answers.is_some()
    }
    fn ask(&mut self, question: &str) -> Result<bool, CliError> {
        self.heard.push(format!("{question} [y/N]"));
        Ok(self.answers.as_mut().expect("somebody").remove(0))
    }
    fn say(&mut self, line: &str) {
        self.heard.push(line.to_owned());
    }
    fn warn(&mut self, line: &str) {
        self.heard.push(format!("! {line}"));
    }
}

struct Project(TempDir);

impl Project {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn repository() -> Self {
        let project = Self::new();
        project.git(&["init", "-q"]);
        project
    }

    fn git(&self, args: &[&str]) {
        assert!(Command::new("git").arg("-C").arg(self.0.path()).args(args).output().unwrap().status.success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(self, name: &str, text: &str) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|_| "(no file)".to_owned())
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Offers the secret; what was heard, without paths.
    #[track_caller]
    fn offer(&self, consent: &Consent, reason: Reason<'_>, answers: Option<&[bool]>) -> Result<Vec<String>, String> {
        let mut person = Person { answers: answers.map(<[bool]>::to_vec), heard: Vec::new() };
        let place = Place { project: self.0.path(), from: self.0.path(), env_prefix: "APP" };
        let done = prepare(consent, &place, reason, &mut person).and_then(|file| match file {
            Some(file) => file.offer(SECRET, consent, &mut person).map(drop),
            None => Ok(()),
        });
        let root = self.0.path().canonicalize().unwrap();
        let plain = |text: &str| text.replace(root.to_str().unwrap(), "PROJECT");
        assert!(!person.heard.iter().any(|line| line.contains("51Fwq")), "{:?}", person.heard);
        assert_eq!(person.answers.unwrap_or_default(), [] as [bool; 0], "every answer was asked for");
        done.map(|()| person.heard.iter().map(|line| plain(line)).collect()).map_err(|error| plain(&error.message))
    }

    #[track_caller]
    fn given(&self, name: &str) -> Result<Vec<String>, String> {
        self.offer(&Consent::Given(Some(self.path(name))), Reason::Created, None)
    }
}

const GIVEN: Consent = Consent::Given(None);

#[test]
fn nothing_is_written_without_consent() {
    let project = Project::new();
    assert_eq!(project.offer(&Consent::None, Reason::Created, None), Ok(vec![]));
    let asked = project.offer(&Consent::Ask, Reason::Created, Some(&[false])).unwrap();
    assert_eq!(asked, ["Add APP_API_KEY to .env.local? (new file) [y/N]"]);
    assert_eq!(project.read(".env.local"), "(no file)");
    assert_eq!(fs::read_dir(project.0.path()).unwrap().count(), 0);
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let project = Project::new();
    let heard = project.offer(&Consent::Ask, Reason::Created, Some(&[true])).unwrap();
    assert_eq!(heard.last().unwrap(), "✓ Added APP_API_KEY to .env.local");
    assert_eq!(project.read(".env.local"), format!("APP_API_KEY={SECRET}\n"));
    assert_eq!(project.mode(".env.local"), 0o600);
}

#[test]
fn content_mode_and_a_missing_newline_are_kept() {
    let project = Project::new().write(".env.local", "# mine\r\nA=1");
    fs::set_permissions(project.path(".env.local"), fs::Permissions::from_mode(0o640)).unwrap();
    project.offer(&GIVEN, Reason::Created, None).unwrap();
    assert_eq!(project.read(".env.local"), format!("# mine\r\nA=1\r\nAPP_API_KEY={SECRET}\r\n"));
    assert_eq!(project.mode(".env.local"), 0o640);
    assert_eq!(fs::read_dir(project.0.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_file_that_git_tracks_is_refused() {
    let project = Project::repository().write(".env.local", "A=1\n").write(".gitignore", ".env.local\n");
    project.git(&["add", "-f", ".env.local"]);
    let refusal = ".env.local is tracked by git: a secret in it would be committed";
    assert_eq!(project.offer(&GIVEN, Reason::Created, None), Err(format!("{refusal}. Nothing was done.")));
    let heard = project.offer(&Consent::Ask, Reason::Created, Some(&[])).unwrap();
    assert_eq!(heard, [format!("! {refusal}, so the key is not offered to it.")]);
    symlink(".env.local", project.path("link")).unwrap();
    assert!(project.given("link").unwrap_err().contains("is tracked by git"));
    assert_eq!(project.read(".env.local"), "A=1\n");
}

#[test]
fn where_git_does_not_ignore_it_the_line_is_offered() {
    let project = Project::repository().write(".gitignore", "target");
    let heard = project.offer(&Consent::Ask, Reason::Created, Some(&[true, true])).unwrap();
    assert_eq!(heard[0], "Add APP_API_KEY to .env.local? (new file, not ignored by git) [y/N]");
    assert_eq!(heard[1], "! git does not ignore .env.local: it could be committed by mistake.");
    assert_eq!(heard[2], "Add the line /.env.local to .gitignore? [y/N]");
    assert_eq!(project.read(".gitignore"), "target\n/.env.local\n");
    let project = Project::repository();
    project.offer(&Consent::Ask, Reason::Created, Some(&[true, true])).unwrap();
    assert_eq!((project.read(".gitignore").as_str(), project.mode(".gitignore")), ("/.env.local\n", 0o644));
    let project = Project::repository();
    project.offer(&Consent::Ask, Reason::Created, Some(&[true, false])).unwrap();
    assert_eq!(project.read(".env.local"), format!("APP_API_KEY={SECRET}\n"));
    assert_eq!(project.read(".gitignore"), "(no file)");
    let heard = Project::repository().offer(&GIVEN, Reason::Created, None).unwrap();
    assert!(heard[0].ends_with("Add the line /.env.local to the .gitignore beside it."), "{heard:?}");
}

#[test]
fn a_variable_that_is_there_is_replaced_only_by_a_yes() {
    let old = "A=1\nexport APP_API_KEY=\"ok_oldOLDol_51FwqOLDOLDOLDOLDOLDOLDO\"\n";
    let question = ".env.local sets APP_API_KEY to ok_oldOL••••••••. Replace it with the new secret? [y/N]";
    for consent in [GIVEN, Consent::Ask] {
        let project = Project::new().write(".env.local", old);
        let heard = project.offer(&consent, Reason::Created, Some(&[false])).unwrap();
        assert_eq!(heard, [question, ".env.local keeps APP_API_KEY as it was."]);
        assert_eq!(project.read(".env.local"), old);
        let heard = project.offer(&consent, Reason::Created, Some(&[true])).unwrap();
        assert_eq!(heard, [question, "✓ Replaced APP_API_KEY in .env.local"]);
        assert_eq!(project.read(".env.local"), format!("A=1\nexport APP_API_KEY={SECRET}\n"));
    }
    let project = Project::new().write(".env.local", old);
    let refusal = project.offer(&GIVEN, Reason::Created, None).unwrap_err();
    assert!(refusal.starts_with(".env.local sets APP_API_KEY already (to ok_oldOL••••••••)"), "{refusal}");
    assert_eq!(project.read(".env.local"), old);
    // One that is there without a value waits for one.
    let project = Project::new().write(".env.local", "APP_API_KEY=\nA=1\n");
    project.offer(&GIVEN, Reason::Created, None).unwrap();
    assert_eq!(project.read(".env.local"), format!("APP_API_KEY={SECRET}\nA=1\n"));
}

#[test]
fn a_rotation_replaces_the_line_of_its_key_and_no_other() {
    let of_key = "APP_API_KEY=ok_BRTRKFsL_OLDOLDOLDOLDOLDOLDOLDOLD\nA=1\n";
    let project = Project::new().write(".env.local", of_key);
    assert_eq!(project.offer(&Consent::Ask, ROTATED, Some(&[true])).unwrap().len(), 2);
    assert_eq!(project.read(".env.local"), format!("APP_API_KEY={SECRET}\nA=1\n"));
    let project = Project::new().write(".env.local", of_key);
    assert_eq!(project.offer(&GIVEN, ROTATED, None).unwrap(), ["✓ Replaced APP_API_KEY in .env.local"]);
    for other in ["", "A=1\n", "APP_API_KEY=ok_otherKEY_OLDOLDOLDOLDOLDOLDOLDOLD\n"] {
        let project = Project::new().write(".env.local", other);
        assert_eq!(project.offer(&Consent::Ask, ROTATED, Some(&[])), Ok(vec![]), "{other}");
        assert_eq!(project.read(".env.local"), other);
    }
}

#[test]
fn links_lead_no_secret_out_of_the_project() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("env"), "A=1\n").unwrap();
    let project = Project::new().write("real.env", "A=1\n");
    symlink(outside.path().join("env"), project.path(".env.local")).unwrap();
    assert!(
        project.offer(&GIVEN, Reason::Created, None).unwrap_err().contains("is a link that leads out of the project")
    );
    symlink(outside.path(), project.path("folder")).unwrap();
    assert!(project.given("folder/env").unwrap_err().contains("behind a link that leads out of the project"));
    assert!(project.given("folder/../folder/new").is_err());
    symlink("nowhere", project.path("dangling")).unwrap();
    assert!(project.given("dangling").unwrap_err().contains("leads nowhere"));
    assert_eq!(fs::read_to_string(outside.path().join("env")).unwrap(), "A=1\n");
    symlink("real.env", project.path("inside")).unwrap();
    project.given("inside").unwrap();
    assert_eq!(project.read("real.env"), format!("A=1\nAPP_API_KEY={SECRET}\n"));
    assert!(fs::symlink_metadata(project.path("inside")).unwrap().is_symlink());
}

#[test]
fn what_is_no_file_to_write_is_refused_with_words() {
    let project =
        Project::new().write("locked", "A=1\n").write("binary", "A=\0\n").write("large", &"x".repeat(2 << 20));
    fs::create_dir(project.path("folder")).unwrap();
    fs::create_dir(project.path("closed")).unwrap();
    for name in ["locked", "closed"] {
        let mode = if name == "locked" { 0o444 } else { 0o555 };
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    for (name, words) in [
        ("locked", "is read-only"),
        ("binary", "is not a text file"),
        ("large", "is too large"),
        ("folder", "is a folder"),
        ("closed/env", "the folder PROJECT/closed is read-only"),
        ("missing/env", "no such file or directory"),
        ("..", "names no file"),
    ] {
        let refusal = project.given(name).unwrap_err();
        assert!(refusal.contains(words) && refusal.ends_with("Nothing was done."), "{name}: {refusal}");
    }
    let refusal = project.offer(&Consent::Given(Some("/dev/null".into())), Reason::Created, None).unwrap_err();
    assert!(refusal.contains("/dev/null is not a file"), "{refusal}");
}

#[test]
fn a_file_that_changes_in_between_is_left_alone() {
    let project = Project::new().write(".env.local", "A=1\n");
    let place = Place { project: project.0.path(), from: project.0.path(), env_prefix: "APP" };
    let mut nobody = Person::default();
    let file = prepare(&GIVEN, &place, Reason::Created, &mut nobody).unwrap().unwrap();
    let project = project.write(".env.local", "A=2\n");
    let error = file.offer(SECRET, &GIVEN, &mut nobody).unwrap_err();
    assert_eq!(error.message, ".env.local was changed by something else in this moment. It is as it was.");
    assert_eq!(project.read(".env.local"), "A=2\n");
}

#[test]
fn what_a_server_says_cannot_become_another_variable() {
    let project = Project::new();
    let mut nobody = Person::default();
    for env_prefix in ["", "app", "A B", "A=x\nB", "1A"] {
        let place = Place { project: project.0.path(), from: project.0.path(), env_prefix };
        assert!(prepare(&GIVEN, &place, Reason::Created, &mut nobody).is_err(), "{env_prefix:?}");
    }
    let place = Place { project: project.0.path(), from: project.0.path(), env_prefix: "APP" };
    let file = prepare(&GIVEN, &place, Reason::Created, &mut nobody).unwrap().unwrap();
    for secret in ["", "a\nLD_PRELOAD=x", "a b", "$(x)", "a'b", "a#b"] {
        assert!(file.offer(secret, &GIVEN, &mut nobody).is_err(), "{secret:?}");
    }
    assert_eq!(project.read(".env.local"), "(no file)");
}

#[test]
fn masks_show_the_beginning_of_long_values_only() {
    assert_eq!(mask(SECRET.as_bytes()), "ok_BRTRK••••••••");
    assert_eq!(mask(b"changeme"), "••••••••");
    assert_eq!(mask(b"sixteen letters!"), "si••••••••");
    assert_eq!(mask(b"\x1b[31m\xff and so on, for long"), "�[31m� a••••••••");
}
