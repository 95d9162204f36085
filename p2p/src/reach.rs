//! Whether this node can be reached, as far as tests of its addresses say: without clock or network.
//!
//! A test is asked for once for each address that others see this node at, so what was proven is
//! not proven again: it counts until its address goes, a test of it fails, or several tests in a
//! row fail at other places, as after the node has moved.

use std::collections::HashSet;
use std::net::IpAddr;

use libp2p::Multiaddr;

use crate::{Reachability, address};

/// Tests that fail in a row until what was proven before counts no longer.
const FAILURES_MAX: u32 = 3;
/// Addresses that count as proven.
const PROVEN_MAX: usize = 64;

/// Whether anybody has just come in by an address of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visited {
    Yes,
    No,
}

/// What tests of this node's addresses said.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    state: Reachability,
    /// Addresses that a peer has reached this node at.
    proven: HashSet<Multiaddr>,
    /// Tests that have failed since one succeeded.
    failures: u32,
}

impl Reach {
    pub(crate) const fn state(&self) -> Reachability {
        self.state
    }

    /// Notes that nobody found a way in although they had the time.
    pub(crate) fn give_up(&mut self) {
        self.state = Reachability::Private;
    }

    /// Notes that a peer reached an address.
    pub(crate) fn reached(&mut self, address: &Multiaddr) {
        self.state = Reachability::Public;
        self.failures = 0;
        if self.proven.len() < PROVEN_MAX {
            self.proven.insert(address.clone());
        }
    }

    /// Notes that a peer could not reach an address. Returns the addresses that count as proven no
    /// longer.
    pub(crate) fn missed(&mut self, address: &Multiaddr, visited: Visited) -> Vec<Multiaddr> {
        if self.proven.remove(address) {
            if self.proven.is_empty() {
                self.state = Reachability::Private;
            }
            return vec![address.clone()];
        }
        if self.state != Reachability::Public {
            self.state = Reachability::Private;
            return Vec::new();
        }
        // Another port where one was reached, or the other version of IP, says nothing of it; and
        // who is visited has not moved, whatever address somebody claims to see it at.
        if visited == Visited::Yes || !self.is_elsewhere(address) {
            return Vec::new();
        }
        self.failures += 1;
        if self.failures < FAILURES_MAX {
            return Vec::new();
        }
        self.failures = 0;
        self.state = Reachability::Private;
        self.proven.drain().collect()
    }

    /// Notes that an address leads here no longer.
    pub(crate) fn expired(&mut self, address: &Multiaddr) {
        if self.proven.remove(address) && self.proven.is_empty() {
            self.state = Reachability::Unknown;
        }
    }

    fn is_elsewhere(&self, address: &Multiaddr) -> bool {
        let place = address::ip(address);
        let same_version = |ip: &IpAddr| place.is_some_and(|place| place.is_ipv4() == ip.is_ipv4());
        let proven = self.proven.iter().filter_map(address::ip);
        let mut comparable = proven.filter(same_version).peekable();
        comparable.peek().is_some() && comparable.all(|ip| Some(ip) != place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn public() -> (Reach, Multiaddr) {
        let (mut reach, home) = (Reach::default(), at("/ip4/8.8.8.8/udp/1/quic-v1"));
        reach.reached(&home);
        assert_eq!(reach.state(), Reachability::Public);
        (reach, home)
    }

    #[test]
    fn the_first_test_decides_and_success_outweighs() {
        let (mut reach, home) = (Reach::default(), at("/ip4/8.8.8.8/udp/1/quic-v1"));
        assert!(reach.missed(&home, Visited::No).is_empty());
        assert_eq!(reach.state(), Reachability::Private);
        reach.reached(&home);
        assert_eq!(reach.state(), Reachability::Public);
    }

    #[test]
    fn who_has_moved_is_public_no_longer() {
        let (mut reach, home) = public();
        for port in 1..FAILURES_MAX {
            let new = at(&format!("/ip4/9.9.9.9/tcp/{port}"));
            assert!(reach.missed(&new, Visited::No).is_empty());
            assert_eq!(reach.state(), Reachability::Public);
        }
        let new = at("/ip4/9.9.9.9/udp/7/quic-v1");
        assert_eq!(reach.missed(&new, Visited::No), [home]);
        assert_eq!(reach.state(), Reachability::Private);
        reach.reached(&new);
        assert_eq!(reach.state(), Reachability::Public);
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let (mut reach, home) = public();
        let new = at("/ip4/9.9.9.9/tcp/1");
        for _ in 0..5 {
            for _ in 1..FAILURES_MAX {
                reach.missed(&new, Visited::No);
            }
            reach.reached(&home);
        }
        assert_eq!(reach.state(), Reachability::Public);
    }

    #[test]
    fn failures_that_say_nothing_of_the_proven_address_leave_it() {
        let (mut reach, _) = public();
        for port in 2..40 {
            reach.missed(&at(&format!("/ip4/8.8.8.8/tcp/{port}")), Visited::No);
            reach.missed(&at(&format!("/ip6/2600::1/tcp/{port}")), Visited::No);
            reach.missed(&at(&format!("/ip4/9.9.9.9/tcp/{port}")), Visited::Yes);
        }
        assert_eq!(reach.state(), Reachability::Public);
    }

    #[test]
    fn a_proven_address_counts_until_it_goes_or_fails() {
        let (mut reach, home) = public();
        let second = at("/ip4/8.8.8.8/tcp/2");
        reach.reached(&second);
        reach.expired(&home);
        assert_eq!(reach.state(), Reachability::Public);
        reach.expired(&second);
        assert_eq!(reach.state(), Reachability::Unknown);
        let (mut reach, home) = public();
        assert_eq!(reach.missed(&home, Visited::No), [home]);
        assert_eq!(reach.state(), Reachability::Private);
    }
}
