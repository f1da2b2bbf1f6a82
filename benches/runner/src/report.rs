//! What is printed and written down: Markdown tables.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

pub struct Report {
    path: PathBuf,
}

impl Report {
    pub fn new(path: PathBuf) -> Result<Self> {
        std::fs::write(&path, "")?;
        Ok(Self { path })
    }

    /// One line or paragraph.
    pub fn say(&self, text: &str) -> Result<()> {
        println!("{text}");
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(writeln!(file, "{text}")?)
    }

    /// A table with its heading.
    pub fn table(&self, heading: &str, head: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let width = |at: usize| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([head[at].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())));
            format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
        };
        let head: Vec<String> = head.iter().map(|text| (*text).to_owned()).collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut lines = vec![format!("\n## {heading}\n"), line(&head), line(&rule)];
        lines.extend(rows.iter().map(|row| line(row)));
        self.say(&lines.join("\n"))
    }
}

/// 1234567 as 1 234 567.
pub fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
    parts.join(" ")
}

/// Whether what must be reached was.
pub fn judge(value: f64, must: f64, goal: f64, more_is_better: bool) -> &'static str {
    let reaches = |mark: f64| if more_is_better { value >= mark } else { value <= mark };
    match (reaches(goal), reaches(must)) {
        (true, _) => "goal",
        (_, true) => "ok",
        _ => "MISSED",
    }
}
