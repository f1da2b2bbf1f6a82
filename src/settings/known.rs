//! Every setting there is, in one table. Its variable follows from its path: `keys.prefix` is `KEYRACK_KEYS_PREFIX`.

/// One setting as the operator knows it.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its place in `keyrack.toml`, with dots between section and name.
    pub path: &'static str,
    /// What holds when nobody says anything, in words.
    pub default: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// Whether its value must never be shown; such a setting has a `_file` twin.
    pub secret: bool,
}

const fn plain(path: &'static str, default: &'static str, about: &'static str) -> Known {
    Known { path, default, about, secret: false }
}

const fn secret(path: &'static str, default: &'static str, about: &'static str) -> Known {
    Known { path, default, about, secret: true }
}

/// All settings in the order of the documentation.
pub const SETTINGS: &[Known] = &[
    plain("listen", "127.0.0.1:8080", "Address and port to listen on"),
    secret("database_url", "sqlite://keyrack.db", "`sqlite://PATH` or `postgres://…`"),
    plain(
        "public_url",
        "http:// and the listen address",
        "Where people reach it: for links, cookies and the origin check",
    ),
    secret("session_key", "made at first start beside the database", "128 hex digits that protect session cookies"),
    plain(
        "revocation_journal",
        "beside the SQLite file; `off` with PostgreSQL",
        "File that keeps a restore from bringing back what was revoked; `off` for none",
    ),
    plain("admin_email", "", "Unattended first start: the owner's e-mail address, used only while no user exists"),
    secret("admin_password", "", "Unattended first start: the owner's password"),
    plain("trusted_proxies", "none", "Addresses or networks whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`"),
    plain("log", "info", "What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `keyrack=debug`"),
    plain("log_format", "text", "`text` or `json`, one line per event on stderr"),
    plain("metrics_listen", "off", "Address and port of their own for `/metrics`, without a token unless one is set"),
    secret(
        "metrics_token",
        "off",
        "Who sends it as `Authorization: Bearer …` may read `/metrics`; 16 characters at least",
    ),
    secret("redis_url", "", "`redis://…`, also of Valkey: where several nodes count `requests_per_minute` together"),
    plain("default_plan", "the first plan", "The plan of a new organization"),
    plain("on_downgrade", "keep", "Existing keys on a plan without API keys: `keep` working, or `refuse`"),
    plain(
        "plans",
        "one plan `standard`: 25 active keys, 20 creations per hour",
        "`[[plans]]`, see below; as a variable a JSON list",
    ),
    secret(
        "billing.webhook_secret",
        "off",
        "What Stripe signs its webhook events with (`whsec_…`): they set the plans of organizations; several, with commas, while it changes",
    ),
    plain("brand.name", "Keyrack", "The product's name on every page"),
    plain("brand.cli_name", "keyrack", "The command's name in instructions"),
    plain("brand.env_prefix", "KEYRACK", "Before `_API_KEY` in instructions"),
    plain("brand.project_file", "keyrack.json", "The command line's project file"),
    plain("brand.support_url", "", "Where people get help"),
    plain("brand.plans_url", "", "Where people upgrade"),
    plain("keys.prefix", "kr", "What every key begins with; an underscore follows it"),
    plain("keys.environments", "one, called `live`", "The environments a key may belong to"),
    plain("keys.environment_in_key", "false", "Whether the environment stands in the key: `kr_test_…`"),
    plain("keys.separator", "_", "Between id and secret: `_`, or nothing"),
    plain(
        "keys.keys_may_manage_keys",
        "false",
        "Whether a key may create, rotate and revoke keys, within its owner's right",
    ),
    plain(
        "keys.query_parameter_endpoints",
        "none",
        "Paths of your API under which a key may come as `?token=` or `?api_key=`, such as `/hooks` or `/hooks/*`; only a key made for it",
    ),
    plain("keys.default_expiry", "never", "Lifetime offered for a new key: `90d`, `1y`, `never`"),
    plain("keys.max_expiry", "never", "Longest lifetime of a new key"),
    plain("usage.keep", "90d", "How long counts by the hour are kept; by the minute two days"),
    plain("events.keep", "7d", "How long checked requests are kept"),
    plain(
        "events.per_second",
        "300",
        "Checked requests stored a second and node at most; further ones are counted in the rows stored",
    ),
    plain(
        "scanning.github_keys_url",
        "off",
        "Where GitHub's keys are, `https://api.github.com/meta/public_keys/secret_scanning`: then its secret scanning may report keys",
    ),
    plain(
        "scanning.gitlab_keys_url",
        "off",
        "Where GitLab's keys are, as they tell: then its secret detection may report keys",
    ),
    plain(
        "scanning.on_leak",
        "revoke",
        "What is done about a key they found: `revoke`, or `alert` its organization only",
    ),
    plain("sign_up.open", "false", "Whether strangers may sign up with an organization of their own"),
    plain("smtp.host", "", "Mail server"),
    plain("smtp.port", "587", "Its port"),
    plain("smtp.tls", "starttls", "`starttls`, `tls` or `none`"),
    plain("smtp.username", "", "Its user"),
    secret("smtp.password", "", "Its password"),
    plain("smtp.from", "", "Sender of e-mails"),
    plain("alerts.digest", "30s", "How long an e-mail waits for other alerts to take along; `0s` sends each by itself"),
    plain(
        "alerts.private_webhooks",
        "false",
        "Whether webhooks may go to http and private addresses: whoever sets one up reaches what this server can reach",
    ),
    plain("security_txt.contact", "", "`mailto:` or `https:` address in `/.well-known/security.txt`"),
    plain("security_txt.expires", "", "Until when that contact holds, such as `2027-12-31`"),
];

/// Variables that begin like settings but belong to the command line: accepted and left alone.
const OF_THE_COMMAND_LINE: &[&str] = &["KEYRACK_CONFIG", "KEYRACK_API_KEY", "KEYRACK_PLATFORM_URL"];

/// The variable of the setting at `path`.
#[must_use]
pub fn variable(path: &str) -> String {
    format!("KEYRACK_{}", path.replace('.', "_").to_uppercase())
}

/// The flag of the setting at `path`, where there is one.
#[must_use]
pub(super) fn flag(path: &str) -> String {
    format!("--{}", path.replace('_', "-"))
}

pub(super) fn by_path(path: &str) -> Option<&'static Known> {
    SETTINGS.iter().find(|known| known.path == path)
}

/// The setting of a secret's `_file` twin.
pub(super) fn by_twin(path: &str) -> Option<&'static Known> {
    path.strip_suffix("_file").and_then(by_path).filter(|known| known.secret)
}

pub(super) fn is_section(path: &str) -> bool {
    SETTINGS.iter().any(|known| known.path.split_once('.').is_some_and(|(section, _)| section == path))
}

pub(super) fn variable_belongs_elsewhere(name: &str) -> bool {
    OF_THE_COMMAND_LINE.contains(&name) || name.starts_with("KEYRACK_CLI_")
}

/// Every path that may be written, twins included.
pub(super) fn paths() -> impl Iterator<Item = String> {
    SETTINGS.iter().flat_map(|known| {
        let twin = known.secret.then(|| format!("{}_file", known.path));
        std::iter::once(known.path.to_owned()).chain(twin)
    })
}

/// The candidate most like `name`; one that differs only in its section comes first.
pub(super) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> String {
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    let wanted = leaf(name);
    candidates
        .min_by_key(|candidate| {
            let same_leaf = leaf(candidate) == wanted;
            (!same_leaf, strsim::damerau_levenshtein(name, candidate))
        })
        .unwrap_or_default()
}
