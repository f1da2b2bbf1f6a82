//! Sample data for people, members, organizations, plan, audit log, account and errors.

use keyrack::web::views::account::{
    AppearancePage, CommandLineRow, SecurityEvent, SecurityPage, SessionRow, SessionsPage,
};
use keyrack::web::views::audit::{AuditPage, AuditRow, Change};
use keyrack::web::views::device::{DevicePage, DeviceView};
use keyrack::web::views::errors::ErrorPage;
use keyrack::web::views::leaks::{FoundKey, LeakRow, LeaksPage};
use keyrack::web::views::logs::{LogRow, LogsPage};
use keyrack::web::views::members::{InvitationRow, InvitePage, InvitedPage, MemberRow, MembersPage, RemoveMemberPage};
use keyrack::web::views::orgs::{LeavePage, OrgRow, OrganizationPage, OrgsPage, ProfilePage, ProfileRow, ProfilesPage};
use keyrack::web::views::people::{Invitation, Invited, JoinPage, NoticePage, SetupPage, SignInPage, SignUpPage};
use keyrack::web::views::plan::{Overrun, PlanColumn, PlanPage, RequestRow};
use keyrack::web::views::{Choice, Errors, Link, Meter, Nav, Pager};

use super::{BASE, Sample, chrome, line, mistakes, outside, time};

const SETTINGS: &str = "/orgs/acme/settings";

pub(super) fn all() -> Vec<Sample> {
    let mut all = people();
    all.extend(devices());
    all.extend(members());
    all.extend(orgs());
    all.extend(profiles());
    all.extend(account());
    all.extend(leaks());
    all.extend(rest());
    all.extend(errors());
    all
}

fn people() -> Vec<Sample> {
    let setup = SetupPage {
        chrome: outside(),
        help: "For a new one, run keyrack admin setup-link.".into(),
        ..SetupPage::default()
    };
    let sign_in = SignInPage { chrome: outside(), ..SignInPage::default() };
    let sign_up = SignUpPage { chrome: outside(), ..SignUpPage::default() };
    let join = JoinPage { chrome: outside(), action: "/join".into(), ..JoinPage::default() };
    let opened = |who| JoinPage {
        token: "t0ken".into(),
        invitation: Some(Invitation {
            organization: "Acme".into(),
            role: "builder: creates keys, sees and revokes their own".into(),
            by: "Ada Admin".into(),
            email: "ben@acme.example".into(),
            who,
        }),
        ..join.clone()
    };
    let weak = mistakes(&[("email", "Enter an e-mail address."), ("password", "Use at least 12 characters.")]);
    vec![
        ("setup-mistakes", Box::new(SetupPage { errors: weak.clone(), ..setup.clone() })),
        ("setup", Box::new(setup)),
        (
            "sign-in-wrong",
            Box::new(SignInPage {
                email: "ada@acme.example".into(),
                next: "/orgs/acme/settings/members".into(),
                errors: Errors::about_all("Email or password is wrong."),
                ..sign_in.clone()
            }),
        ),
        (
            "sign-in-no-users",
            Box::new(SignInPage {
                no_users: Some(
                    "No account exists yet. See the server's log for the setup link, or run keyrack admin setup-link."
                        .into(),
                ),
                ..sign_in.clone()
            }),
        ),
        ("sign-in", Box::new(SignInPage { sign_up_open: true, ..sign_in })),
        ("sign-up-mistakes", Box::new(SignUpPage { errors: weak, ..sign_up.clone() })),
        ("sign-up", Box::new(sign_up)),
        ("join", Box::new(join.clone())),
        ("join-new", Box::new(opened(Invited::New))),
        ("join-known", Box::new(opened(Invited::Known))),
        ("join-signed-in", Box::new(opened(Invited::SignedIn))),
        ("join-another", Box::new(opened(Invited::Another))),
        (
            "notice-signed-out",
            Box::new(NoticePage {
                chrome: outside(),
                title: "You are signed out".into(),
                text: "Your session has ended on this server too.".into(),
                links: vec![Link { url: "/sign-in".into(), text: "Sign in".into() }],
            }),
        ),
    ]
}

