//! Sample data for every page in every state.

use keyrack::web::views::key::{
    EditForm, FinishRotationPage, KeyLine, KeyPage, LastUsed, PausePage, ReportLine, RevokeManyPage, RevokePage,
    RevokedManyPage, RotatePage, Rotation, RotationPage,
};
use keyrack::web::views::keys::{
    AlreadyCreatedPage, Filters, KeyRow, KeysPage, NewKeyPage, PlanGate, RevealPage, SortLink, SortLinks, Status,
    samples,
};
use keyrack::web::views::{Choice, Chrome, Errors, Flash, Link, Meter, Nav, OrgLine, Pager, Time, UserLine, View};

#[path = "samples_notifications.rs"]
mod notifications;
#[path = "samples_settings.rs"]
mod settings;
#[path = "samples_usage.rs"]
mod usage;

pub(super) const SECRET: &str = "kr_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";
pub(super) const BASE: &str = "/orgs/acme/settings/api-keys";

/// Views that are shown in the dialog too.
pub(super) const IN_DIALOGS: &[&str] =
    &["key-new", "key-reveal", "key-rotate", "key-revoke", "member-invite", "member-remove", "org-leave", "profile"];

pub(super) type Sample = (&'static str, Box<dyn View>);

/// All of them, with the names of their files.
pub(super) fn all() -> Vec<Sample> {
    let mut all = lists();
    all.extend(creating());
    all.extend(one_key());
    all.extend(cockpit());
    all.extend(rotating_one());
    all.extend(revoking());
    all.extend(pausing());
    all.extend(settings::all());
    all.extend(notifications::all());
    all
}

pub(super) fn chrome(nav: Nav) -> Chrome {
    let org = |name: &str, slug: &str, role: &str| OrgLine { name: name.into(), slug: slug.into(), role: role.into() };
    Chrome {
        product: "Keyrack".into(),
        version: "0.1.0".into(),
        support_url: Some("https://help.example/".into()),
        theme: std::env::var("KEYRACK_RENDER_THEME").unwrap_or_default(),
        user: Some(UserLine { name: "Ada Admin".into(), email: "ada@acme.example".into() }),
        org: Some(org("Acme", "acme", "admin")),
        orgs: vec![
            org("Acme", "acme", "admin"),
            org("Globex Corporation of the Northern Hemisphere", "globex", "builder"),
        ],
        nav,
        may_read_audit: true,
        may_see_logs: true,
        flash: None,
        warning: None,
    }
}

pub(super) fn outside() -> Chrome {
    Chrome { user: None, org: None, orgs: Vec::new(), may_read_audit: false, ..chrome(Nav::None) }
}

pub(super) fn time(text: &str) -> Time {
    Time { iso: "2026-11-21T04:42:00Z".into(), text: text.into(), exact: "21 Nov 2026, 04:42:00 UTC".into() }
}

pub(super) fn mistakes(fields: &[(&'static str, &str)]) -> Errors {
    let mut errors = Errors::none();
    for (field, text) in fields {
        errors.add(field, *text);
    }
    errors
}

pub(super) fn behind_a_dialog() -> KeysPage {
    list(rows())
}

fn row(id: &str, name: &str, kind: &'static str, word: &'static str) -> KeyRow {
    KeyRow {
        id: id.into(),
        name: name.into(),
        url: format!("{BASE}/{id}"),
        preview: format!("kr_{}••••••••", &id[..5]),
        preview_start: format!("kr_{}", &id[..5]),
        environment: "live".into(),
        profile: "Web app".into(),
        created: time("3 Nov"),
        by: "by you".into(),
        last_used: Some(time("5 min ago")),
        status: Status { kind, word },
        usage: Some(usage::row(&[0, 4, 30, 12, 60, 44], "1,204", "")),
        rotate_url: (kind == "active").then(|| format!("{BASE}/{id}/rotate")),
        revoke_url: (kind != "revoked").then(|| format!("{BASE}/{id}/revoke")),
        may_select: kind != "revoked",
        ..KeyRow::default()
    }
}

fn rows() -> Vec<KeyRow> {
    vec![
        row("BRTRKFsL", "CI/CD pipeline", "active", "Active"),
        KeyRow {
            rotation: "Old secret …HCgG works for 21 h 10 min".into(),
            rotation_use: "New …9fQa 412, old …HCgG 37 requests in 24 h".into(),
            usage: Some(usage::row(&[9, 9, 8, 2, 1, 0], "449", "4 % errors")),
            by: "by Ben".into(),
            last_used: Some(time("2 h ago")),
            ..row("9fQaXm2P", "Deploy script", "rotating", "Rotating")
        },
        KeyRow {
            last_used: None,
            usage: Some(usage::row(&[], "0", "")),
            environment: "test".into(),
            ..row("Zp81mmQa", "Nightly import of the partner catalogue, second attempt", "unused", "Unused 30+ days")
        },
        KeyRow {
            hint: "Expires in 5 days".into(),
            by: "by Bea".into(),
            ..row("kk20aTTb", "Grafana", "active", "Active")
        },
        KeyRow {
            by: "by Olive".into(),
            last_used: Some(time("12 Sep")),
            ..row("Ex77pirE", "Hackathon", "expired", "Expired")
        },
        KeyRow { hint: "3 Nov by Ada".into(), ..row("Re99oKed", "Old laptop", "revoked", "Revoked") },
    ]
}

fn filters() -> Filters {
    Filters {
        status: vec![
            Choice::new("", "Any status", true),
            Choice::new("active", "Active", false),
            Choice::new("rotating", "Rotating", false),
            Choice::new("expired", "Expired", false),
        ],
        env: vec![Choice::new("", "Any", true), Choice::new("live", "live", false), Choice::new("test", "test", false)],
        owner: vec![Choice::new("", "Everyone", true), Choice::new("u1", "Ada Admin", false)],
        ..Filters::default()
    }
}

fn list(rows: Vec<KeyRow>) -> KeysPage {
    let sort = |key: &str, direction| SortLink { url: format!("{BASE}?sort={key}"), direction };
    KeysPage {
        chrome: chrome(Nav::ApiKeys),
        base: BASE.into(),
        intro: "Keys let scripts call the API as the person who made them.".into(),
        meter: Some(Meter {
            text: "3 of 5 keys · 2 creations left, next at 14:20".into(),
            label: "Active keys".into(),
            value: 3,
            max: Some(5),
        }),
        may_create: true,
        filters: filters(),
        sort: SortLinks {
            name: sort("name", ""),
            created: sort("created", "descending"),
            last_used: sort("last_used", ""),
        },
        rows,
        may_select: true,
        hidden: Some(Link { url: format!("{BASE}?all=1"), text: "4 revoked keys are hidden.".into() }),
        pager: Pager { text: "1–50 of 120".into(), previous: None, next: Some(format!("{BASE}?page=2")) },
        sample: "curl \"https://keys.acme.example/v1/whoami\" \\\n  -H \"Authorization: Bearer $KEYRACK_API_KEY\""
            .into(),
        ..KeysPage::default()
    }
}

fn gate(ask: Option<String>) -> Option<PlanGate> {
    Some(PlanGate {
        text: "API keys are part of the Agency plan. Acme is on Pro.".into(),
        gains: vec!["5 active keys".into(), "5 new keys per hour".into(), "600 requests per minute".into()],
        plans_url: "/orgs/acme/settings/plan".into(),
        ask,
    })
}

fn lists() -> Vec<Sample> {
    let full =
        Meter {
            text: "5 of 5 keys · 2 creations left".into(), value: 5, ..list(Vec::new()).meter.unwrap_or_default()
        };
    let none_hidden = || KeysPage { hidden: None, ..list(Vec::new()) };
    vec![
        ("keys", Box::new(list(rows()))),
        (
            "keys-banner",
            Box::new(KeysPage {
                chrome: Chrome {
                    flash: Some(Flash::done("Revoked “CI/CD pipeline”.")),
                    warning: Some(
                        "This page is served over plain http: passwords and keys can be read on the way.".into(),
                    ),
                    ..chrome(Nav::ApiKeys)
                },
                hidden: None,
                pager: Pager::default(),
                ..list(rows())
            }),
        ),
        ("keys-empty", Box::new(none_hidden())),
        ("keys-empty-hidden", Box::new(list(Vec::new()))),
        (
            "keys-no-match",
            Box::new(KeysPage { filters: Filters { q: "prod".into(), any: true, ..filters() }, ..list(Vec::new()) }),
        ),
        (
            "keys-at-limit",
            Box::new(KeysPage {
                meter: Some(full),
                limit: Some("Acme has 5 of 5 active keys. Revoke one, or change the plan.".into()),
                ..list(rows())
            }),
        ),
        (
            "keys-creation-limited",
            Box::new(KeysPage {
                limit: Some("5 keys were created in the last hour. The next one can be created at 14:32 UTC.".into()),
                ..list(rows())
            }),
        ),
        (
            "keys-plan-gate",
            Box::new(KeysPage { gate: gate(None), overrun: Some(settings::overrun()), meter: None, ..list(rows()) }),
        ),
        (
            "keys-plan-gate-builder",
            Box::new(KeysPage { gate: gate(Some("Ask an owner: Ada.".into())), meter: None, ..none_hidden() }),
        ),
        (
            "keys-builder",
            Box::new(KeysPage {
                intro: "You see the keys that you created.".into(),
                may_select: false,
                filters: Filters { owner: Vec::new(), ..filters() },
                ..list(rows())
            }),
        ),
    ]
}

fn new_key() -> NewKeyPage {
    NewKeyPage {
        chrome: chrome(Nav::ApiKeys),
        base: BASE.into(),
        nonce: "n0nce".into(),
        acts_as: "This key acts as you (admin) in Acme.".into(),
        environments: vec![Choice::new("live", "live", false), Choice::new("test", "test", true)],
        profiles: vec![Choice::new("p1", "Web app", true), Choice::new("p2", "Mobile app", false)],
        expires: vec![
            Choice::new("never", "Never", true),
            Choice::new("7d", "7 days", false).hint("28 Nov 2026"),
            Choice::new("30d", "30 days", false).hint("21 Dec 2026"),
            Choice::new("90d", "90 days", false).hint("19 Feb 2027"),
            Choice::new("1y", "1 year", false).hint("21 Nov 2027"),
            Choice::new("custom", "Custom date", false),
        ],
        expires_min: "2026-11-22".into(),
        ..NewKeyPage::default()
    }
}

pub(super) fn reveal() -> RevealPage {
    RevealPage {
        chrome: chrome(Nav::ApiKeys),
        name: "CI/CD pipeline".into(),
        secret: SECRET.into(),
        rotated: String::new(),
        list_url: BASE.into(),
        key_url: format!("{BASE}/BRTRKFsL"),
        samples: samples("https://keys.acme.example/v1/whoami", SECRET, "KEYRACK_API_KEY"),
        env_var: "KEYRACK_API_KEY".into(),
    }
}

fn creating() -> Vec<Sample> {
    let bad = mistakes(&[("name", "Enter a name for this key."), ("expires_on", "Choose a day after today.")]);
    let custom = NewKeyPage {
        expires: vec![Choice::new("never", "Never", false), Choice::new("custom", "Custom date", true)],
        expires_on: "2020-01-01".into(),
        errors: bad,
        ..new_key()
    };
    vec![
        ("key-new", Box::new(new_key())),
        ("key-new-plain", Box::new(NewKeyPage { environments: Vec::new(), profiles: Vec::new(), ..new_key() })),
        ("key-new-mistakes", Box::new(custom)),
        (
            "key-new-limit",
            Box::new(NewKeyPage {
                refused: Some("Acme has 5 of 5 active keys. Revoke one, or change the plan.".into()),
                plans_url: Some("/orgs/acme/settings/plan".into()),
                ..new_key()
            }),
        ),
        ("key-reveal", Box::new(reveal())),
        (
            "key-reveal-rotated",
            Box::new(RevealPage { rotated: "Both secrets work until 22 Nov 2026, 14:05 UTC.".into(), ..reveal() }),
        ),
        (
            "key-already",
            Box::new(AlreadyCreatedPage {
                chrome: chrome(Nav::ApiKeys),
                name: "CI/CD pipeline".into(),
                rotated: false,
                list_url: BASE.into(),
                key_url: format!("{BASE}/BRTRKFsL"),
                rotate_url: Some(format!("{BASE}/BRTRKFsL/rotate")),
                revoke_url: Some(format!("{BASE}/BRTRKFsL/revoke")),
            }),
        ),
    ]
}

fn key() -> KeyPage {
    let url = format!("{BASE}/BRTRKFsL");
    KeyPage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        name: "CI/CD pipeline".into(),
        status: Status { kind: "active", word: "Active" },
        id: "BRTRKFsL".into(),
        preview: "kr_BRTRK••••••••".into(),
        last4: "HCgG".into(),
        environment: "live".into(),
        profile: "Web app".into(),
        created: time("3 Nov 2026"),
        created_by: "you".into(),
        acts_as: "Ada Admin (admin)".into(),
        last_used: Some(LastUsed { at: time("5 min ago"), address: "203.0.113.7".into(), client: "curl/8.9.1".into() }),
        note: "GitHub Actions secret".into(),
        usage: Some(usage::panel()),
        edit: Some(EditForm {
            name: "CI/CD pipeline".into(),
            note: "GitHub Actions secret".into(),
            errors: Errors::none(),
        }),
        rotate_url: Some(format!("{url}/rotate")),
        revoke_url: Some(format!("{url}/revoke")),
        url,
        ..KeyPage::default()
    }
}

pub(super) fn hostile() -> KeyPage {
    let name = "<script>alert(1)</script><img src=x>\"'";
    KeyPage { name: name.into(), note: name.into(), acts_as: name.into(), ..key() }
}

fn one_key() -> Vec<Sample> {
    let ended = |kind, word: &'static str, banner| KeyPage {
        status: Status { kind, word },
        banner: Some(banner),
        edit: None,
        rotate_url: None,
        revoke_url: None,
        ..key()
    };
    vec![
        ("key-show", Box::new(key())),
        ("key-show-no-statistics", Box::new(KeyPage { usage: None, ..key() })),
        (
            "key-show-revoked",
            Box::new(ended("revoked", "Revoked", Flash::error("Revoked 3 Nov 2026 by Ada. Requests with it get 401."))),
        ),
        (
            "key-show-expired",
            Box::new(ended("expired", "Expired", Flash::warning("Expired 3 Nov 2026. Requests with it get 401."))),
        ),
        (
            "key-show-unused",
            Box::new(KeyPage {
                last_used: None,
                usage: Some(usage::nothing()),
                expires: Some(time("26 Nov 2026")),
                note: String::new(),
                hints: vec![
                    "Never used since it was made 34 days ago. If nothing needs it, revoke it.".into(),
                    "Expires in 5 days. Rotate it, or make another one in time.".into(),
                ],
                ..key()
            }),
        ),
        (
            "key-show-mistakes",
            Box::new(KeyPage {
                edit: Some(EditForm {
                    name: String::new(),
                    note: "x".into(),
                    errors: mistakes(&[("name", "Enter a name for this key.")]),
                }),
                ..key()
            }),
        ),
    ]
}

fn cockpit() -> Vec<Sample> {
    let rotation = Rotation {
        url: format!("{BASE}/BRTRKFsL/rotation"),
        new_last4: "9fQa".into(),
        new_use: "412 requests since 14:05 UTC".into(),
        new_first_used: Some(time("2 h ago")),
        old_last4: "HCgG".into(),
        old_use: "37 requests in the last hour".into(),
        old_last_used: Some(time("2 min ago")),
        old_until: time("22 Nov 2026, 14:05 UTC"),
        old_left: "21 h 10 min".into(),
        is_safe: false,
        is_quiet: false,
        finish_url: Some(format!("{BASE}/BRTRKFsL/rotate/finish")),
    };
    let quiet = Rotation { is_quiet: true, new_first_used: None, ..rotation.clone() };
    let alone = |rotation| RotationPage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        key_url: format!("{BASE}/BRTRKFsL"),
        name: "CI/CD pipeline".into(),
        rotation,
    };
    let safe = Rotation { is_safe: true, old_last_used: None, ..rotation.clone() };
    let rotating = |rotation| KeyPage {
        status: Status { kind: "rotating", word: "Rotating" },
        rotation: Some(rotation),
        rotate_url: None,
        ..key()
    };
    vec![
        ("key-show-rotating", Box::new(rotating(rotation))),
        ("key-show-safe", Box::new(rotating(safe))),
        ("key-rotation", Box::new(alone(Some(quiet)))),
        ("key-rotation-over", Box::new(alone(None))),
    ]
}

