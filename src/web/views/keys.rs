//! The list of API keys, and making one.

use askama::Template;

use super::plan::Overrun;
use super::usage::RowUsage;
use super::{Choice, Chrome, Errors, Link, Meter, Pager, Time, views};
use crate::web::assets::filters;

/// `GET /orgs/{org}/settings/api-keys`; `panel` is what the filters change.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/list.html", blocks = ["panel"])]
pub struct KeysPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The address of this list, without a query.
    pub base: String,
    /// One line: whose keys these are.
    pub intro: String,
    /// The plan's limits.
    pub meter: Option<Meter>,
    /// The plan has no API keys: the panel that says so.
    pub gate: Option<PlanGate>,
    /// No room, or no creation left this hour: why. The button stays and leads to a page that says the same.
    pub limit: Option<String>,
    /// More keys than the plan allows: what stops, what goes on.
    pub overrun: Option<Overrun>,
    /// Whether “Create API key” is drawn.
    pub may_create: bool,
    /// What the list is narrowed to.
    pub filters: Filters,
    /// How it is sorted.
    pub sort: SortLinks,
    /// The keys of this page.
    pub rows: Vec<KeyRow>,
    /// “4 revoked keys are hidden.” and the address that shows them.
    pub hidden: Option<Link>,
    /// Whether rows can be chosen for revoking together.
    pub may_select: bool,
    /// What cannot be shown now: “Usage numbers are unavailable right now.”
    pub unavailable: Option<&'static str>,
    /// The way through.
    pub pager: Pager,
    /// A call to copy, for the empty state.
    pub sample: String,
}

/// The filter form. A select without choices is not drawn.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Words of the name or the start of the key.
    pub q: String,
    /// Statuses, “Any status” first.
    pub status: Vec<Choice>,
    /// Environments.
    pub env: Vec<Choice>,
    /// Profiles.
    pub profile: Vec<Choice>,
    /// Owners: only for those who see everybody's keys.
    pub owner: Vec<Choice>,
    /// Whether revoked keys are shown.
    pub all: bool,
    /// The sort order to keep.
    pub sort: String,
    /// Whether any filter is set: decides between “no keys yet” and “no match”.
    pub any: bool,
}

/// The heads of the sortable columns.
#[derive(Debug, Clone, Default)]
pub struct SortLinks {
    /// By name.
    pub name: SortLink,
    /// By creation.
    pub created: SortLink,
    /// By last use.
    pub last_used: SortLink,
}

/// Where a click on a column's head leads; `direction` is `ascending`, `descending` or empty.
#[derive(Debug, Clone, Default)]
pub struct SortLink {
    /// The address.
    pub url: String,
    /// How it is sorted now.
    pub direction: &'static str,
}

/// A key in the list.
#[derive(Debug, Clone, Default)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: String,
    /// `kr_BRTRK••••••••`.
    pub preview: String,
    /// The preview without the bullets, for screen readers.
    pub preview_start: String,
    /// Its environment.
    pub environment: String,
    /// Its profile's name; empty when there is only one profile.
    pub profile: String,
    /// When it was made.
    pub created: Time,
    /// “by you”, “by Ada”; empty where the role may not see it.
    pub by: String,
    /// When it was last used; nothing is “Never used”.
    pub last_used: Option<Time>,
    /// Its state.
    pub status: Status,
    /// What to know about it: “Expires in 5 days”, “Unused for 30 days”. Empty when nothing.
    pub hint: String,
    /// The last 24 hours; nothing when they cannot be read.
    pub usage: Option<RowUsage>,
    /// “Old secret …HCgG works for 21 h 10 min”. Empty when no rotation runs.
    pub rotation: String,
    /// “New …9fQa 412, old …HCgG 37 requests in 24 h”. Empty when no rotation runs.
    pub rotation_use: String,
    /// The rotate page, where allowed.
    pub rotate_url: Option<String>,
    /// The revoke page, where allowed.
    pub revoke_url: Option<String>,
    /// Whether it can be chosen for revoking together.
    pub may_select: bool,
}

/// A key's state: `kind` is `active`, `unused`, `rotating`, `expired`, `revoked` or `paused`; `word` is what is read.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// For the stylesheet.
    pub kind: &'static str,
    /// For people.
    pub word: &'static str,
}

/// “API keys are part of the Agency plan. You're on Pro.”
#[derive(Debug, Clone, Default)]
pub struct PlanGate {
    /// The sentence.
    pub text: String,
    /// What one would get.
    pub gains: Vec<String>,
    /// The plan page: where plans are changed, or asked for.
    pub plans_url: String,
    /// “Ask an owner: Ada.”, for the others.
    pub ask: Option<String>,
}