fn devices() -> Vec<Sample> {
    let page = DevicePage {
        chrome: chrome(Nav::None),
        command: "keyrack auth login".into(),
        user_code: "BCDF-GHJK".into(),
        ..DevicePage::default()
    };
    let orgs = vec![Choice::new("acme", "Acme", true).hint("as admin"), Choice::new("globex", "Globex", false)];
    let waiting = |orgs| DeviceView {
        code: "BCDF-GHJK".into(),
        name: "ada-laptop".into(),
        system: "Linux".into(),
        address: "203.0.113.7".into(),
        asked: time("just now"),
        until: "19 Feb 2027".into(),
        person: "Ada Admin (ada@acme.example)".into(),
        orgs,
    };
    let shown = |orgs, errors| DevicePage { device: Some(waiting(orgs)), errors, ..page.clone() };
    vec![
        ("device-wrong", Box::new(DevicePage { errors: mistakes(&[("user_code", "Wrong.")]), ..page.clone() })),
        ("device-nowhere", Box::new(shown(Vec::new(), Errors::none()))),
        ("device-one", Box::new(shown(orgs[..1].to_vec(), Errors::none()))),
        ("device-mistake", Box::new(shown(orgs.clone(), Errors::about_all("Choose one of your organizations.")))),
        ("device-many", Box::new(shown(orgs, Errors::none()))),
        ("device", Box::new(page)),
    ]
}

fn roles() -> Vec<Choice> {
    vec![
        Choice::new("owner", "Owner", false).hint("Everything, with plan, organization and other owners"),
        Choice::new("admin", "Admin", false).hint("Sees and revokes all keys, invites and removes members"),
        Choice::new("builder", "Builder", true).hint("Creates keys, sees and revokes their own"),
    ]
}

fn member_list() -> MembersPage {
    let member = |id: &str, name: &str, role: &str, keys: &str| MemberRow {
        id: id.into(),
        name: name.into(),
        email: format!("{id}@acme.example"),
        role: role.into(),
        role_url: format!("{SETTINGS}/members/{id}/role"),
        keys: keys.into(),
        keys_url: Some(format!("{BASE}?owner={id}")),
        joined: time("3 Nov 2026"),
        ..MemberRow::default()
    };
    MembersPage {
        chrome: chrome(Nav::Members),
        rows: vec![
            MemberRow {
                role_note: "The last owner stays one.".into(),
                ..member("olive", "Olive Owner", "owner", "1 active key")
            },
            MemberRow { is_you: true, ..member("ada", "Ada Admin", "admin", "3 active keys") },
            MemberRow {
                roles: roles().split_off(1),
                remove_url: Some(format!("{SETTINGS}/members/ben/remove")),
                ..member("ben", "Ben Builder", "builder", "2 active keys")
            },
            MemberRow {
                roles: roles().split_off(1),
                remove_url: Some(format!("{SETTINGS}/members/bea/remove")),
                keys_url: None,
                ..member("bea", "Bea Builder", "builder", "No keys")
            },
        ],
        invitations: vec![
            InvitationRow {
                email: "nina@acme.example".into(),
                role: "builder".into(),
                by: "you".into(),
                expires: time("28 Nov"),
                is_expired: false,
                withdraw_url: Some(format!("{SETTINGS}/members/invite/i1/withdraw")),
            },
            InvitationRow {
                email: "otto@acme.example".into(),
                is_expired: true,
                expires: time("3 Nov"),
                ..InvitationRow::default()
            },
        ],
        invite_url: Some(format!("{SETTINGS}/members/invite")),
        roles: roles(),
    }
}

