//! House rules that no compiler checks: who may import whom, how long things get, what templates may not do. When one of these
//! fails, mend the code; the rule is loosened only together with ARCHITECTURE.md.

use std::fs;
use std::path::{Path, PathBuf};

/// (folder or file under src/, modules of this crate it must not name, other words it must not contain)
const MAY_NOT_NAME: &[(&str, &[&str], &[&str])] = &[
    (
        "domain",
        &["db", "gate", "actions", "jobs", "web", "cli", "settings", "clock"],
        &[
            "diesel",
            "actix_web",
            "actix_session",
            "askama",
            "getrandom",
            "tokio",
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "SystemTime",
        ],
    ),
    ("db", &["gate", "actions", "jobs", "web", "cli"], &["actix_web", "actix_session", "askama"]),
    ("gate", &["actions", "jobs", "web", "cli"], &["diesel", "actix_web", "askama"]),
    ("actions", &["jobs", "web", "cli"], &["diesel", "actix_web", "actix_session", "askama"]),
    ("jobs", &["web", "cli"], &["diesel", "actix_web", "askama"]),
    ("web", &["jobs", "cli"], &["diesel"]),
    ("web/views", &["db", "domain", "actions", "gate"], &["diesel"]),
    ("cli", &[], &["diesel"]),
    ("cli/client", &["actions", "db", "gate", "web"], &["diesel"]),
    ("settings", &["db", "gate", "actions", "jobs", "web", "cli"], &["diesel", "actix_web", "askama"]),
    ("clock", &["db", "gate", "actions", "jobs", "web", "cli", "settings"], &["diesel", "actix_web", "askama"]),
];

const LINES_PER_FILE_MAX: usize = 400;
const LINES_PER_FUNCTION_MAX: usize = 70;

#[test]
fn modules_import_only_what_they_may() {
    let mut found = Vec::new();
    for (file, text) in rust_files("src") {
        let code = without_comments_and_strings(&text);
        for (place, modules, words) in MAY_NOT_NAME {
            if !lies_in(&file, place) {
                continue;
            }
            for module in *modules {
                if crate_modules_named(&code).iter().any(|named| named == module) {
                    found.push(format!("{file}: src/{place} must not import {module}"));
                }
            }
            for word in *words {
                if has_word(&code, word) {
                    found.push(format!("{file}: src/{place} must not name {word}"));
                }
            }
        }
    }
    assert_none(found);
}

/// (file, what of the database it may name besides the handle, why)
const WEB_MAY_NAME: &[(&str, &[&str], &str)] = &[
    ("src/web/session/store.rs", &["sessions", "now", "Conn", "write_one"], "it is the store of the session cookie"),
    (
        "src/web/pages/service.rs",
        &["{SchemaState", "schema_state"],
        "readiness is a question about the database itself",
    ),
];

#[test]
fn of_the_database_web_names_only_the_handle() {
    let mut found = Vec::new();
    for (file, text) in rust_files("src") {
        if !lies_in(&file, "web") {
            continue;
        }
        let exceptions = WEB_MAY_NAME.iter().find(|(place, ..)| *place == file).map_or(&[][..], |(_, names, _)| names);
        let code = without_comments_and_strings(&text);
        for (at, _) in code.match_indices("db::") {
            let rest = &code[at + 4..];
            let is_handle = ["Db;", "Conn;", "{Conn, Db}", "{Db, Conn}"].iter().any(|handle| rest.starts_with(handle));
            let is_exception = exceptions.iter().any(|name| rest.starts_with(name));
            if !code[..at].ends_with(is_word) && !is_handle && !is_exception {
                found.push(format!("{file}: db::{}", rest.lines().next().unwrap_or("")));
            }
        }
    }
    assert_none(found);
}

#[test]
fn no_file_outgrows_a_few_screens() {
    let long = rust_files("src").into_iter().filter(|(_, text)| text.lines().count() > LINES_PER_FILE_MAX);
    assert_none(long.map(|(file, text)| format!("{file}: {} lines", text.lines().count())).collect());
}

#[test]
fn no_function_outgrows_a_screen() {
    let mut found = Vec::new();
    for (file, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        for (name, line, lines) in functions(&without_comments_and_strings(&text)) {
            if lines > LINES_PER_FUNCTION_MAX {
                found.push(format!("{file}:{line}: fn {name} has {lines} lines"));
            }
        }
    }
    assert_none(found);
}

/// What the check knows, docs/revocation.md.
const FOLLOWED: [&str; 7] = ["api_keys", "key_secrets", "memberships", "orgs", "profiles", "service_tokens", "users"];

/// Functions that write to these tables what no check looks at: the locks of organizations, and when keys were used.
const NOT_FOLLOWED: [&str; 4] = ["lock_org", "lock_org_by_id", "mark_key_used", "mark_secret_used"];

