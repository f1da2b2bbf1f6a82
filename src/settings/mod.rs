//! Everything the operator can choose, read once at the start: flag over `KEYRACK_*` variable over `keyrack.toml` over
//! default. After that nothing reads the environment again.

mod dump;
mod known;
mod load;
mod plans;
mod read;
mod session_key;
mod sources;
#[cfg(test)]
mod tests;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::domain::leak::OnLeak;
use crate::domain::org::{OnDowngrade, Plan};
use crate::domain::rules::Rules;
use crate::domain::time::Span;
use crate::domain::token::KeyFormat;

pub use known::{Known, SETTINGS, variable};
pub use session_key::{SessionKey, file_beside, load_or_create};
pub use sources::{Origin, Sources};
pub use url::{DatabaseUrl, PublicUrl};

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Which database.
    pub database_url: DatabaseUrl,
    /// Where people reach the site.
    pub public_url: PublicUrl,
    /// The key of session cookies, where the operator gave one.
    pub session_key: Option<SessionKey>,
    /// Where the revocation journal is kept.
    pub revocation_journal: JournalPlace,
    /// The owner to be made while no user exists.
    pub first_owner: Option<FirstOwner>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Filter of the log.
    pub log: String,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Where metrics are served, beside or instead of the main address.
    pub metrics_listen: Option<SocketAddr>,
    /// Who brings it is shown the metrics.
    pub metrics_token: Option<Hidden>,
    /// Where several nodes count requests together.
    pub redis_url: Option<Hidden>,
    /// What organizations can be on; never empty.
    pub plans: Vec<Plan>,
    /// The id of the plan of a new organization.
    pub default_plan: String,
    /// What becomes of keys on a plan without them.
    pub on_downgrade: OnDowngrade,
    /// What the events of billing are signed with; empty: none are taken.
    pub billing_secrets: Vec<Hidden>,
    /// How the product calls itself.
    pub brand: Brand,
    /// What keys look like and may do.
    pub keys: Keys,
    /// What is remembered of checks.
    pub records: Records,
    /// Who may report keys that leaked, and what is done then.
    pub scanning: Scanning,
    /// Whether strangers may sign up.
    pub sign_up_open: bool,
    /// How mail is sent.
    pub smtp: Option<Smtp>,
    /// How alerts are sent.
    pub alerts: Alerts,
    /// `/.well-known/security.txt`.
    pub security_txt: Option<SecurityTxt>,
    origins: BTreeMap<&'static str, Origin>,
}

/// Where the revocation journal is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// Beside the SQLite file; with PostgreSQL nowhere.
    Beside,
    /// Nowhere.
    Off,
    /// In this file.
    At(PathBuf),
}

/// How the product calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// On every page.
    pub name: String,
    /// The command in instructions.
    pub cli_name: String,
    /// Before `_API_KEY` in instructions.
    pub env_prefix: String,
    /// The command line's project file.
    pub project_file: String,
    /// Where people get help.
    pub support_url: Option<String>,
    /// Where people upgrade.
    pub plans_url: Option<String>,
}

/// What keys look like and may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Without the underscore that follows it.
    pub prefix: String,
    /// The environments a key may belong to; empty means the only one, `live`.
    pub environments: Vec<String>,
    /// Whether the environment stands in the key.
    pub environment_in_key: bool,
    /// Between id and secret: `_` or nothing.
    pub separator: String,
    /// Whether a key may create, rotate and revoke keys.
    pub keys_may_manage_keys: bool,
    /// Paths of the upstream under which a key may travel in the URL.
    pub query_parameter_endpoints: Vec<String>,
    /// Lifetime offered for a new key; nothing means for ever.
    pub default_expiry: Option<Span>,
    /// Longest lifetime of a new key; nothing means no limit.
    pub max_expiry: Option<Span>,
}

impl Keys {
    /// The format of tokens that follows from these settings.
    #[must_use]
    pub fn format(&self) -> KeyFormat {
        KeyFormat {
            prefix: self.prefix.clone(),
            environments: self.environments.clone(),
            environment_in_key: self.environment_in_key,
            separator: self.separator.clone(),
        }
    }
}

/// What is remembered of checks, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Records {
    /// How long counts by the hour are kept.
    pub usage_kept: Span,
    /// How long events are kept.
    pub events_kept: Span,
    /// Events stored at most.
    pub events_per_second: u32,
}

/// Who may report keys that leaked, and what is done then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanning {
    /// Where GitHub's keys are; nothing: it may not report.
    pub github_keys_url: Option<String>,
    /// Where GitLab's keys are; nothing: it may not report.
    pub gitlab_keys_url: Option<String>,
    /// What is done about a key that was found.
    pub on_leak: OnLeak,
}

/// The owner of an unattended first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstOwner {
    /// Lower-case e-mail address.
    pub email: String,
    /// In plain text, until it is hashed.
    pub password: Hidden,
}

