//! What comes before its height begins: others are a moment ahead.

use std::collections::{BTreeMap, VecDeque};

use phytomer_wire::PeerId;
use phytomer_wire::consensus::{BLOCK_BYTES_MAX, SIGNATURE_BYTES_MAX};

use crate::Message;

/// The most bytes kept of one peer: a block, and what is said about it.
const PEER_BYTES_MAX: usize = BLOCK_BYTES_MAX + (1 << 20);
/// The most bytes kept of all peers.
const BYTES_MAX: usize = 8 * PEER_BYTES_MAX;

/// Messages of the next height, unverified.
#[derive(Debug, Default)]
pub(super) struct Early {
    queue: VecDeque<(PeerId, Message)>,
    bytes: BTreeMap<PeerId, usize>,
    bytes_sum: usize,
}

impl Early {
    /// Keeps a message, or drops it where its sender or all together have too many.
    pub(super) fn push(&mut self, from: PeerId, message: Message) {
        let weight = weight(&message);
        let bytes = self.bytes.entry(from).or_default();
        if *bytes + weight > PEER_BYTES_MAX || self.bytes_sum + weight > BYTES_MAX {
            return;
        }
        *bytes += weight;
        self.bytes_sum += weight;
        self.queue.push_back((from, message));
    }

    /// All messages, in the order in which they came.
    pub(super) fn take(&mut self) -> VecDeque<(PeerId, Message)> {
        std::mem::take(self).queue
    }
}

/// About as many bytes as the message takes.
fn weight(message: &Message) -> usize {
    match message {
        Message::Part(part) => part.data.len() + 256,
        Message::Manifest(manifest) => 32 * manifest.message.hashes.len() + SIGNATURE_BYTES_MAX,
        Message::Polka(certificate) => (certificate.signatures.len() + 1) * SIGNATURE_BYTES_MAX,
        Message::Round(certificate) => (certificate.votes.len() + 1) * SIGNATURE_BYTES_MAX,
        _ => SIGNATURE_BYTES_MAX,
    }
}
