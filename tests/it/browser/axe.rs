//! axe-core on the page as it stands.

use serde_json::Value;

use super::driver::Browser;

const AXE: &str = include_str!("axe/axe-4.14.1.min.js");

const RUN: &str = r#"
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] }).then(
    (found) => done(found.violations.map((v) => ({ id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html + " " + (n.any[0]?.message ?? "")) }))),
    (error) => done(String(error)),
);
"#;

/// A line for each violation: the rule, and what breaks it.
pub(crate) async fn violations(browser: &Browser) -> Vec<String> {
    if browser.js("return typeof axe").await == "undefined" {
        browser.js(&format!("{AXE}; return 1")).await;
    }
    let found = browser.driver.execute_async(RUN, vec![]).await.unwrap().json().clone();
    let Value::Array(rules) = found else { panic!("axe failed: {found}") };
    rules.iter().map(|rule| format!("{} ({}): {}", rule["id"], rule["help"], rule["nodes"])).collect()
}
