use super::*;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_micros(0).plus(Span::days(1000)).plus(Span::hours(hours))
}

fn alert(kind: AlertKind, owner: Option<&str>) -> Alert {
    Alert {
        id: "alr_1".into(),
        org: "org_1".into(),
        kind,
        once: "once".to_owned(),
        at: at(0),
        owner: owner.map(UserId::from),
        facts: Facts::default(),
    }
}

#[test]
fn names_survive_storing() {
    for kind in AlertKind::SWITCHED.into_iter().chain([AlertKind::Test, AlertKind::EndpointDisabled]) {
        assert_eq!(AlertKind::parse(kind.as_str()), Some(kind));
    }
    for switch in Switch::ALL {
        assert_eq!(Switch::parse(switch.as_str()), Some(switch));
    }
    assert_eq!(AlertKind::parse("anything"), None);
}

#[test]
fn who_is_mailed_until_somebody_chooses() {
    let told = |kind, owner, role| is_mailed(&alert(kind, owner), &"usr_me".into(), role, &[]);
    for kind in AlertKind::SWITCHED {
        let is_own = kind != AlertKind::LimitReached;
        assert_eq!(told(kind, is_own.then_some("usr_me"), Role::Builder), is_own, "{kind:?}");
        assert!(!told(kind, Some("usr_other"), Role::Builder), "{kind:?}: a builder hears of a colleague's key");
        let is_big = matches!(kind, AlertKind::Leaked | AlertKind::LimitReached);
        assert_eq!(told(kind, Some("usr_other"), Role::Admin), is_big, "{kind:?}");
        assert_eq!(told(kind, Some("usr_other"), Role::Owner), is_big, "{kind:?}");
    }
    assert!(
        told(AlertKind::EndpointDisabled, None, Role::Admin) && !told(AlertKind::EndpointDisabled, None, Role::Builder)
    );
    assert!(told(AlertKind::Test, Some("usr_me"), Role::Builder) && !told(AlertKind::Test, Some("usr_x"), Role::Owner));
}

#[test]
fn a_choice_counts_only_for_whoever_made_it() {
    let choice = |user: Option<&str>, switch, is_on| Choice {
        user: user.map(UserId::from),
        kind: AlertKind::Revoked,
        switch,
        is_on,
    };
    let mine = alert(AlertKind::Revoked, Some("usr_me"));
    let off = [choice(Some("usr_me"), Switch::EmailOwn, false)];
    assert!(!is_mailed(&mine, &"usr_me".into(), Role::Builder, &off));
    let of_another = [choice(Some("usr_x"), Switch::EmailOwn, false), choice(None, Switch::Webhook, false)];
    assert!(is_mailed(&mine, &"usr_me".into(), Role::Builder, &of_another));
    assert!(!is_on(&of_another, None, AlertKind::Revoked, Switch::Webhook));
    // A choice from the time as an admin gives a builder nothing.
    let all = [choice(Some("usr_b"), Switch::EmailAll, true)];
    assert!(!is_mailed(&mine, &"usr_b".into(), Role::Builder, &all));
    assert!(is_mailed(&mine, &"usr_b".into(), Role::Admin, &all));
}

#[test]
fn each_warning_of_the_end_comes_once_and_late_ones_make_no_noise() {
    let expires = at(30 * 24);
    let warned = |since: i64, now: i64| expiry_warning(expires, at(since * 24), at(now * 24));
    assert_eq!(warned(0, 15), None);
    assert_eq!(warned(15, 16), Some(14));
    assert_eq!(warned(16, 22), None);
    assert_eq!(warned(16, 23), Some(7));
    assert_eq!(warned(23, 29), Some(1));
    assert_eq!(warned(29, 40), None);
    assert_eq!(warned(0, 29), Some(1), "after a long pause only the last");
    assert_eq!(warned(0, 40), Some(1), "also when it has expired meanwhile");
}

#[test]
fn a_grace_is_told_an_hour_before_its_end_and_a_short_one_later() {
    assert_eq!(grace_warning_at(at(0), at(24)), at(23));
    assert_eq!(grace_warning_at(at(0), at(1)), at(1).minus(Span::minutes(15)));
}

#[test]
fn a_failed_delivery_waits_longer_each_time_and_ends() {
    let mut whole = Span::ZERO;
    for attempts in 1..ATTEMPTS_MAX {
        let (least, most) = (wait_after(attempts, 0).unwrap(), wait_after(attempts, 999).unwrap());
        assert!(least < most && most.as_micros() * 2 < least.as_micros() * 4, "{attempts}");
        assert!(least > whole || attempts < 3, "{attempts}");
        whole = least;
    }
    assert!(wait_after(1, 500).unwrap() <= Span::seconds(10) && wait_after(7, 999).unwrap() <= Span::hours(15));
    assert_eq!(wait_after(ATTEMPTS_MAX, 0), None);
}

#[test]
fn an_endpoint_is_given_up_after_days_of_failure_only() {
    assert!(!is_given_up(500, at(0), at(71)));
    assert!(is_given_up(10, at(0), at(72)));
    assert!(!is_given_up(9, at(0), at(1000)));
}
