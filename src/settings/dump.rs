//! `config dump`: every setting, its value and where it came from, as a `keyrack.toml` that could be used again but
//! for the secrets.

use super::{LogFormat, SETTINGS, Settings, SmtpTls};
use crate::domain::leak::OnLeak;
use crate::domain::org::{OnDowngrade, Plan};
use crate::domain::time::Span;

const HIDDEN: &str = "\"(hidden)\"";

impl Settings {
    /// One line per setting.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for known in SETTINGS {
            let origin = self.origin(known.path);
            let line = match self.shown(known.path) {
                Some(value) => format!("{} = {value}", known.path),
                None => format!("# {} is not set", known.path),
            };
            text.push_str(&format!("{line:<56} # {origin}\n"));
        }
        text
    }

    /// The value of one setting in TOML; nothing when it is not set.
    fn shown(&self, path: &str) -> Option<String> {
        let smtp = self.smtp.as_ref();
        let security = self.security_txt.as_ref();
        match path {
            "listen" => Some(quoted(&self.listen.to_string())),
            "database_url" => Some(quoted(&self.database_url.to_string())),
            "public_url" => Some(quoted(self.public_url.as_str())),
            "session_key" => self.session_key.as_ref().map(|_| HIDDEN.to_owned()),
            "revocation_journal" => {
                Some(quoted(&self.journal_path().map_or_else(|| "off".to_owned(), |path| path.display().to_string())))
            }
            "admin_email" => self.first_owner.as_ref().map(|owner| quoted(&owner.email)),
            "admin_password" => self.first_owner.as_ref().map(|_| HIDDEN.to_owned()),
            "trusted_proxies" => Some(list(self.trusted_proxies.iter().map(ToString::to_string))),
            "log" => Some(quoted(&self.log)),
            "log_format" => Some(quoted(match self.log_format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            })),
            "metrics_listen" => self.metrics_listen.map(|address| quoted(&address.to_string())),
            "metrics_token" => self.metrics_token.as_ref().map(|_| HIDDEN.to_owned()),
            "redis_url" => self.redis_url.as_ref().map(|_| HIDDEN.to_owned()),
            "default_plan" => Some(quoted(&self.default_plan)),
            "on_downgrade" => Some(quoted(match self.on_downgrade {
                OnDowngrade::Keep => "keep",
                OnDowngrade::Refuse => "refuse",
            })),
            "plans" => Some(format!("[{}]", self.plans.iter().map(plan).collect::<Vec<_>>().join(", "))),
            "billing.webhook_secret" => (!self.billing_secrets.is_empty()).then(|| HIDDEN.to_owned()),
            "scanning.github_keys_url" => self.scanning.github_keys_url.as_deref().map(quoted),
            "scanning.gitlab_keys_url" => self.scanning.gitlab_keys_url.as_deref().map(quoted),
            "scanning.on_leak" => Some(quoted(match self.scanning.on_leak {
                OnLeak::Revoke => "revoke",
                OnLeak::Alert => "alert",
            })),
            "sign_up.open" => Some(self.sign_up_open.to_string()),
            "smtp.host" => smtp.map(|smtp| quoted(&smtp.host)),
            "smtp.port" => smtp.map(|smtp| smtp.port.to_string()),
            "smtp.tls" => smtp.map(|smtp| {
                quoted(match smtp.tls {
                    SmtpTls::StartTls => "starttls",
                    SmtpTls::Tls => "tls",
                    SmtpTls::None => "none",
                })
            }),
            "smtp.username" => smtp.and_then(|smtp| smtp.login.as_ref()).map(|(user, _)| quoted(user)),
            "smtp.password" => smtp.and_then(|smtp| smtp.login.as_ref()).map(|_| HIDDEN.to_owned()),
            "smtp.from" => smtp.map(|smtp| quoted(&smtp.from)),
            "security_txt.contact" => security.map(|security| quoted(&security.contact)),
            "security_txt.expires" => security.map(|security| quoted(&security.expires.to_string())),
            _ => self.shown_of_brand_and_keys(path),
        }
    }

    fn shown_of_brand_and_keys(&self, path: &str) -> Option<String> {
        let (brand, keys) = (&self.brand, &self.keys);
        match path {
            "brand.name" => Some(quoted(&brand.name)),
            "brand.cli_name" => Some(quoted(&brand.cli_name)),
            "brand.env_prefix" => Some(quoted(&brand.env_prefix)),
            "brand.project_file" => Some(quoted(&brand.project_file)),
            "brand.support_url" => brand.support_url.as_deref().map(quoted),
            "brand.plans_url" => brand.plans_url.as_deref().map(quoted),
            "keys.prefix" => Some(quoted(&keys.prefix)),
            "keys.environments" => Some(list(keys.environments.iter().cloned())),
            "keys.environment_in_key" => Some(keys.environment_in_key.to_string()),
            "keys.separator" => Some(quoted(&keys.separator)),
            "keys.keys_may_manage_keys" => Some(keys.keys_may_manage_keys.to_string()),
            "keys.query_parameter_endpoints" => Some(list(keys.query_parameter_endpoints.iter().cloned())),
            "keys.default_expiry" => Some(quoted(&expiry(keys.default_expiry))),
            "keys.max_expiry" => Some(quoted(&expiry(keys.max_expiry))),
            "usage.keep" => Some(quoted(&expiry(Some(self.records.usage_kept)))),
            "events.keep" => Some(quoted(&expiry(Some(self.records.events_kept)))),
            "alerts.digest" => Some(quoted(&expiry(Some(self.alerts.digest)))),
            "alerts.private_webhooks" => Some(self.alerts.private_webhooks.to_string()),
            "events.per_second" => Some(self.records.events_per_second.to_string()),
            _ => None,
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.map(|item| quoted(&item)).collect::<Vec<_>>().join(", "))
}

/// In the largest unit that says it exactly.
fn expiry(span: Option<Span>) -> String {
    let Some(span) = span else { return "never".to_owned() };
    let seconds = span.as_seconds();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let exact = units.into_iter().find(|(size, _)| seconds % size == 0);
    exact.map_or_else(|| format!("{seconds}s"), |(size, unit)| format!("{}{unit}", seconds / size))
}

fn plan(plan: &Plan) -> String {
    let mut fields = vec![
        format!("id = {}", quoted(&plan.id)),
        format!("name = {}", quoted(&plan.name)),
        format!("api_keys = {}", plan.api_keys),
    ];
    let counts = [
        ("active_keys_max", plan.active_keys_max),
        ("creations_per_hour", plan.creations_per_hour),
        ("requests_per_minute", plan.requests_per_minute),
        ("key_requests_per_minute", plan.key_requests_per_minute),
    ];
    fields.extend(counts.into_iter().filter_map(|(field, count)| count.map(|count| format!("{field} = {count}"))));
    fields.extend(plan.price_text.as_ref().map(|price| format!("price_text = {}", quoted(price))));
    if !plan.billing_prices.is_empty() {
        fields.push(format!("billing_price = {}", list(plan.billing_prices.iter().cloned())));
    }
    format!("{{ {} }}", fields.join(", "))
}
