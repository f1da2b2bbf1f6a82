//! The rules for secret scanners find the keys that this program makes, and nothing else. detect-secrets is run for real.

use std::path::{Path, PathBuf};
use std::process::Command;

use keyrack::settings::Settings;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::binary::Place;

const FORMATS: [(&str, &str); 4] = [
    ("kr", ""),
    ("rk_live", "[keys]\nprefix = \"rk_live_\"\nseparator = \"\"\n"),
    ("ok", "[brand]\nname = \"Orbit \\\"Kit\\\"\"\ncli_name = \"orbit-kit\"\n[keys]\nprefix = \"ok_\"\n"),
    ("key", "[keys]\nprefix = \"key\"\nenvironments = [\"live\", \"test\"]\nenvironment_in_key = true\n"),
];

/// Where `tests/run` puts it, or wherever it is.
fn detect_secrets(program: &str) -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/detect-secrets/bin").join(program);
    if ours.exists() { ours } else { PathBuf::from(program) }
}

/// Keys of this format, and texts that only look like one.
fn samples(toml: &str) -> (Vec<String>, Vec<String>) {
    let format = Settings::from_toml(toml).unwrap().keys.format();
    let randoms = ["51FwqftsmMDHHbJAMEXXHC", "aZ09kLmP3qRsT7uVwXyZ1b", "Q7hT2mVxC9pLw3RzK8nBj4"];
    let ids = ["BRTRKFsL", "Xy7Pq2Lm", "0aB1cD2e"];
    let environments = format.environments();
    let keys: Vec<String> = (0..3)
        .map(|n| {
            let environment = environments[n % environments.len()];
            format.compose(environment, &ids[n].into(), randoms[n]).0.reveal().to_owned()
        })
        .collect();
    let mut others = vec![keys[0][..keys[0].len() - 1].to_owned(), format!("{}x", keys[0]), format!("x{}", keys[0])];
    others.push(keys[0].to_uppercase());
    // The checksum of another key: of the same form, and never made.
    let (head, sum) = (&keys[0][..keys[0].len() - 2], &keys[1][keys[1].len() - 2..]);
    assert!(!keys[0].ends_with(sum));
    others.push(format!("{head}{sum}"));
    (keys, others)
}

fn rules(place: &Place, scanner: &str) -> String {
    let ran = place.run(&["scanner-rules", scanner]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

/// The lines of a file in which detect-secrets finds keys of ours.
fn found_lines(place: &Place, lines: &[String]) -> Vec<u64> {
    let plugin = rules(place, "detect-secrets");
    std::fs::write(place.path("plugin.py"), &plugin).unwrap();
    std::fs::write(place.path("found.txt"), lines.join("\n") + "\n").unwrap();
    let scan = Command::new(detect_secrets("detect-secrets"))
        .args(["scan", "--plugin", "plugin.py", "found.txt"])
        .current_dir(place.path(""))
        .output()
        .expect("detect-secrets is missing: tests/run installs it");
    assert!(scan.status.success(), "{}\n{plugin}", String::from_utf8_lossy(&scan.stderr));
    let report: Value = serde_json::from_slice(&scan.stdout).unwrap();
    let found = report["results"]["found.txt"].as_array().cloned().unwrap_or_default();
    let ours = found.iter().filter(|one| one["type"].as_str().unwrap().ends_with(" API key"));
    let mut numbers: Vec<u64> = ours.map(|one| one["line_number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn detect_secrets_finds_keys_and_nothing_else() {
    for (prefix, toml) in FORMATS {
        let place = Place::new().file("keyrack.toml", toml);
        let (keys, others) = samples(toml);
        let around = ["KEY={}", "  key: \"{}\",", "curl -H 'Authorization: Bearer {}' https://x.example"];
        let with_keys = keys.iter().zip(around).map(|(key, line)| line.replace("{}", key));
        let lines: Vec<String> = with_keys.chain(others.iter().map(|other| format!("KEY={other}"))).collect();
        assert_eq!(found_lines(&place, &lines), [1, 2, 3], "{prefix}: {lines:#?}");
    }
}

#[test]
fn detect_secrets_finds_a_key_that_was_really_made() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let place = Place::new();
    assert_eq!(found_lines(&place, &["nothing".to_owned(), format!("token = '{}'", key.secret)]), [2]);
}

/// gitleaks and GitHub go by the form alone; their expressions are tried with Python's engine, which reads them alike.
#[test]
fn the_expressions_for_gitleaks_and_github_match_keys_and_no_other_form() {
    for (prefix, toml) in FORMATS {
        let place = Place::new().file("keyrack.toml", toml);
        let gitleaks: toml::Table = rules(&place, "gitleaks").parse().unwrap();
        let rule = &gitleaks["rules"][0];
        let keyword = rule["keywords"][0].as_str().unwrap();
        assert!(keyword.starts_with(prefix) && rule["secretGroup"].as_integer() == Some(1));
        let github = rules(&place, "github");
        let line = |name: &str| {
            let line = github.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        let (before, secret, after) = (line("Before secret"), line("Secret format"), line("After secret"));
        let github = format!("(?:{before})({secret})(?:{})", after.replace("\\z", "\\Z"));
        let example = line("Test string");
        let (keys, others) = samples(toml);
        let format = Settings::from_toml(toml).unwrap().keys.format();
        assert!(format.parse(&example).is_some());
        for expression in [rule["regex"].as_str().unwrap(), &github] {
            for key in keys.iter().chain([&example]) {
                assert_eq!(first_match(expression, &format!("KEY={key}\n")), *key, "{expression}");
                assert_eq!(first_match(expression, key), *key, "{expression}");
            }
            // All but the last, which has the form and only not the checksum.
            for other in &others[..others.len() - 1] {
                assert_eq!(first_match(expression, &format!("KEY={other}\n")), "", "{expression}: {other}");
            }
        }
    }
}

fn first_match(expression: &str, text: &str) -> String {
    let script =
        "import re, sys; found = re.search(sys.argv[1], sys.argv[2]); print(found.group(1) if found else '', end='')";
    let ran = Command::new(detect_secrets("python3")).args(["-c", script, expression, text]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}