fn members() -> Vec<Sample> {
    let list = member_list();
    let invite = InvitePage {
        chrome: chrome(Nav::Members),
        url: format!("{SETTINGS}/members/invite"),
        back_url: format!("{SETTINGS}/members"),
        nonce: "n0nce".into(),
        roles: roles(),
        ..InvitePage::default()
    };
    let remove = RemoveMemberPage {
        chrome: chrome(Nav::Members),
        url: format!("{SETTINGS}/members/ben/remove"),
        back_url: format!("{SETTINGS}/members"),
        name: "Ben Builder".into(),
        organization: "Acme".into(),
        keys: vec![
            line("BRTRKFsL", "CI/CD pipeline", "Used 4 min ago"),
            line("9fQaXm2P", "Deploy script", "Never used"),
        ],
        ..RemoveMemberPage::default()
    };
    vec![
        ("members-builder", Box::new(MembersPage { invite_url: None, invitations: Vec::new(), ..list.clone() })),
        ("members", Box::new(list)),
        (
            "member-invite-mistakes",
            Box::new(InvitePage {
                errors: mistakes(&[("email", "This person is a member already.")]),
                ..invite.clone()
            }),
        ),
        ("member-invite", Box::new(invite)),
        (
            "member-invited",
            Box::new(InvitedPage {
                chrome: chrome(Nav::Members),
                back_url: format!("{SETTINGS}/members"),
                email: "nina@acme.example".into(),
                role: "builder".into(),
                link: "https://keys.acme.example/join#N2Zl-91Qa-ZZke-08Yw".into(),
                expires: time("28 Nov 2026, 04:42 UTC"),
            }),
        ),
        ("member-remove-no-keys", Box::new(RemoveMemberPage { keys: Vec::new(), ..remove.clone() })),
        (
            "member-remove-refused",
            Box::new(RemoveMemberPage { refused: Some("An organization needs an owner.".into()), ..remove.clone() }),
        ),
        ("member-remove", Box::new(remove)),
    ]
}

fn orgs() -> Vec<Sample> {
    let row = |name: &str, slug: &str, is_current| OrgRow {
        name: name.into(),
        slug: slug.into(),
        role: "admin".into(),
        plan: "Standard".into(),
        members: "4 members".into(),
        is_current,
    };
    let list = OrgsPage {
        chrome: chrome(Nav::Orgs),
        rows: vec![row("Acme", "acme", true), row("Globex Corporation", "globex", false)],
        may_create: true,
        nonce: "n0nce".into(),
        ..OrgsPage::default()
    };
    let settings = OrganizationPage {
        chrome: chrome(Nav::Organization),
        url: format!("{SETTINGS}/organization"),
        name: "Acme".into(),
        slug: "acme".into(),
        created: time("3 Nov 2026"),
        may_rename: true,
        leave_url: Some(format!("{SETTINGS}/organization/leave")),
        ..OrganizationPage::default()
    };
    let reader = OrganizationPage {
        may_rename: false,
        ask: "Ask an owner: Olive.".into(),
        leave_url: None,
        leave_refused: Some("You are the last owner. Make someone else an owner first.".into()),
        ..settings.clone()
    };
    let leave = LeavePage {
        chrome: chrome(Nav::Organization),
        url: format!("{SETTINGS}/organization/leave"),
        back_url: format!("{SETTINGS}/organization"),
        organization: "Acme".into(),
        keys: vec![line("BRTRKFsL", "CI/CD pipeline", "Used 4 min ago")],
        errors: Errors::none(),
    };
    vec![
        ("orgs-none", Box::new(OrgsPage { rows: Vec::new(), ..list.clone() })),
        (
            "orgs-mistakes",
            Box::new(OrgsPage { errors: mistakes(&[("organization", "Enter a name.")]), ..list.clone() }),
        ),
        ("orgs", Box::new(list)),
        ("organization", Box::new(settings)),
        ("organization-reader", Box::new(reader)),
        ("org-leave-no-keys", Box::new(LeavePage { keys: Vec::new(), ..leave.clone() })),
        ("org-leave", Box::new(leave)),
    ]
}

fn profiles() -> Vec<Sample> {
    let profile = |id: &str, name: &str, rename| ProfileRow {
        id: id.into(),
        name: name.into(),
        keys: "3 active keys".into(),
        keys_url: format!("{BASE}?profile={id}"),
        created: time("3 Nov 2026"),
        rename_url: if rename { Some(format!("{SETTINGS}/profiles/{id}")) } else { None },
    };
    let profiles = ProfilesPage {
        chrome: chrome(Nav::Profiles),
        url: format!("{SETTINGS}/profiles"),
        rows: vec![profile("prof_123", "Web app", true), profile("prof_456", "Mobile app", true)],
        may_edit: true,
        nonce: "n0nce".into(),
        ..ProfilesPage::default()
    };
    let reading =
        ProfilesPage { may_edit: false, rows: vec![profile("prof_123", "Web app", false)], ..profiles.clone() };
    vec![
        ("profiles", Box::new(profiles)),
        ("profiles-reader", Box::new(reading)),
        (
            "profile",
            Box::new(ProfilePage {
                chrome: chrome(Nav::Profiles),
                url: format!("{SETTINGS}/profiles/prof_123"),
                back_url: format!("{SETTINGS}/profiles"),
                old_name: "Web app".into(),
                name: "Web app".into(),
                errors: mistakes(&[("name", "There is a profile of this name already.")]),
            }),
        ),
    ]
}

