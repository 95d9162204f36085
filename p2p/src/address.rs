//! What an address says: whom it leads to, over what, and whether this node may dial it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use phytomer_wire::{Origin, Route};

use crate::Error;

/// Reads an address.
pub(crate) fn parse(text: &str) -> Result<Multiaddr, Error> {
    text.parse()
        .map_err(|reason: libp2p::multiaddr::Error| Error::InvalidAddress {
            address: text.into(),
            reason: reason.to_string(),
        })
}

/// Takes the peer that an address leads to off its end.
pub(crate) fn split(mut address: Multiaddr) -> (Option<PeerId>, Multiaddr) {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => {
            address.pop();
            (Some(peer), address)
        }
        _ => (None, address),
    }
}

/// What a connection over this address runs over.
pub(crate) fn route(address: &Multiaddr) -> Route {
    let mut route = Route::Memory;
    for protocol in address {
        match protocol {
            Protocol::P2pCircuit => return Route::Relayed,
            Protocol::QuicV1 | Protocol::Quic => route = Route::Quic,
            Protocol::Tcp(_) => route = Route::Tcp,
            _ => {}
        }
    }
    route
}

/// The IP address that packets are sent to.
pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        _ => None,
    }
}

/// Where a peer is that is connected over `route` from `address`.
pub(crate) fn origin(address: &Multiaddr, route: Route) -> Origin {
    if route == Route::Relayed {
        return Origin::Relayed;
    }
    match ip(address).map(|ip| ip.to_canonical()) {
        Some(ip) if !is_global(ip) => Origin::Local,
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            Origin::V4([a, b, c])
        }
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            Origin::V6([a, b, c])
        }
        None => Origin::Local,
    }
}

/// Whether an IP address is one of the open internet (RFC 6890 and the IANA registries).
pub(crate) fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_global_v4(mapped),
            None => is_global_v6(ip),
        },
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || a >= 240
        || (a == 100 && (b & 0xc0) == 64)
        || (a == 198 && (b & 0xfe) == 18)
        || (a == 192 && b == 0 && c == 0))
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    !(ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || (a & 0xfe00) == 0xfc00
        || (a & 0xffc0) == 0xfe80
        || (a == 0x2001 && b == 0x0db8))
}

/// Which addresses this node may dial.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialPolicy {
    /// Private, link-local and loopback addresses.
    pub(crate) private: bool,
    /// Loopback addresses.
    pub(crate) loopback: bool,
    /// Addresses over QUIC, which does not tell how its keys were agreed.
    pub(crate) quic: bool,
    /// Addresses that an operator named or the local network announced.
    pub(crate) trusted: HashSet<IpAddr>,
}

impl DialPolicy {
    /// Whether the address may be dialled. Names are judged once they are resolved.
    pub(crate) fn allows(&self, address: &Multiaddr) -> bool {
        if !self.quic && route(address) == Route::Quic {
            return false;
        }
        match ip(address) {
            None => true,
            Some(ip) => {
                self.private
                    || (self.loopback && ip.is_loopback())
                    || self.trusted.contains(&ip)
                    || is_global(ip)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_open_internet_is_dialled_unless_more_is_allowed() {
        let strict = DialPolicy {
            quic: true,
            ..DialPolicy::default()
        };
        let private = DialPolicy {
            private: true,
            ..strict.clone()
        };
        for (text, global) in [
            ("/ip4/8.8.8.8/tcp/1", true),
            ("/ip4/10.1.2.3/tcp/1", false),
            ("/ip4/172.20.0.1/udp/1/quic-v1", false),
            ("/ip4/192.168.0.9/tcp/1", false),
            ("/ip4/100.64.0.1/tcp/1", false),
            ("/ip4/169.254.169.254/tcp/80", false),
            ("/ip4/127.0.0.1/tcp/1", false),
            ("/ip4/0.0.0.0/tcp/1", false),
            ("/ip6/::1/tcp/1", false),
            ("/ip6/fd00::1/tcp/1", false),
            ("/ip6/fe80::1/tcp/1", false),
            ("/ip6/::ffff:10.0.0.1/tcp/1", false),
            ("/ip6/2606:4700::1111/tcp/1", true),
            ("/dns4/example.org/tcp/1", true),
        ] {
            assert_eq!(strict.allows(&address(text)), global, "{text}");
            assert!(private.allows(&address(text)), "{text}");
        }
    }

    #[test]
    fn peers_are_told_apart_by_the_network_that_they_are_in() {
        for (text, expected) in [
            ("/ip4/8.8.4.9/tcp/1", Origin::V4([8, 8, 4])),
            ("/ip6/::ffff:8.8.4.8/tcp/1", Origin::V4([8, 8, 4])),
            (
                "/ip6/2606:4700:7:8::1/udp/1/quic-v1",
                Origin::V6([0x2606, 0x4700, 7]),
            ),
            ("/ip4/127.0.0.1/tcp/1", Origin::Local),
            ("/ip4/192.168.0.9/udp/1/quic-v1", Origin::Local),
            ("/ip4/169.254.0.9/tcp/1", Origin::Local),
            ("/ip6/fe80::1/tcp/1", Origin::Local),
            ("/memory/7", Origin::Local),
        ] {
            let address = address(text);
            assert_eq!(origin(&address, route(&address)), expected, "{text}");
            assert_eq!(origin(&address, Route::Relayed), Origin::Relayed);
        }
    }

    #[test]
    fn trusted_and_loopback_addresses_are_exceptions_and_quic_can_be_off() {
        let mut policy = DialPolicy {
            loopback: true,
            ..DialPolicy::default()
        };
        assert!(policy.allows(&address("/ip4/127.0.0.1/tcp/1")));
        assert!(!policy.allows(&address("/ip4/127.0.0.1/udp/1/quic-v1")));
        assert!(!policy.allows(&address("/ip4/10.0.0.1/tcp/1")));
        policy.trusted.insert([10, 0, 0, 1].into());
        assert!(policy.allows(&address("/ip4/10.0.0.1/tcp/1")));
        assert!(!policy.allows(&address("/ip4/10.0.0.2/tcp/1")));
    }

    #[test]
    fn an_address_tells_its_route_and_its_target() {
        let (relay, target) = (PeerId::random(), PeerId::random());
        let circuit = address(&format!(
            "/ip4/1.2.3.4/udp/1/quic-v1/p2p/{relay}/p2p-circuit/p2p/{target}"
        ));
        assert_eq!(route(&circuit), Route::Relayed);
        assert_eq!(route(&address("/ip4/1.2.3.4/udp/1/quic-v1")), Route::Quic);
        assert_eq!(route(&address("/ip4/1.2.3.4/tcp/1")), Route::Tcp);
        let (peer, rest) = split(circuit);
        assert_eq!(peer, Some(target));
        assert!(rest.to_string().ends_with("/p2p-circuit"));
        assert_eq!(split(rest.clone()), (None, rest));
    }
}
