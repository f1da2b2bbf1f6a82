//! How the audit log is worded for people. What is stored stays as it is; `audit.rs` shows it beside these words.

/// What can be filtered for: the beginning of a deed's name, and what it is called.
pub(super) const ACTIONS: [(&str, &str); 6] = [
    ("key.", "Everything about keys"),
    ("key.created", "Keys created"),
    ("key.rotated", "Keys rotated"),
    ("key.revoked", "Keys revoked"),
    ("member.", "Everything about members"),
    ("organization.", "Organization and plan"),
];

/// A deed in words that go on with the name of its object.
pub(super) fn action_words(action: &str) -> &str {
    match action {
        "key.created" => "Created the API key",
        "key.edited" => "Edited the API key",
        "key.rotated" => "Rotated the API key",
        "key.old_secret_ended" => "Ended the old secret of the API key",
        "key.leaked" => "Was told of a leak of the API key",
        "key.revoked" => "Revoked the API key",
        "key.paused" => "Paused the API key",
        "key.resumed" => "Resumed the API key",
        "key.handed_over" => "Took over the API key",
        "member.invited" => "Invited",
        "member.invitation_withdrawn" => "Took back the invitation of",
        "member.joined" => "Joined:",
        "member.role_changed" => "Changed the role of",
        "member.removed" => "Removed",
        "member.left" => "Left:",
        "profile.created" => "Created the profile",
        "profile.renamed" => "Renamed the profile",
        "organization.created" => "Founded",
        "organization.renamed" => "Renamed the organization to",
        "organization.plan_changed" => "Changed the plan of",
        "organization.restored" => "Put back from a backup:",
        "organization.plan_requested" => "Asked for the plan",
        "organization.plan_request_withdrawn" => "Took back the request for a plan of",
        "notifications.changed" => "Changed the alerts of",
        "notifications.tested" => "Sent a test alert to",
        "webhook.created" => "Added the webhook endpoint at",
        "webhook.secret_rotated" => "Rotated the signing secret of the webhook endpoint at",
        "webhook.enabled" => "Enabled the webhook endpoint at",
        "webhook.disabled" => "Disabled the webhook endpoint at",
        "webhook.removed" => "Removed the webhook endpoint at",
        "webhook.redelivered" => "Sent an alert again to the webhook endpoint at",
        other => other,
    }
}

/// `session ses_…` in words.
pub(super) fn credential_words(credential: &str) -> String {
    match credential.split_once(' ') {
        Some(("session", _)) => "in a browser".to_owned(),
        Some(("cli", _)) => "on the command line".to_owned(),
        Some(("key", id)) => format!("with API key {id}"),
        Some(("setup link", _) | ("setup", _)) => "by the setup link".to_owned(),
        Some(("invitation", _)) => "by an invitation".to_owned(),
        Some(("signed", _)) => "by a signed report".to_owned(),
        Some(("event", id)) => format!("by event {id}"),
        Some(_) | None if credential == "server" => "on the server's command line".to_owned(),
        Some(_) | None => credential.to_owned(),
    }
}

/// By which way, in words.
pub(super) fn via_words(via: &str) -> &str {
    match via {
        "page" => "web",
        "api" => "API",
        "cli" => "command line",
        "billing" => "billing webhook",
        "scanning" => "report of a scanner",
        other => other,
    }
}
