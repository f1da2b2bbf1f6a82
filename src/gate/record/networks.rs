//! From which networks keys were used, as far as the database may not know it yet.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::db::alerts::sweeps::FirstUse;
use crate::domain::ids::KeyId;
use crate::domain::time::Timestamp;

/// Networks that are remembered as written; beyond them all is forgotten, and written again to no effect.
const KNOWN_MAX: usize = 200_000;
/// Networks that wait to be written; further ones are found again with a later check.
const FRESH_MAX: usize = 10_000;

/// What one person or company usually has: /24, or /48.
fn network_of(address: &str) -> Option<IpNet> {
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.to_canonical().is_ipv4() { 24 } else { 48 };
    IpNet::new(address.to_canonical(), bits).ok().map(|net| net.trunc())
}

#[derive(Debug, Default)]
pub(super) struct Networks {
    known: HashSet<([u8; 8], IpNet)>,
    fresh: VecDeque<FirstUse>,
}

impl Networks {
    /// Notes that a key was let in from this address.
    pub(super) fn note(&mut self, key: [u8; 8], address: &str, at: Timestamp) {
        let Some(network) = network_of(address) else { return };
        if self.known.contains(&(key, network)) || self.fresh.len() >= FRESH_MAX {
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert((key, network));
        let key = KeyId(String::from_utf8_lossy(&key).into_owned());
        self.fresh.push_back(FirstUse { key, network: network.to_string(), at });
    }

    /// Takes out what is to be written, so much at most.
    pub(super) fn take(&mut self, limit: usize) -> Vec<FirstUse> {
        self.fresh.drain(..limit.min(self.fresh.len())).collect()
    }

    /// These could not be written.
    pub(super) fn put_back(&mut self, uses: Vec<FirstUse>) {
        for of in uses.into_iter().rev() {
            self.fresh.push_front(of);
        }
        self.fresh.truncate(FRESH_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_its_24_or_48_bits() {
        let network = |address| network_of(address).map(|net| net.to_string());
        assert_eq!(network("203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(network("::ffff:203.0.113.77").as_deref(), Some("203.0.113.0/24"));
        assert_eq!(network("2001:db8:1:2::3").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(network("somewhere"), None);
    }

    #[test]
    fn a_network_is_written_once_for_each_key() {
        let (mut networks, at) = (Networks::default(), Timestamp::from_micros(1));
        networks.note(*b"AAAAAAAA", "203.0.113.1", at);
        networks.note(*b"AAAAAAAA", "203.0.113.2", at);
        networks.note(*b"BBBBBBBB", "203.0.113.1", at);
        networks.note(*b"AAAAAAAA", "198.51.100.1", at);
        let fresh = networks.take(9);
        assert_eq!(fresh.len(), 3);
        networks.put_back(fresh);
        networks.note(*b"AAAAAAAA", "203.0.113.3", at);
        assert_eq!([2, 2, 2].map(|limit| networks.take(limit).len()), [2, 1, 0]);
    }
}
