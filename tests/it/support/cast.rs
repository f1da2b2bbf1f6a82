//! The same people in every test. Olive owns Acme, Ada is its admin, Ben and Bea build; Xavier owns Globex, next door.

use keyrack::db::{self, Conn};
use keyrack::domain::ids::{OrgId, ProfileId, UserId};
use keyrack::domain::org::{Org, Profile, Role, User};
use keyrack::domain::time::Timestamp;

/// One of the cast.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) org: &'static str,
    pub(crate) role: Role,
    /// Argon2id at the real parameters, made once: the suite need not spend its time on hashing.
    phc: &'static str,
}

pub(crate) const CAST: [Person; 5] = [
    Person {
        name: "Olive",
        org: "acme",
        role: Role::Owner,
        phc: "$argon2id$v=19$m=19456,t=2,p=1$6FzAnTdDRP5CexOSiYqXFQ$v2Tih1l9lr2+cMqnRkp3V7lovIObTFXmc03CEOCNUSc",
    },
    Person {
        name: "Ada",
        org: "acme",
        role: Role::Admin,
        phc: "$argon2id$v=19$m=19456,t=2,p=1$luLLOZm8hIJzf2EEoz0l+Q$ldTTt8jNvqhXVIspVc+yfjBBLhoZ631OoesA2AqSsio",
    },
    Person {
        name: "Ben",
        org: "acme",
        role: Role::Builder,
        phc: "$argon2id$v=19$m=19456,t=2,p=1$xoR0MnmxC9yWSMygtrPMlg$QHV4RqPPeYpco62FVZYGEqY9DREg9vjwoLrnCoKTC+0",
    },
    Person {
        name: "Bea",
        org: "acme",
        role: Role::Builder,
        phc: "$argon2id$v=19$m=19456,t=2,p=1$Sv4GRDdg2SRJUUwpQoc5gA$y0iKup4JCwGgUzjGbz//HT9+KYNvZdU6OEZwd6Ig7gU",
    },
    Person {
        name: "Xavier",
        org: "globex",
        role: Role::Owner,
        phc: "$argon2id$v=19$m=19456,t=2,p=1$dFHE8HXGRG+pzPCtJUDL2A$zpRt5ia2wh0MuKtktOhzmznbiF3LE75SQGPHgU97iws",
    },
];

/// `ben@acme.example` for `ben`.
pub(crate) fn email(who: &str) -> String {
    let org = CAST.iter().find(|person| person.name.eq_ignore_ascii_case(who)).map_or("acme", |person| person.org);
    format!("{}@{org}.example", who.to_lowercase())
}

/// `correct horse battery ben` for `ben`.
pub(crate) fn password(who: &str) -> String {
    format!("correct horse battery {}", who.to_lowercase())
}

/// `usr_ben` for `ben`.
pub(crate) fn user_id(who: &str) -> UserId {
    UserId(format!("usr_{}", who.to_lowercase()))
}

/// `org_acme` for `acme`.
pub(crate) fn org_id(slug: &str) -> OrgId {
    OrgId(format!("org_{slug}"))
}

/// `prof_acme` for `acme`: the profile that every organization begins with.
pub(crate) fn profile_id(slug: &str) -> ProfileId {
    ProfileId(format!("prof_{slug}"))
}

/// Both organizations with a profile each, and everybody in them.
pub(crate) fn seed(conn: &mut Conn, plan: &str, now: Timestamp) {
    for (slug, name) in [("acme", "Acme"), ("globex", "Globex")] {
        let org = Org { id: org_id(slug), slug: slug.into(), name: name.into(), plan: plan.into(), created_at: now };
        db::orgs::insert_org(conn, &org).unwrap();
        let profile = Profile { id: profile_id(slug), org: org.id, name: "Default".into(), created_at: now };
        db::orgs::insert_profile(conn, &profile).unwrap();
    }
    for person in &CAST {
        let user =
            User { id: user_id(person.name), email: email(person.name), name: person.name.into(), disabled_at: None };
        db::users::insert_user(conn, &user, person.phc, now).unwrap();
        db::orgs::insert_member(conn, &org_id(person.org), &user.id, person.role, now).unwrap();
    }
}
