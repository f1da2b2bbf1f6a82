//! Sample data for notifications.

use keyrack::web::views::notifications::{
    AttemptRow, DeliveryRow, EndpointConfirmPage, EndpointPage, EndpointRow, EndpointSecretPage, NotificationsPage,
    SwitchCell, SwitchRow,
};
use keyrack::web::views::{Errors, Nav};

use super::{Sample, chrome, mistakes, time};

const PAGE: &str = "/orgs/acme/settings/notifications";
const ENDPOINT: &str = "/orgs/acme/settings/notifications/webhooks/whe_1";

fn row(label: &str, on: [Option<bool>; 3]) -> SwitchRow {
    let columns = ["E-mail about your keys", "E-mail about all keys", "Webhooks"];
    let cells = on.into_iter().zip(columns).map(|(is_on, column)| SwitchCell {
        name: is_on.map(|_| format!("{}.{}", label.replace(' ', "_"), column.len())).unwrap_or_default(),
        column,
        label: format!("{label}: {column}"),
        is_on: is_on.unwrap_or_default(),
    });
    SwitchRow { label: label.into(), hint: "Also when its owner leaves".into(), cells: cells.collect() }
}

fn endpoint(state: &'static str, state_text: &str) -> EndpointRow {
    let (page_url, url) =
        (ENDPOINT.into(), "https://hooks.acme.example/services/a-very-long-path/keys?to=everybody".into());
    EndpointRow { page_url, url, state, state_text: state_text.into(), created: time("2 days ago") }
}

fn page() -> NotificationsPage {
    NotificationsPage {
        chrome: chrome(Nav::Notifications),
        url: PAGE.into(),
        has_mail: true,
        address: "ada@acme.example".into(),
        test_url: format!("{PAGE}/test"),
        is_admin: true,
        ask: "Ask an owner: Olive.".into(),
        rows: vec![
            row("Key revoked", [Some(true), Some(false), Some(true)]),
            row("Limit reached", [None, Some(true), Some(false)]),
        ],
        endpoints: vec![endpoint("active", "Working"), endpoint("revoked", "Disabled: it failed for three days")],
        endpoints_url: format!("{PAGE}/webhooks"),
        nonce: "n0nce".into(),
        ..NotificationsPage::default()
    }
}

fn delivery(id: &str, state: &'static str, state_text: &str, next: bool) -> DeliveryRow {
    let attempt = |text: &str| AttemptRow { at: time("5 min ago"), text: text.into() };
    DeliveryRow {
        id: id.into(),
        at: time("5 min ago"),
        title: "API key “CI/CD pipeline” was revoked by Ada".into(),
        event: "key.revoked".into(),
        state,
        state_text: state_text.into(),
        is_under_way: next,
        next: next.then(|| time("in 40 s")),
        attempts: vec![attempt("503 · Refused · 120 ms"), attempt("No answer in time · 10000 ms")],
        again_url: format!("{ENDPOINT}/deliveries/{id}/redeliver"),
    }
}

pub(super) fn all() -> Vec<Sample> {
    let with_log = EndpointPage {
        chrome: chrome(Nav::Notifications),
        page_url: ENDPOINT.into(),
        back_url: PAGE.into(),
        host: "hooks.acme.example".into(),
        endpoint: endpoint("active", "Working"),
        is_disabled: false,
        needs_secret: false,
        old_secret: Some(time("in 23 h")),
        log: vec![delivery("dlv_1", "active", "Delivered", false), delivery("dlv_2", "rotating", "Trying again", true)],
        errors: Errors::none(),
    };
    let disabled = EndpointPage {
        endpoint: endpoint("revoked", "Disabled: it failed for three days"),
        is_disabled: true,
        log: vec![delivery("dlv_3", "revoked", "Given up", false)],
        errors: Errors::about_all("Nothing is sent to this endpoint. Enable it first."),
        ..with_log.clone()
    };
    let unreadable = EndpointPage {
        endpoint: endpoint("revoked", "Needs a new secret"),
        needs_secret: true,
        old_secret: None,
        ..with_log.clone()
    };
    let secret = EndpointSecretPage {
        chrome: chrome(Nav::Notifications),
        host: "hooks.acme.example".into(),
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
        rotated: "The old secret signs beside it until 22 Nov 2026 14:05 UTC.".into(),
        page_url: ENDPOINT.into(),
    };
    let confirm = EndpointConfirmPage {
        chrome: chrome(Nav::Notifications),
        url: format!("{ENDPOINT}/remove"),
        page_url: ENDPOINT.into(),
        title: "Remove the webhook endpoint at hooks.acme.example?".into(),
        text: "Nothing is sent there any more.".into(),
        button: "Remove endpoint",
        is_danger: true,
        nonce: "n0nce".into(),
        errors: Errors::none(),
    };
    let builder = NotificationsPage { is_admin: false, has_mail: false, endpoints: Vec::new(), ..page() };
    let builder = NotificationsPage {
        rows: vec![SwitchRow { cells: page().rows[0].cells[..1].to_vec(), ..page().rows[0].clone() }],
        ..builder
    };
    let mistake = NotificationsPage {
        endpoint_url: "http://localhost/".into(),
        errors: mistakes(&[("url", "Use https: alerts must not be readable on their way.")]),
        ..page()
    };
    vec![
        ("notifications", Box::new(page())),
        ("notifications-builder", Box::new(builder)),
        ("notifications-mistake", Box::new(mistake)),
        ("webhook", Box::new(with_log)),
        ("webhook-disabled", Box::new(disabled)),
        ("webhook-unreadable", Box::new(unreadable)),
        ("webhook-secret", Box::new(secret)),
        ("webhook-remove", Box::new(confirm)),
    ]
}
