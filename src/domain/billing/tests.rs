use serde_json::{Value, json};

use super::*;

/// From the tests of Stripe's own library for .NET: secret, time, body and signature.
const PUBLISHED: (&str, i64, &str, &str) = (
    "webhook_secret",
    1_533_204_620,
    include_str!("published_event.json"),
    "t=1533204620,v1=f0bdba6d4eacbd8ad8a3bbadd7248e633ec1477f7899c124c51b39405fa36613,\
     v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef",
);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn check(header: &str, body: &str, secrets: &[&str], now: i64) -> Result<(), BadSignature> {
    check_signature(header, body.as_bytes(), secrets.iter().copied(), at(now))
}

#[test]
fn the_published_vector_holds_and_nothing_near_it() {
    let (secret, time, body, header) = PUBLISHED;
    assert_eq!(check(header, body, &[secret], time), Ok(()));
    assert_eq!(check(header, body, &["another secret", secret], time), Ok(()), "while secrets change");
    assert_eq!(check(header, body, &["another secret"], time), Err(BadSignature::Wrong));
    assert_eq!(check(header, body, &[], time), Err(BadSignature::Wrong));
    assert_eq!(check(header, body.trim_end(), &[secret], time), Err(BadSignature::Wrong), "the bytes as they came");
    for (from, to) in [("t=1533204620", "t=1533204621"), ("v1=f0", "v1=f1"), ("v1=", "v0="), ("v1=", "V1=")] {
        assert_eq!(check(&header.replace(from, to), body, &[secret], time), Err(BadSignature::Wrong), "{to}");
    }
    let event = read_event(body.as_bytes()).unwrap();
    assert_eq!((event.id.as_str(), event.created_at, event.told), ("evt_123", at(time), Told::Nothing));
}

#[test]
fn an_old_signature_and_one_from_the_future_are_refused_to_the_second() {
    let (secret, time, body, header) = PUBLISHED;
    for (now, expected) in [
        (time - 301, Err(BadSignature::Stale)),
        (time - 300, Ok(())),
        (time + 300, Ok(())),
        (time + 301, Err(BadSignature::Stale)),
    ] {
        assert_eq!(check(header, body, &[secret], now), expected, "{}", now - time);
    }
    assert_eq!(check(header, body, &["another secret"], time + 301), Err(BadSignature::Wrong), "no hint to strangers");
}

#[test]
fn headers_that_are_not_signatures_are_refused() {
    let good = PUBLISHED.3.split(',').nth(1).unwrap();
    let many = format!("t=1533204620{}", format!(",{good}").repeat(SIGNATURES_MAX + 1));
    let long = format!("{},v0={}", PUBLISHED.3, "0".repeat(HEADER_BYTES_MAX));
    for header in [
        "",
        "t=1533204620",
        good,
        &format!("t=,{good}"),
        &format!("t=-1,{good}"),
        &format!("t=1533204620,t=1533204620,{good}"),
        &format!("1533204620,{good}"),
        "t=1533204620,v1=",
        "t=1533204620,v1=zz",
        &many,
        &long,
    ] {
        assert_eq!(check(header, PUBLISHED.2, &[PUBLISHED.0], PUBLISHED.1), Err(BadSignature::Wrong), "{header:.80}");
    }
    let spaced = PUBLISHED.3.replace(',', ", ");
    assert_eq!(check(&spaced, PUBLISHED.2, &[PUBLISHED.0], PUBLISHED.1), Ok(()));
}

fn event(kind: &str, object: &Value) -> Result<BillingEvent, String> {
    let event = json!({"id": "evt_1", "type": kind, "created": 1_700_000_000, "data": {"object": object}});
    read_event(event.to_string().as_bytes())
}

fn subscription_of(kind: &str, status: &str) -> Subscription {
    let object = json!({
        "id": "sub_1", "customer": "cus_1", "status": status, "unknown": [1, 2],
        "metadata": {"keyrack_org": "org_1", "keyrack_plan": "agency"},
        "items": {"data": [{"price": {"id": "price_1", "product": "prod_1", "lookup_key": null}}]},
    });
    match event(kind, &object).unwrap().told {
        Told::Subscription(subscription) => subscription,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_subscription_counts_while_it_is_paid_for_or_asked_for() {
    let told = subscription_of("customer.subscription.created", "active");
    assert_eq!((told.id.as_str(), told.customer.as_str(), told.rank), ("sub_1", "cus_1", 0));
    assert_eq!((told.org.as_deref(), told.plan.as_deref()), (Some("org_1"), Some("agency")));
    assert_eq!(told.prices, ["price_1", "prod_1"]);
    for (status, is_live) in [
        ("active", true),
        ("trialing", true),
        ("past_due", true),
        ("unpaid", false),
        ("canceled", false),
        ("incomplete", false),
        ("incomplete_expired", false),
        ("paused", false),
        ("something new", false),
    ] {
        assert_eq!(subscription_of("customer.subscription.updated", status).is_live, is_live, "{status}");
    }
    assert!(!subscription_of("customer.subscription.deleted", "active").is_live);
}

#[test]
fn a_purchase_names_the_organization_by_metadata_or_by_the_link() {
    let of = |object: &Value| event("checkout.session.completed", object).unwrap().told;
    let mut session = json!({"subscription": "sub_1", "customer": "cus_1", "client_reference_id": "org_1"});
    let named = |org| Told::Purchase { subscription: "sub_1".to_owned(), customer: "cus_1".to_owned(), org };
    assert_eq!(of(&session), named(Named::ByLink("org_1".to_owned())));
    session["metadata"] = json!({"keyrack_org": "org_2"});
    assert_eq!(of(&session), named(Named::ByOperator("org_2".to_owned())));
    for missing in ["subscription", "customer"] {
        let mut other = session.clone();
        other[missing] = Value::Null;
        assert_eq!(of(&other), Told::Nothing, "{missing}");
    }
    assert_eq!(of(&json!({"subscription": "sub_1", "customer": "cus_1"})), Told::Nothing);
}

#[test]
fn what_is_no_event_is_refused_without_being_repeated() {
    let good = json!({"id": "evt_1", "type": "x", "created": 1, "data": {"object": {}}});
    assert!(read_event(good.to_string().as_bytes()).is_ok());
    for (field, value) in [
        ("id", json!("")),
        ("id", json!("a b")),
        ("id", json!("a\u{0}b")),
        ("id", json!("x".repeat(256))),
        ("id", json!(7)),
        ("created", json!(-1)),
        ("created", json!(i64::MAX)),
        ("created", json!("1")),
        ("data", json!(null)),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(read_event(bad.to_string().as_bytes()), Err("The body is not an event.".to_owned()), "{bad}");
    }
    for bad in ["", "[]", "null", "{", "\u{feff}{}"] {
        assert!(read_event(bad.as_bytes()).is_err());
    }
    for object in [json!({}), json!(null), json!({"id": "sub 1", "customer": "c", "status": "active"})] {
        let told = event("customer.subscription.updated", &object);
        assert!(told.is_err_and(|text| text.contains("customer.subscription.updated") && !text.contains("sub 1")));
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_sent_is_answered(header in "\\PC*", body: Vec<u8>, text in "\\PC*") {
        let _ = check_signature(&header, &body, ["secret"].into_iter(), at(0));
        let _ = read_event(&body);
        let _ = read_event(text.as_bytes());
    }
}
