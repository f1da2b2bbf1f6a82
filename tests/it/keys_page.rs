//! Settings → API keys, as people see it: who is shown which button, what a form says of mistakes, what happens to a secret.

use keyrack::actions::keys::NewKey;
use keyrack::actions::people::create_profile;
use keyrack::db;
use keyrack::domain::time::Span;

use crate::support::TestApp;
use crate::support::app::{Request, plan};
use crate::support::keys::{LIST, at, key_in, post_key, rotate, secret_in};

fn names(page: &crate::support::answer::Answer) -> Vec<String> {
    page.select("#rows a.name")
}

#[actix_web::test]
async fn a_builder_sees_their_own_keys_and_an_admin_everybodys() {
    let app = TestApp::new();
    let [ben, bea, olive] = ["ben", "bea", "olive"].map(|who| app.db_create_key(who, &format!("key of {who}")));
    app.db_create_key("xavier", "key of xavier");
    let page = app.enter("ben").get(LIST).await.assert_status(200).assert_has_not("#owner").assert_has("#new-key");
    assert_eq!(names(&page), ["key of ben"]);
    let page = page.assert_has(&format!("#rotate-{}", ben.id)).assert_has(&format!("#revoke-{}", ben.id));
    page.assert_dont_see("Bea").assert_dont_see("Olive");
    for who in ["ada", "olive"] {
        let page = app.enter(who).get(LIST).await.assert_status(200).assert_has("#owner").assert_has("#new-key");
        assert_eq!(names(&page), ["key of olive", "key of bea", "key of ben"]);
        for (key, owner) in [(&ben, "ben"), (&bea, "bea"), (&olive, "olive")] {
            // A new secret acts as the key's owner: whoever else saw it could do what only they may.
            assert_eq!(page.select(&format!("#rotate-{}", key.id)).len(), usize::from(owner == who));
            assert_eq!(page.select(&format!("#revoke-{}", key.id)).len(), 1);
        }
    }
    // No filter leads a builder further.
    let page = app.enter("ben").get(&format!("{LIST}?owner=usr_bea&all=1")).await;
    assert!(!names(&page).contains(&"key of bea".to_owned()));
    app.enter("ben").get(&at(&bea.id, "")).await.assert_status(403).assert_see("belongs to someone else");
    let own = app.enter("ben").get(&at(&ben.id, "")).await.assert_has("#rotate").assert_has("#revoke");
    own.assert_has("#edit-form").assert_see("Acts as you (builder)");
}

#[actix_web::test]
async fn a_form_with_mistakes_keeps_what_was_typed_and_creates_nothing() {
    let app = TestApp::new();
    app.db_create_key("ben", "taken");
    let ben = app.enter("ben");
    let long = "x".repeat(61);
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("name", &[("name", ""), ("note", "kept")]),
        ("name", &[("name", "   "), ("note", "kept")]),
        ("name", &[("name", "---"), ("note", "kept")]),
        ("name", &[("name", &long), ("note", "kept")]),
        ("name", &[("name", "a\u{202e}b"), ("note", "kept")]),
        ("name", &[("name", "a\u{200b}b"), ("note", "kept")]),
        ("name", &[("name", "a\nb"), ("note", "kept")]),
        ("name", &[("name", "a\u{1b}[31m"), ("note", "kept")]),
        ("name", &[("name", "taken"), ("note", "kept")]),
        ("note", &[("name", "good"), ("note", "a\u{2066}b")]),
        ("expires", &[("name", "good"), ("note", "kept"), ("expires", "soon")]),
        ("expires", &[("name", "good"), ("note", "kept"), ("expires", "999999999999d")]),
        ("expires_on", &[("name", "good"), ("note", "kept"), ("expires", "custom"), ("expires_on", "")]),
        ("expires_on", &[("name", "good"), ("note", "kept"), ("expires", "custom"), ("expires_on", "2001-02-03")]),
    ];
    for (field, form) in cases {
        let answer =
            ben.post(LIST, form).await.assert_status(422).assert_has_not("#secret").assert_has("#error-summary");
        let answer = answer.assert_has(&format!("[name={field}][aria-invalid=true]"));
        for (name, typed) in form.iter().filter(|(name, typed)| *name != "expires" && !typed.contains(['\n', '\u{1b}']))
        {
            assert_eq!(answer.field(name), *typed);
        }
        assert!(answer.select("title")[0].starts_with("Error: "));
    }
    for form in [[("name", "good"), ("environment", "moon")], [("name", "good"), ("profile", "prof_globex")]] {
        let answer = ben.post(LIST, &form).await.assert_status(422);
        assert_eq!(answer.field("name"), "good");
    }
    assert_eq!(app.count("api_keys"), 1);
    // The longest that is allowed, in characters and not in bytes.
    let longest = "ä".repeat(60);
    key_in(&post_key(&ben, &longest).await.assert_status(200));
}

