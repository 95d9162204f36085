//! The routing table: finding peers, and who provides what.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::kad::{
    Event, GetClosestPeersError, GetClosestPeersOk, GetProvidersOk, InboundRequest, Mode, QueryId,
    QueryInfo, QueryResult, RecordKey,
};
use libp2p::{Multiaddr, PeerId};
use phytomer_wire::{ContentKey, NetworkError};
use tokio::sync::oneshot;

use super::Actor;
use crate::links::{Links, Standing};
use crate::providers::{self, Source};
use crate::{address, peer};

/// The first pause between two looks for peers, in milliseconds.
pub(super) const LOOKUP_PAUSE_MS: u64 = 500;
/// The longest pause, in milliseconds.
const LOOKUP_PAUSE_MAX_MS: u64 = 60_000;
/// Providers that one question returns.
const PROVIDERS_MAX: usize = 32;
/// Questions for providers at once; more are answered with nothing.
const QUERIES_MAX: usize = 256;
/// Addresses that are believed of a peer that others know.
const ADDRESSES_TOLD_MAX: usize = 4;
/// Announcements of own contents under way at once.
const ANNOUNCEMENTS_MAX: usize = 16;
/// Announcements that are begun at once.
const ANNOUNCED_MAX: usize = 4;
/// How long a question for providers may take.
const PROVIDERS_TIMEOUT: Duration = Duration::from_secs(5);

/// A question for providers that is under way.
pub(super) struct ProviderQuery {
    found: HashSet<PeerId>,
    reply: oneshot::Sender<Vec<phytomer_wire::PeerId>>,
    until_ms: u64,
}

impl Actor {
    /// Provides a content, which is announced as soon as somebody is there to hear of it.
    pub(super) fn provide(&mut self, key: ContentKey) -> Result<(), NetworkError> {
        let max = providers::OWN_MAX;
        let store = self.swarm.behaviour_mut().kad.store_mut();
        store
            .provide(key)
            .map_err(|_| NetworkError::TooManyProvided { max })
    }

    pub(super) fn withdraw(&mut self, key: ContentKey) {
        let store = self.swarm.behaviour_mut().kad.store_mut();
        store.withdraw(key);
    }

    /// Announces some of what this node provides, and forgets what others no longer provide.
    fn tick_providers(&mut self, now_ms: u64) {
        let kad = &mut self.swarm.behaviour_mut().kad;
        kad.store_mut().purge(std::time::Instant::now(), now_ms);
        let known = kad.kbuckets().map(|bucket| bucket.num_entries()).sum();
        let running = kad.iter_queries();
        let running = running
            .filter(|query| matches!(query.info(), QueryInfo::AddProvider { .. }))
            .count();
        let free = ANNOUNCEMENTS_MAX.saturating_sub(running);
        let count = free.min(ANNOUNCED_MAX);
        for key in kad.store_mut().announce(known, now_ms, count) {
            if let Err(error) = kad.start_providing(RecordKey::new(&key)) {
                tracing::debug!(%error, "content is not announced");
            }
        }
    }

    pub(super) fn find_providers(
        &mut self,
        key: ContentKey,
        reply: oneshot::Sender<Vec<phytomer_wire::PeerId>>,
    ) {
        if self.provider_queries.len() >= QUERIES_MAX {
            let _ = reply.send(Vec::new());
            return;
        }
        let until_ms = self.now_ms() + PROVIDERS_TIMEOUT.as_millis() as u64;
        let kad = &mut self.swarm.behaviour_mut().kad;
        let id = kad.get_providers(RecordKey::new(&key));
        let query = ProviderQuery {
            found: HashSet::new(),
            reply,
            until_ms,
        };
        self.provider_queries.insert(id, query);
    }

    fn end_provider_query(&mut self, id: QueryId) {
        let Some(query) = self.provider_queries.remove(&id) else {
            return;
        };
        let local = *self.swarm.local_peer_id();
        let found = query.found.iter().filter(|peer| **peer != local);
        let found = found
            .filter_map(peer::to_wire)
            .take(PROVIDERS_MAX)
            .collect();
        let _ = query.reply.send(found);
    }

    /// Looks for the address of a peer, to dial it then.
    pub(super) fn search(&mut self, peer: PeerId) {
        if self.searches.values().any(|sought| *sought == peer) {
            return;
        }
        if self.searches.len() >= QUERIES_MAX {
            self.give_up(peer, "no address of it is known");
            return;
        }
        let id = self.swarm.behaviour_mut().kad.get_closest_peers(peer);
        self.searches.insert(id, peer);
    }