#[test]
fn whatever_the_check_knows_is_noted_by_the_function_that_writes_it() {
    let mut found = Vec::new();
    let mut writers = 0;
    for (file, text) in rust_files("src/db") {
        let code = without_comments_and_strings(&text);
        for (name, line, lines) in functions(&code) {
            let body: String = code.lines().skip(line - 1).take(lines).collect();
            let body: String = body.split_whitespace().collect();
            let writes = ["update", "insert_into", "delete"]
                .iter()
                .any(|verb| FOLLOWED.iter().any(|table| body.contains(&format!("diesel::{verb}({table}::table"))));
            writers += usize::from(writes);
            if writes && !has_word(&body, "note") && !NOT_FOLLOWED.contains(&name.as_str()) {
                found.push(format!("{file}:{line}: fn {name} does not note what it changes"));
            }
        }
    }
    assert!(writers > 20, "only {writers} functions found that write");
    assert_none(found);
}

#[test]
fn nothing_outside_the_tests_may_panic_on_a_value() {
    let mut found = Vec::new();
    for (file, text) in rust_files("src") {
        if file.ends_with("/tests.rs") || file.contains("/tests/") {
            continue;
        }
        let code = without_test_modules(&without_comments_and_strings(&text));
        for (number, line) in code.lines().enumerate() {
            if [".unwrap()", ".expect("].iter().any(|call| line.contains(call)) {
                found.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(found);
}

#[test]
fn templates_escape_everything_and_hold_no_script_or_style() {
    let mut found = Vec::new();
    for (file, text) in files_under("templates") {
        let squeezed: String = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let tight = squeezed.replace("| ", "|").replace(" |", "|");
        for banned in
            ["|safe", "|escape(", "|e(", "autoescape", " style=", "<style", "javascript:", "hx-on", "js:", " srcdoc="]
        {
            if tight.contains(banned) {
                found.push(format!("{file}: {banned}"));
            }
        }
        found.extend(event_handlers(&squeezed).into_iter().map(|handler| format!("{file}: {handler}")));
        for script in squeezed.split("<script").skip(1) {
            let (tag, body) = script.split_once('>').unwrap_or((script, ""));
            if !tag.contains("src=") || !body.trim_start().starts_with("</script>") {
                found.push(format!("{file}: a script that is not a file"));
            }
        }
    }
    let derives = rust_files("src").into_iter().filter(|(_, text)| text.contains("escape = \"none\""));
    found.extend(derives.map(|(file, _)| format!("{file}: a template without escaping")));
    assert_none(found);
}

#[test]
fn nothing_is_left_to_do_and_no_machine_is_named() {
    // Put together here, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let places = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/tmp/", "wt"),
        concat!("/wo", "rk/"),
        concat!("C:\\", "Users"),
    ];
    let hosts = [
        concat!("crates", ".io"),
        concat!("registry.npm", "js"),
        concat!("npm", "js.org"),
        concat!("pypi", ".org"),
        concat!("deb.", "debian"),
        concat!("un", "pkg.com"),
        concat!("js", "delivr"),
    ];
    let mut found = Vec::new();
    for (file, text) in all_files() {
        for (number, line) in text.lines().enumerate() {
            for banned in words.iter().chain(&places).chain(&hosts) {
                if line.contains(banned) {
                    found.push(format!("{file}:{}: {banned}", number + 1));
                }
            }
            for address in real_addresses(line) {
                found.push(format!("{file}:{}: an e-mail address that may be somebody's: {address}", number + 1));
            }
        }
    }
    assert_none(found);
}

#[test]
fn the_checks_themselves_find_what_they_look_for() {
    let code = without_comments_and_strings(
        "use crate::{db::keys, web};\n// crate::cli\nlet a = \"crate::gate\"; let c = '\"'; crate::actions::x()",
    );
    assert_eq!(crate_modules_named(&code), ["db", "web", "actions"]);
    let lengths = functions("fn one() {\n  {}\n}\nfn two<'a>(x: &'a str) -> [u8; 2] {\n}\ntrait T { fn three(); }");
    assert_eq!(lengths, [("one".to_owned(), 1, 3), ("two".to_owned(), 4, 2)]);
    let cut = without_test_modules("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { x.unwrap() } }\nfn c() {}");
    assert!(!cut.contains("unwrap") && cut.contains("fn c"));
    assert_eq!(event_handlers("<a class=\"on\" onclick=\"x\"> {{ on_page }}"), ["onclick="]);
    let real = concat!("who@", "real.org");
    assert_eq!(real_addresses(&format!("ben@acme.example, {real}, Ada@Example.COM")), [real]);
}

// ---- finding files --------------------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the repository that is ours: neither vendored nor made by a tool.
fn all_files() -> Vec<(String, String)> {
    let mut files: Vec<_> =
        ["src", "tests", "templates", "static", "migrations", "examples", "benches", "docs", ".ci", ".config"]
            .iter()
            .flat_map(|folder| files_under(folder))
            .filter(|(name, _)| !name.contains(".min.") && !name.contains("/axe/"))
            .filter(|(name, _)| !name.ends_with("THIRD_PARTY.md") && !name.ends_with("Cargo.lock"))
            .collect();
    for name in ["Cargo.toml", "README.md", "ARCHITECTURE.md", "clippy.toml", "build.rs"] {
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            files.push((name.to_owned(), text));
        }
    }
    files
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    files_under(folder).into_iter().filter(|(name, _)| name.ends_with(".rs")).collect()
}

fn files_under(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push((path.strip_prefix(root()).unwrap().display().to_string(), text));
            }
        }
    }
    files.sort();
    files
}

