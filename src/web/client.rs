//! Who sent a request: address, client, request id.

use std::net::IpAddr;

use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpMessage, HttpRequest};
use ipnet::IpNet;

use super::State;
use crate::actions::Origin;
use crate::domain::sent::{CLIENT, harmless};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The id that a request carries through logs and answers.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Where a request came from, for actions. `via` is `page` or `api`.
#[must_use]
pub fn origin(req: &HttpRequest, via: &'static str) -> Origin {
    let state = req.app_data::<actix_web::web::Data<State>>();
    let address = address(req.head(), state.map_or(&[][..], |state| &state.config.trusted_proxies));
    let client = state.map(|state| harmless(agent(req.head()), CLIENT, &state.rules.format));
    let request_id = req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    Origin {
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        client: client.unwrap_or_default(),
        via,
        request_id,
    }
}

/// The address of the client.
pub(super) fn address(req: &RequestHead, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = peer(req)?;
    if !is_one_of(proxies, &peer) {
        return Some(peer);
    }
    // As much of it as is text: what a client wrote before it must not hide what our own proxy wrote.
    let forwarded = req.headers.get_all(FORWARDED_FOR).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Some(client_address(peer, forwarded.collect::<Vec<_>>().join(",").as_str(), proxies))
}

/// Whether the peer is a proxy whose word is taken.
pub(super) fn is_from_proxy(req: &RequestHead, proxies: &[IpNet]) -> bool {
    !proxies.is_empty() && peer(req).is_some_and(|peer| is_one_of(proxies, &peer))
}

/// What the client calls itself, or empty.
pub(super) fn agent(req: &RequestHead) -> &str {
    req.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn peer(req: &RequestHead) -> Option<IpAddr> {
    req.peer_addr.map(|addr| addr.ip().to_canonical())
}

fn is_one_of(nets: &[IpNet], address: &IpAddr) -> bool {
    nets.iter().any(|net| net.contains(address))
}

/// The address of the client: the peer's, unless that is a trusted proxy. Then `X-Forwarded-For` is walked from its
/// right end, where our own proxies wrote, to the first address that is not one of them.
fn client_address(peer: IpAddr, forwarded: &str, proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| is_one_of(proxies, address);
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for part in forwarded.rsplit(',') {
        let Ok(address) = part.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("net"), "127.0.0.1/32".parse().expect("net")];
        let check = |peer: &str, forwarded: &str, expected: &str| {
            let address = client_address(peer.parse().expect("ip"), forwarded, &proxies);
            assert_eq!(address.to_string(), expected, "{peer} {forwarded}");
        };
        check("203.0.113.7", "6.6.6.6", "203.0.113.7");
        check("127.0.0.1", "", "127.0.0.1");
        check("127.0.0.1", "203.0.113.7", "203.0.113.7");
        check("127.0.0.1", "6.6.6.6, 203.0.113.7, 10.1.1.1", "203.0.113.7");
        check("127.0.0.1", "6.6.6.6, rubbish", "127.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_does_not_hide_what_a_proxy_wrote() {
        let proxies: Vec<IpNet> = vec!["127.0.0.1/32".parse().expect("net")];
        for written in [&b"\xff, 203.0.113.7"[..], b"\xf0\x9f\x92,203.0.113.7", b"6.6.6.6\xff, 203.0.113.7"] {
            let req = actix_web::test::TestRequest::get()
                .peer_addr("127.0.0.1:4000".parse().expect("address"))
                .insert_header((FORWARDED_FOR, header::HeaderValue::from_bytes(written).expect("a header")))
                .to_http_request();
            assert_eq!(address(req.head(), &proxies), "203.0.113.7".parse().ok(), "{written:?}");
        }
    }
}
