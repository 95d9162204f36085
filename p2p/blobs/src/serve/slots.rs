//! Who may be served how much at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use phytomer_wire::blobs::{SPAN_BYTES, TURN_MS_MAX};
use phytomer_wire::{Origin, PeerId};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::shared::Shared;

/// Requests for which content is opened at once: opening content of a source hashes all of it.
const OPENINGS_MAX: usize = 4;
/// Streams that are told at once that there is no place for them; more are closed unheard.
const REFUSALS_MAX: usize = 64;
/// One peer has at most this part of the transfers.
const PEER_PART: usize = 4;
/// The peers of one network together have at most this part of the streams and of the transfers.
const NETWORK_PART: usize = 2;

/// What all peers share, and what each has of it.
pub(super) struct Slots {
    shared: Arc<Shared>,
    held: Mutex<Held>,
    transfers: Semaphore,
    openings: Semaphore,
    refusals: Arc<Semaphore>,
    /// How long a peer may take to ask, or to accept a span.
    pub(super) stall_timeout: Duration,
    /// How long a request waits for its turn.
    pub(super) turn_timeout: Duration,
    /// How long a span takes at the least rate.
    pub(super) span_time: Duration,
}

/// Who has a share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Peer(PeerId),
    Network(Origin),
}

/// What is taken of the streams, and whose they are.
#[derive(Default)]
struct Held {
    streams: usize,
    shares: HashMap<Holder, Share>,
}

/// What a peer or a network has.
struct Share {
    streams: usize,
    transfers: Arc<Semaphore>,
}

impl Held {
    fn streams(&self, holder: Holder) -> usize {
        self.shares.get(&holder).map_or(0, |share| share.streams)
    }

    /// One more stream for a holder, which has at most so many transfers.
    fn take(&mut self, holder: Holder, transfers_max: usize) -> Arc<Semaphore> {
        let share = self.shares.entry(holder).or_insert_with(|| Share {
            streams: 0,
            transfers: Arc::new(Semaphore::new(transfers_max)),
        });
        share.streams += 1;
        Arc::clone(&share.transfers)
    }

    fn give_back(&mut self, holder: Holder) {
        if let Some(share) = self.shares.get_mut(&holder) {
            share.streams -= 1;
            if share.streams == 0 {
                self.shares.remove(&holder);
            }
        }
    }
}

impl Slots {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let limits = &shared.config.serve;
        let span_time_ms = SPAN_BYTES * 1000 / limits.bytes_per_s_min.max(1);
        Self {
            shared: Arc::clone(shared),
            held: Mutex::default(),
            transfers: Semaphore::new(limits.transfers_max),
            openings: Semaphore::new(OPENINGS_MAX),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            stall_timeout: Duration::from_millis(limits.stall_timeout_ms),
            turn_timeout: Duration::from_millis(limits.turn_timeout_ms.min(TURN_MS_MAX)),
            span_time: Duration::from_millis(span_time_ms),
        }
    }

    /// A place for one more stream of a peer, where there is one. One host can be any number of
    /// peers: those of one network share what it has, unless that is the local one.
    pub(super) fn take(self: &Arc<Self>, peer: PeerId, origin: Origin) -> Option<Slot> {
        let limits = &self.shared.config.serve;
        let of_peer = Holder::Peer(peer);
        let of_network = (origin != Origin::Local).then_some(Holder::Network(origin));
        let network_max = part(limits.streams_max, NETWORK_PART);
        let mut held = self.held.lock();
        let refused = if held.streams >= limits.streams_max {
            Some("full")
        } else if held.streams(of_peer) >= limits.peer_streams_max.max(1) {
            Some("peer")
        } else if of_network.is_some_and(|network| held.streams(network) >= network_max) {
            Some("network")
        } else {
            None
        };
        if let Some(reason) = refused {
            self.count_refused(reason);
            return None;
        }
        let parts = [(Some(of_peer), PEER_PART), (of_network, NETWORK_PART)];
        let shares = parts.into_iter().filter_map(|(holder, divisor)| {
            let transfers = held.take(holder?, part(limits.transfers_max, divisor));
            Some((holder?, transfers))
        });
        let shares = shares.collect();
        held.streams += 1;
        self.shared.metrics.serving.inc();
        Some(Slot {
            slots: Arc::clone(self),
            shares,
        })
    }

    /// A place in which a stream is told that there is none to serve it.
    pub(super) fn take_refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    fn count_refused(&self, reason: &str) {
        let refused = &self.shared.metrics.refused;
        refused.with_label_values(&[reason]).inc();
    }
}

/// A part of the places, and one in any case.
fn part(places: usize, divisor: usize) -> usize {
    (places / divisor).max(1)
}

/// The place of one stream.
pub(super) struct Slot {
    pub(super) slots: Arc<Slots>,
    /// Whose places it takes: its peer's, then its network's.
    shares: Vec<(Holder, Arc<Semaphore>)>,
}

impl Slot {
    /// A turn to send content, among those of the peer, then of its network, then of all; none
    /// where it does not come until `due`.
    pub(super) async fn transfer(&self, due: Instant) -> Option<Vec<SemaphorePermit<'_>>> {
        let turn = async {
            let mut permits = Vec::new();
            for (_, transfers) in &self.shares {
                permits.push(transfers.acquire().await?);
            }
            permits.push(self.slots.transfers.acquire().await?);
            Ok(permits)
        };
        self.until(due, turn).await
    }

    /// A turn to open content; none where it does not come until `due`.
    pub(super) async fn opening(&self, due: Instant) -> Option<SemaphorePermit<'_>> {
        self.until(due, self.slots.openings.acquire()).await
    }

    async fn until<T>(
        &self,
        due: Instant,
        turn: impl Future<Output = Result<T, AcquireError>>,
    ) -> Option<T> {
        let turn = timeout_at(due, turn).await.ok().and_then(Result::ok);
        if turn.is_none() {
            self.slots.count_refused("busy");
        }
        turn
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.shared.metrics.serving.dec();
        let mut held = self.slots.held.lock();
        held.streams -= 1;
        for (holder, _) in &self.shares {
            held.give_back(*holder);
        }
    }
}
