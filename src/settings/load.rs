//! What each setting means, and which of them contradict each other.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::plans::read_plans;
use super::read::Reader;
use super::{
    Alerts, Brand, DatabaseUrl, FirstOwner, Hidden, JournalPlace, Keys, LogFormat, PublicUrl, Records, Scanning,
    SecurityTxt, SessionKey, Settings, SettingsError, Smtp, SmtpTls, Sources,
};
use crate::domain::in_url;
use crate::domain::leak::OnLeak;
use crate::domain::names;
use crate::domain::org::{OnDowngrade, Plan};
use crate::domain::time::{Span, Timestamp, parse_duration};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(super) fn load(sources: &Sources<'_>) -> Result<Settings, SettingsError> {
    let mut problems = Vec::new();
    let merged = sources.merge(&mut problems);
    let mut reader = Reader::new(merged, problems);
    let settings = read_all(&mut reader);
    match settings {
        Some(settings) if reader.problems.is_empty() => Ok(settings),
        _ => Err(SettingsError(reader.problems)),
    }
}

fn read_all(r: &mut Reader) -> Option<Settings> {
    let listen = r.parsed_or("listen", LISTEN, parse_address);
    let plans = read_plans(r);
    let default_plan = read_default_plan(r, &plans);
    let database_url = match r.given("database_url") {
        Some(_) => r.parsed("database_url", DatabaseUrl::parse),
        None => DatabaseUrl::parse("sqlite://keyrack.db").ok(),
    };
    let settings = Settings {
        listen,
        // Without one there is already a problem noted; the rest is still read for its own mistakes.
        database_url: database_url.or_else(|| DatabaseUrl::parse("sqlite://keyrack.db").ok())?,
        public_url: r.parsed_or("public_url", PublicUrl::of_listener(listen), PublicUrl::parse),
        session_key: r.parsed("session_key", SessionKey::parse),
        revocation_journal: r.parsed_or("revocation_journal", JournalPlace::Beside, |text| match text.trim() {
            "" => Err("must be the path of a file, or off".to_owned()),
            "off" => Ok(JournalPlace::Off),
            path => Ok(JournalPlace::At(path.into())),
        }),
        first_owner: read_first_owner(r),
        trusted_proxies: read_proxies(r),
        log: r.text("log").unwrap_or_else(|| "info".to_owned()),
        log_format: r.parsed_or("log_format", LogFormat::Text, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("must be text or json, not “{other}”")),
        }),
        metrics_listen: r.parsed("metrics_listen", parse_address),
        metrics_token: r.parsed("metrics_token", parse_metrics_token),
        redis_url: r.parsed("redis_url", parse_redis_url),
        default_plan,
        plans,
        on_downgrade: r.parsed_or("on_downgrade", OnDowngrade::Keep, |text| match text {
            "keep" => Ok(OnDowngrade::Keep),
            "refuse" => Ok(OnDowngrade::Refuse),
            other => Err(format!("must be keep or refuse, not “{other}”")),
        }),
        billing_secrets: r.parsed("billing.webhook_secret", parse_billing_secrets).unwrap_or_default(),
        brand: read_brand(r),
        keys: read_keys(r),
        records: read_records(r),
        scanning: read_scanning(r),
        sign_up_open: r.flag("sign_up.open", false),
        smtp: read_smtp(r),
        alerts: read_alerts(r),
        security_txt: read_security_txt(r),
        origins: r.origins(),
    };
    Some(settings)
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let with_number = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    with_number
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("“{text}” is not an address and port like 127.0.0.1:8080"))
}

/// Neither the token nor the address is repeated: both are secrets.
fn parse_metrics_token(text: &str) -> Result<Hidden, String> {
    let is_plain = text.len() >= 16 && text.chars().all(|c| c.is_ascii_graphic());
    if is_plain { Ok(Hidden(text.to_owned())) } else { Err("must be 16 visible characters at least".to_owned()) }
}

