//! The two addresses among the settings: of the database, and of the site as people see it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// `sqlite://PATH` or `postgres://…`. Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Checks the scheme; whether anything answers there is only known by opening it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        match text.strip_prefix("sqlite://") {
            Some("") => Err("sqlite:// needs the path of a file, like sqlite://keyrack.db".to_owned()),
            Some(path) if path.contains(":memory:") => {
                Err("a database in memory would be another one for each connection; name a file".to_owned())
            }
            // libpq would repeat a part of the password when it complains of these.
            None if is_postgres && !has_plain_authority(text) => {
                Err("holds a space or a second @; write them as %20 and %40 in the user and password".to_owned())
            }
            None if !is_postgres => Err("must begin with sqlite:// or postgres://".to_owned()),
            Some(_) | None => Ok(Self(text.to_owned())),
        }
    }

    /// The whole of it, password included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file, when it is SQLite.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.0.strip_prefix("sqlite://").map(Path::new)
    }
}

fn has_plain_authority(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    authority.matches('@').count() <= 1 && rest.chars().all(is_plain)
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://").filter(|(scheme, _)| *scheme != "sqlite") else {
            return f.write_str(&self.0);
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                format!("{}:***@{host}", user.split(':').next().unwrap_or_default())
            }
            _ => authority.to_owned(),
        };
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        write!(f, "{scheme}://{host}{path}")?;
        let parts = query.unwrap_or_default().split('&').filter(|part| !part.is_empty());
        let shown: Vec<&str> =
            parts.map(|part| if part.to_lowercase().contains("password=") { "password=***" } else { part }).collect();
        if shown.is_empty() { Ok(()) } else { write!(f, "?{}", shown.join("&")) }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Where people reach the site: an origin, scheme, host and port, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    host: String,
    https: bool,
}

impl PublicUrl {
    /// Parses `https://keys.example.com`, with a port if need be.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("“{text}” is not an address like https://keys.example.com");
        let lower = text.trim().to_lowercase();
        let (scheme, rest) = lower.split_once("://").ok_or_else(wrong)?;
        let (https, usual_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(format!("“{text}” must begin with https:// or http://")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(format!(
                "“{text}” must end after the host: Keyrack needs a host name of its own, not a folder"
            ));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.contains(']') => {
                (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?))
            }
            _ => (authority, None),
        };
        if !is_host(host) {
            return Err(wrong());
        }
        let port = port.filter(|port| *port != usual_port).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { origin: format!("{scheme}://{host}{port}"), host: host.to_owned(), https })
    }

    /// What it is when nobody sets it. Nobody can visit `0.0.0.0`, so that becomes `localhost`.
    #[must_use]
    pub fn of_listener(address: SocketAddr) -> Self {
        let host = match address.ip() {
            ip if ip.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
        Self { origin: format!("http://{host}{port}"), host, https: false }
    }

    /// The origin, as a browser sends it: `https://keys.example.com`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Whether browsers reach it over TLS.
    #[must_use]
    pub fn uses_https(&self) -> bool {
        self.https
    }

    /// Whether it is plain http to this very machine, which browsers treat as safe.
    #[must_use]
    pub fn is_loopback_http(&self) -> bool {
        let name = self.host.trim_matches(['[', ']']);
        let loopback = name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.https && (loopback || name == "localhost" || name.ends_with(".localhost"))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !part.starts_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}
