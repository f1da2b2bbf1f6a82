//! Where to go after signing in: only places of this site, or a link could send people elsewhere with our name on it.

/// Where people go when nothing else is asked for.
const HOME: &str = "/settings/api-keys";

/// `next` if it is a path of this site, else the front page.
pub(super) fn local_path(next: &str) -> &str {
    // Browsers read `\` as `/` and skip tabs and line breaks, so `/\evil.example` leads away like `//evil.example`.
    let is_sane = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_local = next.starts_with('/') && !next.starts_with("//");
    if is_sane && is_local && !is_signing(next) && next.len() <= 500 { next } else { HOME }
}

/// The same, but empty where it would be the front page: for a form's hidden field.
pub(super) fn carried(next: &str) -> &str {
    if local_path(next) == next { next } else { "" }
}

fn is_signing(next: &str) -> bool {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    matches!(path, "/" | "/sign-in" | "/sign-up" | "/sign-out" | "/setup" | "/join")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_to() {
        for good in ["/orgs/acme/settings/members", "/orgs/acme/settings/api-keys?q=a%20b&page=2", "/device"] {
            assert_eq!(local_path(good), good);
        }
        for bad in [
            "",
            "/",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/\tevil",
            "/\n/evil.example",
            "/sign-in?next=/sign-in",
            "/sign-out",
            "\\\\evil.example",
            "/a b",
            "/ü",
        ] {
            assert_eq!(local_path(bad), HOME, "{bad}");
        }
    }
}