fn rotating_one() -> Vec<Sample> {
    vec![
        ("key-rotate", Box::new(rotate())),
        (
            "key-rotate-running",
            Box::new(RotatePage { is_rotating: true, graces: rotate().graces.split_off(3), ..rotate() }),
        ),
        (
            "key-rotate-conflict",
            Box::new(RotatePage { errors: Errors::about_all("The old secret still works. End it first."), ..rotate() }),
        ),
        ("key-rotate-refused", Box::new(RotatePage { refused: Some("This key was revoked.".into()), ..rotate() })),
    ]
}

fn rotate() -> RotatePage {
    RotatePage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        key_url: format!("{BASE}/BRTRKFsL"),
        url: format!("{BASE}/BRTRKFsL/rotate"),
        nonce: "n0nce".into(),
        name: "CI/CD pipeline".into(),
        last4: "HCgG".into(),
        graces: vec![
            Choice::new("24h", "24 hours", true),
            Choice::new("1h", "1 hour", false),
            Choice::new("7d", "7 days", false),
            Choice::new("now", "Stop it now", false).hint("if it leaked"),
        ],
        evidence: "In use: last 2 min ago from 203.0.113.7.".into(),
        ..RotatePage::default()
    }
}

fn revoke() -> RevokePage {
    let url = format!("{BASE}/BRTRKFsL");
    RevokePage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        name: "CI/CD pipeline".into(),
        evidence: "Never used. Nothing should break.".into(),
        rotate_url: Some(format!("{url}/rotate")),
        key_url: url.clone(),
        url: format!("{url}/revoke"),
        ..RevokePage::default()
    }
}

