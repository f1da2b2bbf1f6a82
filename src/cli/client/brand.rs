//! As which product the client speaks: by the name it was started under, and by what the server of that product says of itself.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::env::Environment;
use super::origin::Origin;
use super::store::file;
use super::text::clean;

/// What Keyrack itself is called.
const OURS: &str = "keyrack";

/// Names and links of the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Brand {
    /// `Outkit`.
    pub(in crate::cli) product: String,
    /// `outkit`: what people type.
    pub(in crate::cli) cli: String,
    /// `OUTKIT`, before `_API_KEY` and `_PLATFORM_URL`.
    pub(in crate::cli) env_prefix: String,
    /// `outkit.json`.
    pub(in crate::cli) project_file: String,
    /// Where people upgrade.
    pub(in crate::cli) plans_url: Option<String>,
    /// Where people get help.
    pub(in crate::cli) support_url: Option<String>,
}

/// What `GET /v1/brand` answers, and what is remembered of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct ServerBrand {
    name: String,
    cli_name: String,
    env_prefix: String,
    project_file: String,
    support_url: Option<String>,
    plans_url: Option<String>,
}

impl Brand {
    /// For a program that was started under this name: `KEYRACK_CLI_*`, else what the server said at the sign-in, else what
    /// the name itself suggests.
    pub(in crate::cli) fn find(started_as: &OsStr, env: &Environment) -> Self {
        let name = env.get("KEYRACK_CLI_NAME").filter(|name| is_command(name)).map(str::to_owned);
        let mut brand = Self::of_name(&name.unwrap_or_else(|| name_in(started_as)));
        if let Some(said) = file::state_folder(env, &brand.cli).and_then(|folder| remembered(&folder)) {
            brand.adopt(&said);
        }
        let variable = |name: &str| env.get(name).map(str::to_owned);
        if let Some(product) = variable("KEYRACK_CLI_PRODUCT") {
            brand.product = clean(&product);
        }
        if let Some(prefix) = variable("KEYRACK_CLI_ENV_PREFIX").filter(|prefix| is_env_prefix(prefix)) {
            brand.env_prefix = prefix;
        }
        if let Some(file) = variable("KEYRACK_CLI_PROJECT_FILE").filter(|file| is_file_name(file)) {
            brand.project_file = file;
        }
        brand.plans_url = variable("KEYRACK_CLI_PLANS_URL").or(brand.plans_url);
        brand.support_url = variable("KEYRACK_CLI_SUPPORT_URL").or(brand.support_url);
        brand
    }

    fn of_name(name: &str) -> Self {
        let mut letters = name.chars();
        let product = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let env_prefix = name.to_uppercase().replace(['-', '.'], "_");
        Self {
            product,
            cli: name.to_owned(),
            env_prefix,
            project_file: format!("{name}.json"),
            plans_url: None,
            support_url: None,
        }
    }

    /// Whether this is Keyrack under its own name, which serves too.
    pub(in crate::cli) fn is_ours(&self) -> bool {
        self.cli == OURS
    }

    /// `OUTKIT_API_KEY`.
    pub(in crate::cli) fn key_variable(&self) -> String {
        format!("{}_API_KEY", self.env_prefix)
    }

    /// `OUTKIT_PLATFORM_URL`.
    pub(in crate::cli) fn server_variable(&self) -> String {
        format!("{}_PLATFORM_URL", self.env_prefix)
    }

    /// Takes what the server of this very command says of itself. A server that calls its command otherwise says nothing
    /// about this one, and Keyrack's own name keeps its own variables: else signing in to some server would change which
    /// variable is read as a key.
    fn adopt(&mut self, said: &ServerBrand) {
        if said.cli_name != self.cli || !is_env_prefix(&said.env_prefix) || !is_file_name(&said.project_file) {
            return;
        }
        self.plans_url = said.plans_url.clone();
        self.support_url = said.support_url.clone();
        if !self.is_ours() {
            self.product = clean(&said.name);
            said.env_prefix.clone_into(&mut self.env_prefix);
            said.project_file.clone_into(&mut self.project_file);
        }
    }

