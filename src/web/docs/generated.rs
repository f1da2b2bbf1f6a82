//! The references that are made from the program itself: settings and API.

use std::fmt::Write as _;

use serde_json::Value;

use crate::domain::alert::AlertKind;
use crate::settings::{SETTINGS, variable};
use crate::web::api::openapi;

/// All settings as a table. Writing to a text cannot fail.
pub(super) fn settings() -> String {
    let mut text = String::from("| in `keyrack.toml` | variable | default | |\n|---|---|---|---|\n");
    for known in SETTINGS {
        let default = match known.default {
            "" => "–",
            default => default,
        };
        let file = if known.secret { " †" } else { "" };
        let about = known.about.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | `{}`{file} | {default} | {about} |", known.path, variable(known.path));
    }
    text
}

/// What webhooks call the events that people can choose.
pub(super) fn events() -> String {
    AlertKind::SWITCHED.map(|kind| format!("`{}`", kind.event_type())).join(", ")
}

/// All calls by subject, with what they take and answer.
pub(super) fn api() -> String {
    let document: Value = serde_json::from_str(openapi::document()).unwrap_or_default();
    let mut text = String::new();
    let Some(paths) = document["paths"].as_object() else { return text };
    for (path, methods) in paths {
        for (method, call) in methods.as_object().into_iter().flatten() {
            let _ = writeln!(text, "\n## `{} {path}`\n", method.to_uppercase());
            let summary = [&call["summary"], &call["description"]].into_iter().filter_map(Value::as_str);
            for words in summary.filter(|words| !words.is_empty()) {
                let _ = writeln!(text, "{words}\n");
            }
            parameters(&mut text, call);
            body(&mut text, &document, call);
            answers(&mut text, call);
        }
    }
    text
}

fn parameters(text: &mut String, call: &Value) {
    let Some(parameters) = call["parameters"].as_array().filter(|parameters| !parameters.is_empty()) else { return };
    text.push_str("| parameter | in | |\n|---|---|---|\n");
    for parameter in parameters {
        let word = |field: &str| parameter[field].as_str().unwrap_or_default();
        let about = one_line(word("description"));
        let _ = writeln!(text, "| `{}` | {} | {about} |", word("name"), word("in"));
    }
    text.push('\n');
}

fn body(text: &mut String, document: &Value, call: &Value) {
    let Some(content) = call["requestBody"]["content"].as_object() else { return };
    for (kind, media) in content {
        let schema = resolve(document, &media["schema"]);
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let Some(fields) = schema["properties"].as_object() else {
            let _ = writeln!(text, "Body: `{kind}`.\n");
            continue;
        };
        let _ = writeln!(text, "Body: `{kind}`.\n\n| field | needed | |\n|---|---|---|");
        for (name, field) in fields {
            let needed = if required.contains(&name.as_str()) { "yes" } else { "" };
            let about = one_line(field["description"].as_str().unwrap_or_default());
            let _ = writeln!(text, "| `{name}` | {needed} | {about} |");
        }
        text.push('\n');
    }
}

fn answers(text: &mut String, call: &Value) {
    let Some(answers) = call["responses"].as_object() else { return };
    // Failures are the same everywhere and stand once, above.
    let good = answers.iter().filter(|(status, _)| status.starts_with('2'));
    for (status, answer) in good {
        let about = one_line(answer["description"].as_str().unwrap_or_default());
        let _ = writeln!(text, "Answers {status}: {}\n", if about.is_empty() { "done." } else { &about });
    }
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
        Some(place) => document.pointer(place).unwrap_or(schema),
        None => schema,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