pub(super) fn line(id: &str, name: &str, last_used: &str) -> KeyLine {
    let preview = format!("kr_{}••••••••", &id[..5]);
    KeyLine { id: id.into(), name: name.into(), preview, by: String::new(), last_used: last_used.into() }
}

fn revoking() -> Vec<Sample> {
    let in_use = RevokePage {
        ask_name: true,
        evidence: "Used 4 min ago from 203.0.113.7.".into(),
        belongs_to: "This key belongs to Ben.".into(),
        ..revoke()
    };
    let wrong = mistakes(&[("confirm_name", "Type the name of the key: CI/CD pipeline.")]);
    let many = RevokeManyPage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        url: format!("{BASE}/revoke"),
        keys: vec![
            line("BRTRKFsL", "CI/CD pipeline", "Used 4 min ago"),
            line("9fQaXm2P", "Deploy script", "Never used"),
        ],
        skipped: vec!["“Old laptop” is already revoked.".into()],
        in_use: "One of them was used in the last 24 hours.".into(),
        ..RevokeManyPage::default()
    };
    let report = |name: &str, done, text: &str| ReportLine { name: name.into(), done, text: text.into() };
    vec![
        ("key-revoke", Box::new(revoke())),
        ("key-revoke-mistakes", Box::new(RevokePage { errors: wrong, confirm_name: "CI".into(), ..in_use.clone() })),
        ("key-revoke-in-use", Box::new(in_use)),
        (
            "key-revoke-already",
            Box::new(RevokePage {
                already: Some("It was revoked by Ada at 14:02. Requests with it get 401.".into()),
                ..revoke()
            }),
        ),
        ("keys-revoke-many", Box::new(many.clone())),
        (
            "keys-revoke-many-mistakes",
            Box::new(RevokeManyPage { errors: mistakes(&[("confirm_count", "Type 2.")]), ..many.clone() }),
        ),
        ("keys-revoke-none", Box::new(RevokeManyPage { keys: Vec::new(), ..many })),
        (
            "keys-revoked-many",
            Box::new(RevokedManyPage {
                chrome: chrome(Nav::ApiKeys),
                list_url: BASE.into(),
                summary: "Revoked 1 of 2 API keys".into(),
                lines: vec![
                    report("CI/CD pipeline", true, "Revoked. Requests with it get 401."),
                    report("Deploy script", false, "Was already revoked by Ada at 14:02."),
                ],
            }),
        ),
        (
            "key-finish",
            Box::new(FinishRotationPage {
                chrome: chrome(Nav::ApiKeys),
                list_url: BASE.into(),
                key_url: format!("{BASE}/BRTRKFsL"),
                url: format!("{BASE}/BRTRKFsL/rotate/finish"),
                name: "CI/CD pipeline".into(),
                old_last4: "HCgG".into(),
                evidence: "The old secret was last used 2 min ago.".into(),
                ..FinishRotationPage::default()
            }),
        ),
    ]
}

fn pausing() -> Vec<Sample> {
    let refused = PausePage { refused: Some("This key is not paused.".into()), ..pause(false) };
    vec![
        ("key-pause", Box::new(pause(true))),
        ("key-resume", Box::new(pause(false))),
        ("key-resume-not-paused", Box::new(refused)),
    ]
}

fn pause(pauses: bool) -> PausePage {
    PausePage {
        chrome: chrome(Nav::ApiKeys),
        list_url: BASE.into(),
        key_url: format!("{BASE}/BRTRKFsL"),
        url: format!("{BASE}/BRTRKFsL/pause"),
        name: "CI/CD pipeline".into(),
        pauses,
        evidence: "Used 4 min ago from 203.0.113.0/24.".into(),
        belongs_to: "This key belongs to Ben.".into(),
        ..PausePage::default()
    }
}