/// `GET …/new`, and the answer to a refused `POST`.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/new.html", blocks = ["panel"])]
pub struct NewKeyPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The list's address: the form posts there.
    pub base: String,
    /// Makes the form work once.
    pub nonce: String,
    /// “This key acts as you (admin) in Acme.”
    pub acts_as: String,
    /// As typed.
    pub name: String,
    /// The operator's environments; one alone is not asked for.
    pub environments: Vec<Choice>,
    /// The organization's profiles; one alone is not asked for.
    pub profiles: Vec<Choice>,
    /// `never`, `7d`, `30d`, `90d`, `1y`, `custom`, with the date as hint.
    pub expires: Vec<Choice>,
    /// The date typed for `custom`, `YYYY-MM-DD`: field `expires_on`.
    pub expires_on: String,
    /// The first and last date allowed.
    pub expires_min: String,
    /// Empty when there is none.
    pub expires_max: String,
    /// As typed.
    pub note: String,
    /// Where a key may travel in a URL; empty: nowhere, and it is not asked for.
    pub url_endpoints: String,
    /// As ticked.
    pub url_allowed: bool,
    /// No form is drawn, only this sentence: at the limit, nothing left this hour, or the plan has no keys.
    pub refused: Option<String>,
    /// The plan page beside `refused`.
    pub plans_url: Option<String>,
    /// What is wrong.
    pub errors: Errors,
}

/// The answer to the POST that made or rotated a key: the only place where a secret is ever shown. Not `Debug`, on purpose.
#[derive(Template)]
#[template(path = "keys/reveal.html", blocks = ["panel"])]
pub struct RevealPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The key's name.
    pub name: String,
    /// The whole token.
    pub secret: String,
    /// After a rotation: “Both secrets work until …” or “The old secret stopped working.” Empty after a creation.
    pub rotated: String,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// How to use it.
    pub samples: Vec<Sample>,
    /// `KEYRACK_API_KEY`.
    pub env_var: String,
}

/// A piece of code with the secret in it. Not `Debug`, on purpose.
pub struct Sample {
    /// For ids: `curl`.
    pub id: &'static str,
    /// `JavaScript`.
    pub label: &'static str,
    /// The code.
    pub code: String,
}

/// Calls that run as pasted, against `url` (the address of `/v1/whoami`), with the secret in them.
#[must_use]
pub fn samples(url: &str, secret: &str, env_var: &str) -> Vec<Sample> {
    let sample = |id, label, code| Sample { id, label, code };
    vec![
        sample("curl", "curl", format!("curl \"{url}\" \\\n  -H \"Authorization: Bearer {secret}\"")),
        sample(
            "javascript",
            "JavaScript",
            format!(
                "// On your server only. Better: process.env.{env_var}\nconst key = \"{secret}\";\n\nfetch(\"{url}\", {{\n  headers: {{ Authorization: `Bearer ${{key}}` }},\n}})\n  .then((answer) => answer.json())\n  .then((body) => console.log(body));"
            ),
        ),
        sample(
            "python",
            "Python",
            format!(
                "import json, urllib.request\n\nkey = \"{secret}\"  # better: os.environ[\"{env_var}\"]\nrequest = urllib.request.Request(\n    \"{url}\",\n    headers={{\"Authorization\": f\"Bearer {{key}}\"}},\n)\nwith urllib.request.urlopen(request) as answer:\n    print(json.load(answer))"
            ),
        ),
        sample(
            "swift",
            "Swift",
            format!(
                "import Foundation\n#if canImport(FoundationNetworking)\nimport FoundationNetworking\n#endif\n\n// Better: ProcessInfo.processInfo.environment[\"{env_var}\"]\nlet key = \"{secret}\"\nvar request = URLRequest(url: URL(string: \"{url}\")!)\nrequest.setValue(\"Bearer \\(key)\", forHTTPHeaderField: \"Authorization\")\nlet (data, _) = try await URLSession.shared.data(for: request)\nprint(String(decoding: data, as: UTF8.self))"
            ),
        ),
        sample("env", ".env", format!("{env_var}={secret}")),
    ]
}

/// A creation or rotation form that was sent twice: nothing was made, and the secret is not shown again.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "keys/already.html", blocks = ["panel"])]
pub struct AlreadyCreatedPage {
    /// What surrounds it.
    pub chrome: Chrome,
    /// The key's name.
    pub name: String,
    /// Whether it was a rotation.
    pub rotated: bool,
    /// The list.
    pub list_url: String,
    /// The key's page.
    pub key_url: String,
    /// The rotate page, where allowed.
    pub rotate_url: Option<String>,
    /// The revoke page, where allowed.
    pub revoke_url: Option<String>,
}

views!(KeysPage, NewKeyPage, RevealPage, AlreadyCreatedPage);
