//! Where a webhook may go: to https addresses on the public internet. Whoever sets up an endpoint must not reach through this
//! server what only this server can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use ureq::http::Uri;

/// Characters of an endpoint's address at most.
const URL_MAX: usize = 1000;

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits)
}

/// IANA's registry of special addresses, with multicast and what is reserved.
const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Where clouds keep the credentials of the machine itself.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The only part of IPv6 that is given out to the public; loopback, link-local, unique local, multicast, and every form with
/// an IPv4 address in it but 6to4 lie outside.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);
/// Parts of it that are special: Teredo and other protocols, documentation, 6to4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0x0db8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether an address belongs to the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => PUBLIC_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Reads the address of an endpoint with the parser that will be used to connect. `is_private_allowed` is the operator's word.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse_url(text: &str, is_private_allowed: bool) -> Result<String, String> {
    let text = text.trim();
    let wrong = || "Enter an address like https://example.com/hooks/keys.".to_owned();
    let is_plain = text.len() <= URL_MAX && text.chars().all(|c| c.is_ascii_graphic());
    let uri: Uri = Some(text).filter(|_| is_plain).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let authority = uri.authority().ok_or_else(wrong)?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if is_private_allowed => {}
        Some("http") => return Err("Use https: alerts must not be readable on their way.".to_owned()),
        _ => return Err(wrong()),
    }
    if authority.as_str().contains('@') {
        return Err("Leave user and password out of the address.".to_owned());
    }
    if text.contains('#') {
        return Err("Leave out the part after #: it is never sent.".to_owned());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(wrong());
    }
    let is_private = host.parse::<IpAddr>().is_ok_and(|address| !is_public(address))
        || host.trim_end_matches('.').eq_ignore_ascii_case("localhost");
    if is_private && !is_private_allowed {
        return Err("This address is not on the public internet, so nothing is sent there.".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether two addresses of endpoints lead to the same place. Case tells hosts and schemes apart no more than a port does that
/// goes without saying; of paths it may.
#[must_use]
pub(super) fn is_same_place(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let uri = url.parse::<Uri>().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
        let path = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Some((uri.host()?.trim_end_matches('.').to_ascii_lowercase(), port, scheme, path))
    };
    one == other || place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one))
}

/// The host of an endpoint's address, for people: the rest may be somebody's secret.
#[must_use]
pub fn host_of(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    uri.and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_is_public() {
        let public = ["1.1.1.1", "8.8.8.8", "99.255.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"];
        let not = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in not {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_that_go_nowhere_good_are_refused_with_a_reason() {
        for good in ["https://example.com/hooks", "https://example.com:8443/?a=b", "https://[2606:4700::1111]/x"] {
            assert_eq!(parse_url(&format!(" {good} "), false), Ok(good.to_owned()));
        }
        let refused = [
            "",
            "example.com",
            "/hooks",
            "http://example.com/",
            "ftp://example.com/",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user:pass@example.com/",
            "https://good.example@127.0.0.1/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://LOCALHOST.:8443/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://example.com/a b",
            "https://example.com/\r\nX: y",
            "https://exämple.com/",
            "https://example.com/#x",
        ];
        for url in refused {
            assert!(parse_url(url, false).is_err(), "{url}");
        }
        assert!(parse_url(&format!("https://example.com/{}", "x".repeat(1000)), false).is_err());
        assert!(parse_url("http://127.0.0.1:9000/x", true).is_ok() && parse_url("http://u@127.0.0.1/", true).is_err());
        assert_eq!(host_of("https://hooks.example.com:1/T0KEN"), "hooks.example.com");
    }

    #[test]
    fn the_same_place_is_known_however_it_is_written() {
        let place = "https://hooks.example.com/T0ken?a=B";
        for same in ["HTTPS://Hooks.Example.COM/T0ken?a=B", "https://hooks.example.com.:443/T0ken?a=B"] {
            assert!(is_same_place(place, same) && is_same_place(same, place), "{same}");
        }
        assert!(is_same_place("https://example.com", "https://EXAMPLE.com/"));
        for other in [
            "http://hooks.example.com/T0ken?a=B",
            "https://hooks.example.com:8443/T0ken?a=B",
            "https://hooks.example.com/t0ken?a=B",
            "https://hooks.example.com/T0ken?a=b",
            "https://hooks.example.com/T0ken",
            "https://example.com/T0ken?a=B",
        ] {
            assert!(!is_same_place(place, other), "{other}");
        }
    }
}
