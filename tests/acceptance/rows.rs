//! The list of rows, and that each of them has a test and each test a row.

use std::collections::BTreeSet;

const ROWS: &str = include_str!("rows.txt");
const TESTS: [(&str, &str); 4] = [
    ("O", include_str!("outkit.rs")),
    ("R", include_str!("rndrkit.rs")),
    ("B", include_str!("orbitkit.rs")),
    ("K", include_str!("keystroke.rs")),
];

/// `O1` for each row of the list, in its order.
fn rows() -> Vec<&'static str> {
    let lines = ROWS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").collect();
            assert!(parts.len() == 3 && parts.iter().all(|part| !part.is_empty()), "not a row: {line}");
            parts[0]
        })
        .collect()
}

/// `O1` for each test called `o01_…` in the product's file, that really is a test.
fn tests_in(letter: &str, code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((_, name)) = line.split_once("fn ") else { continue };
        let Some(number) = name.strip_prefix(&letter.to_lowercase()).and_then(|rest| rest.get(..2)) else { continue };
        let (Ok(number), Some("_")) = (number.parse::<u32>(), name.get(3..4)) else { continue };
        let above = lines[..at].last().copied().unwrap_or_default();
        assert!(matches!(above, "#[test]" | "#[actix_web::test]"), "not a test that runs: {line}");
        found.push(format!("{letter}{number}"));
    }
    found
}

#[test]
fn the_list_is_the_whole_of_the_four_pages() {
    let expected: Vec<String> = [("O", 25), ("R", 21), ("B", 18), ("K", 21)]
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
        .collect();
    assert_eq!(rows(), expected);
}

#[test]
fn every_row_has_exactly_one_test() {
    let found: Vec<String> = TESTS.iter().flat_map(|(letter, code)| tests_in(letter, code)).collect();
    let once: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(once.len(), found.len(), "a row has two tests: {found:?}");
    let missing: Vec<&str> = rows().into_iter().filter(|row| !once.contains(row)).collect();
    assert!(missing.is_empty(), "no test of {missing:?}");
    let unlisted: Vec<&&str> = once.iter().filter(|row| !rows().contains(row)).collect();
    assert!(unlisted.is_empty(), "no row for {unlisted:?}");
}