fn read_scanning(r: &mut Reader) -> Scanning {
    Scanning {
        github_keys_url: r.parsed("scanning.github_keys_url", parse_keys_url),
        gitlab_keys_url: r.parsed("scanning.gitlab_keys_url", parse_keys_url),
        on_leak: r.parsed_or("scanning.on_leak", OnLeak::Revoke, |text| match text {
            "revoke" => Ok(OnLeak::Revoke),
            "alert" => Ok(OnLeak::Alert),
            other => Err(format!("must be revoke or alert, not “{other}”")),
        }),
    }
}

/// Whoever can change what is read there can revoke keys: so not in the clear, but on this machine.
fn parse_keys_url(text: &str) -> Result<String, String> {
    let url = parse_link(text, &["https://", "http://127.0.0.1:", "http://localhost:"]);
    url.map_err(|_| format!("“{text}” must begin with https://"))
}

fn parse_billing_secrets(text: &str) -> Result<Vec<Hidden>, String> {
    let secrets: Vec<&str> = text.split([',', ' ', '\n', '\r']).filter(|part| !part.is_empty()).collect();
    let is_good = |text: &&str| text.len() >= 16 && text.chars().all(|c| c.is_ascii_graphic());
    if secrets.is_empty() || !secrets.iter().all(is_good) {
        return Err("must be 16 visible characters at least, several with commas between them".to_owned());
    }
    Ok(secrets.into_iter().map(|secret| Hidden(secret.to_owned())).collect())
}

fn parse_redis_url(text: &str) -> Result<Hidden, String> {
    let text = text.trim();
    match text.strip_prefix("redis://") {
        Some(rest) if !rest.is_empty() => Ok(Hidden(text.to_owned())),
        _ if text.starts_with("rediss://") => Err("TLS to Redis is not supported; use a private network".to_owned()),
        _ => Err("must begin with redis:// and name a host".to_owned()),
    }
}

fn read_default_plan(r: &mut Reader, plans: &[Plan]) -> String {
    let first = plans.first().map(|plan| plan.id.clone()).unwrap_or_default();
    r.parsed_or("default_plan", first, |text| {
        if plans.iter().any(|plan| plan.id == text) {
            return Ok(text.to_owned());
        }
        let ids: Vec<&str> = plans.iter().map(|plan| plan.id.as_str()).collect();
        Err(format!("no plan has the id “{text}”; there is {}", ids.join(", ")))
    })
}

fn read_first_owner(r: &mut Reader) -> Option<FirstOwner> {
    let email = r.parsed("admin_email", |text| names::parse_email(text).map_err(|why| lower_first(&why)));
    let password = r.text("admin_password");
    match (email, password) {
        (Some(email), Some(password)) => {
            if let Err(why) = names::check_password(&password, &[&email]) {
                r.refuse("admin_password", &lower_first(&why));
            }
            Some(FirstOwner { email, password: Hidden(password) })
        }
        (Some(_), None) => {
            r.refuse("admin_email", "needs KEYRACK_ADMIN_PASSWORD_FILE beside it");
            None
        }
        (None, Some(_)) if r.given("admin_email").is_none() => {
            r.refuse("admin_password", "needs KEYRACK_ADMIN_EMAIL beside it");
            None
        }
        (None, _) => None,
    }
}

fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn read_proxies(r: &mut Reader) -> Vec<IpNet> {
    let mut nets = Vec::new();
    for text in r.list("trusted_proxies").unwrap_or_default() {
        let alone = text.parse::<std::net::IpAddr>().map(IpNet::from);
        match text.parse::<IpNet>().or(alone) {
            Ok(net) => nets.push(net),
            Err(_) => r.refuse("trusted_proxies", &format!("“{text}” is not an address or network like 10.0.0.0/8")),
        }
    }
    nets
}

