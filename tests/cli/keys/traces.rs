//! Where a secret goes: to stdout and into the file that was agreed to, and nowhere else that the system can see.

use std::path::{Path, PathBuf};

use super::life::secret;
use super::stage::{Ran, Shell, Stage};

/// Every call that could put bytes somewhere, and those that start programs.
const CALLS: &str = "trace=execve,open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,rename,renameat,\
                     renameat2,link,linkat,symlink,symlinkat,memfd_create";

/// Runs a command under strace; what it left behind, and what the system saw of it.
fn traced(stage: &Stage, shell: &Shell<'_>, args: &[&str]) -> (Ran, String) {
    let file = stage.home.path().join("trace");
    let before = ["-f", "-s", "100000", "-e", CALLS, "-o", file.to_str().unwrap(), env!("CARGO_BIN_EXE_keyrack")];
    let ran = shell.clone().program("strace".as_ref()).run(&[&before, args].concat());
    let trace = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    (ran, trace)
}

/// The calls that a text stands in, without the number of their process.
fn calls_with<'t>(trace: &'t str, text: &str) -> Vec<&'t str> {
    let with = trace.lines().filter(|line| line.contains(text));
    with.map(|line| line.split_once(' ').map_or(line, |(_, call)| call.trim_start())).collect()
}

fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes()) {
            found.push(path);
        }
    }
    found
}

#[actix_web::test]
async fn a_new_secret_is_written_to_stdout_and_nowhere_else() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    for args in [&["keys", "create", "-n", "dev"][..], &["keys", "rotate", "dev"], &["api-key", "create", "-n", "b"]] {
        let (ran, trace) = traced(&stage, &shell, args);
        let secret = secret(&ran.ends(0).stdout);
        let calls = calls_with(&trace, &secret[secret.len() - 24..]);
        assert!(!calls.is_empty() && calls.iter().all(|call| call.starts_with("write(1, ")), "{args:?}: {calls:#?}");
        for folder in [stage.home.path(), stage.project.path()] {
            assert_eq!(files_with(folder, &secret[secret.len() - 24..]), Vec::<PathBuf>::new(), "{args:?}");
        }
    }
}

#[actix_web::test]
async fn with_consent_it_is_written_to_that_one_file_too() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    let (ran, trace) = traced(&stage, &shell, &["keys", "create", "-n", "dev", "--write-env"]);
    let secret = secret(&ran.ends(0).stdout);
    let hidden = &secret[secret.len() - 24..];
    // The first one only shows that the folder takes files.
    let opened = trace.lines().filter(|line| line.contains("O_TMPFILE")).nth(1).expect("a file without a name");
    assert!(opened.contains("0600"), "{opened}");
    let number = opened.rsplit(" = ").next().unwrap().trim();
    for call in calls_with(&trace, hidden) {
        assert!(call.starts_with("write(1, ") || call.starts_with(&format!("write({number}, ")), "{call}");
    }
    assert_eq!(files_with(stage.project.path(), hidden), [stage.path(".env.local")]);
    assert_eq!(files_with(stage.home.path(), hidden), Vec::<PathBuf>::new());
    // What `ps` shows of it and of the programs that it starts, git among them.
    let token = shell.variable("KEYRACK_API_KEY");
    let started: Vec<&str> = trace.lines().filter(|line| line.contains("execve(")).collect();
    assert!(started.iter().any(|line| line.contains("\"git\"")), "{started:#?}");
    assert!(started.iter().all(|line| !line.contains(hidden) && !line.contains(&token[4..])), "{started:#?}");
    let said: Vec<&str> = calls_with(&trace, &token[4..]);
    assert!(said.iter().all(|call| call.contains("Bearer ")), "the token goes to the server only: {said:#?}");
}

#[actix_web::test]
async fn killed_while_it_writes_it_leaves_nothing_behind() {
    let stage = Stage::new();
    let shell = stage.shell("ada");
    for before in ["(no file)", "A=1\n"] {
        // Death comes when all is written and nothing is in its place yet.
        let program = env!("CARGO_BIN_EXE_keyrack");
        let killed = ["-qq", "-f", "-o", "/dev/null", "-e", "inject=fsync:signal=KILL", program];
        let name = format!("dev {}", before.len());
        let args = ["keys", "create", "-n", &name, "--write-env"];
        let ran = shell.clone().program("strace".as_ref()).run(&[&killed[..], &args].concat());
        assert_ne!(ran.code, 0, "{ran:?}");
        let secret = secret(&ran.stdout);
        assert_eq!(files_with(stage.project.path(), &secret), Vec::<PathBuf>::new());
        let names = std::fs::read_dir(stage.project.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".env-")).collect();
        assert!(left.is_empty() && stage.read(".env.local") == before, "{left:?}");
        stage.write(".env.local", "A=1\n");
    }
}
