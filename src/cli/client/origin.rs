//! Which server: scheme, host and port. Credentials belong to one origin and go to no other.

use std::fmt;
use std::net::IpAddr;

use crate::settings::PublicUrl;

/// `https://keys.acme.example`, always in the same spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Origin(String);

impl Origin {
    /// Reads what a person typed. Without a scheme it is https, and http on this machine.
    ///
    /// # Errors
    /// A sentence for them.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let with_scheme = match text.contains("://") {
            true => text.to_owned(),
            false if is_loopback(host_of(text)) => format!("http://{text}"),
            false => format!("https://{text}"),
        };
        if with_scheme.split("://").nth(1).is_some_and(|rest| rest.contains('@')) {
            return Err("a server's address holds no user and no password".to_owned());
        }
        PublicUrl::parse(&with_scheme).map(|url| Self(url.to_string()))
    }

    /// The origin of a longer address, such as a page of it.
    pub(in crate::cli) fn of_address(address: &str) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        Self::parse(&format!("{scheme}://{authority}")).ok()
    }

    pub(in crate::cli) fn as_str(&self) -> &str {
        &self.0
    }

    pub(in crate::cli) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// `keys.acme.example`, with the port where it is not the usual one.
    pub(in crate::cli) fn host(&self) -> &str {
        self.0.split_once("://").map_or(self.0.as_str(), |(_, host)| host)
    }

    /// Whether both are this machine under two of its names, `localhost` and `127.0.0.1`, with one scheme and port.
    pub(in crate::cli) fn is_same_machine(&self, other: &Self) -> bool {
        let port = |origin: &Self| origin.host().strip_prefix(host_of(origin.host())).map(str::to_owned);
        let are_local = is_loopback(host_of(self.host())) && is_loopback(host_of(other.host()));
        are_local && self.is_https() == other.is_https() && port(self) == port(other)
    }

    /// Whether what is sent there can be read on the way: plain http that leaves this machine.
    pub(in crate::cli) fn is_readable_on_the_way(&self) -> bool {
        !self.is_https() && !is_loopback(host_of(self.host()))
    }

    /// Whether it is an address that only exists in a network of one's own.
    pub(in crate::cli) fn is_private(&self) -> bool {
        let host = host_of(self.host());
        match host.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
            Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
            Err(_) => {
                is_loopback(host) || host.ends_with(".local") || host.ends_with(".internal") || !host.contains('.')
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn host_of(authority: &str) -> &str {
    let authority = authority.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.eq_ignore_ascii_case("localhost") || host.to_lowercase().ends_with(".localhost");
    name || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (typed, origin) in [
            ("keys.acme.example", "https://keys.acme.example"),
            ("HTTPS://Keys.Acme.Example:443/", "https://keys.acme.example"),
            ("localhost:8080", "http://localhost:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("http://keys.acme.example", "http://keys.acme.example"),
        ] {
            assert_eq!(Origin::parse(typed).unwrap().as_str(), origin);
        }
        for wrong in ["", "https://", "ftp://x.example", "https://a.example/path", "https://user:pw@a.example", "a b"] {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_origin_of_a_page_cannot_be_dressed_up() {
        let origin = |address: &str| Origin::of_address(address).map(|origin| origin.0);
        assert_eq!(origin("https://a.example/device?user_code=X").as_deref(), Some("https://a.example"));
        assert_eq!(origin("https://a.example@evil.example/device"), None);
        assert_eq!(origin("https://evil.example\\@a.example/device").as_deref(), Some("https://evil.example"));
        assert_eq!(origin("javascript:alert(1)"), None);
    }

    #[test]
    fn plain_http_is_fine_on_this_machine_only() {
        for (address, readable, private) in [
            ("http://127.0.0.1:1", false, true),
            ("http://localhost", false, true),
            ("http://192.168.1.4", true, true),
            ("http://keys.acme.example", true, false),
            ("https://keys.acme.example", false, false),
        ] {
            let origin = Origin::parse(address).unwrap();
            assert_eq!((origin.is_readable_on_the_way(), origin.is_private()), (readable, private), "{address}");
        }
    }
}
