//! How many streams peers may have open here.
//!
//! Each peer has a share of its own. The first few streams of it are certain; the others come out
//! of a pool that all peers draw on, so that who drains the pool shuts nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use libp2p::PeerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams that a peer may have open however many others have.
const CERTAIN: usize = 4;

/// What a stream occupies until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Place {
    permits: Vec<OwnedSemaphorePermit>,
    is_certain: bool,
}

impl Place {
    pub(super) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permits.push(permit);
    }
}

/// The share of one peer.
#[derive(Debug)]
pub(super) struct Room {
    share: Arc<Semaphore>,
    max: usize,
}

impl Room {
    /// A place within the share; none where the peer has as many streams as it may.
    pub(super) fn take(&self) -> Option<Place> {
        let permit = self.share.clone().try_acquire_owned().ok()?;
        // Another connection of the peer may take a place meanwhile: then fewer are certain, never
        // more.
        let taken = self.max.saturating_sub(self.share.available_permits());
        Some(Place {
            permits: vec![permit],
            is_certain: taken <= CERTAIN,
        })
    }
}

/// The streams of all peers.
pub(super) struct Pool {
    all: Arc<Semaphore>,
    per_peer_max: usize,
    /// The share of each peer, while any of its connections or streams lives.
    shares: HashMap<PeerId, Weak<Semaphore>>,
}

impl Pool {
    pub(super) fn new(per_peer_max: usize, all_max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all_max)),
            per_peer_max,
            shares: HashMap::new(),
        }
    }

    /// The share of a peer, the same on all its connections.
    pub(super) fn room(&mut self, peer: PeerId) -> Room {
        let share = self.shares.get(&peer).and_then(Weak::upgrade);
        let share = share.unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(self.per_peer_max));
            self.shares.retain(|_, share| share.strong_count() > 0);
            self.shares.insert(peer, Arc::downgrade(&share));
            share
        });
        Room {
            share,
            max: self.per_peer_max,
        }
    }

    /// Lets a place be used; says whether there is room. Where it is not certain, it comes out of
    /// the pool.
    pub(super) fn admit(&self, place: &mut Place) -> bool {
        if place.is_certain {
            return true;
        }
        let permit = self.all.clone().try_acquire_owned();
        permit.map(|permit| place.hold(permit)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARE: usize = 8;
    const ALL: usize = 10;

    #[test]
    fn who_drains_the_pool_leaves_others_what_is_certain() {
        let mut pool = Pool::new(SHARE, ALL);
        let rooms: Vec<Room> = (0..5).map(|_| pool.room(PeerId::random())).collect();
        let (late, greedy) = rooms.split_last().unwrap();
        let mut held = Vec::new();
        let mut open = |room: &Room| {
            let mut place = room.take().unwrap();
            let is_admitted = pool.admit(&mut place);
            held.push(place);
            is_admitted
        };
        let mut admitted = 0;
        for room in greedy {
            admitted += (0..SHARE).filter(|_| open(room)).count();
        }
        assert_eq!(admitted, 4 * CERTAIN + ALL);
        let late: Vec<bool> = (0..=CERTAIN).map(|_| open(late)).collect();
        assert_eq!(late, [true, true, true, true, false]);
    }

    proptest! {
        /// Whatever peers open and close, none has more than its share, all together no more than
        /// there is, and who has few gets one more.
        #[test]
        fn shares_hold_and_few_are_certain(
            steps in proptest::collection::vec((0usize..4, any::<bool>(), 0usize..SHARE), 0..300),
        ) {
            let mut pool = Pool::new(SHARE, ALL);
            let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
            let mut held: Vec<Vec<Place>> = peers.iter().map(|_| Vec::new()).collect();
            for (peer, opens, index) in steps {
                if !opens {
                    if index < held[peer].len() {
                        held[peer].swap_remove(index);
                    }
                    continue;
                }
                let before = held[peer].len();
                let place = pool.room(peers[peer]).take();
                prop_assert_eq!(place.is_some(), before < SHARE);
                let Some(mut place) = place else { continue };
                let is_admitted = pool.admit(&mut place);
                prop_assert!(is_admitted || before >= CERTAIN);
                if is_admitted {
                    held[peer].push(place);
                }
                let all: usize = held.iter().map(Vec::len).sum();
                prop_assert!(all <= ALL + CERTAIN * peers.len());
            }
        }
    }
}
