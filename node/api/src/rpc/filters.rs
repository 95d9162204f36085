//! Filters that a client polls (`eth_newFilter` and its kin).
//!
//! A filter is a position in the chain, not a buffer: what has happened since is read from the
//! ledger when the client asks, a bounded part at a time. A filter that nobody asks for
//! [`FILTER_LIFETIME`] is forgotten; geth does the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::{B256, U256};
use alloy::rpc::types::Filter;
use parking_lot::Mutex;
use phytomer_primitives::BlockNumber;
use tokio::sync::{Mutex as AsyncMutex, broadcast};

use crate::limits::{FILTER_LIFETIME, FILTERS_MAX};
use crate::rpc::error::RpcError;

/// What a filter looks for, and from where.
pub(crate) enum Cursor {
    /// Logs that match, from a block on.
    Logs {
        /// What matches.
        filter: Box<Filter>,
        /// The first block that the client has not heard of.
        next_block: BlockNumber,
    },
    /// Hashes of blocks, from a block on.
    Blocks {
        /// The first block that the client has not heard of.
        next_block: BlockNumber,
    },
    /// Hashes of transactions that become pending.
    Pending(broadcast::Receiver<B256>),
}

/// A filter. One poll at a time moves it, so that no change is told twice.
pub(crate) type Shared = Arc<AsyncMutex<Cursor>>;

struct Slot {
    cursor: Shared,
    asked_at: Instant,
}

/// The filters of all clients.
#[derive(Default)]
pub(crate) struct Filters(Mutex<HashMap<U256, Slot>>);

impl Filters {
    /// Adds a filter and names it.
    pub(crate) fn add(&self, cursor: Cursor, now: Instant) -> Result<U256, RpcError> {
        let mut slots = self.0.lock();
        if slots.len() >= FILTERS_MAX {
            slots.retain(|_, slot| slot.is_alive(now));
        }
        if slots.len() >= FILTERS_MAX {
            return Err(RpcError::LimitExceeded(format!(
                "{FILTERS_MAX} filters are in use; remove one with eth_uninstallFilter, or subscribe over WebSocket"
            )));
        }
        // 128 bits that cannot be guessed: a filter belongs to whoever knows its id.
        let id = U256::from(rand::random::<u128>());
        slots.insert(
            id,
            Slot {
                cursor: Arc::new(AsyncMutex::new(cursor)),
                asked_at: now,
            },
        );
        Ok(id)
    }

    /// A filter that is alive, which stays so for another lifetime.
    pub(crate) fn get(&self, id: U256, now: Instant) -> Result<Shared, RpcError> {
        let mut slots = self.0.lock();
        match slots.get_mut(&id) {
            Some(slot) if slot.is_alive(now) => {
                slot.asked_at = now;
                Ok(slot.cursor.clone())
            }
            _ => {
                slots.remove(&id);
                Err(RpcError::FilterNotFound)
            }
        }
    }

    /// Removes a filter; says whether there was one.
    pub(crate) fn remove(&self, id: U256) -> bool {
        self.0.lock().remove(&id).is_some()
    }
}

impl Slot {
    fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked_at) < FILTER_LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn blocks() -> Cursor {
        Cursor::Blocks {
            next_block: BlockNumber(1),
        }
    }

    #[test]
    fn a_filter_lives_while_it_is_asked() {
        let filters = Filters::default();
        let start = Instant::now();
        let id = filters.add(blocks(), start).unwrap();
        let almost = FILTER_LIFETIME - Duration::from_secs(1);
        filters.get(id, start + almost).unwrap();
        filters.get(id, start + almost * 2).unwrap();
        assert!(
            filters
                .get(id, start + almost * 2 + FILTER_LIFETIME)
                .is_err()
        );
        assert!(!filters.remove(id), "what has expired is gone");
    }

    #[test]
    fn the_number_of_filters_is_bounded_and_room_comes_back() {
        let filters = Filters::default();
        let start = Instant::now();
        for _ in 0..FILTERS_MAX {
            filters.add(blocks(), start).unwrap();
        }
        assert!(matches!(
            filters.add(blocks(), start),
            Err(RpcError::LimitExceeded(_))
        ));
        filters.add(blocks(), start + FILTER_LIFETIME).unwrap();
    }
}