fn read_brand(r: &mut Reader) -> Brand {
    let visible = |text: &str| names::Name::parse(text, "the product").map(|name| name.as_str().to_owned());
    let word = |text: &str| {
        let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fine = !text.is_empty() && text.len() <= 60 && text.chars().all(sane) && !text.starts_with(['-', '.']);
        if fine { Ok(text.to_owned()) } else { Err("may hold letters, digits, -, _ and . only".to_owned()) }
    };
    let env_prefix = |text: &str| {
        let name = text.strip_suffix('_').unwrap_or(text);
        let sane = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let fine = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.len() <= 40 && name.chars().all(sane);
        if fine {
            Ok(name.to_owned())
        } else {
            Err("must be like OUTKIT: A-Z, 0-9 and _, beginning with a letter".to_owned())
        }
    };
    Brand {
        name: r.parsed_or("brand.name", "Keyrack".to_owned(), visible),
        cli_name: r.parsed_or("brand.cli_name", "keyrack".to_owned(), word),
        env_prefix: r.parsed_or("brand.env_prefix", "KEYRACK".to_owned(), env_prefix),
        project_file: r.parsed_or("brand.project_file", "keyrack.json".to_owned(), word),
        support_url: r.parsed("brand.support_url", |text| parse_link(text, &["https://", "http://", "mailto:"])),
        plans_url: r.parsed("brand.plans_url", |text| parse_link(text, &["https://", "http://", "mailto:"])),
    }
}

fn parse_link(text: &str, schemes: &[&str]) -> Result<String, String> {
    let text = text.trim();
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let sane = |rest: &str| !rest.is_empty() && !rest.chars().any(|c| c.is_whitespace() || names::is_deceptive(c));
    if rest.is_some_and(sane) {
        Ok(text.to_owned())
    } else {
        Err(format!("“{text}” must begin with {}", schemes.join(" or ")))
    }
}

fn read_keys(r: &mut Reader) -> Keys {
    let default_expiry = r.parsed("keys.default_expiry", parse_expiry);
    let max_expiry = r.parsed("keys.max_expiry", parse_expiry).flatten();
    match (default_expiry, max_expiry) {
        (Some(None), Some(_)) => r.refuse("keys.default_expiry", "is never, but keys.max_expiry sets an end"),
        (Some(Some(default)), Some(max)) if default > max => {
            r.refuse("keys.default_expiry", "is longer than keys.max_expiry");
        }
        _ => {}
    }
    Keys {
        prefix: r.parsed_or("keys.prefix", "kr".to_owned(), parse_prefix),
        environments: read_environments(r),
        environment_in_key: r.flag("keys.environment_in_key", false),
        separator: r.parsed_or("keys.separator", "_".to_owned(), |text| match text {
            "" | "_" => Ok(text.to_owned()),
            other => Err(format!("must be “_” or empty, not “{other}”")),
        }),
        keys_may_manage_keys: r.flag("keys.keys_may_manage_keys", false),
        query_parameter_endpoints: read_endpoints(r),
        default_expiry: default_expiry.unwrap_or(max_expiry),
        max_expiry,
    }
}

/// `ok` and `ok_` mean the same: an underscore always follows.
fn parse_prefix(text: &str) -> Result<String, String> {
    let prefix = text.strip_suffix('_').unwrap_or(text);
    let sane = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fine = prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.len() <= 20
        && prefix.chars().all(sane)
        && !prefix.ends_with('_');
    // What our own tokens begin with: a key must not be taken for one.
    let taken = ["krc_", "krd_", "krs_"].iter().any(|ours| format!("{prefix}_").starts_with(ours));
    if taken {
        Err(format!("“{text}” is what Keyrack's own tokens begin with"))
    } else if fine {
        Ok(prefix.to_owned())
    } else {
        Err(format!("“{text}” may hold a-z, 0-9 and _ only, beginning with a letter, 20 characters at most"))
    }
}

fn read_environments(r: &mut Reader) -> Vec<String> {
    let mut environments: Vec<String> = Vec::new();
    for name in r.list("keys.environments").unwrap_or_default() {
        let sane = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if name.is_empty() || name.len() > 12 || !name.chars().all(sane) {
            r.refuse("keys.environments", &format!("“{name}” must be 1 to 12 characters of a-z and 0-9"));
        } else if environments.contains(&name) {
            r.refuse("keys.environments", &format!("“{name}” stands there twice"));
        } else {
            environments.push(name);
        }
    }
    environments
}