fn plan() -> PlanPage {
    let column = |name: &str, price: &str, api_keys, keys: &str, is_current| PlanColumn {
        name: name.into(),
        price: price.into(),
        api_keys,
        active_keys: keys.into(),
        creations: "5 per hour".into(),
        requests: "600 per minute".into(),
        is_current,
        id: name.to_lowercase().replace('+', "-plus"),
        ..PlanColumn::default()
    };
    PlanPage {
        chrome: chrome(Nav::Plan),
        plan: "Pro".into(),
        meters: vec![
            Meter { text: "3 of 5 active keys".into(), label: "Active keys".into(), value: 3, max: Some(5) },
            Meter {
                text: "4 of 5 new keys this hour, next at 14:20".into(),
                label: "New keys this hour".into(),
                value: 4,
                max: Some(5),
            },
        ],
        plans: vec![
            column("Starter", "Free", false, "", false),
            column("Pro", "€19 per month", true, "5", true),
            column("Agency", "€79 per month", true, "No limit", false),
        ],
        upgrade_url: Some("https://acme.example/billing".into()),
        url: format!("{SETTINGS}/plan"),
        ..PlanPage::default()
    }
}

/// What a member sees who asked for a plan already.
fn plan_of_builder() -> PlanPage {
    let mut page = PlanPage {
        upgrade_url: None,
        ask: Some("Ask an owner: Olive. Only owners change the plan.".into()),
        refused: "12 requests were refused in the last 24 hours because they went over the limit.".into(),
        ..plan()
    };
    page.plans[0].ask = "Ask for Starter".into();
    page.plans[0].warning = "Your 3 active keys would be refused.".into();
    page.plans[2].asked = Some(time("2 hours ago"));
    page
}

/// What an owner sees after a downgrade, where plans are sold elsewhere and somebody asks.
fn plan_exceeded() -> PlanPage {
    let mut page = PlanPage {
        overrun: Some(overrun()),
        requests: vec![RequestRow {
            user: "usr_ben".into(),
            name: "Ben Builder".into(),
            plan: "Agency".into(),
            asked: time("2 hours ago"),
        }],
        errors: Errors::about_all("Pro is your plan already."),
        ..plan()
    };
    page.plans[2].buy =
        Some(Link { url: "https://acme.example/billing?plan=agency".into(), text: "Upgrade to Agency".into() });
    page
}

pub(super) fn overrun() -> Overrun {
    Overrun {
        text: "7 keys are active, and the Pro plan has room for 5. All of them keep working.".into(),
        links: vec![Link { url: BASE.into(), text: "Show active keys".into() }],
    }
}

fn leaks() -> Vec<Sample> {
    let desk = || LeaksPage {
        chrome: chrome(Nav::Leaks),
        url: format!("{SETTINGS}/leaks"),
        sources: "Reports of GitHub are taken.".into(),
        ..LeaksPage::default()
    };
    let found = FoundKey {
        name: "CI/CD pipeline".into(),
        url: format!("{BASE}/BRTRKFsL"),
        preview: "kr_BRTRK••••••••".into(),
        owner: "Ben Builder".into(),
        status_kind: "rotating",
        status: "Rotating".into(),
        secret: "The old secret, which still works".into(),
        last_used: Some(time("2 minutes ago")),
        used_by: "203.0.113.7, curl/8.5".into(),
        revoke_url: Some(format!("{BASE}/BRTRKFsL/revoke")),
        finish_url: Some(format!("{BASE}/BRTRKFsL/rotate/finish")),
    };
    let report = LeakRow {
        name: "Deploy script".into(),
        url: format!("{BASE}/Xy7Pq2Lm"),
        secret: "the current secret",
        by: "GitHub secret scanning".into(),
        place: "https://github.com/acme/app/blob/0123456789abcdef0123456789abcdef01234567/config/production.env".into(),
        at: time("3 hours ago"),
        done: "Revoked",
    };
    vec![
        ("leaks", Box::new(LeaksPage { reports: vec![report.clone()], ..desk() })),
        ("leaks-found", Box::new(LeaksPage { found: Some(found), reports: vec![report], ..desk() })),
        ("leaks-unknown", Box::new(LeaksPage { is_unknown: true, ..desk() })),
    ]
}

