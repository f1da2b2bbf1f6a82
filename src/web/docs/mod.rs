//! The documentation that the program serves: Markdown files that are compiled in, with the product's own names, and two pages
//! that are made from the program itself. The sources are in `docs/pages/`.

mod generated;
mod render;

use std::collections::BTreeMap;

pub use render::{Heading, Rendered, render};

use super::WebConfig;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its name in the address.
    pub name: &'static str,
    /// The group it stands in.
    pub group: &'static str,
    /// Its title.
    pub title: String,
    /// What it is about, in one line.
    pub about: String,
    /// The whole text in Markdown, with the product's names.
    pub markdown: String,
}

/// All pages in their order, with the product's names. Made once.
#[derive(Debug, Clone, Default)]
pub struct Docs {
    pages: Vec<Page>,
}

const USING: &str = "Using API keys";
const RUNNING: &str = "Running the server";

/// Name, group, source. The first line of a source is its title, the second paragraph what it is about.
const SOURCES: &[(&str, &str, &str)] = &[
    ("quick-start", RUNNING, include_str!("../../../docs/pages/quick-start.md")),
    ("configuration", RUNNING, include_str!("../../../docs/pages/configuration.md")),
    ("proxies", RUNNING, include_str!("../../../docs/pages/proxies.md")),
    ("backup", RUNNING, include_str!("../../../docs/pages/backup.md")),
    ("billing", RUNNING, include_str!("../../../docs/pages/billing.md")),
    ("upgrade", RUNNING, include_str!("../../../docs/pages/upgrade.md")),
    ("security", RUNNING, include_str!("../../../docs/pages/security.md")),
    ("using-keys", USING, include_str!("../../../docs/pages/using-keys.md")),
    ("roles", USING, include_str!("../../../docs/pages/roles.md")),
    ("rotation", USING, include_str!("../../../docs/pages/rotation.md")),
    ("revocation", USING, include_str!("../../../docs/pages/revocation.md")),
    ("leaks", USING, include_str!("../../../docs/pages/leaks.md")),
    ("notifications", USING, include_str!("../../../docs/pages/notifications.md")),
    ("cli", USING, include_str!("../../../docs/pages/cli.md")),
    ("api", USING, include_str!("../../../docs/pages/api.md")),
];

/// Files that pages show: the very ones that are tested.
const FILES: &[(&str, &str)] = &[
    ("examples/nginx/keyrack.conf", include_str!("../../../examples/nginx/keyrack.conf")),
    ("examples/caddy/Caddyfile", include_str!("../../../examples/caddy/Caddyfile")),
    ("packaging/compose.yaml", include_str!("../../../packaging/compose.yaml")),
    ("packaging/keyrack.service", include_str!("../../../packaging/keyrack.service")),
];

impl Docs {
    /// Reads the sources.
    #[must_use]
    pub fn new(config: &WebConfig) -> Self {
        let words = words_of(config);
        let page = |(name, group, source): &(&'static str, &'static str, &str)| {
            let markdown = fill(source, &words);
            let mut lines = markdown.lines().filter(|line| !line.is_empty());
            let title = lines.next().unwrap_or_default().trim_start_matches(['#', ' ']).to_owned();
            let about = lines.next().unwrap_or_default().to_owned();
            Page { name, group, title, about, markdown }
        };
        Self { pages: SOURCES.iter().map(page).collect() }
    }

    /// All pages.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The page of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.name == name)
    }

    /// The groups in order, each with its pages.
    #[must_use]
    pub fn groups(&self) -> Vec<(&'static str, Vec<&Page>)> {
        [USING, RUNNING].map(|group| (group, self.pages.iter().filter(|page| page.group == group).collect())).into()
    }

    /// `/llms.txt`: an index for programs that read (O25).
    #[must_use]
    pub fn index(&self, config: &WebConfig) -> String {
        let (product, url) = (&config.product, &config.public_url);
        let mut text = format!(
            "# {product} API keys\n\n> Create, use, watch, rotate and revoke API keys of {product}, in the browser, from the \
             command line and by HTTP.\n"
        );
        for (group, pages) in self.groups() {
            text.push_str(&format!("\n## {group}\n\n"));
            for page in pages {
                text.push_str(&format!("- [{}]({url}/docs/{}.md): {}\n", page.title, page.name, page.about));
            }
        }
        text.push_str(&format!(
            "\n## Optional\n\n- [OpenAPI description]({url}/v1/openapi.json): every call of the API\n"
        ));
        text
    }
}

fn words_of(config: &WebConfig) -> BTreeMap<&'static str, String> {
    let looks = |lead: &str| format!("{lead}BRTRKFsL…");
    BTreeMap::from([
        ("@NAME@", config.product.clone()),
        ("@CLI@", config.cli_name.clone()),
        ("@ENV@", config.env_prefix.clone()),
        ("@URL@", config.public_url.clone()),
        ("@PROJECT@", config.project_file.clone()),
        ("@KEY@", looks(&config.key_lead)),
        ("@SETTINGS@", generated::settings()),
        ("@API@", generated::api()),
        ("@EVENTS@", generated::events()),
        ("@COMMANDS@", config.cli_reference.clone()),
    ])
}

fn fill(source: &str, words: &BTreeMap<&'static str, String>) -> String {
    let mut text = source.to_owned();
    for (path, file) in FILES {
        text = text.replace(&format!("@file {path}@"), file.trim_end());
    }
    words.iter().fold(text, |text, (word, value)| text.replace(word, value))
}