#[actix_web::test]
async fn broken_requests_are_refused_before_anything_is_read_from_them() {
    let app = TestApp::new();
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "ci"));
    let before = app.count("audit_log");
    ben.post(LIST, &[("name", "a"), ("name", "b")]).await.assert_status(400);
    ben.post(LIST, &[("name", "a"), ("role", "owner")]).await.assert_status(400);
    ben.post(LIST, &[("name", "a"), ("owner", "usr_olive")]).await.assert_status(400);
    ben.post(&at(&key.id, ""), &[("name", "a"), ("status", "active")]).await.assert_status(400);
    ben.post(&at(&key.id, "/rotate"), &[("grace", "1h"), ("grace", "7d")]).await.assert_status(400);
    ben.post(&at(&key.id, "/rotate"), &[("grace", "9h")]).await.assert_status(422);
    ben.post(&at(&key.id, "/revoke"), &[("confirm", "yes")]).await.assert_status(400);
    ben.post(LIST, &[("name", "a\0b")]).await.assert_status(400);
    ben.post(LIST, &[("name", "x"), ("profile", "a\0b")]).await.assert_status(400);
    let body = |kind: &str, body: Vec<u8>| Request::new("POST", LIST).body(kind, body);
    ben.send(body("application/json", br#"{"name":"x"}"#.to_vec())).await.assert_status(415);
    ben.send(body("text/plain", b"name=x".to_vec())).await.assert_status(415);
    ben.send(body("application/x-www-form-urlencoded", vec![b'x'; 70_000])).await.assert_status(413);
    ben.send(body("application/x-www-form-urlencoded", b"name=%ff%fe".to_vec())).await.assert_status(422);
    ben.get(&format!("{LIST}?q=a&q=b")).await.assert_status(400);
    ben.get(&format!("{LIST}?nonsense=1")).await.assert_status(400);
    assert_eq!((app.count("api_keys"), app.count("audit_log")), (1, before));
    assert!(app.is_let_in(&key.secret).await);
}

#[actix_web::test]
async fn forged_addresses_find_nothing_and_break_nothing() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let (ada, script) = (app.enter("ada"), app.key(&key.secret));
    let long = "A".repeat(3000);
    let forged =
        ["%00", "..%2f..", "'%20OR%20'1'='1", "%F0%9F%94%91", "%25", "%22%3E%3Cb%3E", "null", "-1", long.as_str()];
    for id in forged {
        for below in ["", "/rotate", "/rotate/finish", "/revoke"] {
            ada.get(&at(id, below)).await.assert_status(404);
            ada.post(&at(id, below), &[]).await.assert_status(404);
        }
        ada.get(&format!("/orgs/{id}/settings/api-keys")).await.assert_status(404);
        script.get(&format!("/v1/keys/{id}")).await.assert_problem(404, "NOT_FOUND");
        for name in ["q", "status", "env", "profile", "owner", "sort", "page"] {
            let answer = ada.get(&format!("{LIST}?{name}={id}")).await;
            assert!(matches!(answer.status, 200 | 400), "{name}={id}: {}", answer.status);
            assert!(!answer.body.contains("\"><b>"));
        }
        for name in ["q", "profile", "cursor", "limit"] {
            let answer = script.get(&format!("/v1/keys?{name}={id}")).await;
            assert!(matches!(answer.status, 200 | 400 | 422), "{name}={id}: {answer:?}");
        }
        script.get(&format!("/v1/keys?cursor=1-{id}")).await;
        ada.get(&format!("{LIST}/revoke?ids={id}")).await;
    }
    let page = ada.get(&format!("{LIST}?page=99999999999999999999")).await.assert_status(200);
    assert!(names(&page).len() <= 1);
}