fn lies_in(file: &str, place: &str) -> bool {
    let place = format!("src/{place}");
    file == format!("{place}.rs") || Path::new(file).starts_with(&place)
}

#[track_caller]
fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

// ---- reading code ---------------------------------------------------------------------------------------------------------

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word))
}

/// The modules of this crate that the code names by `crate::x` or `use crate::{x, y::z}`.
fn crate_modules_named(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, start) in code.match_indices("crate::").chain(code.match_indices("keyrack::")) {
        let rest = &code[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            named.push(rest.chars().take_while(|c| is_word(*c)).collect());
            continue;
        };
        let mut depth = 0;
        let mut name = String::new();
        let mut in_name = true;
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    named.push(std::mem::take(&mut name));
                    in_name = true;
                }
                c if depth == 0 && in_name && is_word(c) => name.push(c),
                c if depth == 0 && !name.is_empty() && !is_word(c) => in_name = false,
                _ => {}
            }
        }
        named.push(name);
    }
    named.retain(|name| !name.is_empty());
    named
}

/// (name, line, number of lines) of each function with a body. The code must be free of comments and strings.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
        if code[..at].ends_with(is_word) || name.is_empty() {
            continue;
        }
        let mut brackets = 0;
        let open = code[at..].char_indices().find(|(_, c)| {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                _ => {}
            }
            brackets == 0 && (*c == '{' || *c == ';')
        });
        if let Some((open, '{')) = open {
            let end = at + open + block_length(&code[at + open..]);
            let line = code[..at].lines().count().max(1);
            found.push((name, if code[..at].ends_with('\n') { line + 1 } else { line }, code[at..end].lines().count()));
        }
    }
    found
}

/// The length in bytes of the block that begins with the first `{` of the code.
fn block_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn without_test_modules(code: &str) -> String {
    let mut code = code.to_owned();
    while let Some(at) = code.find("#[cfg(test)]") {
        let rest = &code[at..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                open + block_length(&rest[open..])
            }
            (_, Some(semicolon)) => semicolon + 1,
            _ => rest.len(),
        };
        let blank: String = code[at..at + end].chars().filter(|c| *c == '\n').collect();
        code.replace_range(at..at + end, &blank);
    }
    code
}

/// The code with comments and the insides of strings and character literals blanked, line by line where it was.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skip(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment, string or character literal that begins at `at` ends; `at` itself when none does.
fn skip(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts_word = at == 0 || !is_word(chars[at - 1]);
    let find = |from: usize, what: &[char]| {
        rest[from..].windows(what.len()).position(|w| w == what).map_or(chars.len(), |n| at + from + n)
    };
    match rest {
        ['/', '/', ..] => find(0, &['\n']),
        ['/', '*', ..] => (find(2, &['*', '/']) + 2).min(chars.len()),
        ['r', '"', ..] if starts_word => (find(2, &['"']) + 1).min(chars.len()),
        ['r', '#', '"', ..] if starts_word => (find(3, &['"', '#']) + 2).min(chars.len()),
        ['"', ..] => {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != '"' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            (end + 1).min(chars.len())
        }
        ['\'', '\\', ..] => (find(3, &['\'']) + 1).min(chars.len()),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

// ---- reading templates and text -------------------------------------------------------------------------------------------

/// Attributes like `onclick=`, wherever a tag may hold them.
fn event_handlers(html: &str) -> Vec<String> {
    let attributes = html.split([' ', '\n']).filter_map(|word| word.split_once('=').map(|(name, _)| name));
    attributes
        .filter(|name| name.len() > 3 && name.starts_with("on") && name.chars().all(|c| c.is_ascii_lowercase()))
        .map(|name| format!("{name}="))
        .collect()
}

/// E-mail addresses whose domain is not one kept for examples.
fn real_addresses(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_alphanumeric() || "@.-_+".contains(c)));
    let addresses = words.map(|word| word.trim_matches('.')).filter_map(|word| Some((word, word.split_once('@')?)));
    let real = addresses.filter(|(_, (name, domain))| {
        let last = domain.rsplit('.').next().unwrap_or("").to_lowercase();
        let is_address = !name.is_empty()
            && domain.contains('.')
            && last.len() >= 2
            && last.chars().all(|c| c.is_ascii_alphabetic());
        let for_examples = ["example", "test", "invalid", "localhost"].contains(&last.as_str())
            || ["example.com", "example.org", "example.net"]
                .iter()
                .any(|reserved| domain.to_lowercase().ends_with(reserved));
        is_address && !for_examples
    });
    real.map(|(word, _)| word.to_owned()).collect()
}
