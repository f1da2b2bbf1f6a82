//! Asking for a plan by hand, with a browser without scripts: nothing on that page needs one.

use super::driver::Script;
use super::site::Site;
use crate::support::app::plan;

const PLAN: &str = "/orgs/acme/settings/plan";

#[actix_web::test]
async fn a_builder_asks_and_the_owner_sees_it_and_dismisses_it() {
    let toml = "default_plan = \"pro\"\n[[plans]]\nid = \"pro\"\nname = \"Pro\"\napi_keys = false\n\
                [[plans]]\nid = \"agency\"\nname = \"Agency\"\nactive_keys_max = 5\nprice_text = \"€79 a month\"\n";
    let site = Site::start_with("127.0.0.1", toml, |setup| {
        setup.rules.plans = vec![plan("pro", "Pro"), plan("agency", "Agency")];
        setup.rules.default_plan = "pro".into();
    });
    let (ben, olive) = (site.signed_in("ben", Script::Off).await, site.signed_in("olive", Script::On).await);
    ben.goto("/orgs/acme/settings/api-keys").await;
    ben.wait_for_text("Ask an owner: Olive.").await;
    ben.click(".gate a.button").await;
    ben.wait_for_text("€79 a month").await;
    ben.click("#plan-agency form button").await;
    ben.wait_for_text("You asked for the Agency plan.").await;
    olive.goto(PLAN).await;
    olive.wait_for_text("Ben asks for the Agency plan").await;
    olive.click("#request-usr_ben button").await;
    olive.wait_for_text("The request is taken back.").await;
    assert!(!olive.has("#request-usr_ben").await);
    assert_eq!(olive.complaints().await, Vec::<String>::new());
    ben.goto(PLAN).await;
    ben.wait_for_text("Ask for Agency").await;
}