#[actix_web::test]
async fn a_form_sent_twice_makes_one_key_and_shows_its_secret_once() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let nonce = ben.get(&format!("{LIST}/new")).await.assert_header("cache-control", "no-store").field("nonce");
    let form = [("name", "ci"), ("nonce", nonce.as_str())];
    let first = ben.post(LIST, &form).await.assert_status(200).assert_header("cache-control", "no-store");
    let key = key_in(&first);
    assert_eq!(first.header("location"), None);
    let again =
        ben.post(LIST, &form).await.assert_status(200).assert_see("was already created").assert_has_not("#secret");
    assert!(!again.body.contains(&key.secret));
    assert_eq!(app.count("api_keys"), 1);
    let form = [("grace", "24h"), ("nonce", &ben.get(&at(&key.id, "/rotate")).await.field("nonce"))];
    let new = secret_in(&ben.post(&at(&key.id, "/rotate"), &form).await.assert_status(200));
    let again = ben.post(&at(&key.id, "/rotate"), &form).await.assert_status(200).assert_see("was already rotated");
    assert!(!again.body.contains(&new));
    // Every other page is looked through for secrets by the harness.
    for page in ["", "/rotate", "/rotate/finish", "/revoke"] {
        ben.get(&at(&key.id, page)).await.assert_status(200);
    }
    let olive = app.enter("olive");
    for page in ["api-keys", "audit", "audit/export", "members", "profiles", "plan", "organization"] {
        olive.get(&format!("/orgs/acme/settings/{page}")).await.assert_status(200);
    }
    let audit = app.database.lines("SELECT after AS line FROM audit_log").join("\n");
    assert!(!audit.contains(&key.secret[12..]) && !audit.contains(&new[12..]));
}

#[actix_web::test]
async fn name_and_note_are_edited_and_noted_once() {
    let app = TestApp::new();
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "old"));
    app.db_create_key("ben", "taken");
    let page = at(&key.id, "");
    ben.post(&page, &[("name", "new name"), ("note", "in CI")]).await.assert_goes_to(&page);
    ben.get(&page).await.assert_see("Saved “new name”.").assert_see("in CI");
    ben.get(&page).await.assert_dont_see("Saved “new name”.");
    ben.post(&page, &[("name", "new name"), ("note", "in CI")]).await.assert_goes_to(&page);
    assert_eq!(app.count("audit_log WHERE action = 'key.edited'"), 1, "nothing changed the second time");
    for wrong in ["", "taken", "a\u{202e}b"] {
        let answer = ben.post(&page, &[("name", wrong), ("note", "typed")]).await.assert_status(422);
        assert_eq!((answer.field("name"), answer.field("note")), (wrong.to_owned(), "typed".to_owned()));
    }
    ben.get(&page).await.assert_see("new name").assert_dont_see("typed");
    assert!(app.is_let_in(&key.secret).await);
}

