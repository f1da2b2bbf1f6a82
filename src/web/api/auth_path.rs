//! What the path of `/v1/auth` asks for. The operator writes its beginning; behind it may stand the path of a client's own
//! request, which Envoy appends. So it is read from the left, once, and what a client appends can neither take a requirement
//! away nor, behind `/envoy`, add one.
//!
//! ```text
//! /v1/auth [/nginx] [/require/role:ROLE] [/envoy] [the client's own path]
//! ```

use crate::domain::org::Role;

/// What the operator's part asks for, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'r> {
    /// Answers that nginx passes on: only 200, 401 and 403.
    pub for_nginx: bool,
    /// Who is let in at all.
    pub require: Require,
    /// The path of the client's request, where it was appended; else empty.
    pub rest: &'r str,
}

/// Who is let in at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// Every good key.
    Nothing,
    /// Keys that may do this much now.
    Role(Role),
    /// Something that this version does not know, or a misspelling: nobody is let in.
    Unknown,
}

/// Reads the path as it was sent, not unescaped.
#[must_use]
pub fn read(path: &str) -> Asked<'_> {
    let unknown = Asked { for_nginx: false, require: Require::Unknown, rest: "" };
    let Some(rest) = path.strip_prefix("/v1/auth").filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return unknown;
    };
    let (for_nginx, rest) = match step(rest) {
        ("nginx", after) => (true, after),
        _ => (false, rest),
    };
    let (require, rest) = match step(rest) {
        ("require", after) => {
            let (requirement, after) = step(after);
            (requirement_of(requirement), after)
        }
        // A slip of the operator's pen must not open the door.
        (first, after) if looks_like_requirement(first) => (Require::Unknown, after),
        _ => (Require::Nothing, rest),
    };
    let rest = match step(rest) {
        ("envoy", after) => after,
        _ => rest,
    };
    Asked { for_nginx, require, rest }
}

/// The first step of a path and what follows it, with its slash. Empty steps are passed over: an operator's prefix may end
/// with a slash.
fn step(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_at(path.find('/').unwrap_or(path.len()))
}

fn requirement_of(text: &str) -> Require {
    // Some proxies escape the colon.
    let role = ["role:", "role%3A", "role%3a"].iter().find_map(|lead| text.strip_prefix(lead));
    role.and_then(|role| role.parse().ok()).map_or(Require::Unknown, Require::Role)
}

fn looks_like_requirement(step: &str) -> bool {
    let begins = |lead: &str| step.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead));
    begins("require") || begins("role:") || begins("role%3a") || step.eq_ignore_ascii_case("nginx")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> (bool, Require, &str) {
        let Asked { for_nginx, require, rest } = read(path);
        (for_nginx, require, rest)
    }

    #[test]
    fn the_operators_part_is_read_from_the_left() {
        use Require::{Nothing, Role as Needs};
        for (path, expected) in [
            ("/v1/auth", (false, Nothing, "")),
            ("/v1/auth/", (false, Nothing, "/")),
            ("/v1/auth/nginx", (true, Nothing, "")),
            ("/v1/auth/require/role:admin", (false, Needs(Role::Admin), "")),
            ("/v1/auth/require/role:admin/", (false, Needs(Role::Admin), "/")),
            ("/v1/auth/require/role%3Aowner", (false, Needs(Role::Owner), "")),
            ("/v1/auth/nginx/require/role:builder", (true, Needs(Role::Builder), "")),
            ("/v1/auth//require/role:admin", (false, Needs(Role::Admin), "")),
            ("/v1/auth/envoy/a/b", (false, Nothing, "/a/b")),
            ("/v1/auth/require/role:admin/envoy/a", (false, Needs(Role::Admin), "/a")),
            ("/v1/auth/a/b", (false, Nothing, "/a/b")),
        ] {
            assert_eq!(asked(path), expected, "{path}");
        }
    }

    #[test]
    fn what_a_client_appends_changes_nothing() {
        let own = [
            "/",
            "/a",
            "//",
            "/require/role:builder",
            "/require/role:owner",
            "/require/x",
            "/nginx",
            "/envoy",
            "/envoy/require/role:owner",
            "/..",
            "/../../require/role:builder",
            "/%2e%2e/",
            "/v1/auth",
            "//nginx",
        ];
        for own in own {
            let path = format!("/v1/auth/envoy{own}");
            assert_eq!(asked(&path), (false, Require::Nothing, own), "{path}");
            for prefix in ["/v1/auth/require/role:admin/envoy", "/v1/auth/require/role:admin"] {
                let path = format!("{prefix}{own}");
                let (for_nginx, require, _) = asked(&path);
                assert_eq!((for_nginx, require), (false, Require::Role(Role::Admin)), "{path}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_of_a_client_undoes_the_operators_part(own in "(/|require|role:(builder|owner)|envoy|nginx|[%.a-z]){0,8}") {
            let admin = Require::Role(Role::Admin);
            proptest::prop_assert_eq!(read(&format!("/v1/auth/require/role:admin/{own}")).require, admin);
            let behind = format!("/v1/auth/require/role:admin/envoy/{own}");
            proptest::prop_assert_eq!(asked(&behind), (false, admin, &behind["/v1/auth/require/role:admin/envoy".len()..]));
            let behind = format!("/v1/auth/envoy/{own}");
            proptest::prop_assert_eq!(asked(&behind), (false, Require::Nothing, &behind["/v1/auth/envoy".len()..]));
        }

        #[test]
        fn any_path_can_be_read(path in "\\PC*") {
            let _ = read(&path);
        }
    }

    #[test]
    fn what_is_not_known_lets_nobody_in() {
        for path in [
            "/v1/auth/require",
            "/v1/auth/require/",
            "/v1/auth/require/role:",
            "/v1/auth/require/role:root",
            "/v1/auth/require/role:Admin",
            "/v1/auth/require/role:admin,owner",
            "/v1/auth/require/admin",
            "/v1/auth/require/keys:read",
            "/v1/auth/require/role:admin%2F",
            "/v1/auth/require/role:admin%00",
            "/v1/auth/requires/role:admin",
            "/v1/auth/Require/role:admin",
            "/v1/auth/role:admin",
            "/v1/auth/NGINX",
            "/v1/auth/nginx/nginx",
            "/v1/authx",
            "/v1/%61uth",
            "/v1",
            "",
        ] {
            assert_eq!(asked(path).1, Require::Unknown, "{path}");
        }
    }
}
