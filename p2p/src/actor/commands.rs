//! What the handle asks.

use libp2p::swarm::ConnectionId;
use phytomer_store::Error as StoreError;
use phytomer_wire::Direction;
use tokio::sync::oneshot;

use super::Actor;
use crate::book::{self, Exclusion};
use crate::command::Command;
use crate::{Status, peer};

impl Actor {
    pub(super) fn on_command(&mut self, command: Command) {
        // Who asked may have stopped waiting for the answer; that is theirs to know.
        match command {
            Command::Publish { topic, data, reply } => {
                let _ = reply.send(self.publish(topic, data));
            }
            Command::Subscribe { topic, reply } => {
                let _ = reply.send(self.subscribe(topic));
            }
            Command::Serve { protocol, reply } => {
                let _ = reply.send(self.serve(protocol));
            }
            Command::Accept { protocol, reply } => {
                let _ = reply.send(self.accept(protocol));
            }
            Command::Open {
                peer,
                protocol,
                reply,
            } => self.open(peer::to_libp2p(&peer), protocol, reply),
            Command::Provide { key, reply } => {
                let _ = reply.send(self.provide(key));
            }
            Command::Withdraw { key, reply } => {
                self.withdraw(key);
                let _ = reply.send(());
            }
            Command::Providers { key, reply } => self.find_providers(key, reply),
            Command::Dial { address, reply } => self.dial_address(address, reply),
            Command::Disconnect { peer, reply } => {
                let peer = peer::to_libp2p(&peer);
                let _ = reply.send(self.close(peer));
            }
            Command::Ban { peer, reply } => {
                self.exclude(peer::to_libp2p(&peer), Exclusion::ForGood);
                self.save_and_tell(reply);
            }
            Command::Unban { peer, reply } => {
                self.book.admit(peer);
                let id = peer::to_libp2p(&peer);
                self.swarm.behaviour_mut().guard().admit(&id);
                self.scores.remove(&id);
                // Gossip keeps its own copy, and would not hear the peer for long.
                self.show_score(&id, 0.0);
                self.save_and_tell(reply);
            }
            Command::Status { reply } => {
                let _ = reply.send(self.status());
            }
        }
    }

    fn save_and_tell(&mut self, reply: oneshot::Sender<Result<(), StoreError>>) {
        let (changes, store) = (self.book.take_changes(), self.store.clone());
        self.tasks.spawn_blocking(move || {
            let _ = reply.send(book::records::save(&*store, changes));
        });
    }

    fn status(&self) -> Status {
        let direction = |wanted: Direction| {
            self.shared
                .count(|known| known.is_member && known.peer.direction == wanted)
        };
        let external = self.swarm.external_addresses().map(ToString::to_string);
        let mut relays: Vec<_> = self.relays.iter().filter_map(peer::to_wire).collect();
        relays.sort();
        Status {
            peer: self.shared.local,
            network: self.hello.network.clone(),
            listen: self.shared.listen_addresses(),
            external: external.collect(),
            reachability: self.reachability(),
            relays,
            port_mapped: self.port_mapped,
            peers_outbound: direction(Direction::Outbound),
            peers_inbound: direction(Direction::Inbound),
            guests: self.shared.count(|known| !known.is_member),
            known_peers: self.book.len(),
            dial_failures: self.failures.iter().cloned().collect(),
            bytes_in: self.shared.counters.received(),
            bytes_out: self.shared.counters.sent(),
            excluded: self.book.excluded(),
        }
    }

    /// Forgets what waited on a connection that ended.
    pub(super) fn forget_parked(&mut self, connection: ConnectionId) {
        self.parked.remove(&connection);
    }
}