#[actix_web::test]
async fn a_rotation_shows_both_secrets_until_the_old_one_is_ended() {
    let app = TestApp::new();
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "ci"));
    ben.get(&at(&key.id, "")).await.assert_dont_see("Two secrets work now");
    let new = rotate(&ben, &key.id, "24h").await;
    let page = ben.get(&at(&key.id, "")).await.assert_see("Two secrets work now").assert_see("Rotating");
    page.assert_see(&format!("…{}", &new[new.len() - 4..]))
        .assert_see(&format!("…{}", &key.secret[key.secret.len() - 4..]));
    // While it runs only ending it at once is offered, and only that is done.
    let form = ben.get(&at(&key.id, "/rotate")).await;
    assert_eq!(form.attribute("[name=grace]", "value"), ["now"]);
    let refused = ben.post(&at(&key.id, "/rotate"), &[("grace", "24h")]).await.assert_status(409);
    refused.assert_see("The old secret still works").assert_has_not("#secret");
    assert!(app.is_let_in(&key.secret).await && app.is_let_in(&new).await);
    ben.get(&at(&key.id, "/rotate/finish")).await.assert_has("#finish-submit");
    ben.post(&at(&key.id, "/rotate/finish"), &[]).await.assert_goes_to(&at(&key.id, ""));
    assert!(!app.is_let_in(&key.secret).await && app.is_let_in(&new).await);
    ben.post(&at(&key.id, "/rotate/finish"), &[]).await.assert_status(409);
    ben.get(&at(&key.id, "/rotate/finish")).await.assert_has_not("#finish-submit");
    let last = rotate(&ben, &key.id, "now").await;
    assert!(!app.is_let_in(&new).await && app.is_let_in(&last).await);
}

#[actix_web::test]
async fn a_key_in_use_is_revoked_by_typing_its_name() {
    let app = TestApp::new();
    let (ben, ada) = (app.enter("ben"), app.enter("ada"));
    let (used, unused) = (app.db_create_key("ben", "Nightly CI"), app.db_create_key("ben", "unused"));
    assert!(app.is_let_in(&used.secret).await);
    ben.get(&at(&unused.id, "/revoke")).await.assert_has_not("[name=confirm_name]").assert_see("Never used");
    ben.post(&at(&unused.id, "/revoke"), &[("reason", "spare")]).await.assert_goes_to(LIST);
    ben.get(LIST).await.assert_see("Revoked “unused”.");
    let form = ada.get(&at(&used.id, "/revoke")).await.assert_has("[name=confirm_name]");
    form.assert_see("This key belongs to Ben").assert_see("from 192.0.2.0/24");
    for wrong in ["", "Nightly", "unused"] {
        let answer = ada.post(&at(&used.id, "/revoke"), &[("confirm_name", wrong), ("reason", "typed")]).await;
        let answer = answer.assert_status(422).assert_see("Type Nightly CI to confirm");
        assert_eq!(answer.field("reason"), "typed");
    }
    assert!(app.is_let_in(&used.secret).await);
    ada.post(&at(&used.id, "/revoke"), &[("confirm_name", "nightly ci")]).await.assert_goes_to(LIST);
    assert!(!app.is_let_in(&used.secret).await);
    ada.post(&at(&used.id, "/revoke"), &[]).await.assert_status(200).assert_see("already revoked by Ada");
    assert_eq!(app.count("audit_log WHERE action = 'key.revoked'"), 2);
    // They are hidden, counted, and found again; and nothing can be done with them.
    let page = ben.get(LIST).await.assert_see("2 revoked or expired keys are hidden");
    assert!(names(&page).is_empty());
    let page = ben.get(&format!("{LIST}?all=1")).await.assert_has_not(".row-actions a");
    assert_eq!(names(&page).len(), 2);
    let page = ben.get(&at(&used.id, "")).await.assert_see("Revoked").assert_see("by Ada");
    page.assert_has_not("#rotate").assert_has_not("#revoke").assert_has_not("#edit-form");
    ben.post(&at(&used.id, "/rotate"), &[("grace", "now")]).await.assert_status(409).assert_has_not("#secret");
}

