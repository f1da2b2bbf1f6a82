//! From what somebody wrote to typed values. Every mistake is kept with the place where it stands, so that one start
//! shows all of them.

use std::collections::BTreeMap;

use super::sources::{Given, Merged, Origin};

pub(super) struct Reader {
    merged: Merged,
    pub(super) problems: Vec<String>,
}

impl Reader {
    pub(super) fn new(merged: Merged, problems: Vec<String>) -> Self {
        Self { merged, problems }
    }

    pub(super) fn origins(&self) -> BTreeMap<&'static str, Origin> {
        self.merged.iter().map(|(path, given)| (*path, given.origin.clone())).collect()
    }

    pub(super) fn given(&self, path: &str) -> Option<&Given> {
        self.merged.get(path)
    }

    /// Adds a mistake about the setting at `path`.
    pub(super) fn refuse(&mut self, path: &str, message: &str) {
        let place = self.merged.get(path).map_or_else(|| path.to_owned(), |given| given.place.clone());
        self.problems.push(format!("{place}: {message}"));
    }

    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match &self.given(path)?.value {
            toml::Value::String(text) => Some(text.clone()),
            other => {
                let message = format!("must be text in quotes, not {}", kind(other));
                self.refuse(path, &message);
                None
            }
        }
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(&mut self, path: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(path)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(path, &message);
                None
            }
        }
    }

    pub(super) fn parsed_or<T>(&mut self, path: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        self.parsed(path, parse).unwrap_or(default)
    }

    pub(super) fn flag(&mut self, path: &str, default: bool) -> bool {
        let message = match self.given(path) {
            None => return default,
            Some(given) => match &given.value {
                toml::Value::Boolean(value) => return *value,
                toml::Value::String(text) if given.is_file() => {
                    format!("must be true or false without quotes, not “{text}”")
                }
                toml::Value::String(text) => match text.as_str() {
                    "true" | "1" => return true,
                    "false" | "0" => return false,
                    other => format!("must be true or false, not “{other}”"),
                },
                other => format!("must be true or false, not {}", kind(other)),
            },
        };
        self.refuse(path, &message);
        default
    }

    pub(super) fn port(&mut self, path: &str, default: u16) -> u16 {
        let number = self.integer(path).map(|number| number.and_then(|number| u16::try_from(number).ok()));
        let Some(port) = number else { return default };
        port.filter(|port| *port > 0).unwrap_or_else(|| {
            self.refuse(path, "must be a port from 1 to 65535");
            default
        })
    }

    /// A whole number within these bounds.
    pub(super) fn number(&mut self, path: &str, default: u32, (least, most): (u32, u32)) -> u32 {
        let number = self.integer(path).map(|number| number.and_then(|number| u32::try_from(number).ok()));
        let Some(number) = number else { return default };
        number.filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            self.refuse(path, &format!("must be a number from {least} to {most}"));
            default
        })
    }

    /// What stands there, if anything does; nothing within it when that is no number.
    fn integer(&self, path: &str) -> Option<Option<i64>> {
        Some(match &self.given(path)?.value {
            toml::Value::Integer(number) => Some(*number),
            toml::Value::String(text) => text.parse().ok(),
            _ => None,
        })
    }

    /// A list of texts: an array in the file, commas in a variable.
    pub(super) fn list(&mut self, path: &str) -> Option<Vec<String>> {
        let given = self.given(path)?;
        match &given.value {
            toml::Value::String(text) if !given.is_file() => {
                Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                Some(items.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
            }
            _ => {
                self.refuse(path, "must be a list of texts, like [\"a\", \"b\"]");
                None
            }
        }
    }
}

impl Given {
    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, Origin::File(_))
    }
}

/// What a value is, for the sentence “must be …, not …”.
pub(super) fn kind(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) | toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a section",
    }
}
