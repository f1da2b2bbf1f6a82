//! What people paste and type at the edges: keys in the wrong field, names beyond ASCII, the last day allowed.

use keyrack::domain::time::Span;
use keyrack::web::routes;

use crate::support::TestApp;

const LIST: &str = "/orgs/acme/settings/api-keys";

#[actix_web::test]
async fn a_key_pasted_into_a_field_is_refused_and_not_stored() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    let text = format!("it is {}", key.secret);
    for field in ["name", "note"] {
        let form = [("name", "x"), (field, text.as_str())];
        let form = if field == "name" { &form[1..] } else { &form[..] };
        ben.post(LIST, form).await.assert_status(422).assert_see("Remove the API key");
        ben.post(&format!("{LIST}/{}", key.id), &[(field, &text)]).await.assert_status(422);
    }
    ben.post(&format!("{LIST}/{}/revoke", key.id), &[("reason", &text)]).await.assert_status(422);
    app.key(&key.secret).get("/v1/whoami").await.assert_status(200);
}

#[actix_web::test]
async fn a_key_pasted_as_the_name_of_anything_is_refused_and_not_stored() {
    let app = TestApp::with(|setup| setup.rules.sign_up_open = true);
    let key = app.db_create_key("ben", "ci");
    let olive = app.sign_in("olive").await;
    for (path, field) in [
        ("/orgs/acme/settings/profiles", "name"),
        ("/orgs/acme/settings/profiles/prof_acme", "name"),
        ("/orgs/acme/settings/organization", "name"),
        ("/orgs", "organization"),
    ] {
        olive.post(path, &[(field, &key.secret)]).await.assert_status(422).assert_see("Remove the API key");
    }
    for field in ["name", "organization"] {
        let mut form = vec![
            ("email", "new@acme.example"),
            ("password", "correct horse battery"),
            ("name", "New"),
            ("organization", "New"),
        ];
        form.iter_mut().filter(|(name, _)| *name == field).for_each(|(_, value)| *value = &key.secret);
        app.visitor().post("/sign-up", &form).await.assert_status(422).assert_see("Remove the API key");
    }
}

#[actix_web::test]
async fn a_key_pasted_into_the_search_leads_to_its_id() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    let found = ben.get(&format!("{LIST}?q={}", key.secret)).await.assert_status(303);
    let place = found.header("location").unwrap().to_owned();
    assert_eq!(place, format!("{LIST}?q={}", key.id));
    ben.get(&place).await.assert_status(200).assert_see("ci");
    let audit = "/orgs/acme/settings/audit";
    let olive = app.sign_in("olive").await;
    let place = format!("{audit}?q={}", key.id);
    olive.get(&format!("{audit}?q={}", key.secret)).await.assert_goes_to(&place);
    olive.get(&place).await.assert_status(200).assert_see("ci");
}

#[actix_web::test]
async fn names_beyond_ascii_are_found_as_they_are_written() {
    let app = TestApp::new();
    app.db_create_key("ben", "Ärzte-Portal");
    let ben = app.sign_in("ben").await;
    for words in ["%C3%84rzte", "portal"] {
        ben.get(&format!("{LIST}?q={words}")).await.assert_status(200).assert_see("Ärzte-Portal");
    }
}

#[actix_web::test]
async fn a_page_past_the_end_leads_to_the_last() {
    let app = TestApp::new();
    app.db_create_key("ben", "ci");
    let ben = app.sign_in("ben").await;
    ben.get(&format!("{LIST}?page=7")).await.assert_goes_to(&format!("{LIST}?page=1"));
}

#[actix_web::test]
async fn the_last_day_and_the_operators_own_lengths_are_allowed() {
    let app = TestApp::with(|setup| {
        setup.rules.max_expiry = Some(Span::days(5));
        setup.rules.default_expiry = Some(Span::hours(36));
    });
    let ben = app.sign_in("ben").await;
    let page = ben.get(&format!("{LIST}/new")).await.assert_status(200);
    let last = page.attribute("[name=expires_on]", "max").remove(0);
    let form = [("name", "by date"), ("expires", "custom"), ("expires_on", last.as_str())];
    let made = ben.post(LIST, &form).await.assert_status(200);
    app.learn(&made.attribute("input[readonly]", "value")[0]);
    let made = ben.post(LIST, &[("name", "untouched"), ("expires", "129600s")]).await.assert_status(200);
    app.learn(&made.attribute("input[readonly]", "value")[0]);
    page.assert_has("[name=expires] [value='129600s']").assert_has("[name=expires] [value='5d']");
}

#[actix_web::test]
async fn no_route_of_the_api_takes_a_key_in_its_address() {
    let app = TestApp::new();
    let key = app.db_create_key("ben", "ci");
    // The query of a proxy's question is the client's, and is never read at all: tests/it/proxies.
    let reads_query = |path: &str| !path.starts_with("/v1/auth") && path != "/v1/openapi.json";
    for route in routes::all().filter(|route| route.path.starts_with("/v1/") && reads_query(route.path)) {
        for name in ["token", "api_key"] {
            let path = format!("{}?{name}={}", route.path.replace("{id}", &key.id), key.secret);
            let script = app.key(&key.secret);
            let answer = match route.method {
                "GET" => script.get(&path).await,
                "PATCH" => script.patch(&path, &serde_json::json!({})).await,
                _ => script.post(&path, &serde_json::json!({"name": "x"})).await,
            };
            let status = match route.path {
                // These take a form, and look no further at what is none.
                "/v1/device/code" | "/v1/device/token" => 415,
                // Not set up here; they ask for a signature and look at no credential.
                path if path.starts_with("/v1/billing/") || path.starts_with("/v1/scanning/") => 404,
                _ => 400,
            };
            assert!(!answer.assert_status(status).text().contains(&key.secret), "{path}");
        }
    }
}