#[actix_web::test]
async fn several_keys_are_revoked_after_typing_how_many() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let [one, two, rest] = ["one", "two", "rest"].map(|name| app.db_create_key("ben", name));
    let foreign = app.db_create_key("bea", "bea's");
    let path = format!("{LIST}/revoke");
    let page = ben.get(&format!("{path}?ids={}&ids={}&ids={}", one.id, two.id, foreign.id)).await.assert_status(200);
    assert_eq!(page.attribute("[name=ids]", "value").len(), 2, "a colleague's key is not offered");
    let page = page.assert_dont_see("bea's");
    assert_eq!(app.count("api_keys WHERE revoked_at IS NOT NULL"), 0, "looking changes nothing");
    drop(page);
    let ids = [("ids", one.id.as_str()), ("ids", &two.id), ("ids", &foreign.id)];
    for wrong in ["", "3", "two"] {
        let form = [ids.as_slice(), &[("confirm_count", wrong), ("reason", "typed")]].concat();
        let answer = ben.post(&path, &form).await.assert_status(422).assert_see("Type 2 to confirm");
        assert_eq!(answer.field("reason"), "typed");
    }
    let form = [ids.as_slice(), &[("confirm_count", "2")]].concat();
    ben.post(&path, &form).await.assert_status(200).assert_see("Revoked 2 of 3 API keys.");
    assert!(!app.is_let_in(&one.secret).await && !app.is_let_in(&two.secret).await);
    assert!(app.is_let_in(&rest.secret).await && app.is_let_in(&foreign.secret).await);
    ben.post(&path, &[("confirm_count", "0")]).await.assert_status(422);
}

#[actix_web::test]
async fn the_list_is_searched_filtered_sorted_and_paged() {
    let app = TestApp::with(|setup| {
        setup.rules.format.environments = vec!["live".into(), "test".into()];
        setup.rules.plans[0].active_keys_max = None;
        setup.rules.plans[0].creations_per_hour = None;
    });
    let second = app.db_deed("olive", |scope| create_profile(scope, "Second", None)).id;
    let new = |name: &str| NewKey { name: name.into(), ..NewKey::default() };
    app.db_create_key("ben", "alpha 100%");
    app.db_try_create_key("ben", &NewKey { environment: Some("test".into()), ..new("beta") }).unwrap();
    app.db_try_create_key("bea", &NewKey { profile: Some(second.to_string()), ..new("Gamma_x") }).unwrap();
    app.db_try_create_key("ada", &NewKey { expires: Some("1h".into()), ..new("delta") }).unwrap();
    let revoked = app.db_create_key("ada", "epsilon");
    let rotating = app.db_create_key("ada", "zeta");
    let ada = app.enter("ada");
    ada.post(&at(&revoked.id, "/revoke"), &[]).await.assert_status(303);
    rotate(&ada, &rotating.id, "24h").await;
    app.advance(Span::hours(2));
    for (query, expected) in [
        ("", vec!["zeta", "Gamma_x", "beta", "alpha 100%"]),
        ("?all=1", vec!["zeta", "epsilon", "delta", "Gamma_x", "beta", "alpha 100%"]),
        ("?sort=name", vec!["alpha 100%", "beta", "Gamma_x", "zeta"]),
        ("?sort=-name", vec!["zeta", "Gamma_x", "beta", "alpha 100%"]),
        ("?sort=created", vec!["alpha 100%", "beta", "Gamma_x", "zeta"]),
        ("?q=ALPHA", vec!["alpha 100%"]),
        ("?q=100%25", vec!["alpha 100%"]),
        ("?q=_", vec!["Gamma_x"]),
        ("?q=nothing", vec![]),
        ("?env=test", vec!["beta"]),
        (&format!("?profile={second}"), vec!["Gamma_x"]),
        ("?owner=usr_ben", vec!["beta", "alpha 100%"]),
        ("?status=rotating", vec!["zeta"]),
        ("?status=revoked", vec!["epsilon"]),
        ("?status=expired", vec!["delta"]),
        ("?status=active", vec!["Gamma_x", "beta", "alpha 100%"]),
        (&format!("?q=kr_{}", &rotating.id[..5]), vec!["zeta"]),
    ] {
        let page = ada.get(&format!("{LIST}{query}")).await.assert_status(200);
        assert_eq!(names(&page), expected, "{query}");
    }
    ada.get(&format!("{LIST}?q=nothing")).await.assert_see("No keys match “nothing”");
    for number in 0..60 {
        app.db_create_key("ada", &format!("many {number:02}"));
    }
    let first = ada.get(&format!("{LIST}?q=many&sort=name")).await.assert_see("1–50 of 60").assert_has("[rel=next]");
    let second =
        ada.get(&first.attribute("[rel=next]", "href")[0]).await.assert_see("51–60 of 60").assert_has("[rel=prev]");
    assert_eq!((names(&first)[0].as_str(), names(&second)[0].as_str()), ("many 00", "many 50"));
    assert!(second.select("[rel=next]").is_empty());
}

