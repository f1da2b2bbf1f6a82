//! Belonging to an organization: roles, leaving, what becomes of keys; organizations, profiles, the audit log.

use futures_util::future::join_all;
use keyrack::actions::{act_in, people};
use keyrack::domain::org::Role;

use crate::support::TestApp;

const MEMBERS: &str = "/orgs/acme/settings/members";

fn role_url(who: &str) -> String {
    format!("{MEMBERS}/usr_{who}/role")
}

fn remove_url(who: &str) -> String {
    format!("{MEMBERS}/usr_{who}/remove")
}

fn owners(app: &TestApp) -> i64 {
    app.database.number("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme' AND role = 'owner'")
}

#[actix_web::test]
async fn who_may_give_whom_which_role() {
    // Actor, target, new role, answer.
    for (actor, target, role, status) in [
        ("olive", "ada", "owner", 303),
        ("olive", "ben", "admin", 303),
        ("olive", "olive", "admin", 409),
        ("olive", "ben", "king", 422),
        ("olive", "xavier", "builder", 404),
        ("ada", "ben", "admin", 303),
        ("ada", "ben", "owner", 403),
        ("ada", "olive", "builder", 403),
        ("ada", "ada", "builder", 303),
        ("ada", "ada", "owner", 403),
        ("ben", "bea", "admin", 403),
        ("ben", "ben", "admin", 403),
        ("ben", "ben", "builder", 403),
        ("xavier", "ben", "admin", 404),
    ] {
        let app = TestApp::new();
        let answer = app.sign_in(actor).await.post(&role_url(target), &[("role", role)]).await;
        assert_eq!(answer.status, status, "{actor} makes {target} {role}: {}", answer.text());
        let changed = app.database.number("SELECT COUNT(*) AS n FROM audit_log WHERE action = 'member.role_changed'");
        assert_eq!(changed, i64::from(status == 303), "{actor} makes {target} {role}");
    }
}

#[actix_web::test]
async fn who_may_remove_whom() {
    for (actor, target, status) in [
        ("olive", "ada", 303),
        ("olive", "olive", 409),
        ("ada", "ben", 303),
        ("ada", "olive", 403),
        ("ada", "ada", 303),
        ("ben", "bea", 403),
        ("ben", "ben", 303),
        ("xavier", "ben", 404),
    ] {
        let app = TestApp::new();
        let visitor = app.sign_in(actor).await;
        let answer = visitor.post(&remove_url(target), &[("keys", "revoke")]).await;
        assert_eq!(answer.status, status, "{actor} removes {target}: {}", answer.text());
        let sql = format!("SELECT COUNT(*) AS n FROM memberships WHERE user_id = 'usr_{target}'");
        assert_eq!(app.database.number(&sql), i64::from(status != 303), "{actor} removes {target}");
    }
}

#[actix_web::test]
async fn the_list_shows_each_role_what_it_may_do() {
    let app = TestApp::new();
    app.db_create_key("ben", "ci");
    let page = app.sign_in("ada").await.get(MEMBERS).await.assert_status(200);
    page.assert_has(&format!("form[action='{}']", role_url("ben")))
        .assert_has(&format!("a[href='{}']", remove_url("ben")))
        .assert_has_not(&format!("form[action='{}']", role_url("olive")))
        .assert_has_not(&format!("a[href='{}']", remove_url("olive")))
        .assert_has_not(&format!("form[action='{}'] option[value=owner]", role_url("ben")))
        .assert_see("1 active key");
    let page = app.sign_in("ben").await.get(MEMBERS).await.assert_status(200);
    page.assert_has_not("form[action$=role]").assert_has_not("a[href$=remove]").assert_has_not("a[href$=invite]");
    app.sign_in("xavier").await.get(MEMBERS).await.assert_status(404);
    app.visitor().get(MEMBERS).await.assert_status(303);
}

