//! Which proxy leads to a server, by the variables that everybody uses.

use std::net::IpAddr;

use ureq::Proxy;

use super::env::Environment;
use super::origin::Origin;
use crate::cli::CliError;

/// `https_proxy` or `http_proxy` by the server's scheme, else `all_proxy`, unless `no_proxy` names the host. Small or capital
/// letters; for http the small ones only, since a web server may have set the others from a request.
pub(super) fn find(origin: &Origin, env: &Environment) -> Result<Option<Proxy>, CliError> {
    let either = |small: &'static str, capital: &'static str| {
        env.get(small).map(|value| (small, value)).or_else(|| env.get(capital).map(|value| (capital, value)))
    };
    let own = if origin.is_https() {
        either("https_proxy", "HTTPS_PROXY")
    } else {
        env.get("http_proxy")
            .map(|value| ("http_proxy", value))
            .or_else(|| env.get("REQUEST_METHOD").is_none().then(|| either("http_proxy", "HTTP_PROXY")).flatten())
    };
    let Some((name, value)) = own.or_else(|| either("all_proxy", "ALL_PROXY")) else { return Ok(None) };
    let host = host_alone(origin);
    if either("no_proxy", "NO_PROXY").is_some_and(|(_, list)| is_excepted(&host, list)) {
        return Ok(None);
    }
    let address = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    // Its text may hold a password.
    Proxy::new(&address).map(Some).map_err(|_| CliError::usage(format!("{name} is not the address of a proxy")))
}

fn host_alone(origin: &Origin) -> String {
    let host = origin.host();
    let alone = match host.rsplit_once(':') {
        Some((alone, port)) if !port.contains(']') => alone,
        _ => host,
    };
    alone.trim_matches(['[', ']']).to_owned()
}

/// As curl reads it: `*` is everything, a name stands for itself and what is below it.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Ok(net), Ok(ip)) = (entry.parse::<ipnet::IpNet>(), host.parse::<IpAddr>()) {
            return net.contains(&ip);
        }
        let name = entry.trim_start_matches("*.").trim_start_matches('.').trim_matches(['[', ']']).to_lowercase();
        host == name || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let proxy = find(&Origin::parse(server).unwrap(), &Environment::of(variables)).unwrap();
        proxy.map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn the_variable_of_the_scheme_leads() {
        let variables =
            [("HTTPS_PROXY", "http://secure:3128"), ("http_proxy", "plain:3128"), ("ALL_PROXY", "http://all:1")];
        assert_eq!(found("https://a.example", &variables).as_deref(), Some("secure"));
        assert_eq!(found("http://a.example", &variables).as_deref(), Some("plain"));
        assert_eq!(found("https://a.example", &variables[2..]).as_deref(), Some("all"));
        assert_eq!(found("https://a.example", &variables[1..2]), None);
        assert_eq!(found("http://a.example", &[("HTTP_PROXY", "http://cgi:1"), ("REQUEST_METHOD", "GET")]), None);
    }

    #[test]
    fn some_hosts_are_reached_without_it() {
        let excepted =
            |host: &str, list: &str| found(host, &[("all_proxy", "http://p:1"), ("no_proxy", list)]).is_none();
        assert!(excepted("https://a.example", "*"));
        assert!(excepted("https://keys.a.example", "b.example, .a.example"));
        assert!(excepted("https://a.example:8443", "a.example"));
        assert!(excepted("http://10.1.2.3", "10.0.0.0/8"));
        assert!(excepted("http://[::1]:8080", "::1"));
        assert!(!excepted("https://nota.example", "a.example"));
    }
}