#[actix_web::test]
async fn without_keys_in_the_plan_the_page_says_where_to_get_them() {
    let app = TestApp::with(|setup| {
        let mut free = plan("free", "Starter");
        free.api_keys = false;
        setup.rules.plans.push(free);
    });
    let key = app.db_create_key("ben", "kept");
    app.database.execute("UPDATE orgs SET plan = 'free' WHERE slug = 'acme'");
    let (ben, olive) = (app.enter("ben"), app.enter("olive"));
    let page = ben.get(LIST).await.assert_status(200).assert_has(".gate").assert_see("You're on Starter");
    let page = page.assert_see("Ask an owner: Olive.").assert_has_not("#new-key");
    let page = page.assert_has(".gate a[href='/orgs/acme/settings/plan']").assert_has("#overrun");
    assert_eq!(names(&page), ["kept"], "what there is stays in view");
    olive.get(LIST).await.assert_has(".gate a[href='/orgs/acme/settings/plan']");
    ben.get(&format!("{LIST}/new")).await.assert_has_not("#create-form");
    post_key(&ben, "x").await.assert_status(403).assert_has_not("#secret");
    assert!(app.is_let_in(&key.secret).await);
    ben.post(&at(&key.id, "/revoke"), &[("confirm_name", "kept")]).await.assert_status(303);
    assert!(!app.is_let_in(&key.secret).await);
}

#[actix_web::test]
async fn names_are_text_wherever_they_are_shown() {
    let app = TestApp::new();
    let evil = "<img src=x>\"'&amp;{{77777*7}}";
    app.database.execute("UPDATE users SET name = '<i>Ben</i>' WHERE id = 'usr_ben'");
    app.database.execute("UPDATE orgs SET name = '<i>Acme</i>\"' WHERE slug = 'acme'");
    app.database.execute("UPDATE profiles SET name = '<i>Prof</i>' WHERE org_id = 'org_acme'");
    let (ben, olive) = (app.enter("ben"), app.enter("olive"));
    let reveal = ben.post(LIST, &[("name", evil), ("note", evil)]).await.assert_status(200).assert_see(evil);
    let key = key_in(&reveal);
    let hidden = [reveal, ben.post(&at(&key.id, ""), &[("name", ""), ("note", evil)]).await.assert_status(422)];
    rotate(&ben, &key.id, "1h").await;
    let mut pages = hidden.to_vec();
    for below in ["", "/rotate", "/rotate/finish", "/revoke"] {
        pages.push(ben.get(&at(&key.id, below)).await.assert_status(200).assert_see(evil));
    }
    pages.push(ben.get(&format!("{LIST}?q=%3Ci%3E%22%27")).await.assert_see("<i>\"'"));
    pages.push(olive.get(&format!("{LIST}/revoke?ids={}", key.id)).await.assert_see(evil));
    pages.push(olive.get(LIST).await.assert_see(evil).assert_see("<i>Ben</i>"));
    for page in ["audit", "members", "profiles", "organization", "plan", "members/usr_ben/remove"] {
        pages.push(olive.get(&format!("/orgs/acme/settings/{page}")).await.assert_status(200));
    }
    for page in pages {
        assert!(!page.body.contains("<img src=x") && !page.body.contains("<i>"), "{}\n{}", page.request, page.body);
        assert!(page.select("img[src=x], i").is_empty());
        assert!(!page.text().contains("544439"), "{}: the name was evaluated", page.request);
    }
}

