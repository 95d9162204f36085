//! Being reached: addresses, relays, and what others found when they tried.

use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, autonat, mdns, relay, upnp};
use phytomer_wire::Direction;

use super::{Actor, setup};
use crate::{Reachability, address, backoff, peer};

/// Relays that a node uses which cannot be reached directly.
const RELAYS_MAX: usize = 2;
/// For how long a peer that was dialled may look for a way back. A test is lost with the connection
/// that it was asked for on, and then nobody says that it failed.
const WAY_BACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Addresses of the local network that are trusted.
const TRUSTED_MAX: usize = 1_024;

/// A place at a relay, or the wish for one.
pub(super) struct Reservation {
    address: Multiaddr,
    listener: Option<ListenerId>,
    failures: u32,
    next_try_ms: u64,
    /// Named by the operator.
    is_kept: bool,
}

impl Actor {
    /// Wishes for a place at a relay that the operator named.
    pub(super) fn reserve_at(&mut self, relay: PeerId, address: Multiaddr) {
        let reservation = Reservation {
            address,
            listener: None,
            failures: 0,
            next_try_ms: 0,
            is_kept: true,
        };
        self.reservations.insert(relay, reservation);
    }

    pub(super) fn tick_relays(&mut self, now_ms: u64) {
        if self.reachability() == Reachability::Unknown && self.is_asked_for_in_vain() {
            tracing::debug!("nobody found a way back in time");
            self.reach.missed();
        }
        let reachability = self.reachability();
        if reachability == Reachability::Private && self.reservations.len() < RELAYS_MAX {
            let helps = |peer: &PeerId| self.identified.get(peer).is_some_and(|told| told.relays);
            let found = self.connections.values().find(|connection| {
                connection.direction == Direction::Outbound
                    && !setup::is_relayed(&connection.address)
                    && helps(&connection.peer)
                    && !self.reservations.contains_key(&connection.peer)
            });
            if let Some(connection) = found {
                let reservation = Reservation {
                    address: address::split(connection.address.clone()).1,
                    listener: None,
                    failures: 0,
                    next_try_ms: 0,
                    is_kept: false,
                };
                self.reservations.insert(connection.peer, reservation);
            }
        }
        if reachability == Reachability::Public {
            return;
        }
        for (relay, reservation) in &mut self.reservations {
            if reservation.listener.is_some() || reservation.next_try_ms > now_ms {
                continue;
            }
            let through = reservation
                .address
                .clone()
                .with(Protocol::P2p(*relay))
                .with(Protocol::P2pCircuit);
            match self.swarm.listen_on(through) {
                Ok(id) => reservation.listener = Some(id),
                Err(error) => {
                    tracing::debug!(%relay, %error, "no place at the relay");
                    reservation.failures += 1;
                    reservation.next_try_ms = now_ms + backoff::pause_ms(reservation.failures, 0.0);
                }
            }
        }
    }

    pub(super) fn reachability(&self) -> Reachability {
        self.reach.state(self.swarm.external_addresses())
    }

    /// Whether the node knows no address of its own that others can dial, although a peer on the
    /// open internet has had the time to try one.
    fn is_asked_for_in_vain(&self) -> bool {
        let is_on_internet = |address| address::ip(address).is_some_and(address::is_global);
        self.swarm.external_addresses().all(setup::is_relayed)
            && self.connections.values().any(|connection| {
                connection.direction == Direction::Outbound
                    && !setup::is_relayed(&connection.address)
                    && is_on_internet(&connection.address)
                    && connection.since.elapsed() >= WAY_BACK_TIMEOUT
            })
    }

    pub(super) fn on_relay_client(&mut self, event: &relay::client::Event) {
        if let relay::client::Event::ReservationReqAccepted { relay_peer_id, .. } = event {
            tracing::debug!(relay = %relay_peer_id, "reachable through a relay");
            self.relays.insert(*relay_peer_id);
            if let Some(reservation) = self.reservations.get_mut(relay_peer_id) {
                reservation.failures = 0;
            }
        }
    }

    pub(super) fn on_new_listen(&mut self, id: ListenerId, address: Multiaddr) {
        tracing::info!(%address, "listening");
        let is_relay = self.config.relay_server && !setup::is_relayed(&address);
        // A relay has to say where others find it, before anybody has tried, and what was proven
        // is not tested again.
        let is_told = self.reach.is_proven(&address)
            || (is_relay && self.shared.policy.read().allows(&address));
        if is_told {
            self.swarm.add_external_address(address.clone());
        }
        self.listeners.entry(id).or_default().push(address);
        self.show_listen();
    }