fn read_endpoints(r: &mut Reader) -> Vec<String> {
    let endpoints = r.list("keys.query_parameter_endpoints").unwrap_or_default();
    for path in &endpoints {
        if !in_url::is_endpoint(path) {
            r.refuse("keys.query_parameter_endpoints", &format!("“{path}” must be a path like /hooks/in or /hooks/*"));
        }
    }
    endpoints
}

fn read_records(r: &mut Reader) -> Records {
    let kept = |text: &str| match parse_duration(text) {
        Ok(span) if span >= Span::hours(1) => Ok(span),
        _ => Err(format!("“{text}” is not a length of time; write 12h, 7d or 1y, at least 1h")),
    };
    Records {
        usage_kept: r.parsed_or("usage.keep", Span::days(90), kept),
        events_kept: r.parsed_or("events.keep", Span::days(7), kept),
        events_per_second: r.number("events.per_second", 300, (1, 100_000)),
    }
}

fn parse_expiry(text: &str) -> Result<Option<Span>, String> {
    if text == "never" {
        return Ok(None);
    }
    match parse_duration(text) {
        Ok(span) if span >= Span::minutes(1) => Ok(Some(span)),
        _ => Err(format!("“{text}” is not a lifetime; write 90d, 24h, 1y or never")),
    }
}

fn read_smtp(r: &mut Reader) -> Option<Smtp> {
    let host = r.text("smtp.host");
    let port = r.port("smtp.port", 587);
    let tls = r.parsed_or("smtp.tls", SmtpTls::StartTls, |text| match text {
        "starttls" => Ok(SmtpTls::StartTls),
        "tls" => Ok(SmtpTls::Tls),
        "none" => Ok(SmtpTls::None),
        other => Err(format!("must be starttls, tls or none, not “{other}”")),
    });
    let (username, password) = (r.text("smtp.username"), r.text("smtp.password"));
    let from = r.parsed("smtp.from", parse_sender);
    let Some(host) = host else {
        let others = ["smtp.port", "smtp.tls", "smtp.username", "smtp.password", "smtp.from"];
        if let Some(path) = others.into_iter().find(|path| r.given(path).is_some()) {
            r.refuse(path, "needs smtp.host beside it");
        }
        return None;
    };
    if username.is_some() != password.is_some() {
        r.refuse("smtp.host", "needs both smtp.username and smtp.password, or neither");
    }
    let Some(from) = from else {
        if r.given("smtp.from").is_none() {
            r.refuse("smtp.host", "needs smtp.from beside it");
        }
        return None;
    };
    Some(Smtp { host, port, tls, login: username.zip(password.map(Hidden)), from })
}

fn parse_sender(text: &str) -> Result<String, String> {
    match text.parse::<lettre::message::Mailbox>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("“{text}” is not a sender; write keys@example.com or Keys <keys@example.com>")),
    }
}

fn read_alerts(r: &mut Reader) -> Alerts {
    let digest = |text: &str| match parse_duration(text) {
        Ok(span) if span <= Span::hours(24) => Ok(span),
        _ => Err(format!("“{text}” is not a length of time; write 0s, 30s or 10m, at most 24h")),
    };
    Alerts {
        digest: r.parsed_or("alerts.digest", Span::seconds(30), digest),
        private_webhooks: r.flag("alerts.private_webhooks", false),
    }
}

fn read_security_txt(r: &mut Reader) -> Option<SecurityTxt> {
    let contact = r.parsed("security_txt.contact", |text| parse_link(text, &["mailto:", "https://"]));
    let expires = r.parsed("security_txt.expires", |text| Timestamp::parse(text).map_err(|why| lower_first(&why)));
    for (path, other) in
        [("security_txt.contact", "security_txt.expires"), ("security_txt.expires", "security_txt.contact")]
    {
        if r.given(path).is_some() && r.given(other).is_none() {
            r.refuse(path, &format!("needs {other} beside it"));
        }
    }
    contact.zip(expires).map(|(contact, expires)| SecurityTxt { contact, expires })
}
