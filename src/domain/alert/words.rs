//! How an alert reads: the same words in e-mails, on pages and in logs of deliveries.

use super::{Alert, AlertKind, Facts};
use crate::domain::time::{Span, Timestamp};

impl AlertKind {
    /// What its switch says.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Created => "Key created",
            Self::Rotated => "Key rotated",
            Self::GraceEnding => "Old secret about to stop",
            Self::Expiring => "Key about to expire",
            Self::Revoked => "Key revoked",
            Self::Leaked => "Key leaked",
            Self::LimitReached => "Limit reached",
            Self::NewNetwork => "First use from a new network",
            Self::Unused => "Key unused",
            Self::Test => "Test alert",
            Self::EndpointDisabled => "Webhook endpoint disabled",
        }
    }

    /// One line more about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Created => "By anybody, in the browser, the command line or the API",
            Self::Rotated => "A key has a new secret",
            Self::GraceEnding => "An hour before the old secret of a rotated key is refused",
            Self::Expiring => "14 days, 7 days and 1 day before",
            Self::Revoked => "Also when its owner leaves",
            Self::Leaked => "Found by a scanner where others can read it",
            Self::LimitReached => "The last active key of the plan, or the last creation of the hour",
            Self::NewNetwork => "An address outside the networks a key was used from before",
            Self::Unused => "For 90 days",
            Self::Test => "To see that alerts arrive",
            Self::EndpointDisabled => "After days of failures",
        }
    }
}

fn key_name(facts: &Facts) -> String {
    facts.key.as_ref().map_or_else(|| "a key".to_owned(), |key| format!("“{}”", key.name))
}

fn by(facts: &Facts) -> String {
    facts.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default()
}

/// One line, for subjects and headings.
#[must_use]
pub fn title(alert: &Alert) -> String {
    let facts = &alert.facts;
    let key = key_name(facts);
    let text = match alert.kind {
        AlertKind::Created => format!("API key {key} was created{}", by(facts)),
        AlertKind::Rotated => format!("API key {key} was rotated{}", by(facts)),
        AlertKind::GraceEnding => format!("The old secret of {key} stops soon"),
        AlertKind::Expiring => match facts.days {
            Some(1) => format!("API key {key} expires within a day"),
            Some(days) => format!("API key {key} expires in {days} days"),
            None => format!("API key {key} expires soon"),
        },
        AlertKind::Revoked => format!("API key {key} was revoked{}", by(facts)),
        AlertKind::Leaked => format!("API key {key} has leaked"),
        AlertKind::LimitReached => match facts.limit.as_deref() {
            Some("creations_per_hour") => "No more API keys can be created this hour".to_owned(),
            _ => "All active API keys of the plan are in use".to_owned(),
        },
        AlertKind::NewNetwork => format!("API key {key} was used from a new network"),
        AlertKind::Unused => format!("API key {key} was not used for 90 days"),
        AlertKind::Test => "Test alert".to_owned(),
        AlertKind::EndpointDisabled => "A webhook endpoint was disabled".to_owned(),
    };
    one_line(&text)
}

/// Whatever would begin another line is a space: a subject is one line whatever somebody called a key.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

/// The particulars, as name and value.
#[must_use]
pub fn particulars(alert: &Alert) -> Vec<(&'static str, String)> {
    let facts = &alert.facts;
    let mut lines = Vec::new();
    let mut add = |label, value: Option<String>| lines.extend(value.map(|value| (label, value)));
    add("Key", facts.key.as_ref().map(|key| format!("{} ({})", key.name, key.preview)));
    add("By", facts.actor.clone());
    add("Reason", facts.reason.clone());
    add("New secret", facts.current_last4.as_ref().map(|last4| format!("…{last4}")));
    add("Old secret", facts.previous_last4.as_ref().map(|last4| format!("…{last4}")));
    add("Old secret works until", facts.previous_valid_until.map(Timestamp::human));
    add("Expires", facts.expires_at.map(Timestamp::human));
    add("Last used", facts.last_used_at.map(Timestamp::human));
    add("Limit", facts.max.map(|max| limit_words(facts.limit.as_deref(), max)));
    add("Network", facts.network.clone());
    add("Where", facts.place.clone());
    add("When", Some(alert.at.human()));
    lines
}

fn limit_words(limit: Option<&str>, max: u32) -> String {
    match limit {
        Some("creations_per_hour") => format!("{max} creations in an hour"),
        _ => format!("{max} active keys"),
    }
}

/// What to do about it.
#[must_use]
pub fn advice(alert: &Alert) -> &'static str {
    match alert.kind {
        AlertKind::Created | AlertKind::Rotated => "If nobody you know did this, revoke the key.",
        AlertKind::GraceEnding if alert.facts.last_used_at.is_some_and(|at| alert.at.since(at) < Span::hours(24)) => {
            "The old secret was used in the last 24 hours. Whatever still uses it will be refused: give it the new one."
        }
        AlertKind::GraceEnding => "Make sure that nothing uses the old secret any more.",
        AlertKind::Expiring => "Create a key to follow it, and replace it where it is used.",
        AlertKind::Revoked => "Requests with this key are refused from now on.",
        AlertKind::Leaked => "Whoever found it can use it until it is revoked or rotated without grace.",
        AlertKind::LimitReached => "Revoke keys that nobody uses, or change the plan.",
        AlertKind::NewNetwork => "If you do not know this network, rotate the key without grace.",
        AlertKind::Unused => "If nothing needs it any more, revoke it.",
        AlertKind::Test => "Alerts arrive here. There is nothing to do.",
        AlertKind::EndpointDisabled => "Nothing is sent there any more. See its log, mend it, and enable it again.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::KeyFacts;

    fn of(kind: AlertKind, name: &str) -> Alert {
        let key = KeyFacts {
            name: name.to_owned(), preview: "kr_BRTRK••••••••".to_owned(), ..KeyFacts::default()
        };
        Alert {
            id: "alr_1".into(),
            org: "org_1".into(),
            kind,
            once: String::new(),
            at: Timestamp::from_micros(1_795_255_200_000_000),
            owner: None,
            facts: Facts { key: Some(key), actor: Some("Ada".to_owned()), ..Facts::default() },
        }
    }

    #[test]
    fn a_title_is_one_line_whatever_the_key_is_called() {
        let title = title(&of(AlertKind::Revoked, "x\r\nBcc: everybody\u{2028}\n\ny"));
        assert_eq!(title, "API key “x  Bcc: everybody   y” was revoked by Ada");
    }

    #[test]
    fn every_kind_has_words_of_its_own() {
        let kinds = AlertKind::SWITCHED.into_iter().chain([AlertKind::Test, AlertKind::EndpointDisabled]);
        let all: Vec<String> =
            kinds.map(|kind| title(&of(kind, "CI")) + advice(&of(kind, "CI")) + kind.label()).collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn particulars_name_what_is_known_and_nothing_else() {
        let mut alert = of(AlertKind::Expiring, "CI");
        alert.facts.actor = None;
        alert.facts.expires_at = Some(alert.at.plus(Span::days(7)));
        let labels: Vec<_> = particulars(&alert).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["Key", "Expires", "When"]);
    }
}