const HEADERS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

#[actix_web::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let app = TestApp::with(|setup| setup.config.is_https = true);
    let (ben, key) = (app.enter("ben"), app.db_create_key("bea", "ci"));
    let answers = [
        ben.get(LIST).await.assert_status(200),
        ben.post(LIST, &[("name", "x")]).await.assert_status(200),
        ben.post(LIST, &[("name", "")]).await.assert_status(422),
        ben.post(LIST, &[("name", "a"), ("name", "b")]).await.assert_status(400),
        ben.get(&at(&key.id, "")).await.assert_status(403),
        ben.get("/orgs/globex/settings/api-keys").await.assert_status(404),
        ben.get("/nothing/here").await.assert_status(404),
        ben.send(Request::new("DELETE", LIST)).await.assert_status(405).assert_header("allow", "GET, POST"),
        app.visitor().get(LIST).await.assert_status(303),
        app.visitor().get("/sign-in").await.assert_status(200),
        ben.send(Request::new("POST", LIST).header("Sec-Fetch-Site", "cross-site")).await.assert_status(403),
        app.visitor().get("/v1/whoami").await.assert_status(401),
        app.key(&key.secret).get("/v1/whoami").await.assert_status(200),
        app.key(&key.secret).get("/v1/nothing").await.assert_status(404),
        app.visitor().get("/healthz").await.assert_status(200),
    ];
    for answer in answers {
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{name} of {}", answer.request);
            let times = answer.headers.iter().filter(|(header, _)| header == name).count();
            assert_eq!(times, 1, "{name} of {}", answer.request);
        }
        let csp = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(csp.contains(part), "{}: {csp}", answer.request);
        }
        assert!(!csp.contains("unsafe") && !csp.contains('*'), "{csp}");
        assert!(answer.header("strict-transport-security").unwrap().contains("max-age=31536000"));
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() >= 16));
        assert_eq!((answer.header("server"), answer.header("access-control-allow-origin")), (None, None));
        if !answer.body.is_empty() {
            let kind = answer.header("content-type").unwrap();
            assert!(kind.contains("charset=utf-8") || kind.contains("json"), "{}: {kind}", answer.request);
        }
    }
    let plain = TestApp::new();
    assert_eq!(plain.visitor().get("/sign-in").await.header("strict-transport-security"), None);
}

#[actix_web::test]
async fn htmx_gets_fragments_and_is_led_on_by_headers() {
    let app = TestApp::new();
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "ci"));
    let form = ben.get_partial(&format!("{LIST}/new")).await.assert_status(200).assert_has("#create-form");
    assert!(!form.body.contains("<html") && !form.body.contains("<nav"));
    let refused = ben.post_partial(LIST, &[("name", "")]).await.assert_status(422).assert_has("#create-form");
    assert!(!refused.body.contains("<html"));
    let reveal = ben.post_partial(LIST, &[("name", "x")]).await.assert_status(200).assert_has("#secret");
    assert!(
        !reveal.body.contains("<html")
            && reveal.header("hx-redirect").is_none()
            && reveal.header("hx-push-url").is_none()
    );
    let done = ben.post_partial(&at(&key.id, "/revoke"), &[]).await.assert_status(200);
    assert_eq!((done.header("hx-redirect"), done.body.as_str()), (Some(LIST), ""));
    let gone = app.visitor().get_partial(LIST).await.assert_status(401);
    assert!(gone.header("hx-redirect").unwrap().starts_with("/sign-in"));
    // A whole page by htmx is a whole page.
    let page = ben.send(Request::new("GET", LIST).header("HX-Request", "true")).await.assert_status(200);
    assert!(page.body.contains("<html"));
}

