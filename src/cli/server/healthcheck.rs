//! `keyrack healthcheck`: for container images without curl.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{CliError, ExitCode, say};
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks `/readyz` at the configured address.
pub(in crate::cli) fn healthcheck(settings: &Settings) -> Result<ExitCode, CliError> {
    let address = reachable(settings.listen);
    match ask(address) {
        Ok(200) => {
            say("ready");
            Ok(ExitCode::Ok)
        }
        Ok(status) => Err(CliError::new(format!("{address} answers {status}: not ready"))),
        Err(error) => Err(CliError::new(format!("{address} does not answer: {error}"))),
    }
}

/// One listens on all addresses but asks only one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    // "HTTP/1.1 200" is all that is wanted.
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    let status = std::str::from_utf8(&start).ok().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.parse().ok());
    status.ok_or_else(|| std::io::Error::other("not an HTTP answer"))
}
