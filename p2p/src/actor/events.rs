//! What the swarm tells.

use libp2p::swarm::{ConnectionId, ListenError, SwarmEvent};
use libp2p::{PeerId, identify, ping};

use super::Actor;
use crate::behaviour::BehaviourEvent;
use crate::guard::Refusal;
use crate::peer;

impl Actor {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint);
                self.on_dialled(connection_id, peer_id);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.forget_parked(connection_id);
                self.on_disconnected(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                peer_id,
                error,
            } => self.on_outgoing_error(connection_id, peer_id, &error),
            SwarmEvent::IncomingConnectionError { error, .. } => self.on_incoming_error(&error),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => self.on_new_listen(listener_id, address),
            SwarmEvent::ExpiredListenAddr {
                listener_id,
                address,
            } => self.on_expired_listen(listener_id, &address),
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => self.on_listener_closed(listener_id, &reason),
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(%error, "a connection could not be taken");
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Streams(arrived) => self.on_arrived(arrived),
            BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                connection_id,
                info,
            }) => self.on_identified(peer_id, connection_id, info),
            BehaviourEvent::Ping(event) => self.on_ping(&event),
            BehaviourEvent::Kad(event) => self.on_kad(event),
            BehaviourEvent::Mdns(event) => self.on_mdns(event),
            BehaviourEvent::RelayClient(event) => self.on_relay_client(&event),
            BehaviourEvent::AutonatClient(event) => self.on_autonat(&event),
            BehaviourEvent::Upnp(event) => self.on_upnp(&event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Dcutr(event) => {
                tracing::debug!(peer = %event.remote_peer_id, ok = event.result.is_ok(), "hole punching");
            }
            _ => {}
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(rtt) => {
                if let Some(id) = peer::to_wire(&event.peer) {
                    self.shared.update(id, |known| known.rtt = Some(*rtt));
                }
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => self.on_silent(event.peer, event.connection, error),
        }
    }

    fn on_silent(&mut self, peer: PeerId, connection: ConnectionId, error: &ping::Failure) {
        tracing::debug!(%peer, %error, "closed: the peer does not answer");
        self.swarm.close_connection(connection);
    }

    fn on_incoming_error(&mut self, error: &ListenError) {
        let reason = match error {
            ListenError::Denied { cause } if cause.downcast_ref::<Refusal>().is_some() => return,
            ListenError::Denied { .. } => "limit",
            ListenError::Transport(_) => "handshake",
            _ => "other",
        };
        tracing::debug!(%error, "a connection was not taken");
        let refused = &self.shared.metrics.refused;
        refused.with_label_values(&[reason]).inc();
    }
}
