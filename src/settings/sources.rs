//! Where settings come from: flags, variables, `keyrack.toml`. Puts the layers one above the other and refuses names
//! that nobody knows; what the values mean is decided in `read`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::known::{self, variable};

/// Everything that settings are read from, as values: tests need neither a process environment nor files.
pub struct Sources<'a> {
    /// Path and value of each flag given on the command line.
    pub flags: Vec<(&'static str, String)>,
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// All variables that begin with `KEYRACK_`.
    pub variables: BTreeMap<String, String>,
    /// How a file is read.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file of settings.
    File(String),
    /// A variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) | Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as somebody wrote it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) value: toml::Value,
    pub(super) origin: Origin,
    /// The name of the setting as the reader of an error finds it: `KEYRACK_LISTEN`, `keyrack.toml: listen`.
    pub(super) place: String,
}

/// All layers, merged: for each path the strongest value.
pub(super) type Merged = BTreeMap<&'static str, Given>;

impl Sources<'static> {
    /// The flags given, and this process's variables and files.
    #[must_use]
    pub fn of_process(flags: Vec<(&'static str, String)>, config: Option<PathBuf>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let variables = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with("KEYRACK_"))
            .collect();
        Self { flags, config, variables, read_file: &|path| std::fs::read_to_string(path) }
    }

    /// Nothing but these flags.
    #[must_use]
    pub fn of_flags(flags: Vec<(&'static str, String)>) -> Self {
        let read_file = &|_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
        Self { flags, config: None, variables: BTreeMap::new(), read_file }
    }
}

impl Sources<'_> {
    /// Merges the layers, weakest first. Mistakes are added to `problems`, all that there are.
    pub(super) fn merge(&self, problems: &mut Vec<String>) -> Merged {
        let mut merged = Merged::new();
        if let Some((name, text)) = self.file_text(problems) {
            self.merge_file(&name, &text, &mut merged, problems);
        }
        self.merge_variables(&mut merged, problems);
        for (path, value) in &self.flags {
            let place = known::flag(path);
            let origin = Origin::Flag(place.clone());
            merged.insert(path, Given { value: toml::Value::String(value.clone()), origin, place });
        }
        merged
    }

    fn file_text(&self, problems: &mut Vec<String>) -> Option<(String, String)> {
        let by_variable = self.variables.get("KEYRACK_CONFIG").filter(|path| !path.is_empty());
        let (asked_by, path) = match (&self.config, by_variable) {
            (Some(path), _) => (Some("--config"), path.clone()),
            (None, Some(path)) => (Some("KEYRACK_CONFIG"), PathBuf::from(path)),
            (None, None) => (None, PathBuf::from("keyrack.toml")),
        };
        match ((self.read_file)(&path), asked_by) {
            (Ok(text), _) => Some((path.display().to_string(), text)),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => None,
            (Err(error), asked_by) => {
                let place = asked_by.unwrap_or("settings");
                problems.push(format!("{place}: {} cannot be read: {error}", path.display()));
                None
            }
        }
    }

    fn merge_file(&self, name: &str, text: &str, merged: &mut Merged, problems: &mut Vec<String>) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return problems.push(format!("{name}: {}", error.to_string().trim_end())),
        };
        let mut flat = Vec::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(section) if known::is_section(&key) => {
                    flat.extend(section.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)));
                }
                value => flat.push((key, value)),
            }
        }
        let origin = Origin::File(name.to_owned());
        for (path, value) in &flat {
            let place = format!("{name}: {path}");
            if known::is_section(path) {
                problems.push(format!("{place}: is a section; write [{path}] on a line of its own"));
            } else if let Some(found) = known::by_path(path) {
                merged.insert(found.path, Given { value: value.clone(), origin: origin.clone(), place });
            } else if let Some(found) = known::by_twin(path) {
                if flat.iter().any(|(other, _)| other == found.path) {
                    problems.push(format!("{place}: {} is set as well; keep one of the two", found.path));
                } else if let Some(file) = value.as_str() {
                    self.merge_secret(found.path, file, &origin, place, merged, problems);
                } else {
                    problems.push(format!("{place}: must be the path of a file in quotes"));
                }
            } else {
                problems.push(format!("{name}: unknown setting “{path}”; did you mean {}?", advice(path)));
            }
        }
    }

    fn merge_variables(&self, merged: &mut Merged, problems: &mut Vec<String>) {
        let all = || known::paths().map(|path| variable(&path));
        for name in self.variables.keys() {
            if !all().any(|known| known == *name) && !known::variable_belongs_elsewhere(name) {
                let nearest = known::nearest(name, all());
                problems.push(format!("unknown variable {name}; did you mean {nearest}?"));
            }
        }
        for setting in known::SETTINGS {
            let name = variable(setting.path);
            let twin = format!("{name}_FILE");
            // An empty variable is what a compose file makes of an unset one; only the separator may mean “nothing”.
            let set = |name: &String| {
                self.variables.get(name).filter(|value| !value.is_empty() || setting.path == "keys.separator")
            };
            let file = set(&twin).filter(|_| setting.secret);
            match (set(&name), file) {
                (Some(_), Some(_)) => problems.push(format!("{name} and {twin} are both set; keep one of the two")),
                (Some(value), None) => {
                    let origin = Origin::Variable(name.clone());
                    let value = toml::Value::String(value.clone());
                    merged.insert(setting.path, Given { value, origin, place: name });
                }
                (None, Some(file)) => {
                    let origin = Origin::Variable(twin.clone());
                    self.merge_secret(setting.path, file, &origin, twin, merged, problems);
                }
                (None, None) => {}
            }
        }
    }

    fn merge_secret(
        &self,
        path: &'static str,
        file: &str,
        origin: &Origin,
        place: String,
        merged: &mut Merged,
        problems: &mut Vec<String>,
    ) {
        match (self.read_file)(Path::new(file)) {
            Ok(text) if text.trim_end_matches(['\r', '\n']).is_empty() => {
                problems.push(format!("{place}: {file} is empty"));
            }
            Ok(text) => {
                let value = toml::Value::String(text.trim_end_matches(['\r', '\n']).to_owned());
                merged.insert(path, Given { value, origin: origin.clone(), place });
            }
            Err(error) => problems.push(format!("{place}: {file} cannot be read: {error}")),
        }
    }
}

/// The nearest name, and where it belongs if it is only in the wrong place.
fn advice(path: &str) -> String {
    let nearest = known::nearest(path, known::paths());
    match nearest.split_once('.') {
        Some((section, leaf)) if leaf == path => format!("“{leaf}” under [{section}]"),
        None if path.ends_with(&format!(".{nearest}")) => {
            format!("“{nearest}” at the top of the file, above the first [section]")
        }
        Some(_) | None => format!("“{nearest}”"),
    }
}
