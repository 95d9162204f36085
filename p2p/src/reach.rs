//! Whether this node can be reached, as far as tests of its addresses say: without clock or network.
//!
//! Peers are asked once to test an address that somebody sees this node at, so what was proven stays
//! so: it counts whenever the address is one of this node. That others are not reached says nothing
//! against it, since anybody can claim to see the node anywhere.

use std::collections::VecDeque;

use libp2p::Multiaddr;

use crate::Reachability;

/// Proven addresses that are remembered; the oldest gives way.
const PROVEN_MAX: usize = 64;

/// What tests of this node's addresses said.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    is_tested: bool,
    /// Addresses that a peer has reached this node at, the oldest first.
    proven: VecDeque<Multiaddr>,
}

impl Reach {
    /// Whether others reach this node, where `external` are the addresses that it tells them.
    pub(crate) fn state<'a>(
        &self,
        external: impl IntoIterator<Item = &'a Multiaddr>,
    ) -> Reachability {
        if external.into_iter().any(|address| self.is_proven(address)) {
            Reachability::Public
        } else if self.is_tested {
            Reachability::Private
        } else {
            Reachability::Unknown
        }
    }

    /// Whether a peer has ever reached an address.
    pub(crate) fn is_proven(&self, address: &Multiaddr) -> bool {
        self.proven.contains(address)
    }

    /// Notes that a peer reached an address.
    pub(crate) fn reached(&mut self, address: &Multiaddr) {
        self.is_tested = true;
        if self.is_proven(address) {
            return;
        }
        if self.proven.len() >= PROVEN_MAX {
            self.proven.pop_front();
        }
        self.proven.push_back(address.clone());
    }

    /// Notes that a peer could not reach an address, or found no way in although it had the time.
    pub(crate) const fn missed(&mut self) {
        self.is_tested = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: usize) -> Multiaddr {
        format!("/ip4/8.8.8.8/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn who_was_never_tested_is_unknown_and_who_was_missed_private() {
        let (mut reach, home) = (Reach::default(), at(1));
        assert_eq!(reach.state([&home]), Reachability::Unknown);
        reach.missed();
        assert_eq!(reach.state([&home]), Reachability::Private);
        reach.reached(&home);
        assert_eq!(reach.state([&home]), Reachability::Public);
    }

    #[test]
    fn whatever_fails_what_was_proven_stays() {
        let (mut reach, home) = (Reach::default(), at(1));
        reach.reached(&home);
        for _ in 0..40 {
            reach.missed();
            assert_eq!(reach.state([&home]), Reachability::Public);
        }
    }

    #[test]
    fn a_node_is_public_as_long_as_it_has_a_proven_address_and_again_once_it_has() {
        let (mut reach, home, second, new) = (Reach::default(), at(1), at(2), at(3));
        reach.reached(&home);
        reach.reached(&second);
        assert_eq!(reach.state([&home, &second]), Reachability::Public);
        assert_eq!(reach.state([&new, &second]), Reachability::Public);
        assert_eq!(reach.state([&new]), Reachability::Private);
        assert_eq!(reach.state([&new, &home]), Reachability::Public);
        reach.reached(&new);
        assert_eq!(reach.state([&new]), Reachability::Public);
        assert_eq!(reach.state([]), Reachability::Private);
    }

    #[test]
    fn of_many_addresses_the_latest_are_remembered() {
        let mut reach = Reach::default();
        for port in 1..=PROVEN_MAX + 1 {
            reach.reached(&at(port));
            reach.reached(&at(port));
        }
        assert!(!reach.is_proven(&at(1)));
        assert!((2..=PROVEN_MAX + 1).all(|port| reach.is_proven(&at(port))));
    }
}
