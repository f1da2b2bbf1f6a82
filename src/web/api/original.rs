//! The client's own request, of which a proxy asks `/v1/auth`: told by the headers of a trusted proxy, or by the path that
//! Envoy appends. It is noted with the check and decides where a key may stand in the URL; it decides nothing else.

use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderMap, HeaderName};

/// The client's request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Original<'r> {
    /// `-` when unknown.
    pub method: &'r str,
    /// Without its query; `-` when unknown.
    pub path: &'r str,
    /// May hold a key: never noted. Empty unless a trusted proxy told it.
    pub query: &'r str,
}

const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
/// What stands for a path that is unknown, or not to be repeated.
pub const UNKNOWN: &str = "-";

impl<'r> Original<'r> {
    /// By the proxy's headers where it is trusted (`is_trusted`), else by the rest of the path that was asked.
    #[must_use]
    pub fn of(req: &'r RequestHead, is_trusted: bool, rest: &'r str) -> Self {
        let path = if rest.is_empty() { UNKNOWN } else { rest };
        let own = Self { method: req.method.as_str(), path, query: "" };
        if !is_trusted {
            return own;
        }
        let headers = &req.headers;
        let method = told(headers, ORIGINAL_METHOD, FORWARDED_METHOD).unwrap_or(Some(own.method));
        let uri = match told(headers, ORIGINAL_URI, FORWARDED_URI) {
            None => return Self { method: method.unwrap_or(UNKNOWN), ..own },
            Some(uri) => uri.filter(|uri| uri.starts_with('/')).unwrap_or(UNKNOWN),
        };
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        Self { method: method.unwrap_or(UNKNOWN), path, query }
    }
}

/// What is noted of a path or of a client's name for itself: nothing where the key stands in it, put there by mistake. The
/// recorder looks for other keys, and cuts.
#[must_use]
pub fn to_note<'r>(text: &'r str, token: &str) -> &'r str {
    if !token.is_empty() && text.contains(token) { UNKNOWN } else { text }
}

/// What the one header or the other says. nginx sets the first, Caddy and Traefik the second, and each passes the client's
/// own copy of the other on: so two that differ are as good as none (`Some(None)`).
fn told(headers: &HeaderMap, nginx: HeaderName, others: HeaderName) -> Option<Option<&str>> {
    let mut values = headers.get_all(nginx).chain(headers.get_all(others));
    let first = values.next()?;
    let is_clear = values.all(|value| value == first);
    Some(std::str::from_utf8(first.as_bytes()).ok().filter(|_| is_clear))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn check(headers: &[(&'static str, &str)], is_trusted: bool, rest: &str, expected: (&str, &str, &str)) {
        let request = headers.iter().fold(TestRequest::default(), |request, header| request.append_header(*header));
        let request = request.to_http_request();
        let Original { method, path, query } = Original::of(request.head(), is_trusted, rest);
        assert_eq!((method, path, query), expected, "{headers:?}");
    }

    #[test]
    fn a_trusted_proxy_tells_the_clients_request() {
        check(&[("X-Original-URI", "/a?b=c"), ("X-Original-Method", "PUT")], true, "", ("PUT", "/a", "b=c"));
        check(&[("X-Forwarded-Uri", "/a?b=c?"), ("X-Forwarded-Method", "PUT")], true, "", ("PUT", "/a", "b=c?"));
        check(&[("X-Forwarded-Uri", "/a")], true, "/ignored", ("GET", "/a", ""));
        check(&[("X-Forwarded-Uri", "/a"), ("X-Original-URI", "/a")], true, "", ("GET", "/a", ""));
        check(&[], true, "/by/path", ("GET", "/by/path", ""));
        check(&[], true, "", ("GET", "-", ""));
    }

    #[test]
    fn nobody_else_does() {
        let told = [("X-Original-URI", "/a?b=c"), ("X-Original-Method", "PUT"), ("X-Forwarded-Uri", "/a")];
        check(&told, false, "/own", ("GET", "/own", ""));
        check(
            &[("X_Original_URI", "/a"), ("X_Forwarded_Uri", "/a"), ("X-Forwarded-Prefix", "/a")],
            true,
            "",
            ("GET", "-", ""),
        );
    }

    #[test]
    fn what_is_told_twice_and_differs_is_unknown() {
        check(&[("X-Original-URI", "/a?t=1"), ("X-Forwarded-Uri", "/b?t=1")], true, "/own", ("GET", "-", ""));
        check(&[("X-Forwarded-Uri", "/a"), ("X-Forwarded-Uri", "/b")], true, "/own", ("GET", "-", ""));
        check(&[("X-Forwarded-Method", "PUT"), ("X-Original-Method", "GET")], true, "/own", ("-", "/own", ""));
        for odd in ["", "*", "https://a.example/x?token=k", "a?b"] {
            check(&[("X-Forwarded-Uri", odd)], true, "/own", ("GET", "-", ""));
        }
    }

    #[test]
    fn a_key_that_stands_in_a_text_is_not_noted() {
        assert_eq!(to_note("/a/token-1/b", "token-1"), "-");
        assert_eq!(to_note("/a/token-2/b", "token-1"), "/a/token-2/b");
        assert_eq!(to_note("/a", ""), "/a");
    }
}
