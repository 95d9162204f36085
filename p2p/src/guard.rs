//! Who may connect, and how often from one place: a behaviour that only refuses.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, FromSwarm, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::{address, peer, shared::Shared};

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The peer is excluded, or not among those that are allowed.
    Excluded,
    /// The peer has no Ed25519 key.
    Key,
    /// Too many connections from one address.
    Address,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Excluded => "the peer is excluded",
            Self::Key => "the peer has no Ed25519 key",
            Self::Address => "there are too many connections from this address",
        })
    }
}

impl std::error::Error for Refusal {}

/// Connections by the address that they come from. IPv6 counts by /64, which is one customer's.
#[derive(Debug, Default)]
struct Origins<Id> {
    counts: HashMap<IpAddr, usize>,
    of: HashMap<Id, IpAddr>,
}

impl<Id: std::hash::Hash + Eq> Origins<Id> {
    fn new() -> Self {
        Self {
            counts: HashMap::new(),
            of: HashMap::new(),
        }
    }

    /// Whether there is room for one more connection from `ip`, which then takes it.
    fn take(&mut self, id: Id, ip: IpAddr, max: usize) -> bool {
        let ip = group(ip);
        let count = self.counts.entry(ip).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        self.of.insert(id, ip);
        true
    }

    fn release(&mut self, id: &Id) {
        let Some(ip) = self.of.remove(id) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&ip);
            }
        }
    }
}

fn group(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => {
            Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into()
        }
        _ => ip,
    }
}

/// Refuses connections of denied and excluded peers and floods from one address.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    per_ip_max: usize,
    origins: Origins<ConnectionId>,
    allowed: Option<HashSet<PeerId>>,
    /// Whom the settings deny, whatever is lifted later.
    denied: HashSet<PeerId>,
    /// Who was excluded, until it is admitted.
    excluded: HashSet<PeerId>,
}

impl Guard {
    pub(crate) fn new(
        shared: Arc<Shared>,
        per_ip_max: usize,
        allowed: Option<HashSet<PeerId>>,
    ) -> Self {
        Self {
            shared,
            per_ip_max,
            origins: Origins::new(),
            allowed,
            denied: HashSet::new(),
            excluded: HashSet::new(),
        }
    }

    /// Refuses a peer for as long as the node runs.
    pub(crate) fn deny(&mut self, peer: PeerId) {
        self.denied.insert(peer);
    }

    /// Refuses a peer until [`Self::admit`].
    pub(crate) fn exclude(&mut self, peer: PeerId) {
        self.excluded.insert(peer);
    }

    pub(crate) fn admit(&mut self, peer: &PeerId) {
        self.excluded.remove(peer);
    }

    fn refuse(&self, refusal: Refusal) -> ConnectionDenied {
        let reason = match refusal {
            Refusal::Excluded => "excluded",
            Refusal::Key => "key",
            Refusal::Address => "address",
        };
        self.shared
            .metrics
            .refused
            .with_label_values(&[reason])
            .inc();
        ConnectionDenied::new(refusal)
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if peer::to_wire(peer).is_none() {
            return Err(self.refuse(Refusal::Key));
        }
        let allowed = self.allowed.as_ref().is_none_or(|all| all.contains(peer));
        if !allowed || self.denied.contains(peer) || self.excluded.contains(peer) {
            return Err(self.refuse(Refusal::Excluded));
        }
        Ok(())
    }
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        match address::ip(remote) {
            Some(ip) if !self.origins.take(id, ip, self.per_ip_max) => {
                Err(self.refuse(Refusal::Address))
            }
            _ => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = peer {
            self.check(&peer)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.origins.release(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        libp2p::core::util::unreachable(event)
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes and goes, no address holds more than its share, and nothing is left
        /// over once all have gone.
        #[test]
        fn an_address_holds_no_more_connections_than_allowed(
            steps in proptest::collection::vec((any::<bool>(), 0u8..32, 0u8..3), 0..200),
        ) {
            let mut origins = Origins::new();
            let mut held: HashMap<u8, u8> = HashMap::new();
            for (opens, id, host) in steps {
                if opens && !held.contains_key(&id) {
                    let before = held.values().filter(|other| **other == host).count();
                    let taken = origins.take(id, IpAddr::from([10, 0, 0, host]), 4);
                    prop_assert_eq!(taken, before < 4);
                    if taken {
                        held.insert(id, host);
                    }
                } else {
                    held.remove(&id);
                    origins.release(&id);
                }
            }
            for id in held.keys() {
                origins.release(id);
            }
            prop_assert!(origins.counts.is_empty() && origins.of.is_empty());
        }
    }

    #[test]
    fn one_customer_of_ipv6_counts_once() {
        let mut origins = Origins::new();
        let ips = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"];
        let taken = ips.map(|ip| origins.take(ip, ip.parse().unwrap(), 1));
        assert_eq!(taken, [true, false, true]);
    }
}
