//! Keys in a URL (ruling 12): at which of the upstream's paths they are taken at all.

/// Whether the operator may name this as an endpoint: a plain path, and `/*` at its end for what is below it only.
#[must_use]
pub fn is_endpoint(text: &str) -> bool {
    let base = text.strip_suffix("/*").unwrap_or(text);
    (base.starts_with('/') || text == "/*") && base.bytes().all(|byte| byte != b'*') && is_plain(base)
}

/// Whether a request for `path` (the upstream's, without its query) may carry its key as a parameter.
#[must_use]
pub fn is_taken_at(endpoints: &[String], path: &str) -> bool {
    // A path that the upstream may read otherwise than it stands here is none of the operator's endpoints.
    is_plain(path) && endpoints.iter().any(|endpoint| fits(endpoint, path))
}

fn fits(endpoint: &str, path: &str) -> bool {
    match endpoint.strip_suffix("/*") {
        Some(base) => path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1),
        None => {
            let base = endpoint.strip_suffix('/').unwrap_or(endpoint);
            path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    }
}

/// Whether everybody reads this path alike: no escapes, no empty or dotted steps, nothing but visible ASCII.
fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#' | b';'))
        && !path.contains("//")
        && !path.split('/').any(|step| matches!(step, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_path() {
        for good in ["/", "/hooks", "/hooks/", "/hooks/*", "/a/b-c_d.e", "/*"] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in ["", "hooks", "*", "/hooks*", "/*/in", "/a b", "/a?b", "/a#b", "/a/../b", "/./a", "//a", "/%61"] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_is_taken_at_an_endpoint_and_below_it() {
        let endpoints = ["/hooks".to_owned(), "/in/*".to_owned()];
        for yes in ["/hooks", "/hooks/", "/hooks/github", "/in/github", "/in/a/b"] {
            assert!(is_taken_at(&endpoints, yes), "{yes}");
        }
        let no = [
            "",
            "/",
            "/hook",
            "/hooksy",
            "/HOOKS",
            "/in",
            "/in/",
            "/api/hooks",
            "/hooks/../api",
            "/hooks/./x",
            "/hooks/%2e%2e/api",
            "/hooks//x",
            "//hooks",
            "/hooks\\..\\api",
            "/hooks;x",
            "hooks",
            "/hooks/ü",
        ];
        for no in no {
            assert!(!is_taken_at(&endpoints, no), "{no}");
        }
        assert!(!is_taken_at(&[], "/hooks"));
        assert!(is_taken_at(&["/".to_owned()], "/anything"));
    }
}