fn audit() -> AuditPage {
    let change = |field: &str, before: &str, after: &str| Change {
        field: field.into(),
        before: before.into(),
        after: after.into(),
    };
    let row = |seq: &str, action: &str, object: &str, changes| AuditRow {
        seq: seq.into(),
        at: time("5 min ago"),
        actor: "Ada Admin".into(),
        credential: "session".into(),
        action: action.into(),
        action_code: "key.revoked".into(),
        object: object.into(),
        object_id: "BRTRKFsL".into(),
        changes,
        address: "203.0.113.7".into(),
        via: "web".into(),
        request_id: "01JD4Z8Q".into(),
        hash: "3fa9c1d20b".into(),
    };
    AuditPage {
        chrome: chrome(Nav::Audit),
        url: format!("{SETTINGS}/audit"),
        actor: vec![Choice::new("", "Everyone", true), Choice::new("u1", "Ada Admin", false)],
        action: vec![Choice::new("", "Any action", true), Choice::new("key.revoked", "Revoked an API key", false)],
        rows: vec![
            row(
                "214",
                "Revoked an API key",
                "CI/CD pipeline",
                vec![change("status", "active", "revoked"), change("reason", "", "laptop lost")],
            ),
            row("213", "Changed a role", "Ben Builder", vec![change("role", "builder", "admin")]),
            row("212", "Signed in", "", Vec::new()),
        ],
        pager: Pager { text: "1–50 of 214".into(), previous: None, next: Some(format!("{SETTINGS}/audit?page=2")) },
        csv_url: format!("{SETTINGS}/audit?format=csv"),
        jsonl_url: format!("{SETTINGS}/audit?format=jsonl"),
        chain: "Chain intact: 214 entries".into(),
        chain_ok: true,
        ..AuditPage::default()
    }
}

fn logs() -> LogsPage {
    let row = |id: &str, kind: &'static str, status: &str| LogRow {
        id: id.into(),
        iso: "2026-11-21T14:05:09Z".into(),
        clock: "14:05:09 UTC".into(),
        day: "21 Nov 2026".into(),
        method: "GET".into(),
        path: "/v1/render/some-very-long-name-of-a-document-without-any-space-in-between".into(),
        stands_for: None,
        key_name: "CI/CD pipeline".into(),
        key_preview: "kr_BRTRK••••••••".into(),
        key_url: "/orgs/acme/logs?key=BRTRKFsL".into(),
        kind,
        status: status.into(),
        took: "12 ms".into(),
        is_error: kind != "active",
        address: "203.0.113.7".into(),
        client: "curl/8.5.0".into(),
        request_id: "01JD4Z8Q".into(),
    };
    let none = LogRow { method: String::new(), path: String::new(), ..row("3", "", "Let in") };
    LogsPage {
        chrome: chrome(Nav::Logs),
        url: "/orgs/acme/logs".into(),
        intro: "Requests that came with a key of this organization.".into(),
        key: vec![Choice::new("", "All keys", true), Choice::new("BRTRKFsL", "CI/CD pipeline", false)],
        status: vec![Choice::new("", "Any", true), Choice::new("4xx", "4xx", false)],
        since: vec![Choice::new("", "Any time", true), Choice::new("1h", "Last hour", false)],
        rows: vec![
            row("5", "active", "200"),
            row("4", "revoked", "401 Revoked"),
            LogRow { stands_for: Some("stands for 40 requests".into()), ..none },
        ],
        retention: "Requests are kept for 7 days.".into(),
        newest_url: "/orgs/acme/logs".into(),
        older_url: Some("/orgs/acme/logs?before=3".into()),
        live_on: Some("/orgs/acme/logs?live=1".into()),
        ..LogsPage::default()
    }
}