    /// Remembers what the server said at a sign-in; the brand that holds from now on when it is another one.
    pub(in crate::cli) fn remember(&self, env: &Environment, origin: &Origin, said: &ServerBrand) -> Option<Self> {
        let mut next = Self::of_name(&self.cli);
        next.adopt(said);
        let folder = file::state_folder(env, &self.cli)?;
        let text =
            serde_json::to_string_pretty(&Remembered { server: origin.as_str().to_owned(), brand: said.clone() });
        // Without it the names are those of the link; nothing else is lost.
        let _ = file::write_private(&folder.join(FILE), text.ok()?.as_bytes());
        (next.env_prefix != self.env_prefix || next.project_file != self.project_file).then_some(next)
    }
}

const FILE: &str = "brand.json";

#[derive(Serialize, Deserialize)]
struct Remembered {
    server: String,
    brand: ServerBrand,
}

fn remembered(folder: &Path) -> Option<ServerBrand> {
    let text = file::read_private(&folder.join(FILE)).ok()??;
    serde_json::from_str::<Remembered>(&text).ok().map(|remembered| remembered.brand)
}

/// `outkit` of `/usr/local/bin/outkit` or `outkit.exe`; `keyrack` for a file that was downloaded as `keyrack-linux-amd64`.
fn name_in(started_as: &OsStr) -> String {
    let file = Path::new(started_as).file_name().and_then(OsStr::to_str).unwrap_or(OURS);
    let name = file.strip_suffix(".exe").unwrap_or(file).to_lowercase();
    let is_ours = name.strip_prefix(OURS).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    if is_ours || !is_command(&name) { OURS.to_owned() } else { name }
}

fn is_command(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 40 && name.chars().all(allowed)
}

fn is_env_prefix(prefix: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    prefix.starts_with(|c: char| c.is_ascii_uppercase()) && prefix.len() <= 40 && prefix.chars().all(allowed)
}

/// A name in the project's folder, nowhere else.
fn is_file_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= 80 && name.chars().all(allowed) && name.chars().any(char::is_alphanumeric) && !name.starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cli: &str, prefix: &str, file: &str) -> ServerBrand {
        let text = |text: &str| text.to_owned();
        ServerBrand {
            name: text("Out Kit"),
            cli_name: text(cli),
            env_prefix: text(prefix),
            project_file: text(file),
            ..ServerBrand::default()
        }
    }

    #[test]
    fn the_name_it_was_started_under_decides() {
        for (started, cli, prefix) in [
            ("/usr/local/bin/outkit", "outkit", "OUTKIT"),
            ("my-kit", "my-kit", "MY_KIT"),
            ("./keyrack-0.1.0-linux-amd64", "keyrack", "KEYRACK"),
            ("keyrack", "keyrack", "KEYRACK"),
            ("keyracker", "keyracker", "KEYRACKER"),
            ("weird name", "keyrack", "KEYRACK"),
        ] {
            let brand = Brand::find(OsStr::new(started), &Environment::of(&[]));
            assert_eq!((brand.cli.as_str(), brand.env_prefix.as_str()), (cli, prefix), "{started}");
        }
    }

    #[test]
    fn variables_win_over_the_name() {
        let env = Environment::of(&[("KEYRACK_CLI_ENV_PREFIX", "OK"), ("KEYRACK_CLI_PROJECT_FILE", "ok.json")]);
        let brand = Brand::find(OsStr::new("outkit"), &env);
        assert_eq!((brand.key_variable(), brand.project_file), ("OK_API_KEY".to_owned(), "ok.json".to_owned()));
        let env = Environment::of(&[("KEYRACK_CLI_PROJECT_FILE", "../../etc/passwd")]);
        assert_eq!(Brand::find(OsStr::new("outkit"), &env).project_file, "outkit.json");
    }

    #[test]
    fn only_the_server_of_this_very_command_changes_its_names() {
        let mut brand = Brand::of_name("outkit");
        brand.adopt(&said("other", "OTHER", "other.json"));
        assert_eq!(brand, Brand::of_name("outkit"));
        brand.adopt(&said("outkit", "OK", "out.json"));
        assert_eq!((brand.product.as_str(), brand.env_prefix.as_str()), ("Out Kit", "OK"));
        let mut ours = Brand::of_name("keyrack");
        ours.adopt(&said("keyrack", "OPENAI", "x.json"));
        assert_eq!(ours.env_prefix, "KEYRACK");
    }
}
