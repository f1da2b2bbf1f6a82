//! Pages of what does not work: whoever is signed in keeps their menu there, and learns of no organization but their own.

use crate::support::TestApp;
use crate::support::answer::Answer;
use crate::support::keys::at;

/// Where the menu leads.
fn menu(answer: &Answer) -> Vec<String> {
    answer.attribute("nav[aria-label=Settings] a", "href")
}

#[actix_web::test]
async fn whoever_is_signed_in_keeps_their_menu_on_the_page_of_an_error() {
    let app = TestApp::new();
    let (ben, olive, key) = (app.enter("ben"), app.enter("olive"), app.db_create_key("bea", "ci"));
    let usual = menu(&ben.get("/orgs/acme/settings/plan").await);
    for (path, status) in [
        (at(&key.id, ""), 403),
        ("/orgs/acme/settings/members/invite".to_owned(), 403),
        ("/orgs/acme/settings/nothing".to_owned(), 404),
        ("/nothing/here".to_owned(), 404),
        ("/orgs/globex/settings/api-keys".to_owned(), 404),
        ("/orgs/nowhere/settings/api-keys".to_owned(), 404),
        // The list of keys reads the session itself, unless it is not reached.
        ("/orgs/acme/settings/api-keys?who=knows".to_owned(), 400),
        ("/orgs/acme/elsewhere/settings/api-keys".to_owned(), 404),
    ] {
        let page = ben.get(&path).await.assert_status(status).assert_has("header.top").assert_dont_see("Globex");
        assert_eq!(menu(&page), usual, "{path}");
        assert_eq!((page.select("main").len(), page.select("h1").len()), (1, 1), "{path}");
        assert!(page.attribute("nav a", "aria-current").is_empty(), "{path} is no page of the menu");
    }
    let page = olive.get(&at("AAAAAAAA", "")).await.assert_status(404);
    assert!(menu(&page).contains(&"/orgs/acme/settings/audit".to_owned()) && menu(&page).len() > usual.len());
    // A form that is refused by a dialog gets the words alone.
    ben.get_partial(&at(&key.id, "/revoke")).await.assert_status(403).assert_has_not("header").assert_has_not("main");
}

#[actix_web::test]
async fn in_the_organization_of_the_address_and_else_in_the_one_that_was_worked_in() {
    let app = TestApp::new();
    let xavier = app.enter("xavier");
    let first = |answer: &Answer| menu(answer).remove(0);
    let page = xavier.get("/orgs/globex/settings/nothing").await.assert_status(404);
    assert_eq!(first(&page), "/orgs/globex/settings/api-keys");
    assert_eq!(
        first(&xavier.get("/orgs/acme/settings/plan").await.assert_status(404)),
        "/orgs/globex/settings/api-keys"
    );
    let ada = app.enter("ada");
    ada.post("/orgs", &[("organization", "Second")]).await.assert_goes_to("/orgs/second/settings/api-keys");
    assert_eq!(first(&ada.get("/nothing").await.assert_status(404)), "/orgs/second/settings/api-keys");
    let page = ada.get("/orgs/acme/settings/api-keys/AAAAAAAA").await.assert_status(404);
    assert_eq!(first(&page), "/orgs/acme/settings/api-keys");
    // To read of an error is not to go there.
    assert_eq!(first(&ada.get("/nothing").await), "/orgs/second/settings/api-keys");
}

#[actix_web::test]
async fn strangers_and_those_who_signed_out_find_no_menu() {
    let app = TestApp::new();
    let ben = app.enter("ben");
    let cookies = ben.cookies();
    ben.post("/sign-out", &[]).await.assert_status(303);
    ben.set_cookies(cookies);
    for visitor in [app.visitor(), ben] {
        visitor.get("/orgs/acme/settings/api-keys").await.assert_status(303);
        visitor.get("/orgs/acme/settings/api-keys?who=knows").await.assert_dont_see("Ben");
        let page = visitor.get("/nothing/here").await.assert_status(404).assert_has(".brand-large");
        page.assert_has_not("header.top").assert_has_not("nav").assert_dont_see("Ben").assert_dont_see("Acme");
    }
}

#[actix_web::test]
async fn an_address_means_the_same_however_it_is_written() {
    let app = TestApp::new();
    let (ben, stranger) = (app.enter("ben"), app.visitor());
    for path in ["/orgs/acme/settings/api%2Dkeys", "/orgs/%61cme/settings/api-keys", "/%6Frgs/acme/settings/api-keys"] {
        ben.get(path).await.assert_status(200).assert_see("API keys");
        stranger.get(path).await.assert_status(303);
    }
}