fn live(page: LogsPage) -> LogsPage {
    LogsPage {
        live_on: None,
        live_off: Some("/orgs/acme/logs".into()),
        stream: Some("/orgs/acme/logs/stream?last_event_id=5".into()),
        ..page
    }
}

fn rest() -> Vec<Sample> {
    let nothing = || LogsPage { rows: Vec::new(), empty: "No requests yet".into(), older_url: None, ..logs() };
    vec![
        ("logs", Box::new(logs())),
        ("logs-live", Box::new(live(logs()))),
        ("logs-live-empty", Box::new(live(nothing()))),
        ("logs-empty", Box::new(LogsPage { any: true, ..nothing() })),
        (
            "logs-mistake",
            Box::new(LogsPage { errors: mistakes(&[("status", "Write a status like 200.")]), ..nothing() }),
        ),
        ("plan-exceeded", Box::new(plan_exceeded())),
        ("plan-builder", Box::new(plan_of_builder())),
        ("plan", Box::new(plan())),
        (
            "audit-empty",
            Box::new(AuditPage {
                rows: Vec::new(),
                any: true,
                chain_ok: false,
                chain: "The chain is broken at entry 17".into(),
                ..audit()
            }),
        ),
        ("audit-mistakes", Box::new(AuditPage { errors: Errors::about_all("“From” lies after “To”."), ..audit() })),
        ("audit", Box::new(audit())),
    ]
}

fn account() -> Vec<Sample> {
    let session = |id: &str, client: &str, is_current| SessionRow {
        id: id.into(),
        client: client.into(),
        address: "203.0.113.7".into(),
        started: time("3 Nov"),
        seen: time("just now"),
        is_current,
    };
    let command_line = |id: &str, used| CommandLineRow {
        id: id.into(),
        name: "ada-laptop".into(),
        address: "203.0.113.7".into(),
        started: time("3 Nov"),
        used,
        until: "1 Feb 2027".into(),
    };
    let event = |text: &str| SecurityEvent {
        at: time("2 h ago"),
        text: text.into(),
        address: "203.0.113.7".into(),
        client: "Firefox on Linux".into(),
    };
    let security = SecurityPage {
        chrome: chrome(Nav::Security),
        email: "ada@acme.example".into(),
        name: "Ada".into(),
        events: vec![event("Signed in"), event("Wrong password"), event("Changed the password")],
        ..SecurityPage::default()
    };
    let theme = |value: &str, label: &str, hint: &str, on| Choice::new(value, label, on).hint(hint);
    vec![
        (
            "security-mistakes",
            Box::new(SecurityPage {
                errors: mistakes(&[("current_password", "This is not your password.")]),
                ..security.clone()
            }),
        ),
        ("security", Box::new(security)),
        (
            "sessions",
            Box::new(SessionsPage {
                chrome: chrome(Nav::Sessions),
                rows: vec![session("s1", "Firefox on Linux", true), session("s2", "Chrome on Android", false)],
                command_lines: vec![command_line("c1", Some(time("2 h ago"))), command_line("c2", None)],
            }),
        ),
        (
            "appearance",
            Box::new(AppearancePage {
                chrome: chrome(Nav::Appearance),
                themes: vec![
                    theme("system", "System", "Follows your device", true),
                    theme("light", "Light", "", false),
                    theme("dark", "Dark", "", false),
                ],
                errors: Errors::none(),
            }),
        ),
    ]
}

fn errors() -> Vec<Sample> {
    let page = |status| ErrorPage::new(chrome(Nav::None), status, None, "01JD4Z8QW3");
    vec![
        ("error-400", Box::new(page(400))),
        ("error-401", Box::new(ErrorPage::new(outside(), 401, None, ""))),
        ("error-403", Box::new(page(403))),
        ("error-404", Box::new(page(404))),
        ("error-405", Box::new(page(405))),
        ("error-409", Box::new(page(409))),
        ("error-413", Box::new(page(413))),
        ("error-415", Box::new(page(415))),
        ("error-422", Box::new(page(422))),
        ("error-429", Box::new(page(429))),
        ("error-500", Box::new(page(500))),
        ("error-503", Box::new(ErrorPage::new(outside(), 503, None, "01JD4Z8QW3"))),
    ]
}