/// A secret text that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Takes a secret that something other than a setting brought.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How alerts are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alerts {
    /// How long an e-mail waits for other alerts to take along.
    pub digest: Span,
    /// Whether webhooks may go to http and private addresses.
    pub private_webhooks: bool,
}

/// How mail is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Its user and password.
    pub login: Option<(String, Hidden)>,
    /// The sender.
    pub from: String,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Begins in plain text and must switch.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}

/// What `/.well-known/security.txt` says (RFC 9116).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityTxt {
    /// `mailto:` or `https:`.
    pub contact: String,
    /// Until when it holds.
    pub expires: crate::domain::time::Timestamp,
}

/// All that is wrong with the settings, a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl Settings {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// Every mistake there is, each with the place where it stands.
    pub fn load(sources: &Sources<'_>) -> Result<Self, SettingsError> {
        load::load(sources)
    }

    /// The defaults, changed by these paths and values. For tests and the demonstration.
    ///
    /// # Errors
    /// As `load`.
    pub fn with(values: &[(&'static str, &str)]) -> Result<Self, SettingsError> {
        let flags = values.iter().map(|(path, value)| (*path, (*value).to_owned())).collect();
        Self::load(&Sources::of_flags(flags))
    }

    /// The settings of a `keyrack.toml` with this text.
    ///
    /// # Errors
    /// As `load`.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let read_file = |path: &std::path::Path| match path.to_str() {
            Some("keyrack.toml") => Ok(text.to_owned()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        };
        Self::load(&Sources { flags: Vec::new(), config: None, variables: BTreeMap::new(), read_file: &read_file })
    }

    /// The file of the revocation journal, if one is kept.
    #[must_use]
    pub fn journal_path(&self) -> Option<PathBuf> {
        match &self.revocation_journal {
            JournalPlace::Off => None,
            JournalPlace::At(path) => Some(path.clone()),
            JournalPlace::Beside => self.database_url.sqlite_path().map(|database| {
                let mut name = database.as_os_str().to_owned();
                name.push(".revocations");
                PathBuf::from(name)
            }),
        }
    }

    /// Takes the address that was really bound, which differs when the port was 0, into the public URL that follows
    /// from it.
    pub fn bound_to(&mut self, address: SocketAddr) {
        self.listen = address;
        if self.origin("public_url") == Origin::Default {
            self.public_url = PublicUrl::of_listener(address);
        }
    }

    /// Takes over how `other` is reached and logs; everything else stays.
    pub fn reach_like(&mut self, other: &Self) {
        self.listen = other.listen;
        self.public_url = other.public_url.clone();
        self.trusted_proxies = other.trusted_proxies.clone();
        self.log = other.log.clone();
        self.log_format = other.log_format;
        let taken = ["listen", "public_url", "trusted_proxies", "log", "log_format"];
        let origins = taken.into_iter().filter_map(|path| Some((path, other.origins.get(path)?.clone())));
        self.origins.extend(origins);
    }

    /// Where the value of the setting at `path` came from.
    #[must_use]
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// The plan with this id.
    #[must_use]
    pub fn plan(&self, id: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == id)
    }

    /// What the rules of the domain need to know of all this.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            format: self.keys.format(),
            plans: self.plans.clone(),
            default_plan: self.default_plan.clone(),
            on_downgrade: self.on_downgrade,
            keys_may_manage_keys: self.keys.keys_may_manage_keys,
            url_endpoints: self.keys.query_parameter_endpoints.clone(),
            default_expiry: self.keys.default_expiry,
            max_expiry: self.keys.max_expiry,
            usage_kept: self.records.usage_kept,
            events_kept: self.records.events_kept,
            on_leak: self.scanning.on_leak,
            sign_up_open: self.sign_up_open,
        }
    }

    /// Whether session cookies may be `Secure` and `__Host-`: over https, and over http to this very machine.
    #[must_use]
    pub fn has_secure_cookies(&self) -> bool {
        self.public_url.uses_https() || self.public_url.is_loopback_http()
    }

    /// What works, but should not stay so.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.has_secure_cookies() {
            warnings.push(format!(
                "KEYRACK_PUBLIC_URL is {}: passwords, sessions and keys cross the network readable by others. Put TLS \
                 in front and set it to https://…",
                self.public_url
            ));
        }
        if self.listen.ip().is_unspecified() && self.origin("public_url") == Origin::Default {
            warnings.push(format!(
                "KEYRACK_LISTEN is {}, reachable from elsewhere, but KEYRACK_PUBLIC_URL is not set: links point to {}.",
                self.listen, self.public_url
            ));
        }
        if self.smtp.as_ref().is_some_and(|smtp| smtp.tls == SmtpTls::None && smtp.login.is_some()) {
            warnings.push(
                "smtp.tls is none: the password of the mail server crosses the network in plain text.".to_owned(),
            );
        }
        if self.alerts.private_webhooks {
            warnings.push(
                "alerts.private_webhooks is on: admins of organizations can send requests to whatever this server reaches."
                    .to_owned(),
            );
        }
        warnings
    }
}