    pub(super) fn on_expired_listen(&mut self, id: ListenerId, address: &Multiaddr) {
        if let Some(addresses) = self.listeners.get_mut(&id) {
            addresses.retain(|known| known != address);
        }
        self.stop_telling(address);
        self.show_listen();
    }

    /// An address is listened on no longer.
    fn stop_telling(&mut self, address: &Multiaddr) {
        let mut named = self.config.external.iter();
        let is_named = named.any(|text| address::parse(text).is_ok_and(|named| named == *address));
        // The relay client itself withdraws what leads through relays.
        if !is_named && !setup::is_relayed(address) {
            self.swarm.remove_external_address(address);
        }
    }

    pub(super) fn on_listener_closed(&mut self, id: ListenerId, reason: &std::io::Result<()>) {
        for address in self.listeners.remove(&id).unwrap_or_default() {
            self.stop_telling(&address);
        }
        self.show_listen();
        let now_ms = self.now_ms();
        let mut lost = None;
        for (relay, reservation) in &mut self.reservations {
            if reservation.listener == Some(id) {
                reservation.listener = None;
                reservation.failures += 1;
                reservation.next_try_ms = now_ms + backoff::pause_ms(reservation.failures, 0.0);
                lost = Some((*relay, reservation.is_kept));
            }
        }
        match lost {
            Some((relay, is_kept)) => {
                tracing::debug!(%relay, ?reason, "the place at the relay is lost");
                self.relays.remove(&relay);
                if !is_kept {
                    self.reservations.remove(&relay);
                }
            }
            None => tracing::warn!(
                ?reason,
                "no longer listening; restart the node to listen again"
            ),
        }
    }

    fn show_listen(&self) {
        let all = self.listeners.values().flatten().cloned().collect();
        self.shared.set_listen(all);
    }

    pub(super) fn on_autonat(&mut self, event: &autonat::v2::client::Event) {
        let address = &event.tested_addr;
        if let Err(error) = &event.result {
            tracing::debug!(%address, %error, "not reached");
        }
        if says_something(address) {
            match event.result {
                Ok(()) => self.reach.reached(address),
                Err(_) => self.reach.missed(),
            }
        }
        if setup::is_relayed(address) {
            // The reservation itself made known the address that leads here; this one ends at
            // the relay.
            self.swarm.remove_external_address(address);
        }
    }

    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else {
            return;
        };
        let now_ms = self.now_ms();
        for (id, address) in found {
            let (_, address) = address::split(address);
            let (Some(id), Some(ip)) = (peer::to_wire(&id), address::ip(&address)) else {
                continue;
            };
            // Others on the local network may only name addresses of it.
            if ip.is_loopback() || address::is_global(ip) {
                continue;
            }
            let mut policy = self.shared.policy.write();
            if policy.trusted.len() < TRUSTED_MAX {
                policy.trusted.insert(ip);
            }
            drop(policy);
            self.book.learn(id, &address, now_ms);
        }
    }

    pub(super) fn on_upnp(&mut self, event: &upnp::Event) {
        match event {
            upnp::Event::NewExternalAddr { external_addr, .. } => {
                tracing::info!(address = %external_addr, "the router forwards a port");
                self.port_mapped = true;
            }
            upnp::Event::ExpiredExternalAddr { .. } => self.port_mapped = false,
            other => tracing::debug!(?other, "the router forwards no port"),
        }
    }
}

/// Whether the test of an address says something of the node: that a relay was reached does not,
/// and nor does the bare name that a peer goes by behind one.
fn says_something(tested: &Multiaddr) -> bool {
    !setup::is_relayed(tested) && address::ip(tested).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_its_own_tells_how_a_node_is_reached() {
        let peer = PeerId::random();
        let own: Multiaddr = "/ip4/8.8.8.8/udp/1/quic-v1".parse().unwrap();
        let relayed = own
            .clone()
            .with(Protocol::P2p(peer))
            .with(Protocol::P2pCircuit);
        let name = Multiaddr::empty().with(Protocol::P2p(peer));
        assert!(says_something(&own));
        assert!(!says_something(&relayed) && !says_something(&name));
    }
}