/// A key keeps all its old secrets; a page tells of the last of them only.
#[actix_web::test]
async fn of_a_key_rotated_again_and_again_the_list_shows_the_last_old_secret() {
    let app = TestApp::new();
    let (ben, key) = (app.enter("ben"), app.db_create_key("ben", "ci"));
    app.db_create_key("ben", "another");
    let mut old = key.secret.clone();
    for _ in 0..3 {
        let new = rotate(&ben, &key.id, "1h").await;
        let page = ben.get(LIST).await.assert_status(200);
        assert_eq!(names(&page), ["another", "ci"]);
        page.assert_see(&format!("Old secret …{} works", &old[old.len() - 4..]));
        old = new;
        app.advance(Span::hours(2));
        ben.get(LIST).await.assert_status(200).assert_dont_see("Old secret …");
    }
    assert_eq!(app.count("key_secrets"), 5);
}

/// The numbers beside a list come from different queries, depending on what is asked.
#[actix_web::test]
async fn what_a_list_counts_is_right_whatever_it_is_narrowed_to() {
    let app = TestApp::with_limits(100, 100);
    let keys: Vec<_> = (0..52).map(|at| app.db_create_key("ben", &format!("key {at:02}"))).collect();
    app.db_create_key("bea", "not ben's");
    let ben = app.enter("ben");
    for key in &keys[..2] {
        ben.post(&at(&key.id, "/revoke"), &[]).await.assert_status(303);
    }
    let olive = app.enter("olive");
    for (visitor, query, rows, words) in [
        (&ben, "", 50, "2 revoked or expired keys are hidden."),
        (&ben, "?all=1", 50, "1–50 of 52"),
        (&ben, "?all=1&page=2", 2, "51–52 of 52"),
        (&ben, "?q=key+0", 8, "2 revoked or expired keys are hidden."),
        (&ben, "?q=key+0&all=1", 10, "key 00"),
        (&ben, "?status=revoked", 2, "key 00"),
        (&olive, "", 50, "1–50 of 51"),
        (&olive, "?page=2", 1, "51–51 of 51"),
        (&olive, "?owner=usr_bea", 1, "not ben's"),
        (&olive, "?owner=usr_ben&sort=name", 50, "2 revoked or expired keys are hidden."),
    ] {
        let page = visitor.get(&format!("{LIST}{query}")).await.assert_status(200).assert_see(words);
        assert_eq!(names(&page).len(), rows, "{query}");
    }
    ben.get(&format!("{LIST}?page=2")).await.assert_status(303);
}

/// Where it costs nothing, a page is drawn from one state of the database, and a look that failed leaves nothing behind.
#[actix_web::test]
async fn a_look_sees_one_state_of_the_database() {
    let app = TestApp::new();
    let (made, seen) = app.database.run(|conn| {
        db::read(conn, |conn| {
            let before = db::users::count_users(conn)?;
            let made = app.db_create_key("ben", "made meanwhile").id;
            let seen = db::keys::id_exists(conn, &made.as_str().into())?;
            assert_eq!(db::users::count_users(conn)?, before);
            Ok::<_, db::DbError>((made, seen))
        })
        .unwrap()
    });
    assert_eq!(seen, !app.database.is_sqlite());
    app.database.run(|conn| {
        assert!(db::read(conn, |_| Err::<(), _>(db::DbError::NotFound)).is_err());
        assert!(db::read(conn, |conn| db::keys::id_exists(conn, &made.as_str().into())).unwrap());
        assert!(db::write(conn, |conn| db::keys::id_exists(conn, &made.as_str().into())).unwrap());
    });
}