    fn end_search(&mut self, id: QueryId) {
        let Some(peer) = self.searches.remove(&id) else {
            return;
        };
        let known = peer::to_wire(&peer);
        if known.is_none_or(|id| self.book.addresses(id).is_empty()) {
            self.give_up(peer, "no address of it is known, and nobody knows one");
        } else if self.waiters.contains_key(&peer) {
            self.dial(peer);
        }
    }

    pub(super) fn on_kad(&mut self, event: Event) {
        match event {
            Event::InboundRequest {
                request:
                    InboundRequest::AddProvider {
                        record: Some(record),
                    },
            } => {
                let links = self.links.get(&record.provider);
                if links.and_then(Links::standing) == Some(Standing::Member) {
                    let connections = self.connections.values();
                    let connections = connections.filter(|known| known.peer == record.provider);
                    let source = Source::of(connections.map(|connection| &connection.address));
                    let store = self.swarm.behaviour_mut().kad.store_mut();
                    // Who provides too much, or comes where there is no room, is not heard.
                    let _ = store.keep(record, source);
                }
            }
            Event::OutboundQueryProgressed {
                id, result, step, ..
            } => {
                match result {
                    QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders {
                        providers,
                        ..
                    })) => {
                        if let Some(query) = self.provider_queries.get_mut(&id) {
                            query
                                .found
                                .extend(providers.into_iter().take(PROVIDERS_MAX));
                        }
                    }
                    QueryResult::GetClosestPeers(
                        Ok(GetClosestPeersOk { peers, .. })
                        | Err(GetClosestPeersError::Timeout { peers, .. }),
                    ) => {
                        for found in peers {
                            self.hear_of(found.peer_id, found.addrs);
                        }
                    }
                    _ => {}
                }
                if step.last {
                    self.end_provider_query(id);
                    self.end_search(id);
                }
            }
            _ => {}
        }
    }

    /// Notes what others say of where a peer is.
    pub(super) fn hear_of(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let now_ms = self.now_ms();
        let Some(id) = peer::to_wire(&peer).filter(|id| *id != self.shared.local) else {
            return;
        };
        let policy = self.shared.policy.read().clone();
        let told = addresses
            .into_iter()
            .map(|address| address::split(address).1);
        let allowed = told.filter(|address| policy.allows(address));
        for address in allowed.take(ADDRESSES_TOLD_MAX) {
            self.book.learn(id, &address, now_ms);
        }
    }

    /// A new member may know more.
    pub(super) fn hasten_lookup(&mut self, now_ms: u64) {
        if self.wants_peers() {
            self.lookup_pause_ms = LOOKUP_PAUSE_MS;
            self.next_lookup_ms = self.next_lookup_ms.min(now_ms + LOOKUP_PAUSE_MS);
        }
    }

    pub(super) fn tick_lookups(&mut self, now_ms: u64) {
        self.tick_providers(now_ms);
        let late: Vec<QueryId> = self
            .provider_queries
            .iter()
            .filter(|(_, query)| query.until_ms <= now_ms || query.reply.is_closed())
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.end_provider_query(id);
            let kad = &mut self.swarm.behaviour_mut().kad;
            if let Some(mut query) = kad.query_mut(&id) {
                query.finish();
            }
        }
        let is_server = self.swarm.listeners().next().is_some()
            || self.swarm.external_addresses().next().is_some();
        let mode = if is_server {
            Mode::Server
        } else {
            Mode::Client
        };
        let kad = &mut self.swarm.behaviour_mut().kad;
        if kad.mode() != mode {
            kad.set_mode(Some(mode));
        }
        if now_ms < self.next_lookup_ms || self.links.is_empty() {
            return;
        }
        // Who has enough peers only keeps its routing table fresh.
        if !self.wants_peers() {
            self.lookup_pause_ms = LOOKUP_PAUSE_MAX_MS;
        }
        self.next_lookup_ms = now_ms + self.lookup_pause_ms;
        self.lookup_pause_ms = (2 * self.lookup_pause_ms).min(LOOKUP_PAUSE_MAX_MS);
        // By turns who is near this node, and who is anywhere.
        let local = *self.swarm.local_peer_id();
        let sought = if self.lookup_pause_ms == LOOKUP_PAUSE_MAX_MS {
            PeerId::random()
        } else {
            local
        };
        self.swarm.behaviour_mut().kad.get_closest_peers(sought);
    }
}