#[actix_web::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    for _ in 0..5 {
        let app = TestApp::new();
        let olive = app.sign_in("olive").await;
        olive.post(&role_url("ada"), &[("role", "owner")]).await.assert_status(303);
        let ada = app.sign_in("ada").await;
        let (of_ada, of_olive) = (role_url("ada"), role_url("olive"));
        let demote = [olive.post(&of_ada, &[("role", "builder")]), ada.post(&of_olive, &[("role", "builder")])];
        let statuses: Vec<u16> = join_all(demote).await.into_iter().map(|answer| answer.status).collect();
        assert_eq!(owners(&app), 1, "{statuses:?}");
    }
}

#[test]
fn owners_who_all_leave_at_once_leave_one() {
    let app = TestApp::new();
    app.database.execute("UPDATE memberships SET role = 'owner' WHERE org_id = 'org_acme'");
    let (state, start) = (app.state.clone(), std::sync::Barrier::new(4));
    let left: usize = std::thread::scope(|threads| {
        let leaving: Vec<_> = ["olive", "ada", "ben", "bea"]
            .map(|who| {
                let (state, start) = (&state, &start);
                threads.spawn(move || {
                    use keyrack::actions::{Ctx, Origin, Who};
                    let origin = Origin { via: "page", ..Origin::default() };
                    let ctx = Ctx { rules: &state.rules, clock: &state.clock, origin: &origin };
                    let user = format!("usr_{who}").as_str().into();
                    let who = Who::Person { user, session: "ses_test".into() };
                    start.wait();
                    state.db.run(|conn| act_in(conn, ctx, &who, "acme", people::leave)).is_ok()
                })
            })
            .into();
        leaving.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(left, 3);
    assert_eq!(owners(&app), 1);
}

#[actix_web::test]
async fn the_keys_of_a_removed_member_are_listed_and_revoked() {
    let app = TestApp::new();
    let (ci, own) = (app.db_create_key("ben", "ci"), app.db_create_key("bea", "hers"));
    let ada = app.sign_in("ada").await;
    ada.get(&remove_url("ben")).await.assert_status(200).assert_see("ci").assert_dont_see("hers");
    ada.post(&remove_url("ben"), &[("keys", "burn")]).await.assert_status(422);
    app.key(&ci.secret).get("/v1/whoami").await.assert_status(200);
    ada.post(&remove_url("ben"), &[]).await.assert_goes_to(MEMBERS);
    app.key(&ci.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    app.key(&own.secret).get("/v1/whoami").await.assert_status(200);
    ada.get(MEMBERS).await.assert_see("no longer work").assert_dont_see("ben@acme.example");
}

#[actix_web::test]
async fn a_removed_member_is_out_with_the_next_request() {
    let app = TestApp::new();
    let (olive, ben) = (app.sign_in("olive").await, app.sign_in("ben").await);
    ben.get("/orgs/acme/settings/api-keys").await.assert_status(200);
    olive.post(&remove_url("ben"), &[]).await.assert_status(303);
    ben.get("/orgs/acme/settings/api-keys").await.assert_status(404);
    ben.get("/settings/api-keys").await.assert_goes_to("/orgs");
    ben.get("/orgs").await.assert_status(200);
}

#[actix_web::test]
async fn keys_that_are_handed_over_act_as_the_one_who_took_them_with_no_more_than_they_had() {
    let app = TestApp::new();
    let ci = app.db_create_key("ben", "ci");
    let ada = app.sign_in("ada").await;
    ada.post(&remove_url("ben"), &[("keys", "transfer")]).await.assert_status(303);
    let answer = app.key(&ci.secret).get("/v1/whoami").await.assert_status(200).json();
    assert_eq!(
        (answer["user"]["email"].as_str(), answer["role"].as_str()),
        (Some("ada@acme.example"), Some("builder"))
    );
    ada.post(&remove_url("ada"), &[("keys", "transfer")])
        .await
        .assert_status(409)
        .assert_see("Your own keys can only be revoked");
    app.key(&ci.secret).get("/v1/whoami").await.assert_status(200);
}

#[actix_web::test]
async fn leaving_revokes_ones_keys_and_the_last_owner_stays() {
    let app = TestApp::new();
    let url = "/orgs/acme/settings/organization/leave";
    let ci = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    ben.get(url).await.assert_status(200).assert_see("ci");
    ben.post(url, &[]).await.assert_goes_to("/orgs");
    app.key(&ci.secret).get("/v1/whoami").await.assert_problem(401, "UNAUTHORIZED");
    app.sign_in("olive").await.post(url, &[]).await.assert_status(409).assert_see("needs an owner");
}

#[actix_web::test]
async fn organizations_are_founded_once_per_form_and_switched_between() {
    let app = TestApp::new();
    let ben = app.sign_in("ben").await;
    let nonce = ben.get("/orgs").await.assert_status(200).assert_see("Acme").field("nonce");
    let form = [("organization", "Acme"), ("nonce", nonce.as_str())];
    ben.post("/orgs", &form).await.assert_goes_to("/orgs/acme-2/settings/api-keys");
    ben.post("/orgs", &form).await.assert_goes_to("/orgs/acme-2/settings/api-keys");
    ben.get("/settings/api-keys").await.assert_goes_to("/orgs/acme-2/settings/api-keys");
    ben.post("/orgs", &[("switch", "acme")]).await.assert_goes_to("/orgs/acme/settings/api-keys");
    ben.get("/settings/api-keys").await.assert_goes_to("/orgs/acme/settings/api-keys");
    ben.post("/orgs", &[("switch", "1"), ("organization", "acme-2")]).await.assert_status(303);
    ben.post("/orgs", &[("switch", "globex")]).await.assert_status(404);
    ben.post("/orgs", &[("organization", "  ")]).await.assert_status(422);
    assert_eq!(app.database.number("SELECT COUNT(*) AS n FROM orgs"), 3);
    let sql = "SELECT role AS line FROM memberships m JOIN orgs o ON o.id = m.org_id WHERE o.slug = 'acme-2'";
    assert_eq!(app.database.lines(sql), [Role::Owner.as_str()]);
}

#[actix_web::test]
async fn only_owners_rename_the_organization_and_its_address_stays() {
    let app = TestApp::new();
    let url = "/orgs/acme/settings/organization";
    app.sign_in("ada").await.post(url, &[("name", "Ada's")]).await.assert_status(403);
    app.sign_in("ada").await.get(url).await.assert_status(200).assert_see("Ask an owner: Olive.");
    let olive = app.sign_in("olive").await;
    olive.post(url, &[("name", "")]).await.assert_status(422);
    olive.post(url, &[("name", "Acme & Co <b>")]).await.assert_goes_to(url);
    olive.get(url).await.assert_status(200).assert_see("Acme & Co <b>");
}

#[actix_web::test]
async fn profiles_are_made_and_renamed_by_admins() {
    let app = TestApp::new();
    let url = "/orgs/acme/settings/profiles";
    let (ada, ben) = (app.sign_in("ada").await, app.sign_in("ben").await);
    ben.get(url).await.assert_status(200).assert_see("Default").assert_has_not("input[name=name]");
    ben.post(url, &[("name", "Mine")]).await.assert_status(403);
    ada.fill_in(url, url, &[("name", "Mobile app")]).await.assert_goes_to(url);
    ada.post(url, &[("name", "mobile APP")]).await.assert_status(422).assert_see("There is a profile named");
    let rename = format!("{url}/prof_acme");
    ada.get(&rename).await.assert_status(200).assert_see("Default");
    ada.post(&rename, &[("name", "Backend")]).await.assert_goes_to(url);
    ada.post(&format!("{url}/prof_globex"), &[("name", "Stolen")]).await.assert_status(404);
    ben.post(&rename, &[("name", "Ben")]).await.assert_status(403);
    ada.get(url).await.assert_see("Backend").assert_see("Mobile app");
}

#[actix_web::test]
async fn the_plan_page_shows_limits_and_whom_to_ask() {
    let app = TestApp::with_limits(5, 3);
    app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    let page = ben.get("/orgs/acme/settings/plan").await.assert_status(200);
    page.assert_see("Standard").assert_see("1 of 5 active keys").assert_see("Ask an owner: Olive.");
    app.sign_in("xavier").await.get("/orgs/acme/settings/plan").await.assert_status(404);
}

#[actix_web::test]
async fn the_audit_log_is_for_admins_and_filters() {
    let app = TestApp::new();
    let url = "/orgs/acme/settings/audit";
    app.db_create_key("ben", "ci");
    app.sign_in("ben").await.get(url).await.assert_status(403);
    app.sign_in("xavier").await.get(url).await.assert_status(404);
    let ada = app.sign_in("ada").await;
    ada.post(&role_url("bea"), &[("role", "admin")]).await.assert_status(303);
    ada.get(url).await.assert_status(200).assert_see("Chain intact: 2 entries").assert_see("Created the API key");
    let page = ada.get(&format!("{url}?action=member.")).await.assert_status(200);
    page.assert_see("Changed the role of").assert_dont_see("Created the API key");
    ada.get(&format!("{url}?actor=usr_ben")).await.assert_see("ci").assert_dont_see("Changed the role of");
    ada.get(&format!("{url}?q=nothing")).await.assert_see("No entries match");
    ada.get(&format!("{url}?since=2001-01-01&until=2001-01-02")).await.assert_see("No entries match");
    ada.get(&format!("{url}?since=soon")).await.assert_status(422);
}

#[actix_web::test]
async fn an_exported_log_holds_no_formulas() {
    let app = TestApp::new();
    app.db_create_key("ben", "=HYPERLINK(\"http://evil.example\")");
    app.db_create_key("ben", "@cmd, \"quoted\"");
    let ada = app.sign_in("ada").await;
    let csv = ada.get("/orgs/acme/settings/audit/export?format=csv").await.assert_status(200);
    assert!(csv.header("content-disposition").unwrap().contains("attachment; filename=\"acme-audit-"));
    let mut reader = csv::Reader::from_reader(csv.body.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    for cell in rows.iter().flat_map(csv::StringRecord::iter) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
    assert!(rows.iter().any(|row| row.iter().any(|cell| cell == "'@cmd, \"quoted\"")));
    let lines = ada.get("/orgs/acme/settings/audit/export?format=jsonl&action=key.").await.assert_status(200);
    let lines: Vec<serde_json::Value> = lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["prev_hash"], lines[1]["hash"]);
    app.sign_in("ben").await.get("/orgs/acme/settings/audit/export").await.assert_status(403);
}

#[actix_web::test]
async fn tampering_with_the_log_shows() {
    let app = TestApp::new();
    for name in ["one", "two", "three"] {
        app.db_create_key("ben", name);
    }
    let ada = app.sign_in("ada").await;
    let url = "/orgs/acme/settings/audit";
    ada.get(url).await.assert_see("Chain intact: 3 entries");
    for (harm, mend, words) in [
        (
            "UPDATE audit_log SET actor_name = 'Eve' WHERE seq = 2",
            "UPDATE audit_log SET actor_name = 'Ben' WHERE seq = 2",
            "line 2 was changed",
        ),
        (
            "UPDATE audit_log SET seq = 9 WHERE seq = 2",
            "UPDATE audit_log SET seq = 2 WHERE seq = 9",
            "line 2 is missing",
        ),
        (
            "UPDATE audit_log SET chain = 'server' WHERE seq = 3 AND chain = 'org_acme'",
            "UPDATE audit_log SET chain = 'org_acme' WHERE seq = 3 AND chain = 'server'",
            "the last lines are missing",
        ),
    ] {
        if words.starts_with("the last") {
            app.database.execute("INSERT INTO audit_chains (chain, seq, head) VALUES ('server', 0, '')");
        }
        assert_eq!(app.database.execute(harm), 1, "{harm}");
        ada.get(url).await.assert_see("Chain broken").assert_see(words);
        app.database.execute(mend);
    }
    ada.get(url).await.assert_see("Chain intact: 3 entries");
}
