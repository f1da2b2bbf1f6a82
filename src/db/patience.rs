//! How long a connection to PostgreSQL waits for a server that says nothing. Without limits a node whose packets vanish on the
//! way sits before its dead connections for as long as the system is patient, a quarter of an hour, though there is a way again.

/// libpq's own parameters, none of which means anything to a socket in the file system. Five seconds to connect (to each of
/// several addresses); a silent connection is asked after five whether it lives, and given up after some ten in which nothing came
/// or nothing that was sent has arrived.
const LIMITS: &str =
    "connect_timeout=5&keepalives_idle=5&keepalives_interval=2&keepalives_count=3&tcp_user_timeout=10000";

/// The same address with limits. Of a parameter that stands there twice libpq takes the last, so they stand before the
/// operator's own.
pub(super) fn with_limits(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    // As libpq reads it: before an @ everything is user and password, with a question mark as well.
    let credentials = url[start..].find(['@', '/']).filter(|at| url[start + at..].starts_with('@'));
    let host = start + credentials.map_or(0, |at| at + 1);
    match url[host..].find('?') {
        None => format!("{url}?{LIMITS}"),
        Some(at) => {
            let (before, own) = (&url[..host + at], &url[host + at + 1..]);
            if own.is_empty() { format!("{before}?{LIMITS}") } else { format!("{before}?{LIMITS}&{own}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Db;
    use super::*;

    #[test]
    fn limits_stand_before_what_the_address_says_itself() {
        for (url, before, own) in [
            ("postgres://host/db", "postgres://host/db", ""),
            ("postgresql://u:p@h1:1,h2:2/db?", "postgresql://u:p@h1:1,h2:2/db", ""),
            ("postgres://?host=/run/a@b", "postgres://", "&host=/run/a@b"),
            ("postgres://host/db?connect_timeout=9&a=b", "postgres://host/db", "&connect_timeout=9&a=b"),
            ("postgres://u:a?b@host?x=y", "postgres://u:a?b@host", "&x=y"),
            ("postgres:///db?host=/run/a@b", "postgres:///db", "&host=/run/a@b"),
        ] {
            assert_eq!(with_limits(url), format!("{before}?{LIMITS}{own}"), "{url}");
        }
    }

    /// libpq reads these before it connects, and says what it does not understand.
    #[test]
    fn what_the_address_says_itself_counts() {
        for name in ["keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"] {
            let opened = Db::open(&format!("postgres://keyrack@127.0.0.1:1/postgres?{name}=own"));
            let words = opened.map(drop).unwrap_err().to_string();
            assert!(words.contains(&format!("\"own\" for connection option \"{name}\"")), "{words}");
        }
        let words = Db::open("postgres://keyrack@127.0.0.1:1/postgres").map(drop).unwrap_err().to_string();
        assert!(words.contains("onnection refused"), "{words}");
    }
}
